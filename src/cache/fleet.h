/* What this process knows of the replicas: who has applied which change, and who is long dead. */
#ifndef CACHE_FLEET_H
#define CACHE_FLEET_H

#include "cache/freshness.h"

/* The revocation protocol's other half, as pure code like freshness.h: it is given lists and times
 * and starts nothing. One object a process; its caller sees to it that one thread uses it at a
 * time.
 *
 * A change is acknowledged when every replica that is listed in the registry has reported to have
 * applied it, or when lease and margin are over since its commit: then nobody can act without it.
 * So whoever acts must be listed. A replica is struck off when its row was not seen to move for
 * lease and margin, by the observer's own clock; and it believes itself listed only for a lease
 * from when its last report was *sent*, which is over by then. While it is alone nobody watches it,
 * and seeing that it is alone is as good as a report; so the observer's time counts only from when
 * it is listed itself.
 *
 * Each poll: fleet_ask; list and feed are read in *one* snapshot; fleet_look; the feed is applied
 * with fleet->look; fleet_applied. Were the list older, one could come, read and accept before a
 * change that then is acknowledged without it; were it newer, one could be listed after a change
 * that it was not waited for, and has not seen. */

#define FLEET_MARKS 32 /* changes of late whose arrival at a replica is remembered */

struct fleet_peer {
    struct replica row;
    uint64_t moved_us; /* when its row was seen to move last */
    uint64_t gone_us;  /* when it was struck off; 0: it is listed */
    bool is_seen;      /* in the list that is being looked at */
    uint64_t mark_count;
    struct {
        uint64_t seq;
        uint64_t at_us; /* when it was first seen to have applied it */
    } marks[FLEET_MARKS];
};

struct fleet {
    uint64_t lease_us;
    uint64_t margin_us;
    struct fleet_peer self;
    struct look look; /* of the poll under way or the last one */
    bool is_listed;
    bool is_alone;
    uint64_t told_us;         /* when the last report that was taken was sent */
    uint64_t told_before_us;  /* the same, when the poll was asked */
    struct place told;        /* what it said */
    struct place applied;     /* by all workers here */
    uint64_t unsure_until_us; /* the list may lack somebody who still acts */
    size_t peer_count;
    struct fleet_peer peers[REPLICAS_MAX];
};

struct fleet_options {
    struct uuid id;
    const char *name;
    uint64_t lease_us;
    uint64_t margin_us;
};
void fleet_open(struct fleet *fleet, const struct fleet_options *options);

/* A poll is about to be sent. */
void fleet_ask(struct fleet *fleet, uint64_t now_us);
/* Its list has come; `fleet->look` then is what its feed is applied with. It is foreign if the feed
 * is: what was seen before says nothing of it. */
void fleet_look(struct fleet *fleet, const struct replica *rows, size_t count, bool is_foreign,
                uint64_t now_us);
/* All workers here have applied the feed. */
void fleet_applied(struct fleet *fleet, const struct feed *feed, uint64_t now_us);

/* Whether the registry should hear from this replica now: to be listed (fleet->is_listed is
 * false), or that it lives or has applied more. */
bool fleet_must_report(const struct fleet *fleet, uint64_t now_us);
/* A report, or being listed, that was sent at `sent_us` was taken. */
void fleet_told(struct fleet *fleet, const struct place *place, uint64_t sent_us);
/* One that should be struck off now; NULL: nobody. */
const struct replica *fleet_dead(const struct fleet *fleet, uint64_t now_us);
/* That was done, or somebody else did. */
void fleet_dropped(struct fleet *fleet, const struct uuid *id, uint64_t now_us);

/* The change up to which all have applied them, by what is known. */
uint64_t fleet_acknowledged(const struct fleet *fleet, uint64_t now_us);
/* How many are listed, this one included. */
size_t fleet_live(const struct fleet *fleet);

/* How a change that was committed at `committed_us` spread: calls `each` per replica, this one
 * first; `ret_us` is how long it took to be seen there, UINT64_MAX if it was not. */
void fleet_spread(const struct fleet *fleet, uint64_t seq, uint64_t committed_us,
                  void (*each)(void *self, const struct replica *replica, uint64_t us), void *self);

/* Who is listed, and who was struck off of late, by what is known; this one first. A lease is held
 * at most as long as `lease_left_us` says. */
enum fleet_lease { FLEET_LEASED, FLEET_LATE, FLEET_GONE };
struct fleet_standing {
    const struct replica *replica;
    bool is_self;
    uint64_t silent_us; /* since its last report was seen, or was sent by this one */
    enum fleet_lease lease;
    uint64_t lease_left_us;
};
void fleet_stand(const struct fleet *fleet, uint64_t now_us,
                 void (*each)(void *self, const struct fleet_standing *standing), void *self);

#endif
