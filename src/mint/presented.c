/* A credential of ours that is shown to be checked. */
#include "mint/presented.h"

#include "mint/request.h"
#include "token/jwt.h"

/* No project may ask for larger ones; a longer text costs us nothing. */
#define PRESENTED_BYTES_MAX 131072

static bool refuse(struct error *error, const char *why) {
    return error_set(error, ERROR_CREDENTIAL, "%s", why);
}

static struct text text_member(const struct json *object, struct text key) {
    const struct json *value =
        object != NULL && json_is_object(object) ? json_member(object, key) : NULL;
    return value != NULL && json_is_string(value) ? json_text(value) : (struct text){0};
}

/* The project's instance, the one key of `ins`. */
static bool instance_read(const struct json *claims, struct uuid *ret_instance_id) {
    const struct json *instances = json_member(claims, TEXT("ins"));
    if (instances == NULL || !json_is_object(instances))
        return false;
    struct json_iter i = json_iter(instances);
    return json_next(&i) && text_uuid(i.key, ret_instance_id);
}

/* "svc_" and the service's id. */
static bool service_read(struct text sub, struct uuid *ret_service_id) {
    struct text mark = TEXT("svc_");
    return text_starts(sub, mark) &&
           text_uuid((struct text){sub.at + mark.len, sub.len - mark.len}, ret_service_id);
}

static bool claims_read(const struct json *claims, struct presented *ret_presented) {
    const struct json *actor = json_member(claims, TEXT("act"));
    ret_presented->claims = claims;
    ret_presented->org = text_member(claims, TEXT("org"));
    ret_presented->project = text_member(claims, TEXT("project"));
    return text_is_name(ret_presented->org) && text_is_name(ret_presented->project) &&
           instance_read(claims, &ret_presented->instance_id) &&
           service_read(text_member(actor, TEXT("sub")), &ret_presented->service_id) &&
           text_uuid(text_member(actor, TEXT("tid")), &ret_presented->token_id);
}

static bool jwt_is_ours(const struct mint *mint, const struct jwt *jwt, struct error *ret_error) {
    const uint8_t *key = keyring_public_key(mint->keyring, jwt->kid);
    if (key == NULL)
        return refuse(ret_error, "it was signed by none of the keys here");
    if (!jwt_signature_is_good(jwt, key))
        return refuse(ret_error, "its signature is wrong");
    if (!text_equal(text_member(jwt->claims, TEXT("iss")), mint->cache->options.issuer))
        return refuse(ret_error, "its issuer is another");
    return jwt_check_times(jwt, mint->clock->wall_s, 0, ret_error);
}

bool presented_read(struct request *request, struct text text, struct presented *ret_presented,
                    struct error *ret_error) {
    struct jwt jwt;
    size_t size = text.len * 16 + 4096; /* json.h */
    if (text.len > PRESENTED_BYTES_MAX)
        return refuse(ret_error, "it is too large");
    void *memory = request_take(request, size);
    if (memory == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    struct arena arena = arena_over(memory, size);
    ret_presented->bytes = text.len;
    if (!jwt_read(text, &arena, &jwt, ret_error) || !jwt_is_ours(request->mint, &jwt, ret_error))
        return false;
    return claims_read(jwt.claims, ret_presented) || refuse(ret_error, "a claim is missing");
}

static bool is_string(const struct json *value, struct text text) {
    return json_is_string(value) && text_equal(json_text(value), text);
}

bool presented_has_audience(const struct presented *presented, struct text audience) {
    const struct json *aud = json_member(presented->claims, TEXT("aud"));
    if (aud == NULL || !json_is_array(aud))
        return aud != NULL && is_string(aud, audience);
    for (struct json_iter i = json_iter(aud); json_next(&i);)
        if (is_string(i.value, audience))
            return true;
    return false;
}

/* The name that the query wants, if any, becomes the one to be looked up. */
static bool name_settle(struct request *request, enum route_param param, struct text name,
                        const char *why) {
    struct text wanted = request->params[param];
    request->params[param] = name;
    return wanted.len == 0 || text_equal_nocase(wanted, name) || refuse(&request->error, why);
}

bool presented_take(struct request *request, struct text text) {
    struct presented *presented = request_take(request, sizeof(*presented));
    if (presented == NULL || !presented_read(request, text, presented, &request->error))
        return false;
    request->presented = presented;
    request->token.id = presented->token_id;
    request->token_is_read = true;
    if (request->audience.len > 0 && !presented_has_audience(presented, request->audience))
        return refuse(&request->error, "it is for another audience");
    return name_settle(request, PARAM_ORG, presented->org, "it is of another org") &&
           name_settle(request, PARAM_PROJECT, presented->project, "it is for another project");
}

bool presented_authorize(struct request *request) {
    if (request->is_service_missing)
        return refuse(&request->error, "its service is not there any more");
    const struct project *project =
        request->project != NULL ? &request->project->record->project : NULL;
    /* Also after a rename: what has the name now need not be what it was minted for. */
    if (project == NULL || !uuid_equal(&project->instance_id, &request->presented->instance_id))
        return refuse(&request->error, "its project is not there any more");
    return (request->caller.project_permissions & PERMISSION_ISSUE) ||
           refuse(&request->error, "its service may not mint for the project any more");
}
