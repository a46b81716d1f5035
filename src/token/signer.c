/* Ed25519 signatures in batches: by libsodium one after the other, or by lanes, eight at once. */
#include "token/signer.h"

#include <sodium/crypto_sign_ed25519.h>
#include <sodium/randombytes.h>
#include <sodium/utils.h>
#include <stdatomic.h>

_Static_assert(SIGNATURE_BYTES == crypto_sign_ed25519_BYTES, "RFC 8032");
_Static_assert(SECRET_KEY_BYTES == crypto_sign_ed25519_SECRETKEYBYTES, "RFC 8032");

/* Eight lanes take 24 µs however many are needed, libsodium 14 µs for each (bench_token prints
 * both). */
#define LANES_WORTH_MIN 2

static _Atomic(const struct signer_lanes *) lanes_in_use;
static _Atomic uint64_t checks;
static _Atomic uint64_t differences;

static void sign_one(const uint8_t *secret_key, const struct sign_job *job, uint8_t *ret) {
    (void)crypto_sign_ed25519_detached(ret, NULL, (const uint8_t *)job->message, job->message_len,
                                       secret_key);
}

static bool agrees(const uint8_t *secret_key, const struct sign_job *job) {
    uint8_t signature[SIGNATURE_BYTES];
    sign_one(secret_key, job, signature);
    return memcmp(signature, job->signature, SIGNATURE_BYTES) == 0;
}

/* Up to eight; idle lanes sign the first message once more. */
static void lanes_sign(const struct signer_lanes *lanes, const uint8_t *secret_key,
                       const struct sign_job *jobs, size_t count) {
    struct sign_job all[SIGNER_LANES];
    uint8_t unused[SIGNATURE_BYTES];
    for (size_t i = 0; i < SIGNER_LANES; i++) {
        all[i] = jobs[i < count ? i : 0];
        if (i >= count)
            all[i].signature = unused;
    }
    lanes->sign(secret_key, all);
}

/* ---- is it right? ---------------------------------------------------------------------------- */

/* Around the blocks of SHA-512 (128 bytes; 32 of the prefix or 64 of R and A stand before the
 * message), and tokens' usual lengths. */
#define LENGTHS_SMALL 300
#define LENGTHS 320
#define LENGTH_MAX 4096
static size_t length_of(size_t i) {
    return i < LENGTHS_SMALL ? i : LENGTHS_SMALL + (i - LENGTHS_SMALL) * 189;
}

/* A round of eight messages of eight lengths by one key; each lane meets each length. */
static bool round_agrees(const struct signer_lanes *lanes, const uint8_t *secret_key,
                         const char *text, size_t round) {
    struct sign_job jobs[SIGNER_LANES];
    uint8_t signatures[SIGNER_LANES][SIGNATURE_BYTES];
    for (size_t i = 0; i < SIGNER_LANES; i++)
        jobs[i] = (struct sign_job){text + i, length_of((round + i * 37) % LENGTHS), signatures[i]};
    lanes->sign(secret_key, jobs);
    for (size_t i = 0; i < SIGNER_LANES; i++)
        if (!agrees(secret_key, &jobs[i]))
            return false;
    return true;
}

static bool lanes_agree(const struct signer_lanes *lanes) {
    char text[LENGTH_MAX + SIGNER_LANES];
    uint8_t public_key[crypto_sign_ed25519_PUBLICKEYBYTES], secret_key[SECRET_KEY_BYTES];
    _Static_assert(LENGTHS_SMALL + (LENGTHS - LENGTHS_SMALL) * 189 <= LENGTH_MAX, "they fit");
    randombytes_buf(text, sizeof(text));
    bool is_right = true;
    for (size_t round = 0; round < LENGTHS && is_right; round++) {
        if (round % 32 == 0)
            (void)crypto_sign_ed25519_keypair(public_key, secret_key);
        is_right = round_agrees(lanes, secret_key, text, round);
    }
    sodium_memzero(secret_key, sizeof(secret_key));
    return is_right;
}

/* Whether what was just signed shall be checked, and by which of its signatures. */
static bool check_is_due(size_t count, size_t *ret_lane) {
    static _Thread_local size_t since;
    static _Thread_local size_t turn;
    since += count;
    if (likely(since < SIGNER_CHECK_EVERY))
        return false;
    since = 0;
    *ret_lane = turn++ % count;
    return true;
}

/* False: the lanes erred, and are off. */
static bool lanes_check(const uint8_t *secret_key, const struct sign_job *jobs, size_t count) {
    size_t lane = 0;
    if (!check_is_due(count, &lane))
        return true;
    atomic_fetch_add(&checks, 1);
    if (likely(agrees(secret_key, &jobs[lane])))
        return true;
    atomic_fetch_add(&differences, 1);
    atomic_store(&lanes_in_use, NULL);
    return false;
}

/* ---- what others call ------------------------------------------------------------------------ */

bool signer_use(const struct signer_lanes *lanes) {
    if (lanes != NULL && !lanes_agree(lanes))
        return false;
    atomic_store(&lanes_in_use, lanes);
    return true;
}

const char *signer_name(void) {
    const struct signer_lanes *lanes = atomic_load(&lanes_in_use);
    return lanes != NULL ? lanes->name : "libsodium";
}

void signer_sign(const uint8_t secret_key[static SECRET_KEY_BYTES], const struct sign_job *jobs,
                 size_t count) {
    const struct signer_lanes *lanes = atomic_load_explicit(&lanes_in_use, memory_order_acquire);
    size_t done = 0;
    while (lanes != NULL && count - done >= LANES_WORTH_MIN) {
        size_t some = count - done < SIGNER_LANES ? count - done : SIGNER_LANES;
        lanes_sign(lanes, secret_key, jobs + done, some);
        done += some;
        if (unlikely(!lanes_check(secret_key, jobs + done - some, some))) {
            lanes = NULL;
            done = 0;
        }
    }
    for (; done < count; done++)
        sign_one(secret_key, &jobs[done], jobs[done].signature);
}

uint64_t signer_checks(void) {
    return atomic_load(&checks);
}

uint64_t signer_differences(void) {
    return atomic_load(&differences);
}
