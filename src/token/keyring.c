/* The signing keys: Ed25519 seeds sealed by the master key, a batch signer, and the JWKS. */
#include "token/keyring.h"

#include <sodium/core.h>
#include <sodium/crypto_sign_ed25519.h>
#include <sodium/utils.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/base64.h"
#include "token/hash.h"
#include "token/json.h"
#include "token/seal.h"

#define KEYRING_MAGIC 0x6b657972U
/* {"alg":"Ed25519","typ":"JWT","kid":"…"} and the dot. */
#define HEADER_JSON_BYTES (38 + KEY_ID_CHARS)
#define HEADER_CHARS_MAX (BASE64_LEN(HEADER_JSON_BYTES) + 1)

_Static_assert(PUBLIC_KEY_BYTES == crypto_sign_ed25519_PUBLICKEYBYTES, "RFC 8032");
_Static_assert(SEED_BYTES == crypto_sign_ed25519_SEEDBYTES, "RFC 8032");
_Static_assert(SEALED_SEED_BYTES == SEED_BYTES + SEAL_BYTES, "a sealed seed");
_Static_assert(KEY_ID_CHARS == BASE64_LEN(SHA256_BYTES), "RFC 7638");

/* Lives in memory of sodium_malloc, which is aligned by its size. */
struct secrets {
    uint8_t seed[SEED_BYTES]; /* of the key being opened */
    uint8_t signer[SECRET_KEY_BYTES];
};

struct public_key {
    char kid[KEY_ID_CHARS + 1];
    uint8_t bytes[PUBLIC_KEY_BYTES];
};

struct header {
    char chars[HEADER_CHARS_MAX];
    size_t len;
};

struct keyring {
    uint32_t magic;
    atomic_uint references;
    struct secrets *secrets;
    struct header header;         /* alg EdDSA */
    struct header header_rfc9864; /* alg Ed25519 */
    size_t count;
    struct public_key keys[]; /* in the order of the JWKS; the first one signs */
};

bool token_start(void) {
    struct random random;
    /* Asked first: libsodium would end the process if the kernel has no entropy. */
    if (!random_open(&random))
        return false;
    json_start(&random);
    random_close(&random);
    return sodium_init() >= 0;
}

void key_id(const uint8_t public_key[static PUBLIC_KEY_BYTES],
            char ret_kid[static KEY_ID_CHARS + 1]) {
    char jwk[128];
    uint8_t hash[SHA256_BYTES];
    struct buffer out = buffer_over(jwk, sizeof(jwk));
    buffer_add(&out, TEXT("{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\""));
    buffer_base64(&out, public_key, PUBLIC_KEY_BYTES);
    buffer_add(&out, TEXT("\"}"));
    check(!out.overflow);
    sha256(buffer_text(&out), hash);
    ret_kid[base64_write(ret_kid, hash, sizeof(hash))] = '\0';
}

static struct seal seed_seal(const struct master_key *master, const struct key_record *record) {
    return (struct seal){master, SEAL_SEED, {record->kid, KEY_ID_CHARS}};
}

/* Fills in what is made of the seed. */
static void record_fill(const struct master_key *master, struct random *random,
                        struct secrets *secrets, struct key_record *record) {
    random_bytes(random, secrets->seed, SEED_BYTES);
    (void)crypto_sign_ed25519_seed_keypair(record->public_key, secrets->signer, secrets->seed);
    key_id(record->public_key, record->kid);
    struct seal seal = seed_seal(master, record);
    seal_close(&seal, random, secrets->seed, SEED_BYTES, record->sealed_seed);
}

bool key_create(const struct master_key *master, enum key_state state, int64_t now_s,
                struct key_record *ret_record, struct error *ret_error) {
    struct key_record record = {.state = state, .created_s = now_s};
    struct random random;
    struct secrets *secrets = sodium_malloc(sizeof(*secrets));
    if (secrets == NULL)
        return error_set(ret_error, ERROR_SIGNING_KEY, "there is no memory for it");
    if (!random_open(&random)) {
        sodium_free(secrets);
        return error_set(ret_error, ERROR_SIGNING_KEY, "the kernel gives no random bytes");
    }
    if (state == KEY_ACTIVE)
        record.activated_s = now_s;
    record_fill(master, &random, secrets, &record);
    random_close(&random);
    sodium_free(secrets);
    *ret_record = record;
    return true;
}

/* Leaves the key in `secrets` if all of the record belongs together. */
static bool record_open(const struct master_key *master, const struct key_record *record,
                        struct secrets *secrets, struct error *ret_error) {
    char kid[KEY_ID_CHARS + 1];
    uint8_t public_key[PUBLIC_KEY_BYTES];
    struct seal seal = seed_seal(master, record);
    key_id(record->public_key, kid);
    if (memcmp(kid, record->kid, sizeof(kid)) != 0)
        return error_set(ret_error, ERROR_SIGNING_KEY, "%.*s is not the thumbprint of its key",
                         KEY_ID_CHARS, record->kid);
    if (!seal_open(&seal, record->sealed_seed, SEALED_SEED_BYTES, secrets->seed))
        return error_set(ret_error, ERROR_SIGNING_KEY, "the master key does not open %s", kid);
    (void)crypto_sign_ed25519_seed_keypair(public_key, secrets->signer, secrets->seed);
    if (memcmp(public_key, record->public_key, PUBLIC_KEY_BYTES) != 0)
        return error_set(ret_error, ERROR_SIGNING_KEY, "the seed of %s is another key's", kid);
    return true;
}

static int state_rank(enum key_state state) {
    return state == KEY_ACTIVE ? 0 : state == KEY_PENDING ? 1 : 2;
}

/* A total order, so that all replicas publish the same JWKS and sign with the same key: the
 * active ones first, the newest first. */
static bool record_precedes(const struct key_record *a, const struct key_record *b) {
    if (a->state != b->state)
        return state_rank(a->state) < state_rank(b->state);
    if (a->activated_s != b->activated_s)
        return a->activated_s > b->activated_s;
    if (a->created_s != b->created_s)
        return a->created_s > b->created_s;
    return memcmp(a->kid, b->kid, KEY_ID_CHARS) < 0;
}

static void records_sort(const struct key_record *records, size_t count,
                         const struct key_record **ret_sorted) {
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && record_precedes(&records[i], ret_sorted[at - 1]); at--)
            ret_sorted[at] = ret_sorted[at - 1];
        ret_sorted[at] = &records[i];
    }
}

static void header_write(const char *alg, const char *kid, struct header *ret_header) {
    char json[HEADER_JSON_BYTES + 1];
    struct buffer text = buffer_over(json, sizeof(json));
    struct buffer out = buffer_over(ret_header->chars, sizeof(ret_header->chars));
    buffer_format(&text, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}", alg, kid);
    buffer_base64(&out, json, text.len);
    buffer_byte(&out, '.');
    check(!text.overflow && !out.overflow);
    ret_header->len = out.len;
}

/* The signer is opened last, so that its key is what stays in `secrets`. */
static bool keyring_fill(struct keyring *keyring, const struct master_key *master,
                         const struct key_record *const *sorted, struct error *ret_error) {
    for (size_t i = keyring->count; i-- > 0;) {
        struct public_key *key = &keyring->keys[i];
        if (!record_open(master, sorted[i], keyring->secrets, ret_error))
            return false;
        memcpy(key->kid, sorted[i]->kid, sizeof(key->kid));
        memcpy(key->bytes, sorted[i]->public_key, sizeof(key->bytes));
    }
    header_write("EdDSA", keyring->keys[0].kid, &keyring->header);
    header_write("Ed25519", keyring->keys[0].kid, &keyring->header_rfc9864);
    sodium_memzero(keyring->secrets->seed, SEED_BYTES);
    if (sodium_mprotect_readonly(keyring->secrets) != 0)
        return error_set(ret_error, ERROR_SIGNING_KEY, "its memory cannot be protected: %m");
    return true;
}

static struct keyring *keyring_allocate(size_t count) {
    struct keyring *keyring = calloc(1, sizeof(*keyring) + count * sizeof(keyring->keys[0]));
    if (keyring == NULL)
        return NULL;
    keyring->magic = KEYRING_MAGIC;
    keyring->count = count;
    atomic_init(&keyring->references, 1);
    keyring->secrets = sodium_malloc(sizeof(*keyring->secrets));
    if (keyring->secrets != NULL)
        return keyring;
    free(keyring);
    return NULL;
}

bool keyring_open(const struct master_key *master, const struct key_record *records, size_t count,
                  struct keyring **ret_keyring, struct error *ret_error) {
    const struct key_record *sorted[KEYRING_KEYS_MAX];
    if (count > KEYRING_KEYS_MAX)
        return error_set(ret_error, ERROR_SIGNING_KEY, "there are more than %d", KEYRING_KEYS_MAX);
    records_sort(records, count, sorted);
    if (count == 0 || sorted[0]->state != KEY_ACTIVE)
        return error_set(ret_error, ERROR_SIGNING_KEY, "none is active");
    struct keyring *keyring = keyring_allocate(count);
    if (keyring == NULL)
        return error_set(ret_error, ERROR_SIGNING_KEY, "there is no memory for it");
    if (!keyring_fill(keyring, master, sorted, ret_error)) {
        keyring_release(keyring);
        return false;
    }
    *ret_keyring = keyring;
    return true;
}

struct keyring *keyring_hold(struct keyring *keyring) {
    magic_check(keyring, KEYRING_MAGIC);
    (void)atomic_fetch_add_explicit(&keyring->references, 1, memory_order_relaxed);
    return keyring;
}

void keyring_release(struct keyring *keyring) {
    if (keyring == NULL)
        return;
    magic_check(keyring, KEYRING_MAGIC);
    if (atomic_fetch_sub_explicit(&keyring->references, 1, memory_order_acq_rel) > 1)
        return;
    keyring->magic = 0;
    sodium_free(keyring->secrets); /* wipes them */
    free(keyring);
}

const char *keyring_kid(const struct keyring *keyring) {
    magic_check(keyring, KEYRING_MAGIC);
    return keyring->keys[0].kid;
}

struct text keyring_jwt_header(const struct keyring *keyring, bool rfc9864) {
    magic_check(keyring, KEYRING_MAGIC);
    const struct header *header = rfc9864 ? &keyring->header_rfc9864 : &keyring->header;
    return (struct text){header->chars, header->len};
}

void keyring_sign(const struct keyring *keyring, const struct sign_job *jobs, size_t count) {
    magic_check(keyring, KEYRING_MAGIC);
    signer_sign(keyring->secrets->signer, jobs, count);
}

void keyring_write_jwks(const struct keyring *keyring, struct buffer *out) {
    magic_check(keyring, KEYRING_MAGIC);
    for (size_t i = 0; i < keyring->count; i++) {
        buffer_add(out, i == 0 ? TEXT("{\"keys\":[") : TEXT(","));
        buffer_add(out, TEXT("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\""));
        buffer_base64(out, keyring->keys[i].bytes, PUBLIC_KEY_BYTES);
        buffer_add(out, TEXT("\",\"kid\":\""));
        buffer_put(out, keyring->keys[i].kid);
        buffer_add(out, TEXT("\",\"alg\":\"EdDSA\",\"use\":\"sig\"}"));
    }
    buffer_add(out, TEXT("]}"));
}

const uint8_t *keyring_public_key(const struct keyring *keyring, struct text kid) {
    magic_check(keyring, KEYRING_MAGIC);
    for (size_t i = 0; i < keyring->count; i++)
        if (text_equal(text_of(keyring->keys[i].kid), kid))
            return keyring->keys[i].bytes;
    return NULL;
}
