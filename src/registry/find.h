/* Finding rows by their names within a transaction, for the functions of the store. */
#ifndef REGISTRY_FIND_H
#define REGISTRY_FIND_H

#include "registry/change.h"

/* Rows as they stand in the columns that statements.def names ORG, PROJECT, SERVICE. */
struct org org_of(const struct row *row);
#define PROJECT_COLUMNS 16
struct project project_of(const struct row *row);
struct service service_of(const struct row *row);

/* The row, its texts in the session's arena; NOT_FOUND if there is none. */
must_check bool org_find(struct session *session, struct text name, struct org *ret_org,
                         struct error *ret_error);
must_check bool project_find(struct session *session, const struct uuid *org_id, struct text name,
                             struct project *ret_project, struct error *ret_error);
/* The same by the names of both. */
must_check bool project_find_in(struct session *session, struct text org, struct text name,
                                struct project *ret_project, struct error *ret_error);
must_check bool service_find_in(struct session *session, struct text org, struct text name,
                                struct service *ret_service, struct error *ret_error);
must_check bool service_find(struct session *session, const struct uuid *org_id, struct text name,
                             struct service *ret_service, struct error *ret_error);

/* Says that the change is one of the service: its name, attributes, policy or roles. */
void service_cut(struct change *change, const struct service *service);
/* Adds the token; one of an operator has no service. */
must_check bool token_add(struct change *change, const struct token *token,
                          const uint8_t hash[static TOKEN_HASH_BYTES], struct error *ret_error);

/* The signing keys, and the registry's time. */
must_check bool key_set_read(struct session *session, struct key_set *ret_set,
                             struct error *ret_error);
/* Makes the change one of the keys, and writes or removes the key; key_row_save writes it alone. */
must_check bool key_row_put(struct change *change, const struct key_record *key,
                            struct error *ret_error);
must_check bool key_row_delete(struct change *change, struct text kid, struct error *ret_error);
must_check bool key_row_save(struct session *session, const struct key_record *key,
                             struct error *ret_error);

#endif
