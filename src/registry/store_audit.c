/* The audit record: rows chained by their hashes, so that one changed, removed or cut off shows. */
#include "registry/change.h"
#include "registry/store.h"
#include "token/chain.h"

/* The end of the chain, in meta: how many rows there are, and the hash of the last (zeros at
 * first). */
struct audit_tail {
    uint64_t count;
    uint8_t hash[SHA256_BYTES];
};

static bool audit_tail_read(struct session *session, struct audit_tail *ret_tail,
                            struct error *ret_error) {
    const struct row *row;
    if (!session_row(session, STATEMENT_META_GET, PARAMETERS(value_text(TEXT("audit"))), &row,
                     ret_error))
        return false;
    *ret_tail = (struct audit_tail){0};
    if (row != NULL) {
        ret_tail->count = (uint64_t)row_number(row, 0);
        row_bytes(row, 1, ret_tail->hash, SHA256_BYTES);
    }
    return true;
}

/* The columns of AUDIT before the hash. */
#define AUDIT_COLUMNS 13
#define AUDIT_HASH AUDIT_COLUMNS

/* The columns before the hash as parts of the chain. */
static void audit_hash(const uint8_t before[static SHA256_BYTES], const struct value *columns,
                       uint8_t ret_hash[static SHA256_BYTES]) {
    uint8_t numbers[AUDIT_COLUMNS][8];
    struct text parts[AUDIT_COLUMNS];
    for (size_t i = 0; i < AUDIT_COLUMNS; i++)
        parts[i] = columns[i].type == VALUE_NUMBER
                       ? chain_number((uint64_t)columns[i].number, numbers[i])
                       : columns[i].text;
    chain_hash(before, parts, AUDIT_COLUMNS, ret_hash);
}

static struct text actor_id_write(const struct uuid *id, struct buffer *out) {
    if (!uuid_equal(id, &(struct uuid){0}))
        buffer_uuid(out, id);
    return buffer_text(out);
}

bool audit_append(struct session *session, const struct audit_entry *entry,
                  struct error *ret_error) {
    struct audit_tail tail;
    char memory[UUID_TEXT_BYTES];
    struct buffer id = buffer_over(memory, sizeof(memory));
    const struct actor *actor = entry->actor;
    if (!audit_tail_read(session, &tail, ret_error))
        return false;
    tail.count++;
    struct value columns[AUDIT_COLUMNS + 1] = {
        value_number((int64_t)tail.count), value_number((int64_t)entry->seq),
        value_number(actor->now_s),        value_uuid(&entry->org_id),
        value_text(actor->kind),           value_text(actor_id_write(&actor->id, &id)),
        value_text(actor->name),           value_text(actor->address),
        value_text(actor->request_id),     value_text(actor->action),
        value_text(entry->target),         value_text(entry->before),
        value_text(entry->after),
    };
    audit_hash(tail.hash, columns, tail.hash);
    columns[AUDIT_HASH] = value_bytes(tail.hash, SHA256_BYTES);
    return session_do(session, STATEMENT_AUDIT_ADD, columns, array_count(columns), ret_error) &&
           session_do(session, STATEMENT_META_PUT,
                      PARAMETERS(value_text(TEXT("audit")), columns[0], columns[AUDIT_HASH]),
                      ret_error);
}

bool store_audit_note(struct session *session, const struct actor *actor, const struct uuid *org_id,
                      struct text target, struct error *ret_error) {
    struct audit_entry entry = {.actor = actor, .target = target};
    if (org_id != NULL)
        entry.org_id = *org_id;
    bool ok = session_write(session, ret_error) && audit_append(session, &entry, ret_error) &&
              session_commit(session, ret_error);
    return session_end(session, ok);
}

struct audit_list {
    bool (*each)(void *self, const struct audit_row *row);
    void *self;
};

static bool audit_each(void *self, const struct row *row) {
    const struct audit_list *list = self;
    struct audit_row audit = {
        .id = (uint64_t)row_number(row, 0),
        .seq = (uint64_t)row_number(row, 1),
        .at_s = row_number(row, 2),
        .org_id = row_uuid(row, 3),
        .actor_kind = row_text(row, 4),
        .actor_id = row_text(row, 5),
        .actor_name = row_text(row, 6),
        .address = row_text(row, 7),
        .request_id = row_text(row, 8),
        .action = row_text(row, 9),
        .target = row_text(row, 10),
        .before = row_text(row, 11),
        .after = row_text(row, 12),
    };
    row_bytes(row, AUDIT_HASH, audit.hash, SHA256_BYTES);
    return list->each(list->self, &audit);
}

bool store_audit_list(struct session *session, const struct uuid *org_id, uint64_t before_id,
                      uint32_t limit, bool (*each)(void *self, const struct audit_row *row),
                      void *self, struct error *ret_error) {
    struct audit_list list = {each, self};
    bool from_newest = before_id == 0 || before_id > INT64_MAX;
    struct value before = value_number(from_newest ? INT64_MAX : (int64_t)before_id);
    struct query all = {STATEMENT_AUDIT_LIST, PARAMETERS(before, value_number(limit)), audit_each,
                        &list};
    struct query of_org = {
        STATEMENT_AUDIT_OF_ORG,
        PARAMETERS(org_id == NULL ? value_null() : value_uuid(org_id), before, value_number(limit)),
        audit_each, &list};
    bool ok = session_read(session, ret_error) &&
              session_each(session, org_id == NULL ? &all : &of_org, ret_error);
    return session_end(session, ok);
}

struct audit_walk {
    struct audit_tail tail; /* as far as the chain was followed */
    uint64_t bad_id;
};

static bool audit_walk_each(void *self, const struct row *row) {
    struct audit_walk *walk = self;
    uint8_t hash[SHA256_BYTES], stored[SHA256_BYTES];
    audit_hash(walk->tail.hash, row->columns, hash);
    row_bytes(row, AUDIT_HASH, stored, SHA256_BYTES);
    if (memcmp(hash, stored, SHA256_BYTES) != 0) {
        walk->bad_id = (uint64_t)row_number(row, 0);
        return false;
    }
    walk->tail.count++;
    memcpy(walk->tail.hash, hash, SHA256_BYTES);
    return true;
}

/* All rows follow one another: whether they also end where they should. */
static uint64_t audit_end_check(const struct audit_tail *found, const struct audit_tail *tail) {
    if (found->count != tail->count)
        return (found->count < tail->count ? found->count : tail->count) + 1;
    return memcmp(found->hash, tail->hash, SHA256_BYTES) == 0 ? 0 : found->count;
}

bool store_audit_verify(struct session *session, uint64_t *ret_rows, uint64_t *ret_bad_id,
                        struct error *ret_error) {
    struct audit_walk walk = {0};
    struct audit_tail tail = {0};
    struct query query = {STATEMENT_AUDIT_ALL, NO_PARAMETERS, audit_walk_each, &walk};
    bool ok = session_read(session, ret_error) && audit_tail_read(session, &tail, ret_error) &&
              session_each(session, &query, ret_error);
    if (!session_end(session, ok))
        return false;
    *ret_rows = walk.tail.count;
    *ret_bad_id = walk.bad_id != 0 ? walk.bad_id : audit_end_check(&walk.tail, &tail);
    return true;
}
