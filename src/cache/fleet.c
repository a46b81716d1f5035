/* What this process knows of the replicas: who has applied which change, and who is long dead. */
#include "cache/fleet.h"

#include "cache/mutant.h"

/* Reports come so often that one that is late or lost costs little of the lease. */
#define BEATS_PER_LEASE 10

void fleet_open(struct fleet *fleet, const struct fleet_options *options) {
    memset(fleet, 0, sizeof(*fleet)); /* too large to pass over the stack */
    fleet->lease_us = options->lease_us;
    fleet->margin_us = options->margin_us;
    fleet->self.row.id = options->id;
    memcpy(fleet->self.row.name, options->name, strnlen(options->name, REPLICA_NAME_BYTES));
}

void fleet_ask(struct fleet *fleet, uint64_t now_us) {
    fleet->look.asked_us = now_us;
    fleet->told_before_us = fleet->told_us;
}

/* ---- looking at the list --------------------------------------------------------------------- */

static void peer_mark(struct fleet_peer *peer, uint64_t seq, uint64_t now_us) {
    if (peer->mark_count > 0 && seq <= peer->marks[(peer->mark_count - 1) % FLEET_MARKS].seq)
        return;
    peer->marks[peer->mark_count % FLEET_MARKS].seq = seq;
    peer->marks[peer->mark_count++ % FLEET_MARKS].at_us = now_us;
}

static struct fleet_peer *peer_find(struct fleet *fleet, const struct uuid *id) {
    for (size_t i = 0; i < fleet->peer_count; i++)
        if (uuid_equal(&fleet->peers[i].row.id, id))
            return &fleet->peers[i];
    return NULL;
}

static struct fleet_peer *peer_add(struct fleet *fleet, const struct uuid *id) {
    if (fleet->peer_count == REPLICAS_MAX) /* those struck off make room for the living */
        for (size_t i = 0; i < REPLICAS_MAX; i++)
            if (fleet->peers[i].gone_us != 0) {
                fleet->peers[i] = fleet->peers[--fleet->peer_count];
                break;
            }
    check(fleet->peer_count < REPLICAS_MAX);
    struct fleet_peer *peer = &fleet->peers[fleet->peer_count++];
    memset(peer, 0, sizeof(*peer));
    peer->row.id = *id;
    return peer;
}

static void peer_look(struct fleet *fleet, const struct replica *row, uint64_t now_us) {
    struct fleet_peer *peer = peer_find(fleet, &row->id);
    if (peer == NULL)
        peer = peer_add(fleet, &row->id);
    if (peer->moved_us == 0 || peer->gone_us != 0 || peer->row.beat != row->beat)
        peer->moved_us = now_us;
    peer->gone_us = 0;
    peer->row = *row;
    peer_mark(peer, row->acked_seq, now_us);
}

/* Forgets those who left, before others come: so there is room. One that was struck off is
 * remembered while a change may have waited for it in vain. */
static void peers_forget(struct fleet *fleet, const struct replica *rows, size_t count,
                         uint64_t now_us) {
    for (size_t i = 0; i < fleet->peer_count; i++)
        fleet->peers[i].is_seen = false;
    for (size_t i = 0; i < count; i++) {
        struct fleet_peer *peer = peer_find(fleet, &rows[i].id);
        if (peer != NULL)
            peer->is_seen = true;
    }
    for (size_t i = 0; i < fleet->peer_count;) {
        struct fleet_peer *peer = &fleet->peers[i];
        bool is_told_of =
            peer->gone_us != 0 && now_us < peer->gone_us + fleet->lease_us + fleet->margin_us;
        if (peer->is_seen || is_told_of)
            i++;
        else
            *peer = fleet->peers[--fleet->peer_count];
    }
}

/* Until now they could not see that they are watched, and had no need to report. */
static void peers_watch(struct fleet *fleet, uint64_t now_us) {
    for (size_t i = 0; i < fleet->peer_count; i++)
        fleet->peers[i].moved_us = now_us;
}

/* A replica that was struck off may be listed again before it looks: an earlier attempt to be
 * listed was late. */
static bool is_row_kept(const struct replica *seen, const struct replica *row) {
    return row->beat - seen->beat <= REPLICA_BEATS_BETWEEN || mutant_is(MUTANT_LATE_ADD);
}

/* The list is of another history, or we were struck off: it may lack somebody who still acts. */
static void unsure(struct fleet *fleet, uint64_t now_us) {
    fleet->unsure_until_us = now_us + fleet->lease_us + fleet->margin_us;
}

void fleet_look(struct fleet *fleet, const struct replica *rows, size_t count, bool is_foreign,
                uint64_t now_us) {
    bool was_listed = fleet->is_listed, is_kept = false;
    fleet->is_listed = false;
    fleet->is_alone = true;
    peers_forget(fleet, rows, count, now_us);
    for (size_t i = 0; i < count; i++) {
        bool is_self = uuid_equal(&rows[i].id, &fleet->self.row.id);
        fleet->is_listed |= is_self;
        fleet->is_alone &= is_self;
        if (is_self) {
            is_kept = was_listed && !is_foreign && is_row_kept(&fleet->self.row, &rows[i]);
            fleet->self.row = rows[i];
        } else {
            peer_look(fleet, &rows[i], now_us);
        }
    }
    if (!is_kept && !mutant_is(MUTANT_EARLY_WATCH))
        peers_watch(fleet, now_us);
    if (was_listed && !is_kept)
        unsure(fleet, now_us);
    if (fleet->is_listed && fleet->is_alone && fleet->look.asked_us > fleet->told_us)
        fleet->told_us = fleet->told_before_us = fleet->look.asked_us;
    /* What was told after the poll was asked may be of a row that it did not see. */
    if (fleet->is_listed)
        fleet->look.listed_until_us = fleet->told_before_us + fleet->lease_us;
    if (fleet->is_listed && mutant_is(MUTANT_LATE_LEASE))
        fleet->look = (struct look){now_us, now_us + fleet->lease_us};
}

void fleet_applied(struct fleet *fleet, const struct feed *feed, uint64_t now_us) {
    bool is_first = fleet->applied.epoch == 0;
    fleet->applied = (struct place){feed->epoch, feed->seq, feed->mark};
    fleet->self.row.acked_seq = feed->seq;
    if (feed->is_foreign && !is_first) {
        unsure(fleet, now_us);
        fleet->self.mark_count = 0;
        for (size_t i = 0; i < fleet->peer_count; i++)
            fleet->peers[i].mark_count = 0;
    }
    peer_mark(&fleet->self, feed->seq, now_us);
}

/* ---- being listed ---------------------------------------------------------------------------- */

bool fleet_must_report(const struct fleet *fleet, uint64_t now_us) {
    if (!fleet->is_listed)
        return true;
    return !fleet->is_alone && (memcmp(&fleet->told, &fleet->applied, sizeof(fleet->told)) != 0 ||
                                now_us - fleet->told_us >= fleet->lease_us / BEATS_PER_LEASE);
}

void fleet_told(struct fleet *fleet, const struct place *place, uint64_t sent_us) {
    fleet->told = *place;
    if (sent_us > fleet->told_us)
        fleet->told_us = sent_us;
}

const struct replica *fleet_dead(const struct fleet *fleet, uint64_t now_us) {
    if (!fleet->is_listed && !mutant_is(MUTANT_EARLY_WATCH))
        return NULL;
    for (size_t i = 0; i < fleet->peer_count; i++) {
        const struct fleet_peer *peer = &fleet->peers[i];
        if (peer->gone_us == 0 && now_us - peer->moved_us > fleet->lease_us + fleet->margin_us)
            return &peer->row;
    }
    return NULL;
}

void fleet_dropped(struct fleet *fleet, const struct uuid *id, uint64_t now_us) {
    struct fleet_peer *peer = peer_find(fleet, id);
    if (peer != NULL)
        peer->gone_us = now_us;
}

/* ---- acknowledging --------------------------------------------------------------------------- */

uint64_t fleet_acknowledged(const struct fleet *fleet, uint64_t now_us) {
    uint64_t seq = fleet->applied.seq;
    if (mutant_is(MUTANT_NO_WAIT))
        return seq;
    if (now_us < fleet->unsure_until_us)
        return 0;
    for (size_t i = 0; i < fleet->peer_count; i++)
        if (fleet->peers[i].gone_us == 0 && fleet->peers[i].row.acked_seq < seq)
            seq = fleet->peers[i].row.acked_seq;
    return seq;
}

size_t fleet_live(const struct fleet *fleet) {
    size_t count = 1;
    for (size_t i = 0; i < fleet->peer_count; i++)
        count += fleet->peers[i].gone_us == 0;
    return count;
}

/* The earliest arrival that includes the change. */
static uint64_t peer_spread(const struct fleet_peer *peer, uint64_t seq, uint64_t committed_us) {
    uint64_t oldest = peer->mark_count > FLEET_MARKS ? peer->mark_count - FLEET_MARKS : 0;
    for (uint64_t i = oldest; i < peer->mark_count; i++) {
        uint64_t at_us = peer->marks[i % FLEET_MARKS].at_us;
        if (peer->marks[i % FLEET_MARKS].seq >= seq)
            return at_us > committed_us ? at_us - committed_us : 0;
    }
    return UINT64_MAX;
}

void fleet_spread(const struct fleet *fleet, uint64_t seq, uint64_t committed_us,
                  void (*each)(void *self, const struct replica *replica, uint64_t us),
                  void *self) {
    each(self, &fleet->self.row, peer_spread(&fleet->self, seq, committed_us));
    for (size_t i = 0; i < fleet->peer_count; i++) {
        const struct fleet_peer *peer = &fleet->peers[i];
        if (peer->gone_us == 0 || peer->gone_us > committed_us)
            each(self, &peer->row, peer_spread(peer, seq, committed_us));
    }
}

static struct fleet_standing standing_of(const struct fleet *fleet, const struct replica *replica,
                                         uint64_t heard_us, uint64_t now_us) {
    uint64_t silent_us = now_us > heard_us ? now_us - heard_us : 0;
    bool is_leased = silent_us < fleet->lease_us;
    return (struct fleet_standing){
        .replica = replica,
        .silent_us = silent_us,
        .lease = is_leased ? FLEET_LEASED : FLEET_LATE,
        .lease_left_us = is_leased ? fleet->lease_us - silent_us : 0,
    };
}

void fleet_stand(const struct fleet *fleet, uint64_t now_us,
                 void (*each)(void *self, const struct fleet_standing *standing), void *self) {
    struct fleet_standing standing = standing_of(fleet, &fleet->self.row, fleet->told_us, now_us);
    standing.is_self = true;
    if (!fleet->is_listed)
        standing.lease = FLEET_GONE;
    each(self, &standing);
    for (size_t i = 0; i < fleet->peer_count; i++) {
        const struct fleet_peer *peer = &fleet->peers[i];
        standing = standing_of(fleet, &peer->row, peer->moved_us, now_us);
        if (peer->gone_us != 0)
            standing.lease = FLEET_GONE;
        each(self, &standing);
    }
}
