/* The poll: reads the registry's feed, has every worker apply it, tells the other replicas, and
 * tells who waits for that. */
#include "server/changes.h"

#include <stdlib.h>
#include <unistd.h>

#include "server/answer.h"
#include "server/server.h"

/* How soon it is looked again whether the others have applied a change: at least so late, and an
 * eighth of the time that nothing was heard; so looking adds an eighth to what a revoke takes, and
 * a replica that hangs costs few looks. */
#define WATCH_MS_MIN 2
#define WATCH_SHARE 8

/* ---- the poll -------------------------------------------------------------------------------- */

static void feed_read(void *self, struct session *session) {
    struct changes *changes = self;
    changes->error.code = ERROR_NONE;
    if (session == NULL)
        (void)error_set(&changes->error, ERROR_REGISTRY_AWAY, NULL);
    else
        (void)!(store_replica_look(session, &changes->cursor, &changes->feed, changes->rows,
                                   &changes->row_count, &changes->error) &&
                keys_read(&changes->server->keys, session, &changes->feed, &changes->error));
}

static void fleet_take(struct changes *changes) {
    pthread_mutex_lock(&changes->fleet_lock);
    fleet_look(&changes->fleet, changes->rows, changes->row_count, changes->feed.is_foreign,
               clock_monotonic_us());
    pthread_mutex_unlock(&changes->fleet_lock);
    atomic_store(&changes->live, fleet_live(&changes->fleet));
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

/* ---- two histories --------------------------------------------------------------------------- */

static void epoch_work(struct registry_job *job, struct session *session) {
    struct changes *changes = container_of(job, struct changes, epoch_job);
    struct error error;
    changes->is_ended =
        store_epoch_end(session, changes->forked_epoch, changes->next_epoch, &error);
}

static void epoch_done(struct registry_job *job) {
    struct changes *changes = container_of(job, struct changes, epoch_job);
    changes->is_ending = false;
    if (!changes->is_ended)
        return; /* the next poll finds them again */
    log_event(changes->server->log, LOG_WARNING, "registry",
              "an earlier state of the registry was restored while it was served: "
              "all that was remembered of it is void");
    changes_poll(changes);
}

/* The store was put back, and others may remember what has happened in neither history, or only in
 * the one that is lost, under numbers of this one: they know it by the epoch. Until it has ended
 * nothing is applied, and no lease renewed. */
static void epoch_end(struct changes *changes) {
    if (changes->is_ending)
        return;
    changes->forked_epoch = changes->feed.epoch;
    random_bytes(&changes->server->random, &changes->next_epoch, sizeof(changes->next_epoch));
    changes->next_epoch >>= 1;
    changes->is_ending = registry_submit(changes->server->options.registry, &changes->epoch_job);
}

/* On the main thread, with the answer. */
static void poll_done(struct registry_job *job) {
    struct changes *changes = container_of(job, struct changes, job);
    struct server *server = changes->server;
    state_log(changes, !error_is(&changes->error));
    if (error_is(&changes->error) || changes->feed.is_forked) {
        if (!error_is(&changes->error))
            epoch_end(changes);
        poll_end(changes);
        return;
    }
    fleet_take(changes);
    keys_take(&server->keys);
    changes->state = CHANGES_APPLYING;
    changes->applying = server->worker_count;
    for (size_t i = 0; i < server->worker_count; i++)
        loop_post(server->workers[i]->loop, &server->workers[i]->apply_task);
}

/* ---- telling the registry -------------------------------------------------------------------- */

static bool report_send(struct changes *changes, struct session *session, struct error *error) {
    const struct replica *self = &changes->report_self;
    if (changes->is_adding)
        return store_replica_add(session, self, error);
    return store_replica_report(session, &self->id, &changes->report_place, self->seen_s, error);
}

/* On the registry's writer (and by changes_open). */
static void report_run(void *self, struct session *session) {
    struct changes *changes = self;
    struct error error;
    changes->is_report_taken = changes->has_report && report_send(changes, session, &error);
    if (!uuid_equal(&changes->dead.id, &(struct uuid){0}) &&
        !store_replica_drop(session, &changes->report_self, &changes->report_place, &changes->dead,
                            &error))
        changes->dead = (struct replica){0};
}

static void report_work(struct registry_job *job, struct session *session) {
    report_run(container_of(job, struct changes, report_job), session);
}

/* The job works on copies: polls go on meanwhile. */
static void report_prepare(struct changes *changes, uint64_t now_us) {
    const struct replica *dead = fleet_dead(&changes->fleet, now_us);
    changes->has_report = fleet_must_report(&changes->fleet, now_us);
    changes->is_adding = !changes->fleet.is_listed;
    changes->report_job.is_each = !changes->is_adding;
    changes->report_self = changes->fleet.self.row;
    changes->report_self.seen_s = clock_wall_s();
    if (changes->is_adding) { /* whoever watches it sees that this is not its last life */
        random_bytes(&changes->server->random, &changes->report_self.beat, sizeof(uint64_t));
        changes->report_self.beat >>= 2;
    }
    changes->dead = dead != NULL ? *dead : (struct replica){0};
    changes->report_sent_us = now_us;
    changes->report_place = changes->fleet.applied;
}

static void report_submit(struct changes *changes) {
    if (changes->is_reporting)
        return;
    report_prepare(changes, clock_monotonic_us());
    changes->is_reporting =
        (changes->has_report || changes->dead.name[0] != '\0') &&
        registry_submit(changes->server->options.registry, &changes->report_job);
}

static void report_end(struct changes *changes) {
    pthread_mutex_lock(&changes->fleet_lock);
    if (changes->is_report_taken)
        fleet_told(&changes->fleet, &changes->report_place, changes->report_sent_us);
    fleet_dropped(&changes->fleet, &changes->dead.id, clock_monotonic_us());
    pthread_mutex_unlock(&changes->fleet_lock);
}

static void report_done(struct registry_job *job) {
    struct changes *changes = container_of(job, struct changes, report_job);
    struct fleet *fleet = &changes->fleet;
    report_end(changes);
    changes->is_reporting = false;
    if (changes->dead.name[0] != '\0')
        log_event(changes->server->log, LOG_WARNING, "replica",
                  "%s was not heard of for longer than the lease: nobody waits for it any more",
                  changes->dead.name);
    /* Being listed counts from the next poll on; so does who is no longer waited for. */
    if (!fleet->is_listed || changes->dead.name[0] != '\0')
        changes_poll(changes);
    else if (changes->is_report_taken)
        report_submit(changes); /* more was applied meanwhile */
}

/* ---- telling who waits ----------------------------------------------------------------------- */

static void on_watch(struct loop_timer *timer) {
    changes_poll(container_of(timer, struct changes, watch_timer));
}

/* While a change of ours waits for others it is looked at again soon; in the end its lease runs
 * out. */
static void watch(struct changes *changes, uint64_t now_us) {
    const struct fleet *fleet = &changes->fleet;
    uint64_t limit_us = fleet->lease_us + fleet->margin_us;
    bool is_waiting = atomic_load(&changes->wanted_seq) > atomic_load(&changes->acknowledged) &&
                      now_us < atomic_load(&changes->wanted_us) + limit_us;
    if (!is_waiting) {
        changes->heard_us = 0;
        return;
    }
    if (changes->heard_us == 0)
        changes->heard_us = now_us;
    uint64_t poll_ms = changes->server->settings->poll_ms;
    uint64_t next_ms = WATCH_MS_MIN + (now_us - changes->heard_us) / 1000 / WATCH_SHARE;
    (void)!loop_timer_start(changes->server->loop, &changes->watch_timer,
                            (uint32_t)(next_ms < poll_ms ? next_ms : poll_ms), 0);
}

static void acknowledge(struct changes *changes, uint64_t now_us) {
    struct server *server = changes->server;
    uint64_t seq = fleet_acknowledged(&changes->fleet, now_us);
    bool has_moved = seq != atomic_load(&changes->acknowledged) ||
                     changes->cursor.epoch != atomic_load(&changes->epoch);
    if (has_moved)
        changes->heard_us = 0;
    atomic_store(&changes->epoch, changes->cursor.epoch);
    atomic_store(&changes->acknowledged, seq);
    for (size_t i = 0; has_moved && i < server->worker_count; i++)
        loop_post(server->workers[i]->loop, &server->workers[i]->acknowledge_task);
}

/* On the main thread: every worker has applied the feed. */
static void all_applied(struct changes *changes) {
    uint64_t now_us = clock_monotonic_us();
    changes->cursor = (struct place){changes->feed.epoch, changes->feed.seq, changes->feed.mark};
    pthread_mutex_lock(&changes->fleet_lock);
    fleet_applied(&changes->fleet, &changes->feed, now_us);
    pthread_mutex_unlock(&changes->fleet_lock);
    hints_cut(&changes->server->hints, &changes->feed);
    acknowledge(changes, now_us);
    report_submit(changes);
    watch(changes, now_us);
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
    keys_apply(worker);
    if (freshness_apply(&worker->freshness, feed, &changes->fleet.look)) {
        cache_clear(&worker->cache);
        metric_set(&worker->metrics, METRIC_L1_ENTRIES, 0);
        metric_set(&worker->metrics, METRIC_L1_BYTES, 0);
    } else if (has_moved) {
        cache_unknown_clear(&worker->cache);
    }
    metric_add(&worker->metrics, METRIC_CHANGES_APPLIED, feed->count);
    atomic_store(&worker->fresh_until_us, worker->freshness.fresh_until_us);
}

static void acknowledge_run(struct loop_task *task) {
    struct worker *worker = container_of(task, struct worker, acknowledge_task);
    const struct changes *changes = &worker->server->changes;
    mint_acknowledged(&worker->mint, atomic_load(&changes->epoch),
                      atomic_load(&changes->acknowledged));
}

void changes_poll(struct changes *changes) {
    changes->poll_again = changes->state != CHANGES_IDLE;
    if (changes->poll_again)
        return;
    changes->state = CHANGES_ASKING;
    fleet_ask(&changes->fleet, clock_monotonic_us());
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

/* On the registry's writer; or, with 0, on the thread that hears of the changes of others. */
static void commit_hint(void *self, uint64_t seq) {
    struct changes *changes = self;
    if (seq != 0) {
        atomic_store(&changes->wanted_us, clock_monotonic_us());
        atomic_store(&changes->wanted_seq, seq);
        hints_publish(&changes->server->hints);
    }
    changes_hint(changes);
}

struct receipt {
    struct buffer *out;
    uint64_t slowest_us;
    bool is_everywhere;
};

static void milliseconds_write(struct buffer *out, uint64_t us) {
    if (us == UINT64_MAX)
        answer_raw(out, "milliseconds", TEXT("null"));
    else
        answer_number(out, "milliseconds", (us + 999) / 1000);
}

static void receipt_each(void *self, const struct replica *replica, uint64_t us) {
    struct receipt *receipt = self;
    receipt->is_everywhere &= us != UINT64_MAX;
    answer_key(receipt->out, NULL);
    buffer_byte(receipt->out, '{');
    answer_uuid(receipt->out, "id", &replica->id);
    answer_text(receipt->out, "name", text_of(replica->name));
    milliseconds_write(receipt->out, us);
    buffer_byte(receipt->out, '}');
}

#define RECEIPT_BYTES 256
#define RECEIPT_ROW_BYTES (128 + 6 * REPLICA_NAME_BYTES)

void changes_receipt(struct changes *changes, struct request *request) {
    uint64_t now_us = request->mint->clock->monotonic_us;
    uint64_t took_us = now_us - request->committed_us;
    size_t room = RECEIPT_BYTES + (1 + REPLICAS_MAX) * RECEIPT_ROW_BYTES;
    pthread_mutex_lock(&changes->fleet_lock);
    if (changes->fleet.peer_count < REPLICAS_MAX)
        room = RECEIPT_BYTES + (1 + changes->fleet.peer_count) * RECEIPT_ROW_BYTES;
    struct receipt receipt = {.out = request_out(request, room), .is_everywhere = true};
    if (receipt.out != NULL) {
        answer_raw(receipt.out, "applied", TEXT("{"));
        answer_key(receipt.out, "seq");
        buffer_format(receipt.out, "\"%llu\"", (unsigned long long)request->seq);
        answer_raw(receipt.out, "replicas", TEXT("["));
        fleet_spread(&changes->fleet, request->seq, request->committed_us, receipt_each, &receipt);
        buffer_byte(receipt.out, ']');
        answer_bool(receipt.out, "everywhere", receipt.is_everywhere);
        milliseconds_write(receipt.out, took_us);
        buffer_byte(receipt.out, '}');
    }
    pthread_mutex_unlock(&changes->fleet_lock);
}

/* ---- open, leave ----------------------------------------------------------------------------- */

static void name_write(const struct server *server, struct buffer *out) {
    char host[65] = "";
    (void)gethostname(host, sizeof(host) - 1);
    buffer_put(out, host);
    buffer_byte(out, ' ');
    buffer_put(out, server->address);
}

static void fleet_make(struct changes *changes, struct server *server) {
    char name[REPLICA_NAME_BYTES * 4] = "";
    struct buffer out = buffer_over(name, sizeof(name) - 1);
    name_write(server, &out);
    struct fleet_options options = {
        .id = server->options.replica_id,
        .name = name,
        .lease_us = server->settings->lease_ms * 1000,
        .margin_us = server->settings->lease_margin_ms * 1000,
    };
    if (uuid_equal(&options.id, &(struct uuid){0}))
        random_uuid(&server->random, &options.id);
    fleet_open(&changes->fleet, &options);
}

static void leave_run(void *self, struct session *session) {
    struct changes *changes = self;
    struct error error;
    (void)!store_replica_remove(session, &changes->report_self.id, &error);
}

/* Listed, then polled. Where the registry takes no changes that is made up for by a later poll. */
static bool first_poll(struct changes *changes, struct error *ret_error) {
    struct registry *registry = changes->server->options.registry;
    report_prepare(changes, clock_monotonic_us());
    registry_run(registry, true, leave_run, changes); /* whose place this process takes */
    registry_run(registry, true, report_run, changes);
    report_end(changes);
    fleet_ask(&changes->fleet, clock_monotonic_us());
    registry_run(registry, false, feed_read, changes);
    if (error_is(&changes->error)) {
        *ret_error = changes->error;
        return false;
    }
    fleet_take(changes);
    return true;
}

bool changes_open(struct changes *changes, struct server *server, struct error *ret_error) {
    changes->server = server;
    changes->is_up = true;
    changes->job =
        (struct registry_job){.work = poll_work, .done = poll_done, .loop = server->loop};
    changes->report_job = (struct registry_job){
        .is_write = true, .work = report_work, .done = report_done, .loop = server->loop};
    changes->epoch_job = (struct registry_job){.is_write = true,
                                               .is_each = true,
                                               .work = epoch_work,
                                               .done = epoch_done,
                                               .loop = server->loop};
    changes->hint_task.run = hint_run;
    changes->watch_timer.fire = on_watch;
    check(pthread_mutex_init(&changes->fleet_lock, NULL) == 0);
    fleet_make(changes, server);
    if (!first_poll(changes, ret_error))
        return false;
    keys_take(&server->keys);
    changes->cursor = (struct place){changes->feed.epoch, changes->feed.seq, changes->feed.mark};
    fleet_applied(&changes->fleet, &changes->feed, clock_monotonic_us());
    atomic_store(&changes->epoch, changes->feed.epoch);
    atomic_store(&changes->acknowledged, fleet_acknowledged(&changes->fleet, clock_monotonic_us()));
    for (size_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i];
        worker->apply_task.run = apply_run;
        worker->applied_task.run = one_applied;
        worker->acknowledge_task.run = acknowledge_run;
        changes_apply(worker);
        mint_acknowledged(&worker->mint, changes->epoch, changes->acknowledged);
    }
    registry_on_commit(server->options.registry, commit_hint, changes);
    return true;
}

void changes_leave(struct changes *changes) {
    registry_run(changes->server->options.registry, true, leave_run, changes);
}

void changes_close(struct changes *changes) {
    if (changes->server != NULL)
        pthread_mutex_destroy(&changes->fleet_lock);
}
