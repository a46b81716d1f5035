/* Memory by lifetime: arenas for what ends together, slabs for objects of one size. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Hands out pieces of one block until it is used up; nothing is freed but the whole. */
struct arena {
    uint8_t *at;
    size_t used;
    size_t size;
};

static inline struct arena arena_over(void *block, size_t size) {
    return (struct arena){.at = block, .size = size};
}
/* `size` bytes, aligned for any object; NULL when the block has no room left. */
void *arena_take(struct arena *arena, size_t size);
/* Changes the size of the piece that was handed out last, in place: to grow it, or to give back
 * what was taken for the worst case. False, and nothing changed, if there is no room or `piece`
 * is not the last one. Size 0 gives it back. */
must_check bool arena_resize(struct arena *arena, void *piece, size_t old_size, size_t size);
/* The bytes left; a piece may lose some of them to its alignment. */
static inline size_t arena_left(const struct arena *arena) {
    return arena->size - arena->used;
}
/* Forgets everything handed out; under ASan the block is poisoned until it is handed out again. */
void arena_reset(struct arena *arena);

/* Objects of one size, made in blocks and kept for reuse: no malloc once the working set is there.
 * For one thread. */
struct slab {
    void *free;
    struct slab_block *blocks;
    size_t object_bytes;
    size_t count;     /* handed out */
    size_t count_max; /* limit on count; 0: none */
};

void slab_open(struct slab *slab, size_t object_bytes, size_t count_max);
/* Frees the blocks; every object must have been put back (checked). */
void slab_close(struct slab *slab);
/* An object with undefined content; NULL at the limit or when memory is out. */
must_check void *slab_get(struct slab *slab);
/* `object` may be NULL. Under ASan it is poisoned until it is handed out again. */
void slab_put(struct slab *slab, void *object);

/* Overwrites with zeros in a way that the compiler keeps. */
void memory_wipe(void *memory, size_t size);

#endif
