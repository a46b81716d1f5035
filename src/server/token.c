/* Tokens of services: issued, listed, revoked. */
#include "server/answer.h"
#include "server/handlers.h"

enum { GIVEN_OVERLAP = 1 << 2 };

struct token_input {
    uint64_t given;
    uint64_t ttl_s;
    struct text description;
    uint64_t overlap_s;         /* given: the service's other tokens live on for so long at most */
    struct service_token token; /* wiped once it is written */
};

bool token_parse(struct request *request) {
    static const struct json_field fields[] = {
        {"ttl_seconds", JSON_FIELD_NUMBER, offsetof(struct token_input, ttl_s)},
        {"description", JSON_FIELD_TEXT, offsetof(struct token_input, description)},
        {"rotate_overlap_seconds", JSON_FIELD_NUMBER, offsetof(struct token_input, overlap_s)},
    };
    struct token_input *input = request_take(request, sizeof(*input));
    if (input == NULL)
        return false;
    *input = (struct token_input){0};
    request->input = input;
    return request->body == NULL ||
           json_read_fields(request->body, fields, array_count(fields), input, &request->error);
}

static void prefix_write(const struct request *request, const struct uuid *id, struct buffer *out) {
    char memory[TOKEN_PREFIX_BYTES_MAX];
    struct buffer prefix = buffer_over(memory, sizeof(memory));
    service_token_prefix(id, TOKEN_SERVICE, request->mint->settings.brand, &prefix);
    answer_text(out, "prefix", buffer_text(&prefix));
}

/* {"token","id","prefix","expiresOn"}: the only time that the token is shown. */
static bool token_answer(struct request *request, const struct service_token *token,
                         int64_t expires_s) {
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (out == NULL)
        return false;
    buffer_add(out, TEXT("{\"token\":\""));
    service_token_write(token, request->mint->settings.brand, out);
    buffer_byte(out, '"');
    answer_uuid(out, "id", &token->id);
    prefix_write(request, &token->id, out);
    answer_time(out, "expiresOn", expires_s);
    buffer_byte(out, '}');
    return true;
}

static bool token_store(struct request *request, struct session *session,
                        const struct token *token) {
    const struct token_input *input = request->input;
    const struct actor *actor = &request->actor;
    struct text org = request->params[PARAM_ORG], service = request->params[PARAM_SERVICE];
    uint8_t hash[TOKEN_HASH_BYTES];
    service_token_hash(&input->token, hash);
    if (!(input->given & GIVEN_OVERLAP))
        return store_token_create(session, actor, org, service, token, hash, &request->seq,
                                  &request->work_error);
    return store_token_rotate(session, actor, org, service, token, hash,
                              actor->now_s + (int64_t)input->overlap_s, &request->seq,
                              &request->work_error);
}

bool token_issue(struct request *request, struct session *session) {
    struct token_input *input = request->input;
    struct random random;
    if (!random_open(&random))
        return error_set(&request->work_error, ERROR_INTERNAL, NULL);
    service_token_make(&random, TOKEN_SERVICE, &input->token);
    random_close(&random);
    struct token token = {
        .id = input->token.id,
        .description = input->description,
        .expires_s = input->ttl_s != 0 ? request->actor.now_s + (int64_t)input->ttl_s : 0,
    };
    bool is_done = token_store(request, session, &token) &&
                   token_answer(request, &input->token, token.expires_s);
    memory_wipe(&input->token, sizeof(input->token));
    return is_done;
}

static bool token_each(void *self, const struct token *token) {
    struct request *request = self;
    struct buffer *out = request_out(request, answer_room(&token->description, 1));
    if (out == NULL)
        return false;
    answer_key(out, NULL);
    buffer_byte(out, '{');
    answer_uuid(out, "id", &token->id);
    prefix_write(request, &token->id, out);
    answer_text(out, "description", token->description);
    answer_time(out, "createdOn", token->created_s);
    answer_time(out, "expiresOn", token->expires_s);
    answer_time(out, "lastUsedOn", token->last_used_s);
    answer_text(out, "lastUsedAddress", token->last_used_address);
    buffer_byte(out, '}');
    return true;
}

/* A list without pages: {"<key>":[ … */
static bool list_begin(struct request *request, const char *key) {
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (out == NULL)
        return false;
    buffer_byte(out, '{');
    answer_raw(out, key, TEXT("["));
    return true;
}

static bool list_end(struct request *request) {
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (out == NULL || error_is(&request->work_error))
        return false;
    buffer_add(out, TEXT("]}"));
    return true;
}

bool token_list(struct request *request, struct session *session) {
    return list_begin(request, "tokens") &&
           store_token_list(session, request->params[PARAM_ORG], request->params[PARAM_SERVICE],
                            token_each, request, &request->work_error) &&
           list_end(request);
}

/* The path names no org: whose token it is decides, and a stranger learns nothing of it. */
bool token_revoke(struct request *request, struct session *session) {
    const struct caller *caller = &request->caller;
    struct uuid id, org_id;
    struct token token;
    bool is_operator = caller->kind == TOKEN_OPERATOR;
    if (!text_uuid(request->params[PARAM_ID], &id))
        return error_set(&request->work_error, ERROR_NOT_FOUND, "token");
    if (!store_token_owner(session, &id, &token, &org_id, &request->work_error))
        return false;
    if (!is_operator && (token.kind == TOKEN_OPERATOR || !uuid_equal(&org_id, &caller->org_id)))
        return error_set(&request->work_error, ERROR_NOT_FOUND, "token");
    return store_token_revoke(session, &request->actor, &id, &request->seq, &request->work_error) &&
           answer_empty(request);
}
