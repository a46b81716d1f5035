/* The registry in a SQLite file: one daemon's own, safe against power cuts, open to visitors. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "registry/engine.h"

#define BUSY_TIMEOUT_MS 2000  /* for another process that is writing */
#define CHECKPOINT_PAGES 1000 /* SQLite's own default: 4 MiB of log */
#define NO_FILE "there is no such file; make it with 'mintd init'"
#define CLOCK "SELECT CAST(strftime('%s', 'now') AS INTEGER)"
#define APPLICATION_ID "1835626100" /* "mint", bytes 68 to 71 of the file */

/* What this engine needs for itself, behind the store's statements. */
enum own {
    OWN_BEGIN = STATEMENTS,
    OWN_BEGIN_WRITE,
    OWN_COMMIT,
    OWN_ROLLBACK,
    OWN_VERSION,
    PREPARED
};
static const char *const own_sql[PREPARED - STATEMENTS] = {
    "BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK", "PRAGMA data_version",
};

struct connection {
    sqlite3 *db;
    sqlite3_stmt *prepared[PREPARED];
    int log_pages;  /* of the write-ahead log, after the last commit */
    bool is_broken; /* a write or fsync failed: what the disk holds is known only after a restart */
};

/* Errors of the file system that say nothing about what was written. */
static bool is_reading_error(int code) {
    switch (code) {
    case SQLITE_IOERR_READ:
    case SQLITE_IOERR_SHORT_READ:
    case SQLITE_IOERR_LOCK:
    case SQLITE_IOERR_UNLOCK:
    case SQLITE_IOERR_RDLOCK:
    case SQLITE_IOERR_CHECKRESERVEDLOCK:
    case SQLITE_IOERR_FSTAT:
    case SQLITE_IOERR_ACCESS:
    case SQLITE_IOERR_SHMOPEN:
    case SQLITE_IOERR_SHMLOCK:
    case SQLITE_IOERR_SHMMAP:
    case SQLITE_IOERR_SHMSIZE:
        return true;
    default:
        return false;
    }
}

static bool fail_io(struct connection *connection, int code, struct error *ret_error) {
    if (is_reading_error(code))
        return error_set(ret_error, ERROR_REGISTRY_AWAY, NULL);
    connection->is_broken = true;
    /* Closing shall be no other than a crash: the next start sorts it out, see open_writer. */
    sqlite3_db_config(connection->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return error_set(ret_error, ERROR_REGISTRY_READ_ONLY,
                     "a write to its disk failed; check the disk, then restart");
}

/* Tells failures apart by SQLite's extended result code; returns false. */
static bool fail(struct connection *connection, int code, struct error *ret_error) {
    switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_CANTOPEN:
        return error_set(ret_error, ERROR_REGISTRY_AWAY, NULL);
    case SQLITE_FULL:
        return error_set(ret_error, ERROR_REGISTRY_READ_ONLY, "the disk is full");
    case SQLITE_READONLY:
        return error_set(ret_error, ERROR_REGISTRY_READ_ONLY, "its file cannot be written");
    case SQLITE_NOMEM:
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    case SQLITE_IOERR:
        return fail_io(connection, code, ret_error);
    default:
        if (code == SQLITE_CONSTRAINT_UNIQUE)
            return error_set(ret_error, ERROR_NAME_TAKEN, NULL);
        return error_set(ret_error, ERROR_INTERNAL, "SQLite: %s", sqlite3_errmsg(connection->db));
    }
}

/* Prepares a statement at its first use. */
static int statement_get(struct connection *connection, size_t index,
                         sqlite3_stmt **ret_statement) {
    sqlite3_stmt **at = &connection->prepared[index];
    const char *sql = index == STATEMENT_CLOCK ? CLOCK
                      : index < STATEMENTS     ? statement_sql[index]
                                               : own_sql[index - STATEMENTS];
    int code = SQLITE_OK;
    if (*at == NULL)
        code = sqlite3_prepare_v3(connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, at, NULL);
    *ret_statement = *at;
    return code;
}

/* Runs one of the engine's own statements; `ret_number` is its first column, if it has a row. */
static int own_run(struct connection *connection, enum own own, int64_t *ret_number) {
    sqlite3_stmt *statement;
    int code = statement_get(connection, own, &statement);
    if (code != SQLITE_OK)
        return code;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        check(ret_number != NULL);
        *ret_number = sqlite3_column_int64(statement, 0);
        code = SQLITE_DONE;
    }
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int parameter_bind(sqlite3_stmt *statement, int at, const struct value *value) {
    struct text text = value->text;
    switch (value->type) {
    case VALUE_NUMBER:
        return sqlite3_bind_int64(statement, at, value->number);
    case VALUE_TEXT:
        return sqlite3_bind_text64(statement, at, text.len > 0 ? text.at : "", text.len,
                                   SQLITE_STATIC, SQLITE_UTF8);
    case VALUE_BYTES:
        return sqlite3_bind_blob64(statement, at, text.len > 0 ? text.at : "", text.len,
                                   SQLITE_STATIC);
    default:
        return sqlite3_bind_null(statement, at);
    }
}

/* SQLite numbers parameters in the order of their first use and takes $1 for a name. */
static int parameters_bind(sqlite3_stmt *statement, const struct query *query) {
    check((size_t)sqlite3_bind_parameter_count(statement) == query->parameter_count);
    for (size_t i = 0; i < query->parameter_count; i++) {
        char memory[8];
        struct buffer name = buffer_over(memory, sizeof(memory));
        buffer_format(&name, "$%zu", i + 1);
        int at = sqlite3_bind_parameter_index(statement, memory);
        check(at > 0);
        int code = parameter_bind(statement, at, &query->parameters[i]);
        if (code != SQLITE_OK)
            return code;
    }
    return SQLITE_OK;
}

static struct value column_read(sqlite3_stmt *statement, int column) {
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_NULL:
        return value_null();
    case SQLITE_INTEGER:
        return value_number(sqlite3_column_int64(statement, column));
    default: {
        bool is_text = sqlite3_column_type(statement, column) == SQLITE_TEXT;
        /* Of a text, too, these are the bytes as they are stored. */
        const void *at = sqlite3_column_blob(statement, column);
        size_t len = at == NULL ? 0 : (size_t)sqlite3_column_bytes(statement, column);
        return is_text ? value_text((struct text){at, len}) : value_bytes(at, len);
    }
    }
}

static int rows_read(sqlite3_stmt *statement, const struct query *query) {
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct row row = {.count = (size_t)sqlite3_column_count(statement)};
        check(query->each != NULL && row.count <= ROW_COLUMNS_MAX);
        for (size_t i = 0; i < row.count; i++)
            row.columns[i] = column_read(statement, (int)i);
        if (!query->each(query->self, &row))
            return SQLITE_DONE;
    }
    return code;
}

static bool sqlite_query(struct connection *connection, const struct query *query,
                         struct error *ret_error) {
    sqlite3_stmt *statement;
    int code = statement_get(connection, query->statement, &statement);
    if (code != SQLITE_OK)
        return fail(connection, code, ret_error);
    code = parameters_bind(statement, query);
    if (code == SQLITE_OK)
        code = rows_read(statement, query);
    bool ok = code == SQLITE_DONE || fail(connection, code, ret_error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return ok;
}

static bool sqlite_script(struct connection *connection, const char *sql, struct error *ret_error) {
    int code = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || fail(connection, code, ret_error);
}

/* Whether somebody put another file in this one's place: what was written here would be lost. */
static bool has_moved(struct connection *connection) {
    int moved = 0;
    int code = sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return code == SQLITE_OK && moved != 0;
}

static bool sqlite_look(struct connection *connection, const struct query *query,
                        struct error *ret_error) {
    return has_moved(connection) ? error_set(ret_error, ERROR_REGISTRY_AWAY, NULL)
                                 : sqlite_query(connection, query, ret_error);
}

static bool sqlite_begin(struct connection *connection, enum transaction kind,
                         struct error *ret_error) {
    bool is_write = kind != TRANSACTION_READ;
    if (has_moved(connection))
        return error_set(ret_error, ERROR_REGISTRY_AWAY, NULL);
    if (is_write && connection->is_broken)
        return fail_io(connection, SQLITE_IOERR, ret_error);
    int code = own_run(connection, is_write ? OWN_BEGIN_WRITE : OWN_BEGIN, NULL);
    return code == SQLITE_OK || fail(connection, code, ret_error);
}

static void sqlite_rollback(struct connection *connection) {
    /* An error here (memory) leaves it open: then the next begin fails and this is tried again. */
    if (!sqlite3_get_autocommit(connection->db))
        (void)own_run(connection, OWN_ROLLBACK, NULL);
}

static bool sqlite_commit(struct connection *connection, struct error *ret_error) {
    int code = own_run(connection, OWN_COMMIT, NULL);
    if (code == SQLITE_OK)
        return true;
    fail(connection, code, ret_error);
    sqlite_rollback(connection);
    return false;
}

static uint64_t sqlite_version(struct connection *connection) {
    int64_t version = 0;
    return own_run(connection, OWN_VERSION, &version) == SQLITE_OK ? (uint64_t)version : 0;
}

static int on_commit(void *self, sqlite3 *db, const char *name, int pages) {
    struct connection *connection = self;
    (void)db, (void)name;
    connection->log_pages = pages;
    return SQLITE_OK;
}

/* Copies the log into the file. SQLite would do it inside of a commit and keep a failure to
 * itself. */
static bool checkpoint(struct connection *connection, int mode, struct error *ret_error) {
    connection->log_pages = 0;
    int code = sqlite3_wal_checkpoint_v2(connection->db, NULL, mode, NULL, NULL);
    bool ok = code == SQLITE_OK || (code & 0xFF) == SQLITE_BUSY || (code & 0xFF) == SQLITE_LOCKED;
    return ok || fail(connection, code, ret_error);
}

static bool sqlite_maintain(struct connection *connection, struct error *ret_error) {
    return connection->log_pages < CHECKPOINT_PAGES || connection->is_broken ||
           checkpoint(connection, SQLITE_CHECKPOINT_PASSIVE, ret_error);
}

static bool fail_open(const char *path, const char *reason, struct error *ret_error) {
    return error_set(ret_error, ERROR_FIELD_VALUE, "the registry %s cannot be opened: %s", path,
                     reason);
}

static bool fail_errno(const char *path, struct error *ret_error) {
    return error_set(ret_error, ERROR_FIELD_VALUE, "the registry %s cannot be opened: %m", path);
}

/* Makes the file, so that nobody but its owner can ever read it; the log gets the same mode. */
static bool file_make(const char *path, struct error *ret_error) {
    int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return errno == EEXIST || fail_errno(path, ret_error);
    /* Nothing has locked it yet: closing a descriptor of it would free the process's locks. */
    close(descriptor);
    return true;
}

/* Fsyncs the folder, so that the names of the file and its log outlive a power cut as well. */
static bool folder_sync(const char *path, struct error *ret_error) {
    char folder[4096] = ".";
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    check(len < sizeof(folder)); /* PATH_MAX, since the file was opened by it */
    if (len > 0) {
        memcpy(folder, path, len);
        folder[len] = '\0';
    }
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* EINVAL: a file system that has no such thing. */
    bool ok = descriptor >= 0 && (fsync(descriptor) == 0 || errno == EINVAL);
    ok = ok || fail_errno(path, ret_error);
    if (descriptor >= 0)
        close(descriptor);
    return ok;
}

/* The number or word that a pragma or a query answers. What it writes is committed at its end. */
static int ask(sqlite3 *db, const char *sql, char *ret_answer, size_t size) {
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code != SQLITE_OK)
        return code;
    if (sqlite3_step(statement) == SQLITE_ROW) {
        const unsigned char *answer = sqlite3_column_text(statement, 0);
        sqlite3_snprintf((int)size, ret_answer, "%s", answer == NULL ? (const void *)"" : answer);
    }
    return sqlite3_finalize(statement);
}

/* Asks for a write-ahead log. While another process does so SQLite is busy, and does not wait by
 * itself as it does elsewhere. */
static int ask_for_log(sqlite3 *db, char *ret_mode, size_t size) {
    int code = ask(db, "PRAGMA journal_mode = WAL", ret_mode, size);
    for (int ms = 0; (code & 0xFF) == SQLITE_BUSY && ms < BUSY_TIMEOUT_MS; ms += 10) {
        sqlite3_sleep(10);
        code = ask(db, "PRAGMA journal_mode = WAL", ret_mode, size);
    }
    return code;
}

/* Whether the file is a registry, or empty and to become one. */
static bool claim(struct connection *connection, const struct engine_options *options,
                  struct error *ret_error) {
    char id[24] = "", tables[24] = "", mode[24] = "";
    /* In this order: another process that makes it at the same moment sets the id first. */
    int code = ask(connection->db, "SELECT count(*) FROM sqlite_schema", tables, sizeof(tables));
    if (code == SQLITE_OK)
        code = ask(connection->db, "PRAGMA application_id", id, sizeof(id));
    if (code != SQLITE_OK)
        return fail(connection, code, ret_error);
    if (strcmp(id, APPLICATION_ID) != 0) {
        if (strcmp(tables, "0") != 0 || !options->may_create)
            return fail_open(options->address, "it is not a registry of mintd", ret_error);
        if (!sqlite_script(connection, "PRAGMA application_id = " APPLICATION_ID, ret_error))
            return false;
    }
    code = ask_for_log(connection->db, mode, sizeof(mode));
    if (code != SQLITE_OK)
        return fail(connection, code, ret_error);
    return strcmp(mode, "wal") == 0 ||
           fail_open(options->address, "its file system cannot hold a write-ahead log", ret_error);
}

/* The log may hold what an earlier fsync failed to bring to the disk and only the kernel remembers:
 * all of it is copied and fsynced anew before anything is put behind it. */
static bool open_writer(struct connection *connection, const struct engine_options *options,
                        struct error *ret_error) {
    sqlite3_wal_hook(connection->db, on_commit, connection);
    return claim(connection, options, ret_error) &&
           checkpoint(connection, SQLITE_CHECKPOINT_TRUNCATE, ret_error) &&
           folder_sync(options->address, ret_error);
}

/* Readers are closed before the writer, which alone checkpoints. */
static bool open_reader(struct connection *connection, struct error *ret_error) {
    sqlite3_db_config(connection->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return sqlite_script(connection, "PRAGMA query_only = ON", ret_error);
}

static bool set_up(struct connection *connection, const struct engine_options *options,
                   struct error *ret_error) {
    static const char settings[] = "PRAGMA foreign_keys = ON;"
                                   "PRAGMA synchronous = FULL;"
                                   "PRAGMA secure_delete = ON;"
                                   "PRAGMA trusted_schema = OFF;"
                                   "PRAGMA cell_size_check = ON;"
                                   "PRAGMA temp_store = MEMORY;";
    sqlite3_busy_timeout(connection->db, BUSY_TIMEOUT_MS);
    sqlite3_db_config(connection->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (!sqlite_script(connection, settings, ret_error))
        return false;
    return options->is_writer ? open_writer(connection, options, ret_error)
                              : open_reader(connection, ret_error);
}

static void sqlite_close(struct connection *connection) {
    if (connection == NULL)
        return;
    for (size_t i = 0; i < PREPARED; i++)
        sqlite3_finalize(connection->prepared[i]);
    check(sqlite3_close(connection->db) == SQLITE_OK);
    free(connection);
}

static bool sqlite_open(const struct engine_options *options, struct connection **ret_connection,
                        struct error *ret_error) {
    const char *path = options->address;
    if (options->may_create && !file_make(path, ret_error))
        return false;
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &connection->db, flags, NULL);
    bool ok = code == SQLITE_OK && set_up(connection, options, ret_error);
    if (code != SQLITE_OK)
        fail_open(path, access(path, F_OK) == 0 ? sqlite3_errstr(code) : NO_FILE, ret_error);
    else if (!ok && ret_error->code == ERROR_INTERNAL)
        fail_open(path, sqlite3_errmsg(connection->db), ret_error);
    if (!ok) {
        sqlite_close(connection);
        return false;
    }
    *ret_connection = connection;
    return true;
}

static bool sqlite_verify(struct connection *connection,
                          void (*each)(void *self, struct text finding), void *self,
                          struct error *ret_error) {
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(connection->db, "PRAGMA integrity_check", -1, &statement, NULL);
    if (code != SQLITE_OK)
        return fail(connection, code, ret_error);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *finding = (const char *)sqlite3_column_text(statement, 0);
        if (finding != NULL && strcmp(finding, "ok") != 0)
            each(self, text_of(finding));
    }
    bool ok = code == SQLITE_DONE || fail(connection, code, ret_error);
    sqlite3_finalize(statement);
    return ok;
}

static const char *const migrations[] = {
#define BYTES "BLOB"
#define NAME "TEXT"
#define RANDOM63 "(random() & 9223372036854775807)"
#define MIGRATION(sql) sql,
#include "registry/migrations.def"
};

const struct engine engine_sqlite = {
    .schemes = {"sqlite:"},
    .meta = "CREATE TABLE IF NOT EXISTS meta ("
            " name TEXT PRIMARY KEY, number BIGINT NOT NULL, bytes BLOB)",
    .migrations = migrations,
    .migration_count = array_count(migrations),
    .open = sqlite_open,
    .close = sqlite_close,
    .look = sqlite_look,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .query = sqlite_query,
    .script = sqlite_script,
    .version = sqlite_version,
    .maintain = sqlite_maintain,
    .verify = sqlite_verify,
};
