/* The text form of service and operator tokens: made, read, checked and hashed. */
#include "token/service_token.h"

#include <endian.h>

#include "base/memory.h"
#include "token/hash.h"

#define NUMBER_DIGITS 54
#define CHECKSUM_DIGITS 6
/* Ten digits are the most that 64 bits hold: 62^10 < 2^60. */
#define GROUP_DIGITS 10
#define GROUP_BASE 839299365868340224U /* 62^10 */
#define LIMBS 5

_Static_assert(UUID_BYTES + TOKEN_SECRET_BYTES == LIMBS * sizeof(uint64_t), "id and secret");
_Static_assert(TOKEN_HASH_BYTES == SHA256_BYTES, "tokens are stored as SHA-256");

static const char digits[62] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/* The value of each character; one with its top bit set where it is no digit. */
static uint8_t values[256];
/* CRC-32 of each byte with 0 to 7 zero bytes behind it, so that eight bytes are done at once
 * (Kounavis and Berry 2005, "slicing by 8"). */
static uint32_t crc_table[8][256];

__attribute__((constructor)) static void tables_fill(void) {
    memset(values, 0x80, sizeof(values));
    for (unsigned i = 0; i < array_count(digits); i++)
        values[(uint8_t)digits[i]] = (uint8_t)i;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xEDB88320U & (0U - (crc & 1)));
        crc_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int slice = 1; slice < 8; slice++) {
            uint32_t before = crc_table[slice - 1][i];
            crc_table[slice][i] = before >> 8 ^ crc_table[0][before & 255];
        }
}

static uint32_t crc32_iso(struct text text) {
    const uint8_t *at = (const uint8_t *)text.at;
    size_t left = text.len;
    uint32_t crc = ~0U;
    for (; left >= 8; at += 8, left -= 8) {
        uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                              (uint32_t)at[3] << 24);
        crc = crc_table[7][low & 255] ^ crc_table[6][low >> 8 & 255] ^
              crc_table[5][low >> 16 & 255] ^ crc_table[4][low >> 24] ^ crc_table[3][at[4]] ^
              crc_table[2][at[5]] ^ crc_table[1][at[6]] ^ crc_table[0][at[7]];
    }
    for (; left > 0; at++, left--)
        crc = crc >> 8 ^ crc_table[0][(crc ^ *at) & 255];
    return ~crc;
}

/* The 40-byte number in 64-bit limbs, the most significant first. Holds a secret. */
struct number {
    uint64_t limbs[LIMBS];
};

static void number_of_token(const struct service_token *token, struct number *ret_number) {
    uint8_t bytes[sizeof(ret_number->limbs)];
    memcpy(bytes, token->id.bytes, UUID_BYTES);
    memcpy(bytes + UUID_BYTES, token->secret, TOKEN_SECRET_BYTES);
    for (size_t i = 0; i < LIMBS; i++) {
        memcpy(&ret_number->limbs[i], bytes + 8 * i, 8);
        ret_number->limbs[i] = be64toh(ret_number->limbs[i]);
    }
    memory_wipe(bytes, sizeof(bytes));
}

static void number_to_token(const struct number *number, struct service_token *ret_token) {
    uint8_t bytes[sizeof(number->limbs)];
    for (size_t i = 0; i < LIMBS; i++) {
        uint64_t limb = htobe64(number->limbs[i]);
        memcpy(bytes + 8 * i, &limb, 8);
    }
    memcpy(ret_token->id.bytes, bytes, UUID_BYTES);
    memcpy(ret_token->secret, bytes + UUID_BYTES, TOKEN_SECRET_BYTES);
    memory_wipe(bytes, sizeof(bytes));
}

/* number = number × GROUP_BASE + group; false if that is 2^320 or more. */
static bool number_append(struct number *number, uint64_t group) {
    unsigned __int128 carry = group;
    for (size_t i = LIMBS; i-- > 0; carry >>= 64) {
        carry += (unsigned __int128)number->limbs[i] * GROUP_BASE;
        number->limbs[i] = (uint64_t)carry;
    }
    return carry == 0;
}

/* The reverse: number = number / GROUP_BASE; returns the remainder. */
static uint64_t number_split(struct number *number) {
    unsigned __int128 rest = 0;
    for (size_t i = 0; i < LIMBS; i++) {
        rest = rest << 64 | number->limbs[i];
        number->limbs[i] = (uint64_t)(rest / GROUP_BASE);
        rest %= GROUP_BASE;
    }
    return (uint64_t)rest;
}

static bool group_read(const char *at, size_t count, uint64_t *ret_group) {
    uint64_t group = 0;
    uint8_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t value = values[(uint8_t)at[i]];
        seen |= value;
        group = group * 62 + value;
    }
    *ret_group = group;
    return (seen & 0x80) == 0;
}

static void group_write(char *out, size_t count, uint64_t group) {
    for (size_t i = count; i-- > 0; group /= 62)
        out[i] = digits[group % 62];
}

/* The digits stand in groups of ten from the right, so the first group has four. */
static bool number_read(const char *at, struct number *ret_number) {
    struct number number = {0};
    bool good = true;
    size_t count = NUMBER_DIGITS % GROUP_DIGITS;
    for (size_t i = 0; i < NUMBER_DIGITS && good; i += count, count = GROUP_DIGITS) {
        uint64_t group;
        good = group_read(at + i, count, &group) && number_append(&number, group);
    }
    if (good)
        *ret_number = number;
    memory_wipe(&number, sizeof(number));
    return good;
}

static void number_write(const struct service_token *token, char *out) {
    struct number number;
    number_of_token(token, &number);
    for (size_t end = NUMBER_DIGITS; end > 0;) {
        size_t count = end < GROUP_DIGITS ? end : GROUP_DIGITS;
        end -= count;
        group_write(out + end, count, number_split(&number));
    }
    memory_wipe(&number, sizeof(number));
}

static struct text kind_text(enum token_kind kind) {
    return kind == TOKEN_SERVICE ? TEXT("_svc_") : TEXT("_opr_");
}

bool token_brand_is_valid(struct text brand) {
    if (brand.len == 0 || brand.len > TOKEN_BRAND_BYTES_MAX)
        return false;
    for (size_t i = 0; i < brand.len; i++)
        if ((brand.at[i] < 'a' || brand.at[i] > 'z') && (brand.at[i] < '0' || brand.at[i] > '9'))
            return false;
    return true;
}

void service_token_make(struct random *random, enum token_kind kind,
                        struct service_token *ret_token) {
    ret_token->kind = kind;
    random_uuid(random, &ret_token->id);
    random_bytes(random, ret_token->secret, TOKEN_SECRET_BYTES);
}

void service_token_write(const struct service_token *token, struct text brand, struct buffer *out) {
    struct text kind = kind_text(token->kind);
    size_t checked = brand.len + kind.len + NUMBER_DIGITS;
    check(token_brand_is_valid(brand));
    char *at = buffer_take(out, checked + CHECKSUM_DIGITS);
    if (at == NULL)
        return;
    memcpy(at, brand.at, brand.len);
    memcpy(at + brand.len, kind.at, kind.len);
    number_write(token, at + brand.len + kind.len);
    group_write(at + checked, CHECKSUM_DIGITS, crc32_iso((struct text){at, checked}));
}

/* Takes what both texts begin with off `text`. */
static bool text_skip(struct text *text, struct text prefix) {
    if (!text_starts(*text, prefix))
        return false;
    text->at += prefix.len;
    text->len -= prefix.len;
    return true;
}

bool service_token_read(struct text text, struct text brand, struct service_token *ret_token) {
    struct text rest = text;
    uint64_t checksum;
    struct number number;
    if (!text_skip(&rest, brand))
        return false;
    enum token_kind kind =
        text_starts(rest, kind_text(TOKEN_OPERATOR)) ? TOKEN_OPERATOR : TOKEN_SERVICE;
    if (!text_skip(&rest, kind_text(kind)) || rest.len != NUMBER_DIGITS + CHECKSUM_DIGITS ||
        !group_read(rest.at + NUMBER_DIGITS, CHECKSUM_DIGITS, &checksum) ||
        checksum != crc32_iso((struct text){text.at, text.len - CHECKSUM_DIGITS}) ||
        !number_read(rest.at, &number))
        return false;
    ret_token->kind = kind;
    number_to_token(&number, ret_token);
    memory_wipe(&number, sizeof(number));
    return true;
}

void service_token_hash(const struct service_token *token,
                        uint8_t ret_hash[static TOKEN_HASH_BYTES]) {
    sha256((struct text){(const char *)token->secret, TOKEN_SECRET_BYTES}, ret_hash);
}

bool service_token_matches(const struct service_token *token,
                           const uint8_t hash[static TOKEN_HASH_BYTES]) {
    uint8_t own[TOKEN_HASH_BYTES];
    service_token_hash(token, own);
    return memory_equal_constant_time(own, hash, sizeof(own));
}

/* The first ten of 54 digits weigh 62^44 > 2^261 and more, the secret is below 2^192: it changes
 * them for one id in 2^69, so those of a secret of zero stand for all. */
void service_token_prefix(const struct uuid *id, enum token_kind kind, struct text brand,
                          struct buffer *out) {
    char number[NUMBER_DIGITS];
    number_write(&(struct service_token){.kind = kind, .id = *id}, number);
    buffer_add(out, brand);
    buffer_add(out, kind_text(kind));
    buffer_add(out, (struct text){number, 10});
}
