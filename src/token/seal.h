/* Sealing under the master key: what is kept elsewhere can be neither read, changed nor moved
 * there. */
#ifndef TOKEN_SEAL_H
#define TOKEN_SEAL_H

#include "base/text.h"
#include "token/random.h"

struct master_key;

/* The bytes that sealing adds: a nonce before the text (24), a tag behind it (16). */
#define SEAL_BYTES 40

/* Each purpose has a key of its own, derived from the master key (BLAKE2b, libsodium's
 * crypto_kdf). The numbers are part of the format. */
enum seal_purpose { SEAL_SEED = 1, SEAL_CACHE = 2 };

struct seal {
    const struct master_key *master;
    enum seal_purpose purpose;
    struct text associated; /* has to be the same to open it: says what and whose the text is */
};

/* XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) under a random nonce; writes len + SEAL_BYTES. */
void seal_close(const struct seal *seal, struct random *random, const uint8_t *bytes, size_t len,
                uint8_t *ret_sealed);
/* Writes len - SEAL_BYTES; false if the text was not sealed like this. */
must_check bool seal_open(const struct seal *seal, const uint8_t *sealed, size_t len,
                          uint8_t *ret_bytes);

#endif
