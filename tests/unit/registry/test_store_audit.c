/* The audit record: what a row says, how it is listed, and that no row can be changed unseen. */
#include "fixture.h"

static void make_rows(struct store *store) {
    make_org(store, "acme", 1);
    make_project(store, "web", 2);
    make_service(store, "gateway", 3, "viewer");
    make_token(store, "gateway", 4);
}

struct rows {
    uint64_t ids[16];
    size_t count;
    size_t stop_at;
};

static bool row_each(void *self, const struct audit_row *row) {
    struct rows *rows = self;
    rows->ids[rows->count++] = row->id;
    return rows->count != rows->stop_at;
}

static struct rows list(struct store *store, const struct uuid *org, uint64_t before,
                        uint32_t limit) {
    struct error error;
    struct rows rows = {0};
    assert_ok(store_audit_list(&store->reader, org, before, limit, row_each, &rows, &error));
    return rows;
}

static bool first_row(void *self, const struct audit_row *row) {
    assert_int_equal(row->id, 1);
    assert_int_equal(row->at_s, 1000);
    assert_text(row->actor_kind, "operator");
    assert_text(row->actor_id, "07070000-0000-0000-0000-000000000000");
    assert_text(row->actor_name, "tester");
    assert_text(row->address, "192.0.2.1");
    assert_text(row->request_id, "request-1");
    assert_text(row->action, "test");
    assert_text(row->target, "org acme");
    assert_text(row->before, "");
    assert_text(row->after, "{\"name\":\"acme\",\"displayName\":\"\"}");
    *(bool *)self = true;
    return true;
}

static void test_row(void **state) {
    struct store *store = *state;
    struct error error;
    bool is_seen = false;
    make_org(store, "acme", 1);
    assert_ok(store_audit_list(&store->reader, NULL, 0, 10, first_row, &is_seen, &error));
    assert_true(is_seen);
}

static void test_list(void **state) {
    struct store *store = *state;
    struct error error;
    make_rows(store);
    make_org(store, "other", 5);
    struct uuid acme = id_of(1), other = id_of(5), none = id_of(6);
    struct rows rows = list(store, NULL, 0, 100);
    assert_int_equal(rows.count, 5);
    assert_int_equal(rows.ids[0], 5);
    assert_int_equal(rows.ids[4], 1);
    rows = list(store, &acme, 0, 100);
    assert_int_equal(rows.count, 4);
    assert_int_equal(rows.ids[0], 4);
    rows = list(store, &acme, 3, 1);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.ids[0], 2);
    assert_int_equal(list(store, NULL, 3, 100).count, 2);
    assert_int_equal(list(store, NULL, UINT64_MAX, 100).count, 5);
    assert_int_equal(list(store, &other, 0, 100).count, 1);
    assert_int_equal(list(store, &none, 0, 100).count, 0);
    struct rows two = {.stop_at = 2};
    assert_ok(store_audit_list(&store->reader, NULL, 0, 100, row_each, &two, &error));
    assert_int_equal(two.count, 2);
}

static void test_note(void **state) {
    struct store *store = *state;
    struct error error;
    struct uuid acme = id_of(1);
    struct actor nobody = {.kind = TEXT("system"), .action = TEXT("keys.rotate"), .now_s = 5};
    make_rows(store);
    assert_ok(store_audit_note(&store->writer, &tester, &acme, TEXT("refused: no role"), &error));
    assert_int_equal(list(store, &acme, 0, 1).ids[0], 5);
    /* Not of any org, by nobody with a token. */
    assert_ok(store_audit_note(&store->writer, &nobody, NULL, TEXT("keys"), &error));
    assert_string_equal(file_text(&store->folder, "SELECT actor_id FROM audit WHERE id = 6"), "");
    assert_int_equal(list(store, &acme, 0, 100).count, 5);
    assert_int_equal(file_number(&store->folder, "SELECT seq FROM rev_counter"), 4);
    assert_int_equal(file_number(&store->folder, "SELECT seq FROM audit WHERE id = 5"), 0);
}

static uint64_t bad_id(struct store *store, uint64_t expected_rows) {
    struct error error;
    uint64_t rows = 99, bad = 99;
    assert_ok(store_audit_verify(&store->reader, &rows, &bad, &error));
    assert_int_equal(rows, expected_rows);
    return bad;
}

static void test_chain_holds(void **state) {
    struct store *store = *state;
    assert_int_equal(bad_id(store, 0), 0);
    make_rows(store);
    assert_int_equal(bad_id(store, 4), 0);
    store_close(store);
    store_open(store);
    make_org(store, "other", 9);
    assert_int_equal(bad_id(store, 5), 0);
}

/* Every column of a row in the middle. */
static void test_changed_row(void **state) {
    struct store *store = *state;
    static const char *const edits[] = {
        "seq = 9",
        "at = 1",
        "org_id = x'00'",
        "actor_kind = 'x'",
        "actor_id = 'x'",
        "actor_name = 'x'",
        "address = 'x'",
        "request_id = 'x'",
        "action = 'x'",
        "target = 'x'",
        "before_json = 'x'",
        "after_json = 'x'",
        "hash = x'00'",
        /* The same bytes in another place. */
        "action = action || substr(target, 1, 1), target = substr(target, 2)",
    };
    make_rows(store);
    for (size_t i = 0; i < array_count(edits); i++) {
        char sql[256];
        snprintf(sql, sizeof(sql),
                 "CREATE TABLE kept AS SELECT * FROM audit WHERE id = 2;"
                 "UPDATE audit SET %s WHERE id = 2",
                 edits[i]);
        file_change(&store->folder, sql);
        assert_int_equal(bad_id(store, 1), 2);
        file_change(&store->folder, "DELETE FROM audit WHERE id = 2;"
                                    "INSERT INTO audit SELECT * FROM kept; DROP TABLE kept");
        assert_int_equal(bad_id(store, 4), 0);
    }
}

static void test_removed_row(void **state) {
    struct store *store = *state;
    make_rows(store);
    file_change(&store->folder, "DELETE FROM audit WHERE id = 2");
    assert_int_equal(bad_id(store, 1), 3);
    /* Not to be hidden by giving the others new numbers, either. */
    file_change(&store->folder, "UPDATE audit SET id = id - 1 WHERE id > 2");
    assert_int_equal(bad_id(store, 1), 2);
}

static void test_first_row_removed(void **state) {
    struct store *store = *state;
    make_rows(store);
    file_change(&store->folder, "DELETE FROM audit WHERE id = 1");
    assert_int_equal(bad_id(store, 0), 2);
}

static void test_truncated(void **state) {
    struct store *store = *state;
    make_rows(store);
    file_change(&store->folder, "DELETE FROM audit WHERE id >= 3");
    assert_int_equal(bad_id(store, 2), 3);
    file_change(&store->folder, "DELETE FROM audit");
    assert_int_equal(bad_id(store, 0), 1);
}

/* The count or hash that is kept apart does not fit. */
static void test_end_is_elsewhere(void **state) {
    struct store *store = *state;
    make_rows(store);
    file_change(&store->folder, "UPDATE meta SET bytes = x'00' WHERE name = 'audit'");
    assert_int_equal(bad_id(store, 4), 4);
    file_change(&store->folder, "UPDATE meta SET number = 2 WHERE name = 'audit'");
    assert_int_equal(bad_id(store, 4), 3);
    file_change(&store->folder, "DELETE FROM meta WHERE name = 'audit'");
    assert_int_equal(bad_id(store, 4), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_row, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_list, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_note, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_chain_holds, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_changed_row, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_removed_row, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_first_row_removed, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_truncated, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_end_is_elsewhere, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
