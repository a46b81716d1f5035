/* The fleet: who is listed, who is waited for and until when, who is struck off, what is told of
 * each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache/fleet.h"
#include "entries.h"

#define LEASE_US 30000000
#define MARGIN_US 2000000
#define LIMIT_US (LEASE_US + MARGIN_US)
#define START_US 1000000000
#define SELF 1
#define PEER 2
#define THIRD 3

/* A fleet and the registry that it is told of. */
struct site {
    struct fleet fleet;
    struct replica rows[REPLICAS_MAX + 1];
    size_t count;
    uint64_t epoch, seq;
    uint64_t now_us;
};

static struct replica *row_of(struct site *site, uint32_t number) {
    const struct uuid id = id_of(number);
    for (size_t i = 0; i < site->count; i++)
        if (uuid_equal(&site->rows[i].id, &id))
            return &site->rows[i];
    return NULL;
}

/* As store_replica_add: it is listed with the counter. */
static void list(struct site *site, uint32_t number) {
    struct replica *row = &site->rows[site->count++];
    *row =
        (struct replica){.id = id_of(number), .beat = 1000 * site->count, .acked_seq = site->seq};
    (void)snprintf(row->name, sizeof(row->name), "replica %u", number);
}

static void unlist(struct site *site, uint32_t number) {
    struct replica *row = row_of(site, number);
    *row = site->rows[--site->count];
}

static void report(struct site *site, uint32_t number) {
    row_of(site, number)->beat++;
    row_of(site, number)->acked_seq = site->seq;
}

static struct place place_now(const struct site *site) {
    return (struct place){site->epoch, site->seq, site->seq + 7};
}

static void look(struct site *site) {
    bool is_foreign = site->fleet.applied.epoch != site->epoch;
    fleet_look(&site->fleet, site->rows, site->count, is_foreign, site->now_us);
}

static void apply(struct site *site) {
    const struct feed feed = {.epoch = site->epoch,
                              .seq = site->seq,
                              .mark = site->seq + 7,
                              .is_foreign = site->fleet.applied.epoch != site->epoch};
    fleet_applied(&site->fleet, &feed, site->now_us);
}

/* A poll that takes no time. */
static void poll(struct site *site) {
    fleet_ask(&site->fleet, site->now_us);
    look(site);
    apply(site);
}

/* This replica's report is taken, and seen. */
static void tell(struct site *site) {
    const struct place place = place_now(site);
    report(site, SELF);
    fleet_told(&site->fleet, &place, site->now_us);
    poll(site);
}

/* How each is told of, and how many so. */
struct stood {
    size_t count, leases[3];
    struct fleet_standing first, last;
};

static void stood_add(void *self, const struct fleet_standing *standing) {
    struct stood *stood = self;
    if (stood->count++ == 0)
        stood->first = *standing;
    stood->last = *standing;
    stood->leases[standing->lease]++;
}

static struct stood stand(const struct site *site, uint64_t now_us) {
    struct stood stood = {0};
    fleet_stand(&site->fleet, now_us, stood_add, &stood);
    return stood;
}

static size_t gone_count(const struct site *site) {
    return stand(site, site->now_us).leases[FLEET_GONE];
}

/* One replica, not listed yet. */
static int setup(void **state) {
    struct site *site = calloc(1, sizeof(*site));
    *state = site;
    *site = (struct site){.epoch = 5, .seq = 100, .now_us = START_US};
    fleet_open(&site->fleet, &(struct fleet_options){.id = id_of(SELF),
                                                     .name = "self",
                                                     .lease_us = LEASE_US,
                                                     .margin_us = MARGIN_US});
    return 0;
}

static int teardown(void **state) {
    free(*state);
    return 0;
}

/* ... and one that is, with another one. */
static int pair_setup(void **state) {
    (void)setup(state);
    struct site *site = *state;
    list(site, SELF);
    list(site, PEER);
    tell(site);
    return 0;
}

/* ---- being listed ---------------------------------------------------------------------------- */

/* Not listed it must be, has no lease, and is there all the same. */
static void test_not_listed(void **state) {
    struct site *site = *state;
    assert_true(fleet_must_report(&site->fleet, site->now_us));
    poll(site);
    assert_true(fleet_must_report(&site->fleet, site->now_us));
    assert_false(site->fleet.is_listed);
    assert_int_equal(site->fleet.look.listed_until_us, 0);
    assert_int_equal(fleet_live(&site->fleet), 1);
    assert_string_equal(stand(site, site->now_us).first.replica->name, "self");
    list(site, SELF);
    poll(site);
    assert_true(site->fleet.is_listed);
}

/* Seeing that it is alone is as good as a report from when it was asked; and nothing is written. */
static void test_alone(void **state) {
    struct site *site = *state;
    list(site, SELF);
    fleet_ask(&site->fleet, site->now_us);
    site->now_us += 5000;
    look(site);
    apply(site);
    assert_int_equal(site->fleet.look.asked_us, START_US);
    assert_int_equal(site->fleet.look.listed_until_us, START_US + LEASE_US);
    assert_false(fleet_must_report(&site->fleet, site->now_us + 10 * LEASE_US));
    site->seq++;
    poll(site);
    assert_false(fleet_must_report(&site->fleet, site->now_us));
    assert_int_equal(site->fleet.look.listed_until_us, START_US + 5000 + LEASE_US);
}

/* Among others only a report is one, however often it looks. */
static void test_lease(void **state) {
    struct site *site = *state;
    assert_int_equal(site->fleet.look.listed_until_us, START_US + LEASE_US);
    site->now_us += 1000000;
    poll(site);
    assert_int_equal(site->fleet.look.asked_us, START_US + 1000000);
    assert_int_equal(site->fleet.look.listed_until_us, START_US + LEASE_US);
    tell(site);
    assert_int_equal(site->fleet.look.listed_until_us, START_US + 1000000 + LEASE_US);
}

/* What was told after a poll was asked counts from the next: it may be of a row that this one did
 * not see. */
static void test_told_before(void **state) {
    struct site *site = *state;
    const struct place place = place_now(site);
    site->now_us += 1000;
    fleet_ask(&site->fleet, site->now_us);
    fleet_told(&site->fleet, &place, START_US + 2000);
    look(site);
    apply(site);
    assert_int_equal(site->fleet.look.listed_until_us, START_US + LEASE_US);
    poll(site);
    assert_int_equal(site->fleet.look.listed_until_us, START_US + 2000 + LEASE_US);
    fleet_told(&site->fleet, &place, START_US + 1000); /* one that was overtaken */
    poll(site);
    assert_int_equal(site->fleet.look.listed_until_us, START_US + 2000 + LEASE_US);
}

/* The registry hears at once that more was applied, and often enough that it lives: two reports may
 * be lost, and most of the lease is left. */
static void test_beat(void **state) {
    struct site *site = *state;
    assert_false(fleet_must_report(&site->fleet, site->now_us));
    assert_false(fleet_must_report(&site->fleet, site->now_us + LEASE_US / 50));
    assert_true(fleet_must_report(&site->fleet, site->now_us + LEASE_US / 9));
    const struct place others[] = {{5, 101, 107}, {6, 100, 107}, {5, 100, 108}};
    for (size_t i = 0; i < array_count(others); i++) {
        fleet_told(&site->fleet, &others[i], site->now_us);
        assert_true(fleet_must_report(&site->fleet, site->now_us));
    }
    tell(site);
    assert_false(fleet_must_report(&site->fleet, site->now_us));
    site->seq++;
    poll(site);
    assert_true(fleet_must_report(&site->fleet, site->now_us));
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* For the slowest of those that are listed, this one included. */
static void test_acknowledged(void **state) {
    struct site *site = *state;
    list(site, THIRD);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 100);
    site->seq = 103;
    row_of(site, PEER)->acked_seq = 102;
    poll(site);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 100);
    row_of(site, THIRD)->acked_seq = 101;
    poll(site);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 101);
    row_of(site, THIRD)->acked_seq = 110; /* it has read further */
    row_of(site, PEER)->acked_seq = 110;
    poll(site);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 103);
    assert_int_equal(fleet_live(&site->fleet), 3);
}

/* What is listed counts from the look, what was applied only when it was. */
static void test_not_applied_yet(void **state) {
    struct site *site = *state;
    site->seq++;
    report(site, PEER);
    fleet_ask(&site->fleet, site->now_us);
    look(site);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 100);
    apply(site);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 101);
}

/* Nobody waits for one that left. */
static void test_left(void **state) {
    struct site *site = *state;
    site->seq++;
    poll(site);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 100);
    unlist(site, PEER);
    poll(site);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 101);
    assert_int_equal(fleet_live(&site->fleet), 1);
}

/* This one was struck off, or listed anew meanwhile, or the history is another: the list may lack
 * somebody who acts until all leases of before are over. */
static void assert_unsure(struct site *site) {
    uint64_t since_us = site->now_us;
    assert_int_equal(fleet_acknowledged(&site->fleet, since_us), 0);
    assert_int_equal(fleet_acknowledged(&site->fleet, since_us + LIMIT_US - 1), 0);
    for (unsigned i = 0; i < 20; i++) {
        site->now_us += LIMIT_US / 10;
        report(site, PEER);
        tell(site);
    }
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), site->seq);
}

static void test_unsure(void **state) {
    struct site *site = *state;
    unlist(site, SELF);
    poll(site);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 0);
    list(site, SELF);
    poll(site);
    assert_unsure(site);
    row_of(site, SELF)->beat += UINT64_MAX / 2; /* made anew between two looks */
    poll(site);
    assert_unsure(site);
    site->epoch++;
    poll(site);
    assert_unsure(site);
    unlist(site, SELF);
    poll(site);
    site->now_us += LIMIT_US / 2;
    site->epoch++;
    list(site, SELF);
    poll(site);
    assert_unsure(site);
}

/* The first look at a history is no change of it. */
static void test_first(void **state) {
    struct site *site = *state;
    list(site, SELF);
    poll(site);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 100);
}

/* ---- striking off ---------------------------------------------------------------------------- */

static bool is_dead(const struct site *site, uint32_t number, uint64_t now_us) {
    const struct replica *dead = fleet_dead(&site->fleet, now_us);
    const struct uuid id = id_of(number);
    return dead != NULL && uuid_equal(&dead->id, &id);
}

/* Its row was not seen to move for lease and margin; any other number of beats is a move. */
static void test_dead(void **state) {
    struct site *site = *state;
    site->now_us += 1000;
    poll(site);
    assert_null(fleet_dead(&site->fleet, START_US + LIMIT_US));
    assert_true(is_dead(site, PEER, START_US + LIMIT_US + 1));
    report(site, PEER);
    poll(site);
    assert_null(fleet_dead(&site->fleet, START_US + 1000 + LIMIT_US));
    assert_true(is_dead(site, PEER, START_US + 1000 + LIMIT_US + 1));
    row_of(site, PEER)->beat = 3;
    site->now_us += 1000;
    poll(site);
    assert_null(fleet_dead(&site->fleet, START_US + 2000 + LIMIT_US));
}

/* Who is not listed strikes nobody off: until it is they could not see that they are watched. */
static void test_watch(void **state) {
    struct site *site = *state;
    unlist(site, SELF);
    site->now_us += 1000;
    poll(site);
    assert_null(fleet_dead(&site->fleet, site->now_us + 2 * LIMIT_US));
    site->now_us += 2 * LIMIT_US;
    list(site, SELF);
    poll(site);
    assert_null(fleet_dead(&site->fleet, site->now_us + LIMIT_US));
    assert_true(is_dead(site, PEER, site->now_us + LIMIT_US + 1));
}

/* Nor from a backup, which may hold the row of one that was struck off since. */
static void test_watch_of_another_history(void **state) {
    struct site *site = *state;
    site->now_us += LIMIT_US;
    site->epoch++;
    poll(site);
    assert_null(fleet_dead(&site->fleet, site->now_us + LIMIT_US));
    assert_true(is_dead(site, PEER, site->now_us + LIMIT_US + 1));
}

/* Struck off it is not waited for, told of as long as a change may have waited for it, and then
 * forgotten. */
static void test_dropped(void **state) {
    struct site *site = *state;
    const struct uuid peer = id_of(PEER), nobody = {0};
    site->seq++;
    site->now_us += LIMIT_US + 1;
    poll(site);
    fleet_dropped(&site->fleet, &nobody, site->now_us);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 100);
    fleet_dropped(&site->fleet, &peer, site->now_us);
    unlist(site, PEER);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 101);
    assert_int_equal(fleet_live(&site->fleet), 1);
    assert_null(fleet_dead(&site->fleet, site->now_us));
    poll(site);
    assert_int_equal(gone_count(site), 1);
    site->now_us += LIMIT_US - 1;
    poll(site);
    assert_int_equal(gone_count(site), 1);
    site->now_us += 1;
    poll(site);
    assert_int_equal(gone_count(site), 0);
}

/* One that comes back is one like all others, even if it looks as it did before. */
static void test_back(void **state) {
    struct site *site = *state;
    const struct uuid peer = id_of(PEER);
    site->now_us += LIMIT_US + 1;
    poll(site);
    fleet_dropped(&site->fleet, &peer, site->now_us);
    site->seq++;
    site->now_us += 1000;
    poll(site);
    assert_int_equal(fleet_acknowledged(&site->fleet, site->now_us), 100);
    assert_int_equal(fleet_live(&site->fleet), 2);
    assert_int_equal(gone_count(site), 0);
    assert_null(fleet_dead(&site->fleet, site->now_us + LIMIT_US));
    assert_true(is_dead(site, PEER, site->now_us + LIMIT_US + 1));
}

/* ---- a full list ----------------------------------------------------------------------------- */

/* This one and all others that there can be. */
static void fill(struct site *site, uint32_t first) {
    site->count = 0;
    list(site, SELF);
    for (uint32_t i = 0; i < REPLICAS_MAX - 1; i++)
        list(site, first + i);
    tell(site);
    assert_int_equal(fleet_live(&site->fleet), REPLICAS_MAX);
}

/* Those that are remembered make room for those that are there. */
static void test_full_of_struck_off(void **state) {
    struct site *site = *state;
    fill(site, 1000);
    site->now_us += LIMIT_US + 1;
    poll(site);
    for (uint32_t i = 0; i < REPLICAS_MAX - 1; i++) {
        const struct uuid id = id_of(1000 + i);
        fleet_dropped(&site->fleet, &id, site->now_us);
    }
    assert_int_equal(fleet_live(&site->fleet), 1);
    fill(site, 2000);
    assert_int_equal(gone_count(site), 1); /* for that one there is room */
}

/* All have left and others come in their place between two looks. */
static void test_full_of_others(void **state) {
    struct site *site = *state;
    fill(site, 1000);
    fill(site, 2000);
    assert_int_equal(gone_count(site), 0);
    fill(site, 2100);
}

/* ---- what is told ---------------------------------------------------------------------------- */

#define NEVER UINT64_MAX

struct told {
    size_t count;
    struct uuid ids[REPLICAS_MAX + 1];
    uint64_t us[REPLICAS_MAX + 1];
};

static void told_add(void *self, const struct replica *replica, uint64_t us) {
    struct told *told = self;
    told->ids[told->count] = replica->id;
    told->us[told->count++] = us;
}

/* How the change spread to this one and to the other. */
static void assert_spread(const struct site *site, uint64_t seq, uint64_t committed_us,
                          uint64_t self_us, uint64_t peer_us) {
    const struct uuid self = id_of(SELF), peer = id_of(PEER);
    struct told told = {0};
    fleet_spread(&site->fleet, seq, committed_us, told_add, &told);
    assert_int_equal(told.count, 2);
    assert_true(uuid_equal(&told.ids[0], &self) && uuid_equal(&told.ids[1], &peer));
    assert_int_equal(told.us[0], self_us);
    assert_int_equal(told.us[1], peer_us);
}

static void test_spread(void **state) {
    struct site *site = *state;
    uint64_t committed_us = site->now_us + 10;
    site->seq = 101;
    site->now_us = committed_us + 300;
    poll(site);
    assert_spread(site, 101, committed_us, 300, NEVER);
    site->seq = 105;
    site->now_us += 400;
    report(site, PEER); /* which includes it */
    poll(site);
    assert_spread(site, 101, committed_us, 300, 700);
    assert_spread(site, 105, committed_us + 650, 50, 50);
    assert_spread(site, 106, committed_us, NEVER, NEVER);
    site->now_us += 400;
    report(site, PEER); /* again */
    poll(site);
    assert_spread(site, 105, committed_us, 700, 700);
    assert_spread(site, 101, committed_us + 1000, 0, 0); /* seen before it was known to be there */
}

/* One that was struck off after the commit was waited for in vain; one before was not. */
static void test_spread_to_struck_off(void **state) {
    struct site *site = *state;
    const struct uuid peer = id_of(PEER);
    struct told told = {0};
    site->seq++;
    site->now_us += LIMIT_US + 1;
    poll(site);
    fleet_dropped(&site->fleet, &peer, site->now_us);
    assert_spread(site, 101, site->now_us - 1, 1, NEVER);
    fleet_spread(&site->fleet, 101, site->now_us, told_add, &told);
    assert_int_equal(told.count, 1);
}

/* The latest FLEET_MARKS changes are remembered, each by when it was seen first. */
static void test_marks(void **state) {
    struct site *site = *state;
    for (unsigned i = 0; i < 2 * FLEET_MARKS + 5; i++) {
        site->seq++;
        site->now_us += 1000;
        report(site, PEER);
        poll(site);
    }
    for (uint64_t back = 0; back < FLEET_MARKS; back++) {
        uint64_t arrived_us = site->now_us - back * 1000;
        assert_spread(site, site->seq - back, arrived_us - 30, 30, 30);
    }
    uint64_t before_us = site->now_us;
    for (unsigned i = 0; i < 2 * FLEET_MARKS; i++) { /* nothing new takes no place */
        site->now_us += 1000;
        tell(site);
    }
    assert_spread(site, site->seq - 3, before_us - 3030, 30, 30);
    site->now_us = before_us;
    /* Of an older one it is known by when it had been seen. */
    uint64_t oldest_us = site->now_us - (FLEET_MARKS - 1) * 1000;
    assert_spread(site, 101, oldest_us - 30, 30, 30);
}

/* Numbers of another history say nothing of this one's. */
static void test_marks_of_another_history(void **state) {
    struct site *site = *state;
    site->seq = 150;
    report(site, PEER);
    poll(site);
    site->epoch++;
    site->seq = 120;
    row_of(site, PEER)->acked_seq = 110;
    site->now_us += 1000;
    poll(site);
    poll(site);
    assert_spread(site, 120, site->now_us - 30, 30, NEVER);
    site->now_us += 1000;
    report(site, PEER);
    poll(site);
    assert_spread(site, 120, site->now_us - 1030, 30, 1030);
}

static void assert_standing(const struct fleet_standing *standing, enum fleet_lease lease,
                            uint64_t silent_us, uint64_t left_us) {
    assert_int_equal(standing->lease, lease);
    assert_int_equal(standing->silent_us, silent_us);
    assert_int_equal(standing->lease_left_us, left_us);
}

/* This one by when its report was sent, the others by when theirs were seen. */
static void test_standing(void **state) {
    struct site *site = *state;
    site->now_us += 1000;
    report(site, PEER);
    poll(site);
    site->seq++;
    poll(site);
    struct stood stood = stand(site, site->now_us + 500);
    assert_int_equal(stood.first.replica->acked_seq, 101); /* it need not be told so by others */
    assert_int_equal(stood.last.replica->acked_seq, 100);
    assert_int_equal(stood.count, 2);
    assert_true(stood.first.is_self && !stood.last.is_self);
    assert_string_equal(stood.first.replica->name, "replica 1");
    assert_string_equal(stood.last.replica->name, "replica 2");
    assert_standing(&stood.first, FLEET_LEASED, 1500, LEASE_US - 1500);
    assert_standing(&stood.last, FLEET_LEASED, 500, LEASE_US - 500);
    stood = stand(site, site->now_us + LEASE_US - 1);
    assert_standing(&stood.first, FLEET_LATE, LEASE_US + 999, 0);
    assert_standing(&stood.last, FLEET_LEASED, LEASE_US - 1, 1);
    stood = stand(site, site->now_us + LEASE_US);
    assert_standing(&stood.last, FLEET_LATE, LEASE_US, 0);
    stood = stand(site, START_US - 5); /* a clock of a loop that is behind */
    assert_standing(&stood.last, FLEET_LEASED, 0, LEASE_US);
}

static void test_standing_of_struck_off(void **state) {
    struct site *site = *state;
    const struct uuid peer = id_of(PEER);
    site->now_us += LIMIT_US + 1;
    poll(site);
    fleet_dropped(&site->fleet, &peer, site->now_us);
    struct stood stood = stand(site, site->now_us);
    assert_standing(&stood.first, FLEET_LATE, LIMIT_US + 1, 0);
    assert_standing(&stood.last, FLEET_GONE, LIMIT_US + 1, 0);
    unlist(site, SELF);
    unlist(site, PEER);
    poll(site);
    assert_int_equal(stand(site, site->now_us).leases[FLEET_GONE], 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_not_listed),
        TEST(test_alone),
        PAIR_TEST(test_lease),
        PAIR_TEST(test_told_before),
        PAIR_TEST(test_beat),
        PAIR_TEST(test_acknowledged),
        PAIR_TEST(test_not_applied_yet),
        PAIR_TEST(test_left),
        PAIR_TEST(test_unsure),
        TEST(test_first),
        PAIR_TEST(test_dead),
        PAIR_TEST(test_watch),
        PAIR_TEST(test_watch_of_another_history),
        PAIR_TEST(test_dropped),
        PAIR_TEST(test_back),
        TEST(test_full_of_struck_off),
        TEST(test_full_of_others),
        PAIR_TEST(test_spread),
        PAIR_TEST(test_spread_to_struck_off),
        PAIR_TEST(test_marks),
        PAIR_TEST(test_marks_of_another_history),
        PAIR_TEST(test_standing),
        PAIR_TEST(test_standing_of_struck_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
