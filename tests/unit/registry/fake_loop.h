/* A loop that does nothing but run the tasks posted to it. */
#ifndef UNIT_REGISTRY_FAKE_LOOP_H
#define UNIT_REGISTRY_FAKE_LOOP_H

#include "io/loop.h"

struct loop *fake_loop_open(void);
/* Waits for the next task and runs it. */
void fake_loop_turn(struct loop *loop);
void fake_loop_close(struct loop *loop);

#endif
