/* The store's functions for orgs. */
#include "registry/find.h"
#include "registry/store.h"

struct org org_of(const struct row *row) {
    return (struct org){
        .id = row_uuid(row, 0),
        .name = row_text(row, 1),
        .display_name = row_text(row, 2),
        .created_s = row_number(row, 3),
        .updated_s = row_number(row, 4),
    };
}

bool org_find(struct session *session, struct text name, struct org *ret_org,
              struct error *ret_error) {
    const struct row *row;
    if (!session_found(session, STATEMENT_ORG_BY_NAME, PARAMETERS(value_text(name)), "org", &row,
                       ret_error))
        return false;
    *ret_org = org_of(row);
    return true;
}

/* What the change is about. */
static void org_cut(struct change *change, const struct org *org) {
    change->scope = (struct scope){SCOPE_ORG, org->id};
    change->org_id = org->id;
    change->noun = "org";
    change->name = org->name;
}

static void org_write(const struct org *org, struct buffer *json) {
    change_text(json, "name", org->name);
    change_text(json, "displayName", org->display_name);
}

static bool org_add(struct change *change, const struct org *org, struct org *ret_org,
                    struct error *ret_error) {
    bool ok =
        session_do(change->session, STATEMENT_ORG_ADD,
                   PARAMETERS(value_uuid(&org->id), value_text(org->name),
                              value_text(org->display_name), value_number(change->actor->now_s)),
                   ret_error);
    if (!change_named(ok, org->name, ret_error))
        return false;
    org_cut(change, org);
    org_write(org, &change->after);
    return org_find(change->session, org->name, ret_org, ret_error);
}

bool store_org_create(struct session *session, const struct actor *actor, const struct org *org,
                      struct org *ret_org, uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    struct org row;
    bool ok =
        change_begin(&change, session, actor, ret_error) && org_add(&change, org, &row, ret_error);
    if (!change_end(&change, ok, ret_seq, ret_error))
        return false;
    *ret_org = row;
    return true;
}

bool store_org_get(struct session *session, struct text name, struct org *ret_org,
                   struct error *ret_error) {
    bool ok = session_read(session, ret_error) && org_find(session, name, ret_org, ret_error);
    return session_end(session, ok);
}

bool store_org_id(struct session *session, struct text name, struct uuid *ret_id,
                  struct error *ret_error) {
    struct org org;
    if (!store_org_get(session, name, &org, ret_error))
        return false;
    *ret_id = org.id;
    return true;
}

struct org_list {
    bool (*each)(void *self, const struct org *row);
    void *self;
};

static bool org_each(void *self, const struct row *row) {
    const struct org_list *list = self;
    struct org org = org_of(row);
    return list->each(list->self, &org);
}

bool store_org_list(struct session *session, struct text after, uint32_t limit,
                    bool (*each)(void *self, const struct org *row), void *self,
                    struct error *ret_error) {
    struct org_list list = {each, self};
    struct query query = {STATEMENT_ORG_LIST, PARAMETERS(value_text(after), value_number(limit)),
                          org_each, &list};
    bool ok = session_read(session, ret_error) && session_each(session, &query, ret_error);
    return session_end(session, ok);
}

static bool org_edit(struct change *change, struct text name, struct org edit, struct org *ret_org,
                     struct error *ret_error) {
    struct org org;
    if (!org_find(change->session, name, &org, ret_error))
        return false;
    org_cut(change, &org);
    org_write(&org, &change->before);
    if (edit.name.at != NULL)
        org.name = edit.name;
    if (edit.display_name.at != NULL)
        org.display_name = edit.display_name;
    org_write(&org, &change->after);
    bool ok =
        session_do(change->session, STATEMENT_ORG_SET,
                   PARAMETERS(value_uuid(&org.id), value_text(org.name),
                              value_text(org.display_name), value_number(change->actor->now_s)),
                   ret_error);
    return change_named(ok, org.name, ret_error) &&
           org_find(change->session, org.name, ret_org, ret_error);
}

bool store_org_edit(struct session *session, const struct actor *actor, struct text name,
                    struct text new_name, struct text display_name, struct org *ret_org,
                    uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    struct org row, edit = {.name = new_name, .display_name = display_name};
    bool ok = change_begin(&change, session, actor, ret_error) &&
              org_edit(&change, name, edit, &row, ret_error);
    if (!change_end(&change, ok, ret_seq, ret_error))
        return false;
    *ret_org = row;
    return true;
}

static bool org_delete(struct change *change, struct text name, struct error *ret_error) {
    struct org org;
    const struct row *content;
    if (!org_find(change->session, name, &org, ret_error) ||
        !session_found(change->session, STATEMENT_ORG_CONTENT, PARAMETERS(value_uuid(&org.id)),
                       "org", &content, ret_error))
        return false;
    int64_t projects = row_number(content, 0), services = row_number(content, 1);
    if (projects > 0 || services > 0)
        return error_set(ret_error, ERROR_NOT_EMPTY, "the org still has %s",
                         services == 0   ? "projects"
                         : projects == 0 ? "services"
                                         : "projects and services");
    org_cut(change, &org);
    org_write(&org, &change->before);
    return session_do(change->session, STATEMENT_ORG_DELETE, PARAMETERS(value_uuid(&org.id)),
                      ret_error);
}

bool store_org_delete(struct session *session, const struct actor *actor, struct text name,
                      uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    bool ok =
        change_begin(&change, session, actor, ret_error) && org_delete(&change, name, ret_error);
    return change_end(&change, ok, ret_seq, ret_error);
}
