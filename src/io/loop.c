/* The event loop: libuv's, with a cached clock, tasks from other threads and calls at a turn's end.
 * */
#include "io/loop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"
#include "io/loop_parts.h"

#define LOOP_MAGIC 0x6c6f6f70U
#define TURN_END_CALLS_MAX 4
#define TICK_MS 100

/* A running timer, between the owner's struct and libuv's. */
struct timer {
    uv_timer_t uv;
    struct queue link; /* the loop's */
    struct loop *loop;
    struct loop_timer *owner;
    bool is_once;
};

struct signal {
    uv_signal_t uv;
    struct queue link;
    struct loop *loop;
    void (*call)(void *self, int number);
    void *self;
};

struct loop {
    uint32_t magic;
    bool clock_is_read; /* in this turn */
    bool has_ended;
    _Atomic bool is_stopped;
    _Atomic(struct loop_task *) tasks; /* the newest first */
    _Atomic uint64_t tick_due_us;
    _Atomic uint64_t lag_worst_us;
    uv_loop_t uv;
    uv_async_t async;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_timer_t tick;
    struct slab timer_memory;
    struct queue timers;
    struct queue signals;
    struct queue parts;
    size_t call_count;
    struct {
        void (*call)(void *self);
        void *self;
    } calls[TURN_END_CALLS_MAX];
    struct clock clock;
};

uv_loop_t *loop_uv(struct loop *loop) {
    magic_check(loop, LOOP_MAGIC);
    return &loop->uv;
}

const struct clock *loop_clock(const struct loop *loop) {
    magic_check(loop, LOOP_MAGIC);
    return &loop->clock;
}

void loop_wake(struct loop *loop) {
    if (loop->clock_is_read)
        return;
    clock_update(&loop->clock);
    loop->clock_is_read = true;
}

/* ---- a turn ---------------------------------------------------------------------------------- */

static bool parts_flush(struct loop *loop) {
    bool again = false;
    for (struct queue *link = loop->parts.next; link != &loop->parts; link = link->next) {
        struct loop_part *part = container_of(link, struct loop_part, link);
        if (part->flush != NULL && part->flush(part))
            again = true;
    }
    return again;
}

static void turn_end(struct loop *loop) {
    do {
        for (size_t i = 0; i < loop->call_count; i++)
            loop->calls[i].call(loop->calls[i].self);
    } while (parts_flush(loop));
    loop->clock_is_read = false;
}

void loop_turn_break(struct loop *loop) {
    turn_end(loop);
    loop_wake(loop);
}

/* Timers may run between two polls (libuv's order differs by version), and what they queue must not
 * wait for the next event. */
static void on_before_poll(uv_prepare_t *handle) {
    turn_end(handle->data);
}

static void on_after_poll(uv_check_t *handle) {
    struct loop *loop = handle->data;
    loop_wake(loop);
    turn_end(loop);
}

/* ---- tasks from other threads ---------------------------------------------------------------- */

void loop_post(struct loop *loop, struct loop_task *task) {
    magic_check(loop, LOOP_MAGIC);
    struct loop_task *newest = atomic_load_explicit(&loop->tasks, memory_order_relaxed);
    do
        task->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&loop->tasks, &newest, task, memory_order_release,
                                                  memory_order_relaxed));
    /* Whoever posted onto an empty list has woken the loop, or is about to. */
    if (newest == NULL)
        check(uv_async_send(&loop->async) == 0);
}

static void tasks_run(struct loop *loop) {
    struct loop_task *newest = atomic_exchange_explicit(&loop->tasks, NULL, memory_order_acquire);
    struct loop_task *oldest = NULL;
    while (newest != NULL) {
        struct loop_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct loop_task *task = oldest;
        oldest = task->next;
        task->run(task);
    }
}

static void on_async(uv_async_t *handle) {
    struct loop *loop = handle->data;
    loop_wake(loop);
    tasks_run(loop);
    if (atomic_load(&loop->is_stopped) && !loop->has_ended)
        uv_stop(&loop->uv);
}

void loop_stop(struct loop *loop) {
    magic_check(loop, LOOP_MAGIC);
    atomic_store(&loop->is_stopped, true);
    check(uv_async_send(&loop->async) == 0);
}

/* ---- timers and signals ---------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *handle) {
    struct timer *timer = handle->data;
    slab_put(&timer->loop->timer_memory, timer);
}

static void timer_close(struct timer *timer) {
    timer->owner->handle = NULL;
    queue_remove(&timer->link);
    uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
}

static void on_timer(uv_timer_t *handle) {
    struct timer *timer = handle->data;
    struct loop_timer *owner = timer->owner;
    loop_wake(timer->loop);
    if (timer->is_once)
        timer_close(timer);
    owner->fire(owner);
}

static struct timer *timer_make(struct loop *loop, struct loop_timer *owner) {
    struct timer *timer = slab_get(&loop->timer_memory);
    if (timer == NULL)
        return NULL;
    timer->loop = loop;
    timer->owner = owner;
    timer->uv.data = timer;
    queue_push(&loop->timers, &timer->link);
    check(uv_timer_init(&loop->uv, &timer->uv) == 0);
    owner->handle = timer;
    return timer;
}

bool loop_timer_start(struct loop *loop, struct loop_timer *timer, uint32_t after_ms,
                      uint32_t repeat_ms) {
    magic_check(loop, LOOP_MAGIC);
    check(timer->fire != NULL);
    if (loop->has_ended)
        return false;
    struct timer *running = timer->handle != NULL ? timer->handle : timer_make(loop, timer);
    if (running == NULL)
        return false;
    running->is_once = repeat_ms == 0;
    check(uv_timer_start(&running->uv, on_timer, after_ms, repeat_ms) == 0);
    return true;
}

void loop_timer_stop(struct loop_timer *timer) {
    if (timer->handle != NULL)
        timer_close(timer->handle);
}

static void on_signal(uv_signal_t *handle, int number) {
    struct signal *signal = handle->data;
    loop_wake(signal->loop);
    signal->call(signal->self, number);
}

static void on_signal_closed(uv_handle_t *handle) {
    free(handle->data);
}

bool loop_on_signal(struct loop *loop, int number, void (*call)(void *self, int number),
                    void *self) {
    magic_check(loop, LOOP_MAGIC);
    struct signal *signal = calloc(1, sizeof(*signal));
    if (signal == NULL || uv_signal_init(&loop->uv, &signal->uv) != 0) {
        free(signal);
        return false;
    }
    signal->loop = loop;
    signal->call = call;
    signal->self = self;
    signal->uv.data = signal;
    queue_push(&loop->signals, &signal->link);
    return uv_signal_start(&signal->uv, on_signal, number) == 0;
}

/* ---- lag ------------------------------------------------------------------------------------- */

static uint64_t lag_now_us(struct loop *loop, uint64_t now_us) {
    uint64_t due_us = atomic_load(&loop->tick_due_us);
    return now_us > due_us ? now_us - due_us : 0;
}

static void on_tick(uv_timer_t *handle) {
    struct loop *loop = handle->data;
    loop_wake(loop);
    uint64_t now_us = loop->clock.monotonic_us;
    uint64_t lag_us = lag_now_us(loop, now_us);
    if (lag_us > atomic_load(&loop->lag_worst_us))
        atomic_store(&loop->lag_worst_us, lag_us);
    atomic_store(&loop->tick_due_us, now_us + TICK_MS * 1000);
}

uint64_t loop_lag_us(struct loop *loop) {
    magic_check(loop, LOOP_MAGIC);
    uint64_t worst_us = atomic_exchange(&loop->lag_worst_us, 0);
    uint64_t lag_us = lag_now_us(loop, clock_monotonic_us());
    return lag_us > worst_us ? lag_us : worst_us;
}

/* ---- open, run, end -------------------------------------------------------------------------- */

static void loop_arm(struct loop *loop) {
    check(uv_prepare_init(&loop->uv, &loop->before_poll) == 0);
    check(uv_check_init(&loop->uv, &loop->after_poll) == 0);
    check(uv_timer_init(&loop->uv, &loop->tick) == 0);
    loop->async.data = loop->before_poll.data = loop->after_poll.data = loop->tick.data = loop;
    check(uv_prepare_start(&loop->before_poll, on_before_poll) == 0);
    check(uv_check_start(&loop->after_poll, on_after_poll) == 0);
    check(uv_timer_start(&loop->tick, on_tick, TICK_MS, TICK_MS) == 0);
    /* Once the loop ends these run on, and keep it from nothing. */
    uv_unref((uv_handle_t *)&loop->before_poll);
    uv_unref((uv_handle_t *)&loop->after_poll);
    uv_unref((uv_handle_t *)&loop->tick);
}

bool loop_open(struct loop **ret_loop, struct error *ret_error) {
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    int status = uv_loop_init(&loop->uv);
    if (status == 0) {
        status = uv_async_init(&loop->uv, &loop->async, on_async);
        if (status != 0)
            (void)uv_loop_close(&loop->uv);
    }
    if (status != 0) {
        free(loop);
        return error_set(ret_error, ERROR_OVERLOADED, "%s", uv_strerror(status));
    }
    (void)signal(SIGPIPE, SIG_IGN);
    loop->magic = LOOP_MAGIC;
    slab_open(&loop->timer_memory, sizeof(struct timer), 0);
    queue_init(&loop->timers);
    queue_init(&loop->signals);
    queue_init(&loop->parts);
    clock_update(&loop->clock);
    atomic_store(&loop->tick_due_us, loop->clock.monotonic_us + TICK_MS * 1000);
    loop_arm(loop);
    *ret_loop = loop;
    return true;
}

void loop_at_turn_end(struct loop *loop, void (*call)(void *self), void *self) {
    magic_check(loop, LOOP_MAGIC);
    check(loop->call_count < TURN_END_CALLS_MAX);
    loop->calls[loop->call_count].call = call;
    loop->calls[loop->call_count++].self = self;
}

void loop_part_add(struct loop *loop, struct loop_part *part) {
    magic_check(loop, LOOP_MAGIC);
    check(!loop->has_ended);
    queue_push(&loop->parts, &part->link);
}

void loop_part_remove(struct loop_part *part) {
    queue_remove(&part->link);
}

static void parts_end(struct loop *loop) {
    while (!queue_is_empty(&loop->parts)) {
        struct queue *last = loop->parts.prev;
        queue_remove(last);
        struct loop_part *part = container_of(last, struct loop_part, link);
        part->end(part);
    }
    while (!queue_is_empty(&loop->timers))
        timer_close(container_of(loop->timers.next, struct timer, link));
    for (struct queue *link; (link = queue_pop(&loop->signals)) != NULL;) {
        struct signal *signal = container_of(link, struct signal, link);
        uv_close((uv_handle_t *)&signal->uv, on_signal_closed);
    }
}

void loop_end(struct loop *loop) {
    magic_check(loop, LOOP_MAGIC);
    if (loop->has_ended)
        return;
    loop->has_ended = true;
    parts_end(loop);
    uv_unref((uv_handle_t *)&loop->async);
    check(uv_run(&loop->uv, UV_RUN_DEFAULT) == 0);
}

void loop_run(struct loop *loop) {
    magic_check(loop, LOOP_MAGIC);
    atomic_store(&loop->tick_due_us, clock_monotonic_us() + TICK_MS * 1000);
    while (!loop->has_ended && !atomic_load(&loop->is_stopped))
        (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    loop_end(loop);
}

void loop_close(struct loop *loop) {
    if (loop == NULL)
        return;
    loop_end(loop);
    uv_close((uv_handle_t *)&loop->async, NULL);
    uv_close((uv_handle_t *)&loop->before_poll, NULL);
    uv_close((uv_handle_t *)&loop->after_poll, NULL);
    uv_close((uv_handle_t *)&loop->tick, NULL);
    check(uv_run(&loop->uv, UV_RUN_DEFAULT) == 0);
    check(uv_loop_close(&loop->uv) == 0);
    slab_close(&loop->timer_memory);
    loop->magic = 0;
    free(loop);
}
