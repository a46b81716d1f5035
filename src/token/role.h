/* Roles and the permissions that they hold: the one table behind every check. */
#ifndef TOKEN_ROLE_H
#define TOKEN_ROLE_H

#include "base/text.h"

enum permission {
#define PERMISSION(name, bit, text) PERMISSION_##name = 1U << (bit),
#define ORG_ROLE(name, permissions)
#define PROJECT_ROLE(name, permissions)
#include "token/role.def"
#undef PERMISSION
    /* What the operator holds. */
    PERMISSIONS_ALL = 0
#define PERMISSION(name, bit, text) | 1U << (bit)
#include "token/role.def"
#undef PERMISSION
#undef ORG_ROLE
#undef PROJECT_ROLE
};

enum role_scope { ROLE_ORG, ROLE_PROJECT };

/* A role by its name in lower case ("admin"). Roles are compared exactly. */
struct role {
    const char *name;
    uint32_t permissions;
    enum role_scope scope;
};

/* NULL if there is no such role in this scope. */
const struct role *role_find(enum role_scope scope, struct text name);
/* The roles of a scope, in the order of the table. */
const struct role *roles_of(enum role_scope scope, size_t *ret_count);
/* "manage_org": the names of single permissions, for messages and /v1/roles. */
const char *permission_name(enum permission permission);
/* "manage the org: services, tokens, roles, audit": for the documents. */
const char *permission_text(enum permission permission);
/* What an org role or project role gives in one project of the org, `manage every project`
 * included. */
uint32_t permissions_in_project(uint32_t org_permissions, uint32_t project_permissions);

#endif
