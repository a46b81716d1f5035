/* The registry, the store of record: opened from a URL, asked by jobs on threads of its own. */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "base/error.h"
#include "base/metrics.h"
#include "io/loop.h"

struct registry;
/* One connection to the store, used by one thread at a time: what the functions of store.h take. */
struct session;

struct registry_options {
    struct text url;    /* "sqlite:/path/registry.db", "postgresql://host/database" */
    uint32_t readers;   /* threads for reading, 2 */
    uint32_t queue_max; /* jobs waiting; above it registry_submit refuses, 1024 */
    bool may_create;    /* make the file and the schema when there is none */
    bool keeps_schema;  /* refuse a store whose schema is not this program's, instead */
};

/* Opens the store and brings its schema up to date (migrations run in one transaction each; a store
 * that is newer than this program is refused with a message that says so), starts the threads. */
must_check bool registry_open(const struct registry_options *options,
                              struct registry **ret_registry, struct error *ret_error);
/* The version of the schema that the store had when it was opened (0: it was empty), and now. */
void registry_schema(const struct registry *registry, size_t *ret_before, size_t *ret_now);
/* Finishes the jobs that wait, closes the connections, ends the threads. NULL is fine. */
void registry_close(struct registry *registry);

/* A piece of work for the registry's threads, in its owner's memory until `done` is called. */
struct registry_job {
    struct queue link;
    bool is_write; /* runs on the one writer */
    bool is_each;  /* uses session_write_each alone: need not wait for the writer where the store
                      can do without */
    /* On a registry thread, with a session of its own; blocking calls are fine here. There always
     * is a session; when the store cannot be reached, its functions say ERROR_REGISTRY_AWAY. */
    void (*work)(struct registry_job *job, struct session *session);
    /* On the loop's thread, after work. */
    void (*done)(struct registry_job *job);
    struct loop *loop;
    struct loop_task task; /* the registry's own */
};
/* False when the queue is full or the registry closes: the caller answers ERROR_OVERLOADED. From
 * any thread. */
must_check bool registry_submit(struct registry *registry, struct registry_job *job);

/* Calls `work` on the calling thread, for start-up and command-line use; waits for the job that has
 * the session. Not from within a job. */
void registry_run(struct registry *registry, bool is_write,
                  void (*work)(void *self, struct session *session), void *self);

/* Whether the store answers, whether it takes writes, and how many jobs wait; for /readyz and
 * metrics. */
struct registry_health {
    bool is_up;
    bool is_writable; /* false after a failed fsync until restart, and while the disk is full */
    uint32_t queued;
    uint64_t jobs_total;
    struct histogram *job_us; /* time of `work` */
};
void registry_health(struct registry *registry, struct registry_health *ret_health);

/* The hint to poll now: called right after each mutation's commit on the thread that wrote, with
 * the new counter, and where others tell of theirs on a thread that listens, with 0. To be set
 * once, before the first job. */
void registry_on_commit(struct registry *registry, void (*call)(void *self, uint64_t seq),
                        void *self);

#endif
