/* Random bytes without a system call each: seeded by the kernel, safe across fork. */
#ifndef TOKEN_RANDOM_H
#define TOKEN_RANDOM_H

#include "base/text.h"

/* A ChaCha20 generator with fast key erasure (D. J. Bernstein, 2017): each refill makes a block
 * of key stream whose first 32 bytes become the next key, and bytes are wiped as they are handed
 * out, so a later look at the memory tells nothing of what came before. For one thread. */
struct random {
    uint32_t magic;
    uint32_t used;
    uint32_t generation; /* of the process: a forked child sees another one and seeds anew */
    uint8_t block[1024];
};

/* Seeds from the kernel; false when it has no entropy: then the process must not serve. */
must_check bool random_open(struct random *random);
void random_close(struct random *random);
void random_bytes(struct random *random, void *ret_bytes, size_t len);
void random_uuid(struct random *random, struct uuid *ret_uuid);

#endif
