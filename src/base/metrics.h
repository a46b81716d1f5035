/* Counters that one thread writes and another reads, and the histogram of durations. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>

#include "base/text.h"

enum metric {
#define METRIC(name, kind, prometheus, help) METRIC_##name,
#include "base/metrics.def"
#undef METRIC
    METRIC_COUNT
};

/* Written by one thread only, so adding needs no locked instruction; read by any. */
struct counter {
    _Atomic uint64_t value;
};
static inline void counter_set(struct counter *counter, uint64_t value) {
    atomic_store_explicit(&counter->value, value, memory_order_relaxed);
}
static inline uint64_t counter_get(const struct counter *counter) {
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}
static inline void counter_add(struct counter *counter, uint64_t value) {
    counter_set(counter, counter_get(counter) + value);
}

/* Durations in µs by powers of two: bucket i counts those below 2^i µs, the last all others. */
#define HISTOGRAM_BUCKETS 26
struct histogram {
    struct counter buckets[HISTOGRAM_BUCKETS];
    struct counter sum_us;
};
static inline void histogram_add(struct histogram *histogram, uint64_t us) {
    unsigned bucket = us == 0 ? 0 : (unsigned)(64 - __builtin_clzll(us));
    if (bucket >= HISTOGRAM_BUCKETS)
        bucket = HISTOGRAM_BUCKETS - 1;
    counter_add(&histogram->buckets[bucket], 1);
    counter_add(&histogram->sum_us, us);
}

/* A thread's metrics. */
struct metrics {
    struct counter values[METRIC_COUNT];
    struct histogram sign_batch; /* sizes, not times */
};
static inline void metric_add(struct metrics *metrics, enum metric metric, uint64_t value) {
    counter_add(&metrics->values[metric], value);
}
static inline void metric_set(struct metrics *metrics, enum metric metric, uint64_t value) {
    counter_set(&metrics->values[metric], value);
}

/* Writes the sums over `count` threads in the Prometheus text format 0.0.4. */
void metrics_write(struct buffer *out, struct metrics *const *metrics, size_t count);
/* One histogram summed over `count` threads, as `name` with `labels` ("step=\"auth\"" or ""),
 * buckets in seconds (or as they are where `in_seconds` is false); the HELP and TYPE lines are
 * the caller's. */
void histogram_write(struct buffer *out, const char *name, const char *labels,
                     const struct histogram *const *histograms, size_t count, bool in_seconds);

#endif
