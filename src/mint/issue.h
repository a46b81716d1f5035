/* Issuing credentials: what is asked for, what is made of it, and the forms of the answer. */
#ifndef MINT_ISSUE_H
#define MINT_ISSUE_H

#include "token/claims.h"
#include "token/keyring.h"

struct request;
struct cached_grant;
struct cached_project;

/* The routes that mint. */
enum issue_form {
    ISSUE_CREDENTIAL, /* POST …/credentials */
    ISSUE_IFRAME,     /* POST …/iframe */
    ISSUE_BATCH,      /* POST …/credentials/batch */
};

/* A body that asks for one credential; texts with `at` NULL and values NULL are absent. */
struct issue_input {
    uint64_t given;
    uint64_t ttl_s; /* 0: the default */
    struct text branch;
    struct text user_id;
    struct text user_email;
    struct text external_user_id;
    const struct json *attributes;
    /* Of an iframe alone. */
    struct text resource;
    struct text type;
    struct text kind; /* wins over type */
    struct text theme;
    struct text theme_mode;
    struct text state;
    const struct json *query;
    bool navigation;
    bool hide_navigation_bar;
};
/* Whether the body names somebody; else the credential is for the service itself. */
bool issue_names_somebody(const struct issue_input *input);

/* By what an operator knows the user: user_id, external_user_id, user_email, or the attribute `id`
 * or `email`, the first of them that is there and no empty string; empty if none is. */
struct text issue_user(const struct issue_input *input);

#define ISSUE_BATCH_MAX 256

/* One credential on its way. */
struct credential {
    struct request *request;
    struct issue_input input;
    uint32_t ttl_s;
    struct uuid jti;
    struct text signing_input; /* where it stands in the answer */
    uint8_t signature[SIGNATURE_BYTES];
    struct buffer rooms[2]; /* kept free in the answer for the signature; in an iframe's URL too */
    struct text answer;     /* a JSON object */
    struct error error;     /* set: refused; in a batch the others go on */
};

/* The parse functions of the routes: fill request->credentials from the body. */
bool issue_parse(struct request *request);
bool issue_parse_iframe(struct request *request);
bool issue_parse_batch(struct request *request);

/* Every check, the claims and the answer but for the signatures. False with request->error. When it
 * is explained instead of minted, the answer is whole and nothing is to be signed. */
must_check bool issue_claims(struct request *request, const struct cached_grant *grant,
                             const struct cached_project *project);
/* Puts the signatures in their places and the answer together. */
void issue_signed(struct request *request);

/* Between the files of issuing. */
must_check bool issue_answer(struct credential *credential, const struct project *project,
                             struct text header, struct text payload);
must_check bool issue_explain(struct credential *credential, const struct project *project,
                              struct text payload, size_t jwt_chars, uint32_t chars_max);
/* rill.runtime.v1.Explore for explore, and so on; what is no short name stays. */
struct text issue_kind(const struct issue_input *input);

#endif
