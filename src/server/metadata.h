/* The documents that verifiers ask for, written once and served from memory: JWKS and discovery. */
#ifndef SERVER_METADATA_H
#define SERVER_METADATA_H

#include "token/keyring.h"

/* A JWK Set and what is answered with it. */
struct jwks {
    struct text document;
    struct text headers; /* ETag, CORS */
    struct text etag;    /* with its quotes */
    char *memory;
};
must_check bool jwks_make(struct jwks *jwks, const struct keyring *keyring,
                          struct error *ret_error);
void jwks_free(struct jwks *jwks);

/* OpenID Connect Discovery 1.0, RFC 8414. */
struct discovery {
    struct text document;
    char *memory;
};
must_check bool discovery_make(struct discovery *discovery, struct text issuer,
                               struct error *ret_error);
void discovery_free(struct discovery *discovery);

/* Whether an If-None-Match header (RFC 9110 §13.1.2) names this ETag. */
bool metadata_is_known(struct text if_none_match, struct text etag);

#endif
