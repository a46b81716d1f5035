/* What mintd tells of itself from its tables: who may what, and the OpenAPI document. */
#include <stdio.h>

#include "daemon/daemon.h"
#include "server/openapi.h"

static void text_print(struct text text) {
    (void)fwrite(text.at, 1, text.len, stdout);
}

/* The roles of a scope that hold the permission, or let call the route where there is one. */
static void roles_write(struct buffer *out, enum role_scope scope, uint32_t permission,
                        const struct route *route) {
    size_t count;
    const struct role *roles = roles_of(scope, &count);
    const char *before = "";
    for (size_t i = 0; i < count; i++) {
        bool is_in = route != NULL ? routes_may(route, scope, &roles[i])
                                   : (roles[i].permissions & permission) != 0;
        if (is_in)
            buffer_format(out, "%s%s", before, roles[i].name);
        before = is_in ? ", " : before;
    }
}

static void permissions_write(struct buffer *out) {
    buffer_put(out, "| permission | | org roles | project roles |\n|---|---|---|---|\n");
    for (unsigned bit = 0; bit < 32; bit++) {
        uint32_t permission = 1U << bit;
        if (!(PERMISSIONS_ALL & permission))
            continue;
        buffer_format(out, "| `%s` | %s | ", permission_name((enum permission)permission),
                      permission_text((enum permission)permission));
        roles_write(out, ROLE_ORG, permission, NULL);
        buffer_put(out, " | ");
        roles_write(out, ROLE_PROJECT, permission, NULL);
        buffer_put(out, " |\n");
    }
}

/* The operator, org roles, project roles. */
static void callers_write(struct buffer *out, const struct route *route) {
    switch (route->who) {
    case WHO_NOBODY:
        buffer_put(out, "everybody | everybody | everybody |\n");
        return;
    case WHO_ANYONE:
        buffer_put(out, "yes | every | every |\n");
        return;
    case WHO_CREDENTIAL:
        buffer_put(out, "with a credential | with a credential | with a credential |\n");
        return;
    case WHO_OPERATOR:
    case WHO_ORG:
    case WHO_PROJECT:
        buffer_put(out, "yes | ");
        break;
    case WHO_ISSUER:
        buffer_put(out, "as a service | ");
        break;
    }
    roles_write(out, ROLE_ORG, 0, route);
    buffer_put(out, " | ");
    roles_write(out, ROLE_PROJECT, 0, route);
    buffer_put(out, " |\n");
}

static void routes_write(struct buffer *out) {
    buffer_put(out, "| route | operation | the operator | org roles | project roles |\n"
                    "|---|---|---|---|---|\n");
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        const struct route *route = &routes[i];
        buffer_format(out, "| `%s %s` | %s | ",
                      route->method == HTTP_ANY ? "ANY" : http_method_name(route->method),
                      route->pattern, route->name);
        callers_write(out, route);
    }
}

/* deploy/PERMISSIONS.md; a test compares the two, and another walks the tables. */
int command_roles(const struct invocation *invocation) {
    static char memory[65536];
    struct buffer out = buffer_over(memory, sizeof(memory));
    (void)invocation;
    buffer_put(
        &out,
        "# Who may what\n\n"
        "A service has at most one role in its org and one in each project; what they hold adds "
        "up. An org role counts in every project of the org, a project role in its project alone, "
        "and none in another org. Nobody gives a role that holds a permission which they lack. The "
        "operator may do everything but mint.\n"
        "This page is what `mintd roles` prints, from the tables that every check goes by.\n\n"
        "## What the roles hold\n\n");
    permissions_write(&out);
    buffer_put(
        &out,
        "\n## Who may call what\n\n"
        "Paths with /v1/orgs answer at /v1/organizations too. `GET /v1/orgs` lists what the token "
        "may read. Where a path names no org the service's own is meant; of `/v1/introspect` the "
        "answer tells nothing but `active: false` of credentials that the caller could not have "
        "minted.\n\n");
    routes_write(&out);
    check(!out.overflow);
    text_print(buffer_text(&out));
    return 0;
}

int command_openapi(const struct invocation *invocation) {
    struct openapi openapi;
    struct error error;
    (void)invocation;
    if (!openapi_make(&openapi, &error))
        return fail_with(&error);
    text_print(openapi.document);
    (void)putchar('\n');
    openapi_free(&openapi);
    return 0;
}
