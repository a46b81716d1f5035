/* Signing keys as rows of the store, and the first rows of a fresh one. */
#include "registry/find.h"
#include "registry/store.h"

/* A state of no known name signs nothing. */
static enum key_state key_state_read(struct text name) {
    if (text_equal(name, key_state_name(KEY_PENDING)))
        return KEY_PENDING;
    return text_equal(name, key_state_name(KEY_ACTIVE)) ? KEY_ACTIVE : KEY_RETIRED;
}

static struct key_record key_of(const struct row *row) {
    struct key_record key = {
        .state = key_state_read(row_text(row, 1)),
        .created_s = row_number(row, 4),
        .activated_s = row_number(row, 5),
        .retired_s = row_number(row, 6),
    };
    row_bytes(row, 0, (uint8_t *)key.kid, KEY_ID_CHARS);
    row_bytes(row, 2, key.public_key, PUBLIC_KEY_BYTES);
    row_bytes(row, 3, key.sealed_seed, SEALED_SEED_BYTES);
    return key;
}

static struct text key_kid(const struct key_record *key) {
    return (struct text){key->kid, strnlen(key->kid, KEY_ID_CHARS)};
}

static void key_cut(struct change *change, struct text kid) {
    change->scope = (struct scope){.kind = SCOPE_KEYS};
    change->noun = "key";
    change->name = kid;
}

static void key_write(const struct key_record *key, struct buffer *json) {
    change_text(json, "kid", key_kid(key));
    change_text(json, "state", key_state_name(key->state));
    change_number(json, "created", key->created_s);
    change_number(json, "activated", key->activated_s);
    change_number(json, "retired", key->retired_s);
}

/* What stood there before, if anything did, goes into the record. */
static bool key_write_before(struct change *change, struct text kid, bool *ret_found,
                             struct error *ret_error) {
    const struct row *row;
    if (!session_row(change->session, STATEMENT_KEY_BY_ID, PARAMETERS(value_text(kid)), &row,
                     ret_error))
        return false;
    *ret_found = row != NULL;
    if (row != NULL) {
        struct key_record key = key_of(row);
        key_write(&key, &change->before);
    }
    return true;
}

bool key_row_save(struct session *session, const struct key_record *key, struct error *ret_error) {
    return session_do(session, STATEMENT_KEY_PUT,
                      PARAMETERS(value_text(key_kid(key)), value_text(key_state_name(key->state)),
                                 value_bytes(key->public_key, PUBLIC_KEY_BYTES),
                                 value_bytes(key->sealed_seed, SEALED_SEED_BYTES),
                                 value_number(key->created_s), value_number(key->activated_s),
                                 value_number(key->retired_s)),
                      ret_error);
}

bool key_row_put(struct change *change, const struct key_record *key, struct error *ret_error) {
    bool found;
    key_cut(change, key_kid(key));
    if (!key_write_before(change, key_kid(key), &found, ret_error))
        return false;
    key_write(key, &change->after);
    return key_row_save(change->session, key, ret_error);
}

static bool key_each(void *self, const struct row *row) {
    struct key_set *set = self;
    if (set->count < KEYRING_KEYS_MAX)
        set->keys[set->count] = key_of(row);
    return set->count++ < KEYRING_KEYS_MAX;
}

bool key_set_read(struct session *session, struct key_set *ret_set, struct error *ret_error) {
    const struct row *row;
    struct query query = {STATEMENT_KEY_LIST, NO_PARAMETERS, key_each, ret_set};
    ret_set->count = 0;
    if (!session_found(session, STATEMENT_CLOCK, NO_PARAMETERS, "the registry's time", &row,
                       ret_error) ||
        !session_each(session, &query, ret_error))
        return false;
    ret_set->now_s = row_number(row, 0);
    return ret_set->count <= KEYRING_KEYS_MAX ||
           error_set(ret_error, ERROR_SIGNING_KEY, "there are more than %d", KEYRING_KEYS_MAX);
}

bool store_key_list(struct session *session, struct key_set *ret_set, struct error *ret_error) {
    bool ok = session_read(session, ret_error) && key_set_read(session, ret_set, ret_error);
    return session_end(session, ok);
}

bool store_key_put(struct session *session, const struct actor *actor, const struct key_record *key,
                   uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    bool ok =
        change_begin(&change, session, actor, ret_error) && key_row_put(&change, key, ret_error);
    return change_end(&change, ok, ret_seq, ret_error);
}

bool key_row_delete(struct change *change, struct text kid, struct error *ret_error) {
    bool found;
    key_cut(change, kid);
    if (!key_write_before(change, kid, &found, ret_error))
        return false;
    if (!found)
        return error_set(ret_error, ERROR_NOT_FOUND, "key");
    return session_do(change->session, STATEMENT_KEY_DELETE, PARAMETERS(value_text(kid)),
                      ret_error);
}

static bool is_initialised(struct session *session, bool *ret_initialised,
                           struct error *ret_error) {
    const struct row *row;
    if (!session_row(session, STATEMENT_META_GET, PARAMETERS(value_text(TEXT("initialised"))), &row,
                     ret_error))
        return false;
    *ret_initialised = row != NULL;
    return true;
}

bool store_is_initialised(struct session *session, bool *ret_initialised, struct error *ret_error) {
    bool ok =
        session_read(session, ret_error) && is_initialised(session, ret_initialised, ret_error);
    return session_end(session, ok);
}

static bool initialise(struct change *change, const struct token *token, const uint8_t *hash,
                       const struct key_record *key, struct error *ret_error) {
    bool done;
    if (!is_initialised(change->session, &done, ret_error))
        return false;
    if (done)
        return error_set(ret_error, ERROR_NAME_TAKEN, "of this registry");
    bool ok = session_do(change->session, STATEMENT_META_PUT,
                         PARAMETERS(value_text(TEXT("initialised")),
                                    value_number(change->actor->now_s), value_null()),
                         ret_error) &&
              token_add(change, token, hash, ret_error) && key_row_put(change, key, ret_error);
    change->noun = "registry";
    change->name = TEXT("");
    change_uuid(&change->after, "operatorToken", &token->id);
    return ok;
}

bool store_initialise(struct session *session, const struct actor *actor,
                      const struct uuid *operator_id,
                      const uint8_t operator_hash[static TOKEN_HASH_BYTES],
                      const struct key_record *key, struct error *ret_error) {
    struct change change;
    struct token token = {.id = *operator_id, .kind = TOKEN_OPERATOR};
    bool ok = change_begin(&change, session, actor, ret_error) &&
              initialise(&change, &token, operator_hash, key, ret_error);
    return change_end(&change, ok, NULL, ret_error);
}
