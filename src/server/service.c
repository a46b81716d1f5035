/* Services: made, shown, listed, edited and deleted, and their roles. */
#include <stdlib.h>

#include "server/answer.h"
#include "server/handlers.h"

struct service_input {
    uint64_t given;
    struct text name;
    struct text new_name;
    struct text org_role;
    struct text project;
    struct text project_role;
    const struct json *attributes_value;
    struct text attributes; /* the same, written compactly; `at` NULL: not given */
    const struct json *policy_value;
    struct text policy; /* likewise */
    struct uuid id;
};

static const struct json_field new_fields[] = {
    {"name", JSON_FIELD_NAME, offsetof(struct service_input, name)},
    {"org_role_name", JSON_FIELD_TEXT, offsetof(struct service_input, org_role)},
    {"project", JSON_FIELD_NAME, offsetof(struct service_input, project)},
    {"project_role_name", JSON_FIELD_TEXT, offsetof(struct service_input, project_role)},
    {"attributes", JSON_FIELD_OBJECT, offsetof(struct service_input, attributes_value)},
    {"policy", JSON_FIELD_OBJECT, offsetof(struct service_input, policy_value)},
};
static const struct json_field edit_fields[] = {
    {"new_name", JSON_FIELD_NAME, offsetof(struct service_input, new_name)},
    {"attributes", JSON_FIELD_OBJECT, offsetof(struct service_input, attributes_value)},
    {"policy", JSON_FIELD_OBJECT, offsetof(struct service_input, policy_value)},
};

/* The value as compact JSON of at most `max` bytes; `ret_text` is left alone where there is none.
 * */
static bool object_keep(struct request *request, const struct json *value, uint32_t max,
                        struct text *ret_text) {
    if (value == NULL)
        return true;
    char *memory = request_take(request, max);
    if (memory == NULL)
        return false;
    struct buffer out = buffer_over(memory, max);
    json_write(value, &out);
    *ret_text = buffer_text(&out);
    return !out.overflow;
}

/* Unless memory was out, which the request says already. */
static bool too_large(struct request *request, enum error_code code, uint32_t max) {
    return error_is(&request->error) ? false : error_set(&request->error, code, "%u", max);
}

/* A policy is stored as it was written, once it is known that every replica can read it. */
static bool policy_check(struct request *request, struct text policy) {
    struct policy read;
    size_t size = policy.len * 16 + 4096;
    void *memory = policy.len > 0 ? request_take(request, size) : NULL;
    if (memory == NULL)
        return policy.len == 0;
    struct arena arena = arena_over(memory, size);
    return policy_read(policy, &arena, &read, &request->error);
}

static bool input_read(struct request *request, const struct json_field *fields, size_t count) {
    struct service_input *input = request_take(request, sizeof(*input));
    if (input == NULL)
        return false;
    *input = (struct service_input){0};
    random_uuid(request->mint->random, &input->id);
    request->input = input;
    if (request->body != NULL &&
        !json_read_fields(request->body, fields, count, input, &request->error))
        return false;
    uint32_t max = request->mint->settings.attributes_bytes_max;
    if (!object_keep(request, input->attributes_value, max, &input->attributes))
        return too_large(request, ERROR_ATTRIBUTES_LARGE, max);
    if (!object_keep(request, input->policy_value, POLICY_BYTES_MAX, &input->policy))
        return too_large(request, ERROR_POLICY_LARGE, POLICY_BYTES_MAX);
    return policy_check(request, input->policy);
}

static bool role_check(struct request *request, enum role_scope scope, struct text name) {
    if (name.len == 0 || role_find(scope, name) != NULL)
        return true;
    char memory[ERROR_SUBJECT_BYTES];
    struct buffer out = buffer_over(memory, sizeof(memory));
    size_t count;
    const struct role *roles = roles_of(scope, &count);
    buffer_put(&out, scope == ROLE_ORG ? "there is no such org role; there are"
                                       : "there is no such project role; there are");
    for (size_t i = 0; i < count; i++)
        buffer_format(&out, "%s %s", i == 0 ? "" : ",", roles[i].name);
    return error_about(&request->error, ERROR_FIELD_VALUE, buffer_text(&out));
}

bool service_parse_new(struct request *request) {
    if (!input_read(request, new_fields, array_count(new_fields)))
        return false;
    const struct service_input *input = request->input;
    if (input->name.at == NULL)
        return error_set(&request->error, ERROR_FIELD_MISSING, "name");
    if ((input->project.len > 0) != (input->project_role.len > 0))
        return error_set(&request->error, ERROR_FIELD_VALUE,
                         "project and project_role_name must be given together");
    if (input->org_role.len == 0 && input->project_role.len == 0)
        return error_set(
            &request->error, ERROR_FIELD_VALUE,
            "give the service a role: org_role_name, or project and project_role_name");
    return role_check(request, ROLE_ORG, input->org_role) &&
           role_check(request, ROLE_PROJECT, input->project_role);
}

bool service_parse(struct request *request) {
    return input_read(request, edit_fields, array_count(edit_fields));
}

struct role_input {
    uint64_t given;
    struct text role;
};

bool role_parse(struct request *request) {
    static const struct json_field fields[] = {
        {"role", JSON_FIELD_TEXT, offsetof(struct role_input, role)},
    };
    struct role_input *input = request_take(request, sizeof(*input));
    if (input == NULL)
        return false;
    *input = (struct role_input){0};
    request->input = input;
    if (request->body != NULL &&
        !json_read_fields(request->body, fields, 1, input, &request->error))
        return false;
    if (input->role.len == 0)
        return error_set(&request->error, ERROR_FIELD_MISSING, "role");
    bool in_project = request->params[PARAM_PROJECT].len > 0;
    return role_check(request, in_project ? ROLE_PROJECT : ROLE_ORG, input->role);
}

/* Nobody gives a role that holds a permission which they lack. */
static bool may_give(struct request *request, enum role_scope scope, struct text name) {
    const struct role *role = role_find(scope, name);
    const struct caller *caller = &request->caller;
    uint32_t held = caller->org_permissions;
    if (scope == ROLE_PROJECT)
        held |= caller->project_permissions | permissions_in_project(caller->org_permissions, 0);
    if (name.len == 0 || caller->kind == TOKEN_OPERATOR ||
        (role != NULL && (role->permissions & ~held) == 0))
        return true;
    return error_about(&request->work_error, ERROR_FORBIDDEN_GRANT, name);
}

/* The members that every form of a service has; the object is left open. */
static struct buffer *service_begin(struct request *request, const char *key,
                                    const struct service *service) {
    const struct text texts[] = {service->name, service->org_name, service->attributes,
                                 service->policy, service->org_role};
    struct buffer *out = request_out(request, answer_room(texts, array_count(texts)));
    if (out == NULL)
        return NULL;
    answer_raw(out, key, TEXT("{"));
    answer_uuid(out, "id", &service->id);
    answer_text(out, "name", service->name);
    answer_uuid(out, "orgId", &service->org_id);
    answer_text(out, "orgName", service->org_name);
    answer_raw(out, "attributes", service->attributes);
    answer_raw(out, "policy", service->policy);
    answer_time(out, "createdOn", service->created_s);
    answer_time(out, "updatedOn", service->updated_s);
    return out;
}

static bool service_answer(struct request *request, const struct service *service) {
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (out == NULL)
        return false;
    buffer_byte(out, '{');
    if (service_begin(request, "service", service) == NULL)
        return false;
    buffer_add(&request->out, TEXT("}}"));
    return true;
}

bool service_create(struct request *request, struct session *session) {
    const struct service_input *input = request->input;
    struct service wanted = {
        .id = input->id,
        .name = input->name,
        .attributes = input->attributes.at != NULL ? input->attributes : TEXT("{}"),
        .policy = input->policy.at != NULL ? input->policy : TEXT("{}"),
        .org_role = input->org_role,
    };
    struct service service;
    return may_give(request, ROLE_ORG, input->org_role) &&
           may_give(request, ROLE_PROJECT, input->project_role) &&
           store_service_create(session, &request->actor, request->params[PARAM_ORG], &wanted,
                                input->project, input->project_role, &service, &request->seq,
                                &request->work_error) &&
           service_answer(request, &service);
}

bool service_edit(struct request *request, struct session *session) {
    const struct service_input *input = request->input;
    struct service service;
    return store_service_edit(session, &request->actor, request->params[PARAM_ORG],
                              request->params[PARAM_SERVICE], input->new_name, input->attributes,
                              input->policy, &service, &request->seq, &request->work_error) &&
           service_answer(request, &service);
}

bool service_delete(struct request *request, struct session *session) {
    return store_service_delete(session, &request->actor, request->params[PARAM_ORG],
                                request->params[PARAM_SERVICE], &request->seq,
                                &request->work_error) &&
           answer_empty(request);
}

/* The memberships of an org, kept while its services are listed; both are ordered by service. */
struct members {
    struct member {
        struct uuid service_id;
        char project[NAME_BYTES_MAX];
        uint8_t project_len;
        const char *role;
    } * rows;
    size_t count;
    size_t size;
    struct error *error;
};

static bool members_add(void *self, const struct membership *row) {
    struct members *members = self;
    const struct role *role = role_find(ROLE_PROJECT, row->project_role);
    if (members->count == members->size) {
        size_t size = members->size == 0 ? 64 : members->size * 2;
        struct member *rows = realloc(members->rows, size * sizeof(*rows));
        if (rows == NULL)
            return error_set(members->error, ERROR_OVERLOADED, "memory");
        members->rows = rows;
        members->size = size;
    }
    struct member *member = &members->rows[members->count++];
    *member = (struct member){.service_id = row->service.id,
                              .project_len = (uint8_t)row->project_name.len,
                              .role = role != NULL ? role->name : ""};
    check(row->project_name.len <= NAME_BYTES_MAX);
    memcpy(member->project, row->project_name.at, row->project_name.len);
    return true;
}

struct service_page {
    struct page page;
    struct members members;
    size_t next; /* the first member not yet passed */
};

/* A service as lists show it: with its org role and its roles by project. */
static bool service_each(void *self, const struct service *service) {
    struct service_page *list = self;
    struct request *request = list->page.request;
    if (!page_takes(&list->page, service->name) || service_begin(request, NULL, service) == NULL)
        return false;
    const struct members *members = &list->members;
    size_t first = list->next;
    while (first < members->count && !uuid_equal(&members->rows[first].service_id, &service->id))
        first++; /* of services before this page, or gone meanwhile; or this one has none */
    size_t end = first;
    while (end < members->count && uuid_equal(&members->rows[end].service_id, &service->id))
        end++;
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES + (end - first) * 128);
    if (out == NULL)
        return false;
    answer_text(out, "roleName", service->org_role);
    answer_bool(out, "hasProjectRoles", end > first);
    answer_raw(out, "projectRoles", TEXT("{"));
    for (size_t i = first; i < end; i++) {
        const struct member *member = &members->rows[i];
        answer_key(out, NULL);
        buffer_json(out, (struct text){member->project, member->project_len});
        buffer_byte(out, ':');
        buffer_json(out, text_of(member->role));
    }
    buffer_add(out, TEXT("}}"));
    if (end > first)
        list->next = end;
    return true;
}

bool service_list(struct request *request, struct session *session) {
    struct service_page list = {.members.error = &request->work_error};
    struct text org = request->params[PARAM_ORG];
    bool is_done = page_open(&list.page, request) && page_begin(&list.page, "services") &&
                   store_membership_list(session, org, (struct text){0}, members_add, &list.members,
                                         &request->work_error) &&
                   store_service_list(session, org, list.page.after, list.page.limit + 1,
                                      service_each, &list, &request->work_error) &&
                   page_end(&list.page);
    free(list.members.rows);
    return is_done;
}

static bool membership_each(void *self, const struct membership *row) {
    struct request *request = self;
    const struct text texts[] = {row->project_name, row->project_role};
    struct buffer *out = request_out(request, answer_room(texts, array_count(texts)));
    if (out == NULL)
        return false;
    answer_key(out, NULL);
    buffer_byte(out, '{');
    answer_uuid(out, "projectId", &row->project_id);
    answer_text(out, "projectName", row->project_name);
    answer_text(out, "projectRoleName", row->project_role);
    buffer_byte(out, '}');
    return true;
}

/* {"service":{…},"projectMemberships":[…]} */
bool service_get(struct request *request, struct session *session) {
    struct text org = request->params[PARAM_ORG], name = request->params[PARAM_SERVICE];
    struct service service;
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (out == NULL || !store_service_get(session, org, name, &service, &request->work_error))
        return false;
    buffer_byte(out, '{');
    out = service_begin(request, "service", &service);
    if (out == NULL)
        return false;
    answer_text(out, "roleName", service.org_role);
    buffer_byte(out, '}');
    answer_raw(out, "projectMemberships", TEXT("["));
    if (!store_membership_list(session, org, name, membership_each, request,
                               &request->work_error) ||
        (out = request_out(request, ANSWER_ROW_BYTES)) == NULL)
        return false;
    buffer_add(out, TEXT("]}"));
    return true;
}

bool service_set_role(struct request *request, struct session *session) {
    const struct role_input *input = request->input;
    return may_give(request, ROLE_ORG, input->role) &&
           store_service_set_org_role(session, &request->actor, request->params[PARAM_ORG],
                                      request->params[PARAM_SERVICE], input->role, &request->seq,
                                      &request->work_error) &&
           answer_empty(request);
}

bool service_remove_role(struct request *request, struct session *session) {
    return store_service_set_org_role(session, &request->actor, request->params[PARAM_ORG],
                                      request->params[PARAM_SERVICE], (struct text){0},
                                      &request->seq, &request->work_error) &&
           answer_empty(request);
}

static bool member_each(void *self, const struct membership *row) {
    struct page *page = self;
    struct buffer *out = service_begin(page->request, NULL, &row->service);
    const struct text texts[] = {row->project_name, row->project_role, row->service.org_role};
    if (out == NULL ||
        (out = request_out(page->request, answer_room(texts, array_count(texts)))) == NULL)
        return false;
    answer_text(out, "orgRoleName", row->service.org_role);
    answer_uuid(out, "projectId", &row->project_id);
    answer_text(out, "projectName", row->project_name);
    answer_text(out, "projectRoleName", row->project_role);
    buffer_byte(out, '}');
    return true;
}

bool member_list(struct request *request, struct session *session) {
    struct page page = {.request = request};
    return page_begin(&page, "services") &&
           store_project_services(session, request->params[PARAM_ORG],
                                  request->params[PARAM_PROJECT], member_each, &page,
                                  &request->work_error) &&
           page_end(&page);
}

static bool member_change(struct request *request, struct session *session, struct text role) {
    return store_service_set_project_role(
               session, &request->actor, request->params[PARAM_ORG], request->params[PARAM_SERVICE],
               request->params[PARAM_PROJECT], role, &request->seq, &request->work_error) &&
           answer_empty(request);
}

bool member_set_role(struct request *request, struct session *session) {
    const struct role_input *input = request->input;
    return may_give(request, ROLE_PROJECT, input->role) &&
           member_change(request, session, input->role);
}

bool member_remove(struct request *request, struct session *session) {
    return member_change(request, session, (struct text){0});
}
