/* Issuing a credential: the body, the checks, the claims, and the answer round the signed JWT. */
#include "mint/request.h"
#include "token/jwt.h"

/* The body of POST …/credentials (api: "Issuing a credential"). */
struct issue_input {
    uint64_t given;
    uint64_t ttl_s;
    struct text branch;
    struct text user_id;
    struct text user_email;
    struct text external_user_id;
    const struct json *attributes;
};

enum {
    GIVEN_TTL = 1 << 0,
    GIVEN_BRANCH = 1 << 1,
    GIVEN_USER_ID = 1 << 2,
    GIVEN_USER_EMAIL = 1 << 3,
    GIVEN_EXTERNAL_USER_ID = 1 << 4,
    GIVEN_ATTRIBUTES = 1 << 5,
};

static const struct json_field fields[] = {
    {"ttl_seconds", JSON_FIELD_NUMBER, offsetof(struct issue_input, ttl_s)},
    {"branch", JSON_FIELD_TEXT, offsetof(struct issue_input, branch)},
    {"user_id", JSON_FIELD_TEXT, offsetof(struct issue_input, user_id)},
    {"user_email", JSON_FIELD_TEXT, offsetof(struct issue_input, user_email)},
    {"external_user_id", JSON_FIELD_TEXT, offsetof(struct issue_input, external_user_id)},
    {"attributes", JSON_FIELD_OBJECT, offsetof(struct issue_input, attributes)},
};

static bool has_two(uint64_t bits) {
    return (bits & (bits - 1)) != 0;
}

static bool email_is_plausible(struct text email) {
    const char *at = email.len > 0 ? memrchr(email.at, '@', email.len) : NULL;
    return at != NULL && at > email.at && at + 1 < email.at + email.len;
}

/* Compact attributes are no longer than the body they came in, so most need no measuring. */
static bool attributes_fit(struct request *request, const struct json *attributes) {
    struct mint *mint = request->mint;
    uint32_t max = mint->settings.attributes_bytes_max;
    if (attributes == NULL || request->body_bytes <= max)
        return true;
    struct buffer out = buffer_over(mint->scratch, MINT_SCRATCH_BYTES);
    json_write(attributes, &out);
    if (!out.overflow && out.len <= max)
        return true;
    return error_set(&request->error, ERROR_ATTRIBUTES_LARGE, "%u", max);
}

bool issue_parse(struct request *request) {
    struct issue_input *input = request_take(request, sizeof(*input));
    if (input == NULL)
        return false;
    *input = (struct issue_input){0};
    request->input = input;
    if (request->body == NULL)
        return true;
    if (!json_read_fields(request->body, fields, array_count(fields), input, &request->error))
        return false;
    if (has_two(input->given & (GIVEN_USER_ID | GIVEN_USER_EMAIL | GIVEN_ATTRIBUTES)))
        return error_set(&request->error, ERROR_FIELD_ONE_OF, "user_id, user_email and attributes");
    if (has_two(input->given & (GIVEN_USER_ID | GIVEN_EXTERNAL_USER_ID)))
        return error_set(&request->error, ERROR_FIELD_ONE_OF, "user_id and external_user_id");
    if ((input->given & GIVEN_USER_EMAIL) && !email_is_plausible(input->user_email))
        return error_set(&request->error, ERROR_FIELD_VALUE,
                         "user_email must be an email address, like user@example.com");
    return attributes_fit(request, input->attributes);
}

/* The smallest of the maxima of server, project and service; `ret_whose` names it. */
static uint32_t ttl_max_s(const struct request *request, const struct project *project,
                          const char **ret_whose) {
    uint32_t max_s = request->mint->settings.max_ttl_s;
    uint32_t policy_max_s = request->grant->policy.max_ttl_s;
    *ret_whose = "the server";
    if (project->max_ttl_s != 0 && project->max_ttl_s < max_s) {
        *ret_whose = "the project";
        max_s = project->max_ttl_s;
    }
    if (policy_max_s != 0 && policy_max_s < max_s) {
        *ret_whose = "the service's policy";
        max_s = policy_max_s;
    }
    return max_s;
}

/* An attribute that is made from a text of the request must not contradict a pinned one either. */
static bool pin_agrees(const struct policy *policy, struct text key, struct text value,
                       struct error *ret_error) {
    const struct json *pinned = policy->pinned != NULL ? json_member(policy->pinned, key) : NULL;
    return pinned == NULL || (json_is_string(pinned) && text_equal(json_text(pinned), value)) ||
           error_about(ret_error, ERROR_POLICY_PINNED, key);
}

static bool text_is_allowed(const struct policy *policy, struct text key, struct text value,
                            struct error *ret_error) {
    bool is_pinned = policy->pinned != NULL && json_member(policy->pinned, key) != NULL;
    return pin_agrees(policy, key, value, ret_error) &&
           (is_pinned || policy_allows_attribute(policy, key, NULL, ret_error));
}

/* A tenant's gateway can mint for its tenant only. */
static bool policy_check(struct request *request, const struct issue_input *input) {
    const struct policy *policy = &request->grant->policy;
    struct error *error = &request->error;
    if (likely(policy->pinned == NULL && policy->allowed == NULL))
        return true;
    if (input->attributes != NULL)
        for (struct json_iter i = json_iter(input->attributes); json_next(&i);)
            if (!policy_allows_attribute(policy, i.key, i.value, error))
                return false;
    struct text email = input->user_email;
    if (email.at != NULL &&
        (!text_is_allowed(policy, TEXT("email"), email, error) ||
         !pin_agrees(policy, TEXT("domain"), claims_email_domain(email), error)))
        return false;
    return input->user_id.at == NULL || text_is_allowed(policy, TEXT("id"), input->user_id, error);
}

static bool ttl_settle(struct request *request, const struct issue_input *input,
                       const struct project *project) {
    const char *whose;
    uint32_t max_s = ttl_max_s(request, project, &whose);
    uint32_t asked_s = (uint32_t)input->ttl_s;
    if (asked_s > max_s)
        return error_set(&request->error, ERROR_TTL_LARGE, "%s (%u)", whose, max_s);
    if (asked_s == 0)
        asked_s = project->default_ttl_s != 0 ? project->default_ttl_s
                                              : request->mint->settings.default_ttl_s;
    request->ttl_s = asked_s < max_s ? asked_s : max_s;
    return true;
}

static bool branch_check(struct request *request, const struct issue_input *input,
                         const struct project *project) {
    if (input->branch.len == 0 || text_equal(input->branch, project->primary_branch))
        return true;
    return error_about(&request->error, ERROR_BRANCH, input->branch);
}

/* The service's own attributes, which stand in `attr` when no user is named. */
static bool own_attributes(struct request *request, const struct grant *grant,
                           const struct json **ret_attributes) {
    size_t size = grant->attributes.len * 16 + 1024;
    void *memory = request_take(request, size);
    if (memory == NULL)
        return false;
    struct arena arena = arena_over(memory, size);
    return json_read(grant->attributes, 1, &arena, ret_attributes, &request->error);
}

static bool subject_fill(struct request *request, const struct grant *grant,
                         const struct uuid *project_id, struct claims_subject *ret_subject) {
    const struct issue_input *input = request->input;
    const uint64_t named =
        GIVEN_USER_ID | GIVEN_USER_EMAIL | GIVEN_EXTERNAL_USER_ID | GIVEN_ATTRIBUTES;
    *ret_subject = (struct claims_subject){
        .user_id = input->user_id,
        .user_email = input->user_email,
        .external_user_id = input->external_user_id,
        .attributes = input->attributes,
        .pinned = request->grant->policy.pinned,
        .service_name = grant->service_name,
        .service_is_admin = (request->caller.project_permissions & PERMISSION_MANAGE_PROJECT) != 0,
        .service_id = grant->service_id,
        .project_id = *project_id,
    };
    return (input->given & named) != 0 ||
           own_attributes(request, grant, &ret_subject->service_attributes);
}

/* The claims as JSON in the mint's scratch. */
static bool payload_write(struct request *request, const struct claims_subject *subject,
                          const struct cached_grant *grant, const struct cached_project *project,
                          struct text *ret_payload) {
    struct mint *mint = request->mint;
    struct buffer payload = buffer_over(mint->scratch, MINT_SCRATCH_BYTES);
    random_bytes(mint->random, request->jti.bytes, UUID_BYTES);
    struct claims claims = {
        .project_part = project->claims_part,
        .actor_part = {grant->actor_part, grant->actor_len},
        .issued_at_s = mint->clock->wall_s,
        .not_before_skew_s = mint->settings.not_before_skew_s,
        .ttl_s = request->ttl_s,
        .token_id = request->jti,
        .subject = subject,
    };
    claims_write(&claims, &payload);
    *ret_payload = buffer_text(&payload);
    return !payload.overflow ||
           error_set(&request->error, ERROR_JWT_LARGE, "more than %d bytes", MINT_SCRATCH_BYTES);
}

static bool size_check(struct request *request, const struct claims_subject *subject,
                       const struct project *project, size_t chars) {
    struct mint *mint = request->mint;
    uint32_t max =
        project->max_token_bytes != 0 ? project->max_token_bytes : mint->settings.max_token_bytes;
    if (chars <= max)
        return true;
    struct buffer out = buffer_over(mint->scratch, MINT_SCRATCH_BYTES);
    if (subject->attributes != NULL)
        json_write(subject->attributes, &out);
    return error_set(&request->error, ERROR_JWT_LARGE,
                     "%zu bytes where %u are allowed; the attributes take %zu of them", chars, max,
                     (out.len * 4 + 2) / 3);
}

#define SIGNATURE_CHARS (1 + 86) /* the dot and base64url of 64 bytes */

/* The whole answer but the signature, whose place is kept free. */
static bool answer_write(struct request *request, const struct project *project, struct text header,
                         struct text payload) {
    size_t chars = jwt_chars(header.len, payload.len);
    size_t size = chars + 6 * project->runtime_host.len + 256;
    char *memory = request_take(request, size);
    if (memory == NULL)
        return false;
    struct buffer out = buffer_over(memory, size);
    buffer_add(&out, TEXT("{\"runtimeHost\":"));
    buffer_json(&out, project->runtime_host);
    buffer_add(&out, TEXT(",\"instanceId\":\""));
    buffer_uuid(&out, &project->instance_id);
    buffer_add(&out, TEXT("\",\"accessToken\":\""));
    size_t start = out.len;
    jwt_write_input(header, payload, &out);
    request->signing_input = out.at + start;
    request->signing_input_len = out.len - start;
    request->signature_room = buffer_over(buffer_take(&out, SIGNATURE_CHARS), SIGNATURE_CHARS);
    buffer_add(&out, TEXT("\",\"ttlSeconds\":"));
    buffer_number(&out, request->ttl_s);
    buffer_add(&out, TEXT(",\"refreshAfterSeconds\":"));
    buffer_number(&out, (uint64_t)request->ttl_s * 4 / 5);
    buffer_add(&out, TEXT("}"));
    check(!out.overflow);
    request->reply_body = buffer_text(&out);
    return true;
}

bool issue_claims(struct request *request, struct cached_grant *grant,
                  struct cached_project *cached) {
    const struct issue_input *input = request->input;
    const struct project *project = &cached->record->project;
    struct text header = keyring_jwt_header(request->mint->keyring, project->jwt_alg_rfc9864);
    struct claims_subject subject;
    struct text payload;
    return branch_check(request, input, project) && ttl_settle(request, input, project) &&
           policy_check(request, input) &&
           subject_fill(request, grant->grant, &project->id, &subject) &&
           payload_write(request, &subject, grant, cached, &payload) &&
           size_check(request, &subject, project, jwt_chars(header.len, payload.len)) &&
           answer_write(request, project, header, payload);
}

void issue_signed(struct request *request) {
    jwt_write_signature(request->signature, &request->signature_room);
    check(!request->signature_room.overflow);
}
