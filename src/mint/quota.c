/* Rate limits of services: one counter a service for the whole process, shared by its workers. */
#include "mint/quota.h"

#include <stdlib.h>

bool quotas_open(struct quotas *quotas) {
    *quotas = (struct quotas){.lock = PTHREAD_MUTEX_INITIALIZER};
    quotas->slots = calloc(QUOTA_SERVICES_MAX, sizeof(*quotas->slots));
    return quotas->slots != NULL;
}

void quotas_close(struct quotas *quotas) {
    free(quotas->slots);
    quotas->slots = NULL;
}

/* Ids are random (UUIDv4), so any of their bytes are a hash. */
static struct quota *slot_find(struct quotas *quotas, const struct uuid *service_id) {
    uint32_t start;
    memcpy(&start, service_id->bytes, sizeof(start));
    for (uint32_t i = 0; i < 64; i++) {
        struct quota *slot = &quotas->slots[(start + i) % QUOTA_SERVICES_MAX];
        if (!slot->is_used || uuid_equal(&slot->service_id, service_id))
            return slot;
    }
    return &quotas->shared;
}

struct quota *quota_of(struct quotas *quotas, const struct uuid *service_id) {
    (void)pthread_mutex_lock(&quotas->lock);
    struct quota *quota = slot_find(quotas, service_id);
    if (quota != &quotas->shared && !quota->is_used) {
        quota->service_id = *service_id;
        quota->is_used = true;
    }
    (void)pthread_mutex_unlock(&quotas->lock);
    return quota;
}

bool quota_take(struct quota *quota, const struct quota_limit *limit, uint32_t count,
                uint64_t now_ns, struct quota_state *ret_state) {
    check(limit->rate_per_s > 0 && limit->burst > 0 && count > 0);
    uint64_t interval_ns = 1000000000 / limit->rate_per_s;
    uint64_t room_ns = interval_ns * limit->burst;
    uint64_t arrival_ns = atomic_load_explicit(&quota->arrival_ns, memory_order_relaxed);
    uint64_t next_ns;
    do {
        next_ns = (arrival_ns > now_ns ? arrival_ns : now_ns) + interval_ns * count;
        if (next_ns - now_ns > room_ns) {
            *ret_state = (struct quota_state){.retry_after_ns = next_ns - now_ns - room_ns};
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&quota->arrival_ns, &arrival_ns, next_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
    *ret_state =
        (struct quota_state){.remaining = (uint32_t)((room_ns - (next_ns - now_ns)) / interval_ns)};
    return true;
}
