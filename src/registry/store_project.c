/* The store's functions for projects. */
#include "registry/find.h"
#include "registry/store.h"

struct project project_of(const struct row *row) {
    return (struct project){
        .id = row_uuid(row, 0),
        .org_id = row_uuid(row, 1),
        .instance_id = row_uuid(row, 2),
        .org_name = row_text(row, 3),
        .name = row_text(row, 4),
        .description = row_text(row, 5),
        .runtime_host = row_text(row, 6),
        .audience = row_text(row, 7),
        .frontend_url = row_text(row, 8),
        .primary_branch = row_text(row, 9),
        .default_ttl_s = (uint32_t)row_number(row, 10),
        .max_ttl_s = (uint32_t)row_number(row, 11),
        .max_token_bytes = (uint32_t)row_number(row, 12),
        .jwt_alg_rfc9864 = row_number(row, 13) != 0,
        .created_s = row_number(row, 14),
        .updated_s = row_number(row, 15),
    };
}

bool project_find(struct session *session, const struct uuid *org_id, struct text name,
                  struct project *ret_project, struct error *ret_error) {
    const struct row *row;
    if (!session_found(session, STATEMENT_PROJECT_BY_NAME,
                       PARAMETERS(value_uuid(org_id), value_text(name)), "project", &row,
                       ret_error))
        return false;
    *ret_project = project_of(row);
    return true;
}

bool project_find_in(struct session *session, struct text org, struct text name,
                     struct project *ret_project, struct error *ret_error) {
    struct org parent;
    return org_find(session, org, &parent, ret_error) &&
           project_find(session, &parent.id, name, ret_project, ret_error);
}

static void project_cut(struct change *change, const struct project *project) {
    change->scope = (struct scope){SCOPE_PROJECT, project->id};
    change->org_id = project->org_id;
    change->noun = "project";
    change->name = project->name;
}

static void project_write(const struct project *project, struct buffer *json) {
    change_text(json, "name", project->name);
    change_text(json, "description", project->description);
    change_text(json, "runtimeHost", project->runtime_host);
    change_text(json, "audience", project->audience);
    change_text(json, "frontendUrl", project->frontend_url);
    change_text(json, "primaryBranch", project->primary_branch);
    change_number(json, "defaultTtlSeconds", project->default_ttl_s);
    change_number(json, "maxTtlSeconds", project->max_ttl_s);
    change_number(json, "maxTokenBytes", project->max_token_bytes);
    change_text(json, "jwtAlg", project->jwt_alg_rfc9864 ? TEXT("Ed25519") : TEXT("EdDSA"));
}

static bool project_add(struct change *change, struct text org, const struct project *project,
                        struct project *ret_project, struct error *ret_error) {
    struct org parent;
    if (!org_find(change->session, org, &parent, ret_error))
        return false;
    bool ok = session_do(
        change->session, STATEMENT_PROJECT_ADD,
        PARAMETERS(value_uuid(&project->id), value_uuid(&parent.id),
                   value_uuid(&project->instance_id), value_text(project->name),
                   value_text(project->description), value_text(project->runtime_host),
                   value_text(project->audience), value_text(project->frontend_url),
                   value_text(project->primary_branch), value_number(project->default_ttl_s),
                   value_number(project->max_ttl_s), value_number(project->max_token_bytes),
                   value_number(project->jwt_alg_rfc9864), value_number(change->actor->now_s)),
        ret_error);
    if (!change_named(ok, project->name, ret_error) ||
        !project_find(change->session, &parent.id, project->name, ret_project, ret_error))
        return false;
    project_cut(change, ret_project);
    project_write(ret_project, &change->after);
    return true;
}

bool store_project_create(struct session *session, const struct actor *actor, struct text org,
                          const struct project *project, struct project *ret_project,
                          uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    struct project row;
    bool ok = change_begin(&change, session, actor, ret_error) &&
              project_add(&change, org, project, &row, ret_error);
    if (!change_end(&change, ok, ret_seq, ret_error))
        return false;
    *ret_project = row;
    return true;
}

bool store_project_get(struct session *session, struct text org, struct text name,
                       struct project *ret_project, struct error *ret_error) {
    bool ok = session_read(session, ret_error) &&
              project_find_in(session, org, name, ret_project, ret_error);
    return session_end(session, ok);
}

struct project_list {
    bool (*each)(void *self, const struct project *row);
    void *self;
};

static bool project_each(void *self, const struct row *row) {
    const struct project_list *list = self;
    struct project project = project_of(row);
    return list->each(list->self, &project);
}

bool store_project_list(struct session *session, struct text org, struct text after, uint32_t limit,
                        bool (*each)(void *self, const struct project *row), void *self,
                        struct error *ret_error) {
    struct org parent;
    struct project_list list = {each, self};
    bool ok = session_read(session, ret_error) && org_find(session, org, &parent, ret_error);
    if (ok) {
        struct query query = {
            STATEMENT_PROJECT_LIST,
            PARAMETERS(value_uuid(&parent.id), value_text(after), value_number(limit)),
            project_each, &list};
        ok = session_each(session, &query, ret_error);
    }
    return session_end(session, ok);
}

/* Sets the members of `project` that `fields` names. */
static void project_merge(struct project *project, uint32_t fields, const struct project *values) {
    if (fields & PROJECT_NAME)
        project->name = values->name;
    if (fields & PROJECT_DESCRIPTION)
        project->description = values->description;
    if (fields & PROJECT_RUNTIME_HOST)
        project->runtime_host = values->runtime_host;
    if (fields & PROJECT_AUDIENCE)
        project->audience = values->audience;
    if (fields & PROJECT_FRONTEND_URL)
        project->frontend_url = values->frontend_url;
    if (fields & PROJECT_PRIMARY_BRANCH)
        project->primary_branch = values->primary_branch;
    if (fields & PROJECT_DEFAULT_TTL)
        project->default_ttl_s = values->default_ttl_s;
    if (fields & PROJECT_MAX_TTL)
        project->max_ttl_s = values->max_ttl_s;
    if (fields & PROJECT_MAX_TOKEN_BYTES)
        project->max_token_bytes = values->max_token_bytes;
    if (fields & PROJECT_JWT_ALG)
        project->jwt_alg_rfc9864 = values->jwt_alg_rfc9864;
}

static bool project_set(struct change *change, const struct project *project,
                        struct error *ret_error) {
    bool ok = session_do(
        change->session, STATEMENT_PROJECT_SET,
        PARAMETERS(value_uuid(&project->id), value_text(project->name),
                   value_text(project->description), value_text(project->runtime_host),
                   value_text(project->audience), value_text(project->frontend_url),
                   value_text(project->primary_branch), value_number(project->default_ttl_s),
                   value_number(project->max_ttl_s), value_number(project->max_token_bytes),
                   value_number(project->jwt_alg_rfc9864), value_number(change->actor->now_s)),
        ret_error);
    return change_named(ok, project->name, ret_error);
}

bool store_project_edit(struct session *session, const struct actor *actor, struct text org,
                        struct text name, uint32_t fields, const struct project *values,
                        struct project *ret_project, uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    struct project row;
    bool ok = change_begin(&change, session, actor, ret_error) &&
              project_find_in(session, org, name, &row, ret_error);
    if (ok) {
        project_cut(&change, &row);
        project_write(&row, &change.before);
        project_merge(&row, fields, values);
        project_write(&row, &change.after);
        ok = project_set(&change, &row, ret_error) &&
             project_find(session, &row.org_id, row.name, &row, ret_error);
    }
    if (!change_end(&change, ok, ret_seq, ret_error))
        return false;
    *ret_project = row;
    return true;
}

bool store_project_delete(struct session *session, const struct actor *actor, struct text org,
                          struct text name, uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    struct project row;
    bool ok = change_begin(&change, session, actor, ret_error) &&
              project_find_in(session, org, name, &row, ret_error);
    if (ok) {
        project_cut(&change, &row);
        project_write(&row, &change.before);
        ok = session_do(session, STATEMENT_PROJECT_DELETE, PARAMETERS(value_uuid(&row.id)),
                        ret_error);
    }
    return change_end(&change, ok, ret_seq, ret_error);
}
