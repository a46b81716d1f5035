/* The search for the knee: which rate to try next, and what was found. */
#include "client/bench/knee.h"

#define GOODPUT_MIN 0.99
#define P50_TIMES 5
#define P99_TIMES 10
#define P99_NS_MIN 10000000ULL
#define TRIES 2
#define HALVINGS 4 /* from a factor of two to 4 % */

struct knee knee_from(double rate) {
    check(rate > 0 && rate <= KNEE_RATE_MAX);
    return (struct knee){.rate = rate};
}

static bool step_is_good(const struct knee *knee, const struct knee_step *step) {
    uint64_t least_p50_ns = step->p50_ns, least_p99_ns = step->p99_ns;
    for (size_t i = 0; i < knee->step_count; i++) {
        const struct knee_step *other = &knee->steps[i];
        if (other->is_good && other->p50_ns < least_p50_ns)
            least_p50_ns = other->p50_ns;
        if (other->is_good && other->p99_ns < least_p99_ns)
            least_p99_ns = other->p99_ns;
    }
    bool has_queue = step->p50_ns > P50_TIMES * least_p50_ns;
    bool has_exploded = step->p99_ns > P99_NS_MIN && step->p99_ns > P99_TIMES * least_p99_ns;
    return step->goodput >= GOODPUT_MIN * step->rate && !has_queue && !has_exploded;
}

static void step_keep(struct knee *knee, const struct knee_step *step) {
    size_t i = knee->step_count;
    check(knee->step_count < KNEE_STEPS_MAX);
    for (; i > 0 && knee->steps[i - 1].rate > step->rate; i--)
        knee->steps[i] = knee->steps[i - 1];
    knee->steps[i] = *step;
    knee->step_count++;
}

static double rate_next(struct knee *knee) {
    if (knee->bad <= 0)
        return knee->good < KNEE_RATE_MAX / 2 ? 2 * knee->good : 0;
    if (knee->good <= 0 || knee->halvings == HALVINGS)
        return 0;
    knee->halvings++;
    return (knee->good + knee->bad) / 2;
}

void knee_tell(struct knee *knee, struct knee_step *step) {
    check(knee->rate > 0 && step->rate == knee->rate);
    step->is_good = step_is_good(knee, step);
    step_keep(knee, step);
    knee->tries++;
    if (!step->is_good && knee->tries < TRIES)
        return;
    if (step->is_good)
        knee->good = step->rate;
    else
        knee->bad = step->rate;
    knee->tries = 0;
    knee->rate = rate_next(knee);
}
