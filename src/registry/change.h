/* The frame around every mutation: counter, change, audit row, commit; of this layer only. */
#ifndef REGISTRY_CHANGE_H
#define REGISTRY_CHANGE_H

#include "registry/session.h"
#include "registry/types.h"

/* A mutation under way:
 *     bool ok = change_begin(&change, session, actor, ret_error) && (look up, set, write);
 *     return change_end(&change, ok, ret_seq, ret_error);
 * Nothing of it is to be seen unless change_end gives true. */
struct change {
    struct session *session;
    const struct actor *actor;
    uint64_t seq;
    /* What is cut, whose audit record it belongs to (zero: the operator's), and what it is
     * about. */
    struct scope scope;
    struct uuid org_id;
    const char *noun;
    struct text name;
    /* Members added by change_text and so on; the braces are the frame's. */
    struct buffer before;
    struct buffer after;
};
must_check bool change_begin(struct change *change, struct session *session,
                             const struct actor *actor, struct error *ret_error);
/* ret_seq may be NULL. */
must_check bool change_end(struct change *change, bool ok, uint64_t *ret_seq,
                           struct error *ret_error);

void change_text(struct buffer *json, const char *key, struct text value);
void change_number(struct buffer *json, const char *key, int64_t value);
void change_uuid(struct buffer *json, const char *key, const struct uuid *value);
void change_json(struct buffer *json, const char *key, struct text value); /* JSON as it is */

/* Names the name in NAME_TAKEN, which engines give without; passes `ok` on. */
bool change_named(bool ok, struct text name, struct error *error);

/* Appends a row to the audit chain, in the current transaction of writing. `seq` 0: changes
 * nothing. */
struct audit_entry {
    const struct actor *actor;
    uint64_t seq;
    struct uuid org_id;
    struct text target;
    struct text before;
    struct text after;
};
must_check bool audit_append(struct session *session, const struct audit_entry *entry,
                             struct error *ret_error);

#endif
