/* The watch over the wall clock: jumps are counted, slow drifts and pauses are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/clock_watch.h"

static uint64_t jumps(struct clock_watch *watch, struct clock *clock, int64_t wall_ms,
                      int64_t monotonic_ms) {
    int64_t now_ms = clock->wall_s * 1000 + clock->wall_us / 1000 + wall_ms;
    clock->wall_s = now_ms / 1000;
    clock->wall_us = (uint32_t)(now_ms % 1000) * 1000;
    clock->monotonic_us += (uint64_t)monotonic_ms * 1000;
    clock_watch_look(watch, clock, NULL);
    return watch->jumps;
}

static void test_jumps(void **state) {
    struct clock_watch watch = {0};
    struct clock clock = {.monotonic_us = 7000000, .wall_s = 1800000000};
    (void)state;
    assert_int_equal(jumps(&watch, &clock, 0, 0), 0); /* the first look knows nothing before */
    assert_int_equal(jumps(&watch, &clock, 50, 50), 0);
    assert_int_equal(jumps(&watch, &clock, 60050, 60050), 0); /* a pause of both */
    assert_int_equal(jumps(&watch, &clock, 50 + CLOCK_JUMP_MS, 50), 0);
    assert_int_equal(jumps(&watch, &clock, 50 + CLOCK_JUMP_MS + 1, 50), 1);
    assert_int_equal(jumps(&watch, &clock, 50, 50), 1); /* told once */
    assert_int_equal(jumps(&watch, &clock, 50 - CLOCK_JUMP_MS, 50), 1);
    assert_int_equal(jumps(&watch, &clock, 50 - CLOCK_JUMP_MS - 1, 50), 2);
    assert_int_equal(jumps(&watch, &clock, (int64_t)86400000 * 40000, 50), 3);
}

static void test_a_slow_drift_is_none(void **state) {
    struct clock_watch watch = {0};
    struct clock clock = {.wall_s = 1800000000};
    (void)state;
    for (int i = 0; i < 100000; i++)
        (void)jumps(&watch, &clock, 51, 50);
    assert_int_equal(watch.jumps, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jumps),
        cmocka_unit_test(test_a_slow_drift_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
