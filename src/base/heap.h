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
    size_t count;       /* objects handed out */
};

void heap_open(struct heap *heap);
/* Every object must have been put back (checked). */
void heap_close(struct heap *heap);
/* What an object of so many bytes takes. */
static inline size_t heap_object_bytes(size_t size) {
    return (size + HEAP_LINE_BYTES - 1) / HEAP_LINE_BYTES * HEAP_LINE_BYTES;
}
/* Undefined content; NULL when memory is out. `size` is above 0. */
must_check void *heap_get(struct heap *heap, size_t size);
/* With the size that it was got with. `object` may be NULL. */
void heap_put(struct heap *heap, void *object, size_t size);

#endif
