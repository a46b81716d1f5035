/* Makes libsodium's memory run out, or its protection fail, at a chosen call. */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

/* How many more calls go well before one fails; below 0: all do. One of each kind. */
extern int faults_malloc_after;
extern int faults_protect_after;

#endif
