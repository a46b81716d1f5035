/* Projects: made, shown, listed, edited and deleted. */
#include "server/answer.h"
#include "server/handlers.h"

struct project_input {
    uint64_t given;
    struct text name;
    struct text new_name;
    struct text project; /* Rill's word for the name, on create */
    struct text description;
    struct text runtime_host;
    struct text audience;
    struct text frontend_url;
    struct text primary_branch;
    struct text jwt_alg;
    uint64_t default_ttl_s;
    uint64_t max_ttl_s;
    uint64_t max_token_bytes;
    struct uuid id;
    struct uuid instance_id;
};

/* The rows that set a member of the project come first, in the order of enum project_field, so that
 * `given` is the set of fields to edit. */
static const struct json_field fields[] = {
    {"name", JSON_FIELD_NAME, offsetof(struct project_input, name)},
    {"description", JSON_FIELD_TEXT, offsetof(struct project_input, description)},
    {"runtime_host", JSON_FIELD_TEXT, offsetof(struct project_input, runtime_host)},
    {"audience", JSON_FIELD_TEXT, offsetof(struct project_input, audience)},
    {"frontend_url", JSON_FIELD_TEXT, offsetof(struct project_input, frontend_url)},
    {"primary_branch", JSON_FIELD_TEXT, offsetof(struct project_input, primary_branch)},
    {"default_ttl_seconds", JSON_FIELD_NUMBER, offsetof(struct project_input, default_ttl_s)},
    {"max_ttl_seconds", JSON_FIELD_NUMBER, offsetof(struct project_input, max_ttl_s)},
    {"max_token_bytes", JSON_FIELD_NUMBER, offsetof(struct project_input, max_token_bytes)},
    {"jwt_alg", JSON_FIELD_TEXT, offsetof(struct project_input, jwt_alg)},
    {"new_name", JSON_FIELD_NAME, offsetof(struct project_input, new_name)},
    {"project", JSON_FIELD_NAME, offsetof(struct project_input, project)},
};
#define PROJECT_FIELDS_ALL ((uint64_t)(PROJECT_JWT_ALG << 1) - 1)

#define TOKEN_BYTES_MIN 512
#define TOKEN_BYTES_MAX 131072

static bool name_settle(struct request *request, struct project_input *input) {
    int names =
        (input->name.at != NULL) + (input->new_name.at != NULL) + (input->project.at != NULL);
    if (names > 1)
        return error_set(&request->error, ERROR_FIELD_ONE_OF, "name, new_name and project");
    if (input->new_name.at != NULL)
        input->name = input->new_name;
    if (input->project.at != NULL)
        input->name = input->project;
    if (names > 0)
        input->given |= PROJECT_NAME;
    return true;
}

static bool values_check(struct request *request, const struct project_input *input) {
    if (input->jwt_alg.len > 0 && !text_equal(input->jwt_alg, TEXT("EdDSA")) &&
        !text_equal(input->jwt_alg, TEXT("Ed25519")))
        return error_set(&request->error, ERROR_FIELD_VALUE, "jwt_alg must be EdDSA or Ed25519");
    if (input->max_token_bytes != 0 &&
        (input->max_token_bytes < TOKEN_BYTES_MIN || input->max_token_bytes > TOKEN_BYTES_MAX))
        return error_set(&request->error, ERROR_FIELD_VALUE,
                         "max_token_bytes must be 0 (the server's) or from %d to %d",
                         TOKEN_BYTES_MIN, TOKEN_BYTES_MAX);
    if (input->max_ttl_s != 0 && input->default_ttl_s > input->max_ttl_s)
        return error_set(&request->error, ERROR_FIELD_VALUE,
                         "default_ttl_seconds must not be larger than max_ttl_seconds");
    return true;
}

bool project_parse(struct request *request) {
    struct project_input *input = request_take(request, sizeof(*input));
    if (input == NULL)
        return false;
    *input = (struct project_input){0};
    request->input = input;
    random_uuid(request->mint->random, &input->id);
    random_uuid(request->mint->random, &input->instance_id);
    if (request->body != NULL &&
        !json_read_fields(request->body, fields, array_count(fields), input, &request->error))
        return false;
    return name_settle(request, input) && values_check(request, input);
}

bool project_parse_new(struct request *request) {
    if (!project_parse(request))
        return false;
    const struct project_input *input = request->input;
    return input->name.at != NULL || error_set(&request->error, ERROR_FIELD_MISSING, "name");
}

static struct project project_of(const struct project_input *input) {
    return (struct project){
        .id = input->id,
        .instance_id = input->instance_id,
        .name = input->name,
        .description = input->description,
        .runtime_host = input->runtime_host,
        .audience = input->audience,
        .frontend_url = input->frontend_url,
        .primary_branch = input->primary_branch,
        .default_ttl_s = (uint32_t)input->default_ttl_s,
        .max_ttl_s = (uint32_t)input->max_ttl_s,
        .max_token_bytes = (uint32_t)input->max_token_bytes,
        .jwt_alg_rfc9864 = text_equal(input->jwt_alg, TEXT("Ed25519")),
    };
}

static bool project_write(struct request *request, const char *key, const struct project *project) {
    const struct text texts[] = {project->name,          project->org_name, project->description,
                                 project->runtime_host,  project->audience, project->frontend_url,
                                 project->primary_branch};
    struct buffer *out = request_out(request, answer_room(texts, array_count(texts)));
    if (out == NULL)
        return false;
    answer_raw(out, key, TEXT("{"));
    answer_uuid(out, "id", &project->id);
    answer_text(out, "name", project->name);
    answer_uuid(out, "orgId", &project->org_id);
    answer_text(out, "orgName", project->org_name);
    answer_text(out, "description", project->description);
    answer_uuid(out, "instanceId", &project->instance_id);
    answer_text(out, "runtimeHost", project->runtime_host);
    answer_text(out, "audience", project->audience);
    answer_text(out, "frontendUrl", project->frontend_url);
    answer_text(out, "primaryBranch", project->primary_branch);
    answer_number(out, "defaultTtlSeconds", project->default_ttl_s);
    answer_number(out, "maxTtlSeconds", project->max_ttl_s);
    answer_number(out, "maxTokenBytes", project->max_token_bytes);
    answer_text(out, "jwtAlg", project->jwt_alg_rfc9864 ? TEXT("Ed25519") : TEXT("EdDSA"));
    answer_time(out, "createdOn", project->created_s);
    answer_time(out, "updatedOn", project->updated_s);
    buffer_byte(out, '}');
    return true;
}

static bool project_answer(struct request *request, const struct project *project) {
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (out == NULL)
        return false;
    buffer_byte(out, '{');
    if (!project_write(request, "project", project))
        return false;
    buffer_byte(&request->out, '}');
    return true;
}

bool project_create(struct request *request, struct session *session) {
    struct project wanted = project_of(request->input), project;
    return store_project_create(session, &request->actor, request->params[PARAM_ORG], &wanted,
                                &project, &request->seq, &request->work_error) &&
           project_answer(request, &project);
}

bool project_get(struct request *request, struct session *session) {
    struct project project;
    return store_project_get(session, request->params[PARAM_ORG], request->params[PARAM_PROJECT],
                             &project, &request->work_error) &&
           project_answer(request, &project);
}

bool project_edit(struct request *request, struct session *session) {
    const struct project_input *input = request->input;
    struct project values = project_of(input), project;
    return store_project_edit(session, &request->actor, request->params[PARAM_ORG],
                              request->params[PARAM_PROJECT],
                              (uint32_t)(input->given & PROJECT_FIELDS_ALL), &values, &project,
                              &request->seq, &request->work_error) &&
           project_answer(request, &project);
}

bool project_delete(struct request *request, struct session *session) {
    return store_project_delete(session, &request->actor, request->params[PARAM_ORG],
                                request->params[PARAM_PROJECT], &request->seq,
                                &request->work_error) &&
           answer_empty(request);
}

static bool project_each(void *self, const struct project *project) {
    struct page *page = self;
    return page_takes(page, project->name) && project_write(page->request, NULL, project);
}

bool project_list(struct request *request, struct session *session) {
    struct page page;
    return page_open(&page, request) && page_begin(&page, "projects") &&
           store_project_list(session, request->params[PARAM_ORG], page.after, page.limit + 1,
                              project_each, &page, &request->work_error) &&
           page_end(&page);
}
