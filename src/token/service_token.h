/* The text form of service and operator tokens: made, read, checked and hashed. */
#ifndef TOKEN_SERVICE_TOKEN_H
#define TOKEN_SERVICE_TOKEN_H

#include "base/text.h"
#include "token/random.h"

/* <brand>_svc_ + 54 base62 digits of the 40-byte big-endian number (16-byte id, 24-byte secret)
 * + 6 base62 digits of the CRC-32 (ISO-HDLC, as zlib's) of all characters before them.
 * Digits are 0-9a-zA-Z, left-padded with 0. Operator tokens have _opr_ instead. */
#define TOKEN_BRAND_BYTES_MAX 16 /* [a-z0-9]{1,16} */
#define TOKEN_SECRET_BYTES 24
#define TOKEN_HASH_BYTES 32
#define TOKEN_TEXT_BYTES_MAX (TOKEN_BRAND_BYTES_MAX + 5 + 60)
#define TOKEN_PREFIX_BYTES_MAX (TOKEN_BRAND_BYTES_MAX + 5 + 10)

enum token_kind { TOKEN_SERVICE, TOKEN_OPERATOR };

/* Holds a secret: wiped by whoever made it, never logged. */
struct service_token {
    enum token_kind kind;
    struct uuid id;
    uint8_t secret[TOKEN_SECRET_BYTES];
};

bool token_brand_is_valid(struct text brand);
void service_token_make(struct random *random, enum token_kind kind,
                        struct service_token *ret_token);
void service_token_write(const struct service_token *token, struct text brand, struct buffer *out);
/* False on anything but this exact form with this brand and a right checksum and a number below
 * 2^320: garbage is refused here, before any look-up. */
must_check bool service_token_read(struct text text, struct text brand,
                                   struct service_token *ret_token);
/* SHA-256 of the secret: what the registry stores. */
void service_token_hash(const struct service_token *token,
                        uint8_t ret_hash[static TOKEN_HASH_BYTES]);
/* Compares in constant time. */
bool service_token_matches(const struct service_token *token,
                           const uint8_t hash[static TOKEN_HASH_BYTES]);
/* For display: the brand part and the first 10 digits; these follow from the id alone. */
void service_token_prefix(const struct uuid *id, enum token_kind kind, struct text brand,
                          struct buffer *out);

#endif
