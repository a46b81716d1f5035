/* Buffers of connections: small ones, ones that hold any request, and ones for larger replies. */
#include <stdlib.h>

#include "io/conn_parts.h"

static size_t block_bytes(const struct block *block) {
    return sizeof(*block) + block->size;
}

/* How many bytes of blocks there may be with one more for that use. */
static size_t budget(const struct conn_pool *pool, enum block_use use) {
    size_t quarter = pool->limits.buffer_bytes_max / 4;
    return use == BLOCK_LARGE_REQUEST ? 2 * quarter
           : use == BLOCK_REQUEST     ? 3 * quarter
                                      : 4 * quarter;
}

struct block *block_get(struct conn_pool *pool, size_t size, enum block_use use) {
    struct block *block;
    size_t room = size <= BLOCK_SMALL_ROOM   ? BLOCK_SMALL_ROOM
                  : size <= pool->large_room ? pool->large_room
                                             : size;
    if (pool->buffer_bytes + sizeof(*block) + room > budget(pool, use))
        return NULL;
    if (room == BLOCK_SMALL_ROOM)
        block = slab_get(&pool->small_blocks);
    else if (room == pool->large_room)
        block = slab_get(&pool->large_blocks);
    else
        block = malloc(sizeof(*block) + room);
    if (block == NULL)
        return NULL;
    *block = (struct block){.refs = 1, .size = (uint32_t)room};
    pool->buffer_bytes += block_bytes(block);
    return block;
}

void block_unref(struct conn_pool *pool, struct block *block) {
    if (block == NULL || --block->refs > 0)
        return;
    pool->buffer_bytes -= block_bytes(block);
    if (block->size == BLOCK_SMALL_ROOM)
        slab_put(&pool->small_blocks, block);
    else if (block->size == pool->large_room)
        slab_put(&pool->large_blocks, block);
    else
        free(block);
}

void blocks_unref(struct conn_pool *pool, struct block *first) {
    while (first != NULL) {
        struct block *next = first->next;
        block_unref(pool, first);
        first = next;
    }
}
