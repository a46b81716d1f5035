/* The loop: tasks from threads, timers, the clock, the end of a turn, signals, and its own end. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/loop.h"

static struct loop *loop;

static int open_loop(void **state) {
    (void)state;
    struct error error;
    return loop_open(&loop, &error) ? 0 : -1;
}

static int close_loop(void **state) {
    (void)state;
    loop_close(loop);
    return 0;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

enum { THREADS = 4, TASKS = 2000 };

struct numbered {
    struct loop_task task;
    unsigned thread;
    unsigned number;
};
static struct numbered numbered[THREADS][TASKS];
static unsigned next_number[THREADS], tasks_run;

static void on_numbered(struct loop_task *task) {
    struct numbered *self = container_of(task, struct numbered, task);
    assert_int_equal(self->number, next_number[self->thread]);
    next_number[self->thread]++;
    if (++tasks_run == THREADS * TASKS)
        loop_stop(loop);
}

static void *post_all(void *of_thread) {
    struct numbered *all = of_thread;
    for (unsigned i = 0; i < TASKS; i++)
        loop_post(loop, &all[i].task);
    return NULL;
}

static void test_tasks_of_threads_keep_their_order(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        for (unsigned j = 0; j < TASKS; j++)
            numbered[i][j] = (struct numbered){.task.run = on_numbered, .thread = i, .number = j};
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, numbered[i]), 0);
    }
    loop_run(loop);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(tasks_run, THREADS * TASKS);
}

static unsigned reposts;

static void on_repost(struct loop_task *task) {
    if (++reposts < 100)
        loop_post(loop, task);
    else
        loop_stop(loop);
}

static void test_a_task_may_post_itself(void **state) {
    (void)state;
    struct loop_task task = {.run = on_repost};
    loop_post(loop, &task);
    loop_run(loop);
    assert_int_equal(reposts, 100);
}

static void test_stopped_before_it_runs(void **state) {
    (void)state;
    loop_stop(loop);
    loop_run(loop);
    loop_run(loop); /* the second time it does nothing */
}

static void test_never_run(void **state) {
    (void)state;
    struct loop_timer timer = {.fire = (void (*)(struct loop_timer *))abort};
    assert_true(loop_timer_start(loop, &timer, 0, 1));
    loop_close(loop);
    assert_null(timer.handle);
    loop = NULL; /* for close_loop */
}

/* ---- timers ---------------------------------------------------------------------------------- */

static unsigned fired;
static uint64_t fired_us;

static void stop_when_fired(struct loop_timer *timer) {
    assert_null(timer->handle);
    fired_us = loop_clock(loop)->monotonic_us;
    loop_stop(loop);
}

static void test_timer_once(void **state) {
    (void)state;
    struct loop_timer timer = {.fire = stop_when_fired};
    uint64_t started_us = clock_monotonic_us();
    assert_true(loop_timer_start(loop, &timer, 500000, 0));
    assert_true(loop_timer_start(loop, &timer, 30, 0)); /* anew */
    loop_run(loop);
    assert_in_range(fired_us - started_us, 29000, 5000000);
    assert_false(loop_timer_start(loop, &timer, 1, 0)); /* it has ended */
    loop_timer_stop(&timer);
}

static void count_to_five(struct loop_timer *timer) {
    assert_non_null(timer->handle);
    if (++fired == 5) {
        loop_timer_stop(timer);
        loop_timer_stop(timer);
        loop_stop(loop);
    }
}

static void test_timer_repeats(void **state) {
    (void)state;
    struct loop_timer timer = {.fire = count_to_five};
    fired = 0;
    assert_true(loop_timer_start(loop, &timer, 1, 2));
    loop_run(loop);
    assert_int_equal(fired, 5);
}

static void start_again(struct loop_timer *timer) {
    if (++fired < 5)
        assert_true(loop_timer_start(loop, timer, 1, 0));
    else
        loop_stop(loop);
}

static void test_timer_started_again_as_it_fires(void **state) {
    (void)state;
    struct loop_timer timer = {.fire = start_again};
    fired = 0;
    assert_true(loop_timer_start(loop, &timer, 1, 0));
    loop_run(loop);
    assert_int_equal(fired, 5);
}

/* ---- turns ----------------------------------------------------------------------------------- */

static unsigned turn_ends, turn_ends_at_fire;
static uint64_t clock_at_task;

static void note_turn_end(void *self) {
    assert_ptr_equal(self, &turn_ends);
    turn_ends++;
}

static void end_after_a_turn(struct loop_timer *timer) {
    (void)timer;
    assert_true(turn_ends > turn_ends_at_fire);
    loop_stop(loop);
}

static void note_fire(struct loop_timer *timer) {
    static struct loop_timer next = {.fire = end_after_a_turn};
    (void)timer;
    turn_ends_at_fire = turn_ends;
    assert_true(loop_timer_start(loop, &next, 5, 0));
}

static void test_turn_ends_after_timers(void **state) {
    (void)state;
    struct loop_timer timer = {.fire = note_fire};
    loop_at_turn_end(loop, note_turn_end, &turn_ends);
    assert_true(loop_timer_start(loop, &timer, 5, 0));
    loop_run(loop);
}

static void note_clock(struct loop_task *task) {
    (void)task;
    clock_at_task = loop_clock(loop)->monotonic_us;
    usleep(20000);
    assert_int_equal(loop_clock(loop)->monotonic_us, clock_at_task);
}

static void compare_clock(struct loop_timer *timer) {
    (void)timer;
    assert_true(loop_clock(loop)->monotonic_us >= clock_at_task + 20000);
    loop_stop(loop);
}

/* Read once a turn, and anew in the next. */
static void test_clock_stands_still_in_a_turn(void **state) {
    (void)state;
    struct loop_task task = {.run = note_clock};
    struct loop_timer timer = {.fire = compare_clock};
    uint64_t before_us = clock_monotonic_us();
    usleep(5000);
    loop_post(loop, &task);
    assert_true(loop_timer_start(loop, &timer, 30, 0));
    loop_run(loop);
    assert_true(clock_at_task >= before_us + 5000);
}

static void hang(struct loop_timer *timer) {
    (void)timer;
    usleep(250000);
    assert_in_range(loop_lag_us(loop), 100000, 5000000); /* while it hangs */
}

static void after_the_tick(struct loop_timer *timer) {
    (void)timer;
    assert_in_range(loop_lag_us(loop), 100000, 5000000);
    assert_in_range(loop_lag_us(loop), 0, 99999);
    loop_stop(loop);
}

static void test_lag(void **state) {
    (void)state;
    struct loop_timer first = {.fire = hang}, second = {.fire = after_the_tick};
    assert_true(loop_timer_start(loop, &first, 1, 0));
    assert_true(loop_timer_start(loop, &second, 300, 0));
    loop_run(loop);
}

/* ---- signals --------------------------------------------------------------------------------- */

static void stop_on_signal(void *self, int number) {
    assert_ptr_equal(self, &fired);
    assert_int_equal(number, SIGUSR1);
    loop_stop(loop);
}

static void raise_signal(struct loop_timer *timer) {
    (void)timer;
    assert_int_equal(raise(SIGUSR1), 0);
}

static void test_signal(void **state) {
    (void)state;
    struct loop_timer timer = {.fire = raise_signal};
    assert_true(loop_on_signal(loop, SIGUSR1, stop_on_signal, &fired));
    assert_false(loop_on_signal(loop, 12345, stop_on_signal, &fired));
    assert_true(loop_timer_start(loop, &timer, 1, 0));
    loop_run(loop);
}

#define loop_test(test) cmocka_unit_test_setup_teardown(test, open_loop, close_loop)

int main(void) {
    const struct CMUnitTest tests[] = {
        loop_test(test_tasks_of_threads_keep_their_order),
        loop_test(test_a_task_may_post_itself),
        loop_test(test_stopped_before_it_runs),
        loop_test(test_never_run),
        loop_test(test_timer_once),
        loop_test(test_timer_repeats),
        loop_test(test_timer_started_again_as_it_fires),
        loop_test(test_turn_ends_after_timers),
        loop_test(test_clock_stands_still_in_a_turn),
        loop_test(test_lag),
        loop_test(test_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
