/* L1: grants and projects in the loop's own memory, and the tokens that are known to be bad. */
#ifndef CACHE_LOCAL_H
#define CACHE_LOCAL_H

#include "base/heap.h"
#include "cache/freshness.h"
#include "token/policy.h"

/* What the kinds of entries have in common. */
struct cache_entry {
    struct queue link; /* from the next to go to the newest */
    uint64_t hash;
    size_t bytes;
    struct stamp stamp;
    bool is_recent; /* used since it last was the next to go: gets a second round */
    bool is_project;
};

/* A grant, and the part of the claims that is the same for all its credentials, in one block. */
struct usage_note;
struct cached_grant {
    struct cache_entry entry;
    struct uuid key; /* the token's id, unless it acts as a service */
    struct grant *grant;
    struct usage_note *usage; /* of its last use, not yet written; or NULL */
    struct policy policy;     /* its values live in policy_memory */
    void *policy_memory;
    void *quota; /* of its rate limit, owned above this layer; NULL: not asked for yet */
    size_t actor_len;
    char actor_part[160];
};

/* A project, likewise. */
struct cached_project {
    struct cache_entry entry;
    struct project_record *record;
    struct text claims_part;
};

struct cache_options {
    size_t entries_max;
    size_t bytes_max;
    size_t unknown_max;
    uint64_t unknown_us; /* how long a bad token is remembered */
    struct text issuer;  /* must outlive the cache */
};

struct cache {
    struct cache_options options;
    struct hash_key hash_key;
    struct heap memory; /* the grants' */
    struct map grants;
    struct map projects;
    struct queue order;
    size_t count;
    size_t bytes;
    struct map unknown;
    struct unknown *unknown_ring; /* the oldest makes room for the newest */
    uint64_t unknown_count;
};

must_check bool cache_open(struct cache *cache, const struct cache_options *options,
                           const struct hash_key *key);
void cache_close(struct cache *cache);

/* NULL if it is not there. Whether it may be used is for freshness_accepts to say. */
struct cached_grant *cache_find_grant(struct cache *cache, const struct uuid *token_id);
/* The name in any case. */
struct cached_project *cache_find_project(struct cache *cache, const struct uuid *org_id,
                                          struct text name);
/* Takes the block over and frees it (also on failure), in the place of an older entry. Others may
 * go to make room, so pointers got before are no longer good. NULL when memory is out. */
struct cached_grant *cache_put_grant(struct cache *cache, struct grant *grant,
                                     const struct stamp *stamp);
/* The same of the operator's token acting as a service, under a key of cache_acting_key. */
struct cached_grant *cache_put_acting(struct cache *cache, const struct uuid *key,
                                      struct grant *grant, const struct stamp *stamp);
struct cached_project *cache_put_project(struct cache *cache, struct project_record *record,
                                         const struct stamp *stamp);
/* Drops the token's own entry, if there is one. */
void cache_drop_grant(struct cache *cache, const struct uuid *token_id);
/* Drops every entry and forgets the unknown ones. */
void cache_clear(struct cache *cache);

/* Remembers why a token (or a project) is refused: guessing then asks the registry no more, and
 * cannot push out what is good, for the table is bounded and of its own. `key` is any 16 bytes. */
void cache_unknown_add(struct cache *cache, const struct uuid *key, enum error_code reason,
                       uint64_t now_us);
/* ERROR_NONE if it is not remembered. */
enum error_code cache_unknown_find(const struct cache *cache, const struct uuid *key,
                                   uint64_t now_us);
/* Something changed in the registry: what was unknown may be known now. */
void cache_unknown_clear(struct cache *cache);
/* The key of a token that acts as a service of an org; `org` empty: `service` is its id as text. */
struct uuid cache_acting_key(const struct cache *cache, const struct uuid *token_id,
                             struct text org, struct text service);
/* The key under which an org's unknown project is remembered. */
struct uuid cache_project_key(const struct cache *cache, const struct uuid *org_id,
                              struct text name);

#endif
