/* Texts and the bounded buffer: what is read, refused, written, and the edge of the room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/text.h"

static char memory[4096];
static struct buffer out;

static int setup(void **state) {
    (void)state;
    out = buffer_over(memory, sizeof(memory));
    return 0;
}

#define assert_out(string) assert_text(buffer_text(&out), string)

static void assert_text(struct text text, const char *string) {
    assert_int_equal(text.len, strlen(string));
    assert_memory_equal(text.at, string, text.len);
}

static int lower(int byte) {
    return byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte;
}

/* Every byte against every other, at each place in a text of two words and a rest. */
static void test_equal_nocase(void **state) {
    char a[19], b[19];
    (void)state;
    memset(a, 'q', sizeof(a));
    memset(b, 'Q', sizeof(b));
    for (size_t place = 0; place < sizeof(a); place++) {
        for (int i = 0; i < 65536; i++) {
            a[place] = (char)(i >> 8);
            b[place] = (char)(i & 255);
            bool equal =
                text_equal_nocase((struct text){a, sizeof(a)}, (struct text){b, sizeof(b)});
            assert_true(equal == (lower(i >> 8) == lower(i & 255)));
        }
        a[place] = b[place] = 'z';
    }
}

static void test_equal(void **state) {
    (void)state;
    struct text none = {NULL, 0};
    assert_true(text_equal(TEXT("abc"), text_of("abc")));
    assert_false(text_equal(TEXT("abc"), TEXT("abd")));
    assert_false(text_equal(TEXT("abc"), TEXT("ab")));
    assert_true(text_equal(none, TEXT("")));
    assert_true(text_equal_nocase(TEXT("BeArEr@["), TEXT("bEaReR@[")));
    assert_false(text_equal_nocase(TEXT("@"), TEXT("`")));
    assert_false(text_equal_nocase(TEXT("abc"), TEXT("abd")));
    assert_false(text_equal_nocase(TEXT("abc"), TEXT("ab")));
    assert_true(text_starts(TEXT("mint_svc"), TEXT("mint")));
    assert_true(text_starts(none, none));
    assert_false(text_starts(TEXT("min"), TEXT("mint")));
    assert_false(text_starts(TEXT("mist"), TEXT("mint")));
}

static void test_trim(void **state) {
    (void)state;
    assert_text(text_trim(TEXT(" \t a b\t ")), "a b");
    assert_text(text_trim(TEXT(" \t ")), "");
    assert_text(text_trim(TEXT("\na")), "\na");
}

static void test_number(void **state) {
    (void)state;
    uint64_t number = 7;
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1a", "0x1", "101", "1000"};
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(text_number(text_of(bad[i]), 100, &number));
    assert_int_equal(number, 7);
    assert_true(text_number(TEXT("99"), 100, &number) && number == 99);
    assert_true(text_number(TEXT("100"), 100, &number) && number == 100);
    assert_true(text_number(TEXT("000"), 100, &number) && number == 0);
    assert_false(text_number(TEXT("5"), 4, &number));
    assert_true(text_number(TEXT("18446744073709551615"), UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
    assert_false(text_number(TEXT("18446744073709551616"), UINT64_MAX, &number));
    assert_false(text_number(TEXT("99999999999999999999"), UINT64_MAX, &number));
}

static void test_hex(void **state) {
    (void)state;
    uint8_t bytes[2] = {7, 7};
    assert_false(text_hex(TEXT("0aF"), bytes, 2));
    assert_false(text_hex(TEXT("0aFf0"), bytes, 2));
    assert_false(text_hex(TEXT("g0ff"), bytes, 2));
    assert_false(text_hex(TEXT("0g00"), bytes, 2));
    assert_true(text_hex(TEXT("0aFf"), bytes, 2));
    assert_int_equal(bytes[0], 0x0A);
    assert_int_equal(bytes[1], 0xFF);
}

/* Every edge of RFC 3629 §4's table. */
static void test_utf8(void **state) {
    (void)state;
    static const char *const good[] = {"",
                                       "a",
                                       "\x7F",
                                       "\xC2\x80",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xEF\xBF\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF",
                                       "a\xC3\xA9z"};
    static const char *const bad[] = {"\x80",
                                      "\xBF",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xC2",
                                      "\xC2\x7F",
                                      "\xC2\xC0",
                                      "\xE0\x9F\xBF",
                                      "\xE1\x80",
                                      "\xE1\x80\x7F",
                                      "\xED\xA0\x80",
                                      "\xED\xBF\xBF",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF0\x90\x80",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xFF",
                                      "ab\xFE"};
    for (size_t i = 0; i < array_count(good); i++)
        assert_true(text_is_utf8(text_of(good[i])));
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(text_is_utf8(text_of(bad[i])));
}

static void test_name(void **state) {
    (void)state;
    static const char *const good[] = {"abc", "_-_", "A-9", "0__",
                                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"};
    static const char *const bad[] = {
        "",    "ab",         "-ab", "a b",
        "a.b", "ab\xC3\xA9", "ab/", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO"};
    for (size_t i = 0; i < array_count(good); i++)
        assert_true(text_is_name(text_of(good[i])));
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(text_is_name(text_of(bad[i])));
}

static void test_writers(void **state) {
    (void)state;
    buffer_put(&out, "n=");
    buffer_number(&out, 0);
    buffer_byte(&out, ' ');
    buffer_number(&out, UINT64_MAX);
    buffer_byte(&out, ' ');
    buffer_signed(&out, INT64_MIN);
    buffer_byte(&out, ' ');
    buffer_signed(&out, 42);
    buffer_byte(&out, ' ');
    buffer_format(&out, "%s-%d", "x", 5);
    buffer_hex(&out, (const uint8_t[]){0x00, 0x9F, 0xA0}, 3);
    assert_out("n=0 18446744073709551615 -9223372036854775808 42 x-5009fa0");
    assert_false(out.overflow);
}

/* A write that does not fit is dropped whole; what fits exactly is written. */
static void test_room(void **state) {
    (void)state;
    out = buffer_over(memory, 4);
    buffer_put(&out, "abcd");
    assert_false(out.overflow);
    buffer_add(&out, TEXT(""));
    assert_false(out.overflow);
    buffer_byte(&out, 'e');
    assert_true(out.overflow);
    assert_out("abcd");

    out = buffer_over(memory, 4);
    buffer_put(&out, "abcde");
    assert_true(out.overflow && out.len == 0);
    out = buffer_over(memory, 4);
    buffer_hex(&out, (const uint8_t *)"abc", 3);
    assert_true(out.overflow && out.len == 0);
    out = buffer_over(memory, 4);
    buffer_format(&out, "%s", "abc");
    assert_true(!out.overflow && out.len == 3);
    buffer_format(&out, "%s", "d");
    assert_true(out.overflow && out.len == 3);
    out = buffer_over(memory, 0);
    buffer_format(&out, "%s", "");
    assert_true(out.overflow);
}

static void test_json_string(void **state) {
    (void)state;
    buffer_json(&out, TEXT("plain text of more than eight bytes"));
    assert_out("\"plain text of more than eight bytes\"");
    (void)setup(state);
    buffer_json(&out, TEXT("a\"b\\c/\b\f\n\r\t\x01\x1f\x7f\0z"));
    assert_out("\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000z\"");
    (void)setup(state);
    buffer_json(&out, TEXT("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
    assert_out("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
    (void)setup(state);
    buffer_json(&out, TEXT("a\xFF\xC3(\xED\xA0\x80"));
    assert_out("\"a\xEF\xBF\xBD\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

/* Eight bytes are looked at together: each byte value in each place of them is treated as alone. */
static void test_json_string_finds_specials_in_any_place(void **state) {
    (void)state;
    for (unsigned byte = 0; byte < 128; byte++)
        for (size_t place = 0; place < 17; place++) {
            char text[17], alone_memory[16];
            struct buffer alone = buffer_over(alone_memory, sizeof(alone_memory));
            memset(text, 'x', sizeof(text));
            text[place] = (char)byte;
            buffer_json(&alone, (struct text){text + place, 1});
            (void)setup(state);
            buffer_json(&out, (struct text){text, sizeof(text)});
            assert_int_equal(out.len, sizeof(text) - 1 + alone.len);
            assert_memory_equal(out.at + 1 + place, alone.at + 1, alone.len - 2);
        }
}

static void test_time(void **state) {
    (void)state;
    static const struct {
        int64_t unix_s;
        const char *text;
    } cases[] = {{0, "1970-01-01T00:00:00Z"},         {951782399, "2000-02-28T23:59:59Z"},
                 {951782400, "2000-02-29T00:00:00Z"}, {2147483648, "2038-01-19T03:14:08Z"},
                 {-1, "1969-12-31T23:59:59Z"},        {TIME_MIN_S, "0000-01-01T00:00:00Z"},
                 {TIME_MAX_S, "9999-12-31T23:59:59Z"}};
    for (size_t i = 0; i < array_count(cases); i++) {
        out = buffer_over(memory, TIME_TEXT_BYTES); /* it fits exactly */
        buffer_time(&out, cases[i].unix_s);
        assert_out(cases[i].text);
        assert_false(out.overflow);
    }
    out = buffer_over(memory, TIME_TEXT_BYTES - 1);
    buffer_time(&out, 0);
    assert_true(out.overflow && out.len == 0);
    static const int64_t outside[] = {TIME_MIN_S - 1, TIME_MAX_S + 1, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < array_count(outside); i++) {
        (void)setup(state);
        buffer_time(&out, outside[i]);
        assert_true(out.overflow && out.len == 0);
    }
}

static void test_percent(void **state) {
    (void)state;
    buffer_percent(&out, TEXT("azAZ09-._~ /?&=%+\xC3\xA9"));
    assert_out("azAZ09-._~%20%2F%3F%26%3D%25%2B%C3%A9");
}

static void test_uuid(void **state) {
    (void)state;
    static const char text[] = "01234567-89ab-cdef-0123-456789abcdef";
    struct uuid uuid, same;
    assert_true(text_uuid(text_of(text), &uuid));
    buffer_uuid(&out, &uuid);
    assert_out(text);
    assert_true(text_uuid(TEXT("01234567-89AB-CDEF-0123-456789ABCDEF"), &same));
    assert_true(uuid_equal(&uuid, &same));
    same.bytes[15] ^= 1;
    assert_false(uuid_equal(&uuid, &same));
    assert_false(text_uuid((struct text){text, UUID_TEXT_BYTES - 1}, &uuid));
    for (size_t i = 0; i < UUID_TEXT_BYTES; i++) {
        char bad[UUID_TEXT_BYTES];
        memcpy(bad, text, sizeof(bad));
        bad[i] = bad[i] == '-' ? '0' : '-';
        assert_false(text_uuid((struct text){bad, sizeof(bad)}, &uuid));
    }
    memset(uuid.bytes, 0xFF, UUID_BYTES);
    uuid_make_v4(&uuid);
    (void)setup(state);
    buffer_uuid(&out, &uuid);
    assert_out("ffffffff-ffff-4fff-bfff-ffffffffffff");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_equal, setup),
        cmocka_unit_test_setup(test_equal_nocase, setup),
        cmocka_unit_test_setup(test_trim, setup),
        cmocka_unit_test_setup(test_number, setup),
        cmocka_unit_test_setup(test_hex, setup),
        cmocka_unit_test_setup(test_utf8, setup),
        cmocka_unit_test_setup(test_name, setup),
        cmocka_unit_test_setup(test_writers, setup),
        cmocka_unit_test_setup(test_room, setup),
        cmocka_unit_test_setup(test_json_string, setup),
        cmocka_unit_test_setup(test_json_string_finds_specials_in_any_place, setup),
        cmocka_unit_test_setup(test_time, setup),
        cmocka_unit_test_setup(test_percent, setup),
        cmocka_unit_test_setup(test_uuid, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
