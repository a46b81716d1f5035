/* Memory for many small objects of many sizes that live long and are read in no order. */
#include "base/heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/poison.h"

#define BLOCK_BYTES ((size_t)64 * 1024)
#define CHUNK_BYTES_MIN ((size_t)256 * 1024)
#define CHUNK_BYTES_MAX ((size_t)32 * 1024 * 1024)
#define HUGE_CHUNK_BYTES ((size_t)4 * 1024 * 1024) /* from here on it asks for huge pages */

struct heap_chunk {
    struct heap_chunk *next;
};

/* At an address that is a multiple of its size, so that an object tells its block. */
struct heap_block {
    struct queue link; /* of those of its size with room, or of the empty ones; full: of none */
    void *free;        /* objects that were put back */
    size_t object_bytes;
    size_t used;
    size_t fresh; /* were handed out at least once; what is behind them was never touched */
    size_t count_max;
};
_Static_assert(sizeof(struct heap_block) <= HEAP_LINE_BYTES, "objects begin behind one line");

static char *align_up(char *at, size_t bytes) {
    return at + -(uintptr_t)at % bytes;
}

void heap_open(struct heap *heap, size_t bytes_max) {
    *heap = (struct heap){.bytes_max = bytes_max};
    queue_init(&heap->empty);
    for (size_t i = 0; i < HEAP_SIZES; i++)
        queue_init(&heap->with_room[i]);
}

void heap_close(struct heap *heap) {
    check(heap->count == 0);
    while (heap->chunks != NULL) {
        struct heap_chunk *chunk = heap->chunks;
        heap->chunks = chunk->next;
        free(chunk);
    }
}

bool heap_is_full(const struct heap *heap) {
    return heap->bytes_max - heap->chunk_bytes < CHUNK_BYTES_MIN;
}

/* As large as all before it: so they are few, and not much more than is needed. */
static bool chunk_add(struct heap *heap) {
    size_t bytes = heap->chunk_bytes < CHUNK_BYTES_MIN   ? CHUNK_BYTES_MIN
                   : heap->chunk_bytes > CHUNK_BYTES_MAX ? CHUNK_BYTES_MAX
                                                         : heap->chunk_bytes;
    if (heap_is_full(heap))
        return false;
    if (bytes > heap->bytes_max - heap->chunk_bytes)
        bytes = heap->bytes_max - heap->chunk_bytes;
    struct heap_chunk *chunk = malloc(bytes);
    if (chunk == NULL)
        return false;
    chunk->next = heap->chunks;
    heap->chunks = chunk;
    heap->chunk_bytes += bytes;
    heap->at = align_up((char *)(chunk + 1), BLOCK_BYTES);
    heap->end = (char *)chunk + bytes;
    /* The kernel may decline. */
    if (bytes >= HUGE_CHUNK_BYTES)
        (void)madvise(heap->at, (size_t)(heap->end - heap->at), MADV_HUGEPAGE);
    memory_poison(heap->at, (size_t)(heap->end - heap->at));
    return true;
}

static struct heap_block *block_cut(struct heap *heap) {
    if ((size_t)(heap->end - heap->at) < BLOCK_BYTES && !chunk_add(heap))
        return NULL;
    struct heap_block *block = (struct heap_block *)(void *)heap->at;
    heap->at += BLOCK_BYTES;
    memory_unpoison(block, sizeof(*block));
    queue_init(&block->link);
    return block;
}

static struct heap_block *block_add(struct heap *heap, size_t object_bytes, struct queue *list) {
    struct queue *empty = queue_pop(&heap->empty);
    struct heap_block *block =
        empty != NULL ? container_of(empty, struct heap_block, link) : block_cut(heap);
    if (block == NULL)
        return NULL;
    block->free = NULL;
    block->object_bytes = object_bytes;
    block->used = block->fresh = 0;
    block->count_max = (BLOCK_BYTES - HEAP_LINE_BYTES) / object_bytes;
    queue_push(list, &block->link);
    return block;
}

static void *object_take(struct heap_block *block, size_t size) {
    void **object = block->free;
    if (object == NULL) {
        char *objects = (char *)block + HEAP_LINE_BYTES;
        object = (void **)(void *)(objects + block->fresh++ * block->object_bytes);
    } else {
        memory_unpoison(object, sizeof(*object));
        block->free = *object;
    }
    memory_poison(object, sizeof(*object));
    memory_unpoison(object, size);
    if (++block->used == block->count_max)
        queue_remove(&block->link);
    return object;
}

void *heap_get(struct heap *heap, size_t size) {
    check(size > 0);
    void *object;
    if (size > HEAP_OBJECT_BYTES_MAX) {
        object = malloc(size);
    } else {
        size_t bytes = heap_object_bytes(size);
        struct queue *list = &heap->with_room[bytes / HEAP_LINE_BYTES - 1];
        struct queue *first = queue_first(list);
        struct heap_block *block = first != NULL ? container_of(first, struct heap_block, link)
                                                 : block_add(heap, bytes, list);
        object = block != NULL ? object_take(block, size) : NULL;
    }
    heap->count += object != NULL;
    return object;
}

static void object_give(struct heap *heap, void *memory) {
    void **object = memory;
    struct heap_block *block =
        (struct heap_block *)(void *)((char *)memory - (uintptr_t)memory % BLOCK_BYTES);
    struct queue *list = &heap->with_room[block->object_bytes / HEAP_LINE_BYTES - 1];
    check(block->used > 0);
    memory_unpoison(object, sizeof(*object));
    *object = block->free;
    block->free = object;
    memory_poison(object, block->object_bytes);
    if (block->used-- == block->count_max)
        queue_push(list, &block->link);
    if (block->used == 0) {
        queue_remove(&block->link);
        queue_push(&heap->empty, &block->link);
    }
}

void heap_put(struct heap *heap, void *object, size_t size) {
    if (object == NULL)
        return;
    check(heap->count > 0);
    heap->count--;
    if (size > HEAP_OBJECT_BYTES_MAX)
        free(object);
    else
        object_give(heap, object);
}
