/* The clock's date and its two times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "base/clock.h"

static void assert_date(int64_t wall_s, const char *expected) {
    char date[CLOCK_DATE_BYTES + 1];
    clock_date(wall_s, date);
    assert_string_equal(date, expected);
}

static void test_date_is_imf_fixdate(void **state) {
    (void)state;
    assert_date(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_date(784111777, "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110 §5.6.7 */
    assert_date(2147483648, "Tue, 19 Jan 2038 03:14:08 GMT");
    assert_date(4291747200, "Fri, 01 Jan 2106 00:00:00 GMT");
}

static uint64_t boottime_us(void) {
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* On a machine that was suspended once, no other clock reads so. */
static void test_monotonic_counts_suspension(void **state) {
    (void)state;
    uint64_t before_us = boottime_us(), now_us = clock_monotonic_us();
    assert_in_range(now_us, before_us, boottime_us());
}

static void test_update_takes_the_systems_time(void **state) {
    (void)state;
    struct clock clock = {0};
    char date[CLOCK_DATE_BYTES + 1];
    int64_t before_s = clock_wall_s();
    uint64_t before_us = clock_monotonic_us();
    clock_update(&clock);
    assert_in_range(clock.wall_s, before_s, clock_wall_s());
    assert_in_range(clock.monotonic_us, before_us, clock_monotonic_us());
    assert_true(clock.wall_us < 1000000);
    clock_date(clock.wall_s, date);
    assert_string_equal(clock.date, date);
}

/* The date follows the second: also when the clock was set back. */
static void test_date_follows_the_second(void **state) {
    (void)state;
    struct clock clock = {.wall_s = INT64_MAX, .date = "stale"};
    char date[CLOCK_DATE_BYTES + 1];
    clock_update(&clock);
    clock_date(clock.wall_s, date);
    assert_string_equal(clock.date, date);
    int64_t wall_s = clock.wall_s;
    clock.date[0] = '!';
    clock_update(&clock);
    assert_true(clock.date[0] == '!' || clock.wall_s != wall_s); /* made once a second */
}

static void test_monotonic_never_goes_back(void **state) {
    (void)state;
    uint64_t last = clock_monotonic_ns();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_monotonic_ns();
        assert_true(now >= last);
        last = now;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_date_is_imf_fixdate),
        cmocka_unit_test(test_monotonic_counts_suspension),
        cmocka_unit_test(test_update_takes_the_systems_time),
        cmocka_unit_test(test_date_follows_the_second),
        cmocka_unit_test(test_monotonic_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
