/* SHA-256 (FIPS 180-4), and comparing without telling where two secrets differ. */
#include "token/hash.h"

#include <sodium/crypto_hash_sha256.h>
#include <sodium/utils.h>

void sha256(struct text text, uint8_t ret_hash[static SHA256_BYTES]) {
    sha256_of(&text, 1, ret_hash);
}

void sha256_of(const struct text *texts, size_t count, uint8_t ret_hash[static SHA256_BYTES]) {
    crypto_hash_sha256_state state;
    (void)crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < count; i++)
        (void)crypto_hash_sha256_update(&state, (const uint8_t *)texts[i].at, texts[i].len);
    (void)crypto_hash_sha256_final(&state, ret_hash); /* wipes the state */
}

bool memory_equal_constant_time(const void *a, const void *b, size_t len) {
    return sodium_memcmp(a, b, len) == 0;
}
