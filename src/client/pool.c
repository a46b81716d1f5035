/* Memory of one run of the client: a list of malloc'ed pieces. */
#include "client/pool.h"

#include <stdalign.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"

struct pool_piece {
    struct pool_piece *older;
    size_t size;
    alignas(max_align_t) char bytes[];
};

void *pool_take(struct pool *pool, size_t size) {
    static const char message[] = "mint: out of memory\n";
    struct pool_piece *piece = malloc(sizeof(*piece) + size);
    if (piece == NULL) {
        (void)!write(STDERR_FILENO, message, sizeof(message) - 1);
        _exit(1);
    }
    piece->older = pool->last;
    piece->size = size;
    pool->last = piece;
    return piece->bytes;
}

void pool_trim(struct pool *pool, const void *piece, size_t used) {
    check(pool->last != NULL && piece == pool->last->bytes && used <= pool->last->size);
    pool->last->size = used;
}

struct text pool_copy(struct pool *pool, struct text text) {
    char *copy = pool_take(pool, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return (struct text){copy, text.len};
}

struct buffer pool_buffer(struct pool *pool, size_t size) {
    return buffer_over(pool_take(pool, size), size);
}

void pool_close(struct pool *pool) {
    while (pool->last != NULL) {
        struct pool_piece *piece = pool->last;
        pool->last = piece->older;
        memory_wipe(piece->bytes, piece->size);
        free(piece);
    }
}
