/* Percentiles out of the histogram against those of the sorted values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client/bench/histogram.h"

#define COUNT 50000

static struct latencies histogram, other, sum;

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Never below the exact value, and at most 1/128 above. */
static void assert_close(uint64_t got, uint64_t exact) {
    if (got < exact || got - exact > exact / LATENCY_PARTS)
        fail_msg("%llu is not %llu", (unsigned long long)got, (unsigned long long)exact);
}

static uint64_t dice(uint64_t *state) {
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return *state >> 24;
}

/* Values of all sizes: uniform in their logarithm. */
static void percentiles_are_those_of_the_values(void **state) {
    static const double quantiles[] = {0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    static uint64_t values[COUNT];
    uint64_t seed = 42, total = 0;
    (void)state;
    histogram = (struct latencies){0};
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = dice(&seed) >> (dice(&seed) % 39);
        total += values[i];
        latencies_add(&histogram, values[i]);
    }
    qsort(values, COUNT, sizeof(values[0]), compare);
    for (size_t i = 0; i < array_count(quantiles); i++) {
        double exact = quantiles[i] * COUNT;
        size_t rank = (size_t)exact;
        rank += (double)rank < exact || rank == 0;
        assert_close(latencies_at(&histogram, quantiles[i]), values[rank - 1]);
    }
    assert_int_equal(latencies_at(&histogram, 1), values[COUNT - 1]);
    assert_int_equal(counter_get(&histogram.count), COUNT);
    assert_int_equal(counter_get(&histogram.sum_ns), total);
}

/* Each value alone, around every border of buckets. */
static void every_size_is_known_to_a_part(void **state) {
    (void)state;
    for (unsigned bit = 0; bit < LATENCY_BITS; bit++)
        for (uint64_t off = 0; off <= 2; off++) {
            uint64_t value = ((uint64_t)1 << bit) + off - 1;
            histogram = (struct latencies){0};
            latencies_add(&histogram, value);
            latencies_add(&histogram, 1ULL << 39); /* or the maximum would make it exact */
            assert_close(latencies_at(&histogram, 0.5), value);
        }
}

static void what_is_too_long_counts_as_the_longest(void **state) {
    (void)state;
    histogram = (struct latencies){0};
    latencies_add(&histogram, 1ULL << LATENCY_BITS);
    latencies_add(&histogram, UINT64_MAX / 4);
    assert_int_equal(latencies_at(&histogram, 1), UINT64_MAX / 4);
    assert_int_equal(latencies_at(&histogram, 0.1), UINT64_MAX / 4);
}

static void none_has_no_percentile(void **state) {
    (void)state;
    histogram = (struct latencies){0};
    assert_int_equal(latencies_at(&histogram, 0.5), 0);
    assert_true(latencies_mean_ns(&histogram) == 0);
}

static void sums_and_differences(void **state) {
    (void)state;
    histogram = other = (struct latencies){0};
    for (uint64_t i = 1; i <= 1000; i++)
        latencies_add(i % 2 == 0 ? &histogram : &other, i * 1000);
    sum = histogram;
    latencies_merge(&sum, &other);
    assert_int_equal(counter_get(&sum.count), 1000);
    assert_close(latencies_at(&sum, 0.5), 500000);
    assert_int_equal(counter_get(&sum.max_ns), 1000000);
    latencies_since(&sum, &histogram, &sum);
    for (int i = 0; i < 10; i++)
        assert_int_equal(latencies_at(&sum, i / 10.0), latencies_at(&other, i / 10.0));
    assert_close(counter_get(&sum.max_ns), 999000);
    assert_int_equal(counter_get(&sum.sum_ns), counter_get(&other.sum_ns));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_those_of_the_values),
        cmocka_unit_test(every_size_is_known_to_a_part),
        cmocka_unit_test(what_is_too_long_counts_as_the_longest),
        cmocka_unit_test(none_has_no_percentile),
        cmocka_unit_test(sums_and_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
