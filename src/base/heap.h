/* Memory for many small objects of many sizes that live long and are read in no order. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/queue.h"

/* Each object begins a line of the CPU's caches. Those of one size lie together in blocks; a block
 * that has none left is for any size again. Once there are some megabytes of them, the system is
 * asked for huge pages, for with small ones each object costs a walk through the page table. What
 * was got from the system is kept until the end. For one thread. */
#define HEAP_LINE_BYTES ((size_t)64)
#define HEAP_OBJECT_BYTES_MAX ((size_t)4096) /* larger ones are malloc's */
#define HEAP_SIZES (HEAP_OBJECT_BYTES_MAX / HEAP_LINE_BYTES)
struct heap {
    struct queue with_room[HEAP_SIZES]; /* blocks */
    struct queue empty;
    struct heap_chunk *chunks;
    char *at; /* where the next block is cut off the newest chunk */
    char *end;
    size_t chunk_bytes; /* of all chunks */
    size_t bytes_max;
    size_t count; /* objects handed out */
};

/* With chunks of at most so many bytes (malloc's objects do not count). A size keeps the blocks
 * that still have an object of it, so twice what is to be held, and HEAP_BYTES_SPARE for a block
 * of each size, is enough unless sizes change all the time. */
#define HEAP_BYTES_SPARE ((size_t)8 * 1024 * 1024)
void heap_open(struct heap *heap, size_t bytes_max);
/* Every object must have been put back (checked). */
void heap_close(struct heap *heap);
/* What an object of so many bytes takes. */
static inline size_t heap_object_bytes(size_t size) {
    return (size + HEAP_LINE_BYTES - 1) / HEAP_LINE_BYTES * HEAP_LINE_BYTES;
}
/* Undefined content; NULL when memory is out, or the heap is full and has no room for this size.
 * `size` is above 0. */
must_check void *heap_get(struct heap *heap, size_t size);
/* It grows no more: only what is put back makes room. */
bool heap_is_full(const struct heap *heap);
/* With the size that it was got with. `object` may be NULL. */
void heap_put(struct heap *heap, void *object, size_t size);

#endif
