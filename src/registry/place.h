/* Where the history of changes stands, read within a transaction; of this layer only. */
#ifndef REGISTRY_PLACE_H
#define REGISTRY_PLACE_H

#include "registry/session.h"
#include "registry/store.h"

/* Epoch and counter as they are (`ret_now->mark` is left alone), and the mark of the change with
 * the number `seq`, 0 if there is none. */
must_check bool place_read(struct session *session, uint64_t seq, struct place *ret_now,
                           uint64_t *ret_mark, struct error *ret_error);
/* Whether the place is one that this history has passed; `mark` is that of the change there. */
bool place_is_behind(const struct place *place, const struct place *now, uint64_t mark);
/* As store_feed. */
must_check bool place_feed(struct session *session, const struct place *from, struct feed *ret_feed,
                           struct error *ret_error);

#endif
