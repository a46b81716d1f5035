/* What may be minted, by the plain words of the two promises. */
#include "model.h"

#include "minted.h"

/* ---- changes --------------------------------------------------------------------------------- */

static const char *const roles[] = {"issuer", "viewer", "issuer", "admin"};

static struct version *version_of(struct model *model, uint64_t number) {
    return &model->versions[number % MODEL_VERSIONS];
}

static uint64_t version_start(struct model *model) {
    *version_of(model, ++model->version_count) = (struct version){0};
    return model->version_count;
}

static void version_end(struct model *model, uint64_t number) {
    struct version *version = version_of(model, number);
    version->ended_change = model->changes;
    version->ended_us = model->realm->clock.monotonic_us;
}

/* A change is committed: counted, and its time noted under the registry's number. */
static void change_commit(struct model *model) {
    const struct world *world = &model->realm->world;
    model->change_of_seq[world->seq % WORLD_CHANGES_MAX] = model->changes;
    model->us_of_seq[world->seq % WORLD_CHANGES_MAX] = model->realm->clock.monotonic_us;
}

static void service_relabel(struct model *model, enum world_service_index index) {
    struct world_service *service = &model->realm->world.services[index];
    version_end(model, model->service_versions[index]);
    model->service_versions[index] = version_start(model);
    struct version *version = version_of(model, model->service_versions[index]);
    for (enum world_project_index project = SHOP; project < WORLD_PROJECTS; project++)
        if (world_service_issues(&model->realm->world, index, project))
            version->makings[project] =
                world_role_issues(service->org_role) ? MODEL_ANY_MAKING : model->makings[project];
    model->service_changes[index] = model->changes;
    (void)snprintf(model->attributes[index], sizeof(model->attributes[index]), "{\"v\":%llu}",
                   (unsigned long long)model->service_versions[index]);
    service->attributes = model->attributes[index];
}

static void project_relabel(struct model *model, enum world_project_index index) {
    struct project *project = &model->realm->world.projects[index].project;
    version_end(model, model->project_versions[index]);
    model->project_versions[index] = version_start(model);
    version_of(model, model->project_versions[index])->makings[index] = model->makings[index];
    model->project_changes[index] = model->changes;
    (void)snprintf(model->hosts[index], sizeof(model->hosts[index]), "https://host-%llu",
                   (unsigned long long)model->project_versions[index]);
    project->runtime_host = text_of(model->hosts[index]);
}

/* A token takes the place of the service's last one, which is revoked. */
static void bearer_replace(struct model *model, enum world_service_index as, uint64_t random) {
    struct realm *realm = model->realm;
    struct world_token *token = &realm->world.tokens[as];
    struct bearer *old = model->current[as];
    if (old != NULL) {
        old->ended_change = model->changes;
        old->ended_us = realm->clock.monotonic_us;
    }
    struct bearer *bearer = &model->bearers[model->bearer_count++ % MODEL_BEARERS];
    *bearer = (struct bearer){.as = as, .header = "Bearer "};
    if (random % 8 == 0)
        bearer->expires_s = realm->clock.wall_s + (int64_t)(random / 8 % 300);
    service_token_make(&realm->random, TOKEN_SERVICE, &token->token);
    token->expires_s = bearer->expires_s;
    (void)realm_token(realm, as, bearer->header + 7, sizeof(bearer->header) - 8);
    model->current[as] = bearer;
    model->bearer_changes[as] = model->changes;
}

void model_open(struct model *model, struct realm *realm) {
    memset(model, 0, sizeof(*model)); /* too large to pass over the stack */
    model->realm = realm;
    for (enum world_project_index project = SHOP; project < WORLD_PROJECTS; project++)
        model->makings[project] = 1;
    for (enum world_service_index as = GATEWAY; as < WORLD_SERVICES; as++) {
        for (enum world_project_index project = SHOP; project <= DEPOT; project++)
            realm->world.services[as].project_roles[project] = "issuer";
        bearer_replace(model, as, 1);
        service_relabel(model, as);
    }
    for (enum world_project_index project = SHOP; project < WORLD_PROJECTS; project++)
        project_relabel(model, project);
}

static void project_toggle(struct model *model, enum world_project_index project) {
    struct world *world = &model->realm->world;
    model->makings[project] += world->projects[project].is_gone;
    world_set_project_gone(world, project, !world->projects[project].is_gone);
    project_relabel(model, project);
}

static void role_set(struct model *model, enum world_service_index service,
                     enum world_project_index project, const char *role) {
    world_set_role(&model->realm->world, service, project, role);
    service_relabel(model, service);
}

void model_change(struct model *model, uint64_t random) {
    struct world *world = &model->realm->world;
    enum world_service_index service = (enum world_service_index)(random / 64 % WORLD_SERVICES);
    enum world_project_index project = random / 1024 % 2 == 0 ? SHOP : DEPOT;
    unsigned kind = (unsigned)(random % 64);
    model->changes++;
    if (kind == 0 || (kind < 32 && world->projects[project].is_gone)) {
        project_toggle(model, project);
    } else if (kind < 4) {
        world_change(world, SCOPE_ORG, &world->orgs[ORG_ACME]);
    } else if (kind < 12) {
        world_change(world, SCOPE_PROJECT, &world->projects[project].project.id);
        project_relabel(model, project);
    } else if (kind < 24) { /* revoked, and another one issued */
        world_change(world, SCOPE_TOKEN, &world->tokens[service].token.id);
        bearer_replace(model, service, random / 2048);
    } else { /* a role, if there is the project for it */
        role_set(model, service, project,
                 world->projects[project].is_gone ? NULL : roles[random / 2048 % 4]);
    }
    change_commit(model);
}

void model_change_epoch(struct model *model, uint64_t random) {
    model_change(model, random);
    model->realm->world.epoch++;
    model->realm->world.seq += 1000 + random % 1000;
}

/* ---- notes ----------------------------------------------------------------------------------- */

static uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static uint64_t pair_change(const struct model *model, const struct note *note) {
    enum world_service_index as = note->bearer->as;
    return later(later(model->service_changes[as], model->project_changes[note->project]),
                 later(model->bearer_changes[as], note->bearer->ended_change));
}

void note_begin(const struct model *model, struct note *note, const struct bearer *bearer,
                enum world_project_index project) {
    *note = (struct note){.bearer = bearer, .project = project};
    note->pair_change = pair_change(model, note);
    note->must_pass = bearer->ended_change == 0 && bearer->expires_s == 0 &&
                      world_may_issue(&model->realm->world, bearer->as, project, 0) &&
                      note->pair_change <= model->acknowledged;
}

void note_decide(const struct model *model, struct note *note) {
    if (note->is_decided)
        return;
    note->is_decided = true;
    note->decided_us = model->realm->clock.monotonic_us;
    note->decided_s = model->realm->clock.wall_s;
    note->acknowledged = model->acknowledged;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* What has ended may be used until somebody was told, and for a lease at most. */
static bool is_fine(const struct note *note, uint64_t ended_change, uint64_t ended_us) {
    return ended_change == 0 ||
           (ended_change > note->acknowledged && note->decided_us < ended_us + RIG_LEASE_US);
}

static const char *minted_judge(const struct model *model, const struct note *note,
                                const struct json *answer) {
    static char memory[1 << 18];
    struct arena arena = arena_over(memory, sizeof(memory));
    const struct json *token = json_member(answer, TEXT("accessToken"));
    struct text host = json_text(json_member(answer, TEXT("runtimeHost")));
    struct text host_before = TEXT("https://host-");
    struct jwt jwt;
    struct error error;
    uint64_t of_service, of_project;
    if (token == NULL || !jwt_read(json_text(token), &arena, &jwt, &error))
        return "it is no credential";
    const struct json *attributes = json_member(jwt.claims, TEXT("attr"));
    if (!json_number(json_member(attributes, TEXT("v")), UINT32_MAX, &of_service) ||
        !text_starts(host, host_before) ||
        !text_number((struct text){host.at + host_before.len, host.len - host_before.len},
                     UINT32_MAX, &of_project))
        return "it does not show what it was made from";
    if (of_service % 16 == 0 &&
        !jwt_signature_is_good(&jwt, keyring_public_key(model->realm->keyring, jwt.kid)))
        return "the signature is bad";
    const struct bearer *bearer = note->bearer;
    const struct version *service = &model->versions[of_service % MODEL_VERSIONS];
    const struct version *project = &model->versions[of_project % MODEL_VERSIONS];
    if (bearer->expires_s != 0 && note->decided_s >= bearer->expires_s)
        return "the token had expired";
    if (!is_fine(note, bearer->ended_change, bearer->ended_us))
        return "the token had been revoked";
    if (service->makings[note->project] != MODEL_ANY_MAKING &&
        service->makings[note->project] != project->makings[note->project])
        return "the service might not";
    if (!is_fine(note, service->ended_change, service->ended_us))
        return "the service had been changed";
    if (!is_fine(note, project->ended_change, project->ended_us))
        return "the project had been changed";
    return NULL;
}

/* A change is acknowledged when all have applied it or the lease is over. */
static const char *write_judge(const struct model *model, const struct call *call) {
    size_t at = call->seq % WORLD_CHANGES_MAX;
    bool is_safe =
        call->seq != 0 && (model->change_of_seq[at] <= model->acknowledged ||
                           model->realm->clock.monotonic_us >= model->us_of_seq[at] + RIG_LEASE_US);
    return is_safe ? NULL : "the change was acknowledged too early";
}

static const char *good_judge(const struct model *model, const struct note *note,
                              const struct call *call) {
    const struct json *answer = call_json(call);
    const struct json *list = json_member(answer, TEXT("credentials"));
    if (json_member(answer, TEXT("accessToken")) != NULL)
        return minted_judge(model, note, answer);
    if (list != NULL)
        for (struct json_iter i = json_iter(list); json_next(&i);) {
            const char *wrong = minted_judge(model, note, i.value);
            if (wrong != NULL)
                return wrong;
        }
    return NULL;
}

const char *model_judge(const struct model *model, const struct note *note,
                        const struct call *call) {
    switch (call->status) {
    case 200:
        return call->route == WRITE_ORG ? write_judge(model, call) : good_judge(model, note, call);
    case 202: /* its history was replaced before it could be told: nothing is promised yet */
        return call->route == WRITE_ORG && call->seq != 0 ? NULL : "only a change is answered so";
    case 401:
    case 403:
    case 404:
        if (rig_routes[call->route].kind == ROUTE_ISSUE && note->must_pass &&
            note->pair_change == pair_change(model, note))
            return "it was refused, though it was good all the time";
        return NULL;
    case 503:
        return NULL;
    default:
        return "it has a status that nothing here leads to";
    }
}
