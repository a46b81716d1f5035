/* Whether what was read from the registry may still be believed: leases and cuts of one loop. */
#include "cache/freshness.h"

#include <stdlib.h>

#include "cache/mutant.h"

struct cut {
    struct scope scope;
    uint64_t seq;
    uint64_t hash;
    bool is_held;
};

static bool cut_is_of(const void *value, const void *key) {
    const struct cut *cut = value;
    const struct scope *scope = key;
    return cut->scope.kind == scope->kind && uuid_equal(&cut->scope.id, &scope->id);
}

static uint64_t scope_hash(const struct freshness *freshness, const struct scope *scope) {
    return hash_bytes(&freshness->hash_key, scope->id.bytes, UUID_BYTES) + scope->kind;
}

bool freshness_open(struct freshness *freshness, uint64_t lease_us, const struct hash_key *key) {
    *freshness = (struct freshness){.lease_us = lease_us, .generation = 1, .hash_key = *key};
    freshness->ring = calloc(FRESHNESS_CUTS_MAX, sizeof(*freshness->ring));
    if (freshness->ring == NULL)
        return false;
    return map_open(&freshness->cuts, FRESHNESS_CUTS_MAX, cut_is_of);
}

void freshness_close(struct freshness *freshness) {
    map_close(&freshness->cuts);
    free(freshness->ring);
    freshness->ring = NULL;
}

/* Makes room for one more cut: what the oldest one said of its scope is from now on said of all. */
static struct cut *cut_place(struct freshness *freshness) {
    struct cut *cut = &freshness->ring[freshness->cut_count++ % FRESHNESS_CUTS_MAX];
    if (cut->is_held) {
        if (cut->seq > freshness->floor)
            freshness->floor = cut->seq;
        check(map_remove(&freshness->cuts, cut->hash, cut));
    }
    return cut;
}

static void cut_raise(struct freshness *freshness, const struct scope *scope, uint64_t seq) {
    uint64_t hash = scope_hash(freshness, scope);
    struct cut *cut = map_find(&freshness->cuts, hash, scope);
    if (cut == NULL) {
        cut = cut_place(freshness);
        *cut = (struct cut){.scope = *scope, .hash = hash, .is_held = true};
        map_add(&freshness->cuts, hash, cut);
    }
    if (seq > cut->seq)
        cut->seq = seq;
    if (seq > freshness->newest_cut)
        freshness->newest_cut = seq;
}

static void flush(struct freshness *freshness, const struct feed *feed) {
    freshness->generation++;
    freshness->epoch = feed->epoch;
    freshness->floor = feed->seq;
    freshness->newest_cut = feed->seq;
    for (size_t i = 0; i < FRESHNESS_CUTS_MAX; i++)
        if (freshness->ring[i].is_held)
            check(map_remove(&freshness->cuts, freshness->ring[i].hash, &freshness->ring[i]));
    memset(freshness->ring, 0, FRESHNESS_CUTS_MAX * sizeof(*freshness->ring));
}

/* Until when a look at the registry vouches for what it saw. */
static uint64_t lease_end(const struct freshness *freshness, uint64_t asked_us) {
    uint64_t end_us = asked_us + freshness->lease_us;
    if (mutant_is(MUTANT_UNLISTED))
        return end_us;
    return end_us < freshness->listed_until_us ? end_us : freshness->listed_until_us;
}

static void lease_extend(struct freshness *freshness, uint64_t asked_us) {
    uint64_t end_us = lease_end(freshness, asked_us);
    if (end_us > freshness->fresh_until_us)
        freshness->fresh_until_us = end_us;
}

void freshness_take(const struct freshness *freshness, struct stamp *stamp) {
    stamp->is_ahead = stamp->s0 > freshness->cursor && !mutant_is(MUTANT_AHEAD);
    if (stamp->is_ahead)
        stamp->s0 = freshness->cursor;
}

bool freshness_apply(struct freshness *freshness, const struct feed *feed,
                     const struct look *look) {
    bool is_flush =
        feed->epoch != freshness->epoch || feed->seq < freshness->cursor || feed->is_flush;
    if (is_flush)
        flush(freshness, feed);
    else
        for (size_t i = 0; i < feed->count; i++)
            cut_raise(freshness, &feed->changes[i].scope, feed->changes[i].seq);
    freshness->cursor = feed->seq;
    if (look->listed_until_us > freshness->listed_until_us)
        freshness->listed_until_us = look->listed_until_us;
    lease_extend(freshness, look->asked_us);
    return is_flush;
}

static bool is_cut(const struct freshness *freshness, const struct stamp *stamp,
                   const struct scope *scope) {
    const struct cut *cut = map_find(&freshness->cuts, scope_hash(freshness, scope), scope);
    return cut != NULL && stamp->s0 < cut->seq;
}

/* The loop's lease, or the entry's own: its reading was a look at the registry too, where it was
 * this process's. */
static bool is_leased(const struct freshness *freshness, const struct stamp *stamp,
                      uint64_t now_us) {
    if (likely(now_us < freshness->fresh_until_us && !stamp->is_ahead) ||
        mutant_is(MUTANT_NO_LEASE))
        return true;
    if (stamp->asked_us == 0)
        return false;
    return now_us < lease_end(freshness, stamp->asked_us) || mutant_is(MUTANT_OWN_FOR_EVER);
}

bool freshness_accepts(const struct freshness *freshness, const struct stamp *stamp,
                       uint64_t now_us, const struct scope *scopes, size_t count) {
    if (unlikely(!is_leased(freshness, stamp, now_us) ||
                 stamp->generation != freshness->generation || stamp->epoch != freshness->epoch))
        return false;
    if (likely(stamp->s0 >= freshness->newest_cut) || mutant_is(MUTANT_NO_VERSIONS))
        return true;
    if (stamp->s0 < freshness->floor)
        return false;
    for (size_t i = 0; i < count; i++)
        if (is_cut(freshness, stamp, &scopes[i]))
            return false;
    return true;
}

uint64_t freshness_left_us(const struct freshness *freshness, uint64_t now_us) {
    return now_us < freshness->fresh_until_us ? freshness->fresh_until_us - now_us : 0;
}
