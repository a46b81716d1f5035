/* The claims of a credential, written as the JSON that is signed. */
#ifndef TOKEN_CLAIMS_H
#define TOKEN_CLAIMS_H

#include "base/error.h"
#include "token/json.h"

/* The parts that are the same for every credential of a project, and of a token: written once
 * when the cache is filled. Both are members with a trailing comma and without braces:
 *   "iss":"…","aud":["…"],"org":"…","project":"…","ins":{"<instanceId>":[25,23,21,27]},
 *   "act":{"sub":"svc_<service id>","tid":"<token id>"},                    (RFC 8693 §4.1) */
struct claims_project {
    struct text issuer;
    struct text audience;
    struct text org;
    struct text project;
    struct text instance_id;
};
void claims_write_project(const struct claims_project *project, struct buffer *out);
void claims_write_actor(const struct uuid *service_id, const struct uuid *token_id,
                        struct buffer *out);

/* Whom a credential is for (api §3's table): exactly one of user_id, user_email, attributes or
 * none of them, and external_user_id beside all but user_id; that alone gives an empty `attr`.
 * Texts with `at` NULL and values NULL are absent; texts are UTF-8. */
struct claims_subject {
    struct text user_id;
    struct text user_email;
    struct text external_user_id;
    const struct json *attributes;
    /* The service policy's pinned attributes, an object: they stand in `attr` whatever else was
     * given, spelled as the policy has them. NULL: none. */
    const struct json *pinned;
    bool embed;      /* adds "embed":true unless the attributes have `embed` (iframe) */
    struct text sec; /* the value of `sec`, JSON; absent if empty */
    /* What the service itself is, used when nothing of the above names a user. */
    struct text service_name;
    bool service_is_admin; /* may manage the project */
    /* Its own attributes, an object; NULL: none. A value and not the text that is stored, so
     * that what the store holds is checked before it is signed. */
    const struct json *service_attributes;
    struct uuid service_id;
    struct uuid project_id;
};

struct claims {
    struct text project_part;   /* from claims_write_project */
    struct text actor_part;     /* from claims_write_actor */
    int64_t issued_at_s;        /* iat */
    uint32_t not_before_skew_s; /* nbf = iat − this */
    uint32_t ttl_s;             /* exp = iat + this */
    struct uuid token_id;       /* jti: 128 random bits */
    const struct claims_subject *subject;
};

/* Writes the claims object {…}. Order: the project's, act, iat, nbf, exp, jti, sub, attr, sec.
 * Nothing that a caller sends can stand outside `attr` (and the hashed or copied `sub`). On
 * overflow of `out` the buffer says so. jti is written as 32 hex digits. */
void claims_write(const struct claims *claims, struct buffer *out);

/* What is behind the last @ of an email address; empty if there is none. */
struct text claims_email_domain(struct text email);

#endif
