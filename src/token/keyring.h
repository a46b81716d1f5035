/* The signing keys: Ed25519 seeds sealed by the master key, a batch signer, and the JWKS. */
#ifndef TOKEN_KEYRING_H
#define TOKEN_KEYRING_H

#include "base/error.h"
#include "token/random.h"
#include "token/signer.h"

#define PUBLIC_KEY_BYTES 32
#define SEED_BYTES 32
#define KEY_ID_CHARS 43 /* base64url of SHA-256: the RFC 7638 thumbprint of the RFC 8037 JWK */
#define SEALED_SEED_BYTES (24 + SEED_BYTES + 16) /* XChaCha20-Poly1305: nonce, text, tag */
#define MASTER_KEY_BYTES 32

/* Starts libsodium, locks core dumps away (prctl PR_SET_DUMPABLE 0 and RLIMIT_CORE 0 are the
 * daemon's); false if the library cannot start. To be called once before anything else in this
 * layer. */
must_check bool token_start(void);

/* The master key: 32 bytes in locked, guarded memory (sodium_malloc). Text form: 64 hex digits,
 * white space at the end allowed. The file must be a regular one that neither group nor others
 * can read. */
struct master_key;
must_check bool master_key_read_file(const char *path, struct master_key **ret_key,
                                     struct error *ret_error);
must_check bool master_key_read_text(struct text hex, struct master_key **ret_key,
                                     struct error *ret_error);
/* Makes a new one and writes it to a new file of mode 0600 (O_EXCL, fsync of file and folder). */
must_check bool master_key_create_file(const char *path, struct master_key **ret_key,
                                       struct error *ret_error);
void master_key_close(struct master_key *key);

/* pending: published, not yet signing · active: signs · retired: published, signs no more. */
enum key_state { KEY_PENDING, KEY_ACTIVE, KEY_RETIRED };

/* A key as the registry stores it: nothing in it is secret. */
struct key_record {
    char kid[KEY_ID_CHARS + 1];
    enum key_state state;
    uint8_t public_key[PUBLIC_KEY_BYTES];
    uint8_t sealed_seed[SEALED_SEED_BYTES]; /* the kid is the associated data */
    int64_t created_s;
    int64_t activated_s; /* 0: not yet */
    int64_t retired_s;   /* 0: not yet */
};
/* A new key in the given state, its seed sealed. */
must_check bool key_create(const struct master_key *master, enum key_state state, int64_t now_s,
                           struct key_record *ret_record, struct error *ret_error);
/* RFC 7638 over {"crv":"Ed25519","kty":"OKP","x":"…"}. */
void key_id(const uint8_t public_key[static PUBLIC_KEY_BYTES],
            char ret_kid[static KEY_ID_CHARS + 1]);

/* More than a rotation a day leaves behind with the longest usual lifetimes. */
#define KEYRING_KEYS_MAX 64

/* An immutable set of keys, shared by threads with a reference each; replaced on rotation. */
struct keyring;
/* Unseals and checks every key (the public key must follow from the seed). At least one must be
 * active; the newest active one signs. */
must_check bool keyring_open(const struct master_key *master, const struct key_record *records,
                             size_t count, struct keyring **ret_keyring, struct error *ret_error);
struct keyring *keyring_hold(struct keyring *keyring); /* one more reference (atomic) */
void keyring_release(struct keyring *keyring); /* wiped when the last one goes; NULL is fine */
const char *keyring_kid(const struct keyring *keyring);
/* The header of a JWT by the signing key, base64url, with the dot behind it:
 * {"alg":"EdDSA","typ":"JWT","kid":"…"}, or "alg":"Ed25519" (RFC 9864) where `rfc9864`. */
struct text keyring_jwt_header(const struct keyring *keyring, bool rfc9864);

/* Signing is a batch: `signature` of each job is set, all by the same key. */
void keyring_sign(const struct keyring *keyring, const struct sign_job *jobs, size_t count);

/* The JWK Set (RFC 7517, RFC 8037) of all keys, with kty, crv, x, kid, alg EdDSA, use sig. */
void keyring_write_jwks(const struct keyring *keyring, struct buffer *out);
/* The public key with this kid; NULL if there is none. */
const uint8_t *keyring_public_key(const struct keyring *keyring, struct text kid);

#endif
