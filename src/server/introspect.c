/* Is a credential or a service token still good? For gateways: introspection (RFC 7662) and
 * forward-auth. */
#include <stdlib.h>

#include "base/base64.h"
#include "server/answer.h"
#include "server/handlers.h"

/* ---- introspection --------------------------------------------------------------------------- */

struct introspect_input {
    uint64_t given;
    const struct json *token_value;
    const struct json *hint_value; /* means nothing: the two kinds tell themselves apart */
    struct text token;
    bool is_credential; /* of ours, as far as it tells by itself */
    struct presented presented;
};

/* Takes `token` out of the form; RFC 6749 §3.2: what is not known there means nothing, and nothing
 * may stand there twice. */
static bool form_read(struct request *request, struct text *ret_token) {
    struct text form = request->form, name, value;
    char *memory = request_take(request, form.len);
    if (memory == NULL)
        return false;
    struct buffer token = buffer_over(memory, form.len);
    *ret_token = (struct text){0};
    while (http_query_next(&form, &name, &value)) {
        if (!text_equal(name, TEXT("token")))
            continue;
        if (ret_token->at != NULL)
            return error_set(&request->error, ERROR_FIELD_TWICE, "token");
        if (!http_decode(value, true, &token))
            return error_set(&request->error, ERROR_FIELD_VALUE, "token is not well encoded");
        *ret_token = buffer_text(&token);
    }
    return true;
}

static bool json_token_read(struct request *request, struct introspect_input *input) {
    static const struct json_field fields[] = {
        {"token", JSON_FIELD_ANY, offsetof(struct introspect_input, token_value)},
        {"token_type_hint", JSON_FIELD_ANY, offsetof(struct introspect_input, hint_value)},
    };
    if (request->body == NULL)
        return true;
    if (!json_read_fields(request->body, fields, array_count(fields), input, &request->error))
        return false;
    if (input->token_value == NULL)
        return true;
    if (!json_is_string(input->token_value))
        return error_set(&request->error, ERROR_FIELD_VALUE, "token must be a string");
    input->token = json_text(input->token_value);
    return true;
}

bool introspect_parse(struct request *request) {
    struct introspect_input *input = request_take(request, sizeof(*input));
    struct error error;
    if (input == NULL)
        return false;
    memset(input, 0, sizeof(*input));
    request->input = input;
    bool is_read =
        request->form.len > 0 ? form_read(request, &input->token) : json_token_read(request, input);
    if (!is_read)
        return false;
    if (input->token.len == 0)
        return error_set(&request->error, ERROR_FIELD_MISSING, "token");
    input->is_credential = presented_read(request, input->token, &input->presented, &error);
    return input->is_credential || error.code == ERROR_CREDENTIAL ||
           error_set(&request->error, ERROR_OVERLOADED, "memory");
}

/* The look-up of a grant, where "not found" is an answer. */
static bool grant_look(struct session *session, const struct uuid *token_id,
                       struct grant **ret_grant, struct error *ret_error) {
    *ret_grant = NULL;
    if (store_grant(session, token_id, ret_grant, ret_error) || ret_error->code == ERROR_NOT_FOUND)
        ret_error->code = ERROR_NONE;
    return !error_is(ret_error);
}

/* The grant behind a credential: its token's, or the operator's as the service that it names. */
static bool actor_look(struct session *session, const struct presented *presented,
                       struct grant **ret_grant, struct error *ret_error) {
    const struct service_ref service = {.id = presented->service_id};
    if (!grant_look(session, &presented->token_id, ret_grant, ret_error))
        return false;
    if (*ret_grant == NULL || (*ret_grant)->kind != TOKEN_OPERATOR)
        return true;
    free(*ret_grant);
    *ret_grant = NULL;
    return store_grant_acting(session, &presented->token_id, &service, ret_grant, ret_error);
}

/* Who may mint for a project may ask what became of the credentials. */
static bool caller_may_ask(struct request *request, struct session *session,
                           const struct project *project) {
    const struct caller *caller = &request->caller;
    struct grant *grant;
    if (caller->kind == TOKEN_OPERATOR)
        return true;
    if (!uuid_equal(&caller->org_id, &project->org_id) ||
        !grant_look(session, &caller->token_id, &grant, &request->work_error) || grant == NULL)
        return false;
    uint32_t permissions = grant_permissions_in(grant, &project->id);
    free(grant);
    return (permissions & PERMISSION_ISSUE) != 0;
}

/* Whether the service behind the credential may still mint it. */
static bool grant_is_good(const struct grant *grant, const struct presented *presented) {
    return grant != NULL && grant->kind == TOKEN_SERVICE && grant->revoked_s == 0 &&
           text_equal_nocase(grant->org_name, presented->org);
}

static bool credential_is_active(struct request *request, struct session *session) {
    const struct introspect_input *input = request->input;
    const struct presented *presented = &input->presented;
    struct error *error = &request->work_error;
    struct project_record *record = NULL;
    struct grant *grant;
    bool is_active =
        actor_look(session, presented, &grant, error) && grant_is_good(grant, presented) &&
        store_project_record(session, &grant->org_id, presented->project, &record, error) &&
        uuid_equal(&record->project.instance_id, &presented->instance_id) &&
        (grant_permissions_in(grant, &record->project.id) & PERMISSION_ISSUE) &&
        caller_may_ask(request, session, &record->project);
    if (error->code == ERROR_NOT_FOUND)
        error->code = ERROR_NONE;
    free(record);
    free(grant);
    return is_active;
}

static bool answer_inactive(struct request *request) {
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (out == NULL)
        return false;
    buffer_add(out, TEXT("{\"active\":false}"));
    return true;
}

/* The claims as they were minted, which have RFC 7662's names, and who asked for them. */
static bool credential_answer(struct request *request) {
    const struct introspect_input *input = request->input;
    const struct json *claims = input->presented.claims;
    const struct json *actor = json_member(claims, TEXT("act"));
    const struct json *client = actor != NULL ? json_member(actor, TEXT("sub")) : NULL;
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES + input->presented.bytes);
    if (out == NULL)
        return false;
    buffer_add(out, TEXT("{\"active\":true,\"token_type\":\"Bearer\""));
    if (client != NULL && json_is_string(client))
        answer_text(out, "client_id", json_text(client));
    for (struct json_iter i = json_iter(claims); json_next(&i);) {
        buffer_byte(out, ',');
        buffer_json(out, i.key);
        buffer_byte(out, ':');
        json_write(i.value, out);
    }
    buffer_byte(out, '}');
    check(!out->overflow);
    return true;
}

/* A service may ask for its own tokens, who manages the org for those of the org. */
static bool caller_may_ask_of_token(const struct caller *caller, const struct grant *grant) {
    if (caller->kind == TOKEN_OPERATOR)
        return true;
    return grant->kind == TOKEN_SERVICE && uuid_equal(&caller->org_id, &grant->org_id) &&
           (uuid_equal(&caller->service_id, &grant->service_id) ||
            (caller->org_permissions & PERMISSION_MANAGE_ORG));
}

static bool token_is_active(const struct request *request, const struct service_token *token,
                            const struct grant *grant) {
    return grant != NULL && grant->kind == token->kind &&
           service_token_matches(token, grant->secret_hash) && grant->revoked_s == 0 &&
           (grant->expires_s == 0 || request->actor.now_s < grant->expires_s) &&
           caller_may_ask_of_token(&request->caller, grant);
}

static void subject_write(struct buffer *out, const char *key, const struct grant *grant) {
    answer_key(out, key);
    buffer_add(out, TEXT("\"svc_"));
    buffer_uuid(out, &grant->service_id);
    buffer_byte(out, '"');
}

static bool token_answer(struct request *request, const struct grant *grant) {
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (out == NULL)
        return false;
    buffer_add(out, TEXT("{\"active\":true,\"token_type\":\"Bearer\""));
    answer_text(out, "iss", request->mint->cache->options.issuer);
    if (grant->kind == TOKEN_SERVICE) {
        subject_write(out, "sub", grant);
        subject_write(out, "client_id", grant);
        answer_text(out, "username", grant->service_name);
        answer_text(out, "org", grant->org_name);
    }
    answer_uuid(out, "jti", &grant->token_id);
    if (grant->expires_s != 0)
        answer_number(out, "exp", (uint64_t)grant->expires_s);
    buffer_byte(out, '}');
    return true;
}

static bool token_introspect(struct request *request, struct session *session,
                             const struct service_token *token) {
    struct grant *grant;
    if (!grant_look(session, &token->id, &grant, &request->work_error))
        return false;
    bool is_active = token_is_active(request, token, grant);
    bool is_done = is_active ? token_answer(request, grant) : answer_inactive(request);
    free(grant);
    return is_done;
}

static bool credential_introspect(struct request *request, struct session *session) {
    bool is_active = credential_is_active(request, session);
    if (error_is(&request->work_error))
        return false;
    return is_active ? credential_answer(request) : answer_inactive(request);
}

/* RFC 7662 §2.2: of what the caller may not know nothing is told but that it is not active. */
bool introspect(struct request *request, struct session *session) {
    const struct introspect_input *input = request->input;
    struct service_token token;
    if (input->is_credential)
        return credential_introspect(request, session);
    if (!service_token_read(input->token, request->mint->settings.brand, &token))
        return answer_inactive(request);
    bool is_done = token_introspect(request, session, &token);
    memory_wipe(&token, sizeof(token));
    return is_done;
}

/* ---- forward-auth ---------------------------------------------------------------------------- */

/* Whether a header gives this text to whoever reads it exactly as it is (RFC 9110 §5.5). */
static bool is_header_value(struct text text) {
    for (size_t i = 0; i < text.len; i++)
        if ((uint8_t)text.at[i] < ' ' || text.at[i] == 0x7F)
            return false;
    return text.len == 0 || (text.at[0] != ' ' && text.at[text.len - 1] != ' ');
}

static void header_write(struct buffer *out, const char *name, struct text value) {
    buffer_put(out, name);
    buffer_put(out, ": ");
    buffer_add(out, value);
    buffer_put(out, "\r\n");
}

/* Every header every time, empty where there is nothing to say: a proxy that passes them on then
 * replaces what its client may have sent under these names. */
void local_verify(struct request *request) {
    const struct presented *presented = request->presented;
    const struct json *sub = json_member(presented->claims, TEXT("sub"));
    const struct json *attributes = json_member(presented->claims, TEXT("attr"));
    struct text subject = sub != NULL && json_is_string(sub) ? json_text(sub) : TEXT("");
    size_t size = 2 * presented->bytes + 1024;
    char *memory = request_take(request, size), *attr_memory = request_take(request, size);
    if (memory == NULL || attr_memory == NULL)
        return;
    if (!is_header_value(subject)) {
        (void)error_set(&request->error, ERROR_CREDENTIAL, "its sub cannot stand in a header");
        return;
    }
    struct buffer attr = buffer_over(attr_memory, size);
    request->extra = buffer_over(memory, size);
    header_write(&request->extra, "X-Auth-Subject", subject);
    header_write(&request->extra, "X-Auth-Org", presented->org);
    header_write(&request->extra, "X-Auth-Project", presented->project);
    if (attributes != NULL)
        json_write(attributes, &attr);
    buffer_put(&request->extra, "X-Auth-Attributes: ");
    buffer_base64(&request->extra, attr.at, attr.len);
    buffer_put(&request->extra, "\r\n");
    check(!attr.overflow && !request->extra.overflow);
    request->reply_body = TEXT("{}");
}
