/* Percent-decoding and the pairs of a query. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/request.h"

static void expect_decoded(const char *encoded, bool is_query, const char *wanted) {
    char memory[64] = "before";
    struct buffer out = buffer_over(memory, sizeof(memory));
    out.len = 6;
    assert_true(http_decode(text_of(encoded), is_query, &out));
    buffer_byte(&out, '\0');
    assert_string_equal(memory + 6, wanted);
}

static void test_decode(void **state) {
    (void)state;
    expect_decoded("", false, "");
    expect_decoded("plain", false, "plain");
    expect_decoded("a%20b%2Fc%2fd", false, "a b/c/d");
    expect_decoded("a+b", false, "a+b");
    expect_decoded("a+b%2B", true, "a b+");
    expect_decoded("%C3%A4%e2%82%ac", false, "ä€");
    expect_decoded("%25%25", false, "%%");
}

static void test_decode_refuses(void **state) {
    (void)state;
    static const char *const bad[] = {"%",     "%4",  "a%",     "%zz",       "%4z",    "%z4", "%00",
                                      "a%00b", "%ff", "%C3%28", "%ed%a0%80", "%c0%80", "%%20"};
    for (size_t i = 0; i < array_count(bad); i++) {
        char memory[64];
        struct buffer out = buffer_over(memory, sizeof(memory));
        assert_false(http_decode(text_of(bad[i]), false, &out));
    }
}

static void test_decode_needs_room(void **state) {
    (void)state;
    char memory[3];
    struct buffer out = buffer_over(memory, sizeof(memory));
    assert_false(http_decode(TEXT("abcd"), false, &out));
    out = buffer_over(memory, sizeof(memory));
    assert_true(http_decode(TEXT("a%62c"), false, &out));
}

static void expect_pair(struct text *query, const char *name, const char *value) {
    struct text got_name, got_value;
    assert_true(http_query_next(query, &got_name, &got_value));
    assert_true(text_equal(got_name, text_of(name)));
    assert_true(text_equal(got_value, text_of(value)));
}

static void test_query(void **state) {
    (void)state;
    struct text name, value, query = TEXT("a=1&&b=x=y&c&=d&e=&");
    expect_pair(&query, "a", "1");
    expect_pair(&query, "b", "x=y");
    expect_pair(&query, "c", "");
    expect_pair(&query, "", "d");
    expect_pair(&query, "e", "");
    assert_false(http_query_next(&query, &name, &value));
    query = (struct text){0};
    assert_false(http_query_next(&query, &name, &value));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_decode_refuses),
        cmocka_unit_test(test_decode_needs_room),
        cmocka_unit_test(test_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
