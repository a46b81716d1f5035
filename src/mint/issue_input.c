/* The bodies that ask for credentials: one, an iframe's, or a batch. */
#include "mint/request.h"

enum {
    GIVEN_TTL = 1 << 0,
    GIVEN_BRANCH = 1 << 1,
    GIVEN_USER_ID = 1 << 2,
    GIVEN_USER_EMAIL = 1 << 3,
    GIVEN_EXTERNAL_USER_ID = 1 << 4,
    GIVEN_ATTRIBUTES = 1 << 5,
};

/* The first rows are those of a credential, in the order of the bits above. */
static const struct json_field fields[] = {
    {"ttl_seconds", JSON_FIELD_NUMBER, offsetof(struct issue_input, ttl_s)},
    {"branch", JSON_FIELD_TEXT, offsetof(struct issue_input, branch)},
    {"user_id", JSON_FIELD_TEXT, offsetof(struct issue_input, user_id)},
    {"user_email", JSON_FIELD_TEXT, offsetof(struct issue_input, user_email)},
    {"external_user_id", JSON_FIELD_TEXT, offsetof(struct issue_input, external_user_id)},
    {"attributes", JSON_FIELD_OBJECT, offsetof(struct issue_input, attributes)},
    {"resource", JSON_FIELD_TEXT, offsetof(struct issue_input, resource)},
    {"type", JSON_FIELD_TEXT, offsetof(struct issue_input, type)},
    {"kind", JSON_FIELD_TEXT, offsetof(struct issue_input, kind)},
    {"theme", JSON_FIELD_TEXT, offsetof(struct issue_input, theme)},
    {"theme_mode", JSON_FIELD_TEXT, offsetof(struct issue_input, theme_mode)},
    {"state", JSON_FIELD_TEXT, offsetof(struct issue_input, state)},
    {"query", JSON_FIELD_OBJECT, offsetof(struct issue_input, query)},
    {"navigation", JSON_FIELD_BOOL, offsetof(struct issue_input, navigation)},
    {"hide_navigation_bar", JSON_FIELD_BOOL, offsetof(struct issue_input, hide_navigation_bar)},
};
#define CREDENTIAL_FIELDS 6

static bool has_two(uint64_t bits) {
    return (bits & (bits - 1)) != 0;
}

bool issue_names_somebody(const struct issue_input *input) {
    return (input->given &
            (GIVEN_USER_ID | GIVEN_USER_EMAIL | GIVEN_EXTERNAL_USER_ID | GIVEN_ATTRIBUTES)) != 0;
}

static struct text attribute_text(const struct issue_input *input, struct text name) {
    const struct json *value =
        input->attributes != NULL ? json_member(input->attributes, name) : NULL;
    return value != NULL && json_is_string(value) ? json_text(value) : (struct text){0};
}

struct text issue_user(const struct issue_input *input) {
    const struct text names[] = {input->user_id, input->external_user_id, input->user_email,
                                 attribute_text(input, TEXT("id")),
                                 attribute_text(input, TEXT("email"))};
    size_t i = 0;
    while (i < array_count(names) - 1 && names[i].len == 0)
        i++;
    return names[i];
}

static bool email_is_plausible(struct text email) {
    const char *at = email.len > 0 ? memrchr(email.at, '@', email.len) : NULL;
    return at != NULL && at > email.at && at + 1 < email.at + email.len;
}

/* Compact attributes are no longer than the body they came in, so most need no measuring. */
static bool attributes_fit(struct request *request, const struct json *attributes,
                           struct error *ret_error) {
    struct mint *mint = request->mint;
    uint32_t max = mint->settings.attributes_bytes_max;
    if (attributes == NULL || request->body_bytes <= max)
        return true;
    struct buffer out = buffer_over(mint->scratch, MINT_SCRATCH_BYTES);
    json_write(attributes, &out);
    if (!out.overflow && out.len <= max)
        return true;
    return error_set(ret_error, ERROR_ATTRIBUTES_LARGE, "%u", max);
}

static bool input_read(struct request *request, const struct json *body, size_t field_count,
                       struct issue_input *ret_input, struct error *ret_error) {
    if (!json_read_fields(body, fields, field_count, ret_input, ret_error))
        return false;
    uint64_t given = ret_input->given;
    if (has_two(given & (GIVEN_USER_ID | GIVEN_USER_EMAIL | GIVEN_ATTRIBUTES)))
        return error_set(ret_error, ERROR_FIELD_ONE_OF, "user_id, user_email and attributes");
    if (has_two(given & (GIVEN_USER_ID | GIVEN_EXTERNAL_USER_ID)))
        return error_set(ret_error, ERROR_FIELD_ONE_OF, "user_id and external_user_id");
    if ((given & GIVEN_USER_EMAIL) && !email_is_plausible(ret_input->user_email))
        return error_set(ret_error, ERROR_FIELD_VALUE,
                         "user_email must be an email address, like user@example.com");
    return attributes_fit(request, ret_input->attributes, ret_error);
}

static struct credential *credentials_take(struct request *request, size_t count) {
    struct credential *credentials = request_take(request, count * sizeof(*credentials));
    if (credentials == NULL)
        return NULL;
    memset(credentials, 0, count * sizeof(*credentials));
    for (size_t i = 0; i < count; i++)
        credentials[i].request = request;
    request->credentials = credentials;
    request->credential_count = count;
    return credentials;
}

bool issue_parse(struct request *request) {
    struct credential *credential = credentials_take(request, 1);
    if (credential == NULL)
        return false;
    return request->body == NULL || input_read(request, request->body, CREDENTIAL_FIELDS,
                                               &credential->input, &request->error);
}

static bool query_is_strings(const struct json *query, struct error *ret_error) {
    if (query == NULL)
        return true;
    for (struct json_iter i = json_iter(query); json_next(&i);)
        if (!json_is_string(i.value) || text_equal(i.key, TEXT("access_token")))
            return error_set(ret_error, ERROR_FIELD_VALUE,
                             "query must be an object of strings without access_token");
    return true;
}

bool issue_parse_iframe(struct request *request) {
    struct credential *credential = credentials_take(request, 1);
    if (credential == NULL)
        return false;
    struct issue_input *input = &credential->input;
    if (request->body != NULL &&
        !input_read(request, request->body, array_count(fields), input, &request->error))
        return false;
    if (input->resource.len == 0 && !input->navigation)
        return error_set(&request->error, ERROR_FIELD_VALUE,
                         "resource must be provided if navigation is not enabled");
    struct text mode = input->theme_mode;
    if (mode.len > 0 && !text_equal(mode, TEXT("light")) && !text_equal(mode, TEXT("dark")) &&
        !text_equal(mode, TEXT("system")))
        return error_set(&request->error, ERROR_FIELD_VALUE,
                         "theme_mode must be light, dark or system");
    return query_is_strings(input->query, &request->error);
}

struct batch_input {
    uint64_t given;
    const struct json *requests;
};

bool issue_parse_batch(struct request *request) {
    static const struct json_field batch_fields[] = {
        {"requests", JSON_FIELD_ARRAY, offsetof(struct batch_input, requests)},
    };
    struct batch_input input = {0};
    if (request->body != NULL &&
        !json_read_fields(request->body, batch_fields, 1, &input, &request->error))
        return false;
    size_t count = input.requests != NULL ? json_count(input.requests) : 0;
    if (count == 0 || count > ISSUE_BATCH_MAX)
        return error_set(&request->error, ERROR_FIELD_VALUE,
                         "requests must be an array of 1 to %d bodies", ISSUE_BATCH_MAX);
    struct credential *credentials = credentials_take(request, count);
    if (credentials == NULL)
        return false;
    for (struct json_iter i = json_iter(input.requests); json_next(&i); credentials++)
        if (!json_is_object(i.value))
            (void)error_set(&credentials->error, ERROR_JSON_NOT_OBJECT, "each of requests");
        else
            (void)!input_read(request, i.value, CREDENTIAL_FIELDS, &credentials->input,
                              &credentials->error);
    return true;
}
