/* The ops listener: is it alive, is it ready, and its metrics. */
#include <stdlib.h>

#include "server/answer.h"
#include "server/server.h"

/* A loop that has not turned for this long hangs. */
#define BEAT_MAX_US 5000000
#define METRICS_BYTES ((size_t)512 * 1024)

unsigned health_write_live(struct server *server, struct buffer *out) {
    uint64_t now_us = clock_monotonic_us();
    unsigned status = 200;
    for (size_t i = 0; i < server->worker_count; i++) {
        uint64_t beat_us = atomic_load(&server->workers[i]->beat_us);
        if (now_us > beat_us && now_us - beat_us > BEAT_MAX_US)
            status = 503;
    }
    buffer_put(out, status == 200 ? "{\"status\":\"ok\"}" : "{\"status\":\"a worker hangs\"}");
    return status;
}

/* The shortest lease of the workers, in ms. */
static uint64_t lease_left_ms(const struct server *server) {
    uint64_t now_us = clock_monotonic_us();
    uint64_t least_us = UINT64_MAX;
    for (size_t i = 0; i < server->worker_count; i++) {
        uint64_t until_us = atomic_load(&server->workers[i]->fresh_until_us);
        uint64_t left_us = until_us > now_us ? until_us - now_us : 0;
        if (left_us < least_us)
            least_us = left_us;
    }
    return least_us / 1000;
}

static void part_write(struct buffer *out, const char *part, bool is_well, const char *reason) {
    answer_raw(out, part, TEXT("{"));
    answer_bool(out, "ok", is_well);
    if (!is_well)
        answer_text(out, "reason", text_of(reason));
    buffer_byte(out, '}');
}

/* A gauge summed over the workers. */
static uint64_t gauge_sum(const struct server *server, enum metric metric) {
    uint64_t sum = 0;
    for (size_t i = 0; i < server->worker_count; i++)
        sum += counter_get(&server->workers[i]->metrics.values[metric]);
    return sum;
}

/* Never needed, so it only informs. */
static void redis_write(const struct server *server, struct buffer *out) {
    bool is_off = server->settings->redis.len == 0;
    bool is_well = is_off || gauge_sum(server, METRIC_L2_CONNECTIONS) == server->worker_count;
    answer_raw(out, "redis", TEXT("{"));
    answer_bool(out, "ok", is_well);
    answer_text(out, "state", is_off ? TEXT("off") : is_well ? TEXT("ok") : TEXT("away"));
    if (!is_well)
        answer_text(out, "reason",
                    gauge_sum(server, METRIC_L2_RESTING) > 0
                        ? TEXT("answers too slowly, and is left alone for a while")
                        : TEXT("does not answer; look-ups go to the registry, and rate limits by "
                               "the share of each replica"));
    buffer_byte(out, '}');
}

unsigned health_write_ready(struct server *server, struct buffer *out) {
    struct registry_health registry;
    registry_health(server->options.registry, &registry);
    bool is_serving = !atomic_load(&server->is_draining);
    bool is_fresh = lease_left_ms(server) > 0;
    /* Cached grants are minted for while the lease holds, whatever the registry does. */
    bool is_ready = is_serving && is_fresh;
    buffer_byte(out, '{');
    answer_text(out, "status", is_ready ? TEXT("ready") : TEXT("not ready"));
    part_write(out, "serving", is_serving, "draining: this replica shuts down");
    part_write(out, "lease", is_fresh, "the registry was not heard of for longer than the lease");
    part_write(out, "registry", registry.is_up, "does not answer; cached tokens only");
    part_write(out, "registryWrites", registry.is_writable,
               "takes no changes: failed sync or full disk; see the log");
    redis_write(server, out);
    buffer_byte(out, '}');
    return is_ready ? 200 : 503;
}

static void replies_write(const struct server *server, struct buffer *out) {
    buffer_put(out, "# HELP mintd_requests_total Requests answered, by route and status.\n"
                    "# TYPE mintd_requests_total counter\n");
    for (size_t row = 0; row <= ROUTE_COUNT; row++) {
        for (size_t status = 0; status < WORKER_STATUS_COUNT; status++) {
            uint64_t sum = 0;
            for (size_t i = 0; i < server->worker_count; i++)
                sum += counter_get(&server->workers[i]->replies[row][status]);
            if (sum > 0)
                buffer_format(out, "mintd_requests_total{route=\"%s\",code=\"%u\"} %llu\n",
                              row < ROUTE_COUNT ? routes[row].name : "none",
                              worker_statuses[status], (unsigned long long)sum);
        }
    }
}

/* One histogram of every worker, found by its place in the struct. */
static void worker_histogram_write(const struct server *server, struct buffer *out,
                                   const char *name, const char *labels, size_t offset,
                                   bool in_seconds) {
    const struct histogram *histograms[256];
    for (size_t i = 0; i < server->worker_count; i++)
        histograms[i] = (const void *)((const char *)server->workers[i] + offset);
    histogram_write(out, name, labels, histograms, server->worker_count, in_seconds);
}

static void steps_write(const struct server *server, struct buffer *out) {
    buffer_format(out,
                  "# HELP mintd_step_seconds Time in a step, waits included; one request in %d.\n"
                  "# TYPE mintd_step_seconds histogram\n",
                  MINT_TIMED_EVERY);
    for (unsigned step = 0; step < STEP_COUNT; step++) {
        char labels[64];
        struct buffer text = buffer_over(labels, sizeof(labels) - 1);
        buffer_format(&text, "step=\"%s\"", step_name((enum step)step));
        labels[text.len] = '\0';
        worker_histogram_write(server, out, "mintd_step_seconds", labels,
                               offsetof(struct worker, mint) + offsetof(struct mint, steps_us) +
                                   step * sizeof(struct histogram),
                               true);
    }
}

static void gauge_write(struct buffer *out, const char *name, const char *help, uint64_t value) {
    buffer_format(out, "# HELP %s %s\n# TYPE %s gauge\n%s %llu\n", name, help, name, name,
                  (unsigned long long)value);
}

static void registry_write(const struct server *server, struct buffer *out) {
    struct registry_health health;
    registry_health(server->options.registry, &health);
    gauge_write(out, "mintd_registry_up", "Whether the registry answers.", health.is_up);
    gauge_write(out, "mintd_registry_writable", "Whether it takes changes.", health.is_writable);
    gauge_write(out, "mintd_registry_queued", "Jobs waiting for it.", health.queued);
    gauge_write(out, "mintd_lease_left_ms", "The shortest freshness lease of the workers.",
                lease_left_ms(server));
    gauge_write(out, "mintd_changes_seq", "The last change that every worker has applied.",
                server->changes.cursor.seq);
    gauge_write(out, "mintd_replicas", "Replicas that are listed in the registry.",
                atomic_load(&server->changes.live));
    gauge_write(out, "mintd_replicas_acked_lag",
                "Changes that the slowest replica has not applied, of those applied here.",
                server->changes.cursor.seq - atomic_load(&server->changes.acknowledged));
    gauge_write(out, "mintd_tokens_expiring", "Tokens of services that expire within 7 days.",
                server->expiry.count);
    buffer_put(out, "# HELP mintd_registry_job_seconds Time of the registry's jobs.\n"
                    "# TYPE mintd_registry_job_seconds histogram\n");
    const struct histogram *jobs[] = {health.job_us};
    histogram_write(out, "mintd_registry_job_seconds", "", jobs, 1, true);
}

void ops_write_metrics(struct server *server, struct buffer *out) {
    struct metrics *metrics[256];
    for (size_t i = 0; i < server->worker_count; i++)
        metrics[i] = &server->workers[i]->metrics;
    buffer_format(out,
                  "# HELP mintd_info Version and signer.\n# TYPE mintd_info gauge\n"
                  "mintd_info{version=\"%s\",signer=\"%s\"} 1\n",
                  MINTD_VERSION, signer_name());
    signing_write_metrics(out);
    metrics_write(out, metrics, server->worker_count);
    replies_write(server, out);
    buffer_put(out, "# HELP mintd_request_seconds Time from a whole request to its reply.\n"
                    "# TYPE mintd_request_seconds histogram\n");
    worker_histogram_write(server, out, "mintd_request_seconds", "",
                           offsetof(struct worker, request_us), true);
    buffer_put(out, "# HELP mintd_sign_batch_size Credentials signed together.\n"
                    "# TYPE mintd_sign_batch_size histogram\n");
    worker_histogram_write(server, out, "mintd_sign_batch_size", "",
                           offsetof(struct worker, metrics) + offsetof(struct metrics, sign_batch),
                           false);
    steps_write(server, out);
    registry_write(server, out);
    keys_write_metrics(&server->keys, out);
    buffer_format(out,
                  "# HELP mintd_clock_jumps_total Jumps of the wall clock by more than %d ms.\n"
                  "# TYPE mintd_clock_jumps_total counter\nmintd_clock_jumps_total %llu\n",
                  CLOCK_JUMP_MS, (unsigned long long)server->clock_watch.jumps);
}

static unsigned ops_error(const struct error *error, struct buffer *out) {
    error_json(error, out);
    return error_http_status(error->code);
}

/* Writes the answer; returns its status. */
static unsigned ops_answer(struct server *server, const struct http_request *sent,
                           struct buffer *out, struct text *ret_type) {
    struct error error;
    *ret_type = TEXT("application/json");
    if (sent->method != HTTP_GET && sent->method != HTTP_HEAD) {
        (void)error_about(&error, ERROR_METHOD_UNKNOWN, sent->method_text);
        return ops_error(&error, out);
    }
    if (text_equal(sent->path, TEXT("/healthz")))
        return health_write_live(server, out);
    if (text_equal(sent->path, TEXT("/readyz")))
        return health_write_ready(server, out);
    if (!text_equal(sent->path, TEXT("/metrics"))) {
        (void)error_about(&error, ERROR_ROUTE_UNKNOWN, sent->path);
        return ops_error(&error, out);
    }
    *ret_type = TEXT("text/plain; version=0.0.4; charset=utf-8");
    ops_write_metrics(server, out);
    return 200;
}

static void ops_begin(void *self, struct exchange *exchange) {
    struct server *server = self;
    char id_memory[REQUEST_ID_CHARS];
    struct buffer id = buffer_over(id_memory, sizeof(id_memory));
    char *memory = malloc(METRICS_BYTES);
    struct buffer out = buffer_over(memory, memory != NULL ? METRICS_BYTES : 0);
    struct http_reply reply = {0};
    request_id_take(exchange->request.headers[HTTP_HEADER_REQUEST_ID], &server->random, &id);
    reply.status = ops_answer(server, &exchange->request, &out, &reply.content_type);
    if (out.overflow)
        reply.status = 503; /* memory is out */
    if (reply.status == 405)
        reply.extra = TEXT("Allow: GET, HEAD\r\n");
    reply.body = buffer_text(&out);
    reply.request_id = buffer_text(&id);
    exchange_reply(exchange, &reply);
    free(memory);
}

static void ops_gone(void *self, struct exchange *exchange) {
    (void)self;
    (void)exchange; /* everything is answered at once */
}

static void ops_refused(void *self, const struct error *error, struct buffer *out_body,
                        struct buffer *out_request_id) {
    struct server *server = self;
    request_id_take((struct text){0}, &server->random, out_request_id);
    error_json(error, out_body);
}

bool ops_open(struct server *server, struct error *ret_error) {
    const struct settings *settings = server->settings;
    struct conn_limits limits = {
        .http = {(uint32_t)settings->header_bytes_max, (uint32_t)settings->body_bytes_max},
        .connections_max = 256,
        .idle_ms = (uint32_t)settings->idle_ms,
        .header_ms = (uint32_t)settings->header_ms,
        .body_ms = (uint32_t)settings->body_ms,
        .write_ms = (uint32_t)settings->write_ms,
        .pipeline_max = 1,
        .reply_bytes_max = 1024 * 1024,
    };
    struct conn_handler handler = {server, ops_begin, ops_gone, ops_refused};
    return listener_is_free(settings->ops_listen, ret_error) &&
           conn_pool_open(server->loop, &limits, &handler, &server->ops_metrics, &server->ops_pool,
                          ret_error) &&
           listener_open(server->loop, server->ops_pool, settings->ops_listen, -1,
                         &server->ops_listener, server->ops_address, ret_error);
}
