/* What an engine of the registry does: blocking calls at the level of SQL statements. */
#ifndef REGISTRY_ENGINE_H
#define REGISTRY_ENGINE_H

#include "base/error.h"

/* The store's functions speak to SQLite and PostgreSQL through the same statements: parameters are
 * $1, $2 …, and the SQL keeps to what both understand. What differs (the column types of the
 * schema) is filled in by the engine's own copy of the migrations. */
enum statement {
#define STATEMENT(name, sql) STATEMENT_##name,
#include "registry/statements.def"
#undef STATEMENT
    STATEMENTS
};
extern const char *const statement_sql[STATEMENTS];

/* A parameter or a column. */
enum value_type { VALUE_NULL, VALUE_NUMBER, VALUE_TEXT, VALUE_BYTES };
struct value {
    enum value_type type;
    int64_t number;
    struct text text; /* borrowed: the caller's in parameters, the row's in columns */
};

static inline struct value value_null(void) {
    return (struct value){.type = VALUE_NULL};
}
static inline struct value value_number(int64_t number) {
    return (struct value){.type = VALUE_NUMBER, .number = number};
}
static inline struct value value_text(struct text text) {
    return (struct value){.type = VALUE_TEXT, .text = text};
}
static inline struct value value_bytes(const void *bytes, size_t len) {
    return (struct value){.type = VALUE_BYTES, .text = {bytes, len}};
}
static inline struct value value_uuid(const struct uuid *uuid) {
    return value_bytes(uuid->bytes, UUID_BYTES);
}

/* A row of an answer; what it points to lives until the callback returns. */
#define ROW_COLUMNS_MAX 18 /* of a project with the counter */
struct row {
    size_t count;
    struct value columns[ROW_COLUMNS_MAX];
};
/* A column as what it should be; 0, empty or zeros where it is NULL or of another type or size, so
 * that a file that somebody else edited is read without harm. */
int64_t row_number(const struct row *row, size_t column);
struct text row_text(const struct row *row, size_t column);
struct uuid row_uuid(const struct row *row, size_t column);
void row_bytes(const struct row *row, size_t column, uint8_t *ret_bytes, size_t len);

struct query {
    enum statement statement;
    const struct value *parameters; /* $1 first; as many as the statement has */
    size_t parameter_count;
    /* Called per row; stops when it returns false. NULL: the statement gives no rows. */
    bool (*each)(void *self, const struct row *row);
    void *self;
};

/* What belongs together. */
enum transaction {
    TRANSACTION_READ,  /* all in one snapshot */
    TRANSACTION_WRITE, /* all or nothing, one at a time */
    /* Writes of which each stands for itself: where others share the store and this process hangs
     * between two statements, they wait for nothing. */
    TRANSACTION_EACH,
};

struct engine_options {
    const char *address; /* behind the scheme: a path, or //host/database */
    bool is_writer;      /* the connection that makes, migrates and changes the store */
    bool may_create;
};

/* One connection, used by one thread at a time. Failures are told apart alike: NAME_TAKEN for a
 * unique index (without a subject), REGISTRY_AWAY for what may pass by itself, REGISTRY_READ_ONLY
 * when nothing can be written, OVERLOADED when memory is out, INTERNAL for the rest. One that was
 * lost is made anew by `look` and `begin`. */
struct connection;
struct engine {
    const char *schemes[2]; /* of the URLs that are its: "sqlite:"; the second may be NULL */
    /* Makes the table meta (name, number, bytes) where there is none. */
    const char *meta;
    /* migrations[n] brings a store of version n to version n + 1. */
    const char *const *migrations;
    size_t migration_count;
    bool is_server; /* connections that were not opened as the writer can write as well */

    bool (*open)(const struct engine_options *options, struct connection **ret_connection,
                 struct error *ret_error);
    void (*close)(struct connection *connection); /* NULL is fine */
    /* One statement that reads, outside of a transaction: one snapshot. */
    bool (*look)(struct connection *connection, const struct query *query, struct error *ret_error);
    /* All others are run inside a transaction. */
    bool (*begin)(struct connection *connection, enum transaction kind, struct error *ret_error);
    /* True: all of it is on the disk. False: rolled back, as far as anyone who reads can see, or
     * COMMIT_UNKNOWN when a server was lost before it said which; after a failed write or fsync of
     * a file no later begin of a write succeeds until the store is opened anew, since the kernel
     * may have dropped what it could not write and will not say so twice. */
    bool (*commit)(struct connection *connection, struct error *ret_error);
    void (*rollback)(struct connection *connection); /* also outside of a transaction */
    bool (*query)(struct connection *connection, const struct query *query,
                  struct error *ret_error);
    /* Several statements without parameters: for migrations. */
    bool (*script)(struct connection *connection, const char *sql, struct error *ret_error);
    /* Inside a transaction: a number that is another one after any other connection's commit.
     * 0: cannot tell. */
    uint64_t (*version)(struct connection *connection);
    /* What can wait until a change is answered; to be called behind each. */
    bool (*maintain)(struct connection *connection, struct error *ret_error);

    /* Inside a transaction: looks the store over; `each` gets what is behind "the registry has". */
    bool (*verify)(struct connection *connection, void (*each)(void *self, struct text finding),
                   void *self, struct error *ret_error);

    /* NULL where nobody else can hear of a change but by asking: */
    /* Within a transaction of writing: others are to be told when it is committed. */
    void (*changing)(struct connection *connection);
    /* Blocks until somebody tells of a change, or may have told unheard, or the descriptor `wake`
     * can be read. On a connection that is used for nothing else. */
    bool (*wait)(struct connection *connection, int wake, struct error *ret_error);
};

extern const struct engine engine_sqlite;
extern const struct engine engine_postgres;

#endif
