/* Whether what was read from the registry may still be believed: leases and cuts of one loop. */
#ifndef CACHE_FRESHNESS_H
#define CACHE_FRESHNESS_H

#include "base/map.h"
#include "registry/store.h"

/* The revocation protocol's replica side, as pure code: it is given times and feeds, asks nothing
 * and starts nothing. One object a loop; all of it on the loop's thread.
 *
 * What is read carries a stamp. It is accepted while (a) somebody looked at the registry less than
 * a lease ago and found no cut that concerns it, and (b) its own reading is not older than the
 * newest cut of its token, service, project or org. A look is a poll's, or for what it gave a
 * look-up's own reading. Times are the local monotonic clock's, taken
 * *before* the question was sent, so no clock of another host is ever compared and a slow answer
 * shortens the lease instead of stretching it. Whoever cuts waits for the replicas that are listed
 * (cache/fleet.h), so (c) no lease reaches beyond the time until which this one is sure to be. */

/* How an entry was read. */
struct stamp {
    uint64_t epoch;      /* of the registry's counter */
    uint64_t s0;         /* the counter in the same snapshot */
    uint64_t asked_us;   /* before the question was sent; 0: it was not read by this process, and
                            only the loop's lease vouches for it */
    uint64_t generation; /* of the freshness at that time */
    bool is_ahead;       /* it saw changes that were not applied here: see freshness_take */
};

/* When a feed was asked for, and until when the others surely know of this replica. */
struct look {
    uint64_t asked_us;
    uint64_t listed_until_us;
};

#ifndef FRESHNESS_CUTS_MAX      /* the simulator has fewer */
#define FRESHNESS_CUTS_MAX 4096 /* scopes cut lately; beyond it the oldest raise the floor */
#endif

struct freshness {
    uint64_t epoch;
    uint64_t cursor;         /* changes up to here are applied */
    uint64_t fresh_until_us; /* the loop's lease */
    uint64_t listed_until_us;
    uint64_t lease_us;
    uint64_t generation; /* counts the flushes */
    uint64_t newest_cut; /* entries read at or after it need no look at the cuts */
    uint64_t floor;      /* entries read before it are refused */
    struct map cuts;
    struct cut *ring; /* FRESHNESS_CUTS_MAX */
    uint64_t cut_count;
    struct hash_key hash_key;
};

must_check bool freshness_open(struct freshness *freshness, uint64_t lease_us,
                               const struct hash_key *key);
void freshness_close(struct freshness *freshness);

/* Takes on a feed: raises the cuts, then renews the lease. Returns true if everything cached must
 * be dropped: another epoch, a counter that went back, or changes lost. */
must_check bool freshness_apply(struct freshness *freshness, const struct feed *feed,
                                const struct look *look);

/* Whether the entry may be used now. `scopes` are the `count` things whose cut would concern it. */
bool freshness_accepts(const struct freshness *freshness, const struct stamp *stamp,
                       uint64_t now_us, const struct scope *scopes, size_t count);

/* What was read has come. Where it saw changes that are not applied here yet it is taken as if it
 * had not, and lives by its own reading alone: the feed may turn out to be of another history,
 * where these numbers are other changes' (a restored backup). */
void freshness_take(const struct freshness *freshness, struct stamp *stamp);

/* What is left of the loop's lease, in µs; 0 when it has run out. */
uint64_t freshness_left_us(const struct freshness *freshness, uint64_t now_us);

#endif
