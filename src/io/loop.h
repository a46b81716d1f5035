/* An event loop for one thread: timers, tasks from other threads, and what happens at a turn's end. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include "base/clock.h"
#include "base/error.h"
#include "base/queue.h"

/* Everything about libuv stays inside src/io. A loop belongs to the thread that runs it; only
 * loop_post and loop_stop may be called from others. */
struct loop;

must_check bool loop_open(struct loop **ret_loop, struct error *ret_error);
/* Runs until loop_stop; then closes what is open and returns once every close is done. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* from any thread */
void loop_close(struct loop *loop);
/* The loop's cached time, read once a turn after polling. */
const struct clock *loop_clock(const struct loop *loop);

/* A task from another thread, run on the loop in the order posted. The task is the poster's memory
 * and may be reused from the moment `run` is called. */
struct loop_task {
    struct loop_task *next;
    void (*run)(struct loop_task *task);
};
void loop_post(struct loop *loop, struct loop_task *task);

/* A one-shot or repeating timer in the owner's memory; zeroed before the first start. */
struct loop_timer {
    void *handle; /* the loop's own */
    void (*fire)(struct loop_timer *timer);
};
must_check bool loop_timer_start(struct loop *loop, struct loop_timer *timer, uint32_t after_ms,
                                 uint32_t repeat_ms);
void loop_timer_stop(struct loop_timer *timer);

/* Called at the end of every turn, after all reads and tasks of the turn and before the connections
 * write what was queued: where the batch is signed. At most 4, in the order added. */
void loop_at_turn_end(struct loop *loop, void (*call)(void *self), void *self);

/* A signal of the process, on the main thread's loop: `call(self, number)`. */
must_check bool loop_on_signal(struct loop *loop, int number, void (*call)(void *self, int number),
                               void *self);

/* How late the loop's 100 ms tick came at worst since asked last, in µs. */
uint64_t loop_lag_us(struct loop *loop);

#endif
