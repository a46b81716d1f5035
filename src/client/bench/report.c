/* What a load test found, for people and as JSON. */
#include <math.h>

#include "client/bench/bench.h"

#define HEAD_BYTES (256U << 10) /* text, tables, axes */
#define POINT_BYTES 512

const struct bench_quantile bench_quantiles[BENCH_QUANTILES] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1},
};

size_t report_bytes_max(const struct bench *bench) {
    const struct bench_target *target = &bench->plan.target;
    return HEAD_BYTES + FAILURE_COUNT * 6 * FAILURE_TEXT_BYTES +
           6 * (target->url.len + target->path.len) + POINT_BYTES * bench->result.point_count +
           (size_t)KNEE_STEPS_MAX * POINT_BYTES;
}

void report_time(struct buffer *out, double ns) {
    if (ns < 1e6)
        buffer_format(out, "%.*f us", ns < 1e5 ? 1 : 0, ns / 1e3);
    else if (ns < 1e9)
        buffer_format(out, "%.*f ms", ns < 1e7 ? 2 : ns < 1e8 ? 1 : 0, ns / 1e6);
    else
        buffer_format(out, "%.2f s", ns / 1e9);
}

void report_target(const struct bench *bench, struct buffer *out) {
    const struct bench_target *target = &bench->plan.target;
    struct text url = target->url;
    bool has_path = bench->is_own;
    buffer_format(out, "%s ", bench->method);
    buffer_add(out, url);
    if (has_path)
        buffer_add(out, target->path);
}

void report_load(const struct bench *bench, struct buffer *out) {
    const struct plan *plan = &bench->plan;
    if (plan->rate > 0)
        buffer_format(out, "open loop at %.0f/s over", plan->rate);
    else
        buffer_put(out, "closed loop,");
    buffer_format(out, " %u connection%s, %u thread%s, ", plan->connections,
                  plan->connections == 1 ? "" : "s", plan->threads, plan->threads == 1 ? "" : "s");
    if (plan->is_connection_fresh)
        buffer_put(out, "a new one for each request");
    else if (plan->pipeline > 1)
        buffer_format(out, "%u requests under way on each", plan->pipeline);
    else
        buffer_put(out, "keep-alive");
    buffer_format(out, "; %.1f s%s", (double)bench->result.elapsed_ns / 1e9,
                  bench->result.is_interrupted ? ", interrupted" : "");
}

static double ratio(double part, double whole) {
    return whole > 0 ? part / whole : 0;
}

static double cpu_us(const struct load_result *result) {
    return ratio((double)result->tally.cost.cpu_ns / 1e3, (double)result->tally.answers);
}

/* Shares of the threads' time. */
static double share(const struct bench *bench, uint64_t ns) {
    return ratio((double)ns, (double)bench->result.elapsed_ns * bench->plan.threads);
}
static double busy(const struct bench *bench) {
    return share(bench, bench->result.tally.cost.cpu_ns);
}
static double waited(const struct bench *bench) {
    return share(bench, bench->result.tally.cost.waited_ns);
}

/* Where mint itself, not the target, may be what is measured. */
#define BUSY_MAX 0.9
#define WAITED_MAX 0.1
#define LATE_NS_MIN 100000
#define LATE_SHARE 0.25 /* of the latencies' p99 */
static bool is_busy(const struct bench *bench) {
    return busy(bench) > BUSY_MAX;
}
static bool has_waited(const struct bench *bench) {
    return waited(bench) > WAITED_MAX;
}
static bool is_late(const struct bench *bench) {
    const struct tally *tally = &bench->result.tally;
    double late_ns = (double)latencies_at(&tally->late, 0.99);
    return late_ns > LATE_NS_MIN &&
           late_ns > LATE_SHARE * (double)latencies_at(&tally->latencies, 0.99);
}
static const struct {
    const char *member;
    bool (*is_so)(const struct bench *bench);
    const char *text;
} limits[] = {
    {"busy", is_busy, "mint was busy all the time, so it may be what limits: try more --threads"},
    {"waited", has_waited,
     "mint had to wait for a processor, so latencies hold that: keep its core free of others"},
    {"late", is_late,
     "mint sent late, though a connection was free, and latencies hold that: see p99 above"},
};
static bool is_limited(const struct bench *bench) {
    for (size_t i = 0; i < array_count(limits); i++)
        if (limits[i].is_so(bench))
            return true;
    return false;
}

/* For people */

/* " (401: 3, 429: 250)" */
static void statuses_write(const struct tally *tally, struct buffer *out) {
    const char *before = " (";
    for (size_t i = 0; i < array_count(tally->statuses); i++) {
        if (tally->statuses[i] == 0)
            continue;
        buffer_format(out, "%s%zu: %llu", before, i, (unsigned long long)tally->statuses[i]);
        before = ", ";
    }
    buffer_byte(out, ')');
}

static void failures_write(const struct load_result *result, struct buffer *out) {
    for (int i = 0; i < FAILURE_COUNT; i++) {
        uint64_t count = counter_get(&result->tally.failures[i]);
        if (count == 0)
            continue;
        buffer_format(out, "  %llu %s", (unsigned long long)count, failure_text((enum failure)i));
        if (i == FAILURE_STATUS)
            statuses_write(&result->tally, out);
        buffer_format(out, "; the first: %s\n", result->tally.first[i]);
    }
}

static void requests_write(const struct bench *bench, struct buffer *out) {
    const struct load_result *result = &bench->result;
    const struct tally *tally = &result->tally;
    uint64_t good = counter_get(&tally->good), failed = load_failures(result);
    buffer_format(out, "requests   %llu %s, %llu good (%.0f/s), %llu failed, %llu never sent\n",
                  (unsigned long long)tally->due, bench->plan.rate > 0 ? "due" : "sent",
                  (unsigned long long)good, load_goodput(result), (unsigned long long)failed,
                  (unsigned long long)tally->unsent);
    failures_write(result, out);
    if (tally->unsent > 0)
        buffer_format(out,
                      "  %s not keep up over so many connections: latencies below hold what was "
                      "never sent with the time that it had waited, so the real ones are higher\n",
                      is_limited(bench) ? "the target, or mint (see below), did"
                                        : "the target does");
}

static void latencies_write(const struct bench *bench, struct buffer *out) {
    const struct latencies *latencies = &bench->result.tally.latencies;
    buffer_put(out, "latency    mean ");
    report_time(out, latencies_mean_ns(latencies));
    for (size_t i = 0; i < array_count(bench_quantiles); i++) {
        buffer_format(out, "  %s ", bench_quantiles[i].name);
        report_time(out, (double)latencies_at(latencies, bench_quantiles[i].quantile));
    }
    buffer_put(out, bench->plan.rate > 0 ? "\n           from when each request was due\n"
                                         : "\n           from when each request was sent: a stall "
                                           "shows once a connection; see --rate\n");
}

static void self_write(const struct bench *bench, struct buffer *out) {
    const struct tally *tally = &bench->result.tally;
    buffer_format(out,
                  "mint       %.1f us of CPU a request, busy %.0f %% of its time, %.1f %% of "
                  "it waiting for a processor",
                  cpu_us(&bench->result), 100 * busy(bench), 100 * waited(bench));
    if (bench->plan.spins)
        buffer_put(out, ", awake for the rest");
    if (bench->plan.rate > 0 && counter_get(&tally->late.count) > 0) {
        buffer_put(out, "; sent late by p50 ");
        report_time(out, (double)latencies_at(&tally->late, 0.5));
        buffer_put(out, "  p99 ");
        report_time(out, (double)latencies_at(&tally->late, 0.99));
    }
    buffer_byte(out, '\n');
    for (size_t i = 0; i < array_count(limits); i++)
        if (limits[i].is_so(bench))
            buffer_format(out, "  %s\n", limits[i].text);
}

/* The lines, harmless to a terminal: what the target said is among them. */
static void lines_write(struct bench *bench, struct text rest, struct buffer *out) {
    check(rest.at != NULL);
    while (rest.len > 0) {
        const char *end = memchr(rest.at, '\n', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.at) : rest.len;
        buffer_add(out, show_plain(bench->client, (struct text){rest.at, len}));
        buffer_byte(out, '\n');
        len += end != NULL;
        rest = (struct text){rest.at + len, rest.len - len};
    }
}

void report_text(struct bench *bench, struct buffer *out) {
    buffer_put(out, "target     ");
    struct buffer target = pool_buffer(&bench->client->pool, report_bytes_max(bench));
    report_target(bench, &target);
    buffer_add(out, show_plain(bench->client, buffer_text(&target)));
    buffer_put(out, "\nload       ");
    report_load(bench, out);
    buffer_byte(out, '\n');
    struct buffer requests = pool_buffer(&bench->client->pool, report_bytes_max(bench));
    requests_write(bench, &requests);
    lines_write(bench, buffer_text(&requests), out);
    latencies_write(bench, out);
    if (bench->check.checked + bench->check.missing > 0 || bench->check.jwks != NULL)
        buffer_format(out, "checked    %zu credentials out of a fair sample: %zu wrong\n",
                      bench->check.checked, bench->check.wrong);
    self_write(bench, out);
    if (bench->knee.good > 0)
        buffer_format(out, "knee       %.0f/s kept up with; above is %.0f %% of it\n",
                      bench->knee.good, 100 * bench->plan.rate / bench->knee.good);
}

/* JSON */

static void json_us(struct buffer *out, const char *member, uint64_t ns) {
    buffer_format(out, "\"%s\":%.1f,", member, (double)ns / 1e3);
}

static void json_end(struct buffer *out, char byte) {
    if (out->at[out->len - 1] == ',')
        out->len--;
    buffer_byte(out, byte);
    buffer_byte(out, ',');
}

static void json_latencies(const struct latencies *latencies, struct buffer *out) {
    buffer_put(out, "\"latencyMicroseconds\":{");
    buffer_format(out, "\"mean\":%.1f,", latencies_mean_ns(latencies) / 1e3);
    for (size_t i = 0; i < array_count(bench_quantiles); i++)
        json_us(out, bench_quantiles[i].name, latencies_at(latencies, bench_quantiles[i].quantile));
    json_end(out, '}');
}

/* The whole curve, for those who plot it: to p99.99, twenty points for each further nine. */
static void json_curve(const struct latencies *latencies, struct buffer *out) {
    buffer_put(out, "\"curve\":[");
    for (int i = 0; i <= 80; i++) {
        double quantile = 1 - pow(10, -i / 20.0);
        buffer_format(out, "{\"quantile\":%.6f,", quantile);
        json_us(out, "microseconds", latencies_at(latencies, quantile));
        json_end(out, '}');
    }
    json_end(out, ']');
}

static void json_failures(const struct tally *tally, struct buffer *out) {
    buffer_put(out, "\"errors\":{");
    for (int i = 0; i < FAILURE_COUNT; i++)
        buffer_format(out, "\"%s\":%llu,", failure_member((enum failure)i),
                      (unsigned long long)counter_get(&tally->failures[i]));
    json_end(out, '}');
    buffer_put(out, "\"firstErrors\":{");
    for (int i = 0; i < FAILURE_COUNT; i++) {
        if (tally->first[i][0] == '\0')
            continue;
        buffer_format(out, "\"%s\":", failure_member((enum failure)i));
        buffer_json(out, text_of(tally->first[i]));
        buffer_byte(out, ',');
    }
    json_end(out, '}');
    buffer_put(out, "\"statusCodes\":{");
    for (size_t i = 0; i < array_count(tally->statuses); i++)
        if (tally->statuses[i] > 0)
            buffer_format(out, "\"%zu\":%llu,", i, (unsigned long long)tally->statuses[i]);
    json_end(out, '}');
}

static void json_plan(const struct bench *bench, struct buffer *out) {
    const struct plan *plan = &bench->plan;
    struct buffer target = pool_buffer(&bench->client->pool, report_bytes_max(bench));
    report_target(bench, &target);
    buffer_put(out, "{\"target\":");
    buffer_json(out, buffer_text(&target));
    buffer_format(out, ",\"loop\":\"%s\",\"ratePerSecond\":%.0f,\"connections\":%u,\"threads\":%u,",
                  plan->rate > 0 ? "open" : "closed", plan->rate, plan->connections, plan->threads);
    buffer_format(out,
                  "\"pipeline\":%u,\"keepAlive\":%s,\"spin\":%s,\"seconds\":%.3f,"
                  "\"interrupted\":%s,",
                  plan->pipeline, plan->is_connection_fresh ? "false" : "true",
                  plan->spins ? "true" : "false", (double)bench->result.elapsed_ns / 1e9,
                  bench->result.is_interrupted ? "true" : "false");
}

static void json_self(const struct bench *bench, struct buffer *out) {
    const struct tally *tally = &bench->result.tally;
    buffer_format(out, "\"self\":{\"cpuMicrosecondsPerRequest\":%.2f,\"busy\":%.3f,",
                  cpu_us(&bench->result), busy(bench));
    buffer_format(out, "\"waitedForProcessor\":%.3f,", waited(bench));
    json_us(out, "lateP50Microseconds", latencies_at(&tally->late, 0.5));
    json_us(out, "lateP99Microseconds", latencies_at(&tally->late, 0.99));
    buffer_put(out, "\"limits\":[");
    for (size_t i = 0; i < array_count(limits); i++)
        if (limits[i].is_so(bench))
            buffer_format(out, "\"%s\",", limits[i].member);
    json_end(out, ']');
    json_end(out, '}');
}

static void json_points(const struct bench *bench, struct buffer *out) {
    buffer_put(out, "\"overTime\":[");
    for (size_t i = 0; i < bench->result.point_count; i++) {
        const struct load_point *point = &bench->result.points[i];
        buffer_format(out, "{\"second\":%u,\"perSecond\":%.1f,", point->second, point->per_second);
        json_us(out, "p50Microseconds", point->p50_ns);
        json_us(out, "p99Microseconds", point->p99_ns);
        json_us(out, "maxMicroseconds", point->max_ns);
        json_end(out, '}');
    }
    json_end(out, ']');
}

static void json_knee(const struct bench *bench, struct buffer *out) {
    buffer_put(out, "\"steps\":[");
    for (size_t i = 0; i < bench->knee.step_count; i++) {
        const struct knee_step *step = &bench->knee.steps[i];
        buffer_format(out, "{\"ratePerSecond\":%.0f,\"goodPerSecond\":%.1f,\"keptUp\":%s,",
                      step->rate, step->goodput, step->is_good ? "true" : "false");
        json_us(out, "p50Microseconds", step->p50_ns);
        json_us(out, "p99Microseconds", step->p99_ns);
        json_us(out, "maxMicroseconds", step->max_ns);
        json_end(out, '}');
    }
    json_end(out, ']');
    if (bench->knee.good > 0)
        buffer_format(out, "\"kneePerSecond\":%.0f,", bench->knee.good);
    else
        buffer_put(out, "\"kneePerSecond\":null,");
}

void report_json(const struct bench *bench, struct buffer *out) {
    const struct tally *tally = &bench->result.tally;
    json_plan(bench, out);
    buffer_format(out, "\"due\":%llu,\"good\":%llu,\"neverSent\":%llu,\"goodPerSecond\":%.1f,",
                  (unsigned long long)tally->due, (unsigned long long)counter_get(&tally->good),
                  (unsigned long long)tally->unsent, load_goodput(&bench->result));
    json_failures(tally, out);
    json_latencies(&tally->latencies, out);
    json_curve(&tally->latencies, out);
    buffer_format(out, "\"signatures\":{\"checked\":%zu,\"wrong\":%zu},", bench->check.checked,
                  bench->check.wrong);
    json_self(bench, out);
    json_knee(bench, out);
    json_points(bench, out);
    out->len--; /* the comma */
    buffer_byte(out, '}');
}
