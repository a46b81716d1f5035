/* Copies of what minting needs to know, each with its texts in one block. */
#include "registry/types.h"

#include <stdlib.h>

/* Copies the text to `at` and points it there; returns what is behind. */
static char *text_move(struct text *text, char *at) {
    if (text->len > 0)
        memcpy(at, text->at, text->len);
    text->at = at;
    return at + text->len;
}

struct grant *grant_copy(const struct grant *from) {
    size_t projects = from->project_count * sizeof(struct grant_project);
    size_t bytes = sizeof(*from) + projects + from->org_name.len + from->org_role.len +
                   from->service_name.len + from->attributes.len + from->policy.len;
    struct grant *grant = malloc(bytes);
    if (grant == NULL)
        return NULL;
    *grant = *from;
    grant->bytes = bytes;
    grant->projects = (struct grant_project *)(grant + 1);
    if (from->projects != NULL && projects > 0)
        memcpy(grant->projects, from->projects, projects);
    char *at = (char *)(grant->projects + grant->project_count);
    at = text_move(&grant->org_name, at);
    at = text_move(&grant->org_role, at);
    at = text_move(&grant->service_name, at);
    at = text_move(&grant->attributes, at);
    at = text_move(&grant->policy, at);
    check(at == (char *)grant + bytes);
    return grant;
}

struct project_record *project_record_copy(const struct project_record *from) {
    const struct project *source = &from->project;
    size_t bytes = sizeof(*from) + source->org_name.len + source->name.len +
                   source->description.len + source->runtime_host.len + source->audience.len +
                   source->frontend_url.len + source->primary_branch.len;
    struct project_record *record = malloc(bytes);
    if (record == NULL)
        return NULL;
    *record = *from;
    record->bytes = bytes;
    struct project *project = &record->project;
    char *at = (char *)(record + 1);
    at = text_move(&project->org_name, at);
    at = text_move(&project->name, at);
    at = text_move(&project->description, at);
    at = text_move(&project->runtime_host, at);
    at = text_move(&project->audience, at);
    at = text_move(&project->frontend_url, at);
    at = text_move(&project->primary_branch, at);
    check(at == (char *)record + bytes);
    return record;
}
