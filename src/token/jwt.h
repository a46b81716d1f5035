/* JSON Web Tokens (RFC 7519) in JWS compact form (RFC 7515) with Ed25519: made and checked. */
#ifndef TOKEN_JWT_H
#define TOKEN_JWT_H

#include "base/error.h"
#include "token/json.h"
#include "token/keyring.h"

/* Characters of a finished JWT: header (with its dot), payload of so many bytes, dot, signature. */
size_t jwt_chars(size_t header_chars, size_t payload_bytes);
/* The signing input: header, dot, base64url(payload). */
void jwt_write_input(struct text header, struct text payload, struct buffer *out);
/* What follows it: dot, base64url(signature). */
void jwt_write_signature(const uint8_t signature[static SIGNATURE_BYTES], struct buffer *out);

/* A JWT taken apart. Texts point into the JWT; header and claims into the arena. */
struct jwt {
    struct text input; /* what is signed */
    uint8_t signature[SIGNATURE_BYTES];
    const struct json *header;
    const struct json *claims;
    struct text kid; /* empty if there is none */
};
/* Takes a JWT apart without believing it. Refused: not three parts, another alg than EdDSA or
 * Ed25519, `crit`, `b64`, a typ that is not JWT, parts that are not strict base64url or JSON
 * objects with unique keys (RFC 8725 §3). */
must_check bool jwt_read(struct text text, struct arena *arena, struct jwt *ret_jwt,
                         struct error *ret_error);
/* Whether the signature is the key's (libsodium: canonical S, no small-order keys). */
bool jwt_signature_is_good(const struct jwt *jwt,
                           const uint8_t public_key[static PUBLIC_KEY_BYTES]);
/* Whether nbf ≤ now + leeway and now - leeway < exp, both present as whole numbers. */
must_check bool jwt_check_times(const struct jwt *jwt, int64_t now_s, uint32_t leeway_s,
                                struct error *ret_error);
/* A public key out of a JWK Set by kid (for verifiers):
 * {"keys":[{"kty":"OKP","crv":"Ed25519",…}]}. */
must_check bool jwks_find(const struct json *jwks, struct text kid,
                          uint8_t ret_public_key[static PUBLIC_KEY_BYTES]);

#endif
