/* A connection with what the store's functions need around it: transactions, rows, health. */
#include "registry/session.h"

#include <stdlib.h>

#define SESSION_MAGIC 0x5E5510A1U
/* One row and the JSON of one change, at most: a body is 64 KiB at most (the HTTP limit), and a
 * change reads it, writes it and tells of it before and after. Untouched pages cost nothing. */
#define SESSION_ARENA_BYTES ((size_t)1024 * 1024)

bool session_open(struct session *session, const struct engine *engine,
                  const struct engine_options *options, struct session_shared *shared,
                  struct error *ret_error) {
    struct connection *connection;
    void *block = malloc(SESSION_ARENA_BYTES);
    if (block == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    if (!engine->open(options, &connection, ret_error)) {
        free(block);
        return false;
    }
    *session = (struct session){
        .magic = SESSION_MAGIC,
        .is_writer = options->is_writer,
        .engine = engine,
        .connection = connection,
        .shared = shared,
        .arena = arena_over(block, SESSION_ARENA_BYTES),
    };
    return true;
}

void session_close(struct session *session) {
    if (session->connection == NULL)
        return;
    check(session->magic == SESSION_MAGIC);
    session->engine->close(session->connection);
    arena_reset(&session->arena);
    free(session->arena.at);
    *session = (struct session){0};
}

/* Keeps the health after a call to the engine. */
static bool session_note(struct session *session, bool ok, const struct error *error) {
    atomic_store(&session->shared->is_up, ok || error->code != ERROR_REGISTRY_AWAY);
    if (!ok && error->code == ERROR_REGISTRY_READ_ONLY)
        atomic_store(&session->shared->is_writable, false);
    return ok;
}

static bool session_begin(struct session *session, enum transaction kind, struct error *ret_error) {
    magic_check(session, SESSION_MAGIC);
    check(session->is_writer || kind == TRANSACTION_READ ||
          (kind == TRANSACTION_EACH && session->engine->is_server));
    arena_reset(&session->arena);
    bool ok = session->engine->begin(session->connection, kind, ret_error);
    return session_note(session, ok, ret_error);
}

bool session_look(struct session *session, const struct query *query, struct error *ret_error) {
    magic_check(session, SESSION_MAGIC);
    arena_reset(&session->arena);
    bool ok = session->engine->look(session->connection, query, ret_error);
    return session_note(session, ok, ret_error);
}

bool session_read(struct session *session, struct error *ret_error) {
    return session_begin(session, TRANSACTION_READ, ret_error);
}

bool session_write(struct session *session, struct error *ret_error) {
    return session_begin(session, TRANSACTION_WRITE, ret_error);
}

bool session_write_each(struct session *session, struct error *ret_error) {
    return session_begin(session, TRANSACTION_EACH, ret_error);
}

void session_changing(struct session *session) {
    if (session->engine->changing != NULL)
        session->engine->changing(session->connection);
}

bool session_commit(struct session *session, struct error *ret_error) {
    bool ok = session->engine->commit(session->connection, ret_error);
    if (ok)
        atomic_store(&session->shared->is_writable, true);
    return session_note(session, ok, ret_error);
}

bool session_end(struct session *session, bool ok) {
    session->engine->rollback(session->connection);
    return ok;
}

void session_maintain(struct session *session) {
    struct error error;
    session_note(session, session->engine->maintain(session->connection, &error), &error);
}

bool session_each(struct session *session, const struct query *query, struct error *ret_error) {
    bool ok = session->engine->query(session->connection, query, ret_error);
    return session_note(session, ok, ret_error);
}

bool session_do(struct session *session, enum statement statement, const struct value *parameters,
                size_t count, struct error *ret_error) {
    struct query query = {
        .statement = statement, .parameters = parameters, .parameter_count = count};
    return session_each(session, &query, ret_error);
}

bool session_script(struct session *session, const char *sql, struct error *ret_error) {
    bool ok = session->engine->script(session->connection, sql, ret_error);
    return session_note(session, ok, ret_error);
}

struct session_keep {
    struct arena *arena;
    struct row *row;
    bool is_full;
};

/* Copies the row with all that it points to. */
static bool row_keep(void *self, const struct row *row) {
    struct session_keep *keep = self;
    keep->row = arena_take(keep->arena, sizeof(*row));
    keep->is_full = keep->row == NULL;
    if (keep->is_full)
        return false;
    *keep->row = *row;
    for (size_t i = 0; i < row->count; i++) {
        struct text *text = &keep->row->columns[i].text;
        char *copy = text->len == 0 ? NULL : arena_take(keep->arena, text->len);
        if (copy != NULL)
            memcpy(copy, text->at, text->len);
        keep->is_full |= copy == NULL && text->len > 0;
        text->at = copy;
    }
    return false;
}

bool session_row(struct session *session, enum statement statement, const struct value *parameters,
                 size_t count, const struct row **ret_row, struct error *ret_error) {
    struct session_keep keep = {.arena = &session->arena};
    struct query query = {statement, parameters, count, row_keep, &keep};
    if (!session_each(session, &query, ret_error))
        return false;
    if (keep.is_full)
        return error_set(ret_error, ERROR_INTERNAL, "a row of the registry is too large");
    *ret_row = keep.row;
    return true;
}

bool session_found(struct session *session, enum statement statement,
                   const struct value *parameters, size_t count, const char *noun,
                   const struct row **ret_row, struct error *ret_error) {
    const struct row *row = NULL;
    if (!session_row(session, statement, parameters, count, &row, ret_error))
        return false;
    if (row == NULL)
        return error_set(ret_error, ERROR_NOT_FOUND, "%s", noun);
    *ret_row = row;
    return true;
}
