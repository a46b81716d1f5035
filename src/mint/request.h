/* One request on its way through the steps, and the engine that moves it. */
#ifndef MINT_REQUEST_H
#define MINT_REQUEST_H

#include "cache/shared.h"
#include "cache/usage.h"
#include "http/reply.h"
#include "io/conn.h"
#include "io/redis.h"
#include "mint/issue.h"
#include "mint/presented.h"
#include "mint/quota.h"
#include "mint/route.h"
#include "token/claims.h"
#include "token/json.h"

enum step {
#define STEP(name, function, waits) STEP_##name,
#include "mint/steps.def"
#undef STEP
    STEP_COUNT
};
const char *step_name(enum step step);

/* Where a request stands. Changed by request_run and request_wake alone. */
enum request_state {
    REQUEST_RUNNING,
    REQUEST_WAITING, /* for what its step says */
    REQUEST_WOKEN,   /* the answer is there; the loop will run `x_done` */
    REQUEST_ENDED,   /* replied; a late answer may still come */
};

/* Who calls, fixed by `authorize` from the grant: the grant itself may go at any moment. */
struct caller {
    enum token_kind kind;
    struct uuid token_id;
    struct uuid service_id;
    struct uuid org_id;
    uint32_t org_permissions;
    uint32_t project_permissions;
    char service_name[NAME_BYTES_MAX + 1];
};

struct request_block;

#define REQUEST_ID_CHARS 64
#define REQUEST_BYTES 16384 /* the struct and its arena: a page view's JSON, claims and JWT fit */
#define REQUEST_MAGIC 0x4d494e54

/* Lives from mint_begin until it is replied (or its client gone) and no job works on it. Nothing in
 * it points into the connection's memory once `admit` has run. */
struct request {
    uint32_t magic;
    enum step step;
    enum request_state state;
    bool is_timed;           /* one in MINT_TIMED_EVERY has its steps timed */
    bool has_job;            /* a registry job works on it */
    bool timed_out;          /* the wait took longer than its budget */
    bool is_project_missing; /* the registry has no project of that name */
    bool is_acting; /* the operator, as the service that the query names or, where a credential
                                is shown, that it was minted by */
    bool is_service_missing; /* nor the service as which the operator is to act */
    bool token_is_read;      /* its form is right; whether it is good is another matter */
    uint8_t attempts;        /* look-ups made */
    struct mint *mint;
    struct exchange *exchange; /* NULL: the client has gone */
    const struct route *route;
    struct queue link;        /* of the list that fits the state: waiting or woken */
    struct queue flight_link; /* of the flight's waiters */
    struct flight *flight;
    uint64_t began_us;
    uint64_t deadline_us;
    uint64_t step_ns;

    struct text params[PARAM_COUNT];
    char request_id[REQUEST_ID_CHARS + 1];
    char peer[CONN_ADDRESS_CHARS];
    struct service_token token; /* wiped at the end */
    struct caller caller;
    void *input;             /* the route's parsed body */
    const struct json *body; /* NULL: there was none */
    size_t body_bytes;
    struct text form; /* instead of `body`, as it came; only while the route parses */
    uint32_t page_size;
    struct text page_token;
    struct text audience;        /* ?aud= */
    struct presented *presented; /* the credential whose bearer calls; NULL: a token does */

    /* Only within one run of the steps, never across a wait. */
    struct cached_grant *grant;          /* of a service as which the operator acts: that one's */
    struct cached_grant *operator_grant; /* then the operator's own, else NULL */
    struct cached_project *project;

    /* QUOTA: of a service with a rate limit, for the headers. */
    uint32_t rate_per_s;
    uint32_t rate_burst;
    struct quota_state quota;

    /* MANAGE: while has_job, the job's alone. */
    struct registry_job job;
    struct actor actor;
    struct error work_error;
    bool is_work_done;
    bool no_wait;          /* ?wait=0 */
    uint64_t seq;          /* of the change it made; 0: none */
    uint64_t epoch;        /* of the counter that gave it */
    uint64_t committed_us; /* when that was known here */
    uint64_t seq_before;   /* acknowledged when it was handed over: its own is later */
    struct buffer out;     /* the answer, malloc'ed and grown as it is written */

    /* ISSUE: one credential, or those of a batch. */
    struct credential *credentials;
    size_t credential_count;
    size_t unsigned_count; /* waiting for their signature */
    bool explain;          /* ?explain=1 */

    struct error error;
    unsigned status; /* 200 unless said otherwise */
    struct text content_type;
    struct text reply_body;
    struct buffer extra; /* header lines */
    char extra_memory[320];
    const char *cache_control;

    struct request_block *blocks;
    struct arena arena;
};

/* What the engine needs from outside; fakes in tests. */
struct mint_ports {
    void *self;
    /* Hands a job to the registry; false when its queue is full. */
    bool (*submit)(void *self, struct registry_job *job);
    /* Sends the reply, logs and counts; the exchange is gone afterwards. */
    void (*reply)(void *self, struct request *request, const struct http_reply *reply);
    /* The same for an exchange that got no request: too much is going on. */
    void (*refuse)(void *self, struct exchange *exchange, const struct error *error);
    /* The registry should be polled now. */
    void (*poll)(void *self);
    /* Adds to the answer, an object that is open at its end, how the request's change spread. */
    void (*receipt)(void *self, struct request *request);
    /* Asks the shared cache for an entry; false if it cannot be asked now, and then `done` is not
     * called. Used where mint.shared is set. */
    bool (*ask_shared)(void *self, struct redis_command *command, const struct shared_key *key);
    /* Sets an entry; nobody waits for it. */
    void (*tell_shared)(void *self, const struct shared_key *key, struct text value,
                        uint32_t ttl_s);
    /* Asks Redis for what quota->asked says, by quota->command; false as with ask_shared. */
    bool (*ask_quota)(void *self, struct quota *quota);
};

/* What may be asked of every mint; `settings` may change between turns (SIGHUP). */
struct mint_settings {
    struct text brand;
    uint32_t default_ttl_s;
    uint32_t max_ttl_s;
    uint32_t not_before_skew_s;
    uint32_t max_token_bytes;
    uint32_t attributes_bytes_max;
    uint32_t in_flight_max;
    const struct cidr *proxies; /* whose X-Forwarded-For is believed; outlive the mint */
    size_t proxy_count;
    uint64_t registry_us;
    uint64_t acknowledge_us; /* lease and margin: after it nobody mints by what was before */
};

/* The engine of one loop. */
#define MINT_BATCH_MAX 64
#define MINT_TIMED_EVERY 16
#define MINT_SCRATCH_BYTES 262144
struct mint {
    struct mint_ports ports;
    struct mint_settings settings;
    const struct clock *clock;
    struct cache *cache;
    struct shared *shared; /* NULL: there is no shared cache */
    struct freshness *freshness;
    struct usage *usage;
    struct quotas *quotas; /* the process's */
    struct keyring *keyring;
    struct random *random;
    struct metrics *metrics;
    struct histogram steps_us[STEP_COUNT];
    struct loop *loop;
    struct slab requests;
    size_t in_flight;      /* begun and not replied */
    uint64_t acknowledged; /* all replicas have applied the changes up to here */
    uint64_t acknowledged_epoch;
    uint64_t begun;
    struct queue waiting[STEP_COUNT]; /* by deadline, for each step has one budget */
    struct queue woken;
    struct map flights;
    struct credential *batch[MINT_BATCH_MAX];
    struct sign_job jobs[MINT_BATCH_MAX];
    size_t batch_count;
    char *scratch; /* the claims, before they are base64 */
};

/* Everything above `requests` is set by the caller. False when memory is out. */
must_check bool mint_open(struct mint *mint);
/* No request may be left. */
void mint_close(struct mint *mint);
/* A request has come and its route is known. `params` are decoded. */
void mint_begin(struct mint *mint, struct exchange *exchange, const struct route *route,
                const struct text params[static PARAM_COUNT]);
/* The client has gone. */
void mint_gone(struct mint *mint, struct request *request);
/* At the end of a turn: signs what is ready and moves what was woken, until nothing is left to do.
 * */
void mint_turn_end(struct mint *mint);
/* Now and then (50 ms), and at the next deadline: deadlines. */
void mint_tick(struct mint *mint);
/* The next one of a request that waits; UINT64_MAX: there is none. */
uint64_t mint_deadline_us(const struct mint *mint);
/* Everybody has applied the changes up to `seq`: who waits for one of them is answered. */
void mint_acknowledged(struct mint *mint, uint64_t epoch, uint64_t seq);
/* The process ends: nobody waits any longer for others on behalf of a client that has gone, and
 * when its time is over nobody at all; they are told by when the change is in force. */
void mint_drain(struct mint *mint, bool is_over);

/* X-Request-Id: the one that was sent if it is a sane token, else a new one. `out` has room for
 * REQUEST_ID_CHARS. */
void request_id_take(struct text sent, struct random *random, struct buffer *out);

/* For steps and handlers. */
/* Memory that lives as long as the request; NULL with ERROR_OVERLOADED when there is none. */
must_check void *request_take(struct request *request, size_t size);
must_check bool request_copy(struct request *request, struct text text, struct text *ret_text);
/* The answer is there; `x_done` will run. May be called once per wait. */
void request_wake(struct request *request);
/* What the grant's service may in a project of its org. */
uint32_t grant_permissions_in(const struct grant *grant, const struct uuid *project_id);
/* Says in request->actor who called, for the audit; the caller must be known. */
void request_actor_fix(struct request *request);
/* Room for at least `size` more bytes of the answer; NULL with ERROR_OVERLOADED when memory is out.
 * */
struct buffer *request_out(struct request *request, size_t size);

/* Where the grant of the service as which the operator acts is cached; while is_acting. */
struct uuid request_acting_key(const struct request *request);

/* Single-flight: joins or starts the look-up for what the request misses; false with
 * request->error. */
must_check bool flight_join(struct request *request);
void flight_leave(struct request *request);

/* Has the next slice of a rate limit asked for, if it is time for that. */
void quota_share(struct mint *mint, struct quota *quota, const struct quota_limit *limit);

#endif
