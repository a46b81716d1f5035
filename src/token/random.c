/* Random bytes without a system call each: seeded by the kernel, safe across fork. */
#include "token/random.h"

#include <errno.h>
#include <pthread.h>
#include <sodium/crypto_stream_chacha20.h>
#include <sys/random.h>

#include "base/memory.h"

#define RANDOM_MAGIC 0x72616e64U
#define KEY_BYTES crypto_stream_chacha20_KEYBYTES

/* Counts the forks between the first process and this one. Only written in a new child, which
 * has one thread, so reading it needs no care. */
static uint32_t generation;
static pthread_once_t generation_once = PTHREAD_ONCE_INIT;
static bool generation_is_watched;

static void generation_next(void) {
    generation++;
}

static void generation_watch(void) {
    generation_is_watched = pthread_atfork(NULL, NULL, generation_next) == 0;
}

static bool kernel_bytes(uint8_t *out, size_t len) {
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got < 0 && errno != EINTR)
            return false;
        if (got > 0) {
            out += got;
            len -= (size_t)got;
        }
    }
    return true;
}

/* Every key is used for one block, so the nonce can stay zero. */
static void random_refill(struct random *random) {
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
    uint8_t key[KEY_BYTES];
    memcpy(key, random->block, KEY_BYTES);
    (void)crypto_stream_chacha20(random->block, sizeof(random->block), nonce, key);
    memory_wipe(key, sizeof(key));
    random->used = KEY_BYTES;
}

static bool random_seed(struct random *random) {
    if (!kernel_bytes(random->block, KEY_BYTES))
        return false;
    random->generation = generation;
    random_refill(random);
    return true;
}

bool random_open(struct random *random) {
    (void)pthread_once(&generation_once, generation_watch);
    random->magic = 0;
    if (!generation_is_watched || !random_seed(random))
        return false;
    random->magic = RANDOM_MAGIC;
    return true;
}

void random_close(struct random *random) {
    memory_wipe(random, sizeof(*random));
}

void random_bytes(struct random *random, void *ret_bytes, size_t len) {
    magic_check(random, RANDOM_MAGIC);
    if (unlikely(random->generation != generation))
        check(random_seed(random));
    for (uint8_t *out = ret_bytes; len > 0;) {
        if (random->used == sizeof(random->block))
            random_refill(random);
        uint8_t *at = random->block + random->used;
        size_t part = sizeof(random->block) - random->used;
        if (part > len)
            part = len;
        memcpy(out, at, part);
        memory_wipe(at, part);
        random->used += (uint32_t)part;
        out += part;
        len -= part;
    }
}

void random_uuid(struct random *random, struct uuid *ret_uuid) {
    random_bytes(random, ret_uuid->bytes, UUID_BYTES);
    uuid_make_v4(ret_uuid);
}
