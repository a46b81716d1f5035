/* The feed: what was cut behind a cursor, and when everything must go. */
#include "fixture.h"

static struct feed feed;

static void poll(struct session *session, uint64_t epoch, uint64_t cursor) {
    struct error error;
    const struct place from = {epoch, cursor, 0};
    memset(&feed, 0xEE, sizeof(feed));
    assert_ok(store_feed(session, &from, &feed, &error));
}

static uint64_t first_poll(struct store *store) {
    poll(&store->reader, 0, 0);
    assert_true(feed.is_flush);
    assert_int_equal(feed.count, 0);
    return feed.epoch;
}

static void test_changes_in_order(void **state) {
    struct store *store = *state;
    uint64_t epoch = first_poll(store);
    assert_true(epoch > 0 && epoch <= INT64_MAX);
    make_org(store, "acme", 1);
    make_project(store, "web", 2);
    make_service(store, "gateway", 3, "viewer");
    poll(&store->reader, epoch, 0);
    assert_false(feed.is_flush);
    assert_int_equal(feed.seq, 3);
    assert_int_equal(feed.count, 3);
    static const enum scope_kind kinds[] = {SCOPE_ORG, SCOPE_PROJECT, SCOPE_SERVICE};
    for (uint32_t i = 0; i < 3; i++) {
        struct uuid id = id_of(i + 1);
        assert_int_equal(feed.changes[i].seq, i + 1);
        assert_int_equal(feed.changes[i].scope.kind, kinds[i]);
        assert_true(uuid_equal(&feed.changes[i].scope.id, &id));
    }
    poll(&store->reader, epoch, 2);
    assert_int_equal(feed.count, 1);
    assert_int_equal(feed.changes[0].seq, 3);
}

/* Both sessions, since only the reader can go by the engine's version. */
static void test_nothing_new(void **state) {
    struct store *store = *state;
    struct session *sessions[] = {&store->reader, &store->writer};
    make_org(store, "acme", 1);
    uint64_t epoch = first_poll(store);
    for (size_t i = 0; i < 2; i++)
        for (int again = 0; again < 3; again++) {
            poll(sessions[i], epoch, 1);
            assert_false(feed.is_flush);
            assert_int_equal(feed.count, 0);
            assert_int_equal(feed.seq, 1);
            assert_true(feed.epoch == epoch);
        }
    /* A cursor of the past gets its changes, though the version stayed. */
    poll(&store->reader, epoch, 0);
    assert_int_equal(feed.count, 1);
}

static unsigned queries;

static bool counting_query(struct connection *connection, const struct query *query,
                           struct error *ret_error) {
    queries++;
    return engine_sqlite.query(connection, query, ret_error);
}

/* A poll without news reads no table. */
static void test_nothing_new_costs_little(void **state) {
    struct store *store = *state;
    if (!is_embedded())
        skip(); /* a server is asked for the counter */
    struct engine counting = engine_sqlite;
    counting.query = counting_query;
    store->reader.engine = &counting;
    make_org(store, "acme", 1);
    uint64_t epoch = first_poll(store);
    struct place from = {epoch, 1, feed.mark};
    struct error error;
    queries = 0;
    for (int i = 0; i < 5; i++)
        assert_ok(store_feed(&store->reader, &from, &feed, &error));
    assert_int_equal(queries, 0);
    make_org(store, "other", 2);
    assert_ok(store_feed(&store->reader, &from, &feed, &error));
    assert_int_equal(feed.count, 1);
    assert_int_equal(queries, 2);
    store->reader.engine = &engine_sqlite;
}

static void test_each_commit_is_seen(void **state) {
    struct store *store = *state;
    uint64_t epoch = first_poll(store);
    for (uint32_t i = 1; i <= 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "org-%u", i);
        make_org(store, name, i);
        struct session *session = i % 3 == 0 ? &store->writer : &store->reader;
        poll(session, epoch, i - 1);
        assert_int_equal(feed.count, 1);
        assert_int_equal(feed.seq, i);
    }
}

static void test_another_process_is_seen(void **state) {
    struct store *store = *state;
    make_org(store, "acme", 1);
    uint64_t epoch = first_poll(store);
    poll(&store->reader, epoch, 1);
    file_change(&store->folder, "UPDATE rev_counter SET seq = 2;"
                                "INSERT INTO changes VALUES (2, 1, x'00', 5)");
    poll(&store->reader, epoch, 1);
    assert_int_equal(feed.count, 1);
    assert_int_equal(feed.changes[0].scope.kind, SCOPE_TOKEN);
}

static void make_two(struct store *store) {
    make_org(store, "acme", 1);
    make_org(store, "other", 2);
}

static bool is_forked(struct session *session, struct place from) {
    struct error error;
    assert_ok(store_feed(session, &from, &feed, &error));
    assert_true(feed.is_foreign && feed.is_flush);
    return feed.is_forked;
}

/* A backup was restored: the counter is not there yet, or another change has that number. */
static void test_two_histories_in_one_epoch(void **state) {
    struct store *store = *state;
    make_two(store);
    const struct place here = {first_poll(store), 2, feed.mark};
    assert_true(is_forked(&store->reader, (struct place){here.epoch, 3, 5}));
    assert_true(is_forked(&store->reader, (struct place){here.epoch, 2, here.mark ^ 1}));
    assert_true(is_forked(&store->reader, (struct place){here.epoch, 1, 5}));
    assert_false(is_forked(&store->reader, (struct place){here.epoch + 1, 3, 5}));
    assert_false(is_forked(&store->reader, (struct place){0}));
}

/* What was trimmed away tells nothing of the history. */
static void test_trimmed_is_no_other_history(void **state) {
    struct store *store = *state;
    if (!is_embedded())
        skip();
    make_two(store);
    const struct place here = {first_poll(store), 2, feed.mark};
    poll(&store->reader, here.epoch, 1);
    make_org(store, "third", 3);
    file_change(&store->folder, "DELETE FROM changes WHERE seq < 3");
    assert_false(is_forked(&store->reader, here));
}

static void test_epoch_ends_once(void **state) {
    struct store *store = *state;
    struct error error;
    make_org(store, "acme", 1);
    uint64_t epoch = first_poll(store);
    const struct place before = {epoch, 1, feed.mark};
    assert_ok(store_epoch_end(&store->writer, epoch, 77, &error));
    assert_ok(store_epoch_end(&store->writer, epoch, 78, &error));
    assert_int_equal(first_poll(store), 77);
    assert_int_equal(feed.seq, 1);
    assert_false(is_forked(&store->reader, before));
}

static void insert_changes(struct store *store, int from, int to) {
    char sql[256];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO changes SELECT i, 2, x'00', 5 FROM n; UPDATE rev_counter SET seq = %d",
             from, to, to);
    file_change(&store->folder, sql);
}

static void test_limit(void **state) {
    struct store *store = *state;
    uint64_t epoch = first_poll(store);
    insert_changes(store, 1, FEED_CHANGES_MAX - 1);
    poll(&store->reader, epoch, 0);
    assert_int_equal(feed.count, FEED_CHANGES_MAX - 1);
    insert_changes(store, FEED_CHANGES_MAX, FEED_CHANGES_MAX);
    poll(&store->reader, epoch, 0);
    assert_false(feed.is_flush);
    assert_int_equal(feed.count, FEED_CHANGES_MAX);
    assert_int_equal(feed.changes[FEED_CHANGES_MAX - 1].seq, FEED_CHANGES_MAX);
    insert_changes(store, FEED_CHANGES_MAX + 1, FEED_CHANGES_MAX + 1);
    poll(&store->reader, epoch, 0);
    assert_true(feed.is_flush);
    assert_int_equal(feed.count, 0);
    assert_int_equal(feed.seq, FEED_CHANGES_MAX + 1);
    poll(&store->reader, epoch, 1);
    assert_int_equal(feed.count, FEED_CHANGES_MAX);
}

static void test_trimmed(void **state) {
    struct store *store = *state;
    uint64_t epoch = first_poll(store);
    insert_changes(store, 1, 102399);
    make_org(store, "acme", 1); /* seq 102400, a multiple of 1024 */
    assert_int_equal(file_number(&store->folder, "SELECT min(seq) FROM changes"), 2401);
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM changes"), 100000);
    poll(&store->reader, epoch, 102399);
    assert_int_equal(feed.count, 1);
    /* Rows that are not there any more, for whatever reason, are not passed over. */
    file_change(&store->folder, "DELETE FROM changes WHERE seq = 102398");
    poll(&store->reader, epoch, 102390);
    assert_true(feed.is_flush);
    assert_int_equal(feed.count, 0);
}

/* A file that somebody edited: more rows than the counter tells of. */
static void test_rows_without_end(void **state) {
    struct store *store = *state;
    uint64_t epoch = first_poll(store);
    insert_changes(store, 1, 300);
    file_change(&store->folder, "UPDATE rev_counter SET seq = 10");
    poll(&store->reader, epoch, 0);
    assert_true(feed.is_flush);
    assert_int_equal(feed.count, 0);
}

/* The file of yesterday put back: the counter goes back, or the epoch is another one. */
static void test_restored_backup(void **state) {
    struct store *store = *state;
    char backup[256];
    if (!is_embedded())
        skip();
    make_org(store, "acme", 1);
    store_close(store);
    snprintf(backup, sizeof(backup), "%s/backup", store->folder.path);
    file_copy(store->folder.file, backup);
    store_open(store);
    make_org(store, "other", 2);
    uint64_t epoch = first_poll(store);
    assert_int_equal(feed.seq, 2);
    store_close(store);
    file_copy(backup, store->folder.file);
    store_open(store);
    poll(&store->reader, epoch, 2);
    assert_true(feed.is_flush);
    assert_int_equal(feed.seq, 1);
    file_change(&store->folder, "UPDATE rev_counter SET log_epoch = 5, seq = 2");
    poll(&store->reader, epoch, 2);
    assert_true(feed.is_flush);
    assert_int_equal(feed.epoch, 5);
}

/* A backup put back that has gone on to the same number, or beyond: what stands there tells. */
static void test_restored_backup_that_went_on(void **state) {
    struct store *store = *state;
    struct error error;
    make_org(store, "acme", 1);
    make_org(store, "other", 2);
    uint64_t epoch = first_poll(store);
    const struct place place = {epoch, 2, feed.mark};
    assert_true(feed.mark != 0);
    assert_ok(store_feed(&store->reader, &place, &feed, &error));
    assert_false(feed.is_flush);
    file_change(&store->folder, "UPDATE changes SET scope_id = x'77777777777777777777777777777777'"
                                " WHERE seq = 2");
    assert_ok(store_feed(&store->reader, &place, &feed, &error));
    assert_true(feed.is_flush && feed.is_foreign);
    make_org(store, "third", 3);
    assert_ok(store_feed(&store->reader, &place, &feed, &error));
    assert_true(feed.is_flush && feed.is_foreign);
    const struct place now = {epoch, 3, feed.mark};
    make_org(store, "fourth", 4);
    assert_ok(store_feed(&store->reader, &now, &feed, &error));
    assert_false(feed.is_flush || feed.is_foreign);
    assert_int_equal(feed.count, 1);
}

static void test_epochs_differ(void **state) {
    struct store *store = *state;
    struct store other;
    store_make(&other);
    assert_true(first_poll(store) != first_poll(&other));
    store_remove(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_changes_in_order, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_new, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_new_costs_little, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_each_commit_is_seen, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_another_process_is_seen, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_limit, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_trimmed, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_rows_without_end, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_restored_backup, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_restored_backup_that_went_on, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_two_histories_in_one_epoch, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_trimmed_is_no_other_history, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_epoch_ends_once, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_epochs_differ, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
