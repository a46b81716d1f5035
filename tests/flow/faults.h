/* Memory that runs out when a test says so: the linker puts these in the place of malloc. */
#ifndef FLOW_FAULTS_H
#define FLOW_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From now on the `first` call of malloc, calloc or realloc (1 is the next) gives NULL, and all
 * after it where `from_then_on`; 0: none does, they are only counted. */
void faults_arm(uint64_t first, bool from_then_on);
/* All go well again; returns the calls since faults_arm. */
uint64_t faults_disarm(void);
/* What the code of the tests and of mintd has taken and not given back. */
int64_t faults_live(void);
/* Memory for what a test notes down while faults are armed; for free(). */
void *faults_spare(size_t size);

#endif
