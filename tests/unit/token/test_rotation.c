/* The plan of rotation at given times: every transition, clocks that are set, and whole lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "token/rotation.h"

static const struct key_times times = {.publish_s = 632, .keep_s = 87000, .rotate_s = 100000};
#define NOW ((int64_t)1800000000)

static struct key_record key_at(enum key_state state, int64_t since_s) {
    struct key_record key = {.state = state, .created_s = since_s};
    *key_since_s(&key) = since_s;
    return key;
}

static struct key_plan plan(const struct key_record *keys, size_t count, int64_t now_s) {
    return key_plan(keys, count, &times, now_s);
}

/* Not a second before, then at once, and later too. */
static void test_each_transition_has_its_time(void **state) {
    static const struct {
        enum key_state state;
        int64_t wait_s;
        enum key_step step;
    } rows[] = {
        {KEY_PENDING, 632, KEY_STEP_ACTIVATE},
        {KEY_RETIRED, 87000, KEY_STEP_REMOVE},
        {KEY_ACTIVE, 100000 - 632, KEY_STEP_CREATE},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct key_record key = key_at(rows[i].state, NOW);
        struct key_plan early = plan(&key, 1, NOW + rows[i].wait_s - 1);
        assert_int_equal(early.step, KEY_STEP_NONE);
        assert_int_equal(early.next_s, NOW + rows[i].wait_s);
        assert_int_equal(plan(&key, 1, NOW + rows[i].wait_s).step, rows[i].step);
        assert_int_equal(plan(&key, 1, NOW + 4000000000).step, rows[i].step); /* after 2106 */
    }
}

static void test_when_the_state_ends(void **state) {
    struct key_record keys[] = {key_at(KEY_ACTIVE, NOW), key_at(KEY_RETIRED, NOW - 5),
                                key_at(KEY_PENDING, NOW + 7)};
    struct key_times by_hand = times;
    (void)state;
    by_hand.rotate_s = 0;
    assert_int_equal(key_due_s(keys, 2, 0, &times), NOW + 100000);
    assert_int_equal(key_due_s(keys, 2, 0, &by_hand), KEY_NEVER_S);
    assert_int_equal(key_due_s(keys, 2, 1, &times), NOW - 5 + 87000);
    for (size_t i = 0; i < 3; i += 2) /* the one ends as the other begins */
        assert_int_equal(key_due_s(keys, 3, i, &by_hand), NOW + 7 + 632);
}

static void test_no_second_pending_key(void **state) {
    struct key_record keys[] = {key_at(KEY_ACTIVE, NOW - 200000), key_at(KEY_PENDING, NOW)};
    (void)state;
    assert_int_equal(plan(keys, 1, NOW).step, KEY_STEP_CREATE);
    assert_int_equal(plan(keys, 2, NOW).step, KEY_STEP_NONE);
    assert_int_equal(plan(keys, 2, NOW).next_s, NOW + 632);
}

/* Without a schedule keys become as old as they like. */
static void test_by_hand_only(void **state) {
    struct key_record key = key_at(KEY_ACTIVE, NOW);
    struct key_times by_hand = times;
    (void)state;
    by_hand.rotate_s = 0;
    struct key_plan none = key_plan(&key, 1, &by_hand, NOW + 4000000000);
    assert_int_equal(none.step, KEY_STEP_NONE);
    assert_int_equal(none.next_s, KEY_NEVER_S);
}

/* A schedule faster than the publication: the next key is made as soon as one signs. */
static void test_a_short_schedule(void **state) {
    struct key_record key = key_at(KEY_ACTIVE, NOW);
    struct key_times fast = times;
    (void)state;
    fast.rotate_s = 1;
    assert_int_equal(key_plan(&key, 1, &fast, NOW).step, KEY_STEP_CREATE);
    assert_int_equal(key_due_s(&key, 1, 0, &fast), NOW + 632);
}

static void test_not_more_keys_than_there_may_be(void **state) {
    struct key_record keys[KEYRING_KEYS_MAX];
    (void)state;
    keys[0] = key_at(KEY_ACTIVE, NOW - 200000);
    for (size_t i = 1; i < array_count(keys); i++)
        keys[i] = key_at(KEY_RETIRED, NOW);
    assert_int_equal(plan(keys, array_count(keys) - 1, NOW).step, KEY_STEP_CREATE);
    assert_int_equal(plan(keys, array_count(keys), NOW).step, KEY_STEP_NONE);
}

/* A clock that was set back, or a row that was edited: the wait begins anew. */
static void test_times_that_cannot_be(void **state) {
    (void)state;
    for (enum key_state of = KEY_PENDING; of <= KEY_RETIRED; of++) {
        static const int64_t wrong[] = {0, -1, NOW + 61, NOW + 4000000000, INT64_MAX};
        for (size_t i = 0; i < array_count(wrong); i++) {
            struct key_record key = key_at(of, wrong[i]);
            assert_int_equal(plan(&key, 1, NOW).step, KEY_STEP_CLOCK);
            *key_since_s(&key) = NOW;
            assert_int_equal(plan(&key, 1, NOW).step, KEY_STEP_NONE);
        }
        struct key_record key = key_at(of, NOW + 60);
        assert_int_equal(plan(&key, 1, NOW).step, KEY_STEP_NONE);
    }
}

/* Clocks first, and a new signer before an old one goes. */
static void test_order_of_steps(void **state) {
    struct key_record keys[] = {key_at(KEY_RETIRED, NOW - 90000), key_at(KEY_PENDING, NOW - 700),
                                key_at(KEY_ACTIVE, NOW + 700)};
    (void)state;
    assert_int_equal(plan(keys, 3, NOW).step, KEY_STEP_CLOCK);
    assert_int_equal(plan(keys, 3, NOW).index, 2);
    keys[2] = key_at(KEY_ACTIVE, NOW - 700);
    assert_int_equal(plan(keys, 3, NOW).step, KEY_STEP_ACTIVATE);
    assert_int_equal(plan(keys, 3, NOW).index, 1);
    keys[1] = key_at(KEY_ACTIVE, NOW - 1);
    assert_int_equal(plan(keys, 3, NOW).step, KEY_STEP_REMOVE);
    assert_int_equal(plan(keys, 3, NOW).index, 0);
}

static void test_the_newest_signs(void **state) {
    struct key_record keys[] = {key_at(KEY_ACTIVE, 5), key_at(KEY_ACTIVE, 9),
                                key_at(KEY_ACTIVE, 7)};
    (void)state;
    assert_int_equal(key_find(keys, 3, KEY_ACTIVE), 1);
    assert_int_equal(key_find(keys, 3, KEY_PENDING), 3);
    assert_int_equal(key_find(keys, 0, KEY_ACTIVE), 0);
}

/* What the registry would do, with a clock that is set back and forth every now and then. */
static bool live(struct key_record *keys, size_t *count, int64_t now_s) {
    struct key_plan next = plan(keys, *count, now_s);
    struct key_record *key = &keys[next.index];
    if (next.step == KEY_STEP_CREATE) {
        keys[(*count)++] = key_at(KEY_PENDING, now_s);
    } else if (next.step == KEY_STEP_CLOCK) {
        *key_since_s(key) = now_s;
    } else if (next.step == KEY_STEP_REMOVE) {
        *key = keys[--*count];
    } else if (next.step == KEY_STEP_ACTIVATE) {
        struct key_record *old = &keys[key_find(keys, *count, KEY_ACTIVE)];
        old->state = KEY_RETIRED;
        old->retired_s = now_s;
        key->state = KEY_ACTIVE;
        key->activated_s = now_s;
    }
    return next.step != KEY_STEP_NONE;
}

/* Whatever the clock does: always one that signs, never two that wait, and never too many. */
static void test_a_long_life(void **state) {
    struct key_record keys[KEYRING_KEYS_MAX] = {key_at(KEY_ACTIVE, NOW)};
    uint32_t dice = 1;
    size_t count = 1, steps = 0;
    int64_t now_s = NOW;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t active = 0, pending = 0;
        dice = dice * 1664525 + 1013904223;
        now_s += dice >> 8 & 1023;
        if (dice >> 20 == 0)
            now_s += (dice & 1 ? 86400 : -86400) * (int64_t)(dice >> 8 & 31);
        while (live(keys, &count, now_s))
            assert_true(++steps < 1000000);
        for (size_t k = 0; k < count; k++) {
            active += keys[k].state == KEY_ACTIVE;
            pending += keys[k].state == KEY_PENDING;
        }
        assert_int_equal(active, 1);
        assert_true(pending <= 1 && count <= 16);
    }
    assert_true(steps > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_transition_has_its_time),
        cmocka_unit_test(test_when_the_state_ends),
        cmocka_unit_test(test_no_second_pending_key),
        cmocka_unit_test(test_by_hand_only),
        cmocka_unit_test(test_a_short_schedule),
        cmocka_unit_test(test_not_more_keys_than_there_may_be),
        cmocka_unit_test(test_times_that_cannot_be),
        cmocka_unit_test(test_order_of_steps),
        cmocka_unit_test(test_the_newest_signs),
        cmocka_unit_test(test_a_long_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
