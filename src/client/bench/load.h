/* One run of load by its threads, watched second by second. */
#ifndef CLIENT_BENCH_LOAD_H
#define CLIENT_BENCH_LOAD_H

#include "client/bench/plan.h"

/* Told of every second that has passed. */
struct load_watch {
    void (*second)(void *self, const struct load_point *point);
    void *self;
};

/* From here on an interrupt (Ctrl-C) ends the run, which then still has a result; another one ends
 * the program. */
void load_catch_interrupt(void);
bool load_is_interrupted(void);

/* Runs the plan; the result is zeros before, and freed by load_free. False with a message when
 * threads, memory or descriptors are out. */
must_check bool load_run(const struct plan *plan, const struct load_watch *watch,
                         struct load_result *ret_result, const char **ret_problem);
void load_free(struct load_result *result);

#endif
