/* JSON: what is read, each thing that is refused and how it says so, and that what is written back
 * means and spells the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "parse.h"
#include "token/keyring.h"

static char block[1 << 21];
static struct arena arena;
static struct error error;
static char memory[1 << 17];

static int setup(void **state) {
    (void)state;
    arena = arena_over(block, sizeof(block));
    parse_reset();
    return token_start() ? 0 : -1;
}

static bool reads(struct text text, unsigned depth_extra) {
    const struct json *value = NULL;
    arena_reset(&arena);
    error.code = ERROR_NONE;
    bool good = json_read(text, depth_extra, &arena, &value, &error);
    assert_true(good == (value != NULL));
    if (!good)
        assert_int_equal(arena.used, 0); /* given back */
    return good;
}

static void assert_refused(struct text text, enum error_code code, const char *subject) {
    assert_false(reads(text, 0));
    assert_int_equal(error.code, code);
    assert_string_equal(error.subject, subject);
}

static struct text written(const struct json *value) {
    struct buffer out = buffer_over(memory, sizeof(memory));
    json_write(value, &out);
    assert_false(out.overflow);
    return buffer_text(&out);
}

/* `count` times `opening`, then `middle`, then `count` times `closing`. */
static struct text nested(const char *opening, const char *middle, const char *closing,
                          unsigned count) {
    static char text[1 << 17];
    struct buffer out = buffer_over(text, sizeof(text));
    for (unsigned i = 0; i < count; i++)
        buffer_put(&out, opening);
    buffer_put(&out, middle);
    for (unsigned i = 0; i < count; i++)
        buffer_put(&out, closing);
    return buffer_text(&out);
}

static void test_written_as_it_was_spelled(void **state) {
    (void)state;
    static const char *const same[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1E5",
        "1.10",
        "1e-400",
        "\"\"",
        "[]",
        "{}",
        "[[]]",
        "{\"z\":1,\"a\":[{},[],null,true,false,\"x\",-0.0e+00],\"m\":{\"\":{}}}",
        "[123456789012345678901234567890123456789012345678901234567890.10]",
        "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\"",
        "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F/\""};
    for (size_t i = 0; i < array_count(same); i++)
        assert_true(text_equal(written(parse(same[i])), text_of(same[i])));
}

static void test_written_without_space_and_needless_escapes(void **state) {
    (void)state;
    assert_true(text_equal(
        written(
            parse(" { \"a\" : [ 1 , \"\\u0041\\/\\u00e9\\ud83d\\ude00\" ] ,\r\n\t\"b\":{ } } ")),
        TEXT("{\"a\":[1,\"A/\xC3\xA9\xF0\x9F\x98\x80\"],\"b\":{}}")));
}

/* Only the value asked for is written, not what follows it in the document. */
static void test_parts_are_written_alone(void **state) {
    (void)state;
    const struct json *object = parse("{\"a\":{\"b\":[1,{}]},\"c\":\"d\",\"e\":2}");
    assert_true(text_equal(written(json_member(object, TEXT("a"))), TEXT("{\"b\":[1,{}]}")));
    assert_true(text_equal(written(json_member(object, TEXT("c"))), TEXT("\"d\"")));
    assert_true(text_equal(written(json_member(object, TEXT("e"))), TEXT("2")));
    struct buffer out = buffer_over(memory, 3);
    json_write(object, &out);
    assert_true(out.overflow);
}

static void test_malformed_is_refused_with_its_place(void **state) {
    (void)state;
    assert_refused(TEXT(""), ERROR_JSON_MALFORMED, "it is empty");
    assert_refused(TEXT("{\"a\": 1,\n \"b\" x}"), ERROR_JSON_MALFORMED,
                   "unexpected character, expected a colon after object key at byte 14");
    static const char *const bad[] = {" ",
                                      "{",
                                      "[1",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{\"a\"}",
                                      "{a:1}",
                                      "{'a':1}",
                                      "[1 2]",
                                      "nul",
                                      "True",
                                      "NaN",
                                      "-Infinity",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "-",
                                      "1e",
                                      "0x10",
                                      "\"",
                                      "\"a",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\n\"",
                                      "\"\t\"",
                                      "1 2",
                                      "{} {}",
                                      "[] x",
                                      "/*c*/1",
                                      "1//c",
                                      "#",
                                      "\\",
                                      "]",
                                      "[}",
                                      "{\"a\":}",
                                      "{:1}",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\x80\"",
                                      "\"\xC0\x80\"",
                                      "\"\xED\xA0\x80\"",
                                      "\"\xF4\x90\x80\x80\"",
                                      "\xEF\xBB\xBF{}",
                                      "\xFF\xFE{\0}\0",
                                      "{\"\xFF\":1}",
                                      "\x01"};
    for (size_t i = 0; i < array_count(bad); i++) {
        assert_false(reads(text_of(bad[i]), 0));
        assert_int_equal(error.code, ERROR_JSON_MALFORMED);
    }
    assert_false(reads(TEXT("1\0"), 0));
    assert_false(reads(TEXT("\0"), 0));
    assert_false(reads(TEXT("\"a\0b\""), 0));
}

static void test_depth(void **state) {
    (void)state;
    for (unsigned extra = 0; extra <= JSON_DEPTH_EXTRA_MAX; extra += JSON_DEPTH_EXTRA_MAX / 2) {
        unsigned most = JSON_DEPTH_MAX + extra;
        char limit[8];
        (void)snprintf(limit, sizeof(limit), "%u", most);
        assert_true(reads(nested("[", "", "]", most - 1), extra));
        assert_true(reads(nested("[", "", "]", most), extra));
        assert_true(reads(nested("{\"a\":", "1", "}", most), extra));
        assert_false(reads(nested("[", "", "]", most + 1), extra));
        assert_int_equal(error.code, ERROR_JSON_DEEP);
        assert_string_equal(error.subject, limit);
        assert_false(reads(nested("{\"a\":", "1", "}", most + 1), extra));
        assert_int_equal(error.code, ERROR_JSON_DEEP);
    }
    /* Breadth is not depth, and brackets in strings are none. */
    assert_true(reads(nested("[[],", "[]", "]", JSON_DEPTH_MAX - 1), 0));
    assert_true(reads(TEXT("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\""), 0));
    assert_refused(TEXT("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\",]"),
                   ERROR_JSON_MALFORMED, "trailing comma is not allowed at byte 49");
}

/* A body of nothing but brackets is refused as deep, at once, and even with little memory. */
static void test_depth_of_a_flood(void **state) {
    (void)state;
    const struct json *value;
    struct text flood = nested("[", "", "", 65536);
    uint64_t start_us = clock_monotonic_us();
    assert_refused(flood, ERROR_JSON_DEEP, "32");
    assert_refused(nested("{\"a\":", "", "", 13000), ERROR_JSON_DEEP, "32");
    assert_true(clock_monotonic_us() - start_us < 1000000);
    struct arena small = arena_over(block, 100000);
    assert_false(json_read(flood, 0, &small, &value, &error));
    assert_int_equal(error.code, ERROR_JSON_DEEP);
}

static void test_keys_given_twice(void **state) {
    (void)state;
    assert_refused(TEXT("{\"a\":1,\"b\":2,\"a\":3}"), ERROR_JSON_TWICE, "a");
    assert_refused(TEXT("{\"a\":1,\"\\u0061\":2}"), ERROR_JSON_TWICE, "a");
    assert_refused(TEXT("{\"\":1,\"\":2}"), ERROR_JSON_TWICE, "");
    assert_refused(TEXT("[0,{\"x\":{\"k\":[],\"k\":{}}}]"), ERROR_JSON_TWICE, "k");
    assert_true(reads(TEXT("{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":2}],\"A\":0}"), 0));
    assert_true(reads(TEXT("{\"a\\u0000b\":1,\"a\\u0000c\":2,\"a\":3}"), 0));
}

/* An object of `count` keys, the last of which is `last` if that is not negative. */
static struct text many_keys(int count, int last) {
    static char text[1 << 17];
    struct buffer out = buffer_over(text, sizeof(text));
    for (int i = 0; i < count; i++) {
        int key = i == count - 1 && last >= 0 ? last : i;
        buffer_format(&out, "%s\"%x\":%s", i == 0 ? "{" : ",", (unsigned)key,
                      i % 7 == 0 ? "{\"0\":[]}" : "1");
    }
    buffer_byte(&out, '}');
    assert_false(out.overflow);
    return buffer_text(&out);
}

/* Around the sizes where comparing in pairs gives way to the table, and where the table grows. */
static void test_keys_given_twice_among_many(void **state) {
    (void)state;
    static const int counts[] = {3, 15, 16, 17, 18, 31, 32, 33, 63, 64, 65, 1000, 6000};
    for (size_t i = 0; i < array_count(counts); i++) {
        int count = counts[i], places[] = {0, count / 2, count - 2};
        assert_true(reads(many_keys(count, -1), 0));
        for (size_t j = 0; j < array_count(places); j++) {
            char subject[16];
            (void)snprintf(subject, sizeof(subject), "%x", (unsigned)places[j]);
            assert_refused(many_keys(count, places[j]), ERROR_JSON_TWICE, subject);
        }
    }
}

static void test_numbers_that_overflow_a_double(void **state) {
    (void)state;
    static const char *const good[] = {
        "1e308", "1.7976931348623157e308", "-1.7976931348623157E+308", "17976931348623157e292",
        "0.00017976931348623157e312", "0e999999", "-0.0e1000000000000", "1e-400", "1e-999999999999",
        /* The last that rounds down to the largest double (2^1024 - 2^970 rounds up). */
        "1.797693134862315807e308"};
    static const char *const bad[] = {"1e309",
                                      "-1e309",
                                      "1e999",
                                      "-1e400",
                                      "1.8e308",
                                      "1.7976931348623159e308",
                                      "10e308",
                                      "0.1e310",
                                      "1.797693134862315808e308",
                                      "1e99999999999999999999"};
    for (size_t i = 0; i < array_count(good); i++)
        assert_true(reads(text_of(good[i]), 0));
    for (size_t i = 0; i < array_count(bad); i++)
        assert_refused(text_of(bad[i]), ERROR_JSON_NUMBER, bad[i]);
    assert_true(reads(nested("1", "", "", 300), 0));
    assert_true(reads(nested("1", "", "", 309), 0));
    assert_false(reads(nested("1", "", "", 310), 0));
    assert_int_equal(error.code, ERROR_JSON_NUMBER);
    assert_false(reads(nested("9", "", "", 309), 0));
    assert_true(reads(nested("0.", "", "1", 1), 0));
    assert_false(reads(TEXT("[1,{\"a\":[2,1e400]}]"), 0));
}

/* At every size of arena the answer is the value, or that there is no memory. */
static void test_too_little_memory(void **state) {
    (void)state;
    struct text text = many_keys(40, -1);
    const struct json *value;
    size_t needed = 0;
    for (size_t size = 0; needed == 0; size += 16) {
        struct arena small = arena_over(block, size);
        if (json_read(text, 0, &small, &value, &error)) {
            needed = size;
        } else {
            assert_int_equal(error.code, ERROR_OVERLOADED);
            assert_int_equal(small.used, 0);
        }
    }
    assert_true(needed <= 16 * text.len + 1024);
}

/* The unused room that the parser took is there again for what comes next. */
static void test_what_is_not_needed_is_given_back(void **state) {
    (void)state;
    const struct json *value;
    char text[2000];
    memset(text, 'x', sizeof(text));
    text[0] = text[sizeof(text) - 1] = '"';
    arena_reset(&arena);
    assert_true(json_read((struct text){text, sizeof(text)}, 0, &arena, &value, &error));
    assert_true(arena.used < sizeof(text) + 256);
    size_t used = arena.used;
    assert_true(json_read(TEXT("[1]"), 0, &arena, &value, &error));
    assert_true(arena.used > used);
    assert_true(text_equal(written(value), TEXT("[1]")));
}

static void test_types(void **state) {
    (void)state;
    const struct json *array = parse("[{},[],\"s\",null,true,false,1]");
    static bool (*const is[])(const struct json *) = {json_is_object, json_is_array, json_is_string,
                                                      json_is_null,   json_is_true,  json_is_false,
                                                      json_is_number};
    struct json_iter i = json_iter(array);
    for (size_t index = 0; index < array_count(is); index++) {
        assert_true(json_next(&i));
        for (size_t type = 0; type < array_count(is); type++)
            assert_true(is[type](i.value) == (type == index));
    }
    assert_false(json_next(&i));
    assert_false(json_next(&i));
}

static void test_members(void **state) {
    (void)state;
    const struct json *object =
        parse("{\"a\":{\"c\":1},\"b\":[1,[2],3],\"c\":\"\\u00e9\",\"\":1.50}");
    assert_int_equal(json_count(object), 4);
    assert_int_equal(json_count(json_member(object, TEXT("b"))), 3);
    assert_true(text_equal(json_text(json_member(object, TEXT("c"))), TEXT("\xC3\xA9")));
    assert_true(text_equal(json_text(json_member(object, TEXT(""))), TEXT("1.50")));
    assert_null(json_member(object, TEXT("A")));
    assert_null(json_member(object, TEXT("aa")));
    assert_null(json_member(parse("{}"), TEXT("a")));
    static const char *const keys[] = {"a", "b", "c", ""};
    size_t count = 0;
    for (struct json_iter i = json_iter(object); json_next(&i); count++) {
        assert_true(text_equal(i.key, text_of(keys[count])));
        assert_ptr_equal(i.value, json_member(object, i.key));
    }
    assert_int_equal(count, 4);
}

static void test_number(void **state) {
    (void)state;
    uint64_t number = 7;
    static const char *const bad[] = {"-1", "1.5", "11", "\"5\"", "null", "[]", "{}", "true"};
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(json_number(parse(bad[i]), 10, &number));
    assert_int_equal(number, 7);
    assert_true(json_number(parse("1e1"), 10, &number) && number == 10);
}

static void test_equal(void **state) {
    (void)state;
    static const char *const same[][2] = {{"1", "1.0"},
                                          {"\"a\"", "\"\\u0061\""},
                                          {"null", "null"},
                                          {"[1,2]", "[1,2e0]"},
                                          {"{\"a\":1,\"b\":[{}]}", "{\"b\":[{}],\"a\":1}"},
                                          {"true", "true"},
                                          {"[]", "[]"}};
    static const char *const different[][2] = {{"1", "2"},
                                               {"1", "\"1\""},
                                               {"\"a\"", "\"b\""},
                                               {"true", "false"},
                                               {"null", "false"},
                                               {"[1,2]", "[2,1]"},
                                               {"[1]", "[1,1]"},
                                               {"{\"a\":1}", "{\"a\":2}"},
                                               {"{\"a\":1}", "{\"b\":1}"},
                                               {"{\"a\":1}", "{\"a\":1,\"b\":2}"},
                                               {"[]", "{}"},
                                               {"{\"a\":null}", "{\"b\":null}"},
                                               {"9007199254740993", "9007199254740992"}};
    for (size_t i = 0; i < array_count(same); i++)
        assert_true(json_equal(parse(same[i][0]), parse(same[i][1])));
    for (size_t i = 0; i < array_count(different); i++) {
        assert_false(json_equal(parse(different[i][0]), parse(different[i][1])));
        assert_false(json_equal(parse(different[i][1]), parse(different[i][0])));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_written_as_it_was_spelled, setup),
        cmocka_unit_test_setup(test_written_without_space_and_needless_escapes, setup),
        cmocka_unit_test_setup(test_parts_are_written_alone, setup),
        cmocka_unit_test_setup(test_malformed_is_refused_with_its_place, setup),
        cmocka_unit_test_setup(test_depth, setup),
        cmocka_unit_test_setup(test_depth_of_a_flood, setup),
        cmocka_unit_test_setup(test_keys_given_twice, setup),
        cmocka_unit_test_setup(test_keys_given_twice_among_many, setup),
        cmocka_unit_test_setup(test_numbers_that_overflow_a_double, setup),
        cmocka_unit_test_setup(test_too_little_memory, setup),
        cmocka_unit_test_setup(test_what_is_not_needed_is_given_back, setup),
        cmocka_unit_test_setup(test_types, setup),
        cmocka_unit_test_setup(test_members, setup),
        cmocka_unit_test_setup(test_number, setup),
        cmocka_unit_test_setup(test_equal, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
