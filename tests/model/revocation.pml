/* The revocation protocol (src/cache/freshness.h, src/cache/fleet.h) as a model for Spin.
 *
 * P1: nothing is accepted after it was acknowledged as cut.
 * P2: nothing is accepted a lease after it was cut, or after a restored backup undid it.
 * P3: who cuts, and lives, has its answer within a lease, whatever the others do.
 *
 * It takes one replica to accept what was cut, and one that said that nobody does. So one replica,
 * the holder, is here in full: its poll, its reports and its row in the registry, its leases, a
 * look-up under way, an entry. The others, however many, meet it only in the registry and the
 * shared cache, and there do whatever they can: be listed and leave, strike the holder off, cut,
 * look whether all have applied the cut, die. The cut may be the holder's own too. One token is
 * cut; one other change comes before or after, or not at all.
 *
 * Any step may come between any two others, and time passes in ticks whenever it likes. To be cut
 * off, paused, or slow are all one: a step that does not come. Leases are kept as what is left of
 * them, so time has no end, and the search is complete. Left out, for it could only do less harm:
 *  - that a report takes time: one that is late counts from when it was sent;
 *  - that reports are sent only where there is something to tell;
 *  - that what saw changes ahead of the feed is taken for older, and is given to nobody else;
 *  - how old an entry of the shared cache is: it gives whatever anybody has ever read;
 *  - that who watches a row sees late when it moved.
 * The margin is for clocks that do not run at the same speed; here they do, and it is 0. A backup
 * that is restored knows who serves, and another epoch begins with it.
 *
 *   LEASE=n   how many ticks a lease has
 *   RESTORE   once, a backup from before all changes may be restored
 *
 * Each of these is a mistake that must be found:
 *   NO_VERSIONS    what was read before the cut is accepted after it
 *   NO_LEASE       what is cached is accepted however old the last look is
 *   NO_WAIT        a cut is acknowledged at once
 *   LATE_LEASE     leases are counted from the answer, not from the question
 *   GAPS           numbers of changes show in another order than they were given out
 *   OWN_FOR_EVER   an entry's own reading needs no lease
 *   UNLISTED       a replica that was struck off goes on
 *   LISTED_TWICE   who is listed lists itself again, as one that has applied everything
 *   LIST_FIRST     who is listed is read in an earlier snapshot than what was changed
 *   FEED_FIRST     or in a later one
 *   EARLY_WATCH    rows are watched by one that is not listed itself
 *   NO_TIMEOUT     who does not report is waited for until he does
 *   NO_EPOCH       no other epoch begins with a restored backup (with RESTORE)
 *   CACHE_ASIDE    no protocol: delete in the shared cache, tell all, acknowledge */
#ifndef LEASE
#define LEASE 2
#endif

#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define DOWN(left) left = (left > 0 -> left - 1 : 0)
#define UP(since, runs) since = ((runs) && since < LEASE -> since + 1 : since)

/* ---- the registry ---------------------------------------------------------------------------- */

byte seq;         /* the counter */
byte cut_seq;     /* the number of the cut; 0: it has none */
bool is_cut;      /* it is committed */
bool is_changed;  /* the other change is */
bool is_listed;   /* the holder's row: it is there, */
byte acked;       /*   with the number up to which all changes are applied, */
byte still;       /*   and has not moved for so long, while others were there to see it */
bool has_others;  /* others are listed */
bool is_restored; /* a backup; and another epoch began */

/* ---- what is judged -------------------------------------------------------------------------- */

mtype = {NOBODY, OTHER, HOLDER};
mtype cutter = NOBODY; /* who waits for the acknowledgement, or has it; NOBODY: he died */
bool is_told;          /* he has it */
byte since_cut;

/* What a restored backup undid: the newest readings from before the cut and after it
 * (0: it was not cut). */
byte since_restored, lost_uncut, lost_seq;

/* ---- the holder ------------------------------------------------------------------------------ */

#ifdef CACHE_ASIDE
bool is_up = true;
#else
bool is_up;    /* it has applied a feed, */
#endif
bool is_after; /*   of the epoch that began with the backup */
byte cursor, newest_cut;
byte fresh;    /* left of the loop's lease */
byte listed;   /* left of the time in which the others surely know of it */
byte told;     /* left of a lease since its last report */
bool sees_row; /* its last look found it listed */

mtype = {IDLE, ASKED, HALF, READ};
mtype poll = IDLE;
byte asked, vouched; /* left of a lease since it was asked, and of what was told by then */
byte feed_seq, feed_cut;
bool feed_row, feed_after;

bool is_reading; /* a look-up, and what it gave */
byte read_left, read_s0;
bool read_cut, read_after;

bool is_held; /* the entry: */
byte own;     /* left of a lease since it was asked for; 0 too where others asked for it */
byte s0;
bool held_cut, held_after; /* it was read after the cut; in the later epoch */

#ifdef UNLISTED
#define BOUND(left) (left)
#else
#define BOUND(left) MIN(left, listed)
#endif
#ifdef OWN_FOR_EVER
#define IS_LEASED (fresh > 0 || own > 0)
#elif defined(NO_LEASE)
#define IS_LEASED true
#else
#define IS_LEASED (fresh > 0 || BOUND(own) > 0)
#endif
#ifdef NO_VERSIONS
#define IS_UNCUT true
#else
#define IS_UNCUT (s0 >= newest_cut)
#endif
#ifdef CACHE_ASIDE
#define ACCEPTS is_held
#else
#define ACCEPTS (is_held && IS_LEASED && IS_UNCUT && held_after == is_after)
#endif
#ifdef NO_EPOCH
#define EPOCH false
#else
#define EPOCH is_restored
#endif

/* What was read before the cut counts as ended by it; what was read after it, by the restore. */
inline judge() {
    if
    :: held_cut && is_restored -> assert(since_restored < LEASE)
    :: !held_cut && is_cut -> assert(!is_told); assert(since_cut < LEASE)
    :: else
    fi
}

inline entry_drop() {
    is_held = false; own = 0; s0 = 0; held_cut = false; held_after = false
}

inline reading_drop() {
    is_reading = false; read_left = 0; read_s0 = 0; read_cut = false; read_after = false
}

inline poll_drop() {
    poll = IDLE; asked = 0; vouched = 0;
    feed_seq = 0; feed_cut = 0; feed_row = false; feed_after = false
}

/* The newest cut that the feed tells of. To one who has just started, or from whose place there is
 * no way to where the registry is, and where a number is missing: that there may be any. */
inline feed_read() {
    feed_seq = seq;
    feed_after = EPOCH;
    if
    :: !is_up || is_after != EPOCH || seq < cursor -> feed_cut = seq
    :: else -> feed_cut = (cut_seq <= cursor -> 0 : (is_cut -> cut_seq : seq))
    fi
}

/* While nobody else is listed nobody watches: to see that is as good as a report. */
inline list_read() {
    feed_row = is_listed;
    if
    :: !is_listed -> vouched = 0
    :: is_listed && !has_others -> told = MAX(told, asked); vouched = MAX(vouched, asked)
    :: else
    fi
}

inline feed_apply() {
    if
    :: is_after != feed_after || feed_seq < cursor ->
        entry_drop(); reading_drop(); newest_cut = feed_cut
    :: else -> newest_cut = MAX(newest_cut, feed_cut)
    fi;
    is_up = true; is_after = feed_after; cursor = feed_seq; sees_row = feed_row;
#ifdef LATE_LEASE
    asked = LEASE;
    vouched = (feed_row -> LEASE : 0);
#endif
    listed = MAX(listed, vouched);
    fresh = MAX(fresh, BOUND(asked));
    is_told = is_told || (cutter == HOLDER && cursor >= cut_seq && is_after == EPOCH);
    poll_drop()
}

inline row_add() {
    is_listed = true; acked = seq; still = 0
}

inline row_drop() {
    is_listed = false; acked = 0; still = 0
}

inline reading_take() {
    is_held = true; own = read_left; s0 = read_s0; held_cut = read_cut; held_after = read_after;
    reading_drop()
}

/* Before the cut, if `before`, or after it: the newest reading of these that anybody made. */
inline shared_take(before) {
    is_held = true; own = 0; held_cut = !before; held_after = is_after;
    if
    :: is_restored && !is_after -> s0 = (before -> lost_uncut : lost_seq)
    :: else -> s0 = (before && is_cut -> cut_seq - 1 : seq)
    fi
}

active proctype Holder() {
    do
#ifndef CACHE_ASIDE
    /* The poll, and another process that takes its row over. */
    :: d_step { poll == IDLE -> poll = ASKED; asked = LEASE; vouched = told }
#ifdef LIST_FIRST
    :: d_step { poll == ASKED -> list_read(); poll = HALF }
    :: d_step { poll == HALF -> feed_read(); poll = READ }
#elif defined(FEED_FIRST)
    :: d_step { poll == ASKED -> feed_read(); poll = HALF }
    :: d_step { poll == HALF -> list_read(); poll = READ }
#else
    :: d_step { poll == ASKED -> feed_read(); list_read(); poll = READ }
#endif
    :: d_step { poll == READ -> feed_apply() }
    :: d_step { is_up ->
        is_up = false; is_after = false; cursor = 0; newest_cut = 0;
        fresh = 0; listed = 0; told = 0; sees_row = false;
        poll_drop(); reading_drop(); entry_drop();
        cutter = (cutter == HOLDER && !is_told -> NOBODY : cutter)
       }
    :: d_step { !is_up && poll == IDLE && is_listed -> row_drop() }

    /* A report, or being listed; what is taken may be answered in vain. */
    :: d_step { sees_row && is_listed && is_after == EPOCH ->
        acked = cursor; still = 0; told = LEASE }
    :: d_step { sees_row && is_listed && is_after == EPOCH -> acked = cursor; still = 0 }
#ifdef LISTED_TWICE
    :: d_step { !sees_row -> row_add(); told = LEASE }
#else
    :: d_step { !sees_row && !is_listed -> row_add(); told = LEASE }
#endif
    :: d_step { !sees_row && !is_listed -> row_add() }
#endif

    /* Requests. Of what is read after the cut only that is followed which may end. */
    :: d_step { is_up && !is_reading && !is_cut ->
        is_reading = true; read_left = LEASE; read_s0 = seq; read_after = EPOCH }
#ifdef RESTORE
    :: d_step { is_up && !is_reading && is_cut && !is_restored ->
        is_reading = true; read_left = LEASE; read_s0 = seq; read_cut = true }
#endif
    :: d_step { is_reading -> reading_take() }
#ifndef CACHE_ASIDE
    :: d_step { is_up -> shared_take(true) }
#endif
#ifdef RESTORE
    :: d_step { is_up && !is_after && (is_restored -> lost_seq > 0 : is_cut) -> shared_take(false) }
#endif
    :: d_step { is_held -> entry_drop() }
    :: d_step { ACCEPTS -> judge() }

#ifndef GAPS
    :: d_step { is_up && cut_seq == 0 -> seq++; cut_seq = seq; is_cut = true; cutter = HOLDER }
#endif
    od
}

/* ---- the others ------------------------------------------------------------------------------ */

#define HAS_APPLIED (!is_listed || (is_cut && acked >= cut_seq))
bool had_applied; /* by the list that was read first */

active proctype Others() {
    do
    :: d_step { cut_seq == 0 ->
        seq++; cut_seq = seq;
#ifdef GAPS
       }
    :: d_step { cut_seq > 0 && !is_cut ->
#endif
        is_cut = true; cutter = OTHER;
#ifdef CACHE_ASIDE
        entry_drop();
#endif
#if defined(NO_WAIT) || defined(CACHE_ASIDE)
        is_told = true
#endif
       }
    :: d_step { !is_changed -> is_changed = true; seq++ }
    :: cutter == OTHER && !is_told -> cutter = NOBODY
#ifndef CACHE_ASIDE
#ifdef LIST_FIRST
    :: !had_applied && HAS_APPLIED -> had_applied = true
    :: had_applied -> had_applied = false
    :: d_step { had_applied && cutter == OTHER -> is_told = true; had_applied = false }
#else
    :: d_step { cutter == OTHER && !is_told && HAS_APPLIED -> is_told = true }
#endif
#ifdef EARLY_WATCH
    :: !has_others -> has_others = true
#else
    :: d_step { !has_others -> has_others = true; still = 0 }
#endif
    :: has_others -> has_others = false
    :: d_step { is_listed && has_others && still == LEASE -> row_drop() }
#endif
#ifdef RESTORE
    :: d_step { !is_restored ->
        is_restored = true;
        lost_uncut = (is_cut -> cut_seq - 1 : seq);
        lost_seq = (is_cut -> seq : 0);
        seq = 0; cut_seq = 0; is_cut = false;
        cutter = NOBODY; is_told = false; since_cut = 0;
        row_add()
       }
#endif
    od
}

/* ---- time ------------------------------------------------------------------------------------ */

active proctype Time() {
    do
    :: d_step {
        DOWN(fresh); DOWN(listed); DOWN(told); DOWN(asked); DOWN(vouched); DOWN(read_left);
#ifndef OWN_FOR_EVER
        DOWN(own);
#endif
#ifdef EARLY_WATCH
        UP(still, is_listed);
#else
        UP(still, is_listed && has_others);
#endif
        UP(since_cut, is_cut);
        UP(since_restored, is_restored);
#ifndef NO_TIMEOUT
        is_told = is_told || (cutter != NOBODY && since_cut == LEASE);
#endif
        assert(cutter == NOBODY || is_told || since_cut < LEASE)
       }
    od
}
