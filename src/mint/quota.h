/* Rate limits of services: what a process lets through, from slices of a quota that all replicas
 * share in Redis, or by its own share of it. */
#ifndef MINT_QUOTA_H
#define MINT_QUOTA_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/text.h"
#include "io/redis.h"

/* A limit lets `rate_per_s` credentials through in the long run and `burst` at once: the generic
 * cell rate algorithm (ITU-T I.371), in which all that is kept is the theoretical arrival time of
 * the next one, and so much fits between now and then (the "room") as the burst takes.
 *
 * Each process has such a counter for each limited service, shared by its workers. One more in
 * Redis counts for all replicas (server/quota_redis.c), by Redis's own clock. A process takes
 * slices from that: credentials that count as used there, and that it may mint within QUOTA_HOLD_MS
 * of having asked; then they are void. So minting asks nobody: it takes from a slice, and of two
 * slices the next is asked for when one is used up. Its size is what was taken lately, so that
 * where little is minted nothing lies idle.
 *
 * Without a slice (the first is under way, or Redis cannot be asked) the process goes by its share,
 * the limit divided by the replicas that are listed: each credential moves its own counter as far
 * as so many. A batch beyond the share's burst passes when nothing else has lately. What went by
 * the share is owed: it is told with the next question, at once if none is under way, and when
 * Redis has counted it the own counter is put back to where a slice would have left it. When Redis
 * says that nothing is left, all are refused until there will be.
 *
 * The bound, over any T seconds and all replicas together:
 * - all reach Redis: 2 * burst + rate * (T + hold). The second burst is that of the shares, while
 *   it is not yet told; so in the long run the rate holds. A replica that dies with a slice takes
 *   it along, which only lessens the sum.
 * - each time that Redis goes away or loses its memory (restart, failover, eviction): a burst more.
 * - nobody reaches it: the sum of the shares, burst + rate * T; with batches beyond the burst of a
 *   share one of them a replica instead of that burst. Who starts meanwhile is counted by the
 *   others with the next poll of the registry.
 * - k of n replicas do not reach it: k / n * rate * T more than where all do.
 * - whatever Redis answers: a process alone 2 * burst + rate * T. */
struct quota_limit {
    uint32_t rate_per_s; /* in the long run: 1 to 1,000,000 */
    uint32_t burst;      /* at once: at least 1 */
    uint32_t shares;     /* replicas that divide it, this one included: at least 1 */
};
#define QUOTA_HOLD_MS 500
#define QUOTA_PAUSE_MS 10 /* the least between two questions when nothing is left */

/* Asked of Redis. */
struct quota_ask {
    uint32_t want; /* to be let through in the time to come */
    uint32_t owed; /* let through already; counted, whether there is room or not */
};

struct quota {
    struct uuid service_id;
    bool is_used; /* false: of several services, and not shared with other replicas */
    _Atomic uint64_t arrival_ns;
    _Atomic uint64_t slices[2];  /* when it is void, in ms, << 24 | credentials left */
    _Atomic uint64_t refused_ns; /* nothing is left before then */
    _Atomic uint32_t left;       /* after the last slice, for others and us */
    _Atomic uint32_t owed;
    _Atomic uint32_t taken; /* since the last question */
    _Atomic bool is_asking;
    /* Who has set is_asking alone has these. */
    struct quota_ask asked;
    struct quota_limit asked_limit;
    uint64_t asked_ns;
    size_t asked_slice;
    struct redis_command command;
};

/* At most so many limited services have a counter of their own; those beyond share one. */
#define QUOTA_SERVICES_MAX 65536

struct quotas {
    pthread_mutex_t lock; /* for adding; counters are found once a cached grant */
    struct quota *slots;
    struct quota shared;
    const _Atomic uint64_t *live; /* replicas that are listed; NULL: this one is alone */
};

must_check bool quotas_open(struct quotas *quotas, const _Atomic uint64_t *live);
void quotas_close(struct quotas *quotas);
/* The service's counter; stays where it is until quotas_close. Any thread. */
struct quota *quota_of(struct quotas *quotas, const struct uuid *service_id);
/* By how many replicas a limit is divided. Any thread. */
uint32_t quotas_shares(const struct quotas *quotas);

/* What a take led to. */
struct quota_state {
    uint32_t remaining;      /* credentials that could follow at once, as far as is known here */
    uint64_t retry_after_ns; /* when refused: until the next one is let through */
    bool is_by_share;
};
/* Lets `count` credentials through, at most the burst, or none. Any thread. */
must_check bool quota_take(struct quota *quota, const struct quota_limit *limit, uint32_t count,
                           uint64_t now_ns, struct quota_state *ret_state);

/* Whether Redis should be asked now, and for what. If so nobody else asks until quota_answered or
 * quota_unanswered was called. Any thread. */
must_check bool quota_ask(struct quota *quota, const struct quota_limit *limit, uint64_t now_ns,
                          struct quota_ask *ret_ask);
struct quota_answer {
    uint32_t granted; /* more than was wanted is not taken */
    uint32_t left;    /* of the burst */
    uint64_t wait_us; /* until anything is left; 0: something is */
};
void quota_answered(struct quota *quota, const struct quota_answer *answer, uint64_t now_ns);
void quota_unanswered(struct quota *quota, uint64_t now_ns);

#endif
