/* The registry's threads: one that writes, some that read, each with a session of its own, and one
 * that listens. */
#include "registry/registry.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "registry/schema.h"

#define REGISTRY_MAGIC 0x4E615354U
#define READERS 2
#define READERS_MAX 64
#define QUEUE_MAX 1024
#define PROBE_EVERY_S 1 /* while changes fail: is there room on the disk again? */
#define LISTEN_AGAIN_MS 1000

static const struct engine *const engines[] = {&engine_sqlite, &engine_postgres};

/* Jobs that wait for a thread of one kind. */
struct lane {
    struct queue jobs;
    pthread_cond_t wake;
};

struct worker {
    struct registry *registry;
    struct lane *lane;
    pthread_t thread;
    bool is_started;
    pthread_mutex_t session_lock; /* held while a job or registry_run has the session */
    struct session session;
};

/* Hears of the changes that others make, where the engine can. Only a hint: it may fail as it
 * likes. */
struct listener {
    pthread_t thread;
    bool is_started;
    int wake; /* can be read when the registry closes */
    struct connection *connection;
};

struct registry {
    uint32_t magic;
    const struct engine *engine;
    char *address;
    size_t schema_before; /* the version when it was opened */
    struct listener listener;
    size_t worker_count;
    struct session_shared shared;

    pthread_mutex_t lock; /* over all below; no session is used under it */
    struct lane writing;
    struct lane reading;
    uint32_t queued;
    uint32_t queue_max;
    bool is_closing;
    uint64_t jobs_total;
    struct histogram job_us;

    struct worker workers[]; /* the first is the writer */
};

/* Asks whether the disk takes changes again, by making one: what stays equal is not written. */
static void worker_probe(struct worker *worker) {
    struct session *session = &worker->session;
    struct error error;
    pthread_mutex_lock(&worker->session_lock);
    bool ok = session_write(session, &error) &&
              session_do(session, STATEMENT_META_PUT,
                         PARAMETERS(value_text(TEXT("probe")),
                                    value_number((int64_t)clock_monotonic_us()), value_null()),
                         &error) &&
              session_commit(session, &error);
    session_end(session, ok);
    pthread_mutex_unlock(&worker->session_lock);
}

/* Waits for a job or the end, and as the writer of a store that takes no changes not for long. */
static void worker_wait(struct worker *worker) {
    struct registry *registry = worker->registry;
    if (!worker->session.is_writer || atomic_load(&registry->shared.is_writable)) {
        pthread_cond_wait(&worker->lane->wake, &registry->lock);
        return;
    }
    struct timespec until;
    check(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += PROBE_EVERY_S;
    if (pthread_cond_timedwait(&worker->lane->wake, &registry->lock, &until) == 0)
        return;
    pthread_mutex_unlock(&registry->lock);
    worker_probe(worker);
    pthread_mutex_lock(&registry->lock);
}

/* The next job; NULL when there is none and the registry closes. */
static struct registry_job *worker_next(struct worker *worker) {
    struct registry *registry = worker->registry;
    struct queue *link;
    pthread_mutex_lock(&registry->lock);
    while ((link = queue_pop(&worker->lane->jobs)) == NULL && !registry->is_closing)
        worker_wait(worker);
    if (link != NULL)
        registry->queued--;
    pthread_mutex_unlock(&registry->lock);
    return link == NULL ? NULL : container_of(link, struct registry_job, link);
}

static void job_done(struct loop_task *task) {
    struct registry_job *job = container_of(task, struct registry_job, task);
    job->done(job);
}

static void worker_count_job(struct registry *registry, uint64_t us) {
    pthread_mutex_lock(&registry->lock);
    registry->jobs_total++;
    histogram_add(&registry->job_us, us);
    pthread_mutex_unlock(&registry->lock);
}

/* After a job is answered: nobody waits for this. */
static void worker_maintain(struct worker *worker) {
    struct session *session = &worker->session;
    if (session->is_writer)
        session_maintain(session);
}

static void *worker_main(void *self) {
    struct worker *worker = self;
    struct registry_job *job;
    while ((job = worker_next(worker)) != NULL) {
        uint64_t begun_us = clock_monotonic_us();
        pthread_mutex_lock(&worker->session_lock);
        job->work(job, &worker->session);
        worker_count_job(worker->registry, clock_monotonic_us() - begun_us);
        job->task.run = job_done;
        loop_post(job->loop, &job->task); /* from here on the job is its owner's again */
        worker_maintain(worker);
        pthread_mutex_unlock(&worker->session_lock);
    }
    return NULL;
}

bool registry_submit(struct registry *registry, struct registry_job *job) {
    magic_check(registry, REGISTRY_MAGIC);
    check(job->work != NULL && job->done != NULL && job->loop != NULL);
    bool is_for_writer = job->is_write && !(job->is_each && registry->engine->is_server);
    struct lane *lane = is_for_writer ? &registry->writing : &registry->reading;
    pthread_mutex_lock(&registry->lock);
    bool has_room = registry->queued < registry->queue_max && !registry->is_closing;
    if (has_room) {
        registry->queued++;
        queue_push(&lane->jobs, &job->link);
        pthread_cond_signal(&lane->wake);
    }
    pthread_mutex_unlock(&registry->lock);
    return has_room;
}

void registry_run(struct registry *registry, bool is_write,
                  void (*work)(void *self, struct session *session), void *self) {
    magic_check(registry, REGISTRY_MAGIC);
    struct worker *worker = &registry->workers[is_write ? 0 : 1];
    pthread_mutex_lock(&worker->session_lock);
    work(self, &worker->session);
    worker_maintain(worker);
    pthread_mutex_unlock(&worker->session_lock);
    /* The thread looks at the health anew: it may have to probe. */
    pthread_mutex_lock(&registry->lock);
    pthread_cond_signal(&worker->lane->wake);
    pthread_mutex_unlock(&registry->lock);
}

void registry_health(struct registry *registry, struct registry_health *ret_health) {
    magic_check(registry, REGISTRY_MAGIC);
    pthread_mutex_lock(&registry->lock);
    *ret_health = (struct registry_health){
        .is_up = atomic_load(&registry->shared.is_up),
        .is_writable = atomic_load(&registry->shared.is_writable),
        .queued = registry->queued,
        .jobs_total = registry->jobs_total,
        .job_us = &registry->job_us,
    };
    pthread_mutex_unlock(&registry->lock);
}

static bool listener_wait(struct registry *registry) {
    struct listener *listener = &registry->listener;
    struct engine_options options = {.address = registry->address};
    struct error error;
    return (listener->connection != NULL ||
            registry->engine->open(&options, &listener->connection, &error)) &&
           registry->engine->wait(listener->connection, listener->wake, &error);
}

static void *listener_main(void *self) {
    struct registry *registry = self;
    struct pollfd end = {.fd = registry->listener.wake, .events = POLLIN};
    bool is_heard = true;
    while (poll(&end, 1, is_heard ? 0 : LISTEN_AGAIN_MS) == 0) {
        is_heard = listener_wait(registry);
        if (is_heard)
            registry->shared.on_commit(registry->shared.on_commit_self, 0);
    }
    return NULL;
}

void registry_on_commit(struct registry *registry, void (*call)(void *self, uint64_t seq),
                        void *self) {
    struct listener *listener = &registry->listener;
    magic_check(registry, REGISTRY_MAGIC);
    registry->shared.on_commit = call;
    registry->shared.on_commit_self = self;
    if (registry->engine->wait == NULL || listener->is_started)
        return;
    listener->wake = eventfd(0, EFD_CLOEXEC);
    listener->is_started = listener->wake >= 0 &&
                           pthread_create(&listener->thread, NULL, listener_main, registry) == 0;
}

static void listener_stop(struct registry *registry) {
    struct listener *listener = &registry->listener;
    if (listener->is_started) {
        check(eventfd_write(listener->wake, 1) == 0);
        check(pthread_join(listener->thread, NULL) == 0);
    }
    if (listener->wake >= 0)
        (void)close(listener->wake);
    if (registry->engine != NULL)
        registry->engine->close(listener->connection);
}

static void lane_open(struct lane *lane) {
    pthread_condattr_t attributes;
    queue_init(&lane->jobs);
    check(pthread_condattr_init(&attributes) == 0);
    check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    check(pthread_cond_init(&lane->wake, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

/* All that needs no store yet; NULL when memory is out. */
static struct registry *registry_make(uint32_t readers, uint32_t queue_max) {
    size_t workers = 1 + (size_t)readers;
    struct registry *registry =
        calloc(1, sizeof(*registry) + workers * sizeof(registry->workers[0]));
    if (registry == NULL)
        return NULL;
    registry->magic = REGISTRY_MAGIC;
    registry->listener.wake = -1;
    registry->worker_count = workers;
    registry->queue_max = queue_max;
    atomic_init(&registry->shared.is_up, true);
    atomic_init(&registry->shared.is_writable, true);
    check(pthread_mutex_init(&registry->lock, NULL) == 0);
    lane_open(&registry->writing);
    lane_open(&registry->reading);
    for (size_t i = 0; i < workers; i++) {
        struct worker *worker = &registry->workers[i];
        worker->registry = registry;
        worker->lane = i == 0 ? &registry->writing : &registry->reading;
        check(pthread_mutex_init(&worker->session_lock, NULL) == 0);
    }
    return registry;
}

static const char *scheme_of(const struct engine *engine, struct text url) {
    for (size_t i = 0; i < array_count(engine->schemes); i++) {
        const char *scheme = engine->schemes[i];
        if (scheme != NULL && text_starts(url, text_of(scheme)) && url.len > strlen(scheme))
            return scheme;
    }
    return NULL;
}

/* What is said of a URL: the rest of it may hold a password. */
static int scheme_len(struct text url) {
    size_t len = 0;
    while (len < url.len && len < 20 && url.at[len] != ':')
        len++;
    return (int)len;
}

/* The engine whose scheme the URL has; the address is what is behind it. */
static const struct engine *engine_find(struct text url, struct text *ret_address) {
    for (size_t i = 0; i < array_count(engines); i++) {
        const char *scheme = scheme_of(engines[i], url);
        if (scheme != NULL) {
            size_t len = strlen(scheme);
            *ret_address = (struct text){url.at + len, url.len - len};
            return engines[i];
        }
    }
    return NULL;
}

static bool schema_settle(struct registry *registry, const struct registry_options *options,
                          struct error *ret_error) {
    struct session *writer = &registry->workers[0].session;
    size_t newest = registry->engine->migration_count;
    if (!schema_read(writer, &registry->schema_before, ret_error))
        return false;
    if (!options->keeps_schema || registry->schema_before == 0 || registry->schema_before > newest)
        return schema_migrate(writer, options->may_create, ret_error);
    return registry->schema_before == newest ||
           error_set(
               ret_error, ERROR_FIELD_VALUE,
               "the registry has version %zu of its schema and needs %zu; run 'mintd registry "
               "migrate'",
               registry->schema_before, newest);
}

void registry_schema(const struct registry *registry, size_t *ret_before, size_t *ret_now) {
    magic_check(registry, REGISTRY_MAGIC);
    *ret_before = registry->schema_before;
    *ret_now = registry->engine->migration_count;
}

/* The writer first: it makes the store and brings it up to date. */
static bool registry_connect(struct registry *registry, const struct registry_options *wanted,
                             struct error *ret_error) {
    for (size_t i = 0; i < registry->worker_count; i++) {
        struct session *session = &registry->workers[i].session;
        struct engine_options options = {.address = registry->address,
                                         .is_writer = i == 0,
                                         .may_create = i == 0 && wanted->may_create};
        if (!session_open(session, registry->engine, &options, &registry->shared, ret_error) ||
            (i == 0 && !schema_settle(registry, wanted, ret_error)))
            return false;
    }
    return true;
}

static bool registry_start(struct registry *registry, struct error *ret_error) {
    for (size_t i = 0; i < registry->worker_count; i++) {
        struct worker *worker = &registry->workers[i];
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
            return error_set(ret_error, ERROR_OVERLOADED, "threads");
        worker->is_started = true;
    }
    return true;
}

/* Who starts it reads the reason at once, and no log. */
static void error_explain(struct error *error) {
    char reason[ERROR_SUBJECT_BYTES];
    bool is_terse = error->code == ERROR_INTERNAL || error->code == ERROR_REGISTRY_AWAY;
    memcpy(reason, error->subject, sizeof(reason));
    if (is_terse && reason[0] != '\0')
        (void)error_set(error, ERROR_FIELD_VALUE, "the registry cannot be opened: %.200s", reason);
}

bool registry_open(const struct registry_options *options, struct registry **ret_registry,
                   struct error *ret_error) {
    uint32_t readers = options->readers == 0 ? READERS : options->readers;
    uint32_t queue_max = options->queue_max == 0 ? QUEUE_MAX : options->queue_max;
    struct text address;
    const struct engine *engine = engine_find(options->url, &address);
    if (engine == NULL)
        return error_set(ret_error, ERROR_FIELD_VALUE,
                         "%.*s is no kind of registry; give sqlite:/path/registry.db or "
                         "postgresql://user@host/database",
                         scheme_len(options->url), options->url.at);
    struct registry *registry =
        registry_make(readers < READERS_MAX ? readers : READERS_MAX, queue_max);
    if (registry == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    registry->engine = engine;
    registry->address = strndup(address.at, address.len);
    bool ok = registry->address != NULL || error_set(ret_error, ERROR_OVERLOADED, "memory");
    ok =
        ok && registry_connect(registry, options, ret_error) && registry_start(registry, ret_error);
    if (!ok) {
        error_explain(ret_error);
        registry_close(registry);
        return false;
    }
    *ret_registry = registry;
    return true;
}

static void registry_stop(struct registry *registry) {
    pthread_mutex_lock(&registry->lock);
    registry->is_closing = true;
    pthread_cond_broadcast(&registry->writing.wake);
    pthread_cond_broadcast(&registry->reading.wake);
    pthread_mutex_unlock(&registry->lock);
    for (size_t i = 0; i < registry->worker_count; i++)
        if (registry->workers[i].is_started)
            check(pthread_join(registry->workers[i].thread, NULL) == 0);
}

void registry_close(struct registry *registry) {
    if (registry == NULL)
        return;
    magic_check(registry, REGISTRY_MAGIC);
    listener_stop(registry);
    registry_stop(registry);
    /* The writer last: it brings the store into order when nobody else is there. */
    for (size_t i = registry->worker_count; i-- > 0;) {
        session_close(&registry->workers[i].session);
        pthread_mutex_destroy(&registry->workers[i].session_lock);
    }
    pthread_cond_destroy(&registry->writing.wake);
    pthread_cond_destroy(&registry->reading.wake);
    pthread_mutex_destroy(&registry->lock);
    registry->magic = 0;
    free(registry->address);
    free(registry);
}
