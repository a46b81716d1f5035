/* Notices when the wall clock jumps: credentials are dated by it, so somebody should know. */
#ifndef SERVER_CLOCK_WATCH_H
#define SERVER_CLOCK_WATCH_H

#include "base/log.h"

/* Steps above it are jumps; clocks are slewed by much less between two looks. */
#define CLOCK_JUMP_MS 2000

/* On the main thread. Zeroed at first. */
struct clock_watch {
    bool is_begun;
    int64_t offset_ms; /* wall clock less monotonic clock, when looked at last */
    uint64_t jumps;
};

/* Several times a second; a jump is counted and told by the log (NULL: nowhere). */
void clock_watch_look(struct clock_watch *watch, const struct clock *clock, struct log *log);

#endif
