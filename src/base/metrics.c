/* Counters that one thread writes and another reads, and the histogram of durations. */
#include "base/metrics.h"

static const struct {
    const char *kind;
    const char *prometheus;
    const char *help;
} rows[METRIC_COUNT] = {
#define METRIC(name, kind, prometheus, help) {#kind, prometheus, help},
#include "base/metrics.def"
#undef METRIC
};

void metrics_write(struct buffer *out, struct metrics *const *metrics, size_t count) {
    for (size_t row = 0; row < METRIC_COUNT; row++) {
        const char *name = rows[row].prometheus;
        uint64_t sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += counter_get(&metrics[i]->values[row]);
        if (rows[row].help[0] != '\0') {
            int name_len = (int)strcspn(name, "{");
            buffer_format(out, "# HELP %.*s %s\n", name_len, name, rows[row].help);
            buffer_format(out, "# TYPE %.*s %s\n", name_len, name, rows[row].kind);
        }
        buffer_put(out, name);
        buffer_byte(out, ' ');
        buffer_number(out, sum);
        buffer_byte(out, '\n');
    }
}

/* The exact decimal of a bucket's bound in seconds. */
static void bound_write(struct buffer *out, unsigned bucket, bool in_seconds) {
    uint64_t bound = (uint64_t)1 << bucket;
    if (bucket == HISTOGRAM_BUCKETS - 1)
        buffer_put(out, "+Inf");
    else if (in_seconds)
        buffer_format(out, "%llu.%06llu", (unsigned long long)(bound / 1000000),
                      (unsigned long long)(bound % 1000000));
    else
        buffer_number(out, bound - 1);
}

void histogram_write(struct buffer *out, const char *name, const char *labels,
                     const struct histogram *const *histograms, size_t count, bool in_seconds) {
    uint64_t total = 0, sum = 0;
    const char *comma = labels[0] == '\0' ? "" : ",";
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        for (size_t i = 0; i < count; i++)
            total += counter_get(&histograms[i]->buckets[bucket]);
        buffer_format(out, "%s_bucket{%s%sle=\"", name, labels, comma);
        bound_write(out, bucket, in_seconds);
        buffer_format(out, "\"} %llu\n", (unsigned long long)total);
    }
    for (size_t i = 0; i < count; i++)
        sum += counter_get(&histograms[i]->sum_us);
    const char *open = labels[0] == '\0' ? "" : "{", *close = labels[0] == '\0' ? "" : "}";
    buffer_format(out, "%s_sum%s%s%s ", name, open, labels, close);
    if (in_seconds)
        buffer_format(out, "%llu.%06llu\n", (unsigned long long)(sum / 1000000),
                      (unsigned long long)(sum % 1000000));
    else
        buffer_format(out, "%llu\n", (unsigned long long)sum);
    buffer_format(out, "%s_count%s%s%s %llu\n", name, open, labels, close,
                  (unsigned long long)total);
}
