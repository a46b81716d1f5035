/* The schema's version, and the steps up to this program's; of this layer only. */
#ifndef REGISTRY_SCHEMA_H
#define REGISTRY_SCHEMA_H

#include "registry/session.h"

/* The version that the store has; 0: it is empty. */
must_check bool schema_read(struct session *session, size_t *ret_version, struct error *ret_error);

/* Brings the store up to date, one transaction a step, whoever else tries the same at once.
 * Refused: a store newer than `engine->migrations`, and an empty one unless it may be made. */
must_check bool schema_migrate(struct session *session, bool may_create, struct error *ret_error);

#endif
