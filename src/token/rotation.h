/* When signing keys change their state: the plan of rotation, as pure code over given times. */
#ifndef TOKEN_ROTATION_H
#define TOKEN_ROTATION_H

#include "token/keyring.h"

/* pending → active: once every verifier that can ask has the key. retired → gone: once nothing that
 * it signed is valid any more. active → retired: when another becomes active.
 *
 * Times are the registry's clock, in seconds since 1970, which all replicas share; no host's own
 * calendar decides.
 *
 * Why nobody meets a signature by a key that he cannot know: let a key be committed at P. A replica
 * renews its lease by a poll only, and the poll that sees the commit brings the key into its JWKS
 * before the lease is renewed. So a replica that serves a JWKS without the key last began a poll
 * before P, and its lease ends before P + lease. After that it is not ready and gives its JWKS as
 * "no-cache". What a verifier took from it before that is cached until P + lease + max-age at the
 * latest. `publish_s` covers poll + lease + margin + max-age, so at P + publish_s every cached JWKS
 * has the key.
 *
 * Why nobody misses a key that is still needed: a replica that does not know of the retirement at R
 * signs on by what it has, but mints no later than R + lease + margin (its grants are not fresh
 * after that, and a replica that can ask for grants can poll). The last such credential is valid
 * for max-ttl and the verifier's skew more; `keep_s` covers them all, and max-age, so that a JWKS
 * without the key is not made before. */
struct key_times {
    int64_t publish_s; /* from a key's publication to its first signature, at the least */
    int64_t keep_s;    /* from its retirement to its end, at the least */
    int64_t rotate_s;  /* how old a key becomes as the active one; 0: until told to rotate */
};
#define KEY_NEVER_S INT64_MAX

/* A clock that is off by more was set back: see KEY_STEP_CLOCK. */
#define KEY_CLOCK_SLACK_S 60

enum key_step {
    KEY_STEP_NONE,
    /* The key's time lies in the future or is missing, for the clock was set back or somebody
     * edited the registry: it becomes now, and the wait begins anew. Longer than needed, never
     * shorter. */
    KEY_STEP_CLOCK,
    KEY_STEP_ACTIVATE, /* and retire what was active */
    KEY_STEP_REMOVE,
    KEY_STEP_CREATE, /* a pending key, since the active one becomes old */
};

/* When the key changes its state next, if nobody tells it to; KEY_NEVER_S: not by itself. Of the
 * active key: when it is replaced. */
int64_t key_due_s(const struct key_record *keys, size_t count, size_t index,
                  const struct key_times *times);

struct key_plan {
    enum key_step step;
    size_t index;   /* of the key that it is about; not of KEY_STEP_CREATE */
    int64_t next_s; /* of KEY_STEP_NONE: when there may be something to do */
};
/* What is to be done now; one step after the other. */
struct key_plan key_plan(const struct key_record *keys, size_t count, const struct key_times *times,
                         int64_t now_s);

/* The time that counts of a key's state: created, activated or retired. */
int64_t *key_since_s(struct key_record *key);
/* The key in this state; of several the newest; `count` if there is none. */
size_t key_find(const struct key_record *keys, size_t count, enum key_state state);
/* "pending", "active", "retired". */
struct text key_state_name(enum key_state state);

#endif
