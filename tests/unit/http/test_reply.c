/* HTTP responses: the headers of each kind of reply, and how much room they take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/reply.h"

static const struct clock clock_fixed = {.date = "Sun, 06 Nov 1994 08:49:37 GMT"};
#define DATE "\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT"

/* The reply's text, in static memory; it must fit what http_reply_bytes_max says. */
static const char *written(const struct http_reply *reply) {
    static char text[4096];
    size_t max = http_reply_bytes_max(reply);
    char *memory = malloc(max);
    assert_true(memory != NULL && max < sizeof(text));
    struct buffer out = buffer_over(memory, max);
    http_reply_write(reply, &clock_fixed, &out);
    assert_false(out.overflow);
    memcpy(text, memory, out.len);
    text[out.len] = '\0';
    free(memory);
    return text;
}

static void test_json(void **state) {
    (void)state;
    struct http_reply reply = {.status = 200, .body = TEXT("{}"), .request_id = TEXT("abc")};
    assert_string_equal(written(&reply),
                        "HTTP/1.1 200 OK" DATE
                        "\r\nContent-Type: application/json\r\nContent-Length: 2"
                        "\r\nCache-Control: no-store\r\nX-Request-Id: abc\r\n\r\n{}");
}

static void test_every_member(void **state) {
    (void)state;
    struct http_reply reply = {
        .status = 405,
        .content_type = TEXT("text/plain"),
        .body = TEXT("no"),
        .extra = TEXT("Allow: GET\r\nETag: \"x\"\r\n"),
        .cache_control = "public, max-age=600",
        .close = true,
        .is_http_1_0 = true,
    };
    assert_string_equal(written(&reply),
                        "HTTP/1.1 405 Method Not Allowed" DATE
                        "\r\nContent-Type: text/plain\r\nContent-Length: 2"
                        "\r\nCache-Control: public, max-age=600\r\nConnection: close"
                        "\r\nAllow: GET\r\nETag: \"x\"\r\n\r\nno");
}

static void test_no_content(void **state) {
    (void)state;
    struct http_reply reply = {.status = 204, .body = TEXT("dropped"), .cache_control = ""};
    assert_string_equal(written(&reply), "HTTP/1.1 204 No Content" DATE "\r\n\r\n");
    reply.status = 304;
    reply.content_type = TEXT("text/plain");
    assert_string_equal(written(&reply), "HTTP/1.1 304 Not Modified" DATE "\r\n\r\n");
}

static void test_head(void **state) {
    (void)state;
    struct http_reply reply = {
        .status = 200, .body = TEXT("12345"), .cache_control = "", .is_head = true};
    assert_string_equal(written(&reply), "HTTP/1.1 200 OK" DATE "\r\nContent-Type: application/json"
                                         "\r\nContent-Length: 5\r\n\r\n");
}

static void test_empty_body(void **state) {
    (void)state;
    struct http_reply reply = {.status = 201, .cache_control = ""};
    assert_string_equal(written(&reply),
                        "HTTP/1.1 201 Created" DATE "\r\nContent-Length: 0\r\n\r\n");
}

static void test_http_1_0_is_told_of_a_kept_connection(void **state) {
    (void)state;
    struct http_reply reply = {.status = 200, .cache_control = "", .is_http_1_0 = true};
    assert_string_equal(written(&reply), "HTTP/1.1 200 OK" DATE "\r\nContent-Length: 0"
                                         "\r\nConnection: keep-alive\r\n\r\n");
}

static void test_status_texts(void **state) {
    (void)state;
    assert_string_equal(http_status_text(431), "Request Header Fields Too Large");
    assert_string_equal(http_status_text(299), "Success");
    assert_string_equal(http_status_text(399), "Redirection");
    assert_string_equal(http_status_text(418), "Client Error");
    assert_string_equal(http_status_text(599), "Server Error");
}

/* Every error has a reason phrase of its own. */
static void test_every_error_has_a_status(void **state) {
    (void)state;
    for (enum error_code code = ERROR_NONE; code < ERROR_CODES; code++) {
        struct http_reply reply = {.status = error_http_status(code)};
        char start[64];
        (void)snprintf(start, sizeof(start), "HTTP/1.1 %u %s" DATE, reply.status,
                       http_status_text(reply.status));
        assert_true(text_starts(text_of(written(&reply)), text_of(start)));
        assert_string_not_equal(http_status_text(reply.status), "Client Error");
        assert_string_not_equal(http_status_text(reply.status), "Server Error");
    }
}

/* The fixed parts at their longest fit. */
static void test_bytes_max(void **state) {
    (void)state;
    struct http_reply reply = {.status = 431, .close = true, .request_id = TEXT("x")};
    for (unsigned status = 200; status < 600; status++) {
        reply.status = status;
        (void)written(&reply);
    }
    reply.close = false;
    reply.is_http_1_0 = true;
    reply.body = TEXT("b");
    reply.content_type = TEXT("t");
    reply.cache_control = "c";
    (void)written(&reply);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_every_member),
        cmocka_unit_test(test_no_content),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_empty_body),
        cmocka_unit_test(test_http_1_0_is_told_of_a_kept_connection),
        cmocka_unit_test(test_status_texts),
        cmocka_unit_test(test_every_error_has_a_status),
        cmocka_unit_test(test_bytes_max),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
