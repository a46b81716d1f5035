/* Numbers by their spelling: RFC 8259's grammar, exact comparison, whole values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "token/decimal.h"
#include <cmocka.h>

static struct decimal read(const char *text) {
    struct decimal decimal;
    assert_true(decimal_read(text_of(text), &decimal));
    return decimal;
}

static void test_grammar(void **state) {
    (void)state;
    static const char *const good[] = {"0",
                                       "-0",
                                       "1",
                                       "10",
                                       "0.0",
                                       "1.5e3",
                                       "1E+2",
                                       "1e-2",
                                       "0e0",
                                       "-1.25",
                                       "1e99999999999999999999"};
    static const char *const bad[] = {"",     "-",   "+1",   "01",  "00",       "1.",    ".5",
                                      "1e",   "1e+", "1.e1", "0x1", " 1",       "1 ",    "1.5.2",
                                      "1e1.", "--1", "1a",   "NaN", "Infinity", "1e1e1", "-e1"};
    struct decimal decimal;
    for (size_t i = 0; i < array_count(good); i++)
        assert_true(decimal_read(text_of(good[i]), &decimal));
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(decimal_read(text_of(bad[i]), &decimal));
    assert_false(decimal_read((struct text){NULL, 0}, &decimal));
}

static void test_parts(void **state) {
    (void)state;
    struct decimal decimal = read("-120.0340e2");
    assert_true(decimal.negative);
    assert_int_equal(decimal.exponent, 5);
    assert_true(text_equal(decimal.digits, TEXT("120.034")));
    decimal = read("0.00120");
    assert_int_equal(decimal.exponent, -2);
    assert_true(text_equal(decimal.digits, TEXT("12")));
    decimal = read("-0.000e7");
    assert_false(decimal.negative);
    assert_int_equal(decimal.exponent, 0);
    assert_int_equal(decimal.digits.len, 0);
    assert_true(read("1e999999999999999999999").exponent > 1000000000);
    assert_true(read("1e-999999999999999999999").exponent < -1000000000);
}

static void test_equal_by_value(void **state) {
    (void)state;
    static const char *const same[][2] = {
        {"0", "-0"},       {"0", "0.000e5"},      {"1", "1.0"},
        {"1", "10e-1"},    {"100", "1E2"},        {"100", "1.00e+2"},
        {"0.001", "1e-3"}, {"-12.5", "-0.125e2"}, {"12345.678", "12345678e-3"}};
    static const char *const different[][2] = {
        {"1", "-1"},
        {"1", "10"},
        {"1", "1.0000000000000000000000001"},
        {"9007199254740993", "9007199254740992"}, /* one double */
        {"12", "1.3e1"},
        {"1.2", "1.23"},
        {"1.23", "1.2"},
        {"0", "1e-400"}};
    for (size_t i = 0; i < array_count(same); i++) {
        struct decimal a = read(same[i][0]), b = read(same[i][1]);
        assert_true(decimal_equal(&a, &b) && decimal_equal(&b, &a));
    }
    for (size_t i = 0; i < array_count(different); i++) {
        struct decimal a = read(different[i][0]), b = read(different[i][1]);
        assert_false(decimal_equal(&a, &b) || decimal_equal(&b, &a));
    }
}

static bool whole(const char *text, uint64_t max, uint64_t *ret_number) {
    struct decimal decimal = read(text);
    return decimal_whole(&decimal, max, ret_number);
}

static void test_whole(void **state) {
    (void)state;
    uint64_t number = 7;
    static const char *const bad[] = {"-1",
                                      "1.5",
                                      "0.5",
                                      "101",
                                      "1e-1",
                                      "1e3",
                                      "1e400",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "1.005e2"};
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(whole(bad[i], 100, &number));
    assert_int_equal(number, 7);
    assert_true(whole("100", 100, &number) && number == 100);
    assert_true(whole("-0", 100, &number) && number == 0);
    assert_true(whole("3.6e3", 3600, &number) && number == 3600);
    assert_true(whole("12.0", 100, &number) && number == 12);
    assert_true(whole("1200e-2", 100, &number) && number == 12);
    assert_true(whole("18446744073709551615", UINT64_MAX, &number) && number == UINT64_MAX);
    assert_false(whole("18446744073709551616", UINT64_MAX, &number));
    assert_false(whole("20000000000000000000", UINT64_MAX, &number));
    assert_false(whole("1e20", UINT64_MAX, &number));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_equal_by_value),
        cmocka_unit_test(test_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
