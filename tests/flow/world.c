/* The registry as flow tests have it: orgs, projects, services, tokens, and what was changed. */
#include "world.h"

#include <stdlib.h>

const char *const world_org_names[WORLD_ORGS] = {"acme", "other"};

static const struct {
    const char *name;
    enum world_org org;
    const char *org_role;
    const char *shop_role;
} table[WORLD_SERVICES] = {
#define WHO(name, org, org_role, shop_role) {#name, org, org_role, shop_role},
    WORLD_SERVICES_TABLE(WHO)
#undef WHO
};

static struct world_project project_make(struct random *random, enum world_org org,
                                         const char *name, const struct uuid *org_id) {
    struct world_project made = {
        .org = org,
        .project = {.org_id = *org_id,
                    .org_name = text_of(world_org_names[org]),
                    .name = text_of(name),
                    .runtime_host = TEXT("https://runtime.example"),
                    .frontend_url = TEXT("https://ui.example/acme/shop"),
                    .primary_branch = TEXT("main")},
    };
    random_uuid(random, &made.project.id);
    random_uuid(random, &made.project.instance_id);
    return made;
}

void world_open(struct world *world, struct random *random) {
    memset(world, 0, sizeof(*world));
    world->epoch = 7;
    world->seq = 100;
    world->random = random;
    for (size_t i = 0; i < WORLD_ORGS; i++)
        random_uuid(random, &world->orgs[i]);
    world->projects[SHOP] = project_make(random, ORG_ACME, "shop", &world->orgs[ORG_ACME]);
    world->projects[DEPOT] = project_make(random, ORG_ACME, "depot", &world->orgs[ORG_ACME]);
    world->projects[ELSEWHERE] = project_make(random, ORG_OTHER, "shop", &world->orgs[ORG_OTHER]);
    for (enum world_service_index i = 0; i < WORLD_SERVICES; i++) {
        world->services[i] = (struct world_service){.name = table[i].name,
                                                    .org = table[i].org,
                                                    .org_role = table[i].org_role,
                                                    .project_roles = {[SHOP] = table[i].shop_role},
                                                    .attributes = "{}",
                                                    .policy = "{}"};
        random_uuid(random, &world->services[i].id);
        world->tokens[i].service = i;
        service_token_make(random, TOKEN_SERVICE, &world->tokens[i].token);
    }
    world->tokens[OPERATOR].service = WORLD_SERVICES;
    service_token_make(random, TOKEN_OPERATOR, &world->tokens[OPERATOR].token);
}

/* ---- changes --------------------------------------------------------------------------------- */

void world_change(struct world *world, enum scope_kind kind, const struct uuid *id) {
    world->seq++;
    world->changes[world->seq % WORLD_CHANGES_MAX] = (struct scope){kind, *id};
}

void world_revoke(struct world *world, enum world_service_index token) {
    world->tokens[token].revoked_s = 1;
    world_change(world, SCOPE_TOKEN, &world->tokens[token].token.id);
}

void world_set_role(struct world *world, enum world_service_index service,
                    enum world_project_index project, const char *role) {
    world->services[service].project_roles[project] = role;
    world_change(world, SCOPE_SERVICE, &world->services[service].id);
}

void world_set_project_gone(struct world *world, enum world_project_index index, bool is_gone) {
    struct world_project *project = &world->projects[index];
    project->is_gone = is_gone;
    if (is_gone)
        for (size_t i = 0; i < WORLD_SERVICES; i++)
            world->services[i].project_roles[index] = NULL;
    else
        random_uuid(world->random, &project->project.id);
    world_change(world, SCOPE_PROJECT, &project->project.id);
}

bool world_role_issues(const char *role) {
    return role != NULL && (strcmp(role, "admin") == 0 || strcmp(role, "issuer") == 0);
}

bool world_service_issues(const struct world *world, enum world_service_index index,
                          enum world_project_index project) {
    const struct world_service *service = &world->services[index];
    return service->org == world->projects[project].org &&
           (world_role_issues(service->org_role) ||
            world_role_issues(service->project_roles[project]));
}

bool world_may_issue(const struct world *world, enum world_service_index index,
                     enum world_project_index project, int64_t now_s) {
    const struct world_token *token = &world->tokens[index];
    return token->service < WORLD_SERVICES && token->revoked_s == 0 &&
           (token->expires_s == 0 || now_s < token->expires_s) &&
           !world->services[token->service].is_gone && !world->projects[project].is_gone &&
           world_service_issues(world, token->service, project);
}

/* ---- the registry's functions ---------------------------------------------------------------- */

static bool is_reached(const struct world *world, struct error *ret_error) {
    if (world->is_short)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    return !world->is_away || error_set(ret_error, ERROR_REGISTRY_AWAY, NULL);
}

static uint32_t permissions_of(enum role_scope scope, const char *name) {
    const struct role *role = name != NULL ? role_find(scope, text_of(name)) : NULL;
    return role != NULL ? role->permissions : 0;
}

static void text_copy(struct text *text, struct buffer *block) {
    size_t start = block->len;
    buffer_add(block, *text);
    check(!block->overflow);
    *text = (struct text){block->at + start, block->len - start};
}

static void grant_fill_service(const struct world *world, const struct world_service *service,
                               struct grant *grant, struct buffer *block) {
    grant->service_id = service->id;
    grant->org_id = world->orgs[service->org];
    grant->org_permissions = permissions_of(ROLE_ORG, service->org_role);
    grant->org_name = text_of(world_org_names[service->org]);
    grant->org_role = text_of(service->org_role != NULL ? service->org_role : "");
    grant->service_name = text_of(service->name);
    grant->attributes = text_of(service->attributes);
    grant->policy = text_of(service->policy);
    text_copy(&grant->attributes, block);
    text_copy(&grant->policy, block);
    for (size_t i = 0; i < WORLD_PROJECTS; i++)
        if (service->project_roles[i] != NULL && !world->projects[i].is_gone)
            grant->projects[grant->project_count++] =
                (struct grant_project){world->projects[i].project.id,
                                       permissions_of(ROLE_PROJECT, service->project_roles[i])};
}

/* What a token is for and where it stands; NULL: there is none. */
static const struct world_token *token_find(const struct world *world, const struct uuid *id) {
    for (const struct world_token *token = world->tokens; token < world->tokens + WORLD_TOKENS;
         token++)
        if (uuid_equal(&token->token.id, id))
            return token->service < WORLD_SERVICES && world->services[token->service].is_gone
                       ? NULL
                       : token;
    return NULL;
}

static bool grant_make(const struct world *world, const struct world_token *token,
                       const struct world_service *service, struct grant **ret_grant,
                       struct error *ret_error) {
    size_t head = sizeof(struct grant) + WORLD_PROJECTS * sizeof(struct grant_project);
    size_t room = service != NULL ? strlen(service->attributes) + strlen(service->policy) : 0;
    struct grant *grant = malloc(head + room);
    if (grant == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    *grant = (struct grant){.epoch = world->epoch,
                            .s0 = world->seq,
                            .kind = service != NULL ? TOKEN_SERVICE : TOKEN_OPERATOR,
                            .token_id = token->token.id,
                            .expires_s = token->expires_s,
                            .revoked_s = token->revoked_s,
                            .org_permissions = UINT32_MAX,
                            .projects = (struct grant_project *)(grant + 1)};
    service_token_hash(&token->token, grant->secret_hash);
    struct buffer block = buffer_over((char *)grant + head, room);
    if (service != NULL)
        grant_fill_service(world, service, grant, &block);
    *ret_grant = grant;
    return true;
}

bool store_grant(struct session *session, const struct uuid *token_id, struct grant **ret_grant,
                 struct error *ret_error) {
    struct world *world = session->world;
    const struct world_token *token = token_find(world, token_id);
    world->grants_asked++;
    if (!is_reached(world, ret_error))
        return false;
    if (token == NULL)
        return error_set(ret_error, ERROR_NOT_FOUND, "token");
    return grant_make(world, token,
                      token->service < WORLD_SERVICES ? &world->services[token->service] : NULL,
                      ret_grant, ret_error);
}

static const struct world_service *service_find(const struct world *world,
                                                const struct service_ref *wanted) {
    for (const struct world_service *service = world->services;
         service < world->services + WORLD_SERVICES; service++) {
        bool is_wanted =
            wanted->name.at != NULL
                ? text_equal_nocase(text_of(service->name), wanted->name) &&
                      text_equal_nocase(text_of(world_org_names[service->org]), wanted->org)
                : uuid_equal(&service->id, &wanted->id);
        if (is_wanted && !service->is_gone)
            return service;
    }
    return NULL;
}

bool store_grant_acting(struct session *session, const struct uuid *token_id,
                        const struct service_ref *wanted, struct grant **ret_grant,
                        struct error *ret_error) {
    struct world *world = session->world;
    const struct world_token *token = token_find(world, token_id);
    const struct world_service *service = service_find(world, wanted);
    world->grants_asked++;
    if (!is_reached(world, ret_error))
        return false;
    if (token == NULL || token->service < WORLD_SERVICES || service == NULL)
        return error_set(ret_error, ERROR_NOT_FOUND, "service");
    return grant_make(world, token, service, ret_grant, ret_error);
}

static const struct project *project_find(const struct world *world, const struct uuid *org_id,
                                          struct text name) {
    for (size_t i = 0; i < WORLD_PROJECTS; i++)
        if (!world->projects[i].is_gone && uuid_equal(&world->projects[i].project.org_id, org_id) &&
            text_equal_nocase(world->projects[i].project.name, name))
            return &world->projects[i].project;
    return NULL;
}

bool store_project_record(struct session *session, const struct uuid *org_id, struct text name,
                          struct project_record **ret_record, struct error *ret_error) {
    const struct world *world = session->world;
    const struct project *project = project_find(world, org_id, name);
    if (!is_reached(world, ret_error))
        return false;
    if (project == NULL)
        return error_set(ret_error, ERROR_NOT_FOUND, "project");
    size_t room = project->runtime_host.len + project->frontend_url.len + project->audience.len;
    struct project_record *record = malloc(sizeof(*record) + room);
    if (record == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    *record = (struct project_record){.epoch = world->epoch,
                                      .s0 = world->seq,
                                      .bytes = sizeof(*record) + room,
                                      .project = *project};
    struct buffer block = buffer_over((char *)(record + 1), room);
    text_copy(&record->project.runtime_host, &block);
    text_copy(&record->project.frontend_url, &block);
    text_copy(&record->project.audience, &block);
    *ret_record = record;
    return true;
}

bool store_feed(struct session *session, const struct place *from, struct feed *ret_feed,
                struct error *ret_error) {
    const struct world *world = session->world;
    uint64_t epoch = from->epoch, cursor = from->seq;
    if (!is_reached(world, ret_error))
        return false;
    ret_feed->epoch = world->epoch;
    ret_feed->seq = world->seq;
    ret_feed->mark = 0;
    ret_feed->count = 0;
    ret_feed->is_foreign = epoch != world->epoch;
    ret_feed->is_flush = epoch != world->epoch || world->seq - cursor > FEED_CHANGES_MAX;
    for (uint64_t seq = cursor + 1; !ret_feed->is_flush && seq <= world->seq; seq++) {
        ret_feed->changes[ret_feed->count].seq = seq;
        ret_feed->changes[ret_feed->count++].scope = world->changes[seq % WORLD_CHANGES_MAX];
    }
    return true;
}

uint64_t store_changed_epoch(const struct session *session) {
    return session->world->epoch;
}
