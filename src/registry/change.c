/* The frame around every mutation: counter, change, audit row, commit. */
#include "registry/change.h"

/* The texts of one row, of which none is longer than a body may be. */
#define CHANGE_JSON_BYTES ((size_t)160 * 1024)
/* The feed asks for the last FEED_CHANGES_MAX at most; the others are for who looks into the
 * past. */
#define CHANGES_KEPT 100000
#define CHANGES_TRIM_EVERY 1024

static bool change_memory(struct change *change, struct buffer *buffer, struct error *ret_error) {
    char *memory = arena_take(&change->session->arena, CHANGE_JSON_BYTES);
    if (memory == NULL)
        return error_set(ret_error, ERROR_INTERNAL, "a change has no room");
    *buffer = buffer_over(memory, CHANGE_JSON_BYTES);
    return true;
}

bool change_begin(struct change *change, struct session *session, const struct actor *actor,
                  struct error *ret_error) {
    const struct row *row;
    *change = (struct change){.session = session, .actor = actor};
    if (!session_write(session, ret_error) || !change_memory(change, &change->before, ret_error) ||
        !change_memory(change, &change->after, ret_error) ||
        !session_found(session, STATEMENT_COUNTER_NEXT, NO_PARAMETERS, "the counter", &row,
                       ret_error))
        return false;
    change->seq = (uint64_t)row_number(row, 0);
    session->changed_epoch = (uint64_t)row_number(row, 1);
    session_changing(session);
    return true;
}

static bool changes_trim(struct change *change, struct error *ret_error) {
    if (change->seq % CHANGES_TRIM_EVERY != 0)
        return true;
    return session_do(change->session, STATEMENT_CHANGES_TRIM,
                      PARAMETERS(value_number((int64_t)change->seq - CHANGES_KEPT)), ret_error);
}

static bool change_publish(struct change *change, struct error *ret_error) {
    return session_do(change->session, STATEMENT_CHANGE_ADD,
                      PARAMETERS(value_number((int64_t)change->seq),
                                 value_number(change->scope.kind), value_uuid(&change->scope.id),
                                 value_number(change->actor->now_s)),
                      ret_error) &&
           changes_trim(change, ret_error);
}

static bool change_audit(struct change *change, struct error *ret_error) {
    char memory[128];
    struct buffer target = buffer_over(memory, sizeof(memory));
    buffer_put(&target, change->noun);
    if (change->name.len > 0)
        buffer_byte(&target, ' ');
    buffer_add(&target, change->name);
    if (change->before.len > 0)
        buffer_byte(&change->before, '}');
    if (change->after.len > 0)
        buffer_byte(&change->after, '}');
    if (target.overflow || change->before.overflow || change->after.overflow)
        return error_set(ret_error, ERROR_INTERNAL, "the audit record of a change has no room");
    struct audit_entry entry = {
        .actor = change->actor,
        .seq = change->seq,
        .org_id = change->org_id,
        .target = buffer_text(&target),
        .before = buffer_text(&change->before),
        .after = buffer_text(&change->after),
    };
    return audit_append(change->session, &entry, ret_error);
}

bool change_end(struct change *change, bool ok, uint64_t *ret_seq, struct error *ret_error) {
    struct session *session = change->session;
    if (!ok || !change_publish(change, ret_error) || !change_audit(change, ret_error) ||
        !session_commit(session, ret_error))
        return session_end(session, false);
    if (ret_seq != NULL)
        *ret_seq = change->seq;
    if (session->shared->on_commit != NULL)
        session->shared->on_commit(session->shared->on_commit_self, change->seq);
    return true;
}

static void change_key(struct buffer *json, const char *key) {
    buffer_byte(json, json->len == 0 ? '{' : ',');
    buffer_json(json, text_of(key));
    buffer_byte(json, ':');
}

void change_text(struct buffer *json, const char *key, struct text value) {
    change_key(json, key);
    buffer_json(json, value);
}

void change_number(struct buffer *json, const char *key, int64_t value) {
    change_key(json, key);
    buffer_signed(json, value);
}

void change_uuid(struct buffer *json, const char *key, const struct uuid *value) {
    char memory[UUID_TEXT_BYTES];
    struct buffer text = buffer_over(memory, sizeof(memory));
    buffer_uuid(&text, value);
    change_text(json, key, buffer_text(&text));
}

void change_json(struct buffer *json, const char *key, struct text value) {
    change_key(json, key);
    buffer_add(json, value);
}

bool change_named(bool ok, struct text name, struct error *error) {
    if (!ok && error->code == ERROR_NAME_TAKEN)
        error_about(error, ERROR_NAME_TAKEN, name);
    return ok;
}
