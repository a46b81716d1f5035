/* The statements of the store, and the columns of a row as what they should be. */
#include "registry/engine.h"

const char *const statement_sql[STATEMENTS] = {
#define STATEMENT(name, sql) [STATEMENT_##name] = (sql),
#include "registry/statements.def"
#undef STATEMENT
};

static const struct value *row_column(const struct row *row, size_t column) {
    check(column < row->count);
    return &row->columns[column];
}

int64_t row_number(const struct row *row, size_t column) {
    return row_column(row, column)->number;
}

struct text row_text(const struct row *row, size_t column) {
    return row_column(row, column)->text;
}

void row_bytes(const struct row *row, size_t column, uint8_t *ret_bytes, size_t len) {
    struct text bytes = row_text(row, column);
    memset(ret_bytes, 0, len);
    if (bytes.len == len)
        memcpy(ret_bytes, bytes.at, len);
}

struct uuid row_uuid(const struct row *row, size_t column) {
    struct uuid uuid = {{0}};
    row_bytes(row, column, uuid.bytes, UUID_BYTES);
    return uuid;
}
