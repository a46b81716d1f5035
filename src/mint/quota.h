/* Rate limits of services: one counter a service for the whole process, shared by its workers. */
#ifndef MINT_QUOTA_H
#define MINT_QUOTA_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/text.h"

/* The generic cell rate algorithm (ITU-T I.371): all that is kept of a limit is the theoretical
 * arrival time of the next request, so a request costs one compare-and-swap and only services that
 * have a limit share a cache line. */
struct quota {
    struct uuid service_id;
    bool is_used;
    _Atomic uint64_t arrival_ns;
};

/* At most so many limited services have a counter of their own; those beyond share one. */
#define QUOTA_SERVICES_MAX 65536

struct quotas {
    pthread_mutex_t lock; /* for adding; counters are found once a cached grant */
    struct quota *slots;
    struct quota shared;
};

must_check bool quotas_open(struct quotas *quotas);
void quotas_close(struct quotas *quotas);
/* The service's counter; stays where it is until quotas_close. Any thread. */
struct quota *quota_of(struct quotas *quotas, const struct uuid *service_id);

/* What a take led to. */
struct quota_state {
    uint32_t remaining;      /* requests that could follow at once */
    uint64_t retry_after_ns; /* when refused: until the next one is let through */
};
struct quota_limit {
    uint32_t rate_per_s; /* in the long run: 1 to 1,000,000 */
    uint32_t burst;      /* at once: at least 1 */
};
/* Lets `count` credentials through, or none. More than the burst never pass. Any thread. */
must_check bool quota_take(struct quota *quota, const struct quota_limit *limit, uint32_t count,
                           uint64_t now_ns, struct quota_state *ret_state);

#endif
