/* The registry as flow tests have it: orgs, projects, services, tokens, and what was changed. */
#ifndef FLOW_WORLD_H
#define FLOW_WORLD_H

#include "registry/store.h"

/* Two orgs; a project "shop" where most happens, one beside it, and one of the other org. */
enum world_org { ORG_ACME, ORG_OTHER, WORLD_ORGS };
enum world_project_index { SHOP, DEPOT, ELSEWHERE, WORLD_PROJECTS };

/* The services, each with a token of the same number: WHO(name, org, org role, role in shop). */
#define WORLD_SERVICES_TABLE(WHO) \
    WHO(GATEWAY, ORG_ACME, NULL, "issuer") \
    WHO(OWNER, ORG_ACME, "admin", NULL) \
    WHO(EDITOR, ORG_ACME, "editor", NULL) \
    WHO(VIEWER, ORG_ACME, "viewer", NULL) \
    WHO(GUEST, ORG_ACME, "guest", NULL) \
    WHO(MINTER, ORG_ACME, "issuer", NULL) \
    WHO(SHOP_ADMIN, ORG_ACME, NULL, "admin") \
    WHO(SHOP_EDITOR, ORG_ACME, NULL, "editor") \
    WHO(STRANGER, ORG_OTHER, "admin", NULL)
enum world_service_index {
#define WHO(name, org, org_role, shop_role) name,
    WORLD_SERVICES_TABLE(WHO)
#undef WHO
        WORLD_SERVICES,
    OPERATOR = WORLD_SERVICES, /* among the tokens */
    WORLD_TOKENS,
};

struct world_service {
    struct uuid id;
    const char *name;
    enum world_org org;
    const char *org_role; /* NULL: none */
    const char *project_roles[WORLD_PROJECTS];
    const char *attributes;
    const char *policy;
    bool is_gone;
};
struct world_token {
    struct service_token token;
    enum world_service_index service; /* WORLD_SERVICES: none, an operator's */
    int64_t expires_s;
    int64_t revoked_s;
};
struct world_project {
    struct project project;
    enum world_org org;
    bool is_gone;
};

#define WORLD_CHANGES_MAX 65536
struct world {
    uint64_t epoch;
    uint64_t seq;
    bool is_away;          /* every question fails with REGISTRY_AWAY */
    bool is_short;         /* ... or finds no memory */
    uint64_t grants_asked; /* look-ups of tokens */
    struct random *random;
    struct uuid orgs[WORLD_ORGS];
    struct world_project projects[WORLD_PROJECTS];
    struct world_service services[WORLD_SERVICES];
    struct world_token tokens[WORLD_TOKENS];
    struct scope changes[WORLD_CHANGES_MAX]; /* by seq */
};

/* What the registry's functions take: in these tests they look into the world. */
struct session {
    struct world *world;
};

extern const char *const world_org_names[WORLD_ORGS];

void world_open(struct world *world, struct random *random);
/* A change of what is named by the scope, committed. */
void world_change(struct world *world, enum scope_kind kind, const struct uuid *id);
void world_revoke(struct world *world, enum world_service_index token);
/* role NULL: taken away. */
void world_set_role(struct world *world, enum world_service_index service,
                    enum world_project_index project, const char *role);
/* Deleted, with the roles in it; or made anew under its old name. */
void world_set_project_gone(struct world *world, enum world_project_index project, bool is_gone);
/* Whether a role (NULL: none) lets its service mint, in the org or the project that it is for. */
bool world_role_issues(const char *role);
/* Whether a service's roles let it mint for the project. */
bool world_service_issues(const struct world *world, enum world_service_index service,
                          enum world_project_index project);
/* Whether a service's token may mint for the project now, by the plain words of the interface. */
bool world_may_issue(const struct world *world, enum world_service_index token,
                     enum world_project_index project, int64_t now_s);

#endif
