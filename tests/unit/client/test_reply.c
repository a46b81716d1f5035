/* Replies are read whole, in pieces and behind one another; what is none is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client/bench/reply.h"

/* Reads a reply that comes in two pieces; each from a block of exactly its size, so that ASan sees
 * a read past the end. */
static enum reply_outcome read_split(struct text bytes, size_t split, bool is_ended,
                                     struct reply_read *ret_reply, char **ret_memory) {
    struct reply_reader reader = {0};
    const char *problem = NULL;
    char *memory = malloc(split + 1);
    enum reply_outcome outcome;
    assert_non_null(memory);
    memcpy(memory, bytes.at, split);
    outcome = reply_read(&reader, memory, split, false, ret_reply, &problem);
    if (outcome == REPLY_MORE) {
        memory = realloc(memory, bytes.len + 1);
        assert_non_null(memory);
        memcpy(memory + split, bytes.at + split, bytes.len - split);
        outcome = reply_read(&reader, memory, bytes.len, is_ended, ret_reply, &problem);
    }
    if (outcome == REPLY_BAD)
        assert_non_null(problem);
    *ret_memory = memory;
    return outcome;
}

static void reads_replies_split_anywhere(void **state) {
    static const struct {
        const char *bytes;
        unsigned status;
        bool closes, is_ended;
        const char *body;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, false, false, "hello"},
        {"HTTP/1.1 200\r\ncontent-length:5\r\n\r\nhello", 200, false, false, "hello"},
        {"HTTP/1.1 503 \r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n", 503, true, false,
         ""},
        {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, true, false, "x"},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, false, false, ""},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, false, false, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00A ;x=y\r\n0123456789"
         "\r\n0\r\nTrailer: x\r\n\r\n",
         200, false, false, "abc0123456789"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 201 "
         "Created\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
         201, false, false, "ok"},
        {"HTTP/1.1 200 OK\r\n\r\nall of it", 200, true, true, "all of it"},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct text bytes = text_of(rows[i].bytes);
        for (size_t split = 0; split <= bytes.len; split++) {
            struct reply_read reply;
            char *memory;
            bool is_whole =
                read_split(bytes, split, rows[i].is_ended, &reply, &memory) == REPLY_WHOLE;
            if (!is_whole || reply.status != rows[i].status || reply.closes != rows[i].closes ||
                !text_equal(reply.body, text_of(rows[i].body)) || reply.used != bytes.len)
                fail_msg("row %zu, split at %zu", i, split);
            free(memory);
        }
    }
}

static void asks_for_more_until_it_is_whole(void **state) {
    struct text bytes = TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"
                             "\r\n");
    char memory[128];
    struct reply_reader reader = {0};
    struct reply_read reply;
    const char *problem;
    (void)state;
    memcpy(memory, bytes.at, bytes.len);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(reply_read(&reader, memory, len, false, &reply, &problem), REPLY_MORE);
    assert_int_equal(reply_read(&reader, memory, bytes.len, false, &reply, &problem), REPLY_WHOLE);
    assert_true(text_equal(reply.body, TEXT("ab")));
}

static void leaves_what_follows(void **state) {
    char bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404 No\r\n"
                   "Content-Length: 1\r\n\r\nb";
    struct reply_reader reader = {0};
    struct reply_read reply;
    const char *problem;
    size_t used;
    (void)state;
    assert_int_equal(reply_read(&reader, bytes, sizeof(bytes) - 1, false, &reply, &problem),
                     REPLY_WHOLE);
    used = reply.used;
    assert_int_equal(
        reply_read(&reader, bytes + used, sizeof(bytes) - 1 - used, false, &reply, &problem),
        REPLY_WHOLE);
    assert_int_equal(reply.status, 404);
    assert_true(text_equal(reply.body, TEXT("b")));
    assert_int_equal(used + reply.used, sizeof(bytes) - 1);
}

#define HEAD "HTTP/1.1 200 OK\r\n"
static void refuses_what_is_no_reply(void **state) {
    static const char *const rows[] = {
        "garbage\r\n",
        "\r\n",
        "HTTP/2 200 OK\r\n",
        "HTTP/1.2 200 OK\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1 20 OK\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 600 OK\r\n",
        "HTTP/1.1 099 OK\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 200 OK\n",
        HEAD "No colon\r\n",
        HEAD ": no name\r\n",
        HEAD " folded: line\r\n",
        HEAD "Space : x\r\n",
        HEAD "A: \rb\r\n",
        HEAD "Content-Length: -1\r\n",
        HEAD "Content-Length: 0x1\r\n",
        HEAD "Content-Length: 1, 1\r\n",
        HEAD "Content-Length:\r\n",
        HEAD "Content-Length: 1\r\nContent-Length: 2\r\n",
        HEAD "Content-Length: 4194305\r\n",
        HEAD "Transfer-Encoding: gzip\r\n",
        HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        HEAD "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\nx\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n1x\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n000000001\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nabc",
        HEAD "Transfer-Encoding: chunked\r\n\r\n400001\r\n",
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct text bytes = text_of(rows[i]);
        for (size_t split = 0; split <= bytes.len; split++) {
            struct reply_read reply;
            char *memory;
            if (read_split(bytes, split, false, &reply, &memory) != REPLY_BAD)
                fail_msg("row %zu, split at %zu", i, split);
            free(memory);
        }
    }
}

static void refuses_what_ends_too_early(void **state) {
    struct text bytes = TEXT(HEAD "Content-Length: 3\r\n\r\nab");
    (void)state;
    for (size_t len = 0; len <= bytes.len; len++) {
        struct reply_read reply;
        char *memory;
        assert_int_equal(read_split((struct text){bytes.at, len}, 0, true, &reply, &memory),
                         REPLY_BAD);
        free(memory);
    }
}

/* A head of exactly the limit is read, one of a byte more is not. */
static void keeps_the_limit_of_heads(void **state) {
    static char bytes[REPLY_HEAD_BYTES_MAX + 2];
    struct text start = TEXT(HEAD "Content-Length: 0\r\nX: "), end = TEXT("\r\n\r\n");
    (void)state;
    for (size_t len = REPLY_HEAD_BYTES_MAX - 1; len <= REPLY_HEAD_BYTES_MAX + 1; len++) {
        struct reply_reader reader = {0};
        struct reply_read reply;
        const char *problem;
        memset(bytes, 'x', len);
        memcpy(bytes, start.at, start.len);
        memcpy(bytes + len - end.len, end.at, end.len);
        assert_int_equal(reply_read(&reader, bytes, len, false, &reply, &problem),
                         len <= REPLY_HEAD_BYTES_MAX ? REPLY_WHOLE : REPLY_BAD);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_replies_split_anywhere),
        cmocka_unit_test(asks_for_more_until_it_is_whole),
        cmocka_unit_test(leaves_what_follows),
        cmocka_unit_test(refuses_what_is_no_reply),
        cmocka_unit_test(refuses_what_ends_too_early),
        cmocka_unit_test(keeps_the_limit_of_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
