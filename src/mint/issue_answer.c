/* The answers that carry credentials: one, an iframe's with its URL, a batch, and the explanation.
 * */
#include "mint/request.h"
#include "token/jwt.h"

#define SIGNATURE_CHARS (1 + 86) /* the dot and base64url of 64 bytes */

/* ---- the iframe's URL ------------------------------------------------------------------------ */

struct text issue_kind(const struct issue_input *input) {
    static const struct {
        const char *name;
        const char *kind;
    } kinds[] = {
        {"explore", "rill.runtime.v1.Explore"},
        {"canvas", "rill.runtime.v1.Canvas"},
        {"metricsview", "rill.runtime.v1.MetricsView"},
        {"metrics_view", "rill.runtime.v1.MetricsView"},
        {"model", "rill.runtime.v1.Model"},
        {"source", "rill.runtime.v1.Source"},
        {"report", "rill.runtime.v1.Report"},
        {"alert", "rill.runtime.v1.Alert"},
        {"theme", "rill.runtime.v1.Theme"},
        {"component", "rill.runtime.v1.Component"},
        {"api", "rill.runtime.v1.API"},
        {"connector", "rill.runtime.v1.Connector"},
    };
    struct text kind = input->kind.len > 0 ? input->kind : input->type;
    if (kind.len == 0)
        return text_of(kinds[0].kind);
    for (size_t i = 0; i < array_count(kinds); i++)
        if (text_equal_nocase(kind, text_of(kinds[i].name)))
            return text_of(kinds[i].kind);
    return kind;
}

/* A parameter of the URL; the one with the token has no value yet. */
struct parameter {
    struct text key;
    struct text value;
};
#define PARAMETERS_OWN_MAX 10

static bool text_is_before(struct text a, struct text b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.at, b.at, len);
    return order < 0 || (order == 0 && a.len < b.len);
}

/* Puts it where it belongs by its key, in the place of one with the same key. */
static size_t parameter_set(struct parameter *list, size_t count, struct text key,
                            struct text value) {
    size_t place = 0;
    while (place < count && text_is_before(list[place].key, key))
        place++;
    bool is_new = place == count || !text_equal(list[place].key, key);
    if (is_new)
        memmove(&list[place + 1], &list[place], (count - place) * sizeof(*list));
    list[place] = (struct parameter){key, value};
    return count + is_new;
}

static size_t parameters_collect(struct parameter *list, const struct issue_input *input,
                                 struct text runtime_host, struct text instance_id) {
    struct text kind = issue_kind(input);
    const struct parameter own[PARAMETERS_OWN_MAX] = {
        {TEXT("access_token"), TEXT("-")},
        {TEXT("instance_id"), instance_id},
        {TEXT("runtime_host"), runtime_host},
        {TEXT("type"), kind},
        {TEXT("kind"), kind},
        {TEXT("resource"), input->resource},
        {TEXT("theme"), input->theme},
        {TEXT("theme_mode"), input->theme_mode},
        {TEXT("state"), input->state},
        {TEXT("navigation"), input->navigation ? TEXT("true") : (struct text){0}},
    };
    size_t count = 0;
    for (size_t i = 0; i < array_count(own); i++)
        if (own[i].value.len > 0)
            count = parameter_set(list, count, own[i].key, own[i].value);
    if (input->hide_navigation_bar)
        count = parameter_set(list, count, TEXT("hide_navigation_bar"), TEXT("true"));
    if (input->query != NULL)
        for (struct json_iter i = json_iter(input->query); json_next(&i);)
            count = parameter_set(list, count, i.key, json_text(i.value));
    return count;
}

/* The JWT but for its signature, whose place is kept. */
static void jwt_place(struct credential *credential, size_t place, struct text header,
                      struct text payload, struct buffer *out) {
    size_t start = out->len;
    jwt_write_input(header, payload, out);
    credential->signing_input = (struct text){out->at + start, out->len - start};
    credential->rooms[place] = buffer_over(buffer_take(out, SIGNATURE_CHARS), SIGNATURE_CHARS);
}

static size_t url_bytes_max(const struct issue_input *input, const struct project *project) {
    size_t bytes = 1024 + 6 * project->frontend_url.len + 3 * project->runtime_host.len +
                   3 * (2 * input->kind.len + 2 * input->type.len + input->resource.len +
                        input->theme.len + input->state.len);
    if (input->query != NULL)
        for (struct json_iter i = json_iter(input->query); json_next(&i);)
            bytes += 3 * (i.key.len + json_text(i.value).len) + 2;
    return bytes;
}

/* "iframeSrc":"{frontend_url}/-/embed?access_token=…&…", */
static bool url_write(struct credential *credential, const struct project *project,
                      struct text header, struct text payload, struct buffer *out) {
    const struct issue_input *input = &credential->input;
    size_t count = PARAMETERS_OWN_MAX + 1 + (input->query != NULL ? json_count(input->query) : 0);
    struct parameter *list = request_take(credential->request, count * sizeof(*list));
    char id[UUID_TEXT_BYTES];
    struct buffer instance_id = buffer_over(id, sizeof(id));
    if (list == NULL)
        return error_set(&credential->error, ERROR_OVERLOADED, "memory");
    buffer_uuid(&instance_id, &project->instance_id);
    count = parameters_collect(list, input, project->runtime_host, buffer_text(&instance_id));
    buffer_put(out, "\"iframeSrc\":");
    buffer_json(out, project->frontend_url);
    out->len--; /* the quote: the URL goes on */
    buffer_put(out, "/-/embed");
    for (size_t i = 0; i < count; i++) {
        buffer_byte(out, i == 0 ? '?' : '&');
        buffer_percent(out, list[i].key);
        buffer_byte(out, '=');
        if (text_equal(list[i].key, TEXT("access_token")))
            jwt_place(credential, 1, header, payload, out);
        else
            buffer_percent(out, list[i].value);
    }
    buffer_put(out, "\",");
    return true;
}

/* ---- one credential -------------------------------------------------------------------------- */

bool issue_answer(struct credential *credential, const struct project *project, struct text header,
                  struct text payload) {
    struct request *request = credential->request;
    bool is_iframe = request->route->form == ISSUE_IFRAME;
    size_t size = jwt_chars(header.len, payload.len) + 6 * project->runtime_host.len + 256;
    if (is_iframe && project->frontend_url.len == 0)
        return error_set(&credential->error, ERROR_FIELD_VALUE,
                         "the project has no frontend_url to embed; set it on the project");
    if (is_iframe)
        size += url_bytes_max(&credential->input, project) + jwt_chars(header.len, payload.len);
    char *memory = request_take(request, size);
    if (memory == NULL)
        return error_set(&credential->error, ERROR_OVERLOADED, "memory");
    struct buffer out = buffer_over(memory, size);
    buffer_byte(&out, '{');
    if (is_iframe && !url_write(credential, project, header, payload, &out))
        return false;
    buffer_add(&out, TEXT("\"runtimeHost\":"));
    buffer_json(&out, project->runtime_host);
    buffer_add(&out, TEXT(",\"instanceId\":\""));
    buffer_uuid(&out, &project->instance_id);
    buffer_add(&out, TEXT("\",\"accessToken\":\""));
    jwt_place(credential, 0, header, payload, &out);
    buffer_add(&out, TEXT("\",\"ttlSeconds\":"));
    buffer_number(&out, credential->ttl_s);
    buffer_add(&out, TEXT(",\"refreshAfterSeconds\":"));
    buffer_number(&out, (uint64_t)credential->ttl_s * 4 / 5);
    buffer_add(&out, TEXT("}"));
    check(!out.overflow);
    credential->answer = buffer_text(&out);
    return true;
}

/* ---- all together ---------------------------------------------------------------------------- */

/* {"credentials":[…]}, each an answer or an error, in the order asked. */
static void batch_join(struct request *request) {
    size_t size = 32;
    for (size_t i = 0; i < request->credential_count; i++)
        size += request->credentials[i].answer.len + 1 +
                (error_is(&request->credentials[i].error) ? 2048 : 0);
    char *memory = request_take(request, size);
    if (memory == NULL)
        return; /* request->error says so */
    struct buffer out = buffer_over(memory, size);
    buffer_put(&out, "{\"credentials\":[");
    for (size_t i = 0; i < request->credential_count; i++) {
        const struct credential *credential = &request->credentials[i];
        if (i > 0)
            buffer_byte(&out, ',');
        if (error_is(&credential->error))
            error_json(&credential->error, &out);
        else
            buffer_add(&out, credential->answer);
    }
    buffer_put(&out, "]}");
    check(!out.overflow);
    request->reply_body = buffer_text(&out);
}

void issue_signed(struct request *request) {
    for (size_t i = 0; i < request->credential_count; i++) {
        struct credential *credential = &request->credentials[i];
        for (size_t room = 0; room < array_count(credential->rooms); room++) {
            if (credential->rooms[room].at == NULL)
                continue;
            jwt_write_signature(credential->signature, &credential->rooms[room]);
            check(!credential->rooms[room].overflow);
        }
    }
    if (request->route->form == ISSUE_BATCH)
        batch_join(request);
    else
        request->reply_body = request->credentials[0].answer;
}

/* ---- ?explain=1 ------------------------------------------------------------------------------ */

static void roles_write(const struct request *request, struct buffer *out) {
    uint32_t permissions = request->caller.project_permissions;
    const char *comma = "";
    buffer_put(out, ",\"permissions\":[");
    for (unsigned bit = 0; bit < 32; bit++) {
        if (!(permissions & 1U << bit))
            continue;
        buffer_put(out, comma);
        buffer_json(out, text_of(permission_name((enum permission)(1U << bit))));
        comma = ",";
    }
    buffer_byte(out, ']');
}

static void policy_write(const struct policy *policy, struct buffer *out) {
    buffer_put(out, ",\"policy\":{\"maxTtlSeconds\":");
    buffer_number(out, policy->max_ttl_s);
    buffer_put(out, ",\"pinnedAttributes\":");
    if (policy->pinned != NULL)
        json_write(policy->pinned, out);
    else
        buffer_put(out, "{}");
    buffer_put(out, ",\"allowedAttributes\":");
    if (policy->allowed != NULL)
        json_write(policy->allowed, out);
    else
        buffer_put(out, "null");
    buffer_byte(out, '}');
}

/* What would be minted, without a token: every check was made. */
bool issue_explain(struct credential *credential, const struct project *project,
                   struct text payload, size_t chars, uint32_t chars_max) {
    struct request *request = credential->request;
    size_t size = payload.len + 2 * POLICY_BYTES_MAX + 4096;
    char *memory = request_take(request, size);
    if (memory == NULL)
        return error_set(&credential->error, ERROR_OVERLOADED, "memory");
    struct buffer out = buffer_over(memory, size);
    buffer_put(&out, "{\"claims\":");
    buffer_add(&out, payload);
    buffer_format(&out, ",\"tokenBytes\":%zu,\"maxTokenBytes\":%u", chars, chars_max);
    buffer_format(&out, ",\"ttlSeconds\":%u,\"refreshAfterSeconds\":%u", credential->ttl_s,
                  (uint32_t)((uint64_t)credential->ttl_s * 4 / 5));
    buffer_format(&out, ",\"alg\":\"%s\"", project->jwt_alg_rfc9864 ? "Ed25519" : "EdDSA");
    roles_write(request, &out);
    policy_write(&request->grant->policy, &out);
    buffer_byte(&out, '}');
    check(!out.overflow);
    credential->answer = buffer_text(&out);
    request->reply_body = credential->answer;
    return true;
}
