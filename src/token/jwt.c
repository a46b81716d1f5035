/* JSON Web Tokens (RFC 7519) in JWS compact form (RFC 7515) with Ed25519: made and checked. */
#include "token/jwt.h"

#include <sodium/crypto_sign_ed25519.h>

#include "base/base64.h"

/* Attributes stand one level down in the claims, as they do in the body that they come from. */
#define CLAIMS_DEPTH_EXTRA 1

size_t jwt_chars(size_t header_chars, size_t payload_bytes) {
    return header_chars + BASE64_LEN(payload_bytes) + 1 + BASE64_LEN(SIGNATURE_BYTES);
}

void jwt_write_input(struct text header, struct text payload, struct buffer *out) {
    buffer_add(out, header);
    buffer_base64(out, payload.at, payload.len);
}

void jwt_write_signature(const uint8_t signature[static SIGNATURE_BYTES], struct buffer *out) {
    buffer_byte(out, '.');
    buffer_base64(out, signature, SIGNATURE_BYTES);
}

static bool jwt_error(struct error *error, const char *why) {
    return error_set(error, ERROR_CREDENTIAL, "%s", why);
}

/* A member that is this string. */
static bool member_is(const struct json *object, struct text key, struct text string) {
    const struct json *value = json_member(object, key);
    return value != NULL && json_is_string(value) && text_equal(json_text(value), string);
}

/* RFC 8037's name, and RFC 9864's. */
static bool alg_is_known(const struct json *object) {
    return member_is(object, TEXT("alg"), TEXT("EdDSA")) ||
           member_is(object, TEXT("alg"), TEXT("Ed25519"));
}

/* Takes the characters up to the next dot, and the dot, off the front. */
static bool part_next(struct text *rest, struct text *ret_part) {
    const char *dot = rest->len > 0 ? memchr(rest->at, '.', rest->len) : NULL;
    if (dot == NULL)
        return false;
    *ret_part = (struct text){rest->at, (size_t)(dot - rest->at)};
    *rest = (struct text){dot + 1, rest->len - ret_part->len - 1};
    return true;
}

static bool object_read(struct text chars, struct arena *arena, const struct json **ret_object,
                        struct error *ret_error) {
    size_t size = BASE64_BYTES(chars.len), len;
    char *bytes = arena_take(arena, size);
    if (bytes == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory for a JWT");
    if (!base64_read(chars, bytes, size, &len))
        return jwt_error(ret_error, "a part of it is not base64url");
    if (!json_read((struct text){bytes, len}, CLAIMS_DEPTH_EXTRA, arena, ret_object, ret_error))
        return ret_error->code == ERROR_OVERLOADED
                   ? false
                   : jwt_error(ret_error, "a part of it is not JSON");
    return json_is_object(*ret_object) || jwt_error(ret_error, "a part of it is no JSON object");
}

static bool header_check(const struct json *header, struct text *ret_kid, struct error *ret_error) {
    const struct json *typ = json_member(header, TEXT("typ"));
    const struct json *kid = json_member(header, TEXT("kid"));
    if (!alg_is_known(header))
        return jwt_error(ret_error, "its alg is not EdDSA");
    if (json_member(header, TEXT("crit")) != NULL || json_member(header, TEXT("b64")) != NULL)
        return jwt_error(ret_error, "its header asks for extensions");
    if (typ != NULL && (!json_is_string(typ) || !text_equal_nocase(json_text(typ), TEXT("JWT"))))
        return jwt_error(ret_error, "its typ is not JWT");
    if (kid != NULL && !json_is_string(kid))
        return jwt_error(ret_error, "its kid is not a string");
    *ret_kid = kid != NULL ? json_text(kid) : TEXT("");
    return true;
}

bool jwt_read(struct text text, struct arena *arena, struct jwt *ret_jwt, struct error *ret_error) {
    struct jwt jwt;
    struct text header, claims, signature = text;
    size_t len;
    if (!part_next(&signature, &header) || !part_next(&signature, &claims))
        return jwt_error(ret_error, "it has not three parts");
    if (!base64_read(signature, jwt.signature, SIGNATURE_BYTES, &len) || len != SIGNATURE_BYTES)
        return jwt_error(ret_error, "its signature is not 64 bytes in base64url");
    if (!object_read(header, arena, &jwt.header, ret_error) ||
        !header_check(jwt.header, &jwt.kid, ret_error) ||
        !object_read(claims, arena, &jwt.claims, ret_error))
        return false;
    jwt.input = (struct text){text.at, header.len + 1 + claims.len};
    *ret_jwt = jwt;
    return true;
}

bool jwt_signature_is_good(const struct jwt *jwt,
                           const uint8_t public_key[static PUBLIC_KEY_BYTES]) {
    return crypto_sign_ed25519_verify_detached(jwt->signature, (const uint8_t *)jwt->input.at,
                                               jwt->input.len, public_key) == 0;
}

static bool time_read(const struct json *claims, struct text key, int64_t *ret_time_s) {
    const struct json *value = json_member(claims, key);
    uint64_t number;
    if (value == NULL || !json_number(value, INT64_MAX / 2, &number))
        return false;
    *ret_time_s = (int64_t)number;
    return true;
}

bool jwt_check_times(const struct jwt *jwt, int64_t now_s, uint32_t leeway_s,
                     struct error *ret_error) {
    int64_t not_before_s, expires_s;
    if (!time_read(jwt->claims, TEXT("nbf"), &not_before_s) ||
        !time_read(jwt->claims, TEXT("exp"), &expires_s))
        return jwt_error(ret_error, "its nbf or exp is not a whole number");
    if (not_before_s > now_s + leeway_s)
        return jwt_error(ret_error, "it is not valid yet");
    if (now_s - leeway_s >= expires_s)
        return jwt_error(ret_error, "it has expired");
    return true;
}

static bool jwk_read(const struct json *jwk, struct text kid,
                     uint8_t ret_public_key[static PUBLIC_KEY_BYTES]) {
    uint8_t bytes[PUBLIC_KEY_BYTES];
    size_t len;
    if (!json_is_object(jwk) || !member_is(jwk, TEXT("kid"), kid) ||
        !member_is(jwk, TEXT("kty"), TEXT("OKP")) || !member_is(jwk, TEXT("crv"), TEXT("Ed25519")))
        return false;
    if (json_member(jwk, TEXT("use")) != NULL && !member_is(jwk, TEXT("use"), TEXT("sig")))
        return false;
    if (json_member(jwk, TEXT("alg")) != NULL && !alg_is_known(jwk))
        return false;
    const struct json *x = json_member(jwk, TEXT("x"));
    if (x == NULL || !json_is_string(x) || !base64_read(json_text(x), bytes, sizeof(bytes), &len) ||
        len != sizeof(bytes))
        return false;
    memcpy(ret_public_key, bytes, sizeof(bytes));
    return true;
}

bool jwks_find(const struct json *jwks, struct text kid,
               uint8_t ret_public_key[static PUBLIC_KEY_BYTES]) {
    const struct json *keys = json_is_object(jwks) ? json_member(jwks, TEXT("keys")) : NULL;
    if (keys == NULL || !json_is_array(keys))
        return false;
    for (struct json_iter i = json_iter(keys); json_next(&i);)
        if (jwk_read(i.value, kid, ret_public_key))
            return true;
    return false;
}
