/* Tests of base/cidr: ranges read strictly, and what is in them. */
#include "base/cidr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool has(const char *range, const char *address) {
    struct cidr cidr;
    uint8_t bytes[ADDRESS_BYTES];
    assert_true(cidr_read(text_of(range), &cidr));
    assert_true(cidr_read_address(text_of(address), bytes));
    return cidr_has(&cidr, bytes);
}

static void test_ranges(void **state) {
    (void)state;
    assert_true(has("192.0.2.0/24", "192.0.2.255"));
    assert_false(has("192.0.2.0/24", "192.0.3.0"));
    assert_true(has("192.0.2.128/25", "192.0.2.128"));
    assert_false(has("192.0.2.128/25", "192.0.2.127"));
    assert_true(has("0.0.0.0/0", "255.255.255.255"));
    assert_false(has("0.0.0.0/0", "2001:db8::1"));
    assert_true(has("192.0.2.1", "192.0.2.1"));
    assert_false(has("192.0.2.1", "192.0.2.2"));
    assert_true(has("2001:db8::/32", "2001:db8:ffff::1"));
    assert_false(has("2001:db8::/32", "2001:db9::1"));
    assert_true(has("2001:db8::/33", "2001:db8:7fff::"));
    assert_false(has("2001:db8::/33", "2001:db8:8000::"));
    assert_true(has("::/0", "192.0.2.1"));
    assert_true(has("192.0.2.0/24", "::ffff:192.0.2.7")); /* the mapped form is the same address */
    assert_true(has("::ffff:192.0.2.0/120", "192.0.2.7"));
}

static void test_refused(void **state) {
    static const char *const bad[] = {
        "",          "/",          "/8",           "10.0.0.1/8",    "10.0.0.0/33",  "10.0.0.0/",
        "10.0.0/8",  "10.0.0.0/a", "10.0.0.0/8/8", "10.0.0.0/-1",   " 10.0.0.0/8",  "010.0.0.0/8",
        "1.2.3.4.5", "::/129",     "::1/127",      "2001:db8::1::", "fe80::1%eth0", "localhost",
        "0x7f.0.0.1"};
    struct cidr cidr = {.prefix_bits = 77};
    (void)state;
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(cidr_read(text_of(bad[i]), &cidr));
    assert_false(cidr_read((struct text){"10.0.0.0\0/8", 11}, &cidr));
    assert_int_equal(cidr.prefix_bits, 77); /* untouched */
}

static void test_lists(void **state) {
    struct cidr cidrs[2];
    size_t count = 9;
    (void)state;
    assert_true(cidr_read_list(TEXT(""), cidrs, 2, &count));
    assert_int_equal(count, 0);
    assert_true(cidr_read_list(TEXT("10.0.0.0/8, ::1"), cidrs, 2, &count));
    assert_int_equal(count, 2);
    assert_int_equal(cidrs[0].prefix_bits, 104);
    assert_false(cidr_read_list(TEXT("10.0.0.0/8,::1,::2"), cidrs, 2, &count));
    assert_false(cidr_read_list(TEXT("10.0.0.0/8,,::1"), cidrs, 2, &count));
    assert_false(cidr_read_list(TEXT("nonsense"), cidrs, 2, &count));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
