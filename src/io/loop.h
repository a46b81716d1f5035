/* An event loop for one thread: timers, tasks from other threads, and what happens at a turn's end.
 * */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include "base/clock.h"
#include "base/error.h"
#include "base/queue.h"

/* Everything about libuv stays inside src/io. A loop belongs to the thread that runs it; only
 * loop_post, loop_stop and loop_lag_us may be called from others. */
struct loop;

/* Also makes the process ignore SIGPIPE: a peer that left is an error of the write. */
must_check bool loop_open(struct loop **ret_loop, struct error *ret_error);
/* Runs until loop_stop; then closes what is open and returns once every close is done. Does nothing
 * the second time. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* from any thread, also before loop_run */
/* `loop` may be NULL. Ends it first if it was never run. No other thread may post to it any more.
 * */
void loop_close(struct loop *loop);
/* The loop's cached time, read once a turn after polling. The pointer stays good. */
const struct clock *loop_clock(const struct loop *loop);

/* A task from another thread, run on the loop in the order posted. The task is the poster's memory
 * and may be reused from the moment `run` is called. Tasks posted after loop_run has returned are
 * not run. */
struct loop_task {
    struct loop_task *next;
    void (*run)(struct loop_task *task);
};
void loop_post(struct loop *loop, struct loop_task *task);

/* A one-shot or repeating timer in the owner's memory; zeroed before the first start. */
struct loop_timer {
    void *handle; /* the loop's own; NULL: it does not run */
    void (*fire)(struct loop_timer *timer);
};
/* Starts it, or starts it anew. `repeat_ms` 0: it fires once, and may be started again from `fire`.
 * False when memory is out or the loop ends. */
must_check bool loop_timer_start(struct loop *loop, struct loop_timer *timer, uint32_t after_ms,
                                 uint32_t repeat_ms);
/* Does nothing if it does not run. A timer that runs when the loop ends is stopped. */
void loop_timer_stop(struct loop_timer *timer);

/* Called at the end of every turn, after all reads and tasks of the turn and before the connections
 * write what was queued: where the batch is signed. At most 4, in the order added. Called again in
 * the same turn when the writing of replies has let further requests of a connection begin. */
void loop_at_turn_end(struct loop *loop, void (*call)(void *self), void *self);

/* A signal of the process, on the main thread's loop: `call(self, number)`. */
must_check bool loop_on_signal(struct loop *loop, int number, void (*call)(void *self, int number),
                               void *self);

/* How late the loop's 100 ms tick came at worst since asked last, or is at the moment, in µs. From
 * any thread, so that another notices a loop that hangs. */
uint64_t loop_lag_us(struct loop *loop);

#endif
