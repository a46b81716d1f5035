/* base64url without padding (RFC 4648 §5, as RFC 7515 §2 uses it). */
#include "base/base64.h"

static const char digits[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Two characters for each 12 bits: half the look-ups of a table of 64. */
static uint16_t pairs[4096];
/* The value of each character, or one that is too large. */
static uint8_t values[256];

__attribute__((constructor)) static void tables_fill(void) {
    memset(values, 64, sizeof(values));
    for (unsigned i = 0; i < 64; i++)
        values[(uint8_t)digits[i]] = (uint8_t)i;
    for (unsigned i = 0; i < 4096; i++) {
        char pair[2] = {digits[i >> 6], digits[i & 63]};
        memcpy(&pairs[i], pair, 2);
    }
}

size_t base64_write(char *out, const void *bytes, size_t len) {
    const uint8_t *at = bytes;
    char *start = out;
    for (; len >= 3; at += 3, len -= 3, out += 4) {
        unsigned group = (unsigned)at[0] << 16 | (unsigned)at[1] << 8 | at[2];
        memcpy(out, &pairs[group >> 12], 2);
        memcpy(out + 2, &pairs[group & 4095], 2);
    }
    if (len > 0) {
        unsigned group = (unsigned)at[0] << 16 | (len > 1 ? (unsigned)at[1] << 8 : 0);
        memcpy(out, &pairs[group >> 12], 2);
        out += 2;
        if (len > 1)
            *out++ = digits[group >> 6 & 63];
    }
    return (size_t)(out - start);
}

void buffer_base64(struct buffer *buffer, const void *bytes, size_t len) {
    char *room = buffer_take(buffer, BASE64_LEN(len));
    if (room != NULL)
        (void)base64_write(room, bytes, len);
}

bool base64_read(struct text chars, void *ret_bytes, size_t size, size_t *ret_len) {
    uint8_t *out = ret_bytes;
    uint32_t bits = 0;
    unsigned count = 0;
    if (chars.len % 4 == 1 || BASE64_BYTES(chars.len) > size)
        return false;
    for (size_t i = 0; i < chars.len; i++) {
        uint8_t value = values[(uint8_t)chars.at[i]];
        if (value > 63)
            return false;
        bits = bits << 6 | value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *out++ = (uint8_t)(bits >> count);
            bits &= (1U << count) - 1;
        }
    }
    if (bits != 0)
        return false;
    *ret_len = BASE64_BYTES(chars.len);
    return true;
}
