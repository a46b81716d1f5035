/* Roles and the permissions that they hold: the one table behind every check. */
#include "token/role.h"

#define PERMISSION(name, bit, text)
#define PROJECT_ROLE(name, permissions)
#define ORG_ROLE(name, permissions) {#name, permissions, ROLE_ORG},
static const struct role org_roles[] = {
#include "token/role.def"
};
#undef ORG_ROLE
#undef PROJECT_ROLE

#define ORG_ROLE(name, permissions)
#define PROJECT_ROLE(name, permissions) {#name, permissions, ROLE_PROJECT},
static const struct role project_roles[] = {
#include "token/role.def"
};
#undef PERMISSION
#undef PROJECT_ROLE

#define PERMISSION(name, bit, text) [bit] = #name,
#define PROJECT_ROLE(name, permissions)
static const char *const table_names[32] = {
#include "token/role.def"
};
#undef PERMISSION

#define PERMISSION(name, bit, text) [bit] = text,
static const char *const texts[32] = {
#include "token/role.def"
};
#undef PERMISSION
#undef ORG_ROLE
#undef PROJECT_ROLE

/* The permissions' names as users see them: those of the table in lower case. */
static char permission_names[array_count(table_names)][24];

__attribute__((constructor)) static void permission_names_fill(void) {
    for (size_t bit = 0; bit < array_count(table_names); bit++) {
        const char *name = table_names[bit] != NULL ? table_names[bit] : "";
        check(strlen(name) < sizeof(permission_names[bit]));
        for (size_t i = 0; name[i] != '\0'; i++)
            permission_names[bit][i] = name[i] == '_' ? '_' : (char)(name[i] | 0x20);
    }
}

const struct role *roles_of(enum role_scope scope, size_t *ret_count) {
    *ret_count = scope == ROLE_ORG ? array_count(org_roles) : array_count(project_roles);
    return scope == ROLE_ORG ? org_roles : project_roles;
}

const struct role *role_find(enum role_scope scope, struct text name) {
    size_t count;
    const struct role *roles = roles_of(scope, &count);
    for (size_t i = 0; i < count; i++)
        if (text_equal(text_of(roles[i].name), name))
            return &roles[i];
    return NULL;
}

const char *permission_name(enum permission permission) {
    check(__builtin_popcount(permission) == 1);
    const char *name = permission_names[__builtin_ctz(permission)];
    check(name[0] != '\0');
    return name;
}

const char *permission_text(enum permission permission) {
    check(__builtin_popcount(permission) == 1);
    const char *text = texts[__builtin_ctz(permission)];
    check(text != NULL);
    return text;
}

uint32_t permissions_in_project(uint32_t org_permissions, uint32_t project_permissions) {
    uint32_t both = org_permissions | project_permissions;
    const struct role *admin = role_find(ROLE_PROJECT, TEXT("admin"));
    check(admin != NULL);
    return (both & PERMISSION_MANAGE_PROJECT) != 0 ? both | admin->permissions : both;
}
