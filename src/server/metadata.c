/* The documents that verifiers ask for, written once and served from memory: JWKS and discovery. */
#include "server/metadata.h"

#include <stdlib.h>

#include "token/hash.h"

#define METADATA_BYTES ((size_t)256 * 1024) /* some hundred keys */

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

static struct text discovery_write(struct buffer *out, struct text issuer) {
    size_t start = out->len;
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
    return text_since(out, start);
}

bool metadata_make(struct metadata *metadata, const struct keyring *keyring, struct text issuer,
                   struct error *ret_error) {
    char *memory = malloc(METADATA_BYTES);
    if (memory == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    struct buffer out = buffer_over(memory, METADATA_BYTES);
    struct metadata made = {.memory = memory};
    keyring_write_jwks(keyring, &out);
    made.jwks = buffer_text(&out);
    made.etag = etag_write(&out, made.jwks);
    size_t start = out.len;
    buffer_put(&out, "ETag: ");
    buffer_add(&out, made.etag);
    buffer_put(&out, "\r\nAccess-Control-Allow-Origin: *\r\n");
    made.jwks_headers = text_since(&out, start);
    made.discovery = discovery_write(&out, issuer);
    if (out.overflow) {
        free(memory);
        return error_set(ret_error, ERROR_INTERNAL, NULL);
    }
    *metadata = made;
    return true;
}

void metadata_free(struct metadata *metadata) {
    free(metadata->memory);
    *metadata = (struct metadata){0};
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
