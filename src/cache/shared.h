/* L2: the names and values under which grants and projects are kept in Redis, sealed. */
#ifndef CACHE_SHARED_H
#define CACHE_SHARED_H

#include "cache/freshness.h"
#include "cache/record.h"
#include "token/seal.h"

/* Redis may lose, delay, repeat, move and forge. Pure code: it is given what Redis said, and gives
 * what is to be said to it. One object a loop, on the loop's thread.
 *
 * A value is the format's version (a byte) and a record sealed under a key derived from the master
 * key, with version, the registry's epoch and the Redis key as associated data. So who can write to
 * Redis can neither read a grant, nor make one, nor put one in another's place.
 *
 * What he can do is to put back what was there once. Such an entry is true, if perhaps no longer:
 * it says what the registry held at s0. Whether that still counts freshness_accepts alone says, as
 * for every other entry, by
 *  - the loop's own lease, and no other: its stamp has no time of its own (asked_us 0), for to have
 *    read it is no look at the registry;
 *  - s0, which must not be older than the newest cut that is known of its token, service, project
 *    and org, nor than the floor: at the start and after a flush the cuts before the feed are not
 *    known, and the floor stands there, so that an older entry is refused even if it was never cut.
 * s0 may be ahead of the loop's cursor, when another replica is further: then it is refused, for
 * nobody here has seen that history (freshness_take).
 * P1: a cut is acknowledged when this loop has applied it (then s0 decides) or its lease has run
 * out. P2: the lease does not reach further than a lease beyond a look at the registry that did not
 * see the cut. Neither asks how old the entry is, so no clock of another host decides anything.
 *
 * The time of reading within the record is that other host's calendar. An entry older than the time
 * to live, or from the future, by more than SHARED_SKEW_S is refused: it bounds for how long an old
 * true entry can be put back where nothing was cut. */
#define SHARED_SKEW_S 60
#define SHARED_FORMAT 1           /* and the one before and after are read */
#define SHARED_VALUE_BYTES 131072 /* larger ones are not shared */
#define SHARED_PREFIX_BYTES 64
#define SHARED_KEY_BYTES (SHARED_PREFIX_BYTES + 2 + UUID_TEXT_BYTES + 1 + NAME_BYTES_MAX)

struct shared_options {
    struct text prefix;              /* of every key; at most SHARED_PREFIX_BYTES; outlives it */
    const struct master_key *master; /* outlives it */
    struct random *random;           /* likewise */
    uint32_t ttl_s;                  /* of an entry, at least 1 */
};
struct shared {
    struct shared_options options;
    uint8_t *plain; /* SHARED_VALUE_BYTES each */
    uint8_t *sealed;
};

must_check bool shared_open(struct shared *shared, const struct shared_options *options);
void shared_close(struct shared *shared);

/* The name of an entry: prefix, "g:" and the token's id, or "p:", the org's id, ":" and the
 * project's name in lower case. */
struct shared_key {
    size_t len;
    char at[SHARED_KEY_BYTES];
};
void shared_key_of_grant(const struct shared *shared, const struct uuid *token_id,
                         struct shared_key *ret_key);
void shared_key_of_project(const struct shared *shared, const struct uuid *org_id,
                           struct text project, struct shared_key *ret_key);
/* What a name names; false if it is none of these. */
struct shared_name {
    bool is_project;
    struct uuid id;      /* of the token, or the project's org */
    struct text project; /* points into the key */
};
must_check bool shared_key_read(const struct shared *shared, struct text key,
                                struct shared_name *ret_name);

/* The value to set, good until the next call here; empty if it is too large to be shared. */
struct text shared_seal_grant(struct shared *shared, const struct shared_key *key,
                              const struct grant *grant, int64_t now_s);
struct text shared_seal_project(struct shared *shared, const struct shared_key *key,
                                const struct project_record *project, int64_t now_s);
/* Its time to live: up to a quarter less than the setting, so that what was set together does not
 * end together. */
uint32_t shared_ttl_s(const struct shared *shared);

/* What Redis gave for the key, as a block like the registry's. False if it was not sealed by a
 * mintd with this master key for this key and epoch, is too old, or memory is out. That it may be
 * used is not said by that. */
must_check bool shared_unseal_grant(struct shared *shared, const struct shared_key *key,
                                    struct text value, uint64_t epoch, int64_t now_s,
                                    struct grant **ret_grant);
must_check bool shared_unseal_project(struct shared *shared, const struct shared_key *key,
                                      struct text value, uint64_t epoch, int64_t now_s,
                                      struct project_record **ret_record);

#endif
