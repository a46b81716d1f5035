/* What minting needs to know, each read in one snapshot with the counter and given as one block. */
#include <stdlib.h>

#include "registry/find.h"
#include "registry/store.h"

/* A role that is not known here (taken out of the table since) gives nothing. */
static uint32_t role_permissions(enum role_scope scope, struct text name) {
    const struct role *role = role_find(scope, name);
    return role == NULL ? 0 : role->permissions;
}

/* The columns of STATEMENT_GRANT as a grant whose texts are still the row's. */
static struct grant grant_of(const struct row *row) {
    struct grant grant = {
        .epoch = (uint64_t)row_number(row, 0),
        .s0 = (uint64_t)row_number(row, 1),
        .kind = row->columns[5].type == VALUE_NULL ? TOKEN_OPERATOR : TOKEN_SERVICE,
        .service_id = row_uuid(row, 5),
        .org_id = row_uuid(row, 9),
        .expires_s = row_number(row, 3),
        .revoked_s = row_number(row, 4),
        .org_name = row_text(row, 10),
        .org_role = row_text(row, 11),
        .service_name = row_text(row, 6),
        .attributes = row_text(row, 7),
        .policy = row_text(row, 8),
        .project_count = (size_t)row_number(row, 12),
    };
    row_bytes(row, 2, grant.secret_hash, TOKEN_HASH_BYTES);
    grant.org_permissions =
        grant.kind == TOKEN_OPERATOR ? PERMISSIONS_ALL : role_permissions(ROLE_ORG, grant.org_role);
    return grant;
}

struct grant_fill {
    struct grant *grant;
    size_t filled;
};

static bool grant_project_each(void *self, const struct row *row) {
    struct grant_fill *fill = self;
    check(fill->filled < fill->grant->project_count);
    fill->grant->projects[fill->filled++] = (struct grant_project){
        .id = row_uuid(row, 0),
        .permissions = role_permissions(ROLE_PROJECT, row_text(row, 1)),
    };
    return true;
}

static bool grant_fill_projects(struct session *session, struct grant *grant,
                                struct error *ret_error) {
    struct grant_fill fill = {.grant = grant};
    struct query query = {STATEMENT_GRANT_PROJECTS, PARAMETERS(value_uuid(&grant->service_id)),
                          grant_project_each, &fill};
    return grant->project_count == 0 || session_each(session, &query, ret_error);
}

static bool grant_take(struct session *session, const struct uuid *token_id, const struct row *row,
                       struct grant **ret_grant, struct error *ret_error) {
    struct grant found = grant_of(row);
    found.token_id = *token_id;
    struct grant *grant = grant_copy(&found);
    if (grant == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    if (!grant_fill_projects(session, grant, ret_error)) {
        free(grant);
        return false;
    }
    *ret_grant = grant;
    return true;
}

static bool grant_read(struct session *session, const struct uuid *token_id,
                       struct grant **ret_grant, struct error *ret_error) {
    const struct row *row;
    return session_found(session, STATEMENT_GRANT, PARAMETERS(value_uuid(token_id)), "token", &row,
                         ret_error) &&
           grant_take(session, token_id, row, ret_grant, ret_error);
}

bool store_grant(struct session *session, const struct uuid *token_id, struct grant **ret_grant,
                 struct error *ret_error) {
    bool ok =
        session_read(session, ret_error) && grant_read(session, token_id, ret_grant, ret_error);
    return session_end(session, ok);
}

static bool acting_read(struct session *session, const struct uuid *token_id,
                        const struct service_ref *service, struct grant **ret_grant,
                        struct error *ret_error) {
    const struct row *row;
    struct service named = {.id = service->id};
    if (service->name.at != NULL &&
        !service_find_in(session, service->org, service->name, &named, ret_error))
        return false;
    return session_found(session, STATEMENT_GRANT_ACTING,
                         PARAMETERS(value_uuid(token_id), value_uuid(&named.id)), "service", &row,
                         ret_error) &&
           grant_take(session, token_id, row, ret_grant, ret_error);
}

bool store_grant_acting(struct session *session, const struct uuid *token_id,
                        const struct service_ref *service, struct grant **ret_grant,
                        struct error *ret_error) {
    bool ok = session_read(session, ret_error) &&
              acting_read(session, token_id, service, ret_grant, ret_error);
    return session_end(session, ok);
}

static bool record_read(struct session *session, const struct uuid *org_id, struct text name,
                        struct project_record **ret_record, struct error *ret_error) {
    const struct row *counter;
    struct project_record found = {0};
    if (!session_found(session, STATEMENT_COUNTER, PARAMETERS(value_number(0)), "counter", &counter,
                       ret_error) ||
        !project_find(session, org_id, name, &found.project, ret_error))
        return false;
    struct project_record *record = project_record_copy(&found);
    if (record == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    record->epoch = (uint64_t)row_number(counter, 0);
    record->s0 = (uint64_t)row_number(counter, 1);
    *ret_record = record;
    return true;
}

bool store_project_record(struct session *session, const struct uuid *org_id, struct text name,
                          struct project_record **ret_record, struct error *ret_error) {
    bool ok = session_read(session, ret_error) &&
              record_read(session, org_id, name, ret_record, ret_error);
    return session_end(session, ok);
}
