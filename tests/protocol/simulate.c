/* The revocation protocol's real code (cache/freshness.c, cache/fleet.c) between a registry, clocks
 * and networks that do whatever a seed says, judged by the words of the two promises.
 *   simulate [SCHEDULES [SEED]]     exits with 0 if no promise is broken; of a build with a mistake
 *                                   in it (cache/mutant.h): if one is, soon enough */
#include <stdio.h>
#include <stdlib.h>

#include "cache/fleet.h"
#include "cache/mutant.h"

#define REPLICAS 3
#define WORKERS 2
#define OBJECTS 2
#define FILLS 4
#define STALE 8 /* what the shared cache may hold, from any time */
#define STEPS 800
#define ACTIONS 17
#define VERSIONS 1024
#define LEASE_US 1000
#define MARGIN_US 100

/* What one reading of an object gave. */
struct entry {
    bool is_held;
    uint64_t version;
    struct stamp stamp;
};

struct fill {
    enum { FILL_NONE, FILL_ASKED, FILL_READ } state;
    unsigned object;
    struct entry entry;
};

/* A change on its way to its acknowledgement. */
struct pending {
    bool is_held;
    uint64_t version, epoch, seq, seq_before, committed_us;
};

/* As mint/steps_manage.c, server/changes.c and server/worker.c put the pure code together. */
struct node {
    bool is_cut_off; /* from the registry */
    bool is_mute;    /* it reads, but its changes do not arrive */
    unsigned paused; /* for so many of its steps */
    uint64_t likings[ACTIONS], likings_sum;
    struct fleet fleet;
    struct freshness workers[WORKERS];
    struct entry entries[WORKERS][OBJECTS];
    struct fill fills[WORKERS][FILLS];
    uint64_t acknowledged;
    struct pending pending[4];
    enum { POLL_IDLE, POLL_ASKED, POLL_READ, POLL_APPLYING } poll;
    struct replica rows[REPLICAS_MAX];
    size_t row_count;
    struct place cursor;
    struct feed feed;
    unsigned applied; /* bits of the workers that have */
    enum { REPORT_IDLE, REPORT_SENT, REPORT_TAKEN, REPORT_LOST } report;
    bool is_adding;
    bool is_add_late; /* one that was given up is still on its way, maybe of an earlier life */
    uint64_t sent_us;
    struct place sent_place;
};

struct change {
    unsigned object;
    uint64_t mark;
};

/* The registry: everything that a backup brings back. */
struct registry_state {
    uint64_t epoch;
    uint64_t seq;
    struct change changes[VERSIONS]; /* by seq */
    uint64_t versions[OBJECTS];
    bool is_listed[REPLICAS];
    struct replica rows[REPLICAS];
    uint64_t unborn; /* GAPS: a number that was given out and is not committed; 0: none */
};

static struct {
    uint64_t random, now_us, version_count, replicas, epochs;
    struct registry_state registry, backup;
    /* When a version ended, and whether everybody was told so. 0: it is how things are. */
    uint64_t ended_us[VERSIONS];
    bool is_told[VERSIONS];
    struct entry stale[OBJECTS][STALE];
    struct node nodes[REPLICAS];
    const char *broken;
    uint64_t accepted, refused;
} sim;

/* splitmix64 (Steele, Lea and Flood 2014) */
static uint64_t draw(uint64_t below) {
    uint64_t z = sim.random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (z ^ z >> 31) % below;
}

static bool is_one_in(uint64_t chances) {
    return draw(chances) == 0;
}

static struct uuid uuid_of(unsigned number) {
    struct uuid id = {0};
    id.bytes[0] = (uint8_t)(number + 1);
    return id;
}

static unsigned number_of(const struct node *node) {
    return (unsigned)(node - sim.nodes);
}

/* ---- the registry ---------------------------------------------------------------------------- */

static uint64_t mark_at(uint64_t seq) {
    return seq == 0 ? 0 : sim.registry.changes[seq].mark;
}

static bool is_place_here(const struct place *place) {
    return place->epoch == sim.registry.epoch && place->seq <= sim.registry.seq &&
           place->mark == mark_at(place->seq);
}

/* As store_feed. A number that is not committed yet leaves a row out. */
static void feed_read(const struct place *from, struct feed *feed) {
    const struct registry_state *registry = &sim.registry;
    *feed = (struct feed){
        .epoch = registry->epoch, .seq = registry->seq, .mark = mark_at(registry->seq)};
    feed->is_foreign = !is_place_here(from);
    feed->is_forked = feed->is_foreign && from->epoch == registry->epoch;
    feed->is_flush = feed->is_foreign || registry->seq - from->seq > FEED_CHANGES_MAX;
    for (uint64_t seq = from->seq + 1; !feed->is_flush && seq <= registry->seq; seq++) {
        if (seq == registry->unborn)
            continue;
        feed->changes[feed->count].seq = seq;
        feed->changes[feed->count++].scope =
            (struct scope){SCOPE_TOKEN, uuid_of(registry->changes[seq].object)};
    }
    if (feed->count != feed->seq - from->seq) {
        feed->is_flush = true;
        feed->count = 0;
    }
}

static void version_end(uint64_t version) {
    sim.ended_us[version] = sim.now_us;
    sim.is_told[version] = false;
}

/* The object is another one from now on. */
static uint64_t object_cut(unsigned object) {
    uint64_t version = sim.registry.versions[object];
    version_end(version);
    sim.registry.versions[object] = ++sim.version_count;
    return version;
}

static uint64_t number_take(unsigned object) {
    sim.registry.changes[++sim.registry.seq] = (struct change){object, draw(UINT64_MAX) | 1};
    return sim.registry.seq;
}

static void act_cut(struct node *node) {
    struct pending *pending = &node->pending[draw(array_count(node->pending))];
    unsigned object = (unsigned)draw(OBJECTS);
    if (node->is_cut_off || node->is_mute || pending->is_held || sim.version_count + 2 >= VERSIONS)
        return;
    if (mutant_is(MUTANT_GAPS) && sim.registry.unborn == 0 && is_one_in(2)) {
        sim.registry.unborn = number_take(object);
        return;
    }
    bool is_late = sim.registry.unborn != 0 && is_one_in(2);
    uint64_t seq = is_late ? sim.registry.unborn : number_take(object);
    if (is_late)
        sim.registry.unborn = 0;
    *pending = (struct pending){.is_held = true,
                                .version = object_cut(sim.registry.changes[seq].object),
                                .epoch = sim.registry.epoch,
                                .seq = seq,
                                .seq_before = node->acknowledged,
                                .committed_us = sim.now_us};
}

/* As the step ACKNOWLEDGE. */
static void act_acknowledge(struct node *node) {
    for (size_t i = 0; i < array_count(node->pending); i++) {
        struct pending *pending = &node->pending[i];
        bool is_acknowledged =
            (pending->epoch == node->cursor.epoch && pending->seq > pending->seq_before &&
             pending->seq <= node->acknowledged) ||
            sim.now_us >= pending->committed_us + LEASE_US + MARGIN_US;
        if (pending->is_held && is_acknowledged) {
            sim.is_told[pending->version] = true;
            pending->is_held = false;
        }
    }
}

/* ---- a replica ------------------------------------------------------------------------------- */

static bool report_take(const struct node *node);

/* A process starts: what was listed before was its last life. */
static void node_list(struct node *node) {
    if (node->is_cut_off)
        return;
    sim.registry.is_listed[number_of(node)] = false;
    node->is_adding = true;
    check(report_take(node));
    fleet_told(&node->fleet, &(struct place){0}, sim.now_us);
}

static void node_open(struct node *node) {
    const struct hash_key key = {1, 2};
    struct fleet_options options = {uuid_of(number_of(node)), "", LEASE_US, MARGIN_US};
    memset(node->entries, 0, sizeof(node->entries));
    memset(node->fills, 0, sizeof(node->fills));
    memset(node->pending, 0, sizeof(node->pending));
    fleet_open(&node->fleet, &options);
    for (size_t i = 0; i < WORKERS; i++)
        check(freshness_open(&node->workers[i], LEASE_US, &key));
    node->acknowledged = 0;
    node->poll = POLL_IDLE;
    node->report = REPORT_IDLE;
    node->cursor = (struct place){0};
}

static void node_close(struct node *node) {
    for (size_t i = 0; i < WORKERS; i++)
        freshness_close(&node->workers[i]);
}

/* Another process takes its place; what was under way dies with the first. */
static void act_crash(struct node *node) {
    node_close(node);
    node_open(node);
    node_list(node);
}

/* It ends, and another comes, who is to be listed yet. */
static void act_leave(struct node *node) {
    if (!node->is_cut_off)
        sim.registry.is_listed[number_of(node)] = false;
    node_close(node);
    node_open(node);
}

static void list_read(struct node *node) {
    node->row_count = 0;
    for (unsigned i = 0; i < REPLICAS; i++)
        if (sim.registry.is_listed[i])
            node->rows[node->row_count++] = sim.registry.rows[i];
}

static void poll_apply(struct node *node) {
    unsigned i = (unsigned)draw(WORKERS);
    if (freshness_apply(&node->workers[i], &node->feed, &node->fleet.look))
        memset(node->entries[i], 0, sizeof(node->entries[i]));
    node->applied |= 1U << i;
    if (node->applied != (1U << WORKERS) - 1)
        return;
    node->cursor = (struct place){node->feed.epoch, node->feed.seq, node->feed.mark};
    fleet_applied(&node->fleet, &node->feed, sim.now_us);
    node->acknowledged = fleet_acknowledged(&node->fleet, sim.now_us);
    node->poll = POLL_IDLE;
}

/* As store_epoch_end. */
static void epoch_end(struct node *node) {
    node->poll = POLL_IDLE;
    if (node->is_cut_off || node->is_mute || sim.registry.epoch != node->feed.epoch)
        return;
    sim.registry.epoch = ++sim.epochs;
}

static void act_poll(struct node *node) {
    bool is_lost = node->is_cut_off && node->poll != POLL_READ && node->poll != POLL_APPLYING;
    switch (is_lost ? POLL_IDLE : node->poll) {
    case POLL_IDLE:
        fleet_ask(&node->fleet, sim.now_us);
        node->poll = POLL_ASKED;
        break;
    case POLL_ASKED:
        list_read(node);
        feed_read(&node->cursor, &node->feed);
        node->poll = POLL_READ;
        break;
    case POLL_READ:
        if (node->feed.is_forked) {
            epoch_end(node);
            break;
        }
        fleet_look(&node->fleet, node->rows, node->row_count, node->feed.is_foreign, sim.now_us);
        node->applied = 0;
        node->poll = POLL_APPLYING;
        break;
    case POLL_APPLYING:
        poll_apply(node);
        break;
    }
}

/* As store_replica_add. */
static bool add_take(unsigned number) {
    if (sim.registry.is_listed[number])
        return false;
    sim.registry.rows[number] = (struct replica){
        .id = uuid_of(number), .beat = draw(UINT64_MAX), .acked_seq = sim.registry.seq};
    sim.registry.is_listed[number] = true;
    sim.backup.is_listed[number] = true; /* backups know who serves */
    if (sim.backup.rows[number].acked_seq > sim.backup.seq || sim.backup.rows[number].beat == 0)
        sim.backup.rows[number] = (struct replica){.id = uuid_of(number), .beat = 1};
    return true;
}

static void act_add_late(struct node *node) {
    if (node->is_add_late)
        (void)add_take(number_of(node));
    node->is_add_late = false;
}

/* As store_replica_add and store_replica_report. */
static bool report_take(const struct node *node) {
    unsigned number = number_of(node);
    struct replica *row = &sim.registry.rows[number];
    if (node->is_adding)
        return add_take(number);
    if (!sim.registry.is_listed[number] || !is_place_here(&node->sent_place))
        return false;
    row->beat++;
    row->acked_seq = node->sent_place.seq;
    return true;
}

static void act_report(struct node *node) {
    switch (node->report) {
    case REPORT_IDLE:
        if (!fleet_must_report(&node->fleet, sim.now_us))
            break;
        node->is_adding = !node->fleet.is_listed;
        node->sent_us = sim.now_us;
        node->sent_place = node->fleet.applied;
        node->report = REPORT_SENT;
        break;
    case REPORT_SENT:
        if (node->is_adding && is_one_in(3)) {
            node->is_add_late = true;
            node->report = REPORT_LOST;
            break;
        }
        node->report =
            !node->is_cut_off && !node->is_mute && report_take(node) ? REPORT_TAKEN : REPORT_LOST;
        if (is_one_in(8)) /* taken, but the answer is lost */
            node->report = REPORT_LOST;
        break;
    case REPORT_TAKEN:
        fleet_told(&node->fleet, &node->sent_place, node->sent_us);
        node->report = REPORT_IDLE;
        break;
    case REPORT_LOST:
        node->report = REPORT_IDLE;
        break;
    }
}

/* As store_replica_drop. */
static void act_drop(struct node *node) {
    const struct registry_state *registry = &sim.registry;
    const struct replica *dead = fleet_dead(&node->fleet, sim.now_us);
    if (dead == NULL || node->is_cut_off || node->is_mute)
        return;
    unsigned by = number_of(node), number = dead->id.bytes[0] - 1U;
    bool is_same = is_place_here(&node->fleet.applied) && registry->is_listed[by] &&
                   registry->rows[by].beat - node->fleet.self.row.beat <= REPLICA_BEATS_BETWEEN;
    if (is_same && registry->rows[number].beat == dead->beat)
        sim.registry.is_listed[number] = false;
    fleet_dropped(&node->fleet, &dead->id, sim.now_us);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void object_read(unsigned object, struct entry *entry) {
    entry->is_held = true;
    entry->version = sim.registry.versions[object];
    entry->stamp.epoch = sim.registry.epoch;
    entry->stamp.s0 = sim.registry.seq;
}

static void act_fill(struct node *node) {
    unsigned worker = (unsigned)draw(WORKERS);
    struct freshness *freshness = &node->workers[worker];
    struct fill *fill = &node->fills[worker][draw(FILLS)];
    switch (fill->state) {
    case FILL_NONE:
        fill->object = (unsigned)draw(OBJECTS);
        fill->entry.stamp =
            (struct stamp){.asked_us = sim.now_us, .generation = freshness->generation};
        fill->state = FILL_ASKED;
        break;
    case FILL_ASKED:
        if (!node->is_cut_off)
            object_read(fill->object, &fill->entry);
        fill->state = node->is_cut_off ? FILL_NONE : FILL_READ;
        break;
    case FILL_READ:
        if (fill->entry.stamp.s0 <= freshness->cursor || mutant_is(MUTANT_AHEAD))
            sim.stale[fill->object][draw(STALE)] = fill->entry;
        freshness_take(freshness, &fill->entry.stamp);
        node->entries[worker][fill->object] = fill->entry;
        fill->state = FILL_NONE;
        break;
    }
}

/* Out of the shared cache, whatever lies there: only the loop's lease vouches for it. */
static void act_share(struct node *node) {
    unsigned worker = (unsigned)draw(WORKERS), object = (unsigned)draw(OBJECTS);
    struct entry entry = sim.stale[object][draw(STALE)];
    entry.stamp.asked_us = 0;
    entry.stamp.generation = node->workers[worker].generation;
    freshness_take(&node->workers[worker], &entry.stamp);
    if (entry.is_held)
        node->entries[worker][object] = entry;
}

static void judge(const struct entry *entry) {
    uint64_t ended_us = sim.ended_us[entry->version];
    if (ended_us == 0)
        return;
    if (sim.is_told[entry->version])
        sim.broken = "P1: accepted after it was acknowledged as cut";
    else if (sim.now_us >= ended_us + LEASE_US + MARGIN_US)
        sim.broken = "P2: accepted later than lease and margin after it was cut";
}

static void act_accept(struct node *node) {
    unsigned worker = (unsigned)draw(WORKERS), object = (unsigned)draw(OBJECTS);
    const struct entry *entry = &node->entries[worker][object];
    const struct scope scope = {SCOPE_TOKEN, uuid_of(object)};
    if (!entry->is_held)
        return;
    bool accepts = freshness_accepts(&node->workers[worker], &entry->stamp, sim.now_us, &scope, 1);
    sim.accepted += accepts;
    sim.refused += !accepts;
    if (accepts)
        judge(entry);
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static void act_cut_off(struct node *node) {
    node->is_cut_off = !node->is_cut_off && is_one_in(3);
}

static void act_mute(struct node *node) {
    node->is_mute = !node->is_mute && is_one_in(3);
}

static void act_pause(struct node *node) {
    node->paused = (unsigned)draw(60);
}

static void act_time(struct node *node) {
    (void)node;
    sim.now_us += draw(is_one_in(40) ? 2 * LEASE_US : LEASE_US / 20);
}

static void act_backup(struct node *node) {
    (void)node;
    sim.backup = sim.registry;
}

/* Everybody who serves has served since the backup. */
static bool is_backup_of_living(void) {
    for (unsigned i = 0; i < sim.replicas; i++)
        if (sim.registry.is_listed[i] != sim.backup.is_listed[i] ||
            sim.registry.rows[i].beat - sim.backup.rows[i].beat > REPLICA_BEATS_BETWEEN)
            return false;
    return true;
}

/* Yesterday's registry takes the place of today's, as a standby does that lacks the last commits.
 * Every connection ends with that, and another epoch begins. Or none begins, and the shared cache
 * is emptied; then nobody is so slow that he still applies what he read before. */
static void act_restore(struct node *node) {
    (void)node;
    for (unsigned i = 0; i < OBJECTS; i++)
        if (sim.registry.versions[i] != sim.backup.versions[i]) {
            version_end(sim.registry.versions[i]);
            sim.ended_us[sim.backup.versions[i]] = 0;
            sim.is_told[sim.backup.versions[i]] = false;
        }
    bool is_alike = sim.backup.epoch == sim.registry.epoch && is_backup_of_living() && is_one_in(2);
    if (is_alike)
        memset(sim.stale, 0, sizeof(sim.stale));
    else
        sim.backup.epoch = ++sim.epochs;
    sim.registry = sim.backup;
    for (struct node *each = sim.nodes; each < sim.nodes + sim.replicas; each++) {
        while (is_alike && each->poll == POLL_APPLYING)
            poll_apply(each);
        each->poll = each->poll == POLL_APPLYING ? POLL_APPLYING : POLL_IDLE;
        each->report = REPORT_IDLE;
        each->is_add_late = false;
        memset(each->fills, 0, sizeof(each->fills));
        memset(each->pending, 0, sizeof(each->pending));
    }
}

static const struct {
    void (*act)(struct node *node);
    unsigned weight;
} actions[ACTIONS] = {
    {act_poll, 240},       {act_report, 120}, {act_drop, 20},  {act_fill, 120},
    {act_share, 30},       {act_cut, 20},     {act_time, 60},  {act_accept, 160},
    {act_acknowledge, 40}, {act_cut_off, 8},  {act_mute, 8},   {act_pause, 4},
    {act_crash, 1},        {act_leave, 3},    {act_backup, 2}, {act_restore, 1},
    {act_add_late, 12},
};

/* In each schedule each replica likes other actions than in the last, and does some of them never:
 * mistakes that need much of one thing and none of another are found sooner (swarm testing, Groce
 * et al. 2012). */
static void likings_draw(struct node *node) {
    node->likings_sum = 0;
    for (size_t i = 0; i < array_count(actions); i++)
        node->likings_sum += node->likings[i] = actions[i].weight * draw(8);
}

static void step(void) {
    struct node *node = &sim.nodes[draw(sim.replicas)];
    unsigned i = 0;
    for (uint64_t at = draw(node->likings_sum); at >= node->likings[i]; i++)
        at -= node->likings[i];
    if (node->paused > 0 && actions[i].act != act_time && actions[i].act != act_add_late)
        node->paused--;
    else
        actions[i].act(node);
}

/* False if a promise was broken. */
static bool schedule_run(uint64_t seed) {
    uint64_t accepted = sim.accepted, refused = sim.refused;
    memset(&sim, 0, offsetof(typeof(sim), nodes));
    sim.broken = NULL;
    sim.accepted = accepted;
    sim.refused = refused;
    sim.random = seed;
    sim.now_us = 1000000;
    for (unsigned i = 0; i < OBJECTS; i++)
        sim.registry.versions[i] = ++sim.version_count;
    sim.registry.epoch = sim.epochs = 1;
    sim.backup = sim.registry;
    sim.replicas = 2 + draw(REPLICAS - 1);
    for (unsigned i = 0; i < sim.replicas; i++) {
        sim.nodes[i].is_cut_off = false;
        sim.nodes[i].is_mute = false;
        sim.nodes[i].is_add_late = false;
        likings_draw(&sim.nodes[i]);
        sim.nodes[i].paused = 0;
        node_open(&sim.nodes[i]);
        node_list(&sim.nodes[i]);
    }
    for (unsigned i = 0; i < STEPS && sim.broken == NULL; i++)
        step();
    for (unsigned i = 0; i < sim.replicas; i++)
        node_close(&sim.nodes[i]);
    return sim.broken == NULL;
}

int main(int count, char **arguments) {
    bool is_mutant = MUTANT != 0;
    uint64_t schedules = count > 1 ? strtoull(arguments[1], NULL, 10) : is_mutant ? 100000 : 20000;
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    for (uint64_t i = 0; i < schedules; i++)
        if (!schedule_run(seed + i)) {
            printf("schedule %llu (simulate 1 %llu): %s\n", (unsigned long long)i + 1,
                   (unsigned long long)(seed + i), sim.broken);
            return is_mutant ? 0 : 1;
        }
    printf("%llu schedules, %llu accepted, %llu refused, no promise broken\n",
           (unsigned long long)schedules, (unsigned long long)sim.accepted,
           (unsigned long long)sim.refused);
    return is_mutant || sim.accepted < schedules ? 1 : 0;
}
