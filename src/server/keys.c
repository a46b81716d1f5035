/* The signing keys of this replica: read with the poll, handed to the workers, rotated in time. */
#include "server/keys.h"

#include <stdlib.h>

#include "server/server.h"

#define SECOND_US 1000000
#define TICK_MS 250
#define NEVER_S_MIN ((int64_t)1 << 40)
/* After a try that the registry's clock did not allow yet. */
#define RETRY_S_MAX 60
/* A key that is so much older than the schedule says is told of, this often. */
#define OVERDUE_S 3600
#define TELL_US ((uint64_t)86400 * SECOND_US)

/* ---- a keyring and its JWKS ------------------------------------------------------------------ */

void published_release(struct published *published) {
    if (published == NULL ||
        atomic_fetch_sub_explicit(&published->references, 1, memory_order_acq_rel) > 1)
        return;
    keyring_release(published->keyring);
    jwks_free(&published->jwks);
    free(published);
}

static struct published *published_hold(struct published *published) {
    (void)atomic_fetch_add_explicit(&published->references, 1, memory_order_relaxed);
    return published;
}

static bool published_make(const struct master_key *master, const struct key_set *set,
                           struct published **ret_published, struct error *ret_error) {
    struct published *published = calloc(1, sizeof(*published));
    if (published == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    atomic_init(&published->references, 1);
    if (!keyring_open(master, set->keys, set->count, &published->keyring, ret_error) ||
        !jwks_make(&published->jwks, published->keyring, ret_error)) {
        published_release(published);
        return false;
    }
    *ret_published = published;
    return true;
}

/* ---- times ----------------------------------------------------------------------------------- */

static int64_t seconds_up(uint64_t ms) {
    return (int64_t)((ms + 999) / 1000);
}

static int64_t lateness_s(const struct settings *settings) {
    return seconds_up(settings->poll_ms + settings->lease_ms + settings->lease_margin_ms);
}

/* Verifiers may be late by as much as mintd itself allows for. */
static int64_t keep_s(const struct settings *settings) {
    return (int64_t)(settings->max_ttl_s + settings->not_before_skew_s + settings->jwks_max_age_s) +
           lateness_s(settings);
}

void keys_settings(struct keys *keys) {
    int64_t wanted_s = keep_s(keys->server->settings);
    if (wanted_s > atomic_load(&keys->keep_s))
        atomic_store(&keys->keep_s, wanted_s);
}

struct key_times keys_times(const struct keys *keys) {
    return (struct key_times){.publish_s = keys->publish_s,
                              .keep_s = atomic_load(&keys->keep_s),
                              .rotate_s = keys->rotate_s};
}

/* The registry's time, as far as it is known without asking. */
static int64_t now_s(const struct keys *keys) {
    return keys->set.now_s + (int64_t)((clock_monotonic_us() - keys->read_us) / SECOND_US);
}

/* ---- taken on -------------------------------------------------------------------------------- */

static size_t key_index(const struct key_set *set, const char *kid) {
    size_t i = 0;
    while (i < set->count && strcmp(set->keys[i].kid, kid) != 0)
        i++;
    return i;
}

/* Not before, by this process' own clock: a wait that has begun goes on as it is. */
static uint64_t ready_us(const struct keys *keys, const struct key_set *set, size_t index) {
    const struct key_times times = keys_times(keys);
    const struct key_record *key = &set->keys[index];
    size_t known = key_index(&keys->set, key->kid);
    bool is_known = known < keys->set.count && keys->set.keys[known].state == key->state;
    bool is_replaced =
        key->state == KEY_ACTIVE && key_find(set->keys, set->count, KEY_PENDING) < set->count;
    struct key_plan plan = key_plan(key, 1, &times, set->now_s);
    int64_t wait_s = plan.step == KEY_STEP_NONE ? plan.next_s - set->now_s : 0;
    if (is_known && key->state != KEY_ACTIVE)
        return keys->ready_us[known];
    if (is_replaced || wait_s > NEVER_S_MIN)
        return UINT64_MAX;
    return keys->read_us + (uint64_t)wait_s * SECOND_US;
}

static void key_log(struct log *log, const struct key_record *key, struct text state) {
    struct log_line line;
    log_begin(&line, log, LOG_INFO, "key");
    log_text(&line, "kid", text_of(key->kid));
    log_text(&line, "state", state);
    log_end(&line);
}

/* Every replica tells what it sees, whoever made it so. */
static void changes_log(const struct keys *keys, const struct key_set *next) {
    struct log *log = keys->server->log;
    for (size_t i = 0; i < next->count; i++) {
        size_t known = key_index(&keys->set, next->keys[i].kid);
        if (known == keys->set.count || keys->set.keys[known].state != next->keys[i].state)
            key_log(log, &next->keys[i], key_state_name(next->keys[i].state));
    }
    for (size_t i = 0; i < keys->set.count; i++)
        if (key_index(next, keys->set.keys[i].kid) == next->count)
            key_log(log, &keys->set.keys[i], TEXT("gone"));
}

static void set_take(struct keys *keys) {
    uint64_t ready[KEYRING_KEYS_MAX];
    changes_log(keys, &keys->next_set);
    keys->read_us = clock_monotonic_us();
    for (size_t i = 0; i < keys->next_set.count; i++)
        ready[i] = ready_us(keys, &keys->next_set, i);
    memcpy(keys->ready_us, ready, keys->next_set.count * sizeof(ready[0]));
    keys->set = keys->next_set;
    keys->retry_us = 0;
}

void keys_take(struct keys *keys) {
    if (!keys->is_read)
        return;
    keys->is_read = false;
    if (keys->next == NULL) {
        log_event(keys->server->log, LOG_ERROR, "keys",
                  "the registry's keys cannot be used, so those known before sign on: %s",
                  keys->next_error.subject);
        return;
    }
    published_release(keys->current);
    keys->current = keys->next;
    keys->next = NULL;
    set_take(keys);
}

void keys_apply(struct worker *worker) {
    struct published *current = worker->server->keys.current;
    if (likely(worker->published == current))
        return;
    check(worker->mint.batch_count == 0);
    published_release(worker->published);
    worker->published = published_hold(current);
    worker->mint.keyring = current->keyring;
}

static bool feed_tells_of_keys(const struct feed *feed) {
    for (size_t i = 0; i < feed->count; i++)
        if (feed->changes[i].scope.kind == SCOPE_KEYS)
            return true;
    return feed->is_flush;
}

bool keys_read(struct keys *keys, struct session *session, const struct feed *feed,
               struct error *ret_error) {
    if (!feed_tells_of_keys(feed))
        return true;
    if (!store_key_list(session, &keys->next_set, ret_error))
        return false;
    published_release(keys->next);
    keys->next = NULL;
    (void)!published_make(keys->master, &keys->next_set, &keys->next, &keys->next_error);
    keys->is_read = true;
    return true;
}

/* ---- rotated --------------------------------------------------------------------------------- */

/* On the registry's writer. */
static void advance_work(struct registry_job *job, struct session *session) {
    struct keys *keys = container_of(job, struct keys, job);
    const struct key_times times = keys_times(keys);
    const struct actor actor = {
        .kind = TEXT("system"), .name = TEXT("mintd"), .now_s = clock_wall_s()};
    struct key_record spare;
    struct error error;
    uint64_t seq;
    keys->is_changed =
        key_create(keys->master, KEY_PENDING, actor.now_s, &spare, &error) &&
        store_key_advance(session, &actor, &times, &spare, &keys->change, &seq, &error);
}

/* What was changed comes back with the poll, which the commit has asked for. */
static void advance_done(struct registry_job *job) {
    struct keys *keys = container_of(job, struct keys, job);
    int64_t wait_s = 1;
    keys->is_advancing = false;
    if (keys->is_changed && keys->change.step == KEY_STEP_NONE)
        wait_s = keys->change.next_s - keys->change.now_s;
    keys->retry_us =
        clock_monotonic_us() + (uint64_t)(wait_s < RETRY_S_MAX ? wait_s : RETRY_S_MAX) * SECOND_US;
}

/* Seconds that the active key is older than the schedule wants; 0: it is not, or there is none. */
static int64_t overdue_s(const struct keys *keys) {
    size_t active = key_find(keys->set.keys, keys->set.count, KEY_ACTIVE);
    if (keys->rotate_s == 0 || active == keys->set.count)
        return 0;
    int64_t late_s = now_s(keys) - keys->set.keys[active].activated_s - keys->rotate_s;
    return late_s > OVERDUE_S + keys->publish_s ? late_s : 0;
}

static void overdue_tell(struct keys *keys, uint64_t now_us) {
    int64_t late_s = overdue_s(keys);
    if (late_s == 0 || (keys->told_us != 0 && now_us - keys->told_us < TELL_US))
        return;
    keys->told_us = now_us;
    log_event(keys->server->log, LOG_WARNING, "keys",
              "the signing key is %lld s older than key-rotation wants; is the registry writable?",
              (long long)late_s);
}

static void keys_tick(struct loop_timer *timer) {
    struct keys *keys = container_of(timer, struct keys, timer);
    uint64_t now_us = clock_monotonic_us();
    bool is_due = false;
    overdue_tell(keys, now_us);
    for (size_t i = 0; i < keys->set.count; i++)
        is_due |= now_us >= keys->ready_us[i];
    if (is_due && !keys->is_advancing && now_us >= keys->retry_us)
        keys->is_advancing = registry_submit(keys->server->options.registry, &keys->job);
}

/* ---- open and close -------------------------------------------------------------------------- */

static void first_read(void *self, struct session *session) {
    struct keys *keys = self;
    const struct feed all = {.is_flush = true};
    keys->next_error.code = ERROR_NONE;
    (void)!keys_read(keys, session, &all, &keys->next_error);
}

bool keys_open(struct keys *keys, struct server *server, struct error *ret_error) {
    const struct settings *settings = server->settings;
    *keys = (struct keys){.server = server,
                          .master = server->options.master,
                          .publish_s = (int64_t)settings->jwks_max_age_s + lateness_s(settings),
                          .rotate_s = (int64_t)settings->key_rotation_s,
                          .timer = {.fire = keys_tick}};
    keys->job = (struct registry_job){
        .is_write = true, .work = advance_work, .done = advance_done, .loop = server->loop};
    keys_settings(keys);
    registry_run(server->options.registry, false, first_read, keys);
    if (keys->next == NULL) {
        *ret_error = keys->next_error;
        return false;
    }
    keys_take(keys);
    return true;
}

bool keys_start(struct keys *keys, struct error *ret_error) {
    return loop_timer_start(keys->server->loop, &keys->timer, TICK_MS, TICK_MS) ||
           error_set(ret_error, ERROR_OVERLOADED, "memory");
}

void keys_close(struct keys *keys) {
    published_release(keys->next);
    published_release(keys->current);
}

/* ---- metrics --------------------------------------------------------------------------------- */

void keys_write_metrics(const struct keys *keys, struct buffer *out) {
    size_t counts[KEY_RETIRED + 1] = {0};
    const struct key_set *set = &keys->set;
    const struct key_times times = keys_times(keys);
    for (size_t i = 0; i < set->count; i++)
        counts[set->keys[i].state]++;
    buffer_put(out, "# HELP mintd_keys Signing keys, by state.\n# TYPE mintd_keys gauge\n");
    for (size_t state = 0; state <= KEY_RETIRED; state++)
        buffer_format(out, "mintd_keys{state=\"%s\"} %zu\n",
                      key_state_name((enum key_state)state).at, counts[state]);
    buffer_put(out, "# HELP mintd_key_age_seconds Since each signing key came into its state.\n"
                    "# TYPE mintd_key_age_seconds gauge\n");
    for (size_t i = 0; i < set->count; i++) {
        struct key_record key = set->keys[i];
        int64_t age_s = now_s(keys) - *key_since_s(&key);
        buffer_format(out, "mintd_key_age_seconds{kid=\"%s\",state=\"%s\"} %lld\n", key.kid,
                      key_state_name(key.state).at, (long long)(age_s > 0 ? age_s : 0));
    }
    size_t pending = key_find(set->keys, set->count, KEY_PENDING);
    if (pending < set->count) {
        int64_t left_s = key_due_s(set->keys, set->count, pending, &times) - now_s(keys);
        buffer_format(out,
                      "# HELP mintd_key_activation_seconds Until the pending key signs.\n"
                      "# TYPE mintd_key_activation_seconds gauge\n"
                      "mintd_key_activation_seconds %lld\n",
                      (long long)(left_s > 0 ? left_s : 0));
    }
    buffer_format(out,
                  "# HELP mintd_key_overdue_seconds How much older the active key is than "
                  "key-rotation wants, once that is an hour.\n"
                  "# TYPE mintd_key_overdue_seconds gauge\nmintd_key_overdue_seconds %lld\n",
                  (long long)overdue_s(keys));
}
