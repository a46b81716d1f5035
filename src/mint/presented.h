/* A credential of ours that is shown to be checked: introspection and forward-auth. */
#ifndef MINT_PRESENTED_H
#define MINT_PRESENTED_H

#include "registry/store.h"
#include "token/json.h"

struct request;

/* What a credential says by itself; texts and claims live as long as the request. */
struct presented {
    const struct json *claims;
    struct text org;
    struct text project;
    struct uuid instance_id; /* tells the project from another one that got its name since */
    struct uuid token_id;    /* of the token that asked for it */
    struct uuid service_id; /* of the service whose token that is, or as which the operator acted */
    size_t bytes;           /* of its text: no claim takes more */
};

/* Checks form, signature, issuer and times by the mint's keys and clock. False with CREDENTIAL: it
 * is not good, whatever the registry says; or with OVERLOADED. */
must_check bool presented_read(struct request *request, struct text text,
                               struct presented *ret_presented, struct error *ret_error);
/* Whether `aud` has this audience (RFC 7519 §4.1.3). */
bool presented_has_audience(const struct presented *presented, struct text audience);

/* For a route whose caller is the bearer of a credential (WHO_CREDENTIAL): from here on the steps
 * look up the service token behind it, its service and its project, as if that token had called. */
must_check bool presented_take(struct request *request, struct text text);
/* With the look-up's answer: is it good still, and what the route's query wants? */
must_check bool presented_authorize(struct request *request);

#endif
