/* The poll: reads the registry's feed, has every worker apply it, and tells who waits for that. */
#include "server/changes.h"

#include <stdlib.h>

#include "server/server.h"

static void feed_read(void *self, struct session *session) {
    struct changes *changes = self;
    changes->error.code = ERROR_NONE;
    if (session == NULL)
        (void)error_set(&changes->error, ERROR_REGISTRY_AWAY, NULL);
    else
        (void)!store_feed(session, changes->epoch, changes->cursor, &changes->feed,
                          &changes->error);
}

/* On a registry thread. */
static void poll_work(struct registry_job *job, struct session *session) {
    feed_read(container_of(job, struct changes, job), session);
}

static void poll_end(struct changes *changes) {
    changes->state = CHANGES_IDLE;
    if (changes->poll_again)
        changes_poll(changes);
}

static void state_log(struct changes *changes, bool is_up) {
    char message[512];
    struct buffer out = buffer_over(message, sizeof(message) - 1);
    if (changes->is_up == is_up)
        return;
    changes->is_up = is_up;
    if (is_up)
        buffer_put(&out, "the registry answers again");
    else
        error_message(&changes->error, &out);
    message[out.len] = '\0';
    log_event(changes->server->log, is_up ? LOG_INFO : LOG_ERROR, "registry", "%s", message);
}

/* On the main thread, with the answer. */
static void poll_done(struct registry_job *job) {
    struct changes *changes = container_of(job, struct changes, job);
    struct server *server = changes->server;
    state_log(changes, !error_is(&changes->error));
    if (error_is(&changes->error)) {
        poll_end(changes);
        return;
    }
    changes->state = CHANGES_APPLYING;
    changes->applying = server->worker_count;
    for (size_t i = 0; i < server->worker_count; i++)
        loop_post(server->workers[i]->loop, &server->workers[i]->apply_task);
}

/* On the main thread: every worker has applied the feed. */
static void all_applied(struct changes *changes) {
    struct server *server = changes->server;
    bool has_moved = changes->cursor != changes->feed.seq || changes->epoch != changes->feed.epoch;
    changes->epoch = changes->feed.epoch;
    changes->cursor = changes->feed.seq;
    for (size_t i = 0; has_moved && i < server->worker_count; i++)
        loop_post(server->workers[i]->loop, &server->workers[i]->acknowledge_task);
    poll_end(changes);
}

/* On the main thread: one worker has. */
static void one_applied(struct loop_task *task) {
    struct worker *worker = container_of(task, struct worker, applied_task);
    struct changes *changes = &worker->server->changes;
    check(changes->state == CHANGES_APPLYING && changes->applying > 0);
    if (--changes->applying == 0)
        all_applied(changes);
}

/* On a worker's loop. The feed stands still until all have applied it. */
static void apply_run(struct loop_task *task) {
    struct worker *worker = container_of(task, struct worker, apply_task);
    changes_apply(worker);
    loop_post(worker->server->loop, &worker->applied_task);
}

void changes_apply(struct worker *worker) {
    const struct changes *changes = &worker->server->changes;
    const struct feed *feed = &changes->feed;
    bool has_moved = worker->freshness.cursor != feed->seq;
    /* What was accepted before the cut is signed before it, for soon the cut is acknowledged. */
    mint_turn_end(&worker->mint);
    if (freshness_apply(&worker->freshness, feed, changes->asked_us))
        cache_clear(&worker->cache);
    else if (has_moved)
        cache_unknown_clear(&worker->cache);
    metric_add(&worker->metrics, METRIC_CHANGES_APPLIED, feed->count);
    atomic_store(&worker->fresh_until_us, worker->freshness.fresh_until_us);
}

static void acknowledge_run(struct loop_task *task) {
    struct worker *worker = container_of(task, struct worker, acknowledge_task);
    mint_acknowledged(&worker->mint, worker->freshness.cursor);
}

void changes_poll(struct changes *changes) {
    changes->poll_again = changes->state != CHANGES_IDLE;
    if (changes->poll_again)
        return;
    changes->state = CHANGES_ASKING;
    changes->asked_us = clock_monotonic_us();
    if (!registry_submit(changes->server->options.registry, &changes->job)) {
        (void)error_set(&changes->error, ERROR_OVERLOADED, "requests for the registry");
        changes->state = CHANGES_IDLE;
    }
}

static void hint_run(struct loop_task *task) {
    struct changes *changes = container_of(task, struct changes, hint_task);
    atomic_store(&changes->is_hinted, false);
    changes_poll(changes);
}

void changes_hint(struct changes *changes) {
    if (!atomic_exchange(&changes->is_hinted, true))
        loop_post(changes->server->loop, &changes->hint_task);
}

static void commit_hint(void *self, uint64_t seq) {
    (void)seq;
    changes_hint(self);
}

bool changes_open(struct changes *changes, struct server *server, struct error *ret_error) {
    *changes = (struct changes){.server = server, .is_up = true};
    changes->job =
        (struct registry_job){.work = poll_work, .done = poll_done, .loop = server->loop};
    changes->hint_task.run = hint_run;
    changes->asked_us = clock_monotonic_us();
    registry_run(server->options.registry, false, feed_read, changes);
    if (error_is(&changes->error)) {
        *ret_error = changes->error;
        return false;
    }
    changes->epoch = changes->feed.epoch;
    changes->cursor = changes->feed.seq;
    for (size_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i];
        worker->apply_task.run = apply_run;
        worker->applied_task.run = one_applied;
        worker->acknowledge_task.run = acknowledge_run;
        changes_apply(worker);
        mint_acknowledged(&worker->mint, changes->cursor);
    }
    registry_on_commit(server->options.registry, commit_hint, changes);
    return true;
}
