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

size_t grant_bytes(const struct grant *grant) {
    return sizeof(*grant) + grant->project_count * sizeof(struct grant_project) +
           grant->org_name.len + grant->org_role.len + grant->service_name.len +
           grant->attributes.len + grant->policy.len;
}

struct grant *grant_place(const struct grant *from, void *memory) {
    struct grant *grant = memory;
    *grant = *from;
    grant->projects = (struct grant_project *)(grant + 1);
    if (from->projects != NULL && from->project_count > 0)
        memcpy(grant->projects, from->projects, from->project_count * sizeof(*from->projects));
    char *at = (char *)(grant->projects + grant->project_count);
    at = text_move(&grant->org_name, at);
    at = text_move(&grant->org_role, at);
    at = text_move(&grant->service_name, at);
    at = text_move(&grant->attributes, at);
    at = text_move(&grant->policy, at);
    check(at == (char *)grant + grant_bytes(from));
    return grant;
}

struct grant *grant_copy(const struct grant *from) {
    void *memory = malloc(grant_bytes(from));
    return memory != NULL ? grant_place(from, memory) : NULL;
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
