/* A hash table from a key inside the value to the value, of a size fixed at the start. */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

bool map_open(struct map *map, size_t count_max, bool (*same)(const void *, const void *)) {
    size_t size = 8;
    check(count_max > 0 && count_max < SIZE_MAX / 64);
    while (size < 2 * count_max)
        size *= 2;
    struct map_slot *slots = calloc(size, sizeof(*slots));
    if (slots == NULL)
        return false;
    *map = (struct map){.slots = slots, .same = same, .mask = size - 1, .count_max = count_max};
    return true;
}

void map_close(struct map *map) {
    free(map->slots);
    map->slots = NULL;
}

void *map_find(const struct map *map, uint64_t hash, const void *key) {
    for (size_t i = hash & map->mask;; i = (i + 1) & map->mask) {
        const struct map_slot *slot = &map->slots[i];
        if (slot->value == NULL)
            return NULL;
        if (slot->hash == hash && map->same(slot->value, key))
            return slot->value;
    }
}

void map_add(struct map *map, uint64_t hash, void *value) {
    check(map->count < map->count_max && value != NULL);
    size_t i = hash & map->mask;
    while (map->slots[i].value != NULL)
        i = (i + 1) & map->mask;
    map->slots[i] = (struct map_slot){.value = value, .hash = hash};
    map->count++;
}

/* Closes the gap at `gap` by moving back each later value of the run that may stand there. */
static void map_shift_back(struct map *map, size_t gap) {
    for (size_t i = (gap + 1) & map->mask; map->slots[i].value != NULL; i = (i + 1) & map->mask) {
        size_t home = map->slots[i].hash & map->mask;
        if (((i - home) & map->mask) < ((i - gap) & map->mask))
            continue;
        map->slots[gap] = map->slots[i];
        gap = i;
    }
    map->slots[gap].value = NULL;
}

bool map_remove(struct map *map, uint64_t hash, const void *value) {
    for (size_t i = hash & map->mask; map->slots[i].value != NULL; i = (i + 1) & map->mask) {
        if (map->slots[i].value != value)
            continue;
        map_shift_back(map, i);
        map->count--;
        return true;
    }
    return false;
}

static uint64_t rotate(uint64_t value, unsigned bits) {
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[static 4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t len) {
    uint64_t v[4] = {key->k0 ^ 0x736f6d6570736575, key->k1 ^ 0x646f72616e646f6d,
                     key->k0 ^ 0x6c7967656e657261, key->k1 ^ 0x7465646279746573};
    const uint8_t *at = bytes;
    size_t left = len;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)len << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)at[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xFF;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
