/* What can be asked of the registry: plain blocking functions, the same for every engine. */
#ifndef REGISTRY_STORE_H
#define REGISTRY_STORE_H

#include "registry/registry.h"
#include "registry/types.h"

/* Every function returns false with an error: NOT_FOUND ("service not found"), NAME_TAKEN,
 * NOT_EMPTY, REGISTRY_AWAY, REGISTRY_READ_ONLY or INTERNAL. Every mutation is one transaction that
 * takes the next seq, writes its `changes` row and its audit row; when it returns true it is
 * committed and synced. Names are found without regard to ASCII case and kept as written. `ret_seq`
 * is the mutation's seq. */

/* The first row of a fresh store: an operator token's id and hash, and the first key. False with
 * NAME_TAKEN if the store was initialised before. */
must_check bool store_initialise(struct session *session, const struct actor *actor,
                                 const struct uuid *operator_id,
                                 const uint8_t operator_hash[static TOKEN_HASH_BYTES],
                                 const struct key_record *key, struct error *ret_error);
must_check bool store_is_initialised(struct session *session, bool *ret_initialised,
                                     struct error *ret_error);

/* Lists call `each` per row, ordered by name; stop when it returns false. They start behind the
 * name `after` (empty: at the first) and give at most `limit` rows. */
must_check bool store_org_create(struct session *session, const struct actor *actor,
                                 const struct org *org, struct org *ret_org, uint64_t *ret_seq,
                                 struct error *ret_error);
must_check bool store_org_get(struct session *session, struct text name, struct org *ret_org,
                              struct error *ret_error);
must_check bool store_org_list(struct session *session, struct text after, uint32_t limit,
                               bool (*each)(void *self, const struct org *row), void *self,
                               struct error *ret_error);
/* new_name and display_name: `at` NULL keeps. */
must_check bool store_org_edit(struct session *session, const struct actor *actor, struct text name,
                               struct text new_name, struct text display_name, struct org *ret_org,
                               uint64_t *ret_seq, struct error *ret_error);
/* Only an org without projects and services can go. */
must_check bool store_org_delete(struct session *session, const struct actor *actor,
                                 struct text name, uint64_t *ret_seq, struct error *ret_error);

/* `project->name` and so on; instance_id and ids are the caller's to make. */
must_check bool store_project_create(struct session *session, const struct actor *actor,
                                     struct text org, const struct project *project,
                                     struct project *ret_project, uint64_t *ret_seq,
                                     struct error *ret_error);
must_check bool store_project_get(struct session *session, struct text org, struct text name,
                                  struct project *ret_project, struct error *ret_error);
must_check bool store_project_list(struct session *session, struct text org, struct text after,
                                   uint32_t limit,
                                   bool (*each)(void *self, const struct project *row), void *self,
                                   struct error *ret_error);
must_check bool store_project_edit(struct session *session, const struct actor *actor,
                                   struct text org, struct text name, uint32_t fields,
                                   const struct project *values, struct project *ret_project,
                                   uint64_t *ret_seq, struct error *ret_error);
must_check bool store_project_delete(struct session *session, const struct actor *actor,
                                     struct text org, struct text name, uint64_t *ret_seq,
                                     struct error *ret_error);

/* org_role empty: none; project and project_role empty: none. */
must_check bool store_service_create(struct session *session, const struct actor *actor,
                                     struct text org, const struct service *service,
                                     struct text project, struct text project_role,
                                     struct service *ret_service, uint64_t *ret_seq,
                                     struct error *ret_error);
must_check bool store_service_get(struct session *session, struct text org, struct text name,
                                  struct service *ret_service, struct error *ret_error);
must_check bool store_service_list(struct session *session, struct text org, struct text after,
                                   uint32_t limit,
                                   bool (*each)(void *self, const struct service *row), void *self,
                                   struct error *ret_error);
/* A service's project roles (memberships without `service`), by project name. Ordered. Every
 * service of an org at once where `service` is empty: then membership.service.id tells whose, by
 * service name. */
must_check bool store_membership_list(struct session *session, struct text org, struct text service,
                                      bool (*each)(void *self, const struct membership *row),
                                      void *self, struct error *ret_error);
/* The services with a role in the project (memberships with `service`), by service name. */
must_check bool store_project_services(struct session *session, struct text org,
                                       struct text project,
                                       bool (*each)(void *self, const struct membership *row),
                                       void *self, struct error *ret_error);
/* Each of the texts with `at` NULL is kept. */
must_check bool store_service_edit(struct session *session, const struct actor *actor,
                                   struct text org, struct text name, struct text new_name,
                                   struct text attributes, struct text policy,
                                   struct service *ret_service, uint64_t *ret_seq,
                                   struct error *ret_error);
must_check bool store_service_delete(struct session *session, const struct actor *actor,
                                     struct text org, struct text name, uint64_t *ret_seq,
                                     struct error *ret_error);
/* role empty: removed (NOT_FOUND if there was none). */
must_check bool store_service_set_org_role(struct session *session, const struct actor *actor,
                                           struct text org, struct text service, struct text role,
                                           uint64_t *ret_seq, struct error *ret_error);
must_check bool store_service_set_project_role(struct session *session, const struct actor *actor,
                                               struct text org, struct text service,
                                               struct text project, struct text role,
                                               uint64_t *ret_seq, struct error *ret_error);

must_check bool store_token_create(struct session *session, const struct actor *actor,
                                   struct text org, struct text service, const struct token *token,
                                   const uint8_t hash[static TOKEN_HASH_BYTES], uint64_t *ret_seq,
                                   struct error *ret_error);
/* The same, and the service's other tokens expire at `others_expire_s`, those that live longer. */
must_check bool store_token_rotate(struct session *session, const struct actor *actor,
                                   struct text org, struct text service, const struct token *token,
                                   const uint8_t hash[static TOKEN_HASH_BYTES],
                                   int64_t others_expire_s, uint64_t *ret_seq,
                                   struct error *ret_error);
/* Live ones only (not revoked), oldest first. */
must_check bool store_token_list(struct session *session, struct text org, struct text service,
                                 bool (*each)(void *self, const struct token *row), void *self,
                                 struct error *ret_error);
/* Whose token it is (for the permission check before a revoke). */
must_check bool store_token_owner(struct session *session, const struct uuid *id,
                                  struct token *ret_token, struct uuid *ret_org_id,
                                  struct error *ret_error);
must_check bool store_token_revoke(struct session *session, const struct actor *actor,
                                   const struct uuid *id, uint64_t *ret_seq,
                                   struct error *ret_error);
must_check bool store_token_expire(struct session *session, const struct actor *actor,
                                   const struct uuid *id, int64_t expires_s, uint64_t *ret_seq,
                                   struct error *ret_error);
/* The services' live tokens that expire after `from_s` and until `to_s`, the first to expire first,
 * with the names of service and org. */
must_check bool store_tokens_expiring(struct session *session, int64_t from_s, int64_t to_s,
                                      bool (*each)(void *self, const struct token *row,
                                                   struct text service, struct text org),
                                      void *self, struct error *ret_error);
/* Last use of many tokens in one transaction, without audit and seq. */
struct token_use {
    struct uuid id;
    int64_t at_s;
    char address[46];
};
must_check bool store_tokens_used(struct session *session, const struct token_use *uses,
                                  size_t count, struct error *ret_error);

/* Fills: read in one snapshot with the counter. NOT_FOUND for an unknown token (or project); a
 * revoked one is returned with revoked_s. The block is the caller's to free. */
must_check bool store_grant(struct session *session, const struct uuid *token_id,
                            struct grant **ret_grant, struct error *ret_error);
/* What the operator's token may while it acts as a service: the grant that a token of that service
 * would have, under the id, hash and times of the operator's. It is told by name, or (where that is
 * NULL) by its id. NOT_FOUND if it is not there. */
struct service_ref {
    struct text org;
    struct text name;
    struct uuid id;
};
must_check bool store_grant_acting(struct session *session, const struct uuid *token_id,
                                   const struct service_ref *service, struct grant **ret_grant,
                                   struct error *ret_error);
must_check bool store_project_record(struct session *session, const struct uuid *org_id,
                                     struct text name, struct project_record **ret_record,
                                     struct error *ret_error);
must_check bool store_org_id(struct session *session, struct text name, struct uuid *ret_id,
                             struct error *ret_error);

/* The feed: counter and the changes behind `from` in one snapshot. More than FEED_CHANGES_MAX,
 * changes that were trimmed away, or another history: `is_flush`, everything cached must go. */
#define FEED_CHANGES_MAX 256
struct feed {
    uint64_t epoch;
    uint64_t seq;
    uint64_t mark; /* of the change at `seq`, as in struct place */
    bool is_flush;
    bool is_foreign; /* `from` is no place of this history; then also is_flush */
    bool is_forked;  /* and though it is of this epoch: a backup was restored since */
    size_t count;
    struct {
        uint64_t seq;
        struct scope scope;
    } changes[FEED_CHANGES_MAX];
};
/* Of the counter that the session's last mutation got its seq from. */
uint64_t store_changed_epoch(const struct session *session);
must_check bool store_feed(struct session *session, const struct place *from, struct feed *ret_feed,
                           struct error *ret_error);
/* Another epoch begins, unless one has since `epoch`: what was read in that, wherever it is
 * remembered, is void. For when the store was put back to an earlier state. `next`: a random number
 * of 63 bits. */
must_check bool store_epoch_end(struct session *session, uint64_t epoch, uint64_t next,
                                struct error *ret_error);

/* The replicas: who serves, and how far each has applied the changes. A change is acknowledged when
 * all that are listed have applied it. */
#define REPLICAS_MAX 256
/* Lists a process that accepts nothing until it has polled again: its acked_seq is the counter.
 * NAME_TAKEN if it is listed, for then it may be past that; OVERLOADED above REPLICAS_MAX. */
must_check bool store_replica_add(struct session *session, const struct replica *replica,
                                  struct error *ret_error);
/* Every worker of it has applied the changes up to the place. NOT_FOUND if it is not listed (any
 * more), or the place is of another history. */
must_check bool store_replica_report(struct session *session, const struct uuid *id,
                                     const struct place *place, int64_t now_s,
                                     struct error *ret_error);
/* Who is listed, by name, at most REPLICAS_MAX, and the feed: in one snapshot, as the revocation
 * protocol needs them (cache/fleet.h). */
must_check bool store_replica_look(struct session *session, const struct place *from,
                                   struct feed *ret_feed,
                                   struct replica ret_replicas[static REPLICAS_MAX],
                                   size_t *ret_count, struct error *ret_error);
/* Strikes off one that has made no report since its row was as `dead` says; done by one that has
 * been listed itself since its row was as `by` says, else nothing happens. NOT_FOUND if what it
 * looked at, up to the place, is of another history. */
must_check bool store_replica_drop(struct session *session, const struct replica *by,
                                   const struct place *place, const struct replica *dead,
                                   struct error *ret_error);
/* It serves no more. */
must_check bool store_replica_remove(struct session *session, const struct uuid *id,
                                     struct error *ret_error);

must_check bool store_key_list(struct session *session, struct key_set *ret_set,
                               struct error *ret_error);
must_check bool store_key_put(struct session *session, const struct actor *actor,
                              const struct key_record *key, uint64_t *ret_seq,
                              struct error *ret_error);

/* What became of the keys. */
struct key_change {
    enum key_step step;
    struct key_record key; /* as it is now, or was when it was removed */
    int64_t now_s;
    int64_t next_s; /* when the key changes its state next; of KEY_STEP_NONE: when any may */
};
/* Makes the step that is due by the registry's time, if one is: KEY_STEP_NONE changes nothing. All
 * is looked at within the transaction, so of replicas that try at the same time one makes it. The
 * key `spare` is stored where a new one is due, with the registry's time. */
must_check bool store_key_advance(struct session *session, const struct actor *actor,
                                  const struct key_times *times, const struct key_record *spare,
                                  struct key_change *ret_change, uint64_t *ret_seq,
                                  struct error *ret_error);
/* Publishes `spare` as the pending key; KEY_STATE where one is pending, which says from when on it
 * signs. `is_immediate`: the pending key, or else `spare`, signs at once and what was active is
 * retired, though verifiers may not know the new key until their JWKS is renewed. */
must_check bool store_key_rotate(struct session *session, const struct actor *actor,
                                 const struct key_times *times, const struct key_record *spare,
                                 bool is_immediate, struct key_change *ret_change,
                                 uint64_t *ret_seq, struct error *ret_error);
/* Removes a pending or retired key before its time: what it signed is valid no more. KEY_STATE for
 * the one that signs. */
must_check bool store_key_delete(struct session *session, const struct actor *actor,
                                 struct text kid, uint64_t *ret_seq, struct error *ret_error);

/* Audit rows, newest first, `before_id` 0: from the newest. org_id NULL: all. */
struct audit_row {
    uint64_t id;
    uint64_t seq; /* of the change that it tells of; 0: nothing was changed */
    int64_t at_s;
    struct uuid org_id; /* whose record it belongs to; zeros: the operator's alone */
    struct text actor_kind, actor_id, actor_name, address, request_id, action;
    struct text target; /* "service gateway" */
    struct text before; /* JSON, "" if none */
    struct text after;
    uint8_t hash[32];
};
must_check bool store_audit_list(struct session *session, const struct uuid *org_id,
                                 uint64_t before_id, uint32_t limit,
                                 bool (*each)(void *self, const struct audit_row *row), void *self,
                                 struct error *ret_error);
/* A refused privileged attempt, or another event that changes nothing. org_id NULL: the
 * operator's. */
must_check bool store_audit_note(struct session *session, const struct actor *actor,
                                 const struct uuid *org_id, struct text target,
                                 struct error *ret_error);
/* How many there are of each, and the counter. */
struct store_counts {
    uint64_t orgs, projects, services, tokens, keys, audit_rows, seq;
};
must_check bool store_counts(struct session *session, struct store_counts *ret_counts,
                             struct error *ret_error);
/* Looks for what no registry should have: rows that refer to none, and what the engine finds. Calls
 * `each` with what is behind "the registry has". */
must_check bool store_check(struct session *session, void (*each)(void *self, struct text finding),
                            void *self, struct error *ret_error);
/* Copies all but the replicas, in one snapshot and one transaction, into an empty store of this
 * program's schema, which keeps its own epoch. FIELD_VALUE if it is not empty. */
must_check bool store_copy(struct session *from, struct session *to, struct error *ret_error);

/* Walks the chain. `ret_bad_id` is the first row whose hash does not follow, 0 if all do; the count
 * and last hash are kept in meta, so a truncated end shows too. */
must_check bool store_audit_verify(struct session *session, uint64_t *ret_rows,
                                   uint64_t *ret_bad_id, struct error *ret_error);

#endif
