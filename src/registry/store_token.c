/* The store's functions for service and operator tokens. */
#include "registry/find.h"
#include "registry/store.h"

static struct token token_of(const struct row *row) {
    return (struct token){
        .id = row_uuid(row, 0),
        .service_id = row_uuid(row, 1),
        .kind = row->columns[1].type == VALUE_NULL ? TOKEN_OPERATOR : TOKEN_SERVICE,
        .description = row_text(row, 2),
        .created_s = row_number(row, 3),
        .expires_s = row_number(row, 4),
        .revoked_s = row_number(row, 5),
        .last_used_s = row_number(row, 6),
        .last_used_address = row_text(row, 7),
    };
}

/* A token with the service that it belongs to, as TOKEN_BY_ID gives them. */
struct token_owned {
    struct token token;
    struct uuid org_id;
    struct text service_name;
};

static bool token_find(struct session *session, const struct uuid *id,
                       struct token_owned *ret_owned, struct error *ret_error) {
    const struct row *row;
    if (!session_found(session, STATEMENT_TOKEN_BY_ID, PARAMETERS(value_uuid(id)), "token", &row,
                       ret_error))
        return false;
    *ret_owned = (struct token_owned){token_of(row), row_uuid(row, 8), row_text(row, 9)};
    return true;
}

/* The record tells a token by its id; neither its text nor its hash stand in it. */
static void token_cut(struct change *change, const struct token_owned *owned) {
    change->scope = (struct scope){SCOPE_TOKEN, owned->token.id};
    change->org_id = owned->org_id;
    change->noun = owned->token.kind == TOKEN_OPERATOR ? "operator token" : "token of service";
    change->name = owned->service_name;
}

static void token_write(const struct token *token, struct buffer *json) {
    change_uuid(json, "id", &token->id);
    change_text(json, "description", token->description);
    change_number(json, "expires", token->expires_s);
    change_number(json, "revoked", token->revoked_s);
}

bool token_add(struct change *change, const struct token *token,
               const uint8_t hash[static TOKEN_HASH_BYTES], struct error *ret_error) {
    bool is_operator = token->kind == TOKEN_OPERATOR;
    return session_do(change->session, STATEMENT_TOKEN_ADD,
                      PARAMETERS(value_uuid(&token->id),
                                 is_operator ? value_null() : value_uuid(&token->service_id),
                                 value_bytes(hash, TOKEN_HASH_BYTES),
                                 value_text(token->description), value_number(change->actor->now_s),
                                 value_number(token->expires_s)),
                      ret_error);
}

static bool token_create(struct change *change, struct text org, struct text service,
                         const struct token *token, const uint8_t *hash, struct error *ret_error) {
    struct token_owned owned = {.token = *token};
    if (token->kind == TOKEN_SERVICE) {
        struct service found;
        if (!service_find_in(change->session, org, service, &found, ret_error))
            return false;
        owned.token.service_id = found.id;
        owned.org_id = found.org_id;
        owned.service_name = found.name;
    }
    owned.token.revoked_s = 0;
    token_cut(change, &owned);
    token_write(&owned.token, &change->after);
    return token_add(change, &owned.token, hash, ret_error);
}

bool store_token_create(struct session *session, const struct actor *actor, struct text org,
                        struct text service, const struct token *token,
                        const uint8_t hash[static TOKEN_HASH_BYTES], uint64_t *ret_seq,
                        struct error *ret_error) {
    struct change change;
    bool ok = change_begin(&change, session, actor, ret_error) &&
              token_create(&change, org, service, token, hash, ret_error);
    return change_end(&change, ok, ret_seq, ret_error);
}

/* The change is the service's: what is known of any of its tokens is not so any more. */
static bool token_rotate(struct change *change, struct text org, struct text service,
                         const struct token *token, const uint8_t *hash, int64_t others_expire_s,
                         struct error *ret_error) {
    check(token->kind == TOKEN_SERVICE && others_expire_s > 0);
    struct service found;
    if (!service_find_in(change->session, org, service, &found, ret_error) ||
        !session_do(change->session, STATEMENT_TOKENS_EXPIRE,
                    PARAMETERS(value_uuid(&found.id), value_number(others_expire_s)), ret_error) ||
        !token_create(change, org, service, token, hash, ret_error))
        return false;
    change->scope = (struct scope){SCOPE_SERVICE, found.id};
    change_number(&change->after, "othersExpire", others_expire_s);
    return true;
}

bool store_token_rotate(struct session *session, const struct actor *actor, struct text org,
                        struct text service, const struct token *token,
                        const uint8_t hash[static TOKEN_HASH_BYTES], int64_t others_expire_s,
                        uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    bool ok = change_begin(&change, session, actor, ret_error) &&
              token_rotate(&change, org, service, token, hash, others_expire_s, ret_error);
    return change_end(&change, ok, ret_seq, ret_error);
}

struct token_list {
    bool (*each)(void *self, const struct token *row);
    void *self;
};

static bool token_each(void *self, const struct row *row) {
    const struct token_list *list = self;
    struct token token = token_of(row);
    return list->each(list->self, &token);
}

bool store_token_list(struct session *session, struct text org, struct text service,
                      bool (*each)(void *self, const struct token *row), void *self,
                      struct error *ret_error) {
    struct service found;
    struct token_list list = {each, self};
    bool ok = session_read(session, ret_error) &&
              service_find_in(session, org, service, &found, ret_error);
    if (ok) {
        struct query query = {STATEMENT_TOKEN_LIST, PARAMETERS(value_uuid(&found.id)), token_each,
                              &list};
        ok = session_each(session, &query, ret_error);
    }
    return session_end(session, ok);
}

struct expiring {
    bool (*each)(void *self, const struct token *row, struct text service, struct text org);
    void *self;
};

static bool expiring_each(void *self, const struct row *row) {
    const struct expiring *expiring = self;
    struct token token = token_of(row);
    return expiring->each(expiring->self, &token, row_text(row, 9), row_text(row, 10));
}

bool store_tokens_expiring(struct session *session, int64_t from_s, int64_t to_s,
                           bool (*each)(void *self, const struct token *row, struct text service,
                                        struct text org),
                           void *self, struct error *ret_error) {
    struct expiring expiring = {each, self};
    struct query query = {STATEMENT_TOKENS_EXPIRING,
                          PARAMETERS(value_number(from_s), value_number(to_s)), expiring_each,
                          &expiring};
    bool ok = session_read(session, ret_error) && session_each(session, &query, ret_error);
    return session_end(session, ok);
}

bool store_token_owner(struct session *session, const struct uuid *id, struct token *ret_token,
                       struct uuid *ret_org_id, struct error *ret_error) {
    struct token_owned owned;
    bool ok = session_read(session, ret_error) && token_find(session, id, &owned, ret_error);
    if (!session_end(session, ok))
        return false;
    *ret_token = owned.token;
    *ret_org_id = owned.org_id;
    return true;
}

/* Sets one of the times of a token that is not revoked. */
static bool token_set(struct change *change, const struct uuid *id, enum statement statement,
                      int64_t time_s, struct error *ret_error) {
    struct token_owned owned;
    if (!token_find(change->session, id, &owned, ret_error))
        return false;
    if (owned.token.revoked_s != 0)
        return error_set(ret_error, ERROR_NOT_FOUND, "token");
    token_cut(change, &owned);
    token_write(&owned.token, &change->before);
    if (statement == STATEMENT_TOKEN_REVOKE)
        owned.token.revoked_s = time_s;
    else
        owned.token.expires_s = time_s;
    token_write(&owned.token, &change->after);
    return session_do(change->session, statement, PARAMETERS(value_uuid(id), value_number(time_s)),
                      ret_error);
}

bool store_token_revoke(struct session *session, const struct actor *actor, const struct uuid *id,
                        uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    bool ok = change_begin(&change, session, actor, ret_error) &&
              token_set(&change, id, STATEMENT_TOKEN_REVOKE, actor->now_s, ret_error);
    return change_end(&change, ok, ret_seq, ret_error);
}

bool store_token_expire(struct session *session, const struct actor *actor, const struct uuid *id,
                        int64_t expires_s, uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    bool ok = change_begin(&change, session, actor, ret_error) &&
              token_set(&change, id, STATEMENT_TOKEN_EXPIRE, expires_s, ret_error);
    return change_end(&change, ok, ret_seq, ret_error);
}

static bool token_used(struct session *session, const struct token_use *use,
                       struct error *ret_error) {
    struct text address = {use->address, strnlen(use->address, sizeof(use->address))};
    return session_do(
        session, STATEMENT_TOKEN_USED,
        PARAMETERS(value_uuid(&use->id), value_number(use->at_s), value_text(address)), ret_error);
}

bool store_tokens_used(struct session *session, const struct token_use *uses, size_t count,
                       struct error *ret_error) {
    bool ok = session_write(session, ret_error);
    for (size_t i = 0; ok && i < count; i++)
        ok = token_used(session, &uses[i], ret_error);
    return session_end(session, ok && session_commit(session, ret_error));
}
