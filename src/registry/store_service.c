/* The store's functions for services. */
#include "registry/find.h"
#include "registry/store.h"

struct service service_of(const struct row *row) {
    return (struct service){
        .id = row_uuid(row, 0),
        .org_id = row_uuid(row, 1),
        .org_name = row_text(row, 2),
        .name = row_text(row, 3),
        .attributes = row_text(row, 4),
        .policy = row_text(row, 5),
        .org_role = row_text(row, 6),
        .created_s = row_number(row, 7),
        .updated_s = row_number(row, 8),
    };
}

bool service_find(struct session *session, const struct uuid *org_id, struct text name,
                  struct service *ret_service, struct error *ret_error) {
    const struct row *row;
    if (!session_found(session, STATEMENT_SERVICE_BY_NAME,
                       PARAMETERS(value_uuid(org_id), value_text(name)), "service", &row,
                       ret_error))
        return false;
    *ret_service = service_of(row);
    return true;
}

bool service_find_in(struct session *session, struct text org, struct text name,
                     struct service *ret_service, struct error *ret_error) {
    struct org parent;
    return org_find(session, org, &parent, ret_error) &&
           service_find(session, &parent.id, name, ret_service, ret_error);
}

void service_cut(struct change *change, const struct service *service) {
    change->scope = (struct scope){SCOPE_SERVICE, service->id};
    change->org_id = service->org_id;
    change->noun = "service";
    change->name = service->name;
}

static void service_write(const struct service *service, struct buffer *json) {
    change_text(json, "name", service->name);
    change_json(json, "attributes", service->attributes);
    change_json(json, "policy", service->policy);
    change_text(json, "orgRole", service->org_role);
}

/* The roles that a service is created with. */
struct service_roles {
    struct text org_role;
    struct text project;
    struct text project_role;
};

static bool service_add_roles(struct change *change, const struct service *service,
                              const struct service_roles *roles, struct error *ret_error) {
    struct project project;
    if (roles->org_role.len > 0 &&
        !session_do(change->session, STATEMENT_ORG_ROLE_SET,
                    PARAMETERS(value_uuid(&service->id), value_text(roles->org_role)), ret_error))
        return false;
    if (roles->project.len == 0)
        return true;
    if (!project_find(change->session, &service->org_id, roles->project, &project, ret_error))
        return false;
    change_text(&change->after, "project", project.name);
    change_text(&change->after, "projectRole", roles->project_role);
    return session_do(change->session, STATEMENT_PROJECT_ROLE_SET,
                      PARAMETERS(value_uuid(&service->id), value_uuid(&project.id),
                                 value_text(roles->project_role)),
                      ret_error);
}

static bool service_add(struct change *change, struct text org, const struct service *service,
                        const struct service_roles *roles, struct service *ret_service,
                        struct error *ret_error) {
    struct org parent;
    if (!org_find(change->session, org, &parent, ret_error))
        return false;
    bool ok =
        session_do(change->session, STATEMENT_SERVICE_ADD,
                   PARAMETERS(value_uuid(&service->id), value_uuid(&parent.id),
                              value_text(service->name), value_text(service->attributes),
                              value_text(service->policy), value_number(change->actor->now_s)),
                   ret_error);
    struct service row = *service;
    row.org_id = parent.id;
    if (!change_named(ok, service->name, ret_error) ||
        !service_add_roles(change, &row, roles, ret_error) ||
        !service_find(change->session, &parent.id, service->name, ret_service, ret_error))
        return false;
    service_cut(change, ret_service);
    service_write(ret_service, &change->after);
    return true;
}

bool store_service_create(struct session *session, const struct actor *actor, struct text org,
                          const struct service *service, struct text project,
                          struct text project_role, struct service *ret_service, uint64_t *ret_seq,
                          struct error *ret_error) {
    struct change change;
    struct service row;
    struct service_roles roles = {service->org_role, project, project_role};
    check((project.len > 0) == (project_role.len > 0));
    bool ok = change_begin(&change, session, actor, ret_error) &&
              service_add(&change, org, service, &roles, &row, ret_error);
    if (!change_end(&change, ok, ret_seq, ret_error))
        return false;
    *ret_service = row;
    return true;
}

bool store_service_get(struct session *session, struct text org, struct text name,
                       struct service *ret_service, struct error *ret_error) {
    bool ok = session_read(session, ret_error) &&
              service_find_in(session, org, name, ret_service, ret_error);
    return session_end(session, ok);
}

struct service_list {
    bool (*each)(void *self, const struct service *row);
    void *self;
};

static bool service_each(void *self, const struct row *row) {
    const struct service_list *list = self;
    struct service service = service_of(row);
    return list->each(list->self, &service);
}

bool store_service_list(struct session *session, struct text org, struct text after, uint32_t limit,
                        bool (*each)(void *self, const struct service *row), void *self,
                        struct error *ret_error) {
    struct org parent;
    struct service_list list = {each, self};
    bool ok = session_read(session, ret_error) && org_find(session, org, &parent, ret_error);
    if (ok) {
        struct query query = {
            STATEMENT_SERVICE_LIST,
            PARAMETERS(value_uuid(&parent.id), value_text(after), value_number(limit)),
            service_each, &list};
        ok = session_each(session, &query, ret_error);
    }
    return session_end(session, ok);
}

/* Texts of `edit` with `at` NULL keep what is there. */
static bool service_edit(struct change *change, struct service *service, const struct service *edit,
                         struct error *ret_error) {
    service_cut(change, service);
    service_write(service, &change->before);
    if (edit->name.at != NULL)
        service->name = edit->name;
    if (edit->attributes.at != NULL)
        service->attributes = edit->attributes;
    if (edit->policy.at != NULL)
        service->policy = edit->policy;
    service_write(service, &change->after);
    bool ok = session_do(change->session, STATEMENT_SERVICE_SET,
                         PARAMETERS(value_uuid(&service->id), value_text(service->name),
                                    value_text(service->attributes), value_text(service->policy),
                                    value_number(change->actor->now_s)),
                         ret_error);
    return change_named(ok, service->name, ret_error) &&
           service_find(change->session, &service->org_id, service->name, service, ret_error);
}

bool store_service_edit(struct session *session, const struct actor *actor, struct text org,
                        struct text name, struct text new_name, struct text attributes,
                        struct text policy, struct service *ret_service, uint64_t *ret_seq,
                        struct error *ret_error) {
    struct change change;
    struct service row, edit = {.name = new_name, .attributes = attributes, .policy = policy};
    bool ok = change_begin(&change, session, actor, ret_error) &&
              service_find_in(session, org, name, &row, ret_error) &&
              service_edit(&change, &row, &edit, ret_error);
    if (!change_end(&change, ok, ret_seq, ret_error))
        return false;
    *ret_service = row;
    return true;
}

bool store_service_delete(struct session *session, const struct actor *actor, struct text org,
                          struct text name, uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    struct service row;
    bool ok = change_begin(&change, session, actor, ret_error) &&
              service_find_in(session, org, name, &row, ret_error);
    if (ok) {
        service_cut(&change, &row);
        service_write(&row, &change.before);
        ok = session_do(session, STATEMENT_SERVICE_DELETE, PARAMETERS(value_uuid(&row.id)),
                        ret_error);
    }
    return change_end(&change, ok, ret_seq, ret_error);
}
