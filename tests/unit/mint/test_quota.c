/* Rates: bursts, what comes back with time, whole batches, many services, many threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "mint/quota.h"

#define SECOND_NS ((uint64_t)1000000000)
#define START_NS (1000 * SECOND_NS)

static struct quota_state left;

static bool take(struct quota *quota, struct quota_limit limit, uint32_t count, uint64_t now_ns) {
    return quota_take(quota, &limit, count, now_ns, &left);
}

/* ---- one counter ----------------------------------------------------------------------------- */

static void test_burst(void **state) {
    struct quota quota = {.is_used = true};
    const struct quota_limit limit = {10, 4, 1};
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(take(&quota, limit, 1, START_NS));
        assert_int_equal(left.remaining, 3 - i);
        assert_int_equal(left.retry_after_ns, 0);
    }
    assert_false(take(&quota, limit, 1, START_NS));
    assert_int_equal(left.remaining, 0);
    assert_int_equal(left.retry_after_ns, SECOND_NS / 10);
    /* Refusals cost nothing: what was said holds. */
    assert_false(take(&quota, limit, 1, START_NS + SECOND_NS / 10 - 1));
    assert_int_equal(left.retry_after_ns, 1);
    assert_true(take(&quota, limit, 1, START_NS + SECOND_NS / 10));
    assert_int_equal(left.remaining, 0);
}

/* However long nobody asked, no more than the burst has gathered. */
static void test_rest(void **state) {
    struct quota quota = {.is_used = true};
    const struct quota_limit limit = {1, 2, 1};
    (void)state;
    assert_true(take(&quota, limit, 2, START_NS));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(take(&quota, limit, 1, START_NS + 3600 * SECOND_NS), i < 2);
}

static void test_count(void **state) {
    struct quota quota = {.is_used = true};
    const struct quota_limit limit = {10, 5, 1};
    (void)state;
    assert_true(take(&quota, limit, 4, START_NS));
    assert_false(take(&quota, limit, 2, START_NS)); /* whole or not at all */
    assert_int_equal(left.retry_after_ns, SECOND_NS / 10);
    assert_true(take(&quota, limit, 1, START_NS));
    assert_int_equal(left.remaining, 0);
}

/* In the long run exactly the rate passes, also where a second is no multiple of its interval. */
static void test_long_run(void **state) {
    static const uint32_t rates[] = {1, 3, 7, 1000, 999999, 1000000};
    (void)state;
    for (size_t i = 0; i < array_count(rates); i++) {
        struct quota quota = {.is_used = true};
        const struct quota_limit limit = {rates[i], 1, 1};
        uint64_t passed = 0, step_ns = SECOND_NS / rates[i] / 3 + 1;
        for (uint64_t at_ns = 0; at_ns < 50000 * step_ns; at_ns += step_ns)
            passed += take(&quota, limit, 1, START_NS + at_ns);
        double expected = 50000.0 * (double)step_ns / (double)SECOND_NS * rates[i];
        assert_true((double)passed <= expected + 1);
        assert_true((double)passed >= expected * 0.7); /* asked at every third of an interval */
    }
}

/* The largest that a policy may ask for. */
static void test_largest(void **state) {
    struct quota quota = {.is_used = true};
    const struct quota_limit fast = {1000000, 1000000, 1}, slow = {1, 1000000, 1};
    (void)state;
    assert_true(take(&quota, fast, 256, START_NS));
    assert_int_equal(left.remaining, 1000000 - 256);
    assert_true(take(&quota, slow, 256, START_NS));
    assert_int_equal(left.remaining, 1000000 - 257); /* what is left of a second is not whole */
}

/* ---- many services --------------------------------------------------------------------------- */

static struct uuid id_of(uint32_t start, uint32_t number) {
    struct uuid id = {{0}};
    memcpy(id.bytes, &start, sizeof(start));
    memcpy(id.bytes + 8, &number, sizeof(number));
    return id;
}

static void test_services(void **state) {
    struct quotas quotas;
    (void)state;
    assert_true(quotas_open(&quotas, NULL));
    struct uuid one = id_of(1, 1), two = id_of(1, 2);
    struct quota *first = quota_of(&quotas, &one);
    struct quota *second = quota_of(&quotas, &two); /* the next place is free */
    assert_ptr_not_equal(first, second);
    assert_ptr_equal(quota_of(&quotas, &one), first);
    assert_ptr_equal(quota_of(&quotas, &two), second);
    assert_true(take(first, (struct quota_limit){1, 1, 1}, 1, START_NS));
    assert_true(take(second, (struct quota_limit){1, 1, 1}, 1, START_NS));
    assert_false(take(quota_of(&quotas, &one), (struct quota_limit){1, 1, 1}, 1, START_NS));
    quotas_close(&quotas);
    quotas_close(&quotas);
}

/* At the end of the table it goes on at its start; beyond 64 of one place they share a counter. */
static void test_crowded(void **state) {
    struct quotas quotas;
    (void)state;
    assert_true(quotas_open(&quotas, NULL));
    for (uint32_t number = 0; number < 70; number++) {
        struct uuid id = id_of(QUOTA_SERVICES_MAX - 10, number);
        struct quota *quota = quota_of(&quotas, &id);
        assert_int_equal(quota == &quotas.shared, number >= 64);
        if (number < 64)
            assert_ptr_equal(
                quota, &quotas.slots[(QUOTA_SERVICES_MAX - 10 + number) % QUOTA_SERVICES_MAX]);
        assert_ptr_equal(quota_of(&quotas, &id), quota);
    }
    assert_false(quotas.shared.is_used);
    quotas_close(&quotas);
}

/* ---- many threads ---------------------------------------------------------------------------- */

#define THREADS 4
#define BURST 40000

static struct quotas shared_quotas;

static void *take_until_refused(void *passed) {
    struct uuid id = id_of(7, 7);
    struct quota *quota = quota_of(&shared_quotas, &id);
    const struct quota_limit limit = {1, BURST, 1};
    struct quota_state mine;
    while (quota_take(quota, &limit, 1, START_NS, &mine))
        ++*(uint64_t *)passed;
    return NULL;
}

/* None is lost and none is taken twice. */
static void test_threads(void **state) {
    pthread_t threads[THREADS];
    uint64_t passed[THREADS] = {0}, total = 0;
    (void)state;
    assert_true(quotas_open(&shared_quotas, NULL));
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_until_refused, &passed[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        total += passed[i];
    }
    assert_int_equal(total, BURST);
    quotas_close(&shared_quotas);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst),   cmocka_unit_test(test_rest),
        cmocka_unit_test(test_count),   cmocka_unit_test(test_long_run),
        cmocka_unit_test(test_largest), cmocka_unit_test(test_services),
        cmocka_unit_test(test_crowded), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
