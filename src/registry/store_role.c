/* The store's functions for the roles of services in orgs and projects. */
#include "registry/find.h"
#include "registry/store.h"

struct membership_list {
    bool (*each)(void *self, const struct membership *row);
    void *self;
};

static bool membership_each(void *self, const struct row *row) {
    const struct membership_list *list = self;
    struct membership membership = {
        .service = service_of(row),
        .project_id = row_uuid(row, 9),
        .project_name = row_text(row, 10),
        .project_role = row_text(row, 11),
    };
    return list->each(list->self, &membership);
}

static bool memberships(struct session *session, enum statement statement, const struct uuid *id,
                        struct membership_list *list, struct error *ret_error) {
    struct query query = {statement, PARAMETERS(value_uuid(id)), membership_each, list};
    return session_each(session, &query, ret_error);
}

bool store_membership_list(struct session *session, struct text org, struct text service,
                           bool (*each)(void *self, const struct membership *row), void *self,
                           struct error *ret_error) {
    struct org parent;
    struct service found;
    struct membership_list list = {each, self};
    bool ok = session_read(session, ret_error) && org_find(session, org, &parent, ret_error);
    if (ok && service.len == 0)
        ok = memberships(session, STATEMENT_MEMBERSHIPS_OF_ORG, &parent.id, &list, ret_error);
    else if (ok)
        ok = service_find(session, &parent.id, service, &found, ret_error) &&
             memberships(session, STATEMENT_MEMBERSHIPS_OF_SERVICE, &found.id, &list, ret_error);
    return session_end(session, ok);
}

bool store_project_services(struct session *session, struct text org, struct text project,
                            bool (*each)(void *self, const struct membership *row), void *self,
                            struct error *ret_error) {
    struct project found;
    struct membership_list list = {each, self};
    bool ok = session_read(session, ret_error) &&
              project_find_in(session, org, project, &found, ret_error) &&
              memberships(session, STATEMENT_MEMBERSHIPS_OF_PROJECT, &found.id, &list, ret_error);
    return session_end(session, ok);
}

static bool org_role_set(struct change *change, const struct service *service, struct text role,
                         struct error *ret_error) {
    service_cut(change, service);
    if (service->org_role.len > 0)
        change_text(&change->before, "orgRole", service->org_role);
    if (role.len > 0) {
        change_text(&change->after, "orgRole", role);
        return session_do(change->session, STATEMENT_ORG_ROLE_SET,
                          PARAMETERS(value_uuid(&service->id), value_text(role)), ret_error);
    }
    if (service->org_role.len == 0)
        return error_set(ret_error, ERROR_NOT_FOUND, "org role");
    return session_do(change->session, STATEMENT_ORG_ROLE_DELETE,
                      PARAMETERS(value_uuid(&service->id)), ret_error);
}

bool store_service_set_org_role(struct session *session, const struct actor *actor, struct text org,
                                struct text service, struct text role, uint64_t *ret_seq,
                                struct error *ret_error) {
    struct change change;
    struct service found;
    bool ok = change_begin(&change, session, actor, ret_error) &&
              service_find_in(session, org, service, &found, ret_error) &&
              org_role_set(&change, &found, role, ret_error);
    return change_end(&change, ok, ret_seq, ret_error);
}

static void project_role_write(struct buffer *json, const struct project *project,
                               struct text role) {
    change_text(json, "project", project->name);
    change_text(json, "projectRole", role);
}

static bool project_role_set(struct change *change, const struct service *service,
                             const struct project *project, struct text role,
                             struct error *ret_error) {
    const struct row *old;
    struct value ids[] = {value_uuid(&service->id), value_uuid(&project->id)};
    service_cut(change, service);
    if (!session_row(change->session, STATEMENT_PROJECT_ROLE, ids, array_count(ids), &old,
                     ret_error))
        return false;
    if (old != NULL)
        project_role_write(&change->before, project, row_text(old, 0));
    if (role.len > 0) {
        project_role_write(&change->after, project, role);
        return session_do(change->session, STATEMENT_PROJECT_ROLE_SET,
                          PARAMETERS(ids[0], ids[1], value_text(role)), ret_error);
    }
    if (old == NULL)
        return error_set(ret_error, ERROR_NOT_FOUND, "project role");
    return session_do(change->session, STATEMENT_PROJECT_ROLE_DELETE, ids, array_count(ids),
                      ret_error);
}

bool store_service_set_project_role(struct session *session, const struct actor *actor,
                                    struct text org, struct text service, struct text project,
                                    struct text role, uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    struct service found;
    struct project in;
    bool ok = change_begin(&change, session, actor, ret_error) &&
              service_find_in(session, org, service, &found, ret_error) &&
              project_find(session, &found.org_id, project, &in, ret_error) &&
              project_role_set(&change, &found, &in, role, ret_error);
    return change_end(&change, ok, ret_seq, ret_error);
}
