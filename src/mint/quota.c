/* Rate limits of services: what a process lets through, from slices of a quota that all replicas
 * share in Redis, or by its own share of it. */
#include "mint/quota.h"

#include <stdlib.h>

#define MS_NS ((uint64_t)1000000)
#define HOLD_NS (QUOTA_HOLD_MS * MS_NS)
#define SLICE_BITS 24
#define SLICE_MASK (((uint64_t)1 << SLICE_BITS) - 1)

bool quotas_open(struct quotas *quotas, const _Atomic uint64_t *live) {
    *quotas = (struct quotas){.lock = PTHREAD_MUTEX_INITIALIZER, .live = live};
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

uint32_t quotas_shares(const struct quotas *quotas) {
    uint64_t live =
        quotas->live != NULL ? atomic_load_explicit(quotas->live, memory_order_relaxed) : 1;
    return live == 0 ? 1 : (uint32_t)live;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Rounded up, so that never more than the rate passes. */
static uint64_t interval_ns(const struct quota_limit *limit) {
    check(limit->rate_per_s > 0 && limit->burst > 0 && limit->shares > 0);
    return (1000000000 + limit->rate_per_s - 1) / limit->rate_per_s;
}

/* ---- the counter of the process -------------------------------------------------------------- */

/* Moves the arrival time by the price if it then lies no farther ahead than the room, and tells how
 * far ahead it is, or would be. */
static bool charge(struct quota *quota, uint64_t price_ns, uint64_t room_ns, uint64_t now_ns,
                   uint64_t *ret_ahead_ns) {
    uint64_t arrival_ns = atomic_load_explicit(&quota->arrival_ns, memory_order_relaxed);
    uint64_t next_ns;
    do {
        next_ns = larger(arrival_ns, now_ns) + price_ns;
        *ret_ahead_ns = next_ns - now_ns;
        if (*ret_ahead_ns > room_ns)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&quota->arrival_ns, &arrival_ns, next_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* What was charged was not used after all, or is counted elsewhere. It may have been charged by
 * another limit, so less. */
static void refund(struct quota *quota, uint64_t price_ns) {
    uint64_t arrival_ns = atomic_load_explicit(&quota->arrival_ns, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&quota->arrival_ns, &arrival_ns,
                                                  arrival_ns > price_ns ? arrival_ns - price_ns : 0,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

/* ---- slices ---------------------------------------------------------------------------------- */

static bool slice_is_void(uint64_t slice, uint64_t now_ns) {
    return (slice & SLICE_MASK) == 0 || (slice >> SLICE_BITS) * MS_NS <= now_ns;
}

/* Takes up to `most`; tells how many, and which slice it was. */
static uint32_t slice_take(_Atomic uint64_t *slice, uint32_t most, uint64_t now_ns,
                           uint64_t *ret_end) {
    uint64_t seen = atomic_load_explicit(slice, memory_order_relaxed);
    uint64_t count;
    do {
        if (slice_is_void(seen, now_ns))
            return 0;
        count = smaller(seen & SLICE_MASK, most);
    } while (!atomic_compare_exchange_weak_explicit(slice, &seen, seen - count,
                                                    memory_order_relaxed, memory_order_relaxed));
    *ret_end = seen >> SLICE_BITS;
    return (uint32_t)count;
}

/* Gives back, unless another slice is in its place by now. */
static void slice_give(_Atomic uint64_t *slice, uint32_t count, uint64_t end) {
    uint64_t seen = atomic_load_explicit(slice, memory_order_relaxed);
    do {
        if (seen >> SLICE_BITS != end)
            return;
    } while (!atomic_compare_exchange_weak_explicit(slice, &seen, seen + count,
                                                    memory_order_relaxed, memory_order_relaxed));
}

/* From the older slice first, then from the other; all or none. */
static bool slices_take(struct quota *quota, uint32_t count, uint64_t now_ns) {
    uint64_t first = atomic_load_explicit(&quota->slices[0], memory_order_relaxed);
    uint64_t second = atomic_load_explicit(&quota->slices[1], memory_order_relaxed);
    if (slice_is_void(first, now_ns) && slice_is_void(second, now_ns))
        return false;
    size_t older = first > second ? 1 : 0;
    uint64_t ends[2] = {0};
    uint32_t taken = slice_take(&quota->slices[older], count, now_ns, &ends[0]);
    if (taken == count)
        return true;
    uint32_t rest = slice_take(&quota->slices[1 - older], count - taken, now_ns, &ends[1]);
    if (taken + rest == count)
        return true;
    if (taken > 0)
        slice_give(&quota->slices[older], taken, ends[0]);
    if (rest > 0)
        slice_give(&quota->slices[1 - older], rest, ends[1]);
    return false;
}

static uint64_t slices_left(const struct quota *quota, uint64_t now_ns) {
    uint64_t sum = atomic_load_explicit(&quota->left, memory_order_relaxed);
    for (size_t i = 0; i < array_count(quota->slices); i++) {
        uint64_t slice = atomic_load_explicit(&quota->slices[i], memory_order_relaxed);
        sum += slice_is_void(slice, now_ns) ? 0 : slice & SLICE_MASK;
    }
    return sum;
}

/* ---- letting through ------------------------------------------------------------------------- */

/* The rest of the price where nothing else vouches for it: as if every replica did the same. */
static bool share_take(struct quota *quota, const struct quota_limit *limit, uint32_t count,
                       uint64_t now_ns, struct quota_state *ret_state) {
    uint64_t whole_ns = interval_ns(limit) * limit->shares;
    uint64_t room_ns = larger(interval_ns(limit) * limit->burst, whole_ns * count);
    uint64_t ahead_ns;
    if (!charge(quota, (whole_ns - interval_ns(limit)) * count, room_ns, now_ns, &ahead_ns)) {
        *ret_state = (struct quota_state){.retry_after_ns = ahead_ns - room_ns};
        return false;
    }
    atomic_fetch_add_explicit(&quota->owed, count, memory_order_relaxed);
    *ret_state = (struct quota_state){.remaining = (uint32_t)((room_ns - ahead_ns) / whole_ns),
                                      .is_by_share = true};
    return true;
}

bool quota_take(struct quota *quota, const struct quota_limit *limit, uint32_t count,
                uint64_t now_ns, struct quota_state *ret_state) {
    uint64_t price_ns = interval_ns(limit) * count, room_ns = interval_ns(limit) * limit->burst;
    uint64_t refused_ns = atomic_load_explicit(&quota->refused_ns, memory_order_relaxed);
    uint64_t ahead_ns;
    check(count > 0 && count <= limit->burst);
    if (!charge(quota, price_ns, room_ns, now_ns, &ahead_ns)) {
        *ret_state = (struct quota_state){.retry_after_ns = ahead_ns - room_ns};
        return false;
    }
    if (slices_take(quota, count, now_ns)) {
        uint64_t own = (room_ns - ahead_ns) / interval_ns(limit);
        *ret_state =
            (struct quota_state){.remaining = (uint32_t)smaller(own, slices_left(quota, now_ns))};
    } else if (refused_ns > now_ns) {
        refund(quota, price_ns);
        *ret_state = (struct quota_state){.retry_after_ns = refused_ns - now_ns};
        return false;
    } else if (!share_take(quota, limit, count, now_ns, ret_state)) {
        refund(quota, price_ns);
        return false;
    }
    atomic_fetch_add_explicit(&quota->taken, count, memory_order_relaxed);
    return true;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* What was taken lately in a quarter of the time for which a slice is good; at most twice what was
 * taken, so that two that come by chance together make nobody ask for many. */
static uint32_t want_of(const struct quota_limit *limit, uint64_t taken, uint64_t elapsed_ns) {
    uint64_t want = elapsed_ns > 0 ? taken * (HOLD_NS / 4) / elapsed_ns : UINT64_MAX;
    return (uint32_t)smaller(smaller(want, 2 * taken), limit->burst);
}

/* The first that is used up; 2: none is. */
static size_t slice_to_fill(const struct quota *quota, uint64_t now_ns) {
    size_t i = 0;
    while (i < array_count(quota->slices) &&
           !slice_is_void(atomic_load_explicit(&quota->slices[i], memory_order_relaxed), now_ns))
        i++;
    return i;
}

bool quota_ask(struct quota *quota, const struct quota_limit *limit, uint64_t now_ns,
               struct quota_ask *ret_ask) {
    size_t slice = slice_to_fill(quota, now_ns);
    if (slice == array_count(quota->slices) ||
        atomic_load_explicit(&quota->refused_ns, memory_order_relaxed) > now_ns ||
        atomic_exchange_explicit(&quota->is_asking, true, memory_order_acquire))
        return false;
    uint32_t taken = atomic_exchange_explicit(&quota->taken, 0, memory_order_relaxed);
    uint64_t elapsed_ns = now_ns > quota->asked_ns ? now_ns - quota->asked_ns : 0;
    quota->asked =
        (struct quota_ask){.want = want_of(limit, taken, elapsed_ns),
                           .owed = atomic_exchange_explicit(&quota->owed, 0, memory_order_relaxed)};
    quota->asked_limit = *limit;
    quota->asked_ns = now_ns;
    quota->asked_slice = slice;
    if (quota->asked.want == 0 && quota->asked.owed == 0) {
        atomic_store_explicit(&quota->is_asking, false, memory_order_release);
        return false;
    }
    *ret_ask = quota->asked;
    return true;
}

/* Not before there is something, nor much sooner than asking makes sense; and not for ever, for
 * who answers is not to be trusted. */
static uint64_t pause_ns(const struct quota_limit *limit, uint64_t wait_us) {
    uint64_t room_ns = interval_ns(limit) * limit->burst;
    uint64_t most_ns = room_ns * 4 + interval_ns(limit);
    uint64_t wait_ns = smaller(wait_us, most_ns / 1000 + 1) * 1000;
    return larger(wait_ns, smaller(QUOTA_PAUSE_MS * MS_NS, room_ns / 2));
}

void quota_answered(struct quota *quota, const struct quota_answer *answer, uint64_t now_ns) {
    const struct quota_limit *limit = &quota->asked_limit;
    uint64_t granted = smaller(answer->granted, quota->asked.want);
    check(atomic_load_explicit(&quota->is_asking, memory_order_relaxed));
    refund(quota, interval_ns(limit) * (limit->shares - 1) * quota->asked.owed);
    atomic_store_explicit(&quota->left, answer->left, memory_order_relaxed);
    if (granted > 0) {
        uint64_t end_ms = (quota->asked_ns + HOLD_NS) / MS_NS;
        atomic_store_explicit(&quota->slices[quota->asked_slice], end_ms << SLICE_BITS | granted,
                              memory_order_relaxed);
    } else if (answer->wait_us > 0) {
        atomic_store_explicit(&quota->refused_ns, now_ns + pause_ns(limit, answer->wait_us),
                              memory_order_relaxed);
    }
    atomic_store_explicit(&quota->is_asking, false, memory_order_release);
}

/* What of the share's burst is in use. */
static uint64_t share_in_use(const struct quota *quota, const struct quota_limit *limit,
                             uint64_t now_ns) {
    uint64_t arrival_ns = atomic_load_explicit(&quota->arrival_ns, memory_order_relaxed);
    uint64_t whole_ns = interval_ns(limit) * limit->shares;
    return arrival_ns > now_ns ? (arrival_ns - now_ns + whole_ns - 1) / whole_ns : 0;
}

/* It is owed still, but for what time has made up for. */
void quota_unanswered(struct quota *quota, uint64_t now_ns) {
    uint64_t most = share_in_use(quota, &quota->asked_limit, now_ns);
    uint32_t owed = atomic_load_explicit(&quota->owed, memory_order_relaxed);
    uint32_t kept;
    check(atomic_load_explicit(&quota->is_asking, memory_order_relaxed));
    do {
        kept = (uint32_t)smaller((uint64_t)owed + quota->asked.owed, most);
    } while (!atomic_compare_exchange_weak_explicit(&quota->owed, &owed, kept, memory_order_relaxed,
                                                    memory_order_relaxed));
    atomic_store_explicit(&quota->is_asking, false, memory_order_release);
}
