/* When and from where each token was used last: noted in memory, written to the registry in bulk.
 * */
#ifndef CACHE_USAGE_H
#define CACHE_USAGE_H

#include "base/memory.h"
#include "cache/local.h"

/* A note outlives its cache entry, so that what is pushed out is written all the same. */
struct usage_note {
    struct queue link;
    struct cached_grant *grant; /* NULL: the entry has gone */
    struct token_use use;
};

/* At most so many tokens between two flushes; of more, the later ones are not noted. */
#define USAGE_NOTES_MAX 16384

/* The notes of one loop since the last flush. */
struct usage {
    struct slab notes;
    struct queue fresh;
};

void usage_open(struct usage *usage);
void usage_close(struct usage *usage);
/* Once a request; does something once a second and token. */
void usage_take(struct usage *usage, struct cached_grant *grant, int64_t now_s,
                const char *address);
/* The entry goes: its note stays. */
void usage_forget(struct cached_grant *grant);
/* Moves up to `max` notes out; returns how many. */
size_t usage_flush(struct usage *usage, struct token_use *ret_uses, size_t max);

#endif
