/* What a run of load is to do, and what it came to. */
#ifndef CLIENT_BENCH_PLAN_H
#define CLIENT_BENCH_PLAN_H

#include <sys/socket.h>

#include "client/bench/histogram.h"
#include "client/bench/sample.h"

/* Where requests go. */
struct bench_target {
    struct text url;  /* as it was given */
    struct text host; /* as Host carries it */
    struct text path; /* with the query */
    struct sockaddr_storage address;
    socklen_t address_bytes;
    bool is_here; /* loopback, or a unix socket */
};

/* The requests, all alike but for the token: before, token, after. */
struct bench_requests {
    struct text before;
    struct text after;
    const struct text *tokens; /* NULL: none, then `after` is empty */
    size_t token_count;
    size_t bytes_max;      /* of the longest */
    unsigned warm_percent; /* of the requests use the first token, the others the rest in turn */
};

#define PIPELINE_MAX 64U
#define CONNECTIONS_MAX 10000U
#define THREADS_MAX 64U

struct plan {
    struct bench_target target;
    struct bench_requests requests;
    double rate; /* a second; 0: closed loop, each connection sends when its answer is there */
    unsigned connections;
    unsigned threads;
    unsigned pipeline;        /* requests under way on one connection */
    bool is_connection_fresh; /* a connection for each request */
    bool spins;               /* the threads never sleep */
    uint64_t warmup_ns;
    uint64_t duration_ns;  /* behind the warm-up */
    uint64_t timeout_ns;   /* of a request that was sent */
    uint64_t requests_max; /* ends the run sooner; 0: no. For one thread */
    struct text field;     /* the member of JSON that every answer must have; empty: none */
    size_t samples_max;
};

enum failure {
#define FAILURE(name, member, text) FAILURE_##name,
#include "client/bench/failure.def"
#undef FAILURE
    FAILURE_COUNT
};
/* The member of the JSON that counts it, and its name for people. */
const char *failure_member(enum failure failure);
const char *failure_text(enum failure failure);

/* What the sending took of a processor. */
struct cost {
    uint64_t cpu_ns;    /* on one, without the spinning */
    uint64_t waited_ns; /* ready to run, but others did */
};

/* What one thread counts of the requests that were due behind the warm-up. */
#define FAILURE_TEXT_BYTES 200
struct tally {
    /* From the moment when the request was due: of good answers, and of requests that timed out or
     * were never sent the time that they had waited by then, so that no stall is left out. */
    struct latencies latencies;
    /* By how much this program sent too late, though a connection was free. */
    struct latencies late;
    struct counter good; /* answers in time, of status 2xx, with the member */
    struct counter failures[FAILURE_COUNT];
    uint64_t due;
    uint64_t unsent;        /* due, but no connection was free before the end; in no failure */
    uint64_t statuses[600]; /* other than 2xx */
    uint64_t answers;       /* that came between warm-up and end, whatever they said */
    uint64_t good_answers;  /* the good among them, also to what was due in the warm-up */
    struct cost cost;       /* of the thread, in that time */
    char first[FAILURE_COUNT][FAILURE_TEXT_BYTES]; /* what the first of each kind said; "": none */
};

/* A second of the run. */
struct load_point {
    uint32_t second; /* counted from the end of the warm-up */
    double per_second;
    uint64_t p50_ns, p99_ns, max_ns;
};

struct load_result {
    struct tally tally; /* of all threads */
    uint64_t elapsed_ns;
    bool is_interrupted;
    struct load_point *points;
    size_t point_count;
    struct samples samples;
};
/* Good answers a second. */
static inline double load_goodput(const struct load_result *result) {
    return result->elapsed_ns > 0
               ? (double)result->tally.good_answers * 1e9 / (double)result->elapsed_ns
               : 0;
}
/* Requests that failed, the unsent not among them. */
uint64_t load_failures(const struct load_result *result);

#endif
