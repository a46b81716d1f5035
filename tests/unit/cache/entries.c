/* Grants and projects for tests of the cache. */
#include "entries.h"

#include <stdlib.h>

struct uuid id_of(uint32_t number) {
    struct uuid id = {{0}};
    memcpy(id.bytes, &number, sizeof(number));
    return id;
}

struct grant *grant_make(uint32_t number, const char *policy) {
    struct grant *grant = malloc(sizeof(*grant));
    check(grant != NULL);
    *grant = (struct grant){
        .token_id = id_of(number), .service_id = id_of(number + 1000), .policy = text_of(policy)};
    return grant;
}

struct project_record *record_make(uint32_t org, const char *name) {
    struct project_record *record = malloc(sizeof(*record));
    check(record != NULL);
    *record = (struct project_record){.bytes = sizeof(*record),
                                      .project = {.org_id = id_of(org),
                                                  .org_name = TEXT("acme"),
                                                  .name = text_of(name),
                                                  .runtime_host = TEXT("https://host.example")}};
    return record;
}

int cache_setup(void **state) {
    struct cache *cache = malloc(sizeof(*cache));
    const struct hash_key key = {5, 6};
    const struct cache_options options = {.entries_max = 4,
                                          .bytes_max = 1 << 20,
                                          .unknown_max = 4,
                                          .unknown_us = 1000,
                                          .issuer = TEXT(ISSUER)};
    check(cache != NULL && cache_open(cache, &options, &key));
    *state = cache;
    return 0;
}

int cache_teardown(void **state) {
    cache_close(*state);
    free(*state);
    return 0;
}
