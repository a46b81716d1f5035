/* A histogram of latencies in ns that keeps two to three digits, from 1 ns to 18 minutes. */
#include "client/bench/histogram.h"

/* Below 2 * LATENCY_PARTS a bucket is one value. */
static unsigned bucket_of(uint64_t ns) {
    if (ns < LATENCY_PARTS)
        return (unsigned)ns;
    if (ns >= 1ULL << LATENCY_BITS)
        return LATENCY_BUCKETS - 1;
    unsigned shift = (unsigned)(63 - __builtin_clzll(ns)) - 7;
    return shift * LATENCY_PARTS + (unsigned)(ns >> shift);
}

/* The largest value that the bucket counts. */
static uint64_t bucket_end(unsigned bucket) {
    if (bucket < 2 * LATENCY_PARTS)
        return bucket;
    unsigned shift = bucket / LATENCY_PARTS - 1;
    return ((uint64_t)(bucket - shift * LATENCY_PARTS + 1) << shift) - 1;
}

void latencies_add(struct latencies *latencies, uint64_t ns) {
    counter_add(&latencies->buckets[bucket_of(ns)], 1);
    counter_add(&latencies->count, 1);
    counter_add(&latencies->sum_ns, ns);
    if (ns > counter_get(&latencies->max_ns))
        counter_set(&latencies->max_ns, ns);
}

void latencies_merge(struct latencies *into, const struct latencies *from) {
    uint64_t max_ns = counter_get(&from->max_ns);
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        counter_add(&into->buckets[i], counter_get(&from->buckets[i]));
    counter_add(&into->count, counter_get(&from->count));
    counter_add(&into->sum_ns, counter_get(&from->sum_ns));
    if (max_ns > counter_get(&into->max_ns))
        counter_set(&into->max_ns, max_ns);
}

void latencies_since(const struct latencies *now, const struct latencies *before,
                     struct latencies *ret_difference) {
    uint64_t count = 0, max_ns = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        uint64_t more = counter_get(&now->buckets[i]) - counter_get(&before->buckets[i]);
        counter_set(&ret_difference->buckets[i], more);
        count += more;
        if (more > 0)
            max_ns = bucket_end(i);
    }
    counter_set(&ret_difference->count, count);
    counter_set(&ret_difference->sum_ns, counter_get(&now->sum_ns) - counter_get(&before->sum_ns));
    counter_set(&ret_difference->max_ns, max_ns);
}

uint64_t latencies_at(const struct latencies *latencies, double quantile) {
    uint64_t count = counter_get(&latencies->count), max_ns = counter_get(&latencies->max_ns);
    double exact = quantile * (double)count;
    uint64_t rank = (uint64_t)exact, seen = 0;
    check(quantile >= 0 && quantile <= 1);
    rank += (double)rank < exact || rank == 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS && count > 0; i++) {
        seen += counter_get(&latencies->buckets[i]);
        if (seen >= rank)
            return bucket_end(i) < max_ns && i < LATENCY_BUCKETS - 1 ? bucket_end(i) : max_ns;
    }
    return max_ns;
}

double latencies_mean_ns(const struct latencies *latencies) {
    uint64_t count = counter_get(&latencies->count);
    return count > 0 ? (double)counter_get(&latencies->sum_ns) / (double)count : 0;
}
