/* Grants and projects for tests of the cache. */
#ifndef UNIT_CACHE_ENTRIES_H
#define UNIT_CACHE_ENTRIES_H

#include "cache/usage.h"

#define ISSUER "https://mint.example"

/* An id, the same for the same number. */
struct uuid id_of(uint32_t number);
/* A grant of the token with this number; policy: a literal. */
struct grant *grant_make(uint32_t number, const char *policy);
/* A project of the org with this number; name: a literal. */
struct project_record *record_make(uint32_t org, const char *name);

/* A cache with room for 4 entries and 4 unknown ones, as cmocka's state. */
int cache_setup(void **state);
int cache_teardown(void **state);

#endif
