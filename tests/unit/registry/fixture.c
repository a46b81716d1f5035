/* A store in a folder of its own, and what the tests of the store share. */
#include "fixture.h"

#include <ftw.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct actor tester = {
    .kind = {"operator", 8},
    .id = {{7, 7}},
    .name = {"tester", 6},
    .address = {"192.0.2.1", 9},
    .request_id = {"request-1", 9},
    .action = {"test", 4},
    .now_s = 1000,
};

static const char *database_url(void) {
    return getenv("MINTD_TEST_POSTGRES");
}

const struct engine *engine_tested(void) {
    return database_url() == NULL ? &engine_sqlite : &engine_postgres;
}

/* Runs statements in the database of a URL; the first column of the first row goes to `ret_text`,
 * unless that is NULL. */
static void database_run(const char *url, const char *sql, size_t size, char *ret_text) {
    PGconn *pg = PQconnectdb(url);
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pg));
    if (ret_text != NULL)
        snprintf(ret_text, size, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(pg);
}

/* A schema of its own: cheaper than a database. */
static void schema_make(struct folder *folder) {
    static unsigned made;
    char sql[64];
    const char *address = strchr(database_url(), ':') + 1;
    snprintf(folder->path, sizeof(folder->path), "s%d_%u", (int)getpid(), ++made);
    snprintf(sql, sizeof(sql), "CREATE SCHEMA %.40s", folder->path);
    snprintf(folder->file, sizeof(folder->file), "%.90s?options=-csearch_path%%3D%.40s,public",
             address, folder->path);
    database_run(database_url(), sql, 0, NULL);
}

void folder_make(struct folder *folder) {
    if (!is_embedded()) {
        schema_make(folder);
        return;
    }
    snprintf(folder->path, sizeof(folder->path), "/tmp/mintd-registry-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->file, sizeof(folder->file), "%s/registry.db", folder->path);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status, (void)type, (void)walk;
    return remove(path);
}

void folder_remove(const struct folder *folder) {
    char sql[96];
    snprintf(sql, sizeof(sql), "DROP SCHEMA %s CASCADE", folder->path);
    if (is_embedded())
        assert_int_equal(nftw(folder->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    else
        database_run(database_url(), sql, 0, NULL);
}

/* The same as file_change and file_text do to a file. */
static void schema_run(const struct folder *folder, const char *sql, size_t size, char *ret_text) {
    char url[256], own[4096];
    struct buffer out = buffer_over(own, sizeof(own) - 1);
    for (const char *at = sql; *at != '\0'; at++) {
        bool is_bytes = at > sql && memcmp(at - 1, " x'", 3) == 0;
        buffer_put(&out, is_bytes ? "'\\x" : "");
        at += is_bytes ? 2 : 0;
        buffer_byte(&out, *at);
    }
    own[out.len] = '\0';
    assert_false(out.overflow);
    snprintf(url, sizeof(url), "postgresql:%s", folder->file);
    database_run(url, own, size, ret_text);
}

void store_open(struct store *store) {
    struct error error = {0};
    struct engine_options options = {store->folder.file, .is_writer = true, .may_create = true};
    store->shared = (struct session_shared){.is_writable = true};
    assert_ok(session_open(&store->writer, engine_tested(), &options, &store->shared, &error));
    assert_ok(schema_migrate(&store->writer, true, &error));
    options.is_writer = options.may_create = false;
    assert_ok(session_open(&store->reader, engine_tested(), &options, &store->shared, &error));
}

void store_close(struct store *store) {
    session_close(&store->reader);
    session_close(&store->writer);
}

void store_make(struct store *store) {
    folder_make(&store->folder);
    store_open(store);
}

void store_remove(struct store *store) {
    store_close(store);
    folder_remove(&store->folder);
}

int store_setup(void **state) {
    struct store *store = calloc(1, sizeof(*store));
    store_make(store);
    *state = store;
    return 0;
}

int store_teardown(void **state) {
    store_remove(*state);
    free(*state);
    return 0;
}

struct uuid id_of(uint32_t number) {
    struct uuid id = {0};
    memcpy(id.bytes, &number, sizeof(number));
    uuid_make_v4(&id);
    return id;
}

static sqlite3 *file_open(const struct folder *folder) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(folder->file, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    return db;
}

void file_change(const struct folder *folder, const char *sql) {
    if (!is_embedded()) {
        schema_run(folder, sql, 0, NULL);
        return;
    }
    sqlite3 *db = file_open(folder);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

const char *file_text(const struct folder *folder, const char *sql) {
    static char text[4096];
    if (!is_embedded()) {
        schema_run(folder, sql, sizeof(text), text);
        return text;
    }
    sqlite3 *db = file_open(folder);
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    snprintf(text, sizeof(text), "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return text;
}

int64_t file_number(const struct folder *folder, const char *sql) {
    return strtoll(file_text(folder, sql), NULL, 10);
}

void file_copy(const char *from, const char *to) {
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char block[8192];
    size_t len;
    assert_non_null(in);
    assert_non_null(out);
    while ((len = fread(block, 1, sizeof(block), in)) > 0)
        assert_int_equal(fwrite(block, 1, len, out), len);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

void assert_text_is(struct text text, const char *expected, const char *file, int line) {
    if (!text_equal(text, text_of(expected))) {
        print_error("\"%.*s\" is not \"%s\"\n", (int)text.len, text.at, expected);
        _fail(file, line);
    }
}

void make_org(struct store *store, const char *name, uint32_t id) {
    struct error error;
    struct org org = {.id = id_of(id), .name = text_of(name)}, made;
    uint64_t seq;
    assert_ok(store_org_create(&store->writer, &tester, &org, &made, &seq, &error));
}

void make_project(struct store *store, const char *name, uint32_t id) {
    struct error error;
    struct project project = {.id = id_of(id), .name = text_of(name)}, made;
    uint64_t seq;
    project.instance_id = id_of(id + 0x10000);
    assert_ok(
        store_project_create(&store->writer, &tester, TEXT("acme"), &project, &made, &seq, &error));
}

void make_service(struct store *store, const char *name, uint32_t id, const char *org_role) {
    struct error error;
    struct service made, service = {
                             .id = id_of(id),
                             .name = text_of(name),
                             .attributes = TEXT("{}"),
                             .policy = TEXT("{}"),
                             .org_role = text_of(org_role),
                         };
    uint64_t seq;
    assert_ok(store_service_create(&store->writer, &tester, TEXT("acme"), &service, TEXT(""),
                                   TEXT(""), &made, &seq, &error));
}

void make_token(struct store *store, const char *service, uint32_t id) {
    struct error error;
    struct token token = {.id = id_of(id), .kind = TOKEN_SERVICE};
    uint8_t hash[TOKEN_HASH_BYTES] = {(uint8_t)id, 1, 2};
    uint64_t seq;
    assert_ok(store_token_create(&store->writer, &tester, TEXT("acme"), text_of(service), &token,
                                 hash, &seq, &error));
}
