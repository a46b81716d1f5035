/* Replicas: listed, reporting, struck off by others, leaving. */
#include "fixture.h"

static struct replica rows[REPLICAS_MAX];
static size_t count;
static struct feed feed;

static void list(struct store *store) {
    struct error error;
    count = SIZE_MAX;
    assert_ok(store_replica_look(&store->reader, &(struct place){0}, &feed, rows, &count, &error));
}

static struct replica add(struct store *store, uint32_t number) {
    struct error error;
    struct replica replica = {.id = id_of(number), .seen_s = 1000};
    snprintf(replica.name, sizeof(replica.name), "host-%02u", number);
    assert_ok(store_replica_add(&store->writer, &replica, &error));
    return replica;
}

static struct place place_now(struct store *store) {
    struct error error;
    assert_ok(store_feed(&store->reader, &(struct place){0}, &feed, &error));
    return (struct place){feed.epoch, feed.seq, feed.mark};
}

static void test_listed(void **state) {
    struct store *store = *state;
    list(store);
    assert_int_equal(count, 0);
    make_org(store, "acme", 1);
    make_org(store, "other", 2);
    struct replica second = add(store, 2), first = add(store, 1);
    list(store);
    assert_int_equal(count, 2);
    assert_memory_equal(&rows[0].id, &first.id, UUID_BYTES);
    assert_memory_equal(&rows[1].id, &second.id, UUID_BYTES);
    assert_string_equal(rows[1].name, "host-02");
    assert_int_equal(rows[1].seen_s, 1000);
    assert_int_equal(rows[1].acked_seq, 2); /* what it has not cached is not cut */
    assert_int_equal(rows[1].beat, 0);
}

static void test_look(void **state) {
    struct store *store = *state;
    struct error error;
    struct replica replica = add(store, 1);
    struct place before = place_now(store);
    make_org(store, "acme", 1);
    assert_ok(store_replica_look(&store->reader, &before, &feed, rows, &count, &error));
    assert_int_equal(count, 1);
    assert_memory_equal(&rows[0].id, &replica.id, UUID_BYTES);
    assert_int_equal(feed.count, 1);
    assert_int_equal(feed.seq, 1);
    struct place now = {feed.epoch, feed.seq, feed.mark};
    assert_ok(store_replica_look(&store->reader, &now, &feed, rows, &count, &error));
    assert_int_equal(count, 1);
    assert_int_equal(feed.count, 0);
}

static void test_report(void **state) {
    struct store *store = *state;
    struct error error;
    struct replica replica = add(store, 1);
    make_org(store, "acme", 1);
    struct place place = place_now(store);
    assert_ok(store_replica_report(&store->writer, &replica.id, &place, 1005, &error));
    assert_ok(store_replica_report(&store->writer, &replica.id, &place, 1006, &error));
    list(store);
    assert_int_equal(rows[0].acked_seq, 1);
    assert_int_equal(rows[0].beat, 2);
    assert_int_equal(rows[0].seen_s, 1006);
    struct uuid nobody = id_of(9);
    assert_error(store_replica_report(&store->writer, &nobody, &place, 1007, &error), NOT_FOUND);
}

/* What was applied of another history says nothing of this one. */
static void test_report_of_another_history(void **state) {
    struct store *store = *state;
    struct error error;
    struct replica replica = add(store, 1);
    make_org(store, "acme", 1);
    const struct place now = place_now(store);
    struct place places[] = {now, now, now};
    places[0].epoch++;
    places[1].seq++;
    places[2].mark++;
    for (size_t i = 0; i < 3; i++)
        assert_error(store_replica_report(&store->writer, &replica.id, &places[i], 1005, &error),
                     NOT_FOUND);
    list(store);
    assert_int_equal(rows[0].acked_seq, 0);
    assert_int_equal(rows[0].beat, 0);
}

static void test_drop(void **state) {
    struct store *store = *state;
    struct error error;
    struct replica self = add(store, 1), dead = add(store, 2);
    const struct place place = place_now(store);
    const struct replica stranger = {.id = id_of(3)};
    struct replica self_before = self; /* an earlier row of its: it was struck off since */
    self_before.beat = self.beat - 1 - REPLICA_BEATS_BETWEEN;
    assert_ok(store_replica_drop(&store->writer, &stranger, &place, &dead, &error));
    assert_ok(store_replica_drop(&store->writer, &self_before, &place, &dead, &error));
    list(store);
    assert_int_equal(count, 2);
    assert_ok(store_replica_report(&store->writer, &dead.id, &place, 1005, &error));
    assert_ok(store_replica_drop(&store->writer, &self, &place, &dead, &error)); /* it has moved */
    list(store);
    assert_int_equal(count, 2);
    dead = rows[1];
    const struct place elsewhere = {place.epoch + 1, place.seq, place.mark};
    assert_error(store_replica_drop(&store->writer, &self, &elsewhere, &dead, &error), NOT_FOUND);
    assert_ok(store_replica_report(&store->writer, &self.id, &place, 1005, &error));
    assert_ok(store_replica_drop(&store->writer, &self, &place, &dead, &error));
    list(store);
    assert_int_equal(count, 1);
    assert_memory_equal(&rows[0].id, &self.id, UUID_BYTES);
}

static void test_remove(void **state) {
    struct store *store = *state;
    struct error error;
    struct replica replica = add(store, 1);
    add(store, 2);
    assert_ok(store_replica_remove(&store->writer, &replica.id, &error));
    assert_ok(store_replica_remove(&store->writer, &replica.id, &error));
    list(store);
    assert_int_equal(count, 1);
}

/* Once it is listed it may have cached what was cut since: listing it again must not acknowledge
 * that. */
static void test_listed_twice(void **state) {
    struct store *store = *state;
    struct error error;
    struct replica replica = add(store, 1);
    make_org(store, "acme", 1);
    replica.beat = 77;
    assert_error(store_replica_add(&store->writer, &replica, &error), NAME_TAKEN);
    list(store);
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].beat, 0);
    assert_int_equal(rows[0].acked_seq, 0);
}

static void test_limit(void **state) {
    struct store *store = *state;
    struct error error;
    for (uint32_t i = 0; i < REPLICAS_MAX - 1; i++)
        add(store, i);
    struct replica last = add(store, REPLICAS_MAX - 1);
    struct replica more = {.id = id_of(REPLICAS_MAX), .name = "one too many"};
    assert_error(store_replica_add(&store->writer, &more, &error), OVERLOADED);
    list(store);
    assert_int_equal(count, REPLICAS_MAX);
    assert_ok(store_replica_remove(&store->writer, &last.id, &error));
    assert_ok(store_replica_add(&store->writer, &more, &error));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_listed, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_look, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_report, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_report_of_another_history, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_drop, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_remove, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_listed_twice, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_limit, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
