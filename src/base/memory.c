/* Memory by lifetime: arenas for what ends together, slabs for objects of one size. */
#include "base/memory.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/poison.h"

/* Blocks are near this size: so large that malloc maps them, and untouched pages cost nothing. */
#define SLAB_BLOCK_BYTES ((size_t)256 * 1024)

struct slab_block {
    struct slab_block *next;
};

static size_t round_up(size_t size) {
    size_t align = alignof(max_align_t);
    return (size + align - 1) / align * align;
}

void *arena_take(struct arena *arena, size_t size) {
    /* The address is aligned, not the offset: the block itself may begin anywhere. */
    size_t gap = -((uintptr_t)arena->at + arena->used) % alignof(max_align_t);
    if (arena_left(arena) < gap || arena_left(arena) - gap < size)
        return NULL;
    uint8_t *piece = arena->at + arena->used + gap;
    arena->used += gap + size;
    memory_unpoison(piece, size);
    return piece;
}

bool arena_resize(struct arena *arena, void *piece, size_t old_size, size_t size) {
    uint8_t *at = piece;
    if (at + old_size != arena->at + arena->used)
        return false;
    size_t start = arena->used - old_size;
    if (arena->size - start < size)
        return false;
    arena->used = start + size;
    memory_unpoison(at, size);
    if (size < old_size)
        memory_poison(at + size, old_size - size);
    return true;
}

void arena_reset(struct arena *arena) {
    arena->used = 0;
    memory_poison(arena->at, arena->size);
}

void slab_open(struct slab *slab, size_t object_bytes, size_t count_max) {
    check(object_bytes > 0);
    *slab = (struct slab){.object_bytes = round_up(object_bytes), .count_max = count_max};
}

void slab_close(struct slab *slab) {
    check(slab->count == 0);
    while (slab->blocks != NULL) {
        struct slab_block *block = slab->blocks;
        slab->blocks = block->next;
        free(block);
    }
    slab->free = NULL;
}

static bool slab_grow(struct slab *slab) {
    size_t header = round_up(sizeof(struct slab_block));
    size_t objects = (SLAB_BLOCK_BYTES - header) / slab->object_bytes;
    if (objects == 0)
        objects = 1;
    struct slab_block *block = malloc(header + objects * slab->object_bytes);
    if (block == NULL)
        return false;
    block->next = slab->blocks;
    slab->blocks = block;
    /* Linked from the last to the first, so that they are handed out in address order. */
    uint8_t *first = (uint8_t *)block + header;
    for (size_t i = objects; i-- > 0;) {
        void **object = (void **)(void *)(first + i * slab->object_bytes);
        *object = slab->free;
        slab->free = object;
        memory_poison(object, slab->object_bytes);
    }
    return true;
}

void *slab_get(struct slab *slab) {
    if (slab->count_max != 0 && slab->count == slab->count_max)
        return NULL;
    if (slab->free == NULL && !slab_grow(slab))
        return NULL;
    void **object = slab->free;
    memory_unpoison(object, slab->object_bytes);
    slab->free = *object;
    slab->count++;
    return object;
}

void slab_put(struct slab *slab, void *object) {
    if (object == NULL)
        return;
    check(slab->count > 0);
    *(void **)object = slab->free;
    slab->free = object;
    slab->count--;
    memory_poison(object, slab->object_bytes);
}

void memory_wipe(void *memory, size_t size) {
    explicit_bzero(memory, size);
}
