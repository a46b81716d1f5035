/* A hash table from a key inside the value to the value, of a size fixed at the start. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Open addressing with linear probing and backward-shift deletion: no tombstones, one cache line
 * for most look-ups. At most `count_max` values; the table is half full then. For one thread. */
struct map {
    struct map_slot *slots;
    bool (*same)(const void *value, const void *key);
    size_t mask;
    size_t count;
    size_t count_max;
};
struct map_slot {
    void *value; /* NULL: free */
    uint64_t hash;
};

/* `same` compares a value with a key given to map_find. False when memory is out. */
must_check bool map_open(struct map *map, size_t count_max,
                         bool (*same)(const void *value, const void *key));
void map_close(struct map *map);
/* The value for the key, or NULL. */
void *map_find(const struct map *map, uint64_t hash, const void *key);
/* Adds a value whose key is not there; the map must not be full. */
void map_add(struct map *map, uint64_t hash, void *value);
/* Takes out the value (found by identity); false if it is not there. */
bool map_remove(struct map *map, uint64_t hash, const void *value);

/* A keyed hash (SipHash-1-3, Aumasson and Bernstein 2012), so that a caller who can choose keys
 * cannot choose collisions. */
struct hash_key {
    uint64_t k0;
    uint64_t k1;
};
uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t len);

#endif
