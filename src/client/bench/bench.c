/* `mint bench`: flags become a plan, the plan is run, and what was found is shown. */
#include "client/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/units.h"

#define SECOND_NS 1000000000ULL
#define RATE_MAX 10000000
#define DURATION_MAX_S 86400
#define TIMEOUT_DEFAULT_S 5

bool bench_number(const struct bench *bench, const char *flag, uint64_t otherwise, uint64_t least,
                  uint64_t most, uint64_t *ret_number) {
    struct text value = call_flag(bench->call, flag);
    *ret_number = otherwise;
    if (value.at == NULL)
        return true;
    /* The table has checked what it is; a time without a suffix counts seconds. */
    if ((unit_read(value, UNIT_NONE, most, ret_number) ||
         unit_read(value, UNIT_S, most, ret_number)) &&
        *ret_number >= least)
        return true;
    (void)client_refuse(bench->client, bench->call, "--%s must be from %llu to %llu, not \"%.*s\"",
                        flag, (unsigned long long)least, (unsigned long long)most, (int)value.len,
                        value.at);
    return false;
}

static bool refuse(const struct bench *bench, const char *why) {
    (void)client_refuse(bench->client, bench->call, "%s", why);
    return false;
}

/* The shape of the load. */
static bool plan_make(struct bench *bench) {
    struct plan *plan = &bench->plan;
    uint64_t rate, connections, threads, pipeline, duration_s, warmup_s, samples;
    if (!bench_number(bench, "rate", 0, 1, RATE_MAX, &rate) ||
        !bench_number(bench, "connections", 32, 1, CONNECTIONS_MAX, &connections) ||
        !bench_number(bench, "threads", 1, 1, THREADS_MAX, &threads) ||
        !bench_number(bench, "pipeline", 1, 1, PIPELINE_MAX, &pipeline) ||
        !bench_number(bench, "duration", 10, 1, DURATION_MAX_S, &duration_s) ||
        !bench_number(bench, "warmup", 1, 0, DURATION_MAX_S, &warmup_s) ||
        !bench_number(bench, "verify", 1000, 0, SAMPLES_MAX, &samples))
        return false;
    plan->is_connection_fresh = call_has(bench->call, "no-keep-alive");
    plan->spins = call_has(bench->call, "spin");
    if (threads > connections)
        return refuse(bench, "--threads: each thread needs a connection of its own");
    if (plan->is_connection_fresh && pipeline > 1)
        return refuse(bench, "--pipeline and --no-keep-alive exclude each other");
    plan->rate = (double)rate;
    plan->connections = (unsigned)connections;
    plan->threads = (unsigned)threads;
    plan->pipeline = (unsigned)pipeline;
    plan->duration_ns = duration_s * SECOND_NS;
    plan->warmup_ns = warmup_s * SECOND_NS;
    plan->timeout_ns = SECOND_NS * (call_has(bench->call, "timeout") ? bench->client->timeout_s
                                                                     : TIMEOUT_DEFAULT_S);
    plan->field = call_flag(bench->call, "expect-json-field");
    plan->samples_max = samples;
    return plan->timeout_ns > 0 || refuse(bench, "--timeout must not be 0");
}

static bool where_to(struct bench *bench, const struct responder *responder, struct text url) {
    struct client *client = bench->client;
    struct text path = {0}, target = call_flag(bench->call, "target");
    struct buffer out;
    if (responder != NULL)
        return target_read(bench, url, path);
    if (target.at != NULL)
        return target_read(bench, target, path);
    if (!client_fill(client, bench->call, bench->call->command->target, true, &path))
        return false;
    out = pool_buffer(&client->pool, path.len + 8);
    buffer_add(&out, path);
    buffer_put(&out, call_has(bench->call, "batch") ? "/batch" : "");
    return target_read(bench, client->url, buffer_text(&out));
}

/* Progress */

static void line_show(void *self, const struct load_point *point) {
    struct bench *bench = self;
    char memory[256];
    struct buffer out = buffer_over(memory, sizeof(memory));
    buffer_format(&out, "\r\x1B[K%4us  %9.0f/s  p99 ", point->second, point->per_second);
    report_time(&out, (double)point->p99_ns);
    buffer_put(&out, "  max ");
    report_time(&out, (double)point->max_ns);
    (void)!write(STDERR_FILENO, out.at, out.len);
    bench->has_line = true;
}

bool bench_load(struct bench *bench, const struct plan *plan, struct load_result *ret_result) {
    bool is_shown = isatty(STDERR_FILENO) == 1 && !bench->client->is_quiet;
    struct load_watch watch = {is_shown ? line_show : NULL, bench};
    const char *problem = NULL;
    load_free(ret_result);
    *ret_result = (struct load_result){0};
    bool is_fine = load_run(plan, &watch, ret_result, &problem);
    if (bench->has_line)
        (void)!write(STDERR_FILENO, "\r\x1B[K", 4);
    bench->has_line = false;
    if (!is_fine)
        client_complain(bench->client, "%s", problem);
    return is_fine;
}

/* One request before all others: what fails for a reason that stays is told at once. */
static bool first_request(struct bench *bench) {
    struct plan plan = bench->plan;
    plan.rate = 0;
    plan.connections = plan.threads = plan.pipeline = 1;
    plan.requests_max = 1;
    plan.warmup_ns = 0;
    plan.duration_ns = plan.timeout_ns;
    if (!bench_load(bench, &plan, &bench->result))
        return false;
    for (int i = 0; i < FAILURE_COUNT; i++) {
        const char *first = bench->result.tally.first[i];
        if (first[0] == '\0')
            continue;
        client_complain(bench->client, "the first request %s: %s%s",
                        i == FAILURE_STATUS ? "was refused" : "failed", first,
                        i == FAILURE_CONNECT && bench->is_own
                            ? "\nIs mintd running there? Start it with 'mintd serve', or say where "
                              "it is with --url or MINT_URL."
                            : "");
        return false;
    }
    return true;
}

/* The credentials of the sample, by the keys that are served now: a key is published before it
 * signs, and stays. */
static bool sample_verify(struct bench *bench) {
    struct text place = call_flag(bench->call, "jwks");
    bool is_checked = bench->is_own || place.at != NULL || bench->plan.field.len > 0;
    bench->check.field = bench->plan.field.len > 0 ? bench->plan.field : TEXT("accessToken");
    if (bench->plan.samples_max == 0 || bench->is_calibration || !is_checked)
        return true;
    if ((bench->is_own || place.at != NULL) &&
        !client_read_document(bench->client,
                              place.at != NULL ? place : TEXT("/.well-known/jwks.json"),
                              &bench->check.jwks))
        return false;
    samples_check(&bench->result.samples, &bench->check);
    struct tally *tally = &bench->result.tally;
    counter_add(&tally->failures[FAILURE_SIGNATURE], bench->check.wrong);
    counter_add(&tally->failures[FAILURE_REPLY], bench->check.missing);
    enum failure failure = bench->check.wrong > 0 ? FAILURE_SIGNATURE : FAILURE_REPLY;
    if (bench->check.why[0] != '\0' && tally->first[failure][0] == '\0')
        memcpy(tally->first[failure], bench->check.why, sizeof(bench->check.why));
    return true;
}

static bool page_write(struct bench *bench) {
    struct client *client = bench->client;
    struct text path = call_flag(bench->call, "html");
    if (path.at == NULL)
        return true;
    struct buffer out = pool_buffer(&client->pool, report_bytes_max(bench));
    report_html(bench, &out);
    check(!out.overflow);
    int file = open(path.at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool is_written = file >= 0;
    for (size_t at = 0; at < out.len && is_written;) {
        ssize_t written = write(file, out.at + at, out.len - at);
        is_written = written > 0 || (written < 0 && errno == EINTR);
        at += written > 0 ? (size_t)written : 0;
    }
    if (!is_written)
        client_complain(client, "cannot write %s: %m", path.at);
    if (file >= 0)
        (void)close(file);
    return is_written;
}

static bool result_show(struct bench *bench) {
    struct client *client = bench->client;
    struct error error;
    if (client->format == FORMAT_HUMAN) {
        report_text(bench, &client->out);
        return true;
    }
    struct buffer out = pool_buffer(&client->pool, report_bytes_max(bench));
    report_json(bench, &out);
    check(!out.overflow);
    const struct json *json = client_read_json(client, buffer_text(&out), &error);
    check(json != NULL);
    show_object(client, json);
    return true;
}

static enum status bench_run(struct bench *bench) {
    uint64_t step_s;
    if (!bench_number(bench, "step", 3, 1, 3600, &step_s))
        return STATUS_USAGE;
    load_catch_interrupt();
    if (!bench->is_calibration && !first_request(bench))
        return STATUS_FAILED;
    bool has_run = call_has(bench->call, "find-knee")
                       ? bench_find_knee(bench, step_s)
                       : bench_load(bench, &bench->plan, &bench->result);
    if (!has_run || !sample_verify(bench) || !result_show(bench) || !page_write(bench))
        return STATUS_FAILED;
    if (bench->check.wrong > 0)
        client_complain(bench->client,
                        "%zu of %zu credentials that were checked HAVE NO GOOD SIGNATURE: %s",
                        bench->check.wrong, bench->check.checked, bench->check.why);
    bool is_fine = load_failures(&bench->result) == 0 && counter_get(&bench->result.tally.good) > 0;
    return is_fine ? STATUS_FINE : STATUS_FAILED;
}

enum status run_bench(struct client *client, const struct call *call) {
    struct bench *bench = pool_take(&client->pool, sizeof(*bench));
    struct responder *responder = NULL;
    struct text url = {0};
    enum status status = STATUS_USAGE;
    *bench = (struct bench){.client = client, .call = call};
    bench->is_calibration = call_has(call, "calibrate");
    bench->is_own = !bench->is_calibration && !call_has(call, "target");
    if (bench->is_calibration && (responder = responder_open(&url)) == NULL) {
        client_complain(client, "cannot start the server to calibrate with: %m");
        return STATUS_FAILED;
    }
    if (plan_make(bench) && where_to(bench, responder, url) && requests_make(bench)) {
        if (responder != NULL)
            responder_expect(responder, bench->plan.requests.bytes_max);
        status = bench_run(bench);
    }
    responder_close(responder);
    load_free(&bench->result);
    return status;
}
