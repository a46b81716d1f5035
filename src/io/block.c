/* Buffers of connections, in a few sizes, and larger ones for larger replies. */
#include <stdlib.h>

#include "io/conn_parts.h"

/* What the block for any request has room for besides: pieces of framing, and the next request. */
#define LARGE_SPARE_BYTES 4096

void blocks_open(struct conn_pool *pool) {
    const struct http_limits *limits = &pool->limits.http;
    const size_t bytes[BLOCK_KINDS] = {
        [BLOCK_SMALL] = BLOCK_SMALL_BYTES,
        [BLOCK_MEDIUM] = BLOCK_MEDIUM_BYTES,
        [BLOCK_LARGE] = BLOCK_MEDIUM_BYTES + limits->header_bytes_max + limits->body_bytes_max +
                        LARGE_SPARE_BYTES,
    };
    for (unsigned i = 0; i < BLOCK_KINDS; i++) {
        slab_open(&pool->blocks[i], bytes[i], 0);
        pool->block_rooms[i] = (uint32_t)(bytes[i] - sizeof(struct block));
    }
}

void blocks_close(struct conn_pool *pool) {
    check(pool->request_bytes == 0 && pool->reply_bytes == 0);
    for (unsigned i = 0; i < BLOCK_KINDS; i++)
        slab_close(&pool->blocks[i]);
}

static bool has_budget(const struct conn_pool *pool, size_t bytes, enum block_use use) {
    size_t quarter = pool->limits.buffer_bytes_max / 4;
    if (pool->request_bytes + pool->reply_bytes + bytes > 4 * quarter)
        return false;
    return use == BLOCK_REPLY ||
           pool->request_bytes + bytes <= (use == BLOCK_REQUEST ? 3 : 2) * quarter;
}

static size_t *bytes_for(struct conn_pool *pool, enum block_use use) {
    return use == BLOCK_REPLY ? &pool->reply_bytes : &pool->request_bytes;
}

/* The smallest kind with that much room; BLOCK_KINDS if none has. */
static unsigned kind_of(const struct conn_pool *pool, size_t size) {
    unsigned kind = 0;
    while (kind < BLOCK_KINDS && size > pool->block_rooms[kind])
        kind++;
    return kind;
}

struct block *block_get(struct conn_pool *pool, size_t size, enum block_use use) {
    unsigned kind = kind_of(pool, size);
    size_t room = kind < BLOCK_KINDS ? pool->block_rooms[kind] : size;
    size_t bytes = sizeof(struct block) + room;
    if (!has_budget(pool, bytes, use))
        return NULL;
    struct block *block = kind < BLOCK_KINDS ? slab_get(&pool->blocks[kind]) : malloc(bytes);
    if (block == NULL)
        return NULL;
    *block = (struct block){.use = use, .refs = 1, .size = (uint32_t)room};
    *bytes_for(pool, use) += bytes;
    return block;
}

void block_unref(struct conn_pool *pool, struct block *block) {
    if (block == NULL || --block->refs > 0)
        return;
    unsigned kind = kind_of(pool, block->size);
    *bytes_for(pool, block->use) -= sizeof(*block) + block->size;
    if (kind < BLOCK_KINDS)
        slab_put(&pool->blocks[kind], block);
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
