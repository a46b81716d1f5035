/* The search for the knee: which rate to try next, and what was found. */
#ifndef CLIENT_BENCH_KNEE_H
#define CLIENT_BENCH_KNEE_H

#include "base/text.h"

/* A rate that was tried. */
struct knee_step {
    double rate; /* offered, a second */
    double goodput;
    uint64_t p50_ns, p99_ns, max_ns;
    bool is_good; /* it was kept up with; knee_tell says so */
};
#define KNEE_STEPS_MAX 64
#define KNEE_RATE_MAX 10000000.0

/* The rate is doubled until one is not kept up with; then what lies between the highest that was
 * and the lowest that was not is halved, to within 4 %. A rate is not kept up with when less than
 * 99 % of it is answered well, when its median is five times the lowest seen (requests queue: the
 * curve has left its floor; stalls by others do not move a median), or when its p99 is above 10 ms
 * and ten times the lowest seen. It is tried twice: another program may have been at fault. */
struct knee {
    double rate; /* to be tried next; 0: the search is over */
    double good; /* the highest rate that was kept up with: the knee; 0: none */
    double bad;  /* the lowest that was not; 0: none */
    unsigned tries, halvings;
    struct knee_step steps[KNEE_STEPS_MAX]; /* in the order of their rates */
    size_t step_count;
};

/* Begins at `rate`, which is above 0 and at most KNEE_RATE_MAX. */
struct knee knee_from(double rate);
/* What came of trying `knee->rate`; decides on `step->is_good` and on the next rate. */
void knee_tell(struct knee *knee, struct knee_step *step);

#endif
