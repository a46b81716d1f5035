/* What the files of this folder see of a loop: the only ones that know libuv. */
#ifndef IO_LOOP_PARTS_H
#define IO_LOOP_PARTS_H

#include <uv.h>

#include "io/loop.h"

uv_loop_t *loop_uv(struct loop *loop);
/* Reads the clock, the first time in a turn. Every callback of libuv calls it before anything else:
 * reads run inside the poll, before libuv's own hook after it. */
void loop_wake(struct loop *loop);

/* Ends the turn early and begins another: for who has had much to do in it, so that the first of a
 * flood need not wait for the last. May close what the caller works on. */
void loop_turn_break(struct loop *loop);

/* Something with handles on a loop: connections, a listener, a client. */
struct loop_part {
    struct queue link;
    /* The loop ends: close your handles. Parts added last are told first; then they are no longer
     * parts. */
    void (*end)(struct loop_part *part);
    /* At a turn's end, after what loop_at_turn_end added; may be NULL. True: that gave those calls
     * something to do, so they and all parts are called again. */
    bool (*flush)(struct loop_part *part);
};
/* The loop must not have ended. */
void loop_part_add(struct loop *loop, struct loop_part *part);
void loop_part_remove(struct loop_part *part);
/* Ends a loop that does not run: tells its parts and runs until every close is done. */
void loop_end(struct loop *loop);

#endif
