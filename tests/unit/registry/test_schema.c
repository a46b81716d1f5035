/* Migrations: from nothing, from the version before, from a newer one, and by several at once. */
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

/* The engine with other migrations than it has. */
static struct engine engine_with(const char *const *migrations, size_t count) {
    struct engine engine = engine_sqlite;
    engine.migrations = migrations;
    engine.migration_count = count;
    return engine;
}

static bool open_with(const struct engine *engine, const struct folder *folder, bool may_create,
                      struct error *error) {
    static struct session_shared shared;
    struct session session = {0};
    struct engine_options options = {folder->file, .is_writer = true, .may_create = may_create};
    bool ok = session_open(&session, engine, &options, &shared, error) &&
              schema_migrate(&session, may_create, error);
    session_close(&session);
    return ok;
}

static int64_t version(const struct folder *folder) {
    return file_number(folder, "SELECT number FROM meta WHERE name = 'schema'");
}

static void test_from_nothing(void **state) {
    struct store *store = *state;
    assert_int_equal(version(&store->folder), engine_sqlite.migration_count);
    int64_t epoch = file_number(&store->folder, "SELECT log_epoch FROM rev_counter");
    assert_true(epoch > 0);
    store_close(store);
    store_open(store);
    assert_int_equal(version(&store->folder), engine_sqlite.migration_count);
    assert_true(file_number(&store->folder, "SELECT log_epoch FROM rev_counter") == epoch);
}

static void test_from_each_version_before(void **state) {
    size_t count = engine_sqlite.migration_count;
    (void)state;
    for (size_t from = 1; from <= count; from++) {
        const char *more[32];
        struct folder folder;
        struct error error;
        memcpy(more, engine_sqlite.migrations, count * sizeof(more[0]));
        more[count] = "CREATE TABLE next (id BIGINT PRIMARY KEY); INSERT INTO next VALUES (7)";
        struct engine older = engine_with(more, from), newer = engine_with(more, count + 1);
        folder_make(&folder);
        assert_ok(open_with(&older, &folder, true, &error));
        assert_int_equal(version(&folder), from);
        file_change(&folder, "INSERT INTO orgs VALUES (x'01', 'acme', '', 1, 1)");
        assert_ok(open_with(&newer, &folder, false, &error));
        assert_int_equal(version(&folder), count + 1);
        assert_int_equal(file_number(&folder, "SELECT id FROM next"), 7);
        assert_string_equal(file_text(&folder, "SELECT name FROM orgs"), "acme");
        folder_remove(&folder);
    }
}

static void test_step_that_fails_leaves_nothing(void **state) {
    struct store *store = *state;
    struct error error;
    const char *more[32];
    size_t count = engine_sqlite.migration_count;
    memcpy(more, engine_sqlite.migrations, count * sizeof(more[0]));
    more[count] = "CREATE TABLE half (id BIGINT); INSERT INTO nowhere VALUES (1)";
    struct engine newer = engine_with(more, count + 1);
    assert_error(open_with(&newer, &store->folder, false, &error), INTERNAL);
    assert_int_equal(version(&store->folder), count);
    assert_int_equal(
        file_number(&store->folder, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
    make_org(store, "acme", 1);
}

static void test_newer_is_refused(void **state) {
    struct store *store = *state;
    struct error error;
    file_change(&store->folder, "UPDATE meta SET number = 99 WHERE name = 'schema'");
    assert_error(open_with(&engine_sqlite, &store->folder, true, &error), FIELD_VALUE);
    assert_non_null(strstr(error.subject, "version 99"));
    assert_non_null(strstr(error.subject, "newer mintd"));
    assert_int_equal(version(&store->folder), 99);
}

static void test_not_made_unless_asked(void **state) {
    struct folder folder;
    struct error error;
    (void)state;
    folder_make(&folder);
    assert_error(open_with(&engine_sqlite, &folder, false, &error), FIELD_VALUE);
    assert_non_null(strstr(error.subject, "mintd init"));
    assert_int_not_equal(access(folder.file, F_OK), 0);
    /* Made, but the process died before the first step. */
    file_change(&folder, "PRAGMA application_id = 1835626100");
    assert_error(open_with(&engine_sqlite, &folder, false, &error), FIELD_VALUE);
    assert_non_null(strstr(error.subject, "mintd init"));
    assert_ok(open_with(&engine_sqlite, &folder, true, &error));
    folder_remove(&folder);
}

static void test_several_at_once(void **state) {
    struct folder folder;
    pid_t children[6];
    (void)state;
    folder_make(&folder);
    for (size_t i = 0; i < array_count(children); i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct error error;
            _exit(open_with(&engine_sqlite, &folder, true, &error) ? 0 : 1);
        }
    }
    for (size_t i = 0; i < array_count(children); i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(version(&folder), engine_sqlite.migration_count);
    assert_int_equal(file_number(&folder, "SELECT count(*) FROM rev_counter"), 1);
    folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_from_nothing, store_setup, store_teardown),
        cmocka_unit_test(test_from_each_version_before),
        cmocka_unit_test_setup_teardown(test_step_that_fails_leaves_nothing, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_newer_is_refused, store_setup, store_teardown),
        cmocka_unit_test(test_not_made_unless_asked),
        cmocka_unit_test(test_several_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
