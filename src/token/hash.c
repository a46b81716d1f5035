/* SHA-256 (FIPS 180-4), and comparing without telling where two secrets differ. */
#include "token/hash.h"

#include <sodium/crypto_hash_sha256.h>
#include <sodium/utils.h>

#ifdef __x86_64__

#include <cpuid.h>
#include <endian.h>
#include <immintrin.h>

#include "base/memory.h"

/* Every request hashes a token, and most a user: where the processor has instructions for it that
 * takes an eighth of libsodium's time, which knows none of them. */

#define BLOCK_BYTES 64

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* The eight words of the state in the order in which the instructions take them. */
struct hashing {
    __m128i abef;
    __m128i cdgh;
    uint8_t block[BLOCK_BYTES];
    size_t filled;
};

static bool has_instructions;

__attribute__((constructor)) static void instructions_find(void) {
    unsigned a, b = 0, c, d;
    __builtin_cpu_init();
    has_instructions = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0 &&
                       __builtin_cpu_supports("sse4.1");
}

/* Four rounds a turn; the sixteen words of the schedule that are still needed go round in `w`. */
__attribute__((target("sha,sse4.1"))) static void block_take(struct hashing *hashing) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef = hashing->abef, cdgh = hashing->cdgh, w[4];
    for (size_t i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)hashing->block + i), big_endian);
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) {
        const __m128i *constants = (const __m128i *)round_constants + i;
        __m128i sum = _mm_add_epi32(w[i % 4], _mm_loadu_si128(constants));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
        __m128i last = w[(i + 3) % 4];
        __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]),
                                     _mm_alignr_epi8(last, w[(i + 2) % 4], 4));
        w[i % 4] = _mm_sha256msg2_epu32(next, last); /* of no use in the last four turns */
    }
    hashing->abef = _mm_add_epi32(hashing->abef, abef);
    hashing->cdgh = _mm_add_epi32(hashing->cdgh, cdgh);
    hashing->filled = 0;
}

static void bytes_take(struct hashing *hashing, const void *bytes, size_t len) {
    const uint8_t *at = bytes;
    while (len > 0) {
        size_t room = BLOCK_BYTES - hashing->filled;
        size_t count = len < room ? len : room;
        memcpy(hashing->block + hashing->filled, at, count);
        hashing->filled += count;
        at += count;
        len -= count;
        if (hashing->filled == BLOCK_BYTES)
            block_take(hashing);
    }
}

/* A one bit, zeros, and the length in bits at the end of a block (FIPS 180-4 §5.1.1). */
static void padding_take(struct hashing *hashing, uint64_t len) {
    uint64_t bits = htobe64(len * 8);
    hashing->block[hashing->filled++] = 0x80;
    if (hashing->filled > BLOCK_BYTES - sizeof(bits)) {
        memset(hashing->block + hashing->filled, 0, BLOCK_BYTES - hashing->filled);
        block_take(hashing);
    }
    memset(hashing->block + hashing->filled, 0, BLOCK_BYTES - sizeof(bits) - hashing->filled);
    memcpy(hashing->block + BLOCK_BYTES - sizeof(bits), &bits, sizeof(bits));
    block_take(hashing);
}

static void sha256_by_instructions(const struct text *texts, size_t count,
                                   uint8_t ret_hash[static SHA256_BYTES]) {
    /* FIPS 180-4 §5.3.3: a, b, e, f and c, d, g, h, from the top down. */
    struct hashing hashing = {
        .abef = _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c),
        .cdgh = _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19)};
    uint64_t len = 0;
    for (size_t i = 0; i < count; len += texts[i].len, i++)
        bytes_take(&hashing, texts[i].at, texts[i].len);
    padding_take(&hashing, len);
    uint32_t abef[4], cdgh[4];
    memcpy(abef, &hashing.abef, sizeof(abef));
    memcpy(cdgh, &hashing.cdgh, sizeof(cdgh));
    const uint32_t words[] = {abef[3], abef[2], cdgh[3], cdgh[2],
                              abef[1], abef[0], cdgh[1], cdgh[0]};
    for (size_t i = 0; i < array_count(words); i++) {
        uint32_t word = htobe32(words[i]);
        memcpy(ret_hash + sizeof(word) * i, &word, sizeof(word));
    }
    memory_wipe(&hashing, sizeof(hashing));
}

#endif

void sha256(struct text text, uint8_t ret_hash[static SHA256_BYTES]) {
    sha256_of(&text, 1, ret_hash);
}

void sha256_of(const struct text *texts, size_t count, uint8_t ret_hash[static SHA256_BYTES]) {
    crypto_hash_sha256_state state;
#ifdef __x86_64__
    if (likely(has_instructions)) {
        sha256_by_instructions(texts, count, ret_hash);
        return;
    }
#endif
    (void)crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < count; i++)
        (void)crypto_hash_sha256_update(&state, (const uint8_t *)texts[i].at, texts[i].len);
    (void)crypto_hash_sha256_final(&state, ret_hash); /* wipes the state */
}

bool memory_equal_constant_time(const void *a, const void *b, size_t len) {
    return sodium_memcmp(a, b, len) == 0;
}
