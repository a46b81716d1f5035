/* The knee is found of servers whose knee is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/bench/knee.h"

#define MS 1000000ULL

/* Answers up to `capacity` a second; p99 is `p99_ns`, and above the capacity a second. */
struct server {
    double capacity;
    uint64_t p99_ns;
};

static struct knee_step server_load(const struct server *server, double rate) {
    bool is_over = rate > server->capacity;
    return (struct knee_step){
        .rate = rate,
        .goodput = is_over ? server->capacity : rate,
        .p50_ns = server->p99_ns / 2,
        .p99_ns = is_over ? 1000 * MS : server->p99_ns,
    };
}

static struct knee search(const struct server *server, double from) {
    struct knee knee = knee_from(from);
    while (knee.rate > 0) {
        struct knee_step step = server_load(server, knee.rate);
        knee_tell(&knee, &step);
    }
    for (size_t i = 1; i < knee.step_count; i++)
        assert_true(knee.steps[i - 1].rate <= knee.steps[i].rate);
    return knee;
}

static void finds_any_capacity(void **state) {
    (void)state;
    double capacity = 1;
    for (int i = 0; i < 48; i++, capacity *= 1.37) {
        struct knee knee = search(&(struct server){capacity, MS}, 1);
        /* 99 % of a rate is enough, so the knee may seem a hundredth above the capacity. */
        assert_true(knee.good <= capacity / 0.99 && knee.good >= capacity * 0.94);
        assert_true(knee.bad > capacity && knee.bad - knee.good <= knee.good / 15);
    }
}

static void no_rate_is_kept_up_with(void **state) {
    struct knee knee = search(&(struct server){10, MS}, 1000);
    (void)state;
    assert_true(knee.good == 0 && knee.bad == 1000);
    assert_int_equal(knee.step_count, 2); /* the first rate, twice */
}

static void every_rate_is_kept_up_with(void **state) {
    struct knee knee = search(&(struct server){KNEE_RATE_MAX, MS}, 1000);
    (void)state;
    assert_true(knee.good > KNEE_RATE_MAX / 2 && knee.good <= KNEE_RATE_MAX && knee.bad == 0);
    assert_true(search(&(struct server){2 * KNEE_RATE_MAX, MS}, KNEE_RATE_MAX).good ==
                KNEE_RATE_MAX);
}

/* All is answered, but late: above ten times the lowest p99, and above 10 ms. */
static void latency_that_explodes_is_no_keeping_up(void **state) {
    static const struct {
        uint64_t first_ns, second_ns;
        bool is_good;
    } rows[] = {
        {MS / 10, 10 * MS, true},
        {MS / 10, 10 * MS + 1, false},
        {5 * MS, 50 * MS, true},
        {5 * MS, 50 * MS + 1, false},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct knee knee = knee_from(100);
        struct knee_step first = {.rate = 100, .goodput = 100, .p99_ns = rows[i].first_ns};
        struct knee_step second = {.rate = 200, .goodput = 200, .p99_ns = rows[i].second_ns};
        knee_tell(&knee, &first);
        knee_tell(&knee, &second);
        assert_true(first.is_good);
        assert_int_equal(second.is_good, rows[i].is_good);
    }
}

/* All is answered, but half of it queued. */
static void a_median_that_leaves_its_floor_is_no_keeping_up(void **state) {
    (void)state;
    for (uint64_t over = 0; over < 2; over++) {
        struct knee knee = knee_from(100);
        struct knee_step first = {.rate = 100, .goodput = 100, .p50_ns = MS / 8, .p99_ns = MS};
        struct knee_step second = {.rate = 200, .goodput = 200, .p99_ns = MS};
        second.p50_ns = 5 * first.p50_ns + over;
        knee_tell(&knee, &first);
        knee_tell(&knee, &second);
        assert_true(first.is_good);
        assert_int_equal(second.is_good, over == 0);
    }
}

static void goodput_may_lack_a_hundredth(void **state) {
    struct knee knee = knee_from(1000);
    struct knee_step step = {.rate = 1000, .goodput = 989.9, .p99_ns = MS};
    (void)state;
    knee_tell(&knee, &step);
    assert_false(step.is_good);
    step.goodput = 990;
    knee_tell(&knee, &step);
    assert_true(step.is_good && knee.rate == 2000);
}

/* A single failure of a rate does not end the rise. */
static void one_bad_moment_is_forgiven(void **state) {
    struct knee knee = knee_from(100);
    (void)state;
    for (int i = 0; i < 5; i++) {
        double rate = knee.rate;
        struct knee_step bad = {.rate = rate, .goodput = 0, .p99_ns = MS};
        struct knee_step good = {.rate = rate, .goodput = rate, .p99_ns = MS};
        knee_tell(&knee, &bad);
        assert_true(knee.rate == rate);
        knee_tell(&knee, &good);
        assert_true(knee.rate == 2 * rate && knee.bad == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_any_capacity),
        cmocka_unit_test(no_rate_is_kept_up_with),
        cmocka_unit_test(every_rate_is_kept_up_with),
        cmocka_unit_test(latency_that_explodes_is_no_keeping_up),
        cmocka_unit_test(a_median_that_leaves_its_floor_is_no_keeping_up),
        cmocka_unit_test(goodput_may_lack_a_hundredth),
        cmocka_unit_test(one_bad_moment_is_forgiven),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
