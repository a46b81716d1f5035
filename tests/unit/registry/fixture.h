/* A store in a folder of its own, and what the tests of the store share. */
#ifndef UNIT_REGISTRY_FIXTURE_H
#define UNIT_REGISTRY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "registry/schema.h"
#include "registry/store.h"

/* The engine under test: SQLite, or PostgreSQL where MINTD_TEST_POSTGRES is the URL of a database;
 * tests of the store run with both (on_postgres.py). */
const struct engine *engine_tested(void);
static inline bool is_embedded(void) {
    return engine_tested() == &engine_sqlite;
}

/* Where a store is: a folder, or a schema of the database. */
struct folder {
    char path[64];
    char file[192]; /* the engine's address: registry.db in the folder, or the database's */
};
void folder_make(struct folder *folder);
void folder_remove(const struct folder *folder);

/* The store with one session that writes and one that reads. */
struct store {
    struct folder folder;
    struct session_shared shared;
    struct session writer;
    struct session reader;
};
/* In a new folder, fresh. */
void store_make(struct store *store);
/* Opens and closes the sessions on the file that is there. */
void store_open(struct store *store);
void store_close(struct store *store);
/* Closes, and removes the folder. */
void store_remove(struct store *store);

/* cmocka's setup and teardown for tests whose state is a struct store. */
int store_setup(void **state);
int store_teardown(void **state);

/* Who makes the changes; now_s is 1000. */
extern const struct actor tester;
/* An id, the same for the same number. */
struct uuid id_of(uint32_t number);

/* Past the engine, as somebody who edits the file would: statements, with x'00' for bytes, and the
 * first column of the first row. */
void file_change(const struct folder *folder, const char *sql);
int64_t file_number(const struct folder *folder, const char *sql);
/* The first column as text; valid until the next call. */
const char *file_text(const struct folder *folder, const char *sql);

/* Copies a file whole. */
void file_copy(const char *from, const char *to);

#define assert_text(text, literal) assert_text_is(text, literal, __FILE__, __LINE__)
void assert_text_is(struct text text, const char *expected, const char *file, int line);
/* A call of the store, which gives its error in the caller's variable `error`. */
#define assert_ok(call) \
    do { \
        if (!(call)) \
            fail_msg("%s: %s %s", #call, error_name(error.code), error.subject); \
    } while (0)
#define assert_error(call, expected) \
    do { \
        assert_false(call); \
        assert_string_equal(error_name(error.code), #expected); \
    } while (0)

/* An org, a project in "acme" or a service there with an org role; ids as id_of gives them. */
void make_org(struct store *store, const char *name, uint32_t id);
void make_project(struct store *store, const char *name, uint32_t id);
void make_service(struct store *store, const char *name, uint32_t id, const char *org_role);
/* A token of a service in "acme". */
void make_token(struct store *store, const char *service, uint32_t id);

#endif
