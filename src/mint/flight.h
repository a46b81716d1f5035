/* Single-flight look-ups: requests that miss the same grant and project wait for one answer. */
#ifndef MINT_FLIGHT_H
#define MINT_FLIGHT_H

#include "io/redis.h"
#include "mint/request.h"

/* One look-up under way. What is asked is set before the job is submitted and what is answered by
 * the job, so a fake registry in a test reads and writes these members. */
struct flight {
    struct registry_job job;
    struct mint *mint;
    struct queue waiters;
    uint64_t hash;
    bool skips_shared; /* what the shared cache had was of no use to who asks */
    /* While the shared cache is asked. */
    struct redis_command command;
    struct shared_key shared_key;
    uint64_t asked_us;
    uint64_t generation; /* of the freshness when it was asked */
    uint64_t cursor;     /* likewise */
    /* Asked: the token's grant, and if there is a name, that project of the grant's org. */
    struct uuid token_id;
    size_t project_len;
    char project[NAME_BYTES_MAX];
    /* Asked where it is the operator's token: the grant that it has as this service. */
    bool is_acting;
    struct uuid acting_key;
    size_t service_org_len;
    size_t service_len; /* 0: by its id */
    char service_org[NAME_BYTES_MAX];
    char service[NAME_BYTES_MAX];
    struct uuid service_id;
    /* Answered: the blocks are the flight's until the cache takes them over. */
    struct grant *grant;
    struct grant *acting;
    struct project_record *record;
    struct error grant_error;
    struct error acting_error;
    struct error project_error;
};

/* Asks the shared cache first, where there is one that can be asked; false: it is not asked. What
 * it has is put where the next request will find it; if that is not all, the registry is asked. */
must_check bool flight_ask_shared(struct flight *flight);
/* Puts what the registry has said there, for other replicas. */
void flight_tell_shared(struct flight *flight);

/* The rest of a look-up, for that. */
void flight_ask_registry(struct flight *flight);
/* Wakes who waits, with what the look-up said, and ends it. */
void flight_end(struct flight *flight, enum error_code verdict);

#endif
