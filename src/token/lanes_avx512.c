/* Eight Ed25519 signatures by one key at once (RFC 8032 §5.1.6): SHA-512 and curve in eight lanes.
 *
 * The curve's arithmetic is crypto_mb's, whose own signing function hashes one message after the
 * other; here all eight are hashed together, which is where most of the time went. Compiled for
 * AVX-512 and only called where the CPU has it. */
#include "token/signer.h"

#ifdef MINTD_MULTI_BUFFER

#include <immintrin.h>
#include <sodium/crypto_hash_sha512.h>
#include <sodium/utils.h>

#include "token/lanes.h"

#define BLOCK_BYTES 128
#define WORDS 8 /* of a hash, and so is the count of lanes: hashes are turned as 8 by 8 words */
#define ROUNDS 80
#define LIMBS 5 /* of 52 bits: a number below 2^260 */
#define KEY_BYTES 32

typedef uint64_t lanes_of_words[SIGNER_LANES];

/* From crypto_mb: numbers as they stand in memory (64 bits) from and to 52-bit limbs in lanes, the
 * order of the base point, the base point's multiples. `bits` is the length of the numbers. */
uint8_t ifma_BNU_to_mb8(lanes_of_words *ret, const uint64_t *const numbers[8], int bits);
uint8_t ifma_mb8_to_BNU(uint64_t *const ret[8], const lanes_of_words *limbs, int bits);
uint8_t ifma_BNU_transpose_copy(lanes_of_words *ret, const uint64_t *const numbers[8], int bits);
void ifma52_ed25519n_reduce(__m512i *ret, const __m512i *number);
void ifma52_ed25519n_madd(__m512i *ret, const __m512i *a, const __m512i *b, const __m512i *c);
void ifma_ed25519_mul_basepoint(__m512i *ret_point, const __m512i *scalar);
void ge52_ext_compress(__m512i *ret, const __m512i *point);

/* FIPS 180-4 §4.2.3 and §5.3.5. */
static const uint64_t round_constants[ROUNDS] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817};
static const uint64_t initial_hash[WORDS] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

/* ---- SHA-512 in lanes ------------------------------------------------------------------------ */

/* Row i of eight words becomes column i. */
static void turn(__m512i rows[WORDS]) {
    __m512i pairs[WORDS], quads[WORDS];
    for (size_t i = 0; i < WORDS; i += 2) {
        pairs[i] = _mm512_unpacklo_epi64(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi64(rows[i], rows[i + 1]);
    }
    for (size_t i = 0; i < 2; i++)
        for (size_t half = 0; half < 2; half++) {
            const __m512i *from = pairs + i + half * 4;
            quads[i * 4 + half] = _mm512_shuffle_i64x2(from[0], from[2], 0x88);
            quads[i * 4 + 2 + half] = _mm512_shuffle_i64x2(from[0], from[2], 0xdd);
        }
    for (size_t i = 0; i < 2; i++) {
        const __m512i *from = quads + i * 4;
        rows[i] = _mm512_shuffle_i64x2(from[0], from[1], 0x88);
        rows[i + 4] = _mm512_shuffle_i64x2(from[0], from[1], 0xdd);
        rows[i + 2] = _mm512_shuffle_i64x2(from[2], from[3], 0x88);
        rows[i + 6] = _mm512_shuffle_i64x2(from[2], from[3], 0xdd);
    }
}

static __m512i bytes_reversed(__m512i words) {
    const __m512i order = _mm512_set4_epi32(0x08090a0b, 0x0c0d0e0f, 0x00010203, 0x04050607);
    return _mm512_shuffle_epi8(words, order);
}

#define XOR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
#define CHOICE(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0xca)
#define MAJORITY(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0xe8)
#define ROTATED(a, n) _mm512_ror_epi64(a, n)
#define ADD(a, b) _mm512_add_epi64(a, b)

/* The next sixteen words of the schedule, in place. */
static inline void schedule(__m512i w[16]) {
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) {
        __m512i x = w[(i + 1) % 16], y = w[(i + 14) % 16];
        __m512i s0 = XOR3(ROTATED(x, 1), ROTATED(x, 8), _mm512_srli_epi64(x, 7));
        __m512i s1 = XOR3(ROTATED(y, 19), ROTATED(y, 61), _mm512_srli_epi64(y, 6));
        w[i] = ADD(ADD(w[i], s0), ADD(w[(i + 9) % 16], s1));
    }
}

/* Sixteen rounds; names turn instead of values, so each unrolled round knows its own. */
static inline void rounds(__m512i s[WORDS], const __m512i w[16], const uint64_t *constants) {
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) {
        __m512i *a = &s[(16 - i) % 8], *b = &s[(17 - i) % 8], *c = &s[(18 - i) % 8];
        __m512i *d = &s[(19 - i) % 8], *e = &s[(20 - i) % 8], *f = &s[(21 - i) % 8];
        __m512i *g = &s[(22 - i) % 8], *h = &s[(23 - i) % 8];
        __m512i sum1 = XOR3(ROTATED(*e, 14), ROTATED(*e, 18), ROTATED(*e, 41));
        __m512i sum0 = XOR3(ROTATED(*a, 28), ROTATED(*a, 34), ROTATED(*a, 39));
        __m512i known = ADD(w[i], _mm512_set1_epi64((int64_t)constants[i]));
        __m512i t1 = ADD(ADD(*h, sum1), ADD(CHOICE(*e, *f, *g), known));
        *d = ADD(*d, t1);
        *h = ADD(t1, ADD(sum0, MAJORITY(*a, *b, *c)));
    }
}

/* A block a lane; lanes out of the mask keep their hash. */
static void compress(__m512i hash[WORDS], const uint8_t *const blocks[SIGNER_LANES],
                     __mmask8 lanes) {
    __m512i w[16], s[WORDS];
    for (size_t half = 0; half < 2; half++) {
        for (size_t i = 0; i < SIGNER_LANES; i++)
            w[half * 8 + i] = bytes_reversed(_mm512_loadu_si512(blocks[i] + half * 64));
        turn(w + half * 8);
    }
    for (size_t i = 0; i < WORDS; i++)
        s[i] = hash[i];
    rounds(s, w, round_constants);
    for (size_t i = 16; i < ROUNDS; i += 16) {
        schedule(w);
        rounds(s, w, round_constants + i);
    }
    for (size_t i = 0; i < WORDS; i++)
        hash[i] = _mm512_mask_add_epi64(hash[i], lanes, hash[i], s[i]);
}

/* A lane's input: a head, the message, the padding. */
struct input {
    const uint8_t *head;
    size_t head_len;
    const struct sign_job *job;
    size_t blocks;
    uint8_t block[BLOCK_BYTES]; /* where it is put together */
};

/* Block `number` where it is not a stretch of the message. */
static void block_make(struct input *input, size_t number) {
    size_t start = number * BLOCK_BYTES, len = input->job->message_len;
    size_t end = input->head_len + len; /* of what is hashed */
    size_t at = number == 0 ? input->head_len : 0;
    memset(input->block, 0, BLOCK_BYTES);
    if (number == 0)
        memcpy(input->block, input->head, input->head_len);
    size_t from = start + at - input->head_len; /* in the message */
    size_t some = from < len ? len - from : 0;
    if (some > BLOCK_BYTES - at)
        some = BLOCK_BYTES - at;
    if (some > 0)
        memcpy(input->block + at, input->job->message + from, some);
    if (end >= start && end - start < BLOCK_BYTES)
        input->block[end - start] = 0x80;
    if (number == input->blocks - 1)
        for (size_t i = 0; i < 8; i++)
            input->block[BLOCK_BYTES - 1 - i] = (uint8_t)(end * 8 >> (i * 8));
}

static const uint8_t *block_of(struct input *input, size_t number) {
    size_t start = number * BLOCK_BYTES - input->head_len;
    if (number > 0 && start + BLOCK_BYTES <= input->job->message_len)
        return (const uint8_t *)input->job->message + start;
    if (number < input->blocks)
        block_make(input, number);
    return input->block;
}

/* SHA-512 of each lane's head and message; heads are `head_len` bytes, less than a block. */
static void hash_all(const uint8_t (*heads)[64], size_t head_len,
                     const struct sign_job jobs[SIGNER_LANES], uint8_t (*ret_hashes)[64]) {
    struct input inputs[SIGNER_LANES];
    __m512i hash[WORDS];
    size_t blocks_max = 0;
    for (size_t i = 0; i < SIGNER_LANES; i++) {
        size_t blocks = (head_len + jobs[i].message_len + 17 + BLOCK_BYTES - 1) / BLOCK_BYTES;
        inputs[i] = (struct input){heads[i], head_len, &jobs[i], blocks, {0}};
        blocks_max = blocks > blocks_max ? blocks : blocks_max;
        hash[i] = _mm512_set1_epi64((int64_t)initial_hash[i]);
    }
    for (size_t number = 0; number < blocks_max; number++) {
        const uint8_t *blocks[SIGNER_LANES];
        unsigned lanes = 0;
        for (size_t i = 0; i < SIGNER_LANES; i++) {
            blocks[i] = block_of(&inputs[i], number);
            lanes |= (unsigned)(number < inputs[i].blocks) << i;
        }
        compress(hash, blocks, (__mmask8)lanes);
    }
    turn(hash);
    for (size_t i = 0; i < SIGNER_LANES; i++)
        _mm512_storeu_si512(ret_hashes[i], bytes_reversed(hash[i]));
    sodium_memzero(inputs, sizeof(inputs)); /* the first heads are secret */
}

/* ---- Ed25519 --------------------------------------------------------------------------------- */

/* Pointers to eight hashes or keys, as crypto_mb takes numbers. */
struct numbers {
    uint64_t *at[SIGNER_LANES];
};
static struct numbers numbers_of(uint8_t (*bytes)[64]) {
    struct numbers numbers;
    for (size_t i = 0; i < SIGNER_LANES; i++)
        numbers.at[i] = (uint64_t *)(void *)bytes[i];
    return numbers;
}
#define READ(numbers) ((const uint64_t *const *)(numbers).at)
#define LANES(words) ((lanes_of_words *)(void *)(words))

/* Hashes as numbers below the order of the base point. */
static void reduced(uint8_t (*hashes)[64], __m512i ret[LIMBS]) {
    __m512i wide[2 * LIMBS];
    struct numbers numbers = numbers_of(hashes);
    (void)ifma_BNU_to_mb8(LANES(wide), READ(numbers), 512);
    ifma52_ed25519n_reduce(ret, wide);
    sodium_memzero(wide, sizeof(wide));
}

/* What the calculation keeps; all of it is wiped. */
struct work {
    __m512i secret[LIMBS];
    __m512i nonce[LIMBS];
    __m512i challenge[LIMBS];
    __m512i scalar[4];
    __m512i point[4 * LIMBS];
    __m512i packed[LIMBS];
    _Alignas(64) uint8_t expanded[64]; /* the secret scalar, and the prefix of nonces */
    _Alignas(64) uint8_t heads[SIGNER_LANES][64];
    _Alignas(64) uint8_t hashes[SIGNER_LANES][64];
};

/* Step 1: the key; all lanes have the same. */
static void key_expand(struct work *work, const uint8_t *secret_key) {
    const uint64_t *same[SIGNER_LANES];
    (void)crypto_hash_sha512(work->expanded, secret_key, KEY_BYTES);
    work->expanded[0] &= 0xf8;
    work->expanded[31] = (uint8_t)((work->expanded[31] & 0x7f) | 0x40);
    for (size_t i = 0; i < SIGNER_LANES; i++)
        same[i] = (const uint64_t *)(const void *)work->expanded;
    (void)ifma_BNU_to_mb8(LANES(work->secret), same, 256);
}

/* Steps 2 and 3: r = SHA-512(prefix, message), R = rB. */
static void nonces_make(struct work *work, const struct sign_job *jobs) {
    struct numbers numbers = numbers_of(work->hashes);
    for (size_t i = 0; i < SIGNER_LANES; i++)
        memcpy(work->heads[i], work->expanded + KEY_BYTES, KEY_BYTES);
    hash_all((const uint8_t(*)[64])work->heads, KEY_BYTES, jobs, work->hashes);
    reduced(work->hashes, work->nonce);
    (void)ifma_mb8_to_BNU(numbers.at, LANES(work->nonce), 253);
    (void)ifma_BNU_transpose_copy(LANES(work->scalar), READ(numbers), 253);
    ifma_ed25519_mul_basepoint(work->point, work->scalar);
    ge52_ext_compress(work->packed, work->point);
}

/* Steps 4 and 5: k = SHA-512(R, A, message), S = r + k s. */
static void proofs_make(struct work *work, const uint8_t *public_key, const struct sign_job *jobs) {
    struct numbers numbers = numbers_of(work->heads);
    (void)ifma_mb8_to_BNU(numbers.at, LANES(work->packed), 256);
    for (size_t i = 0; i < SIGNER_LANES; i++) {
        memcpy(jobs[i].signature, work->heads[i], KEY_BYTES);
        memcpy(work->heads[i] + KEY_BYTES, public_key, KEY_BYTES);
    }
    hash_all((const uint8_t(*)[64])work->heads, 2 * KEY_BYTES, jobs, work->hashes);
    reduced(work->hashes, work->challenge);
    ifma52_ed25519n_madd(work->packed, work->challenge, work->secret, work->nonce);
    (void)ifma_mb8_to_BNU(numbers.at, LANES(work->packed), 253);
    for (size_t i = 0; i < SIGNER_LANES; i++)
        memcpy(jobs[i].signature + KEY_BYTES, work->heads[i], KEY_BYTES);
}

void lanes_avx512_sign(const uint8_t secret_key[static SECRET_KEY_BYTES],
                       const struct sign_job jobs[static SIGNER_LANES]) {
    struct work work;
    key_expand(&work, secret_key);
    nonces_make(&work, jobs);
    proofs_make(&work, secret_key + KEY_BYTES, jobs);
    sodium_memzero(&work, sizeof(work));
}

#endif
