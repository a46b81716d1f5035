/* Disks that fail: what was acknowledged is there, and nothing is acknowledged that is not. */
#include <sqlite3.h>

#include "disk.h"
#include "fixture.h"

#define SYNCS 50
#define WRITES 60
#define SERVICES_MAX 128

/* A store whose every call may fail, and what it acknowledged. */
struct victim {
    struct store store;
    bool is_open;
    uint32_t made; /* next number */
    bool acknowledged[SERVICES_MAX];
};

static bool victim_open(struct victim *victim) {
    struct store *store = &victim->store;
    struct error error;
    struct engine_options options = {store->folder.file, .is_writer = true, .may_create = true};
    store->shared = (struct session_shared){.is_up = true, .is_writable = true};
    victim->is_open =
        session_open(&store->writer, &engine_sqlite, &options, &store->shared, &error) &&
        schema_migrate(&store->writer, true, &error);
    if (!victim->is_open)
        session_close(&store->writer);
    return victim->is_open;
}

static void victim_close(struct victim *victim) {
    session_close(&victim->store.writer);
    victim->is_open = false;
}

/* An org, large enough that the log is checkpointed every few of them. */
static bool victim_make(struct victim *victim, struct error *error) {
    static char large[40 * 1024];
    char name[16];
    memset(large, 'x', sizeof(large));
    snprintf(name, sizeof(name), "org-%u", victim->made);
    struct org made, org = {
                         .id = id_of(victim->made),
                         .name = text_of(name),
                         .display_name = {large, sizeof(large)},
                     };
    uint64_t seq;
    bool ok = store_org_create(&victim->store.writer, &tester, &org, &made, &seq, error);
    check(victim->made < SERVICES_MAX);
    victim->acknowledged[victim->made++] = ok;
    session_maintain(&victim->store.writer);
    return ok;
}

/* Opens what is there: whole, consistent, with all that was acknowledged. */
static void victim_check(struct victim *victim) {
    const struct folder *folder = &victim->store.folder;
    struct error error;
    uint64_t rows, bad;
    assert_true(victim_open(victim));
    for (uint32_t i = 0; i < victim->made; i++) {
        char name[16];
        struct org org;
        snprintf(name, sizeof(name), "org-%u", i);
        bool is_there = store_org_get(&victim->store.writer, text_of(name), &org, &error);
        if (victim->acknowledged[i] && !is_there)
            fail_msg("%s was acknowledged and is gone: %s", name, error_name(error.code));
    }
    assert_ok(store_audit_verify(&victim->store.writer, &rows, &bad, &error));
    assert_int_equal(bad, 0);
    assert_int_equal(rows, file_number(folder, "SELECT count(*) FROM orgs"));
    assert_int_equal(rows, file_number(folder, "SELECT count(*) FROM changes"));
    assert_int_equal(rows, file_number(folder, "SELECT seq FROM rev_counter"));
    assert_string_equal(file_text(folder, "PRAGMA integrity_check"), "ok");
    victim_close(victim);
}

/* Makes orgs until the disk fails, and then some more, which must all be refused. */
static void victim_run_until_failure(struct victim *victim) {
    struct error error;
    bool was_writable = true;
    while (!disk_has_failed() && victim->made < 60)
        if (!victim_make(victim, &error))
            assert_string_equal(error_name(error.code), "REGISTRY_READ_ONLY");
    assert_true(disk_has_failed());
    for (int i = 0; i < 3; i++) {
        assert_error(victim_make(victim, &error), REGISTRY_READ_ONLY);
        was_writable = atomic_load(&victim->store.shared.is_writable);
    }
    assert_false(was_writable);
    /* Reading goes on. */
    bool is_initialised;
    assert_ok(store_is_initialised(&victim->store.writer, &is_initialised, &error));
}

enum after { POWER_CUT, RESTART, RESTART_THEN_POWER_CUT, AFTERS };

static void fail_sync(uint32_t k, enum after after) {
    struct victim victim = {.made = 0};
    struct error error;
    folder_make(&victim.store.folder);
    disk_reset();
    disk_fail_sync(k);
    if (victim_open(&victim))
        victim_run_until_failure(&victim);
    assert_true(disk_has_failed());
    if (after == POWER_CUT)
        disk_freeze();
    victim_close(&victim);
    disk_fail_sync(0);
    if (after == POWER_CUT)
        disk_power_cut();
    if (after == RESTART_THEN_POWER_CUT) {
        /* The kernel's cache still shows what the disk never got. */
        assert_true(victim_open(&victim));
        for (int i = 0; i < 5; i++)
            assert_ok(victim_make(&victim, &error));
        disk_freeze();
        victim_close(&victim);
        disk_power_cut();
    }
    victim_check(&victim);
    folder_remove(&victim.store.folder);
}

static void test_sync_fails(void **state) {
    (void)state;
    for (uint32_t k = 1; k <= SYNCS; k++)
        for (enum after after = POWER_CUT; after < AFTERS; after++)
            fail_sync(k, after);
}

static void test_power_cut(void **state) {
    struct victim victim = {.made = 0};
    struct error error;
    (void)state;
    folder_make(&victim.store.folder);
    disk_reset();
    for (int round = 0; round < 20; round++) {
        assert_true(victim_open(&victim));
        for (int i = 0; i < 1 + round % 7; i++)
            assert_ok(victim_make(&victim, &error));
        if (round % 2 == 0)
            disk_freeze();
        victim_close(&victim);
        disk_power_cut();
        victim_check(&victim);
    }
    folder_remove(&victim.store.folder);
}

/* Full from the k-th write on: refused with the reason, and well again as soon as there is room. */
static void fail_full(uint32_t k) {
    struct victim victim = {.made = 0};
    struct error error = {0};
    folder_make(&victim.store.folder);
    disk_reset();
    assert_true(victim_open(&victim));
    assert_ok(victim_make(&victim, &error));
    disk_fail_write(k, SQLITE_FULL);
    while (victim_make(&victim, &error))
        assert_true(victim.made < 60);
    assert_string_equal(error_name(error.code), "REGISTRY_READ_ONLY");
    assert_string_equal(error.subject, "the disk is full");
    assert_error(victim_make(&victim, &error), REGISTRY_READ_ONLY);
    assert_false(atomic_load(&victim.store.shared.is_writable));
    disk_fail_write(0, SQLITE_OK);
    assert_ok(victim_make(&victim, &error));
    assert_true(atomic_load(&victim.store.shared.is_writable));
    victim_close(&victim);
    if (k % 2 == 0)
        disk_power_cut();
    victim_check(&victim);
    folder_remove(&victim.store.folder);
}

static void test_disk_full(void **state) {
    (void)state;
    for (uint32_t k = 1; k <= WRITES; k++)
        fail_full(k);
}

/* A write that fails for another reason is as bad as a sync that does. */
static void test_write_fails(void **state) {
    (void)state;
    for (uint32_t k = 1; k <= WRITES; k++) {
        struct victim victim = {.made = 0};
        struct error error = {0};
        folder_make(&victim.store.folder);
        disk_reset();
        assert_true(victim_open(&victim));
        disk_fail_write(k, SQLITE_IOERR_WRITE);
        while (victim_make(&victim, &error))
            assert_true(victim.made < 60);
        disk_fail_write(0, SQLITE_OK);
        assert_error(victim_make(&victim, &error), REGISTRY_READ_ONLY);
        assert_non_null(strstr(error.subject, "restart"));
        victim_close(&victim);
        victim_check(&victim);
        folder_remove(&victim.store.folder);
    }
}

/* What cannot be read says nothing about writing: away, and back when it can be read again. */
static void test_read_fails(void **state) {
    static const struct {
        int code;
        const char *name;
    } rows[] = {
        {SQLITE_IOERR_READ, "REGISTRY_AWAY"},
        {SQLITE_IOERR_NOMEM, "OVERLOADED"},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct victim victim = {.made = 0};
        struct error error = {0};
        struct org org;
        folder_make(&victim.store.folder);
        disk_reset();
        assert_true(victim_open(&victim));
        assert_ok(victim_make(&victim, &error));
        victim_close(&victim);
        assert_true(victim_open(&victim));
        disk_fail_read(rows[i].code);
        assert_false(store_org_get(&victim.store.writer, TEXT("org-0"), &org, &error));
        assert_string_equal(error_name(error.code), rows[i].name);
        disk_fail_read(SQLITE_OK);
        assert_ok(store_org_get(&victim.store.writer, TEXT("org-0"), &org, &error));
        victim_close(&victim);
        disk_fail_read(rows[i].code);
        assert_false(victim_open(&victim));
        disk_fail_read(SQLITE_OK);
        victim_check(&victim);
        folder_remove(&victim.store.folder);
    }
}

static void test_no_shared_memory(void **state) {
    struct victim victim = {.made = 0};
    struct error error;
    struct engine_options options = {.is_writer = true, .may_create = true};
    (void)state;
    folder_make(&victim.store.folder);
    options.address = victim.store.folder.file;
    disk_reset();
    disk_without_shared_memory();
    assert_error(
        session_open(&victim.store.writer, &engine_sqlite, &options, &victim.store.shared, &error),
        FIELD_VALUE);
    assert_non_null(strstr(error.subject, "write-ahead log"));
    folder_remove(&victim.store.folder);
}

static int install(void **state) {
    (void)state;
    disk_install();
    return 0;
}

static int uninstall(void **state) {
    (void)state;
    disk_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sync_fails), cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_disk_full),  cmocka_unit_test(test_write_fails),
        cmocka_unit_test(test_read_fails), cmocka_unit_test(test_no_shared_memory),
    };
    return cmocka_run_group_tests(tests, install, uninstall);
}
