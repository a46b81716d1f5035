/* What may be minted, by the plain words of the two promises: P1, after a change is acknowledged
 * nobody mints by what was before; P2, nobody does later than a lease after its commit. */
#ifndef FLOW_MODEL_H
#define FLOW_MODEL_H

#include "rig.h"

/* A state of a service or project, until a change ends it. Credentials show the number of the
 * states they were made from: the service's in `attr`, the project's in the runtime host. */
struct version {
    uint64_t ended_change; /* 0: it is how things are */
    uint64_t ended_us;
    /* Of a service: of which making of each project it may issue for, 0: of none. Of a project: its
     * own making, in its place. */
    uint64_t makings[WORLD_PROJECTS];
};
#define MODEL_ANY_MAKING UINT64_MAX /* by a role in the org */
#define MODEL_VERSIONS 65536

/* A token from its making to its end. */
struct bearer {
    enum world_service_index as;
    uint64_t ended_change; /* 0: it is good */
    uint64_t ended_us;
    int64_t expires_s; /* 0: never */
    char header[128];
};
#define MODEL_BEARERS 4096

struct model {
    struct realm *realm;
    uint64_t changes;      /* committed, in all */
    uint64_t acknowledged; /* of those, the first so many are applied by every worker */
    uint64_t version_count;
    struct version versions[MODEL_VERSIONS];
    uint64_t service_versions[WORLD_SERVICES];
    uint64_t project_versions[WORLD_PROJECTS];
    uint64_t makings[WORLD_PROJECTS];
    uint64_t service_changes[WORLD_SERVICES]; /* the last change of each */
    uint64_t project_changes[WORLD_PROJECTS];
    char attributes[WORLD_SERVICES][32];
    char hosts[WORLD_PROJECTS][40];
    uint64_t bearer_count;
    struct bearer bearers[MODEL_BEARERS];
    struct bearer *current[WORLD_SERVICES];
    uint64_t bearer_changes[WORLD_SERVICES];
    uint64_t change_of_seq[WORLD_CHANGES_MAX];
    uint64_t us_of_seq[WORLD_CHANGES_MAX];
};

/* What was so when a request came, and when it was decided. */
struct note {
    const struct bearer *bearer;
    enum world_project_index project;
    uint64_t pair_change; /* the last that concerns token, service or project */
    bool must_pass;       /* it was good and everybody knew it */
    bool is_decided;
    uint64_t decided_us;
    int64_t decided_s;
    uint64_t acknowledged; /* when it was decided */
};

void model_open(struct model *model, struct realm *realm);
/* One of the changes there are, committed. */
void model_change(struct model *model, uint64_t random);
/* Another store takes the place of this one, with content of which no feed tells. */
void model_change_epoch(struct model *model, uint64_t random);
void note_begin(const struct model *model, struct note *note, const struct bearer *bearer,
                enum world_project_index project);
/* The request passed all checks: what is signed later was decided now. */
void note_decide(const struct model *model, struct note *note);
/* NULL, or what is wrong with the reply. */
const char *model_judge(const struct model *model, const struct note *note,
                        const struct call *call);

#endif
