/* Issuing a credential: the checks, and the claims. */
#include "mint/request.h"
#include "token/jwt.h"

/* The smallest of the maxima of server, project and service; `ret_whose` names it. */
static uint32_t ttl_max_s(const struct mint *mint, const struct policy *policy,
                          const struct project *project, const char **ret_whose) {
    uint32_t max_s = mint->settings.max_ttl_s;
    *ret_whose = "the server";
    if (project->max_ttl_s != 0 && project->max_ttl_s < max_s) {
        *ret_whose = "the project";
        max_s = project->max_ttl_s;
    }
    if (policy->max_ttl_s != 0 && policy->max_ttl_s < max_s) {
        *ret_whose = "the service's policy";
        max_s = policy->max_ttl_s;
    }
    return max_s;
}

static bool ttl_settle(struct credential *credential, const struct policy *policy,
                       const struct project *project) {
    const char *whose;
    const struct mint *mint = credential->request->mint;
    uint32_t max_s = ttl_max_s(mint, policy, project, &whose);
    uint32_t asked_s = (uint32_t)credential->input.ttl_s;
    if (asked_s > max_s)
        return error_set(&credential->error, ERROR_TTL_LARGE, "%s (%u)", whose, max_s);
    if (asked_s == 0)
        asked_s =
            project->default_ttl_s != 0 ? project->default_ttl_s : mint->settings.default_ttl_s;
    credential->ttl_s = asked_s < max_s ? asked_s : max_s;
    return true;
}

static bool branch_check(struct credential *credential, const struct project *project) {
    struct text branch = credential->input.branch;
    return branch.len == 0 || text_equal(branch, project->primary_branch) ||
           error_about(&credential->error, ERROR_BRANCH, branch);
}

/* An attribute made from a text of the request must not contradict a pinned one either. */
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
static bool policy_check(struct credential *credential, const struct policy *policy) {
    const struct issue_input *input = &credential->input;
    struct error *error = &credential->error;
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

/* The service's own attributes, which stand in `attr` when nobody is named. */
static bool own_attributes(struct credential *credential, struct text stored,
                           const struct json **ret_attributes) {
    size_t size = stored.len * 16 + 1024;
    void *memory = request_take(credential->request, size);
    if (memory == NULL)
        return error_set(&credential->error, ERROR_OVERLOADED, "memory");
    struct arena arena = arena_over(memory, size);
    /* What is wrong with them is not the caller's fault. */
    return json_read(stored, 1, &arena, ret_attributes, &credential->error) ||
           error_set(&credential->error, ERROR_INTERNAL, NULL);
}

/* sec of an iframe that shows one resource and nothing else: what Rill's runtime enforces. */
static bool sec_write(struct credential *credential, struct text *ret_sec) {
    const struct issue_input *input = &credential->input;
    struct text kind = issue_kind(input);
    size_t size = 6 * (kind.len + input->resource.len) + 128;
    char *memory = request_take(credential->request, size);
    if (memory == NULL)
        return error_set(&credential->error, ERROR_OVERLOADED, "memory");
    struct buffer out = buffer_over(memory, size);
    buffer_put(&out, "[{\"transitiveAccess\":{\"resource\":{\"kind\":");
    buffer_json(&out, kind);
    buffer_put(&out, ",\"name\":");
    buffer_json(&out, input->resource);
    buffer_put(&out, "}}}]");
    check(!out.overflow);
    *ret_sec = buffer_text(&out);
    return true;
}

static bool subject_fill(struct credential *credential, const struct cached_grant *cached,
                         const struct uuid *project_id, struct claims_subject *ret_subject) {
    const struct issue_input *input = &credential->input;
    const struct request *request = credential->request;
    const struct grant *grant = cached->grant;
    bool is_iframe = request->route->form == ISSUE_IFRAME;
    *ret_subject = (struct claims_subject){
        .user_id = input->user_id,
        .user_email = input->user_email,
        .external_user_id = input->external_user_id,
        .attributes = input->attributes,
        .pinned = cached->policy.pinned,
        .embed = is_iframe,
        .service_name = grant->service_name,
        .service_is_admin = (request->caller.project_permissions & PERMISSION_MANAGE_PROJECT) != 0,
        .service_id = grant->service_id,
        .project_id = *project_id,
    };
    if (is_iframe && !input->navigation && !sec_write(credential, &ret_subject->sec))
        return false;
    return issue_names_somebody(input) ||
           own_attributes(credential, grant->attributes, &ret_subject->service_attributes);
}

/* The claims as JSON in the mint's scratch. */
static bool payload_write(struct credential *credential, const struct claims_subject *subject,
                          const struct cached_grant *grant, const struct cached_project *project,
                          struct text *ret_payload) {
    struct mint *mint = credential->request->mint;
    struct buffer payload = buffer_over(mint->scratch, MINT_SCRATCH_BYTES);
    random_bytes(mint->random, credential->jti.bytes, UUID_BYTES);
    struct claims claims = {
        .project_part = project->claims_part,
        .actor_part = {grant->actor_part, grant->actor_len},
        .issued_at_s = mint->clock->wall_s,
        .not_before_skew_s = mint->settings.not_before_skew_s,
        .ttl_s = credential->ttl_s,
        .token_id = credential->jti,
        .subject = subject,
    };
    claims_write(&claims, &payload);
    *ret_payload = buffer_text(&payload);
    return !payload.overflow ||
           error_set(&credential->error, ERROR_JWT_LARGE, "more than %d bytes", MINT_SCRATCH_BYTES);
}

/* Says which claims take how many of the bytes, so that one sees which to shorten. */
static void claims_measure(struct credential *credential, struct text payload, struct buffer *out) {
    struct mint *mint = credential->request->mint;
    size_t size = payload.len * 16 + 1024;
    void *memory = request_take(credential->request, size);
    struct arena arena = arena_over(memory, memory != NULL ? size : 0);
    const struct json *claims;
    struct error ignored;
    const char *before = ": ";
    if (memory == NULL || !json_read(payload, JSON_DEPTH_EXTRA_MAX, &arena, &claims, &ignored))
        return;
    for (struct json_iter i = json_iter(claims); json_next(&i);) {
        struct buffer value = buffer_over(mint->scratch, MINT_SCRATCH_BYTES);
        json_write(i.value, &value);
        buffer_put(out, before);
        buffer_add(out, i.key);
        buffer_byte(out, ' ');
        buffer_number(out, value.len);
        before = ", ";
    }
}

static bool size_check(struct credential *credential, struct text payload, size_t chars,
                       uint32_t chars_max) {
    char memory[ERROR_SUBJECT_BYTES];
    struct buffer out = buffer_over(memory, sizeof(memory));
    if (likely(chars <= chars_max))
        return true;
    buffer_format(&out, "%zu bytes where %u are allowed", chars, chars_max);
    claims_measure(credential, payload, &out);
    return error_about(&credential->error, ERROR_JWT_LARGE, buffer_text(&out));
}

static bool credential_make(struct credential *credential, const struct cached_grant *grant,
                            const struct cached_project *cached) {
    struct mint *mint = credential->request->mint;
    const struct project *project = &cached->record->project;
    struct text header = keyring_jwt_header(mint->keyring, project->jwt_alg_rfc9864);
    struct claims_subject subject;
    struct text payload;
    if (!branch_check(credential, project) || !ttl_settle(credential, &grant->policy, project) ||
        !policy_check(credential, &grant->policy) ||
        !subject_fill(credential, grant, &project->id, &subject) ||
        !payload_write(credential, &subject, grant, cached, &payload))
        return false;
    uint32_t chars_max =
        project->max_token_bytes != 0 ? project->max_token_bytes : mint->settings.max_token_bytes;
    size_t chars = jwt_chars(header.len, payload.len);
    if (!size_check(credential, payload, chars, chars_max))
        return false;
    if (unlikely(credential->request->explain))
        return issue_explain(credential, project, payload, chars, chars_max);
    return issue_answer(credential, project, header, payload);
}

bool issue_claims(struct request *request, const struct cached_grant *grant,
                  const struct cached_project *project) {
    for (size_t i = 0; i < request->credential_count; i++) {
        struct credential *credential = &request->credentials[i];
        if (!error_is(&credential->error))
            (void)!credential_make(credential, grant, project);
    }
    if (request->route->form == ISSUE_BATCH)
        return true;
    request->error = request->credentials[0].error;
    return !error_is(&request->error);
}
