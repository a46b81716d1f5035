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
    const struct uuid *token_id;
    struct grant *grant; /* NULL: there was no row, or no memory */
    size_t filled;
    bool is_short; /* of memory */
};

static bool grant_begin(struct grant_fill *fill, const struct row *row) {
    struct grant found = grant_of(row);
    found.token_id = *fill->token_id;
    fill->grant = grant_copy(&found);
    fill->is_short = fill->grant == NULL;
    return !fill->is_short;
}

static bool grant_each(void *self, const struct row *row) {
    struct grant_fill *fill = self;
    if (fill->grant == NULL && !grant_begin(fill, row))
        return false;
    if (fill->grant->project_count == 0)
        return false;
    check(fill->filled < fill->grant->project_count);
    fill->grant->projects[fill->filled++] = (struct grant_project){
        .id = row_uuid(row, 13),
        .permissions = role_permissions(ROLE_PROJECT, row_text(row, 14)),
    };
    return true;
}

/* The grant that the rows told of, if reading them went well. */
static bool grant_end(struct grant_fill *fill, bool ok, const char *noun, struct grant **ret_grant,
                      struct error *ret_error) {
    if (ok && fill->is_short)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    if (ok && fill->grant == NULL)
        return error_set(ret_error, ERROR_NOT_FOUND, "%s", noun);
    if (ok)
        *ret_grant = fill->grant;
    else
        free(fill->grant);
    return ok;
}

bool store_grant(struct session *session, const struct uuid *token_id, struct grant **ret_grant,
                 struct error *ret_error) {
    struct grant_fill fill = {.token_id = token_id};
    struct query query = {STATEMENT_GRANT, PARAMETERS(value_uuid(token_id)), grant_each, &fill};
    bool ok = session_look(session, &query, ret_error);
    return grant_end(&fill, ok, "token", ret_grant, ret_error);
}

static bool acting_read(struct session *session, const struct service_ref *service,
                        struct grant_fill *fill, struct error *ret_error) {
    struct service named = {.id = service->id};
    if (service->name.at != NULL &&
        !service_find_in(session, service->org, service->name, &named, ret_error))
        return false;
    struct query query = {STATEMENT_GRANT_ACTING,
                          PARAMETERS(value_uuid(fill->token_id), value_uuid(&named.id)), grant_each,
                          fill};
    return session_each(session, &query, ret_error);
}

bool store_grant_acting(struct session *session, const struct uuid *token_id,
                        const struct service_ref *service, struct grant **ret_grant,
                        struct error *ret_error) {
    struct grant_fill fill = {.token_id = token_id};
    bool ok = session_read(session, ret_error) && acting_read(session, service, &fill, ret_error);
    return grant_end(&fill, session_end(session, ok), "service", ret_grant, ret_error);
}

struct record_fill {
    struct project_record *record; /* NULL: there was no row, or no memory */
    bool is_short;                 /* of memory */
};

static bool record_each(void *self, const struct row *row) {
    struct record_fill *fill = self;
    fill->record = project_record_copy(&(struct project_record){
        .epoch = (uint64_t)row_number(row, PROJECT_COLUMNS),
        .s0 = (uint64_t)row_number(row, PROJECT_COLUMNS + 1),
        .project = project_of(row),
    });
    fill->is_short = fill->record == NULL;
    return false;
}

bool store_project_record(struct session *session, const struct uuid *org_id, struct text name,
                          struct project_record **ret_record, struct error *ret_error) {
    struct record_fill fill = {0};
    struct query query = {STATEMENT_PROJECT_RECORD,
                          PARAMETERS(value_uuid(org_id), value_text(name)), record_each, &fill};
    bool ok = session_look(session, &query, ret_error);
    if (ok && fill.is_short)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    if (ok && fill.record == NULL)
        return error_set(ret_error, ERROR_NOT_FOUND, "project");
    if (ok)
        *ret_record = fill.record;
    else
        free(fill.record);
    return ok;
}
