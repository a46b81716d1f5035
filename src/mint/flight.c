/* Single-flight look-ups: requests that miss the same grant and project wait for one answer. */
#include "mint/flight.h"

#include <stdlib.h>

#include "mint/steps.h"

/* What makes two look-ups the same. One that was asked before the last changes does not do for who
 * came after them: a project made meanwhile is missing in its answer. */
struct flight_key {
    struct uuid token_id;
    struct uuid acting_key; /* zeros: it acts as itself */
    struct text project;
    uint64_t generation;
    uint64_t cursor;
    bool skips_shared;
};

static bool flight_is_of(const void *value, const void *key) {
    const struct flight *flight = value;
    const struct flight_key *wanted = key;
    return uuid_equal(&flight->token_id, &wanted->token_id) &&
           uuid_equal(&flight->acting_key, &wanted->acting_key) &&
           text_equal((struct text){flight->project, flight->project_len}, wanted->project) &&
           flight->generation == wanted->generation && flight->cursor == wanted->cursor &&
           flight->skips_shared == wanted->skips_shared;
}

bool flights_open(struct mint *mint) {
    return map_open(&mint->flights, 65536, flight_is_of);
}

void flights_close(struct mint *mint) {
    check(mint->flights.count == 0);
    map_close(&mint->flights);
}

static struct flight_key key_of(const struct request *request) {
    struct text project = request->params[PARAM_PROJECT];
    if (project.len > NAME_BYTES_MAX)
        project.len = NAME_BYTES_MAX;
    struct flight_key key = {.token_id = request->token.id,
                             .project = project,
                             .generation = request->mint->freshness->generation,
                             .cursor = request->mint->freshness->cursor,
                             .skips_shared = request->attempts > 1};
    if (request->is_acting)
        key.acting_key = request_acting_key(request);
    return key;
}

/* On a registry thread, behind the grant: that of the service as which the operator acts. */
static void acting_work(struct flight *flight, struct session *session) {
    const struct service_ref service = {
        .org = {flight->service_org, flight->service_org_len},
        .name = {flight->service_len > 0 ? flight->service : NULL, flight->service_len},
        .id = flight->service_id};
    (void)!store_grant_acting(session, &flight->token_id, &service, &flight->acting,
                              &flight->acting_error);
}

/* On a registry thread. */
static void flight_work(struct registry_job *job, struct session *session) {
    struct flight *flight = container_of(job, struct flight, job);
    if (session == NULL) {
        (void)error_set(&flight->grant_error, ERROR_REGISTRY_AWAY, NULL);
        return;
    }
    if (!store_grant(session, &flight->token_id, &flight->grant, &flight->grant_error))
        return;
    if (flight->is_acting && flight->grant->kind == TOKEN_OPERATOR)
        acting_work(flight, session);
    const struct grant *grant = flight->acting != NULL ? flight->acting : flight->grant;
    if (flight->project_len > 0 && grant->kind == TOKEN_SERVICE)
        (void)!store_project_record(session, &grant->org_id,
                                    (struct text){flight->project, flight->project_len},
                                    &flight->record, &flight->project_error);
}

/* What the answer says of the token: nothing, that it is bad, or that nothing can be said. */
static enum error_code grant_verdict(const struct flight *flight) {
    if (flight->grant != NULL)
        return flight->grant->revoked_s != 0 ? ERROR_TOKEN_REVOKED : ERROR_NONE;
    return flight->grant_error.code == ERROR_NOT_FOUND ? ERROR_TOKEN_UNKNOWN
                                                       : flight->grant_error.code;
}

static bool is_bad(enum error_code verdict) {
    return verdict == ERROR_TOKEN_UNKNOWN || verdict == ERROR_TOKEN_REVOKED;
}

/* "Unknown" is remembered only if nothing changed since it was asked: it may be known by now. */
static bool may_remember(const struct flight *flight) {
    const struct freshness *freshness = flight->mint->freshness;
    return freshness->generation == flight->generation && freshness->cursor == flight->cursor;
}

static struct stamp stamp_of(const struct flight *flight, uint64_t epoch, uint64_t s0) {
    struct stamp stamp = {
        .epoch = epoch, .s0 = s0, .asked_us = flight->asked_us, .generation = flight->generation};
    freshness_take(flight->mint->freshness, &stamp);
    return stamp;
}

static void flight_fill_project(struct flight *flight, const struct uuid *org_id) {
    struct mint *mint = flight->mint;
    if (flight->record != NULL) {
        struct stamp stamp = stamp_of(flight, flight->record->epoch, flight->record->s0);
        if (cache_put_project(mint->cache, flight->record, &stamp) == NULL)
            (void)error_set(&flight->project_error, ERROR_OVERLOADED, "memory");
    } else if (flight->project_error.code == ERROR_NOT_FOUND && may_remember(flight)) {
        struct text name = {flight->project, flight->project_len};
        struct uuid key = cache_project_key(mint->cache, org_id, name);
        cache_unknown_add(mint->cache, &key, ERROR_NOT_FOUND, mint->clock->monotonic_us);
    }
    flight->record = NULL;
}

static void flight_fill_acting(struct flight *flight) {
    struct mint *mint = flight->mint;
    if (flight->acting != NULL) {
        struct stamp stamp = stamp_of(flight, flight->acting->epoch, flight->acting->s0);
        if (cache_put_acting(mint->cache, &flight->acting_key, flight->acting, &stamp) == NULL)
            (void)error_set(&flight->acting_error, ERROR_OVERLOADED, "memory");
    } else if (flight->acting_error.code == ERROR_NOT_FOUND && may_remember(flight)) {
        cache_unknown_add(mint->cache, &flight->acting_key, ERROR_NOT_FOUND,
                          mint->clock->monotonic_us);
    }
    flight->acting = NULL;
}

/* The registry answers, with more than is known here, or where it was away. */
static bool is_poll_due(const struct flight *flight) {
    const struct mint *mint = flight->mint;
    return flight->grant->epoch != mint->freshness->epoch ||
           flight->grant->s0 != mint->freshness->cursor ||
           freshness_left_us(mint->freshness, mint->clock->monotonic_us) == 0;
}

/* Puts what was found where the next request will find it. */
static void flight_fill(struct flight *flight, enum error_code verdict) {
    struct mint *mint = flight->mint;
    if (is_bad(verdict) && may_remember(flight))
        cache_unknown_add(mint->cache, &flight->token_id, verdict, mint->clock->monotonic_us);
    if (verdict != ERROR_NONE) {
        free(flight->grant);
        free(flight->acting);
        free(flight->record);
        return;
    }
    struct uuid org_id = flight->acting != NULL ? flight->acting->org_id : flight->grant->org_id;
    if (is_poll_due(flight))
        mint->ports.poll(mint->ports.self);
    flight_tell_shared(flight);
    struct stamp stamp = stamp_of(flight, flight->grant->epoch, flight->grant->s0);
    if (cache_put_grant(mint->cache, flight->grant, &stamp) == NULL)
        (void)error_set(&flight->grant_error, ERROR_OVERLOADED, "memory");
    flight->grant = NULL;
    metric_add(mint->metrics, METRIC_REGISTRY_HITS, 1);
    flight_fill_acting(flight);
    flight_fill_project(flight, &org_id);
    metric_set(mint->metrics, METRIC_L1_ENTRIES, mint->cache->count);
    metric_set(mint->metrics, METRIC_L1_BYTES, mint->cache->bytes);
}

/* Tells a waiter what the look-up itself said; what was found it will find in the cache. */
static void flight_tell(const struct flight *flight, struct request *request,
                        enum error_code verdict) {
    if (is_bad(verdict))
        (void)error_set(&request->error, verdict, NULL);
    else if (error_is(&flight->grant_error))
        request->error = flight->grant_error;
    else if (flight->acting_error.code == ERROR_NOT_FOUND)
        request->is_service_missing = true;
    else if (error_is(&flight->acting_error))
        request->error = flight->acting_error;
    else if (flight->project_error.code == ERROR_NOT_FOUND)
        request->is_project_missing = true;
    else if (error_is(&flight->project_error))
        request->error = flight->project_error;
}

void flight_end(struct flight *flight, enum error_code verdict) {
    check(map_remove(&flight->mint->flights, flight->hash, flight));
    for (struct queue *link; (link = queue_pop(&flight->waiters)) != NULL;) {
        struct request *request = container_of(link, struct request, flight_link);
        request->flight = NULL;
        flight_tell(flight, request, verdict);
        if (request->state != REQUEST_WOKEN) /* already, for its time was over or its client gone */
            request_wake(request);
    }
    free(flight);
}

static void flight_done(struct registry_job *job) {
    struct flight *flight = container_of(job, struct flight, job);
    enum error_code verdict = grant_verdict(flight);
    flight_fill(flight, verdict);
    flight_end(flight, verdict);
}

/* The look at the registry counts from now, and so do the changes that it may have missed. */
static bool registry_submit_flight(struct flight *flight) {
    struct mint *mint = flight->mint;
    flight->asked_us = mint->clock->monotonic_us;
    flight->generation = mint->freshness->generation;
    flight->cursor = mint->freshness->cursor;
    return mint->ports.submit(mint->ports.self, &flight->job);
}

void flight_ask_registry(struct flight *flight) {
    if (registry_submit_flight(flight))
        return;
    (void)error_set(&flight->grant_error, ERROR_OVERLOADED, "look-ups waiting");
    flight_end(flight, ERROR_OVERLOADED);
}

/* A name or nothing: what is none was not asked for. */
static size_t name_keep(struct text name, char ret_name[static NAME_BYTES_MAX]) {
    check(name.len <= NAME_BYTES_MAX);
    if (name.len > 0)
        memcpy(ret_name, name.at, name.len);
    return name.len;
}

static void flight_act(struct flight *flight, const struct request *request) {
    flight->is_acting = request->is_acting;
    if (!flight->is_acting)
        return;
    if (request->presented != NULL) {
        flight->service_id = request->presented->service_id;
        return;
    }
    flight->service_org_len = name_keep(request->params[PARAM_ORG], flight->service_org);
    flight->service_len = name_keep(request->params[PARAM_SERVICE], flight->service);
}

static struct flight *flight_start(const struct request *request, const struct flight_key *key,
                                   uint64_t hash) {
    struct mint *mint = request->mint;
    struct flight *flight = calloc(1, sizeof(*flight));
    if (flight == NULL)
        return NULL;
    flight->job =
        (struct registry_job){.work = flight_work, .done = flight_done, .loop = mint->loop};
    flight->mint = mint;
    flight->hash = hash;
    flight->skips_shared = key->skips_shared;
    flight->generation = key->generation;
    flight->cursor = key->cursor;
    flight->token_id = key->token_id;
    flight->acting_key = key->acting_key;
    flight->project_len = name_keep(key->project, flight->project);
    flight_act(flight, request);
    queue_init(&flight->waiters);
    if (mint->flights.count == mint->flights.count_max ||
        (!flight_ask_shared(flight) && !registry_submit_flight(flight))) {
        free(flight);
        return NULL;
    }
    map_add(&mint->flights, hash, flight);
    return flight;
}

bool flight_join(struct request *request) {
    struct mint *mint = request->mint;
    struct flight_key key = key_of(request);
    uint64_t hash = hash_bytes(&mint->cache->hash_key, key.token_id.bytes, UUID_BYTES) ^
                    hash_bytes(&mint->cache->hash_key, key.project.at, key.project.len);
    struct flight *flight = map_find(&mint->flights, hash, &key);
    if (flight != NULL)
        metric_add(mint->metrics, METRIC_FLIGHTS_SHARED, 1);
    else
        flight = flight_start(request, &key, hash);
    if (flight == NULL) {
        metric_add(mint->metrics, METRIC_OVERLOADED, 1);
        return error_set(&request->error, ERROR_OVERLOADED, "look-ups waiting");
    }
    request->flight = flight;
    queue_push(&flight->waiters, &request->flight_link);
    return true;
}

void flight_leave(struct request *request) {
    queue_remove(&request->flight_link);
    request->flight = NULL;
}
