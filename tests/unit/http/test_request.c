/* HTTP requests: the list of those that must be refused and accepted, split in every way; the
 * limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "request_list.h"
#include "stream.h"

static const struct http_limits limits = {.header_bytes_max = 16384, .body_bytes_max = 65536};

static void expect_text(struct text got, struct text wanted) {
    assert_int_equal(got.len, wanted.len);
    if (wanted.len > 0)
        assert_memory_equal(got.at, wanted.at, wanted.len);
}

/* Every text must lie in the buffer, or be one of the static paths. */
static void expect_within(const struct stream *stream, struct text text) {
    if (text.at != NULL)
        assert_true(text.at >= stream->buffer &&
                    text.at + text.len <= stream->buffer + stream->size);
}

static void expect_case(const struct stream *stream, const struct request_case *wanted) {
    unsigned status = error_http_status(stream->refused);
    if (status != (wanted->status > 0 ? wanted->status : 200) ||
        stream->requests != wanted->requests)
        fail_msg("%s: status %u after %u requests", wanted->name, status, stream->requests);
    if (wanted->status > 0)
        return;
    expect_text(stream->request.path, wanted->path);
    expect_text(stream->request.body, wanted->body);
    assert_int_equal(stream->request.keep_alive, wanted->keep);
    assert_int_equal(stream->last, HTTP_MORE);
    assert_int_equal(stream->fed, 0);
    expect_within(stream, stream->request.body);
    expect_within(stream, stream->request.query);
    expect_within(stream, stream->request.method_text);
    for (size_t i = 0; i < HTTP_HEADERS; i++)
        expect_within(stream, stream->request.headers[i]);
}

/* Feeds the first `first` bytes, then the rest in pieces. */
static void try_case(const struct request_case *wanted, size_t first, size_t piece) {
    struct stream stream;
    stream_open(&stream, limits, wanted->request.len);
    stream_feed(&stream, wanted->request.at, first);
    for (size_t at = first; at < wanted->request.len; at += piece) {
        size_t left = wanted->request.len - at;
        stream_feed(&stream, wanted->request.at + at, left < piece ? left : piece);
    }
    expect_case(&stream, wanted);
    stream_close(&stream);
}

static unsigned refused_count, accepted_count;

static void case_whole(const struct request_case *wanted) {
    try_case(wanted, wanted->request.len, 1);
    *(wanted->status > 0 ? &refused_count : &accepted_count) += 1;
}

static void case_split(const struct request_case *wanted) {
    size_t step = 1 + wanted->request.len / 1000;
    for (size_t first = 0; first <= wanted->request.len; first += step)
        try_case(wanted, first, wanted->request.len);
    for (size_t piece = 1; piece < 8; piece++)
        try_case(wanted, 0, piece);
}

static void test_list(void **state) {
    (void)state;
    size_t count = request_list_read(case_whole);
    assert_int_equal(count, refused_count + accepted_count);
    assert_true(refused_count >= 150);
    assert_true(accepted_count >= 40);
}

static void test_list_split(void **state) {
    (void)state;
    assert_true(request_list_read(case_split) >= 190);
}

/* Feeds a whole string and leaves the stream open. */
static void stream_of(struct stream *stream, const char *request, struct http_limits with) {
    stream_open(stream, with, strlen(request));
    stream_feed(stream, request, strlen(request));
}

static void test_every_part(void **state) {
    (void)state;
    struct stream stream;
    stream_of(&stream,
              "PATCH /a%20b/c?d=e&f HTTP/1.1\r\nHost: a.example:80\r\n"
              "authorization:  Bearer xyz \r\nContent-Type: application/json\r\n"
              "X-Request-Id: 1\r\nX-Request-Id: 2\r\ntraceparent: 00-1-2-3\r\n"
              "If-None-Match: \"e\"\r\nOrigin: https://a.example\r\n"
              "Access-Control-Request-Method: PUT\r\nX-Forwarded-For: 192.0.2.1\r\n"
              "x-forwarded-for: 192.0.2.2, 192.0.2.3\r\nUser-Agent:\r\nX-Other: y\r\n"
              "Content-Length: 2\r\n\r\n{}",
              limits);
    const struct http_request *request = &stream.request;
    const struct text wanted[HTTP_HEADERS] = {
        [HTTP_HEADER_HOST] = TEXT("a.example:80"),
        [HTTP_HEADER_AUTHORIZATION] = TEXT("Bearer xyz"),
        [HTTP_HEADER_CONTENT_TYPE] = TEXT("application/json"),
        [HTTP_HEADER_REQUEST_ID] = TEXT("2"),
        [HTTP_HEADER_TRACEPARENT] = TEXT("00-1-2-3"),
        [HTTP_HEADER_IF_NONE_MATCH] = TEXT("\"e\""),
        [HTTP_HEADER_ORIGIN] = TEXT("https://a.example"),
        [HTTP_HEADER_ACCESS_CONTROL_REQUEST_METHOD] = TEXT("PUT"),
        [HTTP_HEADER_FORWARDED_FOR] = TEXT("192.0.2.2, 192.0.2.3"),
        [HTTP_HEADER_USER_AGENT] = TEXT(""),
    };
    assert_int_equal(stream.requests, 1);
    assert_int_equal(request->method, HTTP_PATCH);
    expect_text(request->method_text, TEXT("PATCH"));
    expect_text(request->path, TEXT("/a%20b/c"));
    expect_text(request->query, TEXT("d=e&f"));
    expect_text(request->body, TEXT("{}"));
    assert_true(request->keep_alive);
    assert_false(request->is_http_1_0);
    for (size_t i = 0; i < HTTP_HEADERS; i++) {
        assert_non_null(request->headers[i].at);
        expect_text(request->headers[i], wanted[i]);
    }
    stream_close(&stream);
}

static void test_absent_parts(void **state) {
    (void)state;
    struct stream stream;
    stream_of(&stream, "BREW / HTTP/1.0\r\n\r\n", limits);
    assert_int_equal(stream.request.method, HTTP_METHOD_OTHER);
    expect_text(stream.request.method_text, TEXT("BREW"));
    assert_true(stream.request.is_http_1_0);
    assert_int_equal(stream.request.query.len + stream.request.body.len, 0);
    for (size_t i = 0; i < HTTP_HEADERS; i++)
        assert_null(stream.request.headers[i].at);
    stream_close(&stream);
}

static void test_absolute_target_replaces_host(void **state) {
    (void)state;
    struct stream stream;
    stream_of(&stream, "GET http://b.example:81/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n", limits);
    expect_text(stream.request.headers[HTTP_HEADER_HOST], TEXT("b.example:81"));
    expect_text(stream.request.path, TEXT("/x"));
    expect_text(stream.request.query, TEXT("y"));
    stream_close(&stream);
}

static void test_methods(void **state) {
    (void)state;
    for (enum http_method method = 0; method < HTTP_METHODS; method++) {
        char request[64];
        struct stream stream;
        (void)snprintf(request, sizeof(request), "%s / HTTP/1.1\r\nHost: a\r\n\r\n",
                       http_method_name(method));
        stream_of(&stream, request, limits);
        assert_int_equal(stream.request.method, method);
        stream_close(&stream);
    }
    assert_string_equal(http_method_name(HTTP_METHOD_OTHER), "OTHER");
}

/* Names that RFC 3986 lets pass and no one has. */
static void test_host_stricter_than_the_grammar(void **state) {
    (void)state;
    static const char *const hosts[] = {"a.example,b.example", "a;b", "a.example:000000080"};
    for (size_t i = 0; i < array_count(hosts); i++) {
        char request[96];
        struct stream stream;
        (void)snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
        stream_of(&stream, request, limits);
        assert_int_equal(stream.refused, ERROR_HTTP_HOST);
        stream_close(&stream);
    }
}

/* A GET whose header block has exactly `len` bytes. */
static char *request_of(size_t len) {
    static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ", tail[] = "\r\n\r\n";
    char *request = malloc(len + 1);
    assert_non_null(request);
    memset(request, 'x', len);
    memcpy(request, head, sizeof(head) - 1);
    memcpy(request + len - (sizeof(tail) - 1), tail, sizeof(tail));
    return request;
}

static void test_header_limit(void **state) {
    (void)state;
    for (uint32_t len = 99; len <= 101; len++) {
        for (size_t first = 0; first <= len; first++) {
            char *request = request_of(len);
            struct stream stream;
            stream_open(&stream, (struct http_limits){.header_bytes_max = 100}, len);
            stream_feed(&stream, request, first);
            stream_feed(&stream, request + first, len - first);
            assert_int_equal(stream.refused, len <= 100 ? ERROR_NONE : ERROR_HTTP_HEADER_LARGE);
            assert_int_equal(stream.requests, len <= 100);
            if (len > 100)
                assert_string_equal(http_parser_error(stream.parser)->subject, "100");
            stream_close(&stream);
            free(request);
        }
    }
}

static void test_header_limit_of_the_request_line(void **state) {
    (void)state;
    struct stream stream;
    stream_of(&stream, "GET /1234567", (struct http_limits){.header_bytes_max = 13});
    assert_int_equal(stream.last, HTTP_MORE);
    assert_true(http_parser_in_headers(stream.parser));
    stream_close(&stream);
    stream_of(&stream, "GET /12345678", (struct http_limits){.header_bytes_max = 13});
    assert_int_equal(stream.refused, ERROR_HTTP_HEADER_LARGE);
    stream_close(&stream);
}

/* Empty lines ahead count towards no limit, as they are not kept. */
static void test_many_empty_lines(void **state) {
    (void)state;
    struct stream stream;
    stream_open(&stream, (struct http_limits){.header_bytes_max = 40}, 64);
    stream_feed(&stream, "\r", 1);
    for (unsigned i = 0; i < 1000; i++)
        stream_feed(&stream, "\n\r\n\r", 4);
    assert_int_equal(stream.fed, 1);
    stream_feed(&stream, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 28);
    assert_int_equal(stream.requests, 1);
    stream_close(&stream);
}

static void test_body_limit(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "Content-Length: 4\r\n\r\nabcd",
        "Content-Length: 5\r\n\r\nabcde",
        "Content-Length: 6\r\n\r\nabcdef",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n1\r\ne\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < array_count(bodies); i++) {
        char request[256];
        struct stream stream;
        (void)snprintf(request, sizeof(request), "POST / HTTP/1.1\r\nHost: a\r\n%s", bodies[i]);
        stream_of(&stream, request,
                  (struct http_limits){.header_bytes_max = 1000, .body_bytes_max = 5});
        assert_int_equal(stream.refused, i % 3 < 2 ? ERROR_NONE : ERROR_HTTP_BODY_LARGE);
        assert_int_equal(stream.requests, i % 3 < 2);
        if (i % 3 == 2)
            assert_string_equal(http_parser_error(stream.parser)->subject, "5");
        stream_close(&stream);
    }
}

/* The refusal comes with the headers: the body need not be sent. */
static void test_body_limit_is_early(void **state) {
    (void)state;
    struct stream stream;
    stream_of(&stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", limits);
    assert_int_equal(stream.refused, ERROR_HTTP_BODY_LARGE);
    stream_close(&stream);
    stream_of(&stream, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n",
              limits);
    assert_int_equal(stream.refused, ERROR_HTTP_BODY_LARGE);
    stream_close(&stream);
}

/* A body in chunks of one byte takes more framing than the header limit, and is fine. */
static void test_tiny_chunks(void **state) {
    (void)state;
    struct stream stream;
    struct http_limits tiny = {.header_bytes_max = 100, .body_bytes_max = 2000};
    stream_open(&stream, tiny, 2200);
    const char *head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream_feed(&stream, head, strlen(head));
    for (unsigned i = 0; i < 2000; i++)
        stream_feed(&stream, "1\r\nx\r\n", 6);
    assert_true(http_parser_in_body(stream.parser));
    stream_feed(&stream, "0\r\n\r\n", 5);
    assert_int_equal(stream.requests, 1);
    assert_int_equal(stream.request.body.len, 2000);
    stream_close(&stream);
}

/* The limit counts extensions and trailers together with the header block. */
static void test_framing_limit(void **state) {
    (void)state;
    const char *head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const char *body = "1;abcdefgh\r\nx\r\n0\r\nX: abcdefgh\r\n\r\n";
    uint32_t needed = (uint32_t)(strlen(head) + strlen(body)) - 1 - 8;
    for (uint32_t max = needed - 1; max <= needed + 1; max++) {
        char request[256];
        struct stream stream;
        (void)snprintf(request, sizeof(request), "%s%s", head, body);
        stream_of(&stream, request,
                  (struct http_limits){.header_bytes_max = max, .body_bytes_max = 5});
        assert_int_equal(stream.refused, max < needed ? ERROR_HTTP_HEADER_LARGE : ERROR_NONE);
        stream_close(&stream);
    }
}

static void test_continue(void **state) {
    (void)state;
    const char *head =
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n";
    struct stream stream;
    stream_open(&stream, limits, 256);
    stream_feed(&stream, head, strlen(head));
    assert_int_equal(stream.last, HTTP_MORE);
    assert_true(http_parser_in_headers(stream.parser));
    stream_feed(&stream, "\r\n", 2);
    assert_int_equal(stream.last, HTTP_CONTINUE);
    assert_true(http_parser_in_body(stream.parser));
    assert_false(http_parser_in_headers(stream.parser));
    stream_feed(&stream, "a", 1);
    assert_int_equal(stream.last, HTTP_MORE);
    stream_feed(&stream, "b", 1);
    assert_int_equal(stream.requests, 1);
    assert_int_equal(stream.continues, 1);
    stream_close(&stream);
}

/* Nobody waits where the body is empty, has begun to come, or is chunked and comes later. */
static void test_continue_only_if_waiting(void **state) {
    (void)state;
    static const struct {
        const char *rest;
        unsigned continues;
    } cases[] = {
        {"Content-Length: 0\r\n\r\n", 0},
        {"Content-Length: 2\r\n\r\na", 0},
        {"Transfer-Encoding: chunked\r\n\r\n1", 0},
        {"Transfer-Encoding: chunked\r\n\r\n", 1},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        char request[256];
        struct stream stream;
        (void)snprintf(request, sizeof(request),
                       "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n%s", cases[i].rest);
        stream_of(&stream, request, limits);
        assert_int_equal(stream.continues, cases[i].continues);
        assert_int_equal(stream.refused, ERROR_NONE);
        stream_close(&stream);
    }
}

/* The buffer may be another one at every feed. */
static void test_buffer_may_move(void **state) {
    (void)state;
    const char *request = "POST /p?q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "2\r\nab\r\n3\r\ncde\r\n0\r\nX: y\r\n\r\n";
    struct http_parser *parser = malloc(http_parser_bytes());
    assert_non_null(parser);
    http_parser_init(parser, &limits);
    char *buffer = NULL;
    size_t fed = 0, used = 0;
    enum http_event event = HTTP_MORE;
    for (size_t i = 0; event == HTTP_MORE; i++) {
        char *moved = malloc(fed + 1);
        assert_non_null(moved);
        if (fed > 0)
            memcpy(moved, buffer, fed);
        free(buffer);
        buffer = moved;
        buffer[fed] = request[i];
        event = http_parser_feed(parser, buffer, fed, fed + 1, &used);
        fed = used;
    }
    struct http_request read;
    assert_int_equal(event, HTTP_REQUEST);
    http_parser_request(parser, buffer, &read);
    expect_text(read.path, TEXT("/p"));
    expect_text(read.query, TEXT("q"));
    expect_text(read.body, TEXT("abcde"));
    free(buffer);
    free(parser);
}

static void test_errors_name_the_reason(void **state) {
    (void)state;
    struct stream stream;
    char message[256];
    struct buffer out = buffer_over(message, sizeof(message));
    stream_of(&stream, "GET / HTTP/1.1\r\nHost: a\r\nOrigin: b\r\nOrigin: b\r\n\r\n", limits);
    error_message(http_parser_error(stream.parser), &out);
    expect_text(buffer_text(&out), TEXT("this is not a well-formed HTTP/1.1 request: "
                                        "the header origin stands twice"));
    stream_close(&stream);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_split),
        cmocka_unit_test(test_every_part),
        cmocka_unit_test(test_absent_parts),
        cmocka_unit_test(test_absolute_target_replaces_host),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_host_stricter_than_the_grammar),
        cmocka_unit_test(test_header_limit),
        cmocka_unit_test(test_header_limit_of_the_request_line),
        cmocka_unit_test(test_many_empty_lines),
        cmocka_unit_test(test_body_limit),
        cmocka_unit_test(test_body_limit_is_early),
        cmocka_unit_test(test_tiny_chunks),
        cmocka_unit_test(test_framing_limit),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_continue_only_if_waiting),
        cmocka_unit_test(test_buffer_may_move),
        cmocka_unit_test(test_errors_name_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
