/* Checking a registry as a whole, and moving one into another store. */
#include "registry/schema.h"
#include "registry/store.h"

/* ---- check ----------------------------------------------------------------------------------- */

/* Statements that count what must not be. */
static const struct {
    enum statement statement;
    const char *what;
} checks[] = {
    {STATEMENT_CHECK_PROJECTS, "projects whose org is missing"},
    {STATEMENT_CHECK_SERVICES, "services whose org is missing"},
    {STATEMENT_CHECK_ORG_ROLES, "org roles whose service is missing"},
    {STATEMENT_CHECK_PROJECT_ROLES, "project roles without a service and a project of one org"},
    {STATEMENT_CHECK_TOKENS, "tokens whose service is missing"},
    {STATEMENT_CHECK_CHANGES, "changes that the counter does not know"},
    {STATEMENT_CHECK_AUDIT, "audit records of changes that the counter does not know"},
    {STATEMENT_CHECK_KEYS, "missing active signing keys"},
};

bool store_counts(struct session *session, struct store_counts *ret_counts,
                  struct error *ret_error) {
    const struct row *row;
    bool ok =
        session_read(session, ret_error) &&
        session_found(session, STATEMENT_COUNTS, NO_PARAMETERS, "the counter", &row, ret_error);
    if (ok)
        *ret_counts = (struct store_counts){
            .orgs = (uint64_t)row_number(row, 0),
            .projects = (uint64_t)row_number(row, 1),
            .services = (uint64_t)row_number(row, 2),
            .tokens = (uint64_t)row_number(row, 3),
            .keys = (uint64_t)row_number(row, 4),
            .audit_rows = (uint64_t)row_number(row, 5),
            .seq = (uint64_t)row_number(row, 6),
        };
    return session_end(session, ok);
}

static bool checks_run(struct session *session, void (*each)(void *self, struct text finding),
                       void *self, struct error *ret_error) {
    for (size_t i = 0; i < array_count(checks); i++) {
        const struct row *row = NULL;
        char memory[120];
        struct buffer finding = buffer_over(memory, sizeof(memory));
        if (!session_row(session, checks[i].statement, NO_PARAMETERS, &row, ret_error))
            return false;
        int64_t count = row == NULL ? 0 : row_number(row, 0);
        buffer_format(&finding, "%lld %s", (long long)count, checks[i].what);
        if (count != 0)
            each(self, buffer_text(&finding));
    }
    return true;
}

bool store_check(struct session *session, void (*each)(void *self, struct text finding), void *self,
                 struct error *ret_error) {
    bool ok = session_read(session, ret_error) &&
              session->engine->verify(session->connection, each, self, ret_error) &&
              checks_run(session, each, self, ret_error);
    return session_end(session, ok);
}

/* ---- copy ------------------------------------------------------------------------------------ */

/* Every table but the replicas, who are others there; what a row refers to comes before it. */
static const struct {
    enum statement read;
    enum statement write;
} tables[] = {
    {STATEMENT_ORGS_ALL, STATEMENT_ORGS_COPY},
    {STATEMENT_PROJECTS_ALL, STATEMENT_PROJECTS_COPY},
    {STATEMENT_SERVICES_ALL, STATEMENT_SERVICES_COPY},
    {STATEMENT_ORG_ROLES_ALL, STATEMENT_ORG_ROLES_COPY},
    {STATEMENT_PROJECT_ROLES_ALL, STATEMENT_PROJECT_ROLES_COPY},
    {STATEMENT_TOKENS_ALL, STATEMENT_TOKENS_COPY},
    {STATEMENT_KEYS_ALL, STATEMENT_KEYS_COPY},
    {STATEMENT_AUDIT_COPY_ALL, STATEMENT_AUDIT_COPY},
    {STATEMENT_CHANGES_ALL, STATEMENT_CHANGES_COPY},
    {STATEMENT_META_ALL, STATEMENT_META_PUT},
    /* The epoch stays the target's own: whoever remembers the source's forgets it. */
    {STATEMENT_COUNTER_ALL, STATEMENT_COUNTER_SET},
};

struct copy {
    struct session *to;
    enum statement write;
    bool is_written;
    struct error *error;
};

static bool copy_row(void *self, const struct row *row) {
    struct copy *copy = self;
    copy->is_written = session_do(copy->to, copy->write, row->columns, row->count, copy->error);
    return copy->is_written;
}

static bool copy_tables(struct session *from, struct session *to, struct error *ret_error) {
    for (size_t i = 0; i < array_count(tables); i++) {
        struct copy copy = {to, tables[i].write, true, ret_error};
        struct query query = {tables[i].read, NO_PARAMETERS, copy_row, &copy};
        if (!session_each(from, &query, ret_error) || !copy.is_written)
            return false;
    }
    return true;
}

static bool copy_may(struct session *to, struct error *ret_error) {
    const struct row *row;
    if (!session_found(to, STATEMENT_COUNTS, NO_PARAMETERS, "the counter", &row, ret_error))
        return false;
    for (size_t i = 0; i < row->count; i++)
        if (row_number(row, i) != 0)
            return error_set(ret_error, ERROR_FIELD_VALUE,
                             "the registry to copy to is not empty; give a new one");
    return true;
}

bool store_copy(struct session *from, struct session *to, struct error *ret_error) {
    bool ok = session_read(from, ret_error) && session_write(to, ret_error) &&
              copy_may(to, ret_error) && copy_tables(from, to, ret_error) &&
              session_commit(to, ret_error);
    session_end(to, ok);
    return session_end(from, ok);
}
