/* The server: workers, the registry, the feed of changes, the ops listener; from start to drain. */
#include "server/server.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define TIMER_MS 50 /* how soon a drained worker is noticed */

static size_t worker_count_of(const struct settings *settings) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (settings->workers > 0)
        return settings->workers;
    return cores < 1 ? 1 : cores > 256 ? 256 : (size_t)cores;
}

/* The iss claim: as set or settled from the listen address, whose port 0 is known only now. */
static bool issuer_settle(struct server *server, struct error *ret_error) {
    struct text issuer = server->settings->issuer;
    struct buffer out = buffer_over(server->issuer, sizeof(server->issuer) - 1);
    bool is_port_open = issuer.len > 2 && memcmp(issuer.at + issuer.len - 2, ":0", 2) == 0;
    if (is_port_open)
        buffer_put(&out, "http://");
    buffer_add(&out, is_port_open ? text_of(server->address) : issuer);
    server->issuer[out.len] = '\0';
    return !out.overflow || error_set(ret_error, ERROR_FIELD_VALUE, "issuer is too long");
}

/* The socket for a worker: handed over, or the first one's where an address cannot be shared, or
 * none yet (-1). */
static int descriptor_for(const struct server *server, size_t worker) {
    const struct server_options *options = &server->options;
    if (options->descriptor_count > 0)
        return dup(options->descriptors[worker % options->descriptor_count]);
    if (worker > 0 && text_starts(server->settings->listen, TEXT("unix:")))
        return dup(listener_descriptor(server->workers[0]->listener));
    return -1;
}

static bool listeners_open(struct server *server, struct error *ret_error) {
    char ignored[LISTENER_ADDRESS_CHARS];
    if (server->options.descriptor_count == 0 &&
        !listener_is_free(server->settings->listen, ret_error))
        return false;
    for (size_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i];
        struct text address = i == 0 ? server->settings->listen : text_of(server->address);
        if (!listener_open(worker->loop, worker->pool, address, descriptor_for(server, i),
                           &worker->listener, i == 0 ? server->address : ignored, ret_error))
            return false;
    }
    return true;
}

static bool workers_open(struct server *server, struct error *ret_error) {
    server->worker_count = worker_count_of(server->settings);
    server->workers = calloc(server->worker_count, sizeof(*server->workers));
    if (server->workers == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    for (unsigned i = 0; i < server->worker_count; i++)
        if (!worker_open(server, i, &server->workers[i], ret_error))
            return false;
    return listeners_open(server, ret_error);
}

static bool workers_start(struct server *server, struct error *ret_error) {
    for (size_t i = 0; i < server->worker_count; i++) {
        server->workers[i]->cache.options.issuer = text_of(server->issuer);
        if (!worker_start(server->workers[i], ret_error))
            return false;
    }
    return true;
}

/* ---- signals and the timer ------------------------------------------------------------------- */

static void drain_begin(void *self, int number) {
    struct server *server = self;
    if (atomic_exchange(&server->is_draining, true))
        return;
    log_event(server->log, LOG_INFO, "stopping", "signal %d: no new connections, %llu ms to finish",
              number, (unsigned long long)server->settings->drain_ms);
    if (server->options.on_stopping != NULL)
        server->options.on_stopping(server->options.self);
    uint64_t until_us = clock_monotonic_us() + server->settings->drain_ms * 1000;
    for (size_t i = 0; i < server->worker_count; i++)
        worker_drain(server->workers[i], until_us);
}

static bool is_reloading(const struct server *server) {
    for (size_t i = 0; i < server->worker_count; i++)
        if (atomic_load(&server->workers[i]->is_reloading))
            return true;
    return false;
}

static void reload(struct server *server) {
    char text[512];
    struct buffer out = buffer_over(text, sizeof(text) - 1);
    struct error error;
    server->reload_again = is_reloading(server);
    if (server->reload_again)
        return;
    if (!config_reload(server->options.config, &out, &error)) {
        error_message(&error, &out);
        text[out.len] = '\0';
        log_event(server->log, LOG_ERROR, "reload", "nothing changed: %s", text);
        return;
    }
    text[out.len] = '\0';
    for (size_t i = 0; i < server->worker_count; i++)
        worker_reload(server->workers[i], server->settings);
    keys_settings(&server->keys);
    log_event(server->log, LOG_INFO, "reload", "settings taken on%s%s",
              out.len > 0 ? "; these need a restart: " : "", text);
}

static void on_hangup(void *self, int number) {
    (void)number;
    reload(self);
}

static void on_timer(struct loop_timer *timer) {
    struct server *server = container_of(timer, struct server, timer);
    bool has_ended = true;
    clock_watch_look(&server->clock_watch, loop_clock(server->loop), server->log);
    signing_watch(server);
    if (server->reload_again)
        reload(server);
    for (size_t i = 0; i < server->worker_count; i++)
        has_ended &= atomic_load(&server->workers[i]->has_ended);
    if (has_ended)
        loop_stop(server->loop);
}

static void on_poll_timer(struct loop_timer *timer) {
    struct server *server = container_of(timer, struct server, poll_timer);
    changes_poll(&server->changes);
}

static bool main_loop_arm(struct server *server, struct error *ret_error) {
    server->timer.fire = on_timer;
    server->poll_timer.fire = on_poll_timer;
    clock_watch_look(&server->clock_watch, loop_clock(server->loop), server->log);
    uint32_t poll_ms = (uint32_t)server->settings->poll_ms;
    if (loop_timer_start(server->loop, &server->timer, TIMER_MS, TIMER_MS) &&
        loop_timer_start(server->loop, &server->poll_timer, poll_ms, poll_ms) &&
        loop_on_signal(server->loop, SIGTERM, drain_begin, server) &&
        loop_on_signal(server->loop, SIGINT, drain_begin, server) &&
        loop_on_signal(server->loop, SIGHUP, on_hangup, server))
        return true;
    return error_set(ret_error, ERROR_OVERLOADED, "memory");
}

/* ---- open, run, close ------------------------------------------------------------------------ */

static bool server_fill(struct server *server, struct error *ret_error) {
    server->log = log_open(NULL);
    check(cidr_read_list(server->settings->trusted_proxies, server->proxies, SETTING_CIDRS_MAX,
                         &server->proxy_count)); /* as the configuration has checked */
    if (!signing_open(server, ret_error))
        return false;
    if (!quotas_open(&server->quotas, &server->changes.live))
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    if (!random_open(&server->random))
        return error_set(ret_error, ERROR_FIELD_VALUE, "the kernel has no randomness to give");
    if (!loop_open(&server->loop, ret_error) || !keys_open(&server->keys, server, ret_error) ||
        !workers_open(server, ret_error) || !issuer_settle(server, ret_error))
        return false;
    if (server->settings->ops_listen.len > 0 && !ops_open(server, ret_error))
        return false;
    return openapi_make(&server->openapi, ret_error) &&
           discovery_make(&server->discovery, text_of(server->issuer), ret_error) &&
           hints_open(&server->hints, server, ret_error) &&
           changes_open(&server->changes, server, ret_error) &&
           expiry_open(&server->expiry, server, ret_error) &&
           keys_start(&server->keys, ret_error) && main_loop_arm(server, ret_error);
}

bool server_open(const struct server_options *options, struct server **ret_server,
                 struct error *ret_error) {
    struct server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    server->options = *options;
    server->settings = config_settings(options->config);
    (void)signal(SIGPIPE, SIG_IGN);
    routes_open();
    if (!server_fill(server, ret_error)) {
        server_close(server);
        return false;
    }
    *ret_server = server;
    return true;
}

void server_run(struct server *server) {
    struct error error;
    if (!workers_start(server, &error)) {
        log_event(server->log, LOG_ERROR, "start", "%s", error.subject);
        return;
    }
    log_event(server->log, LOG_INFO, "serving", "%s, %zu workers, ops on %s, issuer %s, signer %s",
              server->address, server->worker_count,
              server->ops_address[0] != '\0' ? server->ops_address : "none", server->issuer,
              signer_name());
    if (server->options.on_ready != NULL)
        server->options.on_ready(server->options.self, server->address, server->ops_address);
    loop_run(server->loop);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_join(server->workers[i]);
    changes_leave(&server->changes);
    log_event(server->log, LOG_INFO, "stopped", "every request under way has ended");
}

void server_close(struct server *server) {
    if (server == NULL)
        return;
    for (size_t i = 0; server->workers != NULL && i < server->worker_count; i++)
        worker_close(server->workers[i]);
    free(server->workers);
    conn_pool_close(server->ops_pool);
    hints_close(&server->hints);
    loop_close(server->loop);
    changes_close(&server->changes);
    keys_close(&server->keys);
    discovery_free(&server->discovery);
    openapi_free(&server->openapi);
    quotas_close(&server->quotas);
    random_close(&server->random);
    free(server);
}
