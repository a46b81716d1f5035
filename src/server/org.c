/* Orgs: made, shown, listed, edited and deleted. */
#include "server/answer.h"
#include "server/handlers.h"

struct org_input {
    uint64_t given;
    struct text name;
    struct text new_name;
    struct text display_name;
    struct uuid id;
};

static const struct json_field fields[] = {
    {"name", JSON_FIELD_NAME, offsetof(struct org_input, name)},
    {"display_name", JSON_FIELD_TEXT, offsetof(struct org_input, display_name)},
    {"new_name", JSON_FIELD_NAME, offsetof(struct org_input, new_name)},
};

bool org_parse(struct request *request) {
    struct org_input *input = request_take(request, sizeof(*input));
    if (input == NULL)
        return false;
    *input = (struct org_input){0};
    random_uuid(request->mint->random, &input->id);
    request->input = input;
    if (request->body != NULL &&
        !json_read_fields(request->body, fields, array_count(fields), input, &request->error))
        return false;
    if (input->name.at != NULL && input->new_name.at != NULL)
        return error_set(&request->error, ERROR_FIELD_ONE_OF, "name and new_name");
    if (input->new_name.at == NULL)
        input->new_name = input->name;
    return true;
}

bool org_parse_new(struct request *request) {
    if (!org_parse(request))
        return false;
    const struct org_input *input = request->input;
    return input->name.at != NULL || error_set(&request->error, ERROR_FIELD_MISSING, "name");
}

static bool org_write(struct request *request, const char *key, const struct org *org) {
    const struct text texts[] = {org->name, org->display_name};
    struct buffer *out = request_out(request, answer_room(texts, array_count(texts)));
    if (out == NULL)
        return false;
    answer_raw(out, key, TEXT("{"));
    answer_uuid(out, "id", &org->id);
    answer_text(out, "name", org->name);
    answer_text(out, "displayName", org->display_name);
    answer_time(out, "createdOn", org->created_s);
    answer_time(out, "updatedOn", org->updated_s);
    buffer_byte(out, '}');
    return true;
}

static bool org_answer(struct request *request, const struct org *org) {
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (out == NULL)
        return false;
    buffer_byte(out, '{');
    if (!org_write(request, "organization", org))
        return false;
    buffer_byte(&request->out, '}');
    return true;
}

bool org_create(struct request *request, struct session *session) {
    const struct org_input *input = request->input;
    struct org wanted = {.id = input->id, .name = input->name, .display_name = input->display_name};
    struct org org;
    return store_org_create(session, &request->actor, &wanted, &org, &request->seq,
                            &request->work_error) &&
           org_answer(request, &org);
}

bool org_get(struct request *request, struct session *session) {
    struct org org;
    return store_org_get(session, request->params[PARAM_ORG], &org, &request->work_error) &&
           org_answer(request, &org);
}

bool org_edit(struct request *request, struct session *session) {
    const struct org_input *input = request->input;
    struct org org;
    return store_org_edit(session, &request->actor, request->params[PARAM_ORG], input->new_name,
                          input->display_name, &org, &request->seq, &request->work_error) &&
           org_answer(request, &org);
}

bool org_delete(struct request *request, struct session *session) {
    return store_org_delete(session, &request->actor, request->params[PARAM_ORG], &request->seq,
                            &request->work_error) &&
           answer_empty(request);
}

/* The operator sees every org, a service its own. */
static bool org_each(void *self, const struct org *org) {
    struct page *page = self;
    const struct caller *caller = &page->request->caller;
    if (caller->kind == TOKEN_SERVICE && (!uuid_equal(&caller->org_id, &org->id) ||
                                          !(caller->org_permissions & PERMISSION_READ_ORG)))
        return true;
    return page_takes(page, org->name) && org_write(page->request, NULL, org);
}

bool org_list(struct request *request, struct session *session) {
    struct page page;
    if (!page_open(&page, request))
        return false;
    /* A service's own org may stand anywhere in the list. */
    uint32_t limit = request->caller.kind == TOKEN_OPERATOR ? page.limit + 1 : UINT32_MAX;
    return page_begin(&page, "organizations") &&
           store_org_list(session, page.after, limit, org_each, &page, &request->work_error) &&
           page_end(&page);
}
