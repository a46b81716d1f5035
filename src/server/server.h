/* The server: workers, the registry, the feed of changes, the ops listener; from start to drain. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "config/config.h"
#include "server/changes.h"
#include "server/clock_watch.h"
#include "server/expiry.h"
#include "server/hints.h"
#include "server/keys.h"
#include "server/openapi.h"
#include "server/worker.h"

struct server_options {
    struct config *config;
    struct registry *registry;       /* open and initialised; stays the caller's */
    const struct master_key *master; /* likewise */
    struct uuid replica_id;          /* of this process and those before it; zeros: a random one */
    const int *descriptors;          /* listening sockets handed over, if any */
    size_t descriptor_count;
    /* Everything listens: told once, with the addresses ("127.0.0.1:8080", ops "" if none). */
    void (*on_ready)(void *self, const char *address, const char *ops_address);
    void (*on_stopping)(void *self);
    void *self;
};

struct server {
    struct server_options options;
    const struct settings *settings;
    struct loop *loop; /* the main thread's */
    struct log *log;
    struct worker **workers;
    size_t worker_count;
    struct changes changes;
    struct hints hints;
    struct expiry expiry;
    struct discovery discovery;
    struct keys keys;
    struct clock_watch clock_watch;
    struct openapi openapi;
    struct conn_pool *ops_pool;
    struct listener *ops_listener;
    struct metrics ops_metrics;
    struct quotas quotas;
    struct quota refusals; /* how many go into the audit record */
    struct cidr proxies[SETTING_CIDRS_MAX];
    size_t proxy_count;
    struct random random; /* the main thread's */
    struct loop_timer timer;
    struct loop_timer poll_timer;
    char issuer[512];
    char address[LISTENER_ADDRESS_CHARS];
    char ops_address[LISTENER_ADDRESS_CHARS];
    _Atomic bool is_draining;
    _Atomic size_t workers_done; /* draining, and nothing left to do */
    bool reload_again;
    uint64_t signer_differences; /* that were logged */
};

/* Opens everything and listens; false with what to do about it. */
must_check bool server_open(const struct server_options *options, struct server **ret_server,
                            struct error *ret_error);
/* Serves until SIGTERM or SIGINT, drains, and returns when all workers have ended. */
void server_run(struct server *server);
/* After the registry was closed: until then its threads may answer to the loops. */
void server_close(struct server *server);

/* What is well and what is not, as JSON; returns the HTTP status (200 or 503). */
unsigned health_write_live(struct server *server, struct buffer *out);
unsigned health_write_ready(struct server *server, struct buffer *out);
/* Puts the signer of the settings to use, before anything is signed. */
must_check bool signing_open(struct server *server, struct error *ret_error);
/* On the main thread's timer: says when a signer was switched off. */
void signing_watch(struct server *server);
void signing_write_metrics(struct buffer *out);
/* Everything of /metrics. */
void ops_write_metrics(struct server *server, struct buffer *out);
must_check bool ops_open(struct server *server, struct error *ret_error);

#endif
