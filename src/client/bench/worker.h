/* A thread that sends requests when they are due and takes the answers. */
#ifndef CLIENT_BENCH_WORKER_H
#define CLIENT_BENCH_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "client/bench/connection.h"

/* What the threads of a run share. */
struct worker_shared {
    const struct plan *plan;
    uint64_t start_ns;
    uint64_t measured_ns;     /* requests due from here on are counted */
    _Atomic uint64_t end_ns;  /* none is due any more; brought forward by an interrupt */
    _Atomic uint64_t stop_ns; /* answers are waited for until here */
};

/* The threads deal the schedule out: the one numbered i of n sends the requests i, i+n, i+2n… */
struct worker {
    struct worker_shared *shared;
    unsigned number;
    pthread_t thread;
    struct tally tally;
    struct samples samples;

    int epoll;
    unsigned connection_count;
    struct connection *connections;
    struct flight *flights; /* of all connections */
    unsigned flight_count;  /* under way on all */

    /* Free places on connections, first come first served, so that all are used. */
    struct connection **places;
    size_t place_first, place_count, place_size;
    /* Requests whose connection was closed by an answer to an earlier one: to be sent again. */
    struct flight *again;
    size_t again_count;
    /* Connecting failed: nobody tries before. Their places wait in `places`. */
    uint64_t refused_until_ns;

    uint64_t next;       /* number of the request that is due next, of the whole schedule */
    uint64_t cold;       /* requests so far by other tokens than the first */
    uint64_t blocked_ns; /* until here no place was free: what is late by then is the server's */
    bool is_blocked;
    uint64_t sweep_ns; /* when to look for timeouts again */
    enum { WORKER_WARMS, WORKER_MEASURES, WORKER_WAITS } phase; /* waits: for the last answers */
    struct cost start_cost; /* of the thread, when it began to measure */
    uint64_t spun_ns;       /* what turns took that found nothing to do, since then */
    bool was_idle;          /* nothing was sent at the begin of this turn */

    struct buffer scratch; /* for requests that go out together */
    void *json;            /* for checking bodies; NULL: they are not */
};

/* Makes the thread's objects; false when memory or descriptors are out. */
must_check bool worker_open(struct worker *worker, struct worker_shared *shared, unsigned number);
void worker_close(struct worker *worker);
/* Runs until the end and the last answer; a pthread start function. */
void *worker_run(void *self);

#endif
