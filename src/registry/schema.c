/* The schema's version, and the steps up to this program's. */
#include "registry/schema.h"

static bool schema_version(struct session *session, size_t *ret_version, struct error *ret_error) {
    const struct row *row;
    if (!session_row(session, STATEMENT_META_GET, PARAMETERS(value_text(TEXT("schema"))), &row,
                     ret_error))
        return false;
    *ret_version = row == NULL ? 0 : (size_t)row_number(row, 0);
    return true;
}

bool schema_read(struct session *session, size_t *ret_version, struct error *ret_error) {
    bool ok = session_write(session, ret_error) &&
              session_script(session, session->engine->meta, ret_error) &&
              schema_version(session, ret_version, ret_error);
    return session_end(session, ok); /* a table that was made for the question goes again */
}

static bool schema_may_step(size_t version, size_t newest, bool may_create,
                            struct error *ret_error) {
    if (version == 0 && !may_create)
        return error_set(ret_error, ERROR_FIELD_VALUE,
                         "there is no registry yet; make one with 'mintd init'");
    if (version > newest)
        return error_set(ret_error, ERROR_FIELD_VALUE,
                         "the registry has version %zu of its schema, and this program knows only "
                         "%zu; run a newer mintd",
                         version, newest);
    return true;
}

/* One step, if there is one to do. */
static bool schema_step(struct session *session, bool may_create, bool *ret_done,
                        struct error *ret_error) {
    const struct engine *engine = session->engine;
    size_t version = 0;
    if (!session_write(session, ret_error) || !session_script(session, engine->meta, ret_error) ||
        !schema_version(session, &version, ret_error) ||
        !schema_may_step(version, engine->migration_count, may_create, ret_error))
        return false;
    *ret_done = version == engine->migration_count;
    if (*ret_done)
        return true;
    return session_script(session, engine->migrations[version], ret_error) &&
           session_do(session, STATEMENT_META_PUT,
                      PARAMETERS(value_text(TEXT("schema")), value_number((int64_t)version + 1),
                                 value_null()),
                      ret_error) &&
           session_commit(session, ret_error);
}

bool schema_migrate(struct session *session, bool may_create, struct error *ret_error) {
    bool done = false;
    while (!done)
        if (!session_end(session, schema_step(session, may_create, &done, ret_error)))
            return false;
    return true;
}
