/* A connection with what the store's functions need around it; of this layer only. */
#ifndef REGISTRY_SESSION_H
#define REGISTRY_SESSION_H

#include <stdatomic.h>

#include "base/memory.h"
#include "registry/engine.h"
#include "registry/types.h"

/* What all sessions of a registry know together. */
struct session_shared {
    _Atomic bool is_up;       /* the last call reached the store */
    _Atomic bool is_writable; /* the last change went through, or nothing was tried yet */
    /* Called with the counter after each change. Set before the first job. */
    void (*on_commit)(void *self, uint64_t seq);
    void *on_commit_self;
};

struct session {
    uint32_t magic;
    bool is_writer;
    const struct engine *engine;
    struct connection *connection;
    struct session_shared *shared;
    /* What the current call has read and written; forgotten when the next one begins. */
    struct arena arena;
    /* What the feed read last, and the engine's version then. */
    struct {
        uint64_t version;
        struct place place;
    } fed;
    uint64_t changed_epoch; /* of the counter that the last change got its number from */
};

/* False: nothing is open. */
must_check bool session_open(struct session *session, const struct engine *engine,
                             const struct engine_options *options, struct session_shared *shared,
                             struct error *ret_error);
void session_close(struct session *session); /* a zeroed one is fine */

/* One statement that reads is a transaction by itself, and one trip to a server. `each` may have
 * been called for the first rows where that gives false. */
must_check bool session_look(struct session *session, const struct query *query,
                             struct error *ret_error);
/* All other functions of the store are one transaction: `session_read(…) && …`, then session_end;
 * or session_write(…) && … && session_commit(…), and session_end where that gave false. */
must_check bool session_read(struct session *session, struct error *ret_error);
must_check bool session_write(struct session *session, struct error *ret_error);
/* Like session_write for statements that need no other: see TRANSACTION_EACH. */
must_check bool session_write_each(struct session *session, struct error *ret_error);
must_check bool session_commit(struct session *session, struct error *ret_error);
/* What is written changes what others remember: their processes are told once it is committed. */
void session_changing(struct session *session);
/* Drops the snapshot, or what was written and not committed. Gives `ok` back. */
bool session_end(struct session *session, bool ok);

/* What the engine put off until a change is answered. */
void session_maintain(struct session *session);

/* The parameters of a statement: PARAMETERS(value_text(name), value_number(7)). */
#define PARAMETERS(...) \
    (const struct value[]){__VA_ARGS__}, \
        sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value)
#define NO_PARAMETERS NULL, 0

/* Calls `each` per row until it returns false; it must not use the session. */
must_check bool session_each(struct session *session, const struct query *query,
                             struct error *ret_error);
/* Runs a statement that gives no rows. */
must_check bool session_do(struct session *session, enum statement statement,
                           const struct value *parameters, size_t count, struct error *ret_error);
/* Runs statements of the schema. */
must_check bool session_script(struct session *session, const char *sql, struct error *ret_error);
/* The first row, kept in the session's arena; NULL if there is none. */
must_check bool session_row(struct session *session, enum statement statement,
                            const struct value *parameters, size_t count,
                            const struct row **ret_row, struct error *ret_error);
/* The same where there must be one: else NOT_FOUND with `noun`. */
must_check bool session_found(struct session *session, enum statement statement,
                              const struct value *parameters, size_t count, const char *noun,
                              const struct row **ret_row, struct error *ret_error);

#endif
