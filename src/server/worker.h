/* A worker: a thread with a loop, its connections, its cache and its mint; nothing shared. */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <pthread.h>

#include "base/log.h"
#include "config/config.h"
#include "io/listener.h"
#include "server/routes.h"

struct server;
struct published;

/* The statuses that replies are counted by; any other counts as the last. */
#define WORKER_STATUSES \
    { \
        200, 400, 401, 403, 404, 202, 204, 304, 405, 408, 409, 413, 415, 417, 429, 431, 500, 501, \
            503, 505 \
    }
#define WORKER_STATUS_COUNT 20
extern const uint16_t worker_statuses[WORKER_STATUS_COUNT];

struct worker {
    struct server *server;
    unsigned index;
    pthread_t thread;
    bool has_thread;
    struct loop *loop;
    struct conn_pool *pool;
    struct listener *listener;
    struct cache cache;
    struct shared shared; /* zeroed where there is no Redis */
    struct redis *redis;
    struct freshness freshness;
    struct usage usage;
    uint64_t usage_due_us;
    bool is_usage_writing;
    uint32_t refusals_writing;
    struct random random;
    struct mint mint;
    struct published *published; /* whose keyring the mint signs with */
    struct log *log;
    struct metrics metrics;
    struct histogram request_us;
    struct counter replies[ROUTE_COUNT + 1][WORKER_STATUS_COUNT]; /* the last row: no route */
    struct loop_timer tick;
    struct loop_timer deadline;
    bool log_requests;
    struct text cors_origins;
    bool is_draining;
    bool is_done;            /* draining, and nothing left to do */
    uint64_t drain_until_us; /* set before drain_task is posted */

    /* Work from the main thread, one at a time. */
    struct loop_task apply_task;
    struct loop_task applied_task; /* back to the main thread */
    struct loop_task acknowledge_task;
    struct loop_task drain_task;
    struct loop_task reload_task;
    struct mint_settings next_settings;
    bool next_log_requests;
    struct text next_cors_origins;
    _Atomic bool is_reloading;

    /* What others may read. */
    _Atomic uint64_t fresh_until_us;
    _Atomic uint64_t beat_us; /* when the loop turned last */
    _Atomic bool has_ended;
};

struct mint_settings worker_mint_settings(const struct server *server);
/* Everything but the listener and the issuer of the cache. Freed by worker_close also after
 * failure. */
must_check bool worker_open(struct server *server, unsigned index, struct worker **ret_worker,
                            struct error *ret_error);
must_check bool worker_start(struct worker *worker, struct error *ret_error);
/* Waits for the thread's end. */
void worker_join(struct worker *worker);
void worker_close(struct worker *worker);

/* From the main thread. */
/* No new connections; ends when the last request has, or at `until_us` (monotonic). */
void worker_drain(struct worker *worker, uint64_t until_us);
void worker_reload(struct worker *worker, const struct settings *settings);

#endif
