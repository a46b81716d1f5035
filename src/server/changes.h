/* The poll: reads the registry's feed, has every worker apply it, and tells who waits for that. */
#ifndef SERVER_CHANGES_H
#define SERVER_CHANGES_H

#include <stdatomic.h>

#include "io/loop.h"
#include "registry/store.h"

struct server;

/* On the main thread but for changes_hint. One poll at a time: asked of the registry, applied by
 * every worker, then acknowledged. */
enum changes_state { CHANGES_IDLE, CHANGES_ASKING, CHANGES_APPLYING };

struct changes {
    struct server *server;
    enum changes_state state;
    bool poll_again;
    bool is_up;        /* the last poll was answered */
    size_t applying;   /* workers that have not applied yet */
    uint64_t asked_us; /* before the question was sent */
    uint64_t epoch;
    uint64_t cursor;
    struct feed feed; /* read by the workers while CHANGES_APPLYING */
    struct error error;
    struct registry_job job;
    struct loop_task hint_task;
    _Atomic bool is_hinted;
};

/* The first poll, before anything listens and any thread runs. */
must_check bool changes_open(struct changes *changes, struct server *server,
                             struct error *ret_error);
/* Every poll interval. */
void changes_poll(struct changes *changes);
/* Something was committed, or a worker is not fresh: poll now. From any thread. */
void changes_hint(struct changes *changes);
/* On a worker's loop (and by changes_open). */
struct worker;
void changes_apply(struct worker *worker);

#endif
