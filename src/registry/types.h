/* What the registry holds, as its functions give and take it. */
#ifndef REGISTRY_TYPES_H
#define REGISTRY_TYPES_H

#include "token/role.h"
#include "token/rotation.h"
#include "token/service_token.h"

/* Texts in these structs belong to the caller (input), or live until the session's next call (one
 * row) or until the callback returns (lists). Times are seconds since 1970, 0: unset. */

struct org {
    struct uuid id;
    struct text name;
    struct text display_name;
    int64_t created_s;
    int64_t updated_s;
};

struct project {
    struct uuid id;
    struct uuid org_id;
    struct uuid instance_id;
    struct text org_name;
    struct text name;
    struct text description;
    struct text runtime_host;
    struct text audience; /* empty: runtime_host */
    struct text frontend_url;
    struct text primary_branch;
    uint32_t default_ttl_s;   /* 0: the server's */
    uint32_t max_ttl_s;       /* 0: the server's */
    uint32_t max_token_bytes; /* 0: 4096 */
    bool jwt_alg_rfc9864;     /* "Ed25519" instead of "EdDSA" */
    int64_t created_s;
    int64_t updated_s;
};
/* Which members of a struct project an edit sets. */
enum project_field {
    PROJECT_NAME = 1 << 0,
    PROJECT_DESCRIPTION = 1 << 1,
    PROJECT_RUNTIME_HOST = 1 << 2,
    PROJECT_AUDIENCE = 1 << 3,
    PROJECT_FRONTEND_URL = 1 << 4,
    PROJECT_PRIMARY_BRANCH = 1 << 5,
    PROJECT_DEFAULT_TTL = 1 << 6,
    PROJECT_MAX_TTL = 1 << 7,
    PROJECT_MAX_TOKEN_BYTES = 1 << 8,
    PROJECT_JWT_ALG = 1 << 9,
};

struct service {
    struct uuid id;
    struct uuid org_id;
    struct text org_name;
    struct text name;
    struct text attributes; /* a JSON object, "{}" for none */
    struct text policy;     /* a JSON object, "{}" for none */
    struct text org_role;   /* empty: none */
    int64_t created_s;
    int64_t updated_s;
};

/* A service's role in a project. */
struct membership {
    struct service service; /* only where the call says so */
    struct uuid project_id;
    struct text project_name;
    struct text project_role;
};

struct token {
    struct uuid id;
    struct uuid service_id; /* zero: an operator token */
    enum token_kind kind;
    struct text description;
    int64_t created_s;
    int64_t expires_s; /* 0: never */
    int64_t revoked_s; /* 0: live */
    int64_t last_used_s;
    struct text last_used_address;
};

/* The signing keys, and the registry's time when they were read. */
struct key_set {
    int64_t now_s;
    size_t count;
    struct key_record keys[KEYRING_KEYS_MAX];
};

/* Who makes a change: for the audit row. */
struct actor {
    struct text kind; /* "operator", "service", "system" (mintd's own commands) */
    struct uuid id;   /* of the token */
    struct text name; /* of the service */
    struct text address;
    struct text request_id;
    struct text action; /* the route's or command's name: "services.create" */
    int64_t now_s;
};

/* What may be cut: a token, service, project or org. */
enum scope_kind { SCOPE_TOKEN = 1, SCOPE_SERVICE, SCOPE_PROJECT, SCOPE_ORG, SCOPE_KEYS };
struct scope {
    enum scope_kind kind;
    struct uuid id;
};

/* A process that serves, from its start to its end. */
#define REPLICA_NAME_BYTES 128
struct replica {
    struct uuid id;                    /* no other that lives has it */
    char name[REPLICA_NAME_BYTES + 1]; /* for people: host and address */
    uint64_t beat;                     /* counts its reports, from a random number on */
    uint64_t acked_seq;                /* all its workers have applied the changes up to here */
    int64_t seen_s;                    /* its last report by its own clock: shown, never compared */
};
/* More reports than this are not made between two looks, and a row made anew begins with another
 * beat: farther away, but for a chance of 2^-30. */
#define REPLICA_BEATS_BETWEEN 4294967296 /* 2^32 */

/* A place in the history of changes: a number alone does not tell it from that of another history,
 * such as the one that goes on from a restored backup. */
struct place {
    uint64_t epoch;
    uint64_t seq;
    uint64_t mark; /* made of the change at `seq`; 0: not known */
};

/* Everything needed to decide on a request with one token. One malloc'ed block, freed by free(). */
struct grant_project {
    struct uuid id;
    uint32_t permissions;
};
struct grant {
    uint64_t epoch; /* of the counter below */
    uint64_t s0;    /* the registry's counter in the snapshot that this was read from */
    enum token_kind kind;
    struct uuid token_id;
    struct uuid service_id;
    struct uuid org_id;
    uint8_t secret_hash[TOKEN_HASH_BYTES];
    int64_t expires_s;        /* 0: never */
    int64_t revoked_s;        /* 0: live */
    uint32_t org_permissions; /* an operator's: all */
    struct text org_name;
    struct text org_role;
    struct text service_name;
    struct text attributes;
    struct text policy;
    size_t project_count;
    struct grant_project *projects;
};
/* With what it points to. */
size_t grant_bytes(const struct grant *grant);
/* A copy in so many bytes at `memory`, with what `from` points to. Where from->projects is NULL it
 * has room for them, and they are for the caller to fill in. */
struct grant *grant_place(const struct grant *from, void *memory);
/* The same in a block of its own; NULL when memory is out. */
must_check struct grant *grant_copy(const struct grant *from);
/* A project as minting needs it, likewise one block. */
struct project_record {
    uint64_t epoch;
    uint64_t s0;
    size_t bytes;
    struct project project;
};
must_check struct project_record *project_record_copy(const struct project_record *from);

#endif
