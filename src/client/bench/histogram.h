/* A histogram of latencies in ns that keeps two to three digits, from 1 ns to 18 minutes. */
#ifndef CLIENT_BENCH_HISTOGRAM_H
#define CLIENT_BENCH_HISTOGRAM_H

#include "base/metrics.h"

/* Log-linear as HdrHistogram's (Gil Tene): every power of two is cut into LATENCY_PARTS equal
 * parts, so a value is known to 1/128 of itself, 0.8 %. base/metrics has one that is known to a
 * factor of two: right for a daemon's /metrics, not for a percentile that is to be compared. */
#define LATENCY_PARTS 128U
#define LATENCY_BITS 40U /* longer ones count as this long */
#define LATENCY_BUCKETS ((LATENCY_BITS - 6) * LATENCY_PARTS)

/* Written by one thread, read by any meanwhile. */
struct latencies {
    struct counter buckets[LATENCY_BUCKETS];
    struct counter count;
    struct counter sum_ns;
    struct counter max_ns; /* exact */
};

void latencies_add(struct latencies *latencies, uint64_t ns);
/* Adds all of `from` to `into`, which belongs to the caller. */
void latencies_merge(struct latencies *into, const struct latencies *from);
/* What `now` holds more than `before`, an earlier copy of it; the maximum is a bucket's end. */
void latencies_since(const struct latencies *now, const struct latencies *before,
                     struct latencies *ret_difference);
/* The least value that is not below a share of `quantile` (0 to 1) of all: at most 0.8 % above
 * the exact one and never below it. 0 of none. */
uint64_t latencies_at(const struct latencies *latencies, double quantile);
double latencies_mean_ns(const struct latencies *latencies);

#endif
