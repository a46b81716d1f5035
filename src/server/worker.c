/* A worker: a thread with a loop, its connections, its cache and its mint; nothing shared. */
#include "server/worker.h"

#include <stdlib.h>

#include "server/audit.h"
#include "server/quota_redis.h"
#include "server/server.h"
#include "token/hash.h"

#define TICK_MS 100

/* ---- replies: sent, counted, logged ---------------------------------------------------------- */

/* Whether browsers on this origin may call (CORS); `allowed` is * or a list with commas. */
static bool origin_is_allowed(struct text origin, struct text allowed) {
    if (text_equal(allowed, TEXT("*")))
        return true;
    while (allowed.len > 0) {
        const char *comma = memchr(allowed.at, ',', allowed.len);
        size_t len = comma != NULL ? (size_t)(comma - allowed.at) : allowed.len;
        if (text_equal(text_trim((struct text){allowed.at, len}), origin))
            return true;
        size_t skip = comma != NULL ? len + 1 : len;
        allowed = (struct text){allowed.at + skip, allowed.len - skip};
    }
    return false;
}

static void cors_write(const struct worker *worker, const struct http_request *sent,
                       struct buffer *out) {
    struct text origin = sent->headers[HTTP_HEADER_ORIGIN];
    struct text allowed = worker->cors_origins;
    if (likely(allowed.len == 0) || origin.len == 0 || !origin_is_allowed(origin, allowed))
        return;
    size_t before = out->len;
    buffer_put(out, "Access-Control-Allow-Origin: ");
    buffer_add(out, origin);
    buffer_put(out, "\r\nVary: Origin\r\n");
    if (sent->headers[HTTP_HEADER_ACCESS_CONTROL_REQUEST_METHOD].len > 0)
        buffer_put(out,
                   "Access-Control-Allow-Methods: GET, POST, PUT, PATCH, DELETE\r\n"
                   "Access-Control-Allow-Headers: Authorization, Content-Type, X-Request-Id\r\n"
                   "Access-Control-Max-Age: 3600\r\n");
    if (out->overflow) {
        out->len = before;
        out->overflow = false;
    }
}

const uint16_t worker_statuses[WORKER_STATUS_COUNT] = WORKER_STATUSES;

static void reply_count(struct worker *worker, size_t row, unsigned status) {
    size_t i = 0;
    while (i < WORKER_STATUS_COUNT - 1 && worker_statuses[i] != status)
        i++;
    counter_add(&worker->replies[row][i], 1);
}

static void log_hex(struct log_line *line, const char *key, const uint8_t bytes[static 16]) {
    char memory[32];
    struct buffer out = buffer_over(memory, sizeof(memory));
    buffer_hex(&out, bytes, 16);
    log_text(line, key, buffer_text(&out));
}

/* The user by a hash alone (deploy/LOG.md): who looks for him finds his credentials, and who reads
 * the log does not find him. */
static void log_credential(struct log_line *line, const struct credential *credential) {
    uint8_t hash[SHA256_BYTES];
    struct text user = issue_user(&credential->input);
    if (line->log == NULL)
        return;
    log_hex(line, "jti", credential->jti.bytes);
    log_number(line, "ttl_s", credential->ttl_s);
    if (user.len == 0)
        return;
    sha256(user, hash);
    log_hex(line, "user", hash);
}

/* Who asked, from where, and about what. */
static void log_request(struct log_line *line, const struct request *request) {
    log_text(line, "request_id", text_of(request->request_id));
    log_text(line, "peer", text_of(request->peer));
    if (request->params[PARAM_ORG].len > 0)
        log_text(line, "org", request->params[PARAM_ORG]);
    if (request->params[PARAM_PROJECT].len > 0)
        log_text(line, "project", request->params[PARAM_PROJECT]);
    if (request->params[PARAM_SERVICE].len > 0)
        log_text(line, "target", request->params[PARAM_SERVICE]);
    if (request->caller.service_name[0] != '\0')
        log_text(line, "service", text_of(request->caller.service_name));
    if (request->route->who != WHO_NOBODY && request->token_is_read)
        log_uuid(line, "token", &request->token.id);
}

/* Issuance is told by the log, never by the registry: a batch has a line for each, whole by itself.
 */
static void batch_log(struct worker *worker, const struct request *request) {
    for (size_t i = 0; i < request->credential_count; i++) {
        struct log_line line;
        const struct credential *credential = &request->credentials[i];
        log_begin(&line, worker->log, LOG_INFO, "credential");
        log_request(&line, request);
        if (error_is(&credential->error))
            log_text(&line, "error", text_of(error_name(credential->error.code)));
        else
            log_credential(&line, credential);
        log_end(&line);
    }
}

static void request_log(struct worker *worker, const struct request *request, unsigned status) {
    struct log_line line;
    const struct route *route = request->route;
    uint64_t now_us = worker->mint.clock->monotonic_us;
    log_begin(&line, worker->log, status >= 500 ? LOG_WARNING : LOG_INFO, "request");
    log_text(&line, "route", text_of(route->name));
    log_number(&line, "status", status);
    if (error_is(&request->error))
        log_text(&line, "error", text_of(error_name(request->error.code)));
    if (status >= 500 && request->error.subject[0] != '\0')
        log_text(&line, "reason", text_of(request->error.subject));
    log_number(&line, "us", now_us - request->began_us);
    log_request(&line, request);
    bool is_minted = route->kind == ROUTE_ISSUE && status == 200 && !request->explain;
    if (is_minted && route->form != ISSUE_BATCH)
        log_credential(&line, &request->credentials[0]);
    log_end(&line);
    if (is_minted && route->form == ISSUE_BATCH)
        batch_log(worker, request);
}

/* What a good token was not good enough for, where something is managed. */
static bool is_refused_attempt(const struct request *request, unsigned status) {
    enum route_kind kind = request->route->kind;
    return status == 403 && (kind == ROUTE_READ || kind == ROUTE_WRITE);
}

static void worker_reply(void *self, struct request *request, const struct http_reply *reply) {
    struct worker *worker = self;
    struct http_reply full = *reply;
    cors_write(worker, &request->exchange->request, &request->extra);
    full.extra = buffer_text(&request->extra);
    if (unlikely(is_refused_attempt(request, reply->status)))
        audit_refusal(worker, request);
    exchange_reply(request->exchange, &full);
    reply_count(worker, (size_t)(request->route - routes), reply->status);
    histogram_add(&worker->request_us, worker->mint.clock->monotonic_us - request->began_us);
    if (worker->log_requests)
        request_log(worker, request, reply->status);
}

/* `sent` NULL: there is no whole request. */
static void refusal_log(struct worker *worker, const struct error *error, struct text request_id,
                        const struct http_request *sent) {
    struct log_line line;
    if (!worker->log_requests)
        return;
    log_begin(&line, worker->log, LOG_INFO, "refused");
    log_number(&line, "status", error_http_status(error->code));
    log_text(&line, "error", text_of(error_name(error->code)));
    log_text(&line, "request_id", request_id);
    if (sent != NULL) {
        log_text(&line, "method", sent->method_text);
        log_text(&line, "path", sent->path);
    }
    log_end(&line);
}

/* A reply to what never became a request of a route. */
static void plain_reply(struct worker *worker, struct exchange *exchange, unsigned status,
                        struct text body, struct text extra, struct text request_id) {
    struct http_reply reply = {
        .status = status, .body = body, .extra = extra, .request_id = request_id};
    exchange_reply(exchange, &reply);
    reply_count(worker, ROUTE_COUNT, status);
}

static void error_reply(struct worker *worker, struct exchange *exchange, const struct error *error,
                        struct text extra) {
    char memory[2048], id_memory[REQUEST_ID_CHARS];
    struct buffer body = buffer_over(memory, sizeof(memory));
    struct buffer id = buffer_over(id_memory, sizeof(id_memory));
    request_id_take(exchange->request.headers[HTTP_HEADER_REQUEST_ID], &worker->random, &id);
    error_json(error, &body);
    refusal_log(worker, error, buffer_text(&id), &exchange->request);
    plain_reply(worker, exchange, error_http_status(error->code), buffer_text(&body), extra,
                buffer_text(&id));
}

static void worker_refuse(void *self, struct exchange *exchange, const struct error *error) {
    error_reply(self, exchange, error, TEXT("Retry-After: 1\r\n"));
}

/* ---- requests: routed to the mint ------------------------------------------------------------ */

/* OPTIONS says what the path takes, and answers a browser's preflight. */
static void options_reply(struct worker *worker, struct exchange *exchange, uint32_t methods) {
    char memory[1024], id_memory[REQUEST_ID_CHARS];
    struct buffer extra = buffer_over(memory, sizeof(memory));
    struct buffer id = buffer_over(id_memory, sizeof(id_memory));
    request_id_take(exchange->request.headers[HTTP_HEADER_REQUEST_ID], &worker->random, &id);
    routes_write_allow(methods, &extra);
    cors_write(worker, &exchange->request, &extra);
    plain_reply(worker, exchange, 204, (struct text){0}, buffer_text(&extra), buffer_text(&id));
}

static void worker_begin(void *self, struct exchange *exchange) {
    struct worker *worker = self;
    struct route_match match;
    struct error error;
    bool is_found = routes_find(&exchange->request, &match, &error);
    if (text_equal(exchange->request.path, TEXT("*")))
        match.methods = (1U << HTTP_METHOD_OTHER) - 1; /* of the server: RFC 9110 §9.3.7 */
    if (likely(is_found)) {
        mint_begin(&worker->mint, exchange, match.route, match.params);
    } else if (match.methods != 0 && exchange->request.method == HTTP_OPTIONS) {
        options_reply(worker, exchange, match.methods);
    } else {
        char memory[128];
        struct buffer extra = buffer_over(memory, sizeof(memory));
        if (match.methods != 0)
            routes_write_allow(match.methods, &extra);
        error_reply(worker, exchange, &error, buffer_text(&extra));
    }
}

static void worker_gone(void *self, struct exchange *exchange) {
    struct worker *worker = self;
    if (exchange->user != NULL)
        mint_gone(&worker->mint, exchange->user);
}

static void worker_refused(void *self, const struct error *error, struct buffer *out_body,
                           struct buffer *out_request_id) {
    struct worker *worker = self;
    request_id_take((struct text){0}, &worker->random, out_request_id);
    error_json(error, out_body);
    metric_add(&worker->metrics, METRIC_HTTP_BAD, 1);
    reply_count(worker, ROUTE_COUNT, error_http_status(error->code));
    refusal_log(worker, error, buffer_text(out_request_id), NULL);
}

static bool worker_submit(void *self, struct registry_job *job) {
    struct worker *worker = self;
    return registry_submit(worker->server->options.registry, job);
}

static void worker_poll(void *self) {
    struct worker *worker = self;
    changes_hint(&worker->server->changes);
}

static void worker_receipt(void *self, struct request *request) {
    struct worker *worker = self;
    changes_receipt(&worker->server->changes, request);
}

/* ---- last uses: written in bulk ---------------------------------------------------------------
 * */

#define USAGE_FLUSH_US 20000000 /* a use shows at most a minute late */
#define USAGE_FLUSH_MAX 1024    /* in one transaction */

struct usage_job {
    struct registry_job job;
    struct worker *worker;
    size_t count;
    struct token_use uses[USAGE_FLUSH_MAX];
};

/* On the registry's writer. A use that cannot be written is lost; the next one shows again. */
static void usage_work(struct registry_job *job, struct session *session) {
    struct usage_job *usage = container_of(job, struct usage_job, job);
    struct error error;
    if (session != NULL)
        (void)!store_tokens_used(session, usage->uses, usage->count, &error);
}

static void usage_done(struct registry_job *job) {
    struct usage_job *usage = container_of(job, struct usage_job, job);
    usage->worker->is_usage_writing = false;
    free(usage);
}

static void usage_write(struct worker *worker) {
    struct usage_job *usage = malloc(sizeof(*usage));
    if (usage == NULL)
        return;
    usage->job = (struct registry_job){
        .is_write = true, .work = usage_work, .done = usage_done, .loop = worker->loop};
    usage->worker = worker;
    usage->count = usage_flush(&worker->usage, usage->uses, USAGE_FLUSH_MAX);
    worker->is_usage_writing = usage->count > 0 && worker_submit(worker, &usage->job);
    if (!worker->is_usage_writing)
        free(usage);
}

/* At the interval, and at the end; again at once while there is more than one transaction's worth.
 * */
static void usage_tick(struct worker *worker, uint64_t now_us) {
    if (worker->is_usage_writing || (now_us < worker->usage_due_us && !worker->is_draining))
        return;
    usage_write(worker);
    if (queue_is_empty(&worker->usage.fresh))
        worker->usage_due_us = now_us + USAGE_FLUSH_US;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void worker_turn_end(void *self) {
    struct worker *worker = self;
    mint_turn_end(&worker->mint);
}

/* Behind mint_tick: a deadline before the next tick gets a timer, so that who waits for the end of
 * a lease waits no longer than that. */
static void deadline_arm(struct worker *worker) {
    uint64_t left_us = mint_deadline_us(&worker->mint) - worker->mint.clock->monotonic_us;
    if (left_us < TICK_MS * 1000)
        (void)!loop_timer_start(worker->loop, &worker->deadline, (uint32_t)(left_us + 999) / 1000,
                                0);
}

static void worker_deadline(struct loop_timer *timer) {
    struct worker *worker = container_of(timer, struct worker, deadline);
    mint_tick(&worker->mint);
    deadline_arm(worker);
}

static bool is_idle_mint(const struct mint *mint) {
    return mint->requests.count == 0 && mint->flights.count == 0;
}

static bool is_idle(const struct worker *worker) {
    return conn_pool_count(worker->pool) == 0 && is_idle_mint(&worker->mint) &&
           !worker->is_usage_writing && worker->refusals_writing == 0;
}

/* A worker with nothing left to do goes on applying changes until all are done, or who waits on
 * another worker for its change to be in force would wait for this one. At the end of the time
 * nobody waits any longer: there is just enough left to answer. */
static void drain_tick(struct worker *worker, uint64_t now_us) {
    struct server *server = worker->server;
    mint_drain(&worker->mint, now_us + (uint64_t)2 * TICK_MS * 1000 >= worker->drain_until_us);
    if (!worker->is_done && is_idle(worker)) {
        worker->is_done = true;
        atomic_fetch_add(&server->workers_done, 1);
    }
    if (atomic_load(&server->workers_done) == server->worker_count ||
        now_us >= worker->drain_until_us)
        loop_stop(worker->loop);
}

static void worker_tick(struct loop_timer *timer) {
    struct worker *worker = container_of(timer, struct worker, tick);
    uint64_t now_us = worker->mint.clock->monotonic_us;
    mint_tick(&worker->mint);
    deadline_arm(worker);
    atomic_store(&worker->beat_us, now_us);
    usage_tick(worker, now_us);
    if (worker->is_draining)
        drain_tick(worker, now_us);
}

static void drain_run(struct loop_task *task) {
    struct worker *worker = container_of(task, struct worker, drain_task);
    worker->is_draining = true;
    listener_close(worker->listener);
    worker->listener = NULL;
    conn_pool_drain(worker->pool);
}

/* What may change while it runs. The others are read by the registry's threads too and stand still.
 * */
static void settings_take_on(struct mint_settings *settings, const struct mint_settings *next) {
    settings->default_ttl_s = next->default_ttl_s;
    settings->max_ttl_s = next->max_ttl_s;
    settings->not_before_skew_s = next->not_before_skew_s;
    settings->max_token_bytes = next->max_token_bytes;
    settings->attributes_bytes_max = next->attributes_bytes_max;
    settings->in_flight_max = next->in_flight_max;
    settings->registry_us = next->registry_us;
}

static void reload_run(struct loop_task *task) {
    struct worker *worker = container_of(task, struct worker, reload_task);
    settings_take_on(&worker->mint.settings, &worker->next_settings);
    worker->log_requests = worker->next_log_requests;
    worker->cors_origins = worker->next_cors_origins;
    atomic_store(&worker->is_reloading, false);
}

void worker_drain(struct worker *worker, uint64_t until_us) {
    worker->drain_until_us = until_us;
    loop_post(worker->loop, &worker->drain_task);
}

void worker_reload(struct worker *worker, const struct settings *settings) {
    worker->next_settings = worker_mint_settings(worker->server);
    worker->next_log_requests = settings->log_requests;
    worker->next_cors_origins = settings->cors_origins;
    atomic_store(&worker->is_reloading, true);
    loop_post(worker->loop, &worker->reload_task);
}

/* ---- open, start, close ---------------------------------------------------------------------- */

struct mint_settings worker_mint_settings(const struct server *server) {
    const struct settings *settings = server->settings;
    return (struct mint_settings){
        .proxies = server->proxies,
        .proxy_count = server->proxy_count,
        .brand = settings->brand,
        .default_ttl_s = (uint32_t)settings->default_ttl_s,
        .max_ttl_s = (uint32_t)settings->max_ttl_s,
        .not_before_skew_s = (uint32_t)settings->not_before_skew_s,
        .max_token_bytes = (uint32_t)settings->max_token_bytes,
        .attributes_bytes_max = (uint32_t)settings->attributes_bytes_max,
        .in_flight_max = (uint32_t)settings->in_flight_max,
        .registry_us = settings->registry_ms * 1000,
        .acknowledge_us = (settings->lease_ms + settings->lease_margin_ms) * 1000,
    };
}

static struct conn_limits conn_limits_of(const struct server *server) {
    const struct settings *settings = server->settings;
    size_t workers = server->worker_count;
    return (struct conn_limits){
        .http = {(uint32_t)settings->header_bytes_max, (uint32_t)settings->body_bytes_max},
        .connections_max = (uint32_t)((settings->connections_max + workers - 1) / workers),
        .idle_ms = (uint32_t)settings->idle_ms,
        .header_ms = (uint32_t)settings->header_ms,
        .body_ms = (uint32_t)settings->body_ms,
        .write_ms = (uint32_t)settings->write_ms,
        .pipeline_max = (uint32_t)settings->pipeline_max,
        .reply_bytes_max = 1024 * 1024,
        .proxy_protocol = settings->proxy_protocol,
        .proxies = server->proxies,
        .proxy_count = server->proxy_count,
    };
}

static bool caches_open(struct worker *worker, const struct settings *settings) {
    struct hash_key key;
    random_bytes(&worker->random, &key, sizeof(key));
    struct cache_options options = {
        .entries_max = settings->cache_entries,
        .bytes_max = settings->cache_bytes,
        .unknown_max = settings->unknown_entries,
        .unknown_us = settings->unknown_ms * 1000,
        .issuer = text_of(worker->server->issuer),
    };
    usage_open(&worker->usage);
    return freshness_open(&worker->freshness, settings->lease_ms * 1000, &key) &&
           cache_open(&worker->cache, &options, &key);
}

/* ---- the shared cache ------------------------------------------------------------------------ */

static bool worker_ask_shared(void *self, struct redis_command *command,
                              const struct shared_key *key) {
    struct worker *worker = self;
    const struct text words[] = {TEXT_INIT("GET"), {key->at, key->len}};
    return redis_send(worker->redis, command, words, array_count(words));
}

static void worker_tell_shared(void *self, const struct shared_key *key, struct text value,
                               uint32_t ttl_s) {
    struct worker *worker = self;
    char digits[16];
    struct buffer ttl = buffer_over(digits, sizeof(digits));
    buffer_number(&ttl, ttl_s);
    const struct text words[] = {
        TEXT_INIT("SET"), {key->at, key->len}, value, TEXT_INIT("EX"), buffer_text(&ttl)};
    (void)!redis_send(worker->redis, NULL, words, array_count(words));
}

static bool worker_ask_quota(void *self, struct quota *quota) {
    struct worker *worker = self;
    return quota_redis_ask(worker->redis, worker->server->settings->redis_prefix, quota);
}

/* Another one has set or deleted the entry, or it is over: what was read before is looked up anew.
 * Lost pushes harm nobody, since leases and cuts decide. */
static void on_invalidated(void *self, struct text key) {
    struct worker *worker = self;
    struct shared_name name;
    if (key.at != NULL && shared_key_read(&worker->shared, key, &name) && !name.is_project)
        cache_drop_grant(&worker->cache, &name.id);
}

static void on_redis_state(void *self, enum redis_state state, const char *why) {
    struct worker *worker = self;
    (void)why; /* the main thread's connection tells the log */
    metric_set(&worker->metrics, METRIC_L2_CONNECTIONS, state == REDIS_UP);
    metric_set(&worker->metrics, METRIC_L2_RESTING, state == REDIS_RESTING);
}

static bool shared_make(struct worker *worker, struct error *ret_error) {
    const struct settings *settings = worker->server->settings;
    struct redis_options options = hints_redis_options(settings);
    const struct redis_handler handler = {
        .self = worker, .state = on_redis_state, .invalidated = on_invalidated};
    const struct shared_options shared = {.prefix = settings->redis_prefix,
                                          .master = worker->server->options.master,
                                          .random = &worker->random,
                                          .ttl_s = (uint32_t)settings->redis_ttl_s};
    char tracked[SHARED_PREFIX_BYTES + 2];
    struct buffer prefix = buffer_over(tracked, sizeof(tracked));
    if (settings->redis.len == 0)
        return true;
    if (!shared_open(&worker->shared, &shared))
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    worker->mint.shared = &worker->shared;
    buffer_add(&prefix, settings->redis_prefix);
    buffer_put(&prefix, "g:"); /* grants alone are dropped by pushes */
    options.track_prefix = buffer_text(&prefix);
    return redis_open(worker->loop, &options, &handler, &worker->redis, ret_error);
}

static bool mint_make(struct worker *worker) {
    worker->mint = (struct mint){
        .ports = {worker, worker_submit, worker_reply, worker_refuse, worker_poll, worker_receipt,
                  worker_ask_shared, worker_tell_shared, worker_ask_quota},
        .settings = worker_mint_settings(worker->server),
        .clock = loop_clock(worker->loop),
        .cache = &worker->cache,
        .freshness = &worker->freshness,
        .usage = &worker->usage,
        .quotas = &worker->server->quotas,
        .random = &worker->random,
        .metrics = &worker->metrics,
        .loop = worker->loop,
    };
    keys_apply(worker);
    return mint_open(&worker->mint);
}

bool worker_open(struct server *server, unsigned index, struct worker **ret_worker,
                 struct error *ret_error) {
    const struct settings *settings = server->settings;
    struct worker *worker = calloc(1, sizeof(*worker));
    *ret_worker = worker;
    if (worker == NULL || !loop_open(&worker->loop, ret_error))
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    worker->server = server;
    worker->index = index;
    worker->log_requests = settings->log_requests;
    worker->cors_origins = settings->cors_origins;
    worker->drain_task.run = drain_run;
    worker->reload_task.run = reload_run;
    worker->tick.fire = worker_tick;
    worker->deadline.fire = worker_deadline;
    worker->log = log_open(loop_clock(worker->loop));
    if (!random_open(&worker->random))
        return error_set(ret_error, ERROR_INTERNAL, NULL);
    if (!caches_open(worker, settings) || !mint_make(worker))
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    if (!shared_make(worker, ret_error))
        return false;
    struct conn_limits limits = conn_limits_of(server);
    struct conn_handler handler = {worker, worker_begin, worker_gone, worker_refused};
    loop_at_turn_end(worker->loop, worker_turn_end, worker);
    return conn_pool_open(worker->loop, &limits, &handler, &worker->metrics, &worker->pool,
                          ret_error);
}

static void *worker_run(void *self) {
    struct worker *worker = self;
    loop_run(worker->loop);
    atomic_store(&worker->has_ended, true);
    return NULL;
}

bool worker_start(struct worker *worker, struct error *ret_error) {
    atomic_store(&worker->beat_us, clock_monotonic_us());
    if (!loop_timer_start(worker->loop, &worker->tick, TICK_MS, TICK_MS))
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    worker->has_thread = pthread_create(&worker->thread, NULL, worker_run, worker) == 0;
    return worker->has_thread || error_set(ret_error, ERROR_OVERLOADED, "threads");
}

void worker_join(struct worker *worker) {
    if (worker->has_thread)
        (void)pthread_join(worker->thread, NULL);
    worker->has_thread = false;
}

void worker_close(struct worker *worker) {
    if (worker == NULL)
        return;
    worker_join(worker);
    conn_pool_close(worker->pool);
    redis_close(worker->redis);
    /* Cut off by the drain timeout with a look-up under way: the process ends, and its memory with
     * it. */
    if (worker->mint.scratch != NULL && is_idle_mint(&worker->mint))
        mint_close(&worker->mint);
    shared_close(&worker->shared);
    cache_close(&worker->cache);
    if (worker->usage.notes.object_bytes > 0)
        usage_close(&worker->usage);
    freshness_close(&worker->freshness);
    random_close(&worker->random);
    published_release(worker->published);
    loop_close(worker->loop);
    free(worker);
}
