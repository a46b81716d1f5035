/* How long an operation takes, and under callgrind how many instructions. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

/* Prints the best of some rounds, per one of the `per_call` things that a call does: what the
 * machine can do, without what else it did. */
void measure(const char *what, void (*operation)(void), unsigned per_call);

#endif
