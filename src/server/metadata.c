/* The documents that verifiers ask for, written once and served from memory: JWKS and discovery. */
#include "server/metadata.h"

#include <stdlib.h>

#include "token/hash.h"

#define JWKS_BYTES ((size_t)KEYRING_KEYS_MAX * 256 + 512)
#define DISCOVERY_BYTES ((size_t)16 * 1024) /* an issuer of a KiB, escaped, twice */

static struct text text_since(const struct buffer *out, size_t start) {
    return (struct text){out->at + start, out->len - start};
}

static struct text etag_write(struct buffer *out, struct text document) {
    uint8_t hash[SHA256_BYTES];
    size_t start = out->len;
    sha256(document, hash);
    buffer_byte(out, '"');
    buffer_hex(out, hash, 16);
    buffer_byte(out, '"');
    return text_since(out, start);
}

bool jwks_make(struct jwks *jwks, const struct keyring *keyring, struct error *ret_error) {
    char *memory = malloc(JWKS_BYTES);
    if (memory == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    struct buffer out = buffer_over(memory, JWKS_BYTES);
    struct jwks made = {.memory = memory};
    keyring_write_jwks(keyring, &out);
    made.document = buffer_text(&out);
    made.etag = etag_write(&out, made.document);
    size_t start = out.len;
    buffer_put(&out, "ETag: ");
    buffer_add(&out, made.etag);
    buffer_put(&out, "\r\nAccess-Control-Allow-Origin: *\r\n");
    made.headers = text_since(&out, start);
    check(!out.overflow);
    *jwks = made;
    return true;
}

void jwks_free(struct jwks *jwks) {
    free(jwks->memory);
    *jwks = (struct jwks){0};
}

static void discovery_write(struct text issuer, struct buffer *out) {
    char uri[1024];
    struct buffer jwks_uri = buffer_over(uri, sizeof(uri));
    buffer_add(&jwks_uri, issuer);
    buffer_put(&jwks_uri, "/.well-known/jwks.json");
    out->overflow |= jwks_uri.overflow;
    buffer_put(out, "{\"issuer\":");
    buffer_json(out, issuer);
    buffer_put(out, ",\"jwks_uri\":");
    buffer_json(out, buffer_text(&jwks_uri));
    buffer_put(out, ",\"response_types_supported\":[\"token\"],\"grant_types_supported\":[]"
                    ",\"subject_types_supported\":[\"public\"]"
                    ",\"id_token_signing_alg_values_supported\":[\"EdDSA\",\"Ed25519\"]"
                    ",\"token_endpoint_auth_methods_supported\":[\"none\"]}");
}

bool discovery_make(struct discovery *discovery, struct text issuer, struct error *ret_error) {
    char *memory = malloc(DISCOVERY_BYTES);
    if (memory == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    struct buffer out = buffer_over(memory, DISCOVERY_BYTES);
    discovery_write(issuer, &out);
    if (out.overflow) {
        free(memory);
        return error_set(ret_error, ERROR_INTERNAL, NULL);
    }
    *discovery = (struct discovery){buffer_text(&out), memory};
    return true;
}

void discovery_free(struct discovery *discovery) {
    free(discovery->memory);
    *discovery = (struct discovery){0};
}

bool metadata_is_known(struct text if_none_match, struct text etag) {
    while (if_none_match.len > 0) {
        const char *comma = memchr(if_none_match.at, ',', if_none_match.len);
        size_t len = comma != NULL ? (size_t)(comma - if_none_match.at) : if_none_match.len;
        struct text one = text_trim((struct text){if_none_match.at, len});
        if (text_starts(one, TEXT("W/")))
            one = (struct text){one.at + 2, one.len - 2};
        if (text_equal(one, etag) || text_equal(one, TEXT("*")))
            return true;
        size_t skip = comma != NULL ? len + 1 : len;
        if_none_match = (struct text){if_none_match.at + skip, if_none_match.len - skip};
    }
    return false;
}
