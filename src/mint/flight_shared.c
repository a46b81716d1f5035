/* Look-ups in the shared cache, before the registry: first the grant, then the project. */
#include "mint/flight.h"

#include <stdlib.h>

/* The entry was read by another replica: its reading is no look at the registry of this one's. */
static struct stamp stamp_of(const struct flight *flight, uint64_t epoch, uint64_t s0) {
    struct stamp stamp = {.epoch = epoch, .s0 = s0, .generation = flight->generation};
    freshness_take(flight->mint->freshness, &stamp);
    return stamp;
}

static bool accepts(const struct flight *flight, const struct stamp *stamp,
                    const struct scope *scopes, size_t count) {
    const struct mint *mint = flight->mint;
    return freshness_accepts(mint->freshness, stamp, mint->clock->monotonic_us, scopes, count);
}

/* Freshness is asked again before anything is minted; whether it is revoked is not. */
static bool grant_is_good(const struct flight *flight, const struct grant *grant) {
    const struct scope scopes[] = {{SCOPE_TOKEN, grant->token_id},
                                   {SCOPE_SERVICE, grant->service_id},
                                   {SCOPE_ORG, grant->org_id}};
    struct stamp stamp = stamp_of(flight, grant->epoch, grant->s0);
    return grant->revoked_s == 0 && accepts(flight, &stamp, scopes, array_count(scopes));
}

static bool project_is_good(const struct flight *flight, const struct project_record *record) {
    const struct scope scopes[] = {{SCOPE_PROJECT, record->project.id},
                                   {SCOPE_ORG, record->project.org_id}};
    struct stamp stamp = stamp_of(flight, record->epoch, record->s0);
    return accepts(flight, &stamp, scopes, array_count(scopes));
}

/* What came of a question that gave nothing to use. */
static void count_failure(const struct flight *flight, const struct redis_reply *reply) {
    metric_add(flight->mint->metrics,
               reply->answer == REDIS_BYTES ? METRIC_L2_REFUSED
               : reply->answer == REDIS_NIL ? METRIC_L2_MISSES
                                            : METRIC_L2_FAILED,
               1);
}

static void give_up(struct flight *flight, const struct redis_reply *reply) {
    count_failure(flight, reply);
    free(flight->grant);
    flight->grant = NULL;
    flight_ask_registry(flight);
}

/* All is there: into L1 with it, where who waits will find it. */
static void fill(struct flight *flight) {
    struct mint *mint = flight->mint;
    struct stamp stamp = stamp_of(flight, flight->grant->epoch, flight->grant->s0);
    metric_add(mint->metrics, METRIC_L2_HITS, 1);
    if (cache_put_grant(mint->cache, flight->grant, &stamp) == NULL)
        (void)error_set(&flight->grant_error, ERROR_OVERLOADED, "memory");
    flight->grant = NULL;
    if (flight->record != NULL) {
        stamp = stamp_of(flight, flight->record->epoch, flight->record->s0);
        if (cache_put_project(mint->cache, flight->record, &stamp) == NULL)
            (void)error_set(&flight->project_error, ERROR_OVERLOADED, "memory");
    }
    flight->record = NULL;
    metric_set(mint->metrics, METRIC_L1_ENTRIES, mint->cache->count);
    metric_set(mint->metrics, METRIC_L1_BYTES, mint->cache->bytes);
    flight_end(flight, ERROR_NONE);
}

static bool ask(struct flight *flight,
                void (*done)(struct redis_command *, const struct redis_reply *)) {
    struct mint *mint = flight->mint;
    flight->command = (struct redis_command){.done = done, .owner = flight};
    return mint->ports.ask_shared(mint->ports.self, &flight->command, &flight->shared_key);
}

static void on_project(struct redis_command *command, const struct redis_reply *reply) {
    struct flight *flight = command->owner;
    struct mint *mint = flight->mint;
    bool is_there =
        reply->answer == REDIS_BYTES &&
        shared_unseal_project(mint->shared, &flight->shared_key, reply->bytes,
                              mint->freshness->epoch, mint->clock->wall_s, &flight->record);
    /* The grant may have been cut while the project was asked for: now it would take the place of
     * what others have found since. */
    if (is_there && project_is_good(flight, flight->record) &&
        grant_is_good(flight, flight->grant)) {
        fill(flight);
        return;
    }
    free(flight->record);
    flight->record = NULL;
    give_up(flight, reply);
}

static bool has_project(const struct flight *flight, struct text name) {
    struct cached_project *cached =
        cache_find_project(flight->mint->cache, &flight->grant->org_id, name);
    return cached != NULL && project_is_good(flight, cached->record);
}

static void on_grant(struct redis_command *command, const struct redis_reply *reply) {
    struct flight *flight = command->owner;
    struct mint *mint = flight->mint;
    struct text project = {flight->project, flight->project_len};
    bool is_there =
        reply->answer == REDIS_BYTES &&
        shared_unseal_grant(mint->shared, &flight->shared_key, reply->bytes, mint->freshness->epoch,
                            mint->clock->wall_s, &flight->grant);
    if (!is_there || !grant_is_good(flight, flight->grant)) {
        give_up(flight, reply);
        return;
    }
    if (project.len == 0 || has_project(flight, project)) {
        fill(flight);
        return;
    }
    shared_key_of_project(mint->shared, &flight->grant->org_id, project, &flight->shared_key);
    if (!ask(flight, on_project))
        give_up(flight, &(struct redis_reply){.answer = REDIS_AWAY});
}

bool flight_ask_shared(struct flight *flight) {
    struct mint *mint = flight->mint;
    if (mint->shared == NULL || flight->skips_shared || flight->is_acting ||
        freshness_left_us(mint->freshness, mint->clock->monotonic_us) == 0)
        return false;
    shared_key_of_grant(mint->shared, &flight->token_id, &flight->shared_key);
    return ask(flight, on_grant);
}

/* Only what a service mints with: the operator's token is nobody else's to keep. */
void flight_tell_shared(struct flight *flight) {
    struct mint *mint = flight->mint;
    int64_t now_s = mint->clock->wall_s;
    struct shared_key key;
    if (mint->shared == NULL || flight->grant->kind != TOKEN_SERVICE)
        return;
    shared_key_of_grant(mint->shared, &flight->token_id, &key);
    struct text value = shared_seal_grant(mint->shared, &key, flight->grant, now_s);
    if (value.len > 0)
        mint->ports.tell_shared(mint->ports.self, &key, value, shared_ttl_s(mint->shared));
    if (flight->record == NULL || flight->record->s0 > mint->freshness->cursor)
        return;
    shared_key_of_project(mint->shared, &flight->grant->org_id,
                          (struct text){flight->project, flight->project_len}, &key);
    value = shared_seal_project(mint->shared, &key, flight->record, now_s);
    if (value.len > 0)
        mint->ports.tell_shared(mint->ports.self, &key, value, shared_ttl_s(mint->shared));
}
