/* The registry in PostgreSQL: shared by any number of daemons, reached again when it was away. */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "registry/engine.h"

#define SILENCE_MS 5000 /* longest wait for a sign of life; a server that is paused keeps its TCP */
#define STALL_MS "500"  /* longest pause within a transaction that others wait for */
#define RETRY_MS_MIN 100
#define RETRY_MS_MAX 1000 /* so long at most the lease runs on when the server is there again */
#define PARAMETERS_MAX 16
#define CHANNEL "mintd_changes"
#define CLOCK "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint"

/* Types as PostgreSQL numbers them (pg_type.dat). */
enum { OID_BYTES = 17, OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25 };

struct connection {
    PGconn *pg; /* NULL: lost */
    char *url;
    bool is_prepared[STATEMENTS];
    enum transaction kind; /* of the one begun last */
    bool is_changing;      /* the transaction is to be announced when it is committed */
    bool is_warned;        /* the server warned of something since this was cleared */
    bool is_standby;       /* it takes no changes: another server is the one to ask */
    bool is_listening;
    uint64_t retry_at_us; /* no attempt to connect before */
    uint32_t retry_ms;
};

/* Errors */

/* What an SQLSTATE means to the store, by its first letters; the first that fits. Of the others the
 * server is well and the statement wrong. */
#define READ_ONLY "25006"
static const struct {
    const char *state;
    enum error_code code;
} states[] = {
    {"08", ERROR_REGISTRY_AWAY},         /* connection */
    {"23505", ERROR_NAME_TAKEN},         /* unique index */
    {READ_ONLY, ERROR_REGISTRY_AWAY},    /* a standby now, or set so: the next call looks for the
                                            server that takes changes */
    {"25P03", ERROR_REGISTRY_AWAY},      /* idle in a transaction for too long */
    {"40", ERROR_REGISTRY_AWAY},         /* deadlock: with a foreign program's locks */
    {"53100", ERROR_REGISTRY_READ_ONLY}, /* disk full */
    {"53", ERROR_REGISTRY_AWAY},         /* other resources: connections, memory */
    {"55P03", ERROR_REGISTRY_AWAY},      /* a lock was not free in time */
    {"57", ERROR_REGISTRY_AWAY},         /* shut down, cancelled, starting up */
    {"58", ERROR_REGISTRY_AWAY},         /* its system failed it */
};

/* A message of libpq without its line ends; as the reason that the log tells. */
static bool fail_as(enum error_code code, const char *message, struct error *ret_error) {
    (void)error_set(ret_error, code, "PostgreSQL: %s", message);
    for (char *at = ret_error->subject; *at != '\0'; at++)
        if (*at == '\n' || *at == '\t')
            *at = at[1] == '\0' ? '\0' : ' ';
    return false;
}

static bool fail_lost(const struct connection *connection, struct error *ret_error) {
    const char *message = connection->pg == NULL ? "" : PQerrorMessage(connection->pg);
    return fail_as(ERROR_REGISTRY_AWAY, message[0] != '\0' ? message : "it does not answer",
                   ret_error);
}

static bool ends_with(const char *text, const char *end) {
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Tells failures of statements apart; returns false. */
static bool fail(struct connection *connection, const PGresult *result, struct error *ret_error) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    enum error_code code = state == NULL ? ERROR_REGISTRY_AWAY : ERROR_INTERNAL;
    for (size_t i = 0; state != NULL && code == ERROR_INTERNAL && i < array_count(states); i++)
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0)
            code = states[i].code;
    /* Ids and numbers are ours: that one is there already is no matter of names. */
    if (code == ERROR_NAME_TAKEN && constraint != NULL && ends_with(constraint, "_pkey"))
        code = ERROR_INTERNAL;
    if (code == ERROR_NAME_TAKEN)
        return error_set(ret_error, code, NULL);
    if (code == ERROR_REGISTRY_READ_ONLY)
        return error_set(ret_error, code, "the disk of PostgreSQL is full");
    connection->is_standby = state != NULL && strcmp(state, READ_ONLY) == 0;
    return fail_as(code, message != NULL ? message : PQresultErrorMessage(result), ret_error);
}

/* Talking */

/* Drops the connection; the next begin makes another one, not before `pause_ms` have passed. */
static void lose(struct connection *connection, uint32_t pause_ms) {
    PQfinish(connection->pg);
    connection->pg = NULL;
    connection->retry_at_us = clock_monotonic_us() + (uint64_t)pause_ms * 1000;
    connection->is_standby = connection->is_listening = false;
    memset(connection->is_prepared, 0, sizeof(connection->is_prepared));
}

/* Waits for the socket; false when the server is silent for too long or the connection broken. */
static bool await(struct connection *connection, short events) {
    struct pollfd wanted = {.fd = PQsocket(connection->pg), .events = events};
    int ready;
    do
        ready = poll(&wanted, 1, SILENCE_MS);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        lose(connection, RETRY_MS_MIN);
    return ready > 0 && (wanted.revents == POLLOUT || PQconsumeInput(connection->pg) == 1);
}

/* Brings what was sent on its way, if sending it began at all. */
static bool flush(struct connection *connection, bool is_sent) {
    int left = is_sent ? PQflush(connection->pg) : -1;
    while (left > 0)
        left = await(connection, POLLIN | POLLOUT) ? PQflush(connection->pg) : -1;
    return left == 0;
}

/* The next of the results of what was sent; NULL behind the last, or when the server is gone. */
static PGresult *result_next(struct connection *connection) {
    while (PQisBusy(connection->pg))
        if (!await(connection, POLLIN))
            return NULL;
    return PQgetResult(connection->pg);
}

/* How a call ends: a connection that is no good any more is dropped. */
static bool settle(struct connection *connection, bool ok, struct error *ret_error) {
    if (connection->pg != NULL && PQstatus(connection->pg) == CONNECTION_OK &&
        !connection->is_standby)
        return ok;
    if (ok)
        fail_lost(connection, ret_error);
    if (connection->pg != NULL)
        lose(connection, 0);
    return false;
}

static bool row_give(const struct query *query, const PGresult *result);

/* Reads the results to their end, giving the rows to the query's `each` until that has enough.
 * `ret_tag` is the last command's tag: "COMMIT". */
static bool results_read(struct connection *connection, bool is_sent, const struct query *query,
                         char ret_tag[static 16], struct error *ret_error) {
    bool ok = flush(connection, is_sent) || fail_lost(connection, ret_error);
    bool wants_more = ok;
    PGresult *result;
    while (connection->pg != NULL && (result = result_next(connection)) != NULL) {
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_SINGLE_TUPLE && query != NULL)
            wants_more = wants_more && row_give(query, result);
        else if (ok && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
            ok = fail(connection, result, ret_error);
        (void)snprintf(ret_tag, 16, "%s", PQcmdStatus(result));
        PQclear(result);
    }
    return settle(connection, ok, ret_error);
}

/* Runs statements without parameters whose rows do not matter. */
static bool run(struct connection *connection, const char *sql, char ret_tag[static 16],
                struct error *ret_error) {
    if (connection->pg == NULL)
        return fail_lost(connection, ret_error);
    bool is_sent = PQsendQuery(connection->pg, sql) == 1;
    return results_read(connection, is_sent, NULL, ret_tag, ret_error);
}

static bool postgres_script(struct connection *connection, const char *sql,
                            struct error *ret_error) {
    char tag[16];
    return run(connection, sql, tag, ret_error);
}

/* Connecting */

static void on_notice(void *self, const PGresult *result) {
    struct connection *connection = self;
    (void)result;
    connection->is_warned = true;
}

/* Acknowledged is durable, whatever the role's own settings are; and what hangs in a daemon that
 * died or was paused lets go of its locks. */
static const char settings[] =
    "SET client_min_messages = warning;"
    "SET standard_conforming_strings = on;"
    "SET lock_timeout = '4s';"
    /* Rows are found by keys: a new plan, or compiling it, takes longer. */
    "SET plan_cache_mode = force_generic_plan;"
    "SET jit = off;"
    "SET statement_timeout = '10min';"
    "SET idle_in_transaction_session_timeout = '10s';"
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');"
    /* Names are told apart by lower(), which knows another i in Turkish. */
    "DO $$ BEGIN IF current_setting('server_encoding') <> 'UTF8' OR lower('I') <> 'i' THEN"
    " RAISE 'the database must have the encoding UTF8 and a locale that makes I a small i';"
    " END IF; END $$";

#define WRITE_LOCK "pg_advisory_xact_lock(1835626100)" /* "mint" in ASCII */
#define RANDOM63 \
    "(('x' || substr(md5(gen_random_uuid()::text), 1, 16))::bit(64)::bigint" \
    " & 9223372036854775807)"

/* A standby that took over may lack the last commits of the server before it, and gives their
 * numbers out again; then nobody may go on with what they remember. Every take-over starts another
 * timeline, and the first who connects to it makes another epoch. */
static const char timeline[] =
    "DO $$ DECLARE now BIGINT; BEGIN"
    " IF to_regclass('rev_counter') IS NULL THEN RETURN; END IF;"
    " now := ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint;"
    " IF EXISTS (SELECT 1 FROM meta WHERE name = 'timeline' AND number = now) THEN RETURN; END IF;"
    " PERFORM " WRITE_LOCK ";"
    " UPDATE rev_counter SET log_epoch = " RANDOM63
    " WHERE EXISTS (SELECT 1 FROM meta WHERE name = 'timeline' AND number <> now);"
    " INSERT INTO meta (name, number) VALUES ('timeline', now)"
    " ON CONFLICT (name) DO UPDATE SET number = excluded.number;"
    /* Servers that are like PostgreSQL but keep no log that can be asked for. */
    " EXCEPTION WHEN insufficient_privilege OR feature_not_supported THEN NULL;"
    " END $$";

static PGconn *dial(const char *url) {
    /* What stands before the URL may be set otherwise in it. Only a server that takes changes is
     * asked: what a standby knows may be older than what was cut. */
    const char *const names[] = {"connect_timeout",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 "tcp_user_timeout",
                                 "fallback_application_name",
                                 "dbname",
                                 "client_encoding",
                                 "target_session_attrs",
                                 NULL};
    const char *const values[] = {"3",     "5", "2",    "3",          "5000",
                                  "mintd", url, "UTF8", "read-write", NULL};
    _Static_assert(array_count(names) == array_count(values), "each has its value");
    return PQconnectdbParams(names, values, 1);
}

static bool reconnect(struct connection *connection, struct error *ret_error) {
    if (clock_monotonic_us() < connection->retry_at_us)
        return fail_lost(connection, ret_error);
    connection->pg = dial(connection->url);
    if (connection->pg == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    PQsetNoticeReceiver(connection->pg, on_notice, connection);
    bool ok = PQstatus(connection->pg) == CONNECTION_OK && PQsetnonblocking(connection->pg, 1) == 0;
    ok = ok ? postgres_script(connection, settings, ret_error) &&
                  postgres_script(connection, timeline, ret_error)
            : fail_lost(connection, ret_error);
    if (ok) {
        connection->retry_ms = RETRY_MS_MIN;
        return true;
    }
    lose(connection, connection->retry_ms);
    connection->retry_ms *= 2;
    if (connection->retry_ms > RETRY_MS_MAX)
        connection->retry_ms = RETRY_MS_MAX;
    return false;
}

static void postgres_close(struct connection *connection) {
    if (connection == NULL)
        return;
    PQfinish(connection->pg);
    free(connection->url);
    free(connection);
}

static bool postgres_open(const struct engine_options *options, struct connection **ret_connection,
                          struct error *ret_error) {
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL || asprintf(&connection->url, "postgresql:%s", options->address) < 0) {
        free(connection);
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    }
    connection->retry_ms = RETRY_MS_MIN;
    if (!reconnect(connection, ret_error)) {
        postgres_close(connection);
        return false;
    }
    *ret_connection = connection;
    return true;
}

/* Transactions */

/* One lock for all who write, taken first: writes do not collide, so none has to be repeated, and
 * each statement sees all that was committed before, which is what READ COMMITTED is for. It is let
 * go after the commit is to be seen, so the order of commits is the order of seq. All wait for who
 * has it, so one that hangs there loses it soon. */
#define BEGIN_WRITE \
    "BEGIN ISOLATION LEVEL READ COMMITTED;" \
    "SET LOCAL idle_in_transaction_session_timeout = '" STALL_MS "ms';" \
    "SELECT " WRITE_LOCK
#define BEGIN_READ "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

static bool postgres_begin(struct connection *connection, enum transaction kind,
                           struct error *ret_error) {
    const char *sql = kind == TRANSACTION_WRITE ? BEGIN_WRITE : BEGIN_READ;
    connection->kind = kind;
    connection->is_changing = false;
    bool was_open = connection->pg != NULL;
    if (kind == TRANSACTION_EACH)
        return was_open || reconnect(connection, ret_error);
    if (was_open && postgres_script(connection, sql, ret_error))
        return true;
    /* One that was lost while nothing was asked is replaced at once. */
    if (connection->pg != NULL || !reconnect(connection, ret_error))
        return false;
    return postgres_script(connection, sql, ret_error);
}

static void postgres_rollback(struct connection *connection) {
    struct error error;
    if (connection->pg != NULL && PQtransactionStatus(connection->pg) != PQTRANS_IDLE &&
        !postgres_script(connection, "ROLLBACK", &error) && connection->pg != NULL)
        lose(connection, 0);
}

static void postgres_changing(struct connection *connection) {
    connection->is_changing = true;
}

/* A warning: an administrator ended the wait for the standbys, who may not have it yet. */
static bool postgres_commit(struct connection *connection, struct error *ret_error) {
    char tag[16] = "";
    if (connection->pg == NULL)
        return fail_lost(connection, ret_error);
    if (connection->kind == TRANSACTION_EACH)
        return true;
    connection->is_warned = false;
    bool ok = run(connection, connection->is_changing ? "NOTIFY " CHANNEL "; COMMIT" : "COMMIT",
                  tag, ret_error);
    if (connection->pg == NULL || (ok && connection->is_warned))
        return error_set(ret_error, ERROR_COMMIT_UNKNOWN, NULL);
    if (ok && strcmp(tag, "COMMIT") != 0)
        ok = error_set(ret_error, ERROR_INTERNAL, "PostgreSQL: %s instead of COMMIT", tag);
    if (!ok)
        postgres_rollback(connection);
    return ok;
}

/* Statements */

static uint64_t bytes_number(const char *bytes, size_t len) {
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++)
        number = number << 8 | (uint8_t)bytes[i];
    return number;
}

/* Parameters in PostgreSQL's binary form: numbers in network order, all else as it is. */
struct wire {
    Oid types[PARAMETERS_MAX];
    const char *values[PARAMETERS_MAX];
    int lens[PARAMETERS_MAX];
    int formats[PARAMETERS_MAX];
    char numbers[PARAMETERS_MAX][8];
};

static void wire_number(struct wire *wire, size_t i, uint64_t number) {
    for (size_t byte = 0; byte < 8; byte++)
        wire->numbers[i][byte] = (char)(uint8_t)(number >> (56 - 8 * byte));
    wire->values[i] = wire->numbers[i];
    wire->lens[i] = 8;
}

static void wire_fill(struct wire *wire, const struct query *query) {
    static const Oid types[] = {[VALUE_NULL] = 0,
                                [VALUE_NUMBER] = OID_INT8,
                                [VALUE_TEXT] = OID_TEXT,
                                [VALUE_BYTES] = OID_BYTES};
    check(query->parameter_count <= PARAMETERS_MAX);
    for (size_t i = 0; i < query->parameter_count; i++) {
        const struct value *value = &query->parameters[i];
        wire->types[i] = types[value->type];
        wire->formats[i] = 1;
        wire->values[i] = NULL;
        if (value->type == VALUE_NUMBER) {
            wire_number(wire, i, (uint64_t)value->number);
        } else if (value->type != VALUE_NULL) {
            wire->values[i] = value->text.len > 0 ? value->text.at : "";
            wire->lens[i] = (int)value->text.len;
        }
    }
}

static struct value column_read(const PGresult *result, int column) {
    const char *at = PQgetvalue(result, 0, column);
    size_t len = (size_t)PQgetlength(result, 0, column);
    if (PQgetisnull(result, 0, column))
        return value_null();
    switch (PQftype(result, column)) {
    case OID_INT8:
        return value_number((int64_t)bytes_number(at, len));
    case OID_INT4:
        return value_number((int32_t)(uint32_t)bytes_number(at, len));
    case OID_BYTES:
        return value_bytes(at, len);
    default:
        return value_text((struct text){at, len});
    }
}

static bool row_give(const struct query *query, const PGresult *result) {
    struct row row = {.count = (size_t)PQnfields(result)};
    check(query->each != NULL && row.count <= ROW_COLUMNS_MAX);
    for (size_t i = 0; i < row.count; i++)
        row.columns[i] = column_read(result, (int)i);
    return query->each(query->self, &row);
}

/* Prepares a statement at its first use on this connection. */
static bool prepare(struct connection *connection, const struct query *query, const char *name,
                    const struct wire *wire, struct error *ret_error) {
    char tag[16];
    if (connection->is_prepared[query->statement])
        return true;
    const char *sql = query->statement == STATEMENT_CLOCK ? CLOCK : statement_sql[query->statement];
    bool is_sent =
        PQsendPrepare(connection->pg, name, sql, (int)query->parameter_count, wire->types) == 1;
    bool ok = results_read(connection, is_sent, NULL, tag, ret_error);
    connection->is_prepared[query->statement] = ok;
    return ok;
}

static bool postgres_query(struct connection *connection, const struct query *query,
                           struct error *ret_error) {
    struct wire wire;
    char name[12], tag[16];
    if (connection->pg == NULL)
        return fail_lost(connection, ret_error);
    wire_fill(&wire, query);
    (void)snprintf(name, sizeof(name), "s%u", (unsigned)query->statement);
    if (!prepare(connection, query, name, &wire, ret_error))
        return false;
    /* Row by row, so that a long answer needs no memory. */
    bool is_sent = PQsendQueryPrepared(connection->pg, name, (int)query->parameter_count,
                                       wire.values, wire.lens, wire.formats, 1) == 1 &&
                   PQsetSingleRowMode(connection->pg) == 1;
    return results_read(connection, is_sent, query, tag, ret_error);
}

/* Rows on their way to a query's `each`, and whether there were any. */
struct looking {
    const struct query *query;
    bool has_given;
};

static bool look_row(void *self, const struct row *row) {
    struct looking *look = self;
    look->has_given = true;
    return look->query->each(look->query->self, row);
}

static bool postgres_look(struct connection *connection, const struct query *query,
                          struct error *ret_error) {
    struct looking look = {.query = query};
    struct query asked = *query;
    asked.each = look_row;
    asked.self = &look;
    bool was_open = connection->pg != NULL;
    if (was_open && postgres_query(connection, &asked, ret_error))
        return true;
    /* As postgres_begin, but for what has been told already. */
    if (connection->pg != NULL || look.has_given || !reconnect(connection, ret_error))
        return false;
    return postgres_query(connection, &asked, ret_error);
}

/* The counter itself is asked: nothing here is cheaper. */
static uint64_t postgres_version(struct connection *connection) {
    (void)connection;
    return 0;
}

static bool postgres_maintain(struct connection *connection, struct error *ret_error) {
    (void)connection, (void)ret_error;
    return true;
}

/* What the server knows to be wrong with its tables, or will be after a crash. */
static const char verify_sql[] =
    "SELECT 'an index that is not valid: ' || c.relname FROM pg_index i"
    " JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE NOT (i.indisvalid AND i.indisready)"
    " AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'meta'::regclass)"
    " UNION ALL SELECT 'a constraint that is not valid: ' || conname FROM pg_constraint"
    " WHERE NOT convalidated"
    " AND connamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'meta'::regclass)"
    " UNION ALL SELECT 'a server with ' || name || ' = off, where a crash loses what was committed'"
    " FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'";

struct verify {
    void (*each)(void *self, struct text finding);
    void *self;
};

static bool verify_row(void *self, const struct row *row) {
    const struct verify *verify = self;
    verify->each(verify->self, row_text(row, 0));
    return true;
}

static bool postgres_verify(struct connection *connection,
                            void (*each)(void *self, struct text finding), void *self,
                            struct error *ret_error) {
    struct verify verify = {each, self};
    struct query query = {.each = verify_row, .self = &verify};
    char tag[16];
    if (connection->pg == NULL)
        return fail_lost(connection, ret_error);
    bool is_sent =
        PQsendQueryParams(connection->pg, verify_sql, 0, NULL, NULL, NULL, NULL, 1) == 1 &&
        PQsetSingleRowMode(connection->pg) == 1;
    return results_read(connection, is_sent, &query, tag, ret_error);
}

/* Listening */

static bool listen(struct connection *connection, struct error *ret_error) {
    bool is_open = connection->pg != NULL || reconnect(connection, ret_error);
    connection->is_listening = is_open && postgres_script(connection, "LISTEN " CHANNEL, ret_error);
    return connection->is_listening;
}

static bool notes_take(struct connection *connection) {
    bool has_some = false;
    for (PGnotify *note; (note = PQnotifies(connection->pg)) != NULL; has_some = true)
        PQfreemem(note);
    return has_some;
}

static bool postgres_wait(struct connection *connection, int wake, struct error *ret_error) {
    if (!connection->is_listening)
        return listen(connection, ret_error); /* what was told before that is told by this */
    while (!notes_take(connection)) {
        struct pollfd wanted[] = {{.fd = PQsocket(connection->pg), .events = POLLIN},
                                  {.fd = wake, .events = POLLIN}};
        int ready = poll(wanted, array_count(wanted), -1);
        if (ready > 0 && wanted[1].revents != 0)
            return true;
        if (ready > 0 && PQconsumeInput(connection->pg) != 1) {
            fail_lost(connection, ret_error);
            lose(connection, 0);
            return false;
        }
    }
    return true;
}

static const char *const migrations[] = {
#define BYTES "BYTEA"
#define NAME "TEXT COLLATE \"C\""
#define MIGRATION(sql) sql,
#include "registry/migrations.def"
};

const struct engine engine_postgres = {
    .schemes = {"postgresql:", "postgres:"},
    /* Asked first, since a role that may not make tables may not say IF NOT EXISTS either. */
    .meta = "DO $$ BEGIN IF to_regclass('meta') IS NULL THEN"
            " CREATE TABLE meta (name TEXT PRIMARY KEY, number BIGINT NOT NULL, bytes BYTEA);"
            " END IF; END $$",
    .migrations = migrations,
    .migration_count = array_count(migrations),
    .is_server = true,
    .open = postgres_open,
    .close = postgres_close,
    .look = postgres_look,
    .begin = postgres_begin,
    .commit = postgres_commit,
    .rollback = postgres_rollback,
    .query = postgres_query,
    .script = postgres_script,
    .version = postgres_version,
    .maintain = postgres_maintain,
    .verify = postgres_verify,
    .changing = postgres_changing,
    .wait = postgres_wait,
};
