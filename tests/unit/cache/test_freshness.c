/* Freshness: leases counted from the question, cuts by scope, flushes, and more cuts than fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache/freshness.h"

#define LEASE_US 30000000
#define START_US 1000000000

/* Nobody strikes this replica off. */
static bool apply(struct freshness *freshness, const struct feed *feed, uint64_t asked_us) {
    return freshness_apply(freshness, feed, &(struct look){asked_us, UINT64_MAX});
}

static int setup(void **state) {
    struct freshness *freshness = malloc(sizeof(*freshness));
    const struct hash_key key = {3, 4};
    const struct feed feed = {.epoch = 7, .seq = 100};
    *state = freshness;
    assert_true(freshness_open(freshness, LEASE_US, &key));
    assert_true(apply(freshness, &feed, START_US)); /* the first drops what there is */
    return 0;
}

static int teardown(void **state) {
    freshness_close(*state);
    free(*state);
    return 0;
}

static struct scope scope_of(enum scope_kind kind, uint32_t number) {
    struct scope scope = {.kind = kind};
    memcpy(scope.id.bytes, &number, sizeof(number));
    return scope;
}

/* What was read at `s0`, asked for at `asked_us`, as things are now. */
static struct stamp stamp_of(const struct freshness *freshness, uint64_t s0, uint64_t asked_us) {
    return (struct stamp){.epoch = freshness->epoch,
                          .s0 = s0,
                          .asked_us = asked_us,
                          .generation = freshness->generation};
}

static bool accepts(const struct freshness *freshness, uint64_t s0, struct scope scope) {
    struct stamp stamp = stamp_of(freshness, s0, START_US);
    return freshness_accepts(freshness, &stamp, START_US, &scope, 1);
}

/* One more change, applied. */
static void cut(struct freshness *freshness, struct scope scope) {
    struct feed feed = {.epoch = freshness->epoch, .seq = freshness->cursor + 1, .count = 1};
    feed.changes[0].seq = feed.seq;
    feed.changes[0].scope = scope;
    assert_false(apply(freshness, &feed, START_US));
}

/* ---- leases ---------------------------------------------------------------------------------- */

/* (the loop's lease, the entry's own) → until when it is accepted */
static void test_lease(void **state) {
    struct freshness *freshness = *state;
    const struct scope scope = scope_of(SCOPE_TOKEN, 1);
    struct stamp old = stamp_of(freshness, 100, START_US - 10 * LEASE_US);
    assert_true(freshness_accepts(freshness, &old, START_US, &scope, 1));
    assert_true(freshness_accepts(freshness, &old, START_US + LEASE_US - 1, &scope, 1));
    assert_false(freshness_accepts(freshness, &old, START_US + LEASE_US, &scope, 1));
    struct stamp young = stamp_of(freshness, 100, START_US + 5);
    assert_true(freshness_accepts(freshness, &young, START_US + LEASE_US + 4, &scope, 1));
    assert_false(freshness_accepts(freshness, &young, START_US + LEASE_US + 5, &scope, 1));
    assert_int_equal(freshness_left_us(freshness, START_US), LEASE_US);
    assert_int_equal(freshness_left_us(freshness, START_US + LEASE_US - 1), 1);
    assert_int_equal(freshness_left_us(freshness, START_US + LEASE_US), 0);
    assert_int_equal(freshness_left_us(freshness, UINT64_MAX), 0);
}

/* A poll that was asked earlier than the last one, and answered later, shortens nothing. */
static void test_lease_never_shrinks(void **state) {
    struct freshness *freshness = *state;
    const struct feed feed = {.epoch = 7, .seq = 100};
    assert_false(apply(freshness, &feed, START_US - 1000));
    assert_int_equal(freshness_left_us(freshness, START_US), LEASE_US);
    assert_false(apply(freshness, &feed, START_US + 1000));
    assert_int_equal(freshness_left_us(freshness, START_US), LEASE_US + 1000);
}

/* What saw changes that are not applied here lives by its own reading, until one is applied that
 * concerns it: these numbers may turn out to be other changes'. */
static void test_ahead(void **state) {
    struct freshness *freshness = *state;
    const struct scope scope = scope_of(SCOPE_TOKEN, 1), other = scope_of(SCOPE_TOKEN, 2);
    struct stamp here = stamp_of(freshness, 100, START_US - LEASE_US);
    struct stamp ahead = stamp_of(freshness, 101, START_US - 5), shared = ahead;
    shared.asked_us = 0;
    freshness_take(freshness, &here);
    freshness_take(freshness, &ahead);
    freshness_take(freshness, &shared);
    assert_true(freshness_accepts(freshness, &here, START_US + LEASE_US - 1, &scope, 1));
    assert_true(freshness_accepts(freshness, &ahead, START_US + LEASE_US - 6, &scope, 1));
    assert_false(freshness_accepts(freshness, &ahead, START_US + LEASE_US - 5, &scope, 1));
    assert_false(freshness_accepts(freshness, &shared, START_US, &scope, 1));
    cut(freshness, other);
    assert_true(freshness_accepts(freshness, &ahead, START_US, &scope, 1));
    cut(freshness, scope);
    assert_false(freshness_accepts(freshness, &ahead, START_US, &scope, 1));
}

/* ---- cuts ------------------------------------------------------------------------------------ */

static void test_cuts(void **state) {
    struct freshness *freshness = *state;
    static const enum scope_kind kinds[] = {SCOPE_TOKEN, SCOPE_SERVICE, SCOPE_PROJECT, SCOPE_ORG};
    for (uint32_t i = 0; i < array_count(kinds); i++) {
        struct scope scope = scope_of(kinds[i], 7);
        uint64_t seq = freshness->cursor + 1;
        assert_true(accepts(freshness, seq - 1, scope));
        cut(freshness, scope);
        assert_false(accepts(freshness, seq - 1, scope));
        assert_true(accepts(freshness, seq, scope));     /* read with the cut */
        assert_true(accepts(freshness, seq + 1, scope)); /* and after it */
        /* The same id of another kind, and another of this kind. */
        assert_true(accepts(freshness, seq - 1, scope_of(SCOPE_KEYS, 7)));
        assert_true(accepts(freshness, seq - 1, scope_of(kinds[i], 8)));
    }
}

/* Any one of the scopes that concern an entry is enough. */
static void test_cut_of_one(void **state) {
    struct freshness *freshness = *state;
    for (size_t which = 0; which < 3; which++) {
        struct scope scopes[] = {scope_of(SCOPE_TOKEN, 1), scope_of(SCOPE_SERVICE, 2),
                                 scope_of(SCOPE_ORG, 3)};
        struct stamp stamp = stamp_of(freshness, freshness->cursor, START_US);
        cut(freshness, scopes[which]);
        assert_false(freshness_accepts(freshness, &stamp, START_US, scopes, 3));
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(freshness_accepts(freshness, &stamp, START_US, &scopes[i], 1),
                             i != which);
        assert_true(freshness_accepts(freshness, &stamp, START_US, NULL, 0));
    }
}

/* Twice, and out of order in one feed: the newest counts. */
static void test_cut_again(void **state) {
    struct freshness *freshness = *state;
    const struct scope scope = scope_of(SCOPE_TOKEN, 1);
    struct feed feed = {.epoch = 7, .seq = 103, .count = 3};
    for (size_t i = 0; i < 3; i++) {
        static const uint64_t order[] = {102, 103, 101};
        feed.changes[i].seq = order[i];
        feed.changes[i].scope = scope;
    }
    assert_false(apply(freshness, &feed, START_US));
    assert_false(accepts(freshness, 102, scope));
    assert_true(accepts(freshness, 103, scope));
    assert_int_equal(freshness->cuts.count, 1);
    assert_false(apply(freshness, &feed, START_US)); /* the same once more */
    assert_true(accepts(freshness, 103, scope));
    assert_false(accepts(freshness, 102, scope));
}

/* More scopes are cut than there is room for: the oldest are forgotten, and count for all. */
static void test_ring_overflows(void **state) {
    struct freshness *freshness = *state;
    for (uint32_t i = 0; i < FRESHNESS_CUTS_MAX; i++)
        cut(freshness, scope_of(SCOPE_TOKEN, i));
    uint64_t first = 101;
    const struct scope other = scope_of(SCOPE_TOKEN, 1000000);
    assert_int_equal(freshness->floor, 100); /* of the flush at the start */
    assert_true(accepts(freshness, 100, other));
    assert_false(accepts(freshness, 99, other));
    for (uint32_t i = 0; i < 3; i++) {
        cut(freshness, scope_of(SCOPE_SERVICE, i));
        assert_int_equal(freshness->cuts.count, FRESHNESS_CUTS_MAX);
        assert_int_equal(freshness->floor, first + i);
        /* What is no longer known of one is held against everybody who was read before it. */
        assert_false(accepts(freshness, first + i - 1, other));
        assert_true(accepts(freshness, first + i, other));
        assert_false(accepts(freshness, first + i - 1, scope_of(SCOPE_TOKEN, i)));
    }
    assert_false(accepts(freshness, 103, scope_of(SCOPE_TOKEN, 3))); /* still known: cut at 104 */
    assert_true(accepts(freshness, 104, scope_of(SCOPE_TOKEN, 3)));
}

/* An old place in the ring may hold a young cut: then its number becomes the floor. */
static void test_ring_holds_a_young_cut(void **state) {
    struct freshness *freshness = *state;
    const struct scope first = scope_of(SCOPE_ORG, 1);
    cut(freshness, first);
    for (uint32_t i = 1; i < FRESHNESS_CUTS_MAX; i++)
        cut(freshness, scope_of(SCOPE_TOKEN, i));
    cut(freshness, first);
    uint64_t young = freshness->cursor;
    cut(freshness, scope_of(SCOPE_SERVICE, 1));
    assert_int_equal(freshness->floor, young);
    assert_false(accepts(freshness, young - 1, first));
    /* And the floor never sinks, whatever goes next. */
    cut(freshness, scope_of(SCOPE_SERVICE, 2));
    assert_int_equal(freshness->floor, young);
}

/* The ring goes round and round; at every moment each cut is known or below the floor. */
static void test_ring_wraps(void **state) {
    struct freshness *freshness = *state;
    static uint64_t last[10000];
    uint32_t random = 1;
    for (uint32_t i = 0; i < 5 * FRESHNESS_CUTS_MAX; i++) {
        random = random * 1664525 + 1013904223;
        uint32_t number = (random >> 8) % array_count(last);
        cut(freshness, scope_of(SCOPE_TOKEN, number));
        last[number] = freshness->cursor;
        uint32_t other = (random >> 4) % array_count(last);
        if (last[other] == 0)
            continue;
        assert_false(accepts(freshness, last[other] - 1, scope_of(SCOPE_TOKEN, other)));
        if (last[other] >= freshness->floor)
            assert_true(accepts(freshness, last[other], scope_of(SCOPE_TOKEN, other)));
    }
    assert_true(freshness->floor > 100);
}

/* ---- flushes --------------------------------------------------------------------------------- */

static void assert_flush(struct freshness *freshness, const struct feed *feed) {
    const struct scope scope = scope_of(SCOPE_TOKEN, 1);
    cut(freshness, scope);
    struct stamp before = stamp_of(freshness, freshness->cursor, START_US);
    assert_true(apply(freshness, feed, START_US));
    assert_int_equal(freshness->cursor, feed->seq);
    assert_int_equal(freshness->epoch, feed->epoch);
    assert_int_equal(freshness->cuts.count, 0);
    assert_false(freshness_accepts(freshness, &before, START_US, &scope, 1));
    before.s0 = UINT64_MAX; /* by no number */
    assert_false(freshness_accepts(freshness, &before, START_US, &scope, 1));
    before.epoch = feed->epoch;
    assert_false(freshness_accepts(freshness, &before, START_US, &scope, 1));
    assert_true(accepts(freshness, feed->seq, scope));
    assert_false(accepts(freshness, feed->seq - 1, scope));
}

static void test_flushes(void **state) {
    struct freshness *freshness = *state;
    assert_flush(freshness, &(struct feed){.epoch = 8, .seq = 500}); /* another store */
    assert_flush(freshness, &(struct feed){.epoch = 8, .seq = 400}); /* an older one */
    assert_flush(freshness, &(struct feed){.epoch = 8, .seq = 900, .is_flush = true}); /* lost */
    assert_flush(freshness, &(struct feed){.epoch = 3, .seq = 1});
}

/* Of another epoch: not believed, whatever its number, until that epoch is known here. */
static void test_other_epoch(void **state) {
    struct freshness *freshness = *state;
    const struct scope scope = scope_of(SCOPE_TOKEN, 1);
    struct stamp stamp = stamp_of(freshness, 1000, START_US);
    stamp.epoch = 8;
    assert_false(freshness_accepts(freshness, &stamp, START_US, &scope, 1));
    stamp.epoch = 7;
    assert_true(freshness_accepts(freshness, &stamp, START_US, &scope, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_lease),          TEST(test_lease_never_shrinks),
        TEST(test_ahead),          TEST(test_cuts),
        TEST(test_cut_of_one),     TEST(test_cut_again),
        TEST(test_ring_overflows), TEST(test_ring_holds_a_young_cut),
        TEST(test_ring_wraps),     TEST(test_flushes),
        TEST(test_other_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
