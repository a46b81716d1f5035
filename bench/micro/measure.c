/* How long an operation takes, and under callgrind how many instructions. */
#include "measure.h"

#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_DUMP_STATS_AT(what)
#endif

#define ROUND_NS 200000000U
#define ROUNDS 5
#define WARM_CALLS 64
#define COUNTED_CALLS 256

static void repeat(void (*operation)(void), unsigned calls) {
    for (unsigned i = 0; i < calls; i++)
        operation();
}

/* The dump holds the instructions of the calls, and its name what they were. */
static void count(const char *what, void (*operation)(void), unsigned per_call) {
    char name[128];
    (void)snprintf(name, sizeof(name), "%s|%u", what, COUNTED_CALLS * per_call);
    repeat(operation, WARM_CALLS);
    CALLGRIND_ZERO_STATS;
    repeat(operation, COUNTED_CALLS);
    CALLGRIND_DUMP_STATS_AT(name);
}

void measure(const char *what, void (*operation)(void), unsigned per_call) {
    double best = 1e18;
    if (RUNNING_ON_VALGRIND) {
        count(what, operation, per_call);
        return;
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_monotonic_ns(), calls = 0, passed;
        do {
            repeat(operation, WARM_CALLS);
            calls += WARM_CALLS;
            passed = clock_monotonic_ns() - start;
        } while (passed < ROUND_NS);
        double each = (double)passed / (double)calls / per_call;
        best = each < best ? each : best;
    }
    (void)printf("%-44s %10.1f ns\n", what, best);
}
