/* L1: grants and projects in the loop's own memory, and the tokens that are known to be bad. */
#include "cache/local.h"

#include <stdlib.h>

#include "cache/usage.h"
#include "token/claims.h"

struct unknown {
    struct uuid key;
    uint64_t hash;
    uint64_t until_us;
    enum error_code reason;
    bool is_held;
};

/* A project is found by its org and its name in lower case. */
struct project_key {
    struct uuid org_id;
    size_t len;
    char name[NAME_BYTES_MAX];
};

static struct project_key project_key_of(const struct uuid *org_id, struct text name) {
    struct project_key key = {.org_id = *org_id};
    key.len = name.len < NAME_BYTES_MAX ? name.len : NAME_BYTES_MAX;
    for (size_t i = 0; i < key.len; i++) {
        char byte = name.at[i];
        key.name[i] = byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
    }
    return key;
}

static uint64_t project_hash(const struct cache *cache, const struct project_key *key) {
    return hash_bytes(&cache->hash_key, key, sizeof(*key));
}

/* What a request reads of it comes into the CPU's caches at once, not line by line. */
static void grant_fetch(const void *cached) {
    size_t bytes = sizeof(struct cached_grant) + sizeof(struct grant) + HEAP_LINE_BYTES;
    for (size_t i = 0; i < bytes; i += HEAP_LINE_BYTES)
        __builtin_prefetch((const char *)cached + i);
}

static bool grant_is_of(const void *value, const void *key) {
    grant_fetch(value);
    return uuid_equal(&((const struct cached_grant *)value)->key, key);
}

static bool project_is_of(const void *value, const void *key) {
    const struct project *project = &((const struct cached_project *)value)->record->project;
    const struct project_key *wanted = key;
    return uuid_equal(&project->org_id, &wanted->org_id) &&
           text_equal_nocase(project->name, (struct text){wanted->name, wanted->len});
}

static bool unknown_is_of(const void *value, const void *key) {
    return uuid_equal(&((const struct unknown *)value)->key, key);
}

static size_t memory_max(size_t bytes_max) {
    return bytes_max < SIZE_MAX / 4 ? 2 * bytes_max + HEAP_BYTES_SPARE : SIZE_MAX;
}

bool cache_open(struct cache *cache, const struct cache_options *options,
                const struct hash_key *key) {
    *cache = (struct cache){.options = *options, .hash_key = *key};
    queue_init(&cache->order);
    heap_open(&cache->memory, memory_max(options->bytes_max));
    cache->unknown_ring = calloc(options->unknown_max, sizeof(*cache->unknown_ring));
    return cache->unknown_ring != NULL &&
           map_open(&cache->grants, options->entries_max + 1, grant_is_of) &&
           map_open(&cache->projects, options->entries_max + 1, project_is_of) &&
           map_open(&cache->unknown, options->unknown_max, unknown_is_of);
}

static size_t block_bytes(const struct grant *grant) {
    return sizeof(struct cached_grant) + grant_bytes(grant);
}

static void cached_grant_free(struct cache *cache, struct cached_grant *cached) {
    free(cached->policy_memory);
    heap_put(&cache->memory, cached, block_bytes(cached->grant));
}

static void entry_drop(struct cache *cache, struct cache_entry *entry) {
    struct map *map = entry->is_project ? &cache->projects : &cache->grants;
    check(map_remove(map, entry->hash, entry));
    queue_remove(&entry->link);
    cache->count--;
    cache->bytes -= entry->bytes;
    if (entry->is_project) {
        free(((struct cached_project *)entry)->record);
        free(entry);
    } else {
        usage_forget((struct cached_grant *)entry);
        cached_grant_free(cache, (struct cached_grant *)entry);
    }
}

void cache_drop_grant(struct cache *cache, const struct uuid *token_id) {
    struct cached_grant *cached = cache_find_grant(cache, token_id);
    if (cached != NULL)
        entry_drop(cache, &cached->entry);
}

void cache_clear(struct cache *cache) {
    while (!queue_is_empty(&cache->order))
        entry_drop(cache, container_of(cache->order.next, struct cache_entry, link));
    cache_unknown_clear(cache);
}

void cache_close(struct cache *cache) {
    if (cache->unknown_ring == NULL)
        return;
    cache_clear(cache);
    heap_close(&cache->memory);
    map_close(&cache->grants);
    map_close(&cache->projects);
    map_close(&cache->unknown);
    free(cache->unknown_ring);
    cache->unknown_ring = NULL;
}

struct cached_grant *cache_find_grant(struct cache *cache, const struct uuid *token_id) {
    uint64_t hash = hash_bytes(&cache->hash_key, token_id->bytes, UUID_BYTES);
    struct cached_grant *found = map_find(&cache->grants, hash, token_id);
    if (found != NULL)
        found->entry.is_recent = true;
    return found;
}

struct cached_project *cache_find_project(struct cache *cache, const struct uuid *org_id,
                                          struct text name) {
    if (name.len > NAME_BYTES_MAX)
        return NULL;
    struct project_key key = project_key_of(org_id, name);
    struct cached_project *found = map_find(&cache->projects, project_hash(cache, &key), &key);
    if (found != NULL)
        found->entry.is_recent = true;
    return found;
}

/* Second chance: the oldest goes, unless it was used since it was last looked at. */
static void evict_one(struct cache *cache) {
    for (;;) {
        struct cache_entry *entry = container_of(cache->order.next, struct cache_entry, link);
        check(&entry->link != &cache->order);
        if (!entry->is_recent) {
            entry_drop(cache, entry);
            return;
        }
        entry->is_recent = false;
        queue_remove(&entry->link);
        queue_push(&cache->order, &entry->link);
    }
}

static void entry_add(struct cache *cache, struct cache_entry *entry, struct map *map) {
    while (cache->count > 0 && (cache->count >= cache->options.entries_max ||
                                cache->bytes + entry->bytes > cache->options.bytes_max))
        evict_one(cache);
    map_add(map, entry->hash, entry);
    queue_push(&cache->order, &entry->link);
    cache->count++;
    cache->bytes += entry->bytes;
}

/* A policy that cannot be read is not "no policy": then the grant is not cached, and not used. */
static bool policy_fill(struct cached_grant *cached) {
    struct text text = cached->grant->policy;
    struct error error;
    if (text.len <= 2) /* {} or an operator's nothing */
        return true;
    size_t size = text.len * 16 + 4096;
    cached->policy_memory = malloc(size);
    if (cached->policy_memory == NULL)
        return false;
    cached->entry.bytes += size;
    struct arena arena = arena_over(cached->policy_memory, size);
    return policy_read(text, &arena, &cached->policy, &error);
}

/* Where sizes that are hardly in use any more keep the memory, entries go until there is room. */
static void *block_get(struct cache *cache, size_t bytes) {
    void *block = heap_get(&cache->memory, bytes);
    while (block == NULL && heap_is_full(&cache->memory) && cache->count > 0) {
        evict_one(cache);
        block = heap_get(&cache->memory, bytes);
    }
    return block;
}

static struct cached_grant *cached_grant_make(struct cache *cache, const struct uuid *key,
                                              const struct grant *grant) {
    size_t bytes = block_bytes(grant);
    struct cached_grant *cached = block_get(cache, bytes);
    if (cached == NULL)
        return NULL;
    *cached = (struct cached_grant){.key = *key, .grant = grant_place(grant, cached + 1)};
    cached->entry.bytes = heap_object_bytes(bytes);
    cached->entry.hash = hash_bytes(&cache->hash_key, key->bytes, UUID_BYTES);
    struct buffer out = buffer_over(cached->actor_part, sizeof(cached->actor_part));
    claims_write_actor(&grant->service_id, &grant->token_id, &out);
    check(!out.overflow);
    cached->actor_len = out.len;
    if (policy_fill(cached))
        return cached;
    cached_grant_free(cache, cached);
    return NULL;
}

struct cached_grant *cache_put_acting(struct cache *cache, const struct uuid *key,
                                      struct grant *grant, const struct stamp *stamp) {
    struct cached_grant *cached = cached_grant_make(cache, key, grant);
    free(grant);
    if (cached == NULL)
        return NULL;
    cached->entry.stamp = *stamp;
    struct cached_grant *old = map_find(&cache->grants, cached->entry.hash, key);
    if (old != NULL)
        entry_drop(cache, &old->entry);
    entry_add(cache, &cached->entry, &cache->grants);
    return cached;
}

struct cached_grant *cache_put_grant(struct cache *cache, struct grant *grant,
                                     const struct stamp *stamp) {
    const struct uuid key = grant->token_id;
    return cache_put_acting(cache, &key, grant, stamp);
}

/* The most that claims_write_project can write: every byte of a text may take six as \u00xx. */
static size_t claims_part_max(const struct claims_project *part) {
    return 6 * (part->issuer.len + part->audience.len + part->org.len + part->project.len) + 192;
}

/* Its own, or its runtime's; where neither is known the credential is for who issued it. */
static struct text audience_of(const struct project *project, struct text issuer) {
    if (project->audience.len > 0)
        return project->audience;
    return project->runtime_host.len > 0 ? project->runtime_host : issuer;
}

static struct cached_project *cached_project_make(const struct cache *cache,
                                                  struct project_record *record) {
    const struct project *project = &record->project;
    char instance[UUID_TEXT_BYTES];
    struct buffer instance_text = buffer_over(instance, sizeof(instance));
    buffer_uuid(&instance_text, &project->instance_id);
    struct claims_project part = {
        .issuer = cache->options.issuer,
        .audience = audience_of(project, cache->options.issuer),
        .org = project->org_name,
        .project = project->name,
        .instance_id = buffer_text(&instance_text),
    };
    size_t room = claims_part_max(&part);
    struct cached_project *cached = malloc(sizeof(*cached) + room);
    if (cached == NULL)
        return NULL;
    *cached = (struct cached_project){.record = record};
    struct buffer out = buffer_over((char *)(cached + 1), room);
    claims_write_project(&part, &out);
    check(!out.overflow);
    cached->claims_part = buffer_text(&out);
    cached->entry.bytes = sizeof(*cached) + room + record->bytes;
    return cached;
}

struct cached_project *cache_put_project(struct cache *cache, struct project_record *record,
                                         const struct stamp *stamp) {
    struct cached_project *cached = cached_project_make(cache, record);
    if (cached == NULL) {
        free(record);
        return NULL;
    }
    struct project_key key = project_key_of(&record->project.org_id, record->project.name);
    cached->entry.is_project = true;
    cached->entry.stamp = *stamp;
    cached->entry.hash = project_hash(cache, &key);
    struct cached_project *old = map_find(&cache->projects, cached->entry.hash, &key);
    if (old != NULL)
        entry_drop(cache, &old->entry);
    entry_add(cache, &cached->entry, &cache->projects);
    return cached;
}

void cache_unknown_add(struct cache *cache, const struct uuid *key, enum error_code reason,
                       uint64_t now_us) {
    uint64_t hash = hash_bytes(&cache->hash_key, key->bytes, UUID_BYTES);
    struct unknown *unknown = map_find(&cache->unknown, hash, key);
    if (unknown == NULL) {
        unknown = &cache->unknown_ring[cache->unknown_count++ % cache->options.unknown_max];
        if (unknown->is_held)
            check(map_remove(&cache->unknown, unknown->hash, unknown));
        *unknown = (struct unknown){.key = *key, .hash = hash, .is_held = true};
        map_add(&cache->unknown, hash, unknown);
    }
    unknown->reason = reason;
    unknown->until_us = now_us + cache->options.unknown_us;
}

enum error_code cache_unknown_find(const struct cache *cache, const struct uuid *key,
                                   uint64_t now_us) {
    uint64_t hash = hash_bytes(&cache->hash_key, key->bytes, UUID_BYTES);
    const struct unknown *unknown = map_find(&cache->unknown, hash, key);
    return unknown != NULL && now_us < unknown->until_us ? unknown->reason : ERROR_NONE;
}

void cache_unknown_clear(struct cache *cache) {
    size_t held = cache->unknown_count < cache->options.unknown_max ? (size_t)cache->unknown_count
                                                                    : cache->options.unknown_max;
    for (size_t i = 0; i < held; i++)
        check(map_remove(&cache->unknown, cache->unknown_ring[i].hash, &cache->unknown_ring[i]));
    memset(cache->unknown_ring, 0, held * sizeof(*cache->unknown_ring));
    cache->unknown_count = 0;
}

struct uuid cache_project_key(const struct cache *cache, const struct uuid *org_id,
                              struct text name) {
    struct project_key key = project_key_of(org_id, name);
    struct hash_key other = {cache->hash_key.k1, cache->hash_key.k0};
    uint64_t halves[2] = {project_hash(cache, &key), hash_bytes(&other, &key, sizeof(key))};
    struct uuid result;
    memcpy(result.bytes, halves, sizeof(result.bytes));
    return result;
}

struct uuid cache_acting_key(const struct cache *cache, const struct uuid *token_id,
                             struct text org, struct text service) {
    struct uuid in_org = cache_project_key(cache, token_id, org);
    return cache_project_key(cache, &in_org, service);
}
