/* One limit in several replicas: slices from a faked Redis, shares without it, and the bound that
 * mint/quota.h states, over every window of time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "mint/quota.h"

#define STEP_NS ((uint64_t)200000)
#define STEPS_A_SECOND (1e9 / (double)STEP_NS)
#define START_NS ((uint64_t)1000000000000)
#define REPLICAS 4
#define DEADLINE_STEPS 100 /* 20 ms: later answers are none */

static double most(double a, double b) {
    return a > b ? a : b;
}

static double least(double a, double b) {
    return a < b ? a : b;
}

static double rounded_down(double x) {
    double whole = (double)(int64_t)x;
    return whole - (whole > x);
}

/* What server/quota_redis.c has Redis do, by another clock. */
struct bucket {
    bool is_away;
    double at_us;
};

static struct quota_answer bucket_ask(struct bucket *bucket, const struct quota_limit *limit,
                                      const struct quota_ask *ask, uint64_t now_ns) {
    double now_us = 1e15 + (double)now_ns / 1000, interval_us = 1e6 / limit->rate_per_s;
    double room_us = interval_us * limit->burst;
    double at_us = least(most(bucket->at_us, now_us), now_us + 4 * room_us);
    at_us += interval_us * ask->owed;
    double left = rounded_down((now_us + room_us - at_us) / interval_us + 1e-6);
    double granted = most(0, least(left, ask->want));
    bucket->at_us = at_us = -rounded_down(-(at_us + interval_us * granted));
    double wait_us = left < 1 ? -rounded_down(-(at_us + interval_us - now_us - room_us)) : 0;
    return (struct quota_answer){(uint32_t)granted, (uint32_t)most(0, left - granted),
                                 (uint64_t)wait_us};
}

struct replica {
    struct quota quota;
    double load_per_s;
    double due; /* of the load */
    bool is_cut_off;
    /* The answer on its way. */
    bool is_asking;
    bool is_answered;
    unsigned answer_in;
    struct quota_answer answer;
    uint64_t minted;
    uint64_t refused;
};

struct fleet {
    struct quota_limit limit;
    uint32_t batch; /* credentials a request */
    unsigned latency_steps;
    struct bucket bucket;
    struct replica replicas[REPLICAS];
    size_t count;
    uint64_t now_ns;
    double level; /* minted above the rate, in the worst window that ends now */
    double level_most;
};

static void fleet_open(struct fleet *fleet, uint32_t rate_per_s, uint32_t burst, uint32_t count) {
    *fleet = (struct fleet){.limit = {rate_per_s, burst, count},
                            .batch = 1,
                            .latency_steps = 2,
                            .count = count,
                            .now_ns = START_NS};
    for (size_t i = 0; i < count; i++)
        fleet->replicas[i].quota.is_used = true;
}

static void replica_ask(struct fleet *fleet, struct replica *replica) {
    struct quota_ask ask;
    if (!quota_ask(&replica->quota, &fleet->limit, fleet->now_ns, &ask))
        return;
    assert_false(replica->is_asking); /* one question at a time */
    if (fleet->bucket.is_away || replica->is_cut_off) {
        quota_unanswered(&replica->quota, fleet->now_ns);
        return;
    }
    replica->is_asking = true;
    replica->is_answered = fleet->latency_steps <= DEADLINE_STEPS;
    replica->answer_in = replica->is_answered ? fleet->latency_steps : DEADLINE_STEPS;
    replica->answer = bucket_ask(&fleet->bucket, &fleet->limit, &ask, fleet->now_ns);
}

static void replica_hear(struct fleet *fleet, struct replica *replica) {
    if (!replica->is_asking || replica->answer_in-- > 0)
        return;
    replica->is_asking = false;
    if (replica->is_answered && !fleet->bucket.is_away)
        quota_answered(&replica->quota, &replica->answer, fleet->now_ns);
    else
        quota_unanswered(&replica->quota, fleet->now_ns);
    if (atomic_load(&replica->quota.owed) > 0)
        replica_ask(fleet, replica);
}

static void replica_request(struct fleet *fleet, struct replica *replica) {
    struct quota_state state;
    if (quota_take(&replica->quota, &fleet->limit, fleet->batch, fleet->now_ns, &state)) {
        replica->minted += fleet->batch;
        fleet->level += fleet->batch;
        assert_int_equal(state.retry_after_ns, 0);
        assert_true(state.remaining < fleet->limit.burst);
    } else {
        replica->refused += fleet->batch;
        assert_true(state.retry_after_ns > 0);
    }
    replica_ask(fleet, replica);
}

static void fleet_step(struct fleet *fleet) {
    fleet->now_ns += STEP_NS;
    fleet->level = most(0, fleet->level - fleet->limit.rate_per_s / STEPS_A_SECOND);
    for (size_t i = 0; i < fleet->count; i++) {
        struct replica *replica = &fleet->replicas[i];
        replica_hear(fleet, replica);
        replica->due += replica->load_per_s / fleet->batch / STEPS_A_SECOND;
        for (; replica->due >= 1; replica->due--)
            replica_request(fleet, replica);
    }
    fleet->level_most = most(fleet->level_most, fleet->level);
}

/* How much was minted in that time, as a part of what the limit allows in it. */
static double fleet_run(struct fleet *fleet, double seconds) {
    uint64_t before = 0, after = 0;
    for (size_t i = 0; i < fleet->count; i++)
        before += fleet->replicas[i].minted;
    for (uint64_t steps = (uint64_t)(seconds * STEPS_A_SECOND); steps > 0; steps--)
        fleet_step(fleet);
    for (size_t i = 0; i < fleet->count; i++)
        after += fleet->replicas[i].minted;
    return (double)(after - before) / (seconds * fleet->limit.rate_per_s);
}

static void load_set(struct fleet *fleet, double first, double second, double third) {
    fleet->replicas[0].load_per_s = first * fleet->limit.rate_per_s;
    fleet->replicas[1].load_per_s = second * fleet->limit.rate_per_s;
    fleet->replicas[2].load_per_s = third * fleet->limit.rate_per_s;
}

/* `bursts` and a hold more than the rate, in no window. */
static void assert_bound(const struct fleet *fleet, double bursts) {
    double hold_s = QUOTA_HOLD_MS / 1000.0;
    double allowed = bursts * fleet->limit.burst + fleet->limit.rate_per_s * hold_s +
                     2.0 * (double)fleet->count; /* each looks at the time once a step */
    if (fleet->level_most > allowed)
        fail_msg("%u/s, burst %u, %zu replicas: %.0f above the rate, of at most %.0f",
                 fleet->limit.rate_per_s, fleet->limit.burst, fleet->count, fleet->level_most,
                 allowed);
}

/* ---- Redis is well --------------------------------------------------------------------------- */

static const struct {
    uint32_t rate_per_s;
    uint32_t burst;
    double used_least; /* with a burst of one, who comes a moment early waits for his next try */
} limits[] = {{5, 5, 0.9},      {20, 1, 0.6},      {100, 20, 0.9},
              {1000, 100, 0.9}, {1000, 2000, 0.9}, {20000, 2000, 0.9}};

static void test_loads(void **state) {
    static const double loads[][3] = {{1, 1, 1},       {3, 0, 0},       {0, 0, 1.5},
                                      {2, 0.01, 0.01}, {0.1, 2, 0.001}, {0.6, 0.6, 0.1}};
    (void)state;
    for (size_t i = 0; i < array_count(limits); i++) {
        for (size_t j = 0; j < array_count(loads); j++) {
            struct fleet fleet;
            fleet_open(&fleet, limits[i].rate_per_s, limits[i].burst, 3);
            load_set(&fleet, loads[j][0], loads[j][1], loads[j][2]);
            (void)fleet_run(&fleet, 2.0 + 2.0 * limits[i].burst / limits[i].rate_per_s);
            double used = fleet_run(&fleet, 10);
            if (used < limits[i].used_least || used > 1.05)
                fail_msg("%u/s, burst %u, load %zu: %.3f of the limit", limits[i].rate_per_s,
                         limits[i].burst, j, used);
            assert_bound(&fleet, 2);
        }
    }
}

/* Load below the limit is not refused, however it is spread, nor where it moves. */
static void test_below(void **state) {
    struct fleet fleet;
    (void)state;
    fleet_open(&fleet, 1000, 200, 3);
    for (unsigned turn = 0; turn < 6; turn++) {
        load_set(&fleet, turn % 3 == 0 ? 0.8 : 0.02, turn % 3 == 1 ? 0.8 : 0.02,
                 turn % 3 == 2 ? 0.8 : 0.02);
        (void)fleet_run(&fleet, 3);
    }
    for (size_t i = 0; i < fleet.count; i++)
        assert_true(fleet.replicas[i].refused * 100 < fleet.replicas[i].minted);
    assert_bound(&fleet, 1);
}

/* Who mints now and then takes no slice that lies idle. */
static void test_idle(void **state) {
    struct fleet fleet;
    (void)state;
    fleet_open(&fleet, 10, 10, 3);
    load_set(&fleet, 0.1, 0.1, 0.1);
    (void)fleet_run(&fleet, 60);
    for (size_t i = 0; i < fleet.count; i++)
        assert_int_equal(fleet.replicas[i].refused, 0);
    load_set(&fleet, 0, 0, 3);
    assert_true(fleet_run(&fleet, 1) >= 1.5); /* most of the burst is there for whoever wants it */
}

static void test_batches(void **state) {
    struct fleet fleet;
    (void)state;
    fleet_open(&fleet, 1000, 200, 3);
    fleet.batch = 150; /* more than the burst of a share */
    load_set(&fleet, 2, 0, 0);
    (void)fleet_run(&fleet, 2);
    double used = fleet_run(&fleet, 10);
    if (used < 0.8 || used > 1.05)
        fail_msg("%.3f of the limit", used);
    assert_bound(&fleet, 2);
}

/* ---- Redis is not ---------------------------------------------------------------------------- */

static void test_shares(void **state) {
    struct fleet fleet;
    (void)state;
    fleet_open(&fleet, 900, 90, 3);
    fleet.bucket.is_away = true;
    load_set(&fleet, 2, 2, 2);
    double used = fleet_run(&fleet, 10);
    assert_true(used > 0.95 && used < 1.02);
    assert_true(fleet.level_most <= 90 + 3); /* the sum of the shares is the limit itself */
    load_set(&fleet, 2, 0, 0);
    used = fleet_run(&fleet, 10);
    assert_true(used > 0.32 && used < 0.35);
}

/* It dies and comes back, with its memory and without, under all the load there is. */
static void test_restarts(void **state) {
    struct fleet fleet;
    (void)state;
    fleet_open(&fleet, 1000, 100, 3);
    load_set(&fleet, 1, 1, 1);
    for (unsigned turn = 0; turn < 20; turn++) {
        fleet.level = fleet.level_most = 0;
        (void)fleet_run(&fleet, 1);
        fleet.bucket.is_away = true;
        (void)fleet_run(&fleet, turn % 2 == 0 ? 0.1 : 2);
        fleet.bucket.is_away = false;
        if (turn % 4 == 3)
            fleet.bucket.at_us = 0;
        (void)fleet_run(&fleet, 1);
        assert_bound(&fleet, turn % 4 == 3 ? 4 : 3);
    }
    double used = fleet_run(&fleet, 10);
    assert_true(used > 0.9 && used < 1.05);
}

static void test_slow(void **state) {
    (void)state;
    for (unsigned latency = 0; latency <= 2 * DEADLINE_STEPS; latency += 10) {
        struct fleet fleet;
        fleet_open(&fleet, 2000, 400, 3);
        fleet.latency_steps = latency;
        load_set(&fleet, 1, 1, 1);
        double used = fleet_run(&fleet, 10);
        if (used < 0.3 || used > 1.1)
            fail_msg("%u steps of latency: %.3f of the limit", latency, used);
        assert_bound(&fleet, 2);
    }
}

/* One of three does not reach it: its share comes on top, and no more. */
static void test_cut_off(void **state) {
    struct fleet fleet;
    (void)state;
    fleet_open(&fleet, 900, 90, 3);
    fleet.replicas[1].is_cut_off = true;
    load_set(&fleet, 2, 2, 2);
    (void)fleet_run(&fleet, 2);
    double used = fleet_run(&fleet, 10);
    assert_true(used > 1.2 && used < 1.0 + 1.0 / 3 + 0.05);
    assert_true(fleet.replicas[1].minted <= 12 * 300 + 30 + 1);
}

/* A replica dies with what it has taken; the others lose no more than that. */
static void test_death(void **state) {
    struct fleet fleet;
    (void)state;
    fleet_open(&fleet, 1000, 100, 3);
    load_set(&fleet, 1, 1, 1);
    (void)fleet_run(&fleet, 5);
    load_set(&fleet, 0, 1, 1);
    assert_true(fleet_run(&fleet, 5) > 0.9);
    assert_bound(&fleet, 2);
}

/* Answers that nobody honest gives: too much, or nothing for ever. */
static void test_lies(void **state) {
    const struct quota_limit limit = {100, 10, 2};
    struct quota quota = {.is_used = true};
    struct quota_state left;
    struct quota_ask ask;
    uint64_t passed = 0, now_ns = START_NS;
    (void)state;
    for (unsigned i = 0; i < 10000; i++, now_ns += STEP_NS) {
        passed += quota_take(&quota, &limit, 1, now_ns, &left);
        if (quota_ask(&quota, &limit, now_ns, &ask))
            quota_answered(&quota, &(struct quota_answer){UINT32_MAX, UINT32_MAX, 0}, now_ns);
    }
    assert_true(passed <= 10 + 2 * 100 + 1);
    now_ns += 2 * (uint64_t)1000000000;
    assert_true(quota_take(&quota, &limit, 1, now_ns, &left));
    assert_true(quota_ask(&quota, &limit, now_ns, &ask));
    quota_answered(&quota, &(struct quota_answer){0, 0, UINT64_MAX}, now_ns);
    assert_false(quota_take(&quota, &limit, 1, now_ns, &left));
    assert_true(left.retry_after_ns <= (uint64_t)500000000);
    assert_true(quota_take(&quota, &limit, 1, now_ns + left.retry_after_ns, &left));
}

/* The limit is made lower while what went by the share of the higher one is on its way: the counter
 * is put back by too much, but never so far that it comes out on the other side. */
static void test_changed_limit(void **state) {
    const struct quota_limit high = {1000000, 1000, 3}, low = {1, 1000, 3};
    struct quota quota = {.is_used = true};
    struct quota_state left;
    struct quota_ask ask;
    (void)state;
    assert_true(quota_take(&quota, &high, 300, 1, &left));
    assert_true(quota_ask(&quota, &low, 2, &ask));
    assert_int_equal(ask.owed, 300);
    quota_answered(&quota, &(struct quota_answer){0, 700, 0}, 3);
    assert_true(quota_take(&quota, &low, 1, 4, &left));
}

/* Who was told to wait, and does, is let through. */
static void test_retry_after(void **state) {
    struct fleet fleet;
    struct quota_state left = {0};
    (void)state;
    fleet_open(&fleet, 50, 10, 3);
    load_set(&fleet, 3, 0, 0);
    (void)fleet_run(&fleet, 5);
    struct replica *replica = &fleet.replicas[0];
    while (quota_take(&replica->quota, &fleet.limit, 1, fleet.now_ns, &left))
        replica_ask(&fleet, replica);
    load_set(&fleet, 0, 0, 0);
    for (uint64_t until = fleet.now_ns + left.retry_after_ns; fleet.now_ns < until;)
        fleet_step(&fleet);
    assert_true(quota_take(&replica->quota, &fleet.limit, 1, fleet.now_ns, &left));
}

/* ---- by chance ------------------------------------------------------------------------------- */

static uint64_t random_state;
static uint64_t draw(uint64_t below) {
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    return (random_state >> 33) % below;
}

/* Redis stays, and keeps its memory; everything else is as it comes. */
static void test_chance(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct fleet fleet;
        random_state = seed;
        fleet_open(&fleet, (uint32_t)(1 + draw(3000)), (uint32_t)(1 + draw(1000)),
                   (uint32_t)(1 + draw(REPLICAS)));
        for (unsigned turn = 0; turn < 12; turn++) {
            for (size_t i = 0; i < fleet.count; i++)
                fleet.replicas[i].load_per_s =
                    (double)(draw(4) == 0 ? 0 : draw(2 * fleet.limit.rate_per_s + 2));
            fleet.latency_steps = (unsigned)draw(draw(4) == 0 ? 60 : 5);
            (void)fleet_run(&fleet, 0.1 + (double)draw(20) / 10);
        }
        assert_bound(&fleet, 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loads),         cmocka_unit_test(test_below),
        cmocka_unit_test(test_idle),          cmocka_unit_test(test_batches),
        cmocka_unit_test(test_shares),        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_slow),          cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_death),         cmocka_unit_test(test_lies),
        cmocka_unit_test(test_retry_after),   cmocka_unit_test(test_chance),
        cmocka_unit_test(test_changed_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
