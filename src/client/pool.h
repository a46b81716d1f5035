/* Memory of one run of the client: taken in pieces, wiped and freed together at its end. */
#ifndef CLIENT_POOL_H
#define CLIENT_POOL_H

#include "base/text.h"

struct pool {
    struct pool_piece *last;
};

/* `size` bytes, aligned for any object, undefined. Ends the program with a message and exit
 * status 1 when memory is out: there is nothing that a command could still do. */
void *pool_take(struct pool *pool, size_t size) __attribute__((returns_nonnull));
/* Says that only the first `used` bytes of the piece, the one taken last, were written: the rest
 * need not be wiped, so a piece made for the worst case costs no more than what is in it. */
void pool_trim(struct pool *pool, const void *piece, size_t used);
/* A copy with a NUL behind it. */
struct text pool_copy(struct pool *pool, struct text text);
struct buffer pool_buffer(struct pool *pool, size_t size);
/* Wipes and frees every piece: tokens lie in them. */
void pool_close(struct pool *pool);

#endif
