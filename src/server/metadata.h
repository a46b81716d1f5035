/* The documents that verifiers ask for, written once and served from memory: JWKS and discovery. */
#ifndef SERVER_METADATA_H
#define SERVER_METADATA_H

#include "token/keyring.h"

struct metadata {
    struct text jwks;
    struct text jwks_headers; /* ETag, CORS */
    struct text etag;         /* with its quotes */
    struct text discovery;    /* OpenID Connect Discovery 1.0, RFC 8414 */
    char *memory;
};

must_check bool metadata_make(struct metadata *metadata, const struct keyring *keyring,
                              struct text issuer, struct error *ret_error);
void metadata_free(struct metadata *metadata);
/* Whether an If-None-Match header (RFC 9110 §13.1.2) names this ETag. */
bool metadata_is_known(struct text if_none_match, struct text etag);

#endif
