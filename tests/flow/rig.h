/* A mint with everything around it faked: time, registry, connections; and clients that call it. */
#ifndef FLOW_RIG_H
#define FLOW_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_redis.h"
#include "faults.h"
#include "mint/flight.h"
#include "mint/request.h"
#include "world.h"

#define RIG_ISSUER "https://mint.example"
#define RIG_LEASE_US 30000000
#define RIG_UNKNOWN_US 5000000
#define RIG_REGISTRY_US 2000000
#define RIG_ACKNOWLEDGE_US 32000000

/* What the workers of a process share. */
struct realm {
    struct clock clock; /* tests set its members */
    struct world world;
    struct random random;
    struct master_key *master;
    struct keyring *keyring;
    struct quotas quotas;
    struct fake_redis redis; /* asked by workers that rig_share was called for */
};
must_check bool realm_open(struct realm *realm);
void realm_close(struct realm *realm);

/* The routes that tests call, one of each kind. */
enum rig_route {
    ISSUE,
    BATCH,
    IFRAME,
    LOCAL,         /* for everybody */
    LOCAL_ANYONE,  /* for any good token */
    READ_ORG,      /* asks the registry; for who may read the org */
    READ_PROJECT,  /* the same in a project */
    WRITE_ORG,     /* changes something; for who manages the org */
    READ_OPERATOR, /* for the operator */
    VERIFY,        /* for the bearer of a credential */
    INTROSPECT,    /* for any good token: about a credential */
    RIG_ROUTES,
};
extern const struct route rig_routes[RIG_ROUTES];

struct call;

/* One worker: a mint whose jobs wait until the test does them. */
struct rig {
    struct realm *realm;
    struct cache cache;
    struct freshness freshness;
    struct usage usage;
    struct metrics metrics;
    struct mint mint;
    struct queue jobs; /* handed to the registry, not yet done */
    size_t job_count;
    size_t jobs_max;
    unsigned polls_wanted;
    struct shared shared;
    struct fake_link redis;
    struct queue calls;
    size_t call_count;
    /* What the management routes do: fail, or change something and answer so many bytes. */
    enum error_code work_error;
    void (*work_change)(struct world *world, const struct request *request);
    size_t work_answer_bytes;
    /* Called with every reply, if set. */
    void (*on_reply)(struct rig *rig, struct call *call);
    void *user;
};
/* False when memory is out; rig_close is due all the same. */
must_check bool rig_open(struct rig *rig, struct realm *realm);
/* From now on look-ups ask Redis first. False when memory is out. */
#define RIG_SHARED_TTL_S 600
must_check bool rig_share(struct rig *rig);
/* Nothing may be under way any more; checks that nothing is left. */
void rig_close(struct rig *rig);
/* Whether requests, look-ups and waiting lists are all gone. */
bool rig_is_idle(const struct rig *rig);

/* cmocka's setup and teardown for tests whose state is a rig in a realm of its own. */
int rig_setup(void **state);
int rig_teardown(void **state);
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

/* What a client sends; what is not said is as in a request that is fine. */
struct ask {
    enum rig_route route;
    enum http_method method; /* GET of a route that mints means POST */
    enum world_service_index as;
    const char *authorization; /* instead of as's token */
    bool is_anonymous;         /* no Authorization header at all */
    const char *org;           /* "acme" */
    const char *project;       /* "shop" on routes that have one */
    const char *id;
    const char *query;
    const char *content_type;
    const char *request_id;
    const char *forwarded_for;
    const char *peer; /* "192.0.2.7" */
    struct text body;
    void *user; /* goes to the call */
};

/* A request and what became of it. */
struct call {
    struct exchange exchange;
    struct rig *rig;
    struct queue link;
    enum rig_route route;
    enum world_service_index as;
    char *sent; /* what the exchange's texts point into */
    char peer[CONN_ADDRESS_CHARS];
    unsigned ends; /* replied, refused or gone: once */
    unsigned status;
    enum error_code error;
    struct text body;
    struct text extra;
    char request_id[REQUEST_ID_CHARS + 1];
    char used_peer[CONN_ADDRESS_CHARS]; /* the address that the mint goes by */
    const char *cache_control;
    uint64_t seq; /* of the change that was made */
    void *user;   /* the test's; freed with the call */
};
/* The request has come and ran until it waits. */
struct call *rig_begin(struct rig *rig, struct ask ask);
/* The same, and the turn ends. */
struct call *rig_ask(struct rig *rig, struct ask ask);
/* The same, and Redis and the registry do what they are asked until the reply is there. */
struct call *rig_get(struct rig *rig, struct ask ask);
/* The client leaves. */
void call_leave(struct call *call);
void call_free(struct call *call); /* it must have ended */

void rig_turn(struct rig *rig);
/* Time passes, and the tick comes. */
void rig_wait(struct rig *rig, uint64_t us);
/* Takes the first job away from the registry, which then is the caller's to do; NULL: none. */
struct registry_job *rig_take(struct rig *rig);
void rig_work(struct rig *rig, struct registry_job *job);
/* The registry does all jobs that wait, and the turn ends; returns how many. */
size_t rig_answer(struct rig *rig);
/* Redis answers all that it was asked, honestly, and the turn ends; returns how many. */
size_t rig_redis(struct rig *rig);
/* It answers the question that has waited longest with this. */
void rig_redis_with(struct rig *rig, const struct redis_reply *reply);
/* The registry is polled and the feed applied, as the server does; false if it is away. */
bool rig_poll(struct rig *rig);
void rig_apply(struct rig *rig, const struct feed *feed, uint64_t asked_us);

/* The token's text. */
struct text realm_token(const struct realm *realm, enum world_service_index as, char *memory,
                        size_t size);
uint64_t rig_metric(const struct rig *rig, enum metric metric);

#define assert_reply(call, status, code) \
    assert_reply_is(call, status, ERROR_##code, __FILE__, __LINE__)
void assert_reply_is(const struct call *call, unsigned status, enum error_code code,
                     const char *file, int line);
#define assert_has(text, part) assert_has_is(text, part, true, __FILE__, __LINE__)
#define assert_has_not(text, part) assert_has_is(text, part, false, __FILE__, __LINE__)
void assert_has_is(struct text text, const char *part, bool has, const char *file, int line);

#endif
