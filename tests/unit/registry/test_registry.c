/* The registry's threads: jobs in, answers out on the loop, limits, health and the end. */
#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <unistd.h>

#include "disk.h"
#include "fake_loop.h"
#include "fixture.h"
#include "registry/registry.h"

struct pool {
    struct folder folder;
    struct registry *registry;
    struct loop *loop;
};

static struct registry *pool_open(const struct folder *folder, uint32_t readers,
                                  uint32_t queue_max) {
    struct registry *registry;
    struct error error;
    char url[256];
    snprintf(url, sizeof(url), "sqlite:%s", folder->file);
    struct registry_options options = {
        .url = text_of(url), .readers = readers, .queue_max = queue_max, .may_create = true};
    assert_ok(registry_open(&options, &registry, &error));
    return registry;
}

static int setup(void **state) {
    struct pool *pool = calloc(1, sizeof(*pool));
    folder_make(&pool->folder);
    pool->loop = fake_loop_open();
    pool->registry = pool_open(&pool->folder, 2, 4);
    *state = pool;
    return 0;
}

static int teardown(void **state) {
    struct pool *pool = *state;
    registry_close(pool->registry);
    fake_loop_close(pool->loop);
    folder_remove(&pool->folder);
    free(pool);
    return 0;
}

/* Creates an org, or looks it up. */
struct task {
    struct registry_job job;
    uint32_t id;
    bool ok;
    bool is_done;
    struct error error;
    pthread_t worked_on, done_on;
};

static void task_work(struct registry_job *job, struct session *session) {
    struct task *task = container_of(job, struct task, job);
    char name[16];
    uint64_t seq;
    snprintf(name, sizeof(name), "org-%u", task->id);
    struct org made, org = {.id = id_of(task->id), .name = text_of(name)};
    task->worked_on = pthread_self();
    task->ok = job->is_write ? store_org_create(session, &tester, &org, &made, &seq, &task->error)
                             : store_org_get(session, text_of(name), &made, &task->error);
}

static void task_done(struct registry_job *job) {
    struct task *task = container_of(job, struct task, job);
    task->is_done = true;
    task->done_on = pthread_self();
}

static void task_set(struct task *task, struct loop *loop, bool is_write, uint32_t id) {
    *task = (struct task){
        .job = {.is_write = is_write, .work = task_work, .done = task_done, .loop = loop},
        .id = id,
    };
}

static void test_write_then_read(void **state) {
    struct pool *pool = *state;
    struct task task;
    for (int round = 0; round < 2; round++) {
        task_set(&task, pool->loop, round == 0, 1);
        assert_true(registry_submit(pool->registry, &task.job));
        fake_loop_turn(pool->loop);
        assert_true(task.is_done && task.ok);
        assert_true(pthread_equal(task.done_on, pthread_self()));
        assert_false(pthread_equal(task.worked_on, pthread_self()));
    }
    task_set(&task, pool->loop, false, 2);
    assert_true(registry_submit(pool->registry, &task.job));
    fake_loop_turn(pool->loop);
    assert_false(task.ok);
    assert_int_equal(task.error.code, ERROR_NOT_FOUND);
    struct registry_health health;
    registry_health(pool->registry, &health);
    assert_true(health.is_up);
    assert_true(health.is_writable);
    assert_int_equal(health.queued, 0);
    assert_int_equal(health.jobs_total, 3);
    uint64_t counted = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        counted += counter_get(&health.job_us->buckets[i]);
    assert_int_equal(counted, 3);
    assert_true(counter_get(&health.job_us->sum_us) > 0);
}

/* A job that holds its thread until it is let go. */
struct gate {
    struct registry_job job;
    sem_t entered, open;
};

static void gate_work(struct registry_job *job, struct session *session) {
    struct gate *gate = container_of(job, struct gate, job);
    (void)session;
    sem_post(&gate->entered);
    sem_wait(&gate->open);
}

static void gate_done(struct registry_job *job) {
    (void)job;
}

/* Submits it and waits until its thread is held. */
static void gate_shut(struct gate *gate, struct pool *pool, bool is_write) {
    gate->job = (struct registry_job){
        .is_write = is_write, .work = gate_work, .done = gate_done, .loop = pool->loop};
    sem_init(&gate->entered, 0, 0);
    sem_init(&gate->open, 0, 0);
    assert_true(registry_submit(pool->registry, &gate->job));
    sem_wait(&gate->entered);
}

static uint32_t queued(struct pool *pool) {
    struct registry_health health;
    registry_health(pool->registry, &health);
    return health.queued;
}

/* The limit is four, over reads and writes together. */
static void test_queue_limit(void **state) {
    struct pool *pool = *state;
    struct gate gates[3];
    struct task tasks[5];
    for (size_t i = 0; i < 3; i++)
        gate_shut(&gates[i], pool, i == 0);
    for (uint32_t i = 0; i < 5; i++) {
        task_set(&tasks[i], pool->loop, i % 2 == 0, i);
        assert_int_equal(registry_submit(pool->registry, &tasks[i].job), i < 4);
        assert_int_equal(queued(pool), i < 4 ? i + 1 : 4);
    }
    for (size_t i = 0; i < 3; i++)
        sem_post(&gates[i].open);
    for (size_t i = 0; i < 3 + 4; i++)
        fake_loop_turn(pool->loop);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(tasks[i].is_done, i < 4);
    assert_int_equal(queued(pool), 0);
    assert_true(registry_submit(pool->registry, &tasks[4].job));
    fake_loop_turn(pool->loop);
    assert_true(tasks[4].is_done && tasks[4].ok);
}

/* A writer that hangs keeps no reader, and the readers do not keep each other. */
static void test_readers_go_on(void **state) {
    struct pool *pool = *state;
    struct gate writer, reader;
    struct task task;
    gate_shut(&writer, pool, true);
    gate_shut(&reader, pool, false);
    task_set(&task, pool->loop, false, 1);
    assert_true(registry_submit(pool->registry, &task.job));
    fake_loop_turn(pool->loop);
    assert_true(task.is_done);
    sem_post(&writer.open);
    sem_post(&reader.open);
    fake_loop_turn(pool->loop);
    fake_loop_turn(pool->loop);
}

static void test_close_finishes_jobs(void **state) {
    struct pool *pool = *state;
    struct gate gate;
    struct task tasks[4];
    gate_shut(&gate, pool, true);
    for (uint32_t i = 0; i < 4; i++) {
        task_set(&tasks[i], pool->loop, true, i);
        assert_true(registry_submit(pool->registry, &tasks[i].job));
    }
    sem_post(&gate.open);
    registry_close(pool->registry);
    for (size_t i = 0; i < 5; i++)
        fake_loop_turn(pool->loop);
    for (size_t i = 0; i < 4; i++)
        assert_true(tasks[i].is_done && tasks[i].ok);
    assert_int_equal(file_number(&pool->folder, "SELECT count(*) FROM orgs"), 4);
    pool->registry = pool_open(&pool->folder, 1, 1);
}

static void run_get(void *self, struct session *session) {
    struct error error;
    struct org org;
    *(bool *)self = store_org_get(session, TEXT("org-1"), &org, &error);
}

static void run_create(void *self, struct session *session) {
    struct error error;
    struct org made, org = {.id = id_of(1), .name = TEXT("org-1")};
    uint64_t seq;
    *(bool *)self = store_org_create(session, &tester, &org, &made, &seq, &error);
}

static void note_seq(void *self, uint64_t seq) {
    *(uint64_t *)self = seq;
}

static void test_run_and_commit_hint(void **state) {
    struct pool *pool = *state;
    bool ok = true;
    uint64_t seq = 0;
    registry_on_commit(pool->registry, note_seq, &seq);
    registry_run(pool->registry, false, run_get, &ok);
    assert_false(ok);
    assert_int_equal(seq, 0);
    registry_run(pool->registry, true, run_create, &ok);
    assert_true(ok);
    assert_int_equal(seq, 1);
    registry_run(pool->registry, true, run_create, &ok);
    assert_false(ok); /* taken: no commit, no hint */
    assert_int_equal(seq, 1);
    registry_run(pool->registry, false, run_get, &ok);
    assert_true(ok);
}

/* Several threads submit and run at once. */
struct crowd {
    struct pool *pool;
    struct loop *loop;
    uint32_t first;
};

static void *crowd_main(void *self) {
    struct crowd *crowd = self;
    struct task task;
    for (uint32_t i = 0; i < 40; i++) {
        bool ok;
        task_set(&task, crowd->loop, i % 2 == 0, crowd->first + i / 2);
        while (!registry_submit(crowd->pool->registry, &task.job))
            usleep(100);
        fake_loop_turn(crowd->loop);
        check(task.is_done && task.ok);
        registry_run(crowd->pool->registry, i % 3 == 0, run_get, &ok);
        (void)queued(crowd->pool);
    }
    return NULL;
}

static void test_crowd(void **state) {
    struct pool *pool = *state;
    struct crowd crowd[6];
    pthread_t threads[6];
    for (uint32_t i = 0; i < 6; i++) {
        crowd[i] = (struct crowd){pool, fake_loop_open(), i * 100};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, &crowd[i]), 0);
    }
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        fake_loop_close(crowd[i].loop);
    }
    assert_int_equal(file_number(&pool->folder, "SELECT count(*) FROM orgs"), 120);
    assert_int_equal(file_number(&pool->folder, "SELECT seq FROM rev_counter"), 120);
}

static void test_urls(void **state) {
    static const char *const bad[] = {"", "sqlite:", "/registry.db", "mysql://x", "sqlite"};
    struct registry *registry = NULL;
    struct error error;
    (void)state;
    for (size_t i = 0; i < array_count(bad); i++) {
        struct registry_options options = {.url = text_of(bad[i]), .may_create = true};
        assert_error(registry_open(&options, &registry, &error), FIELD_VALUE);
        assert_non_null(strstr(error.subject, "sqlite:/path"));
    }
    struct registry_options options = {.url = TEXT("sqlite:/nowhere/registry.db")};
    assert_error(registry_open(&options, &registry, &error), FIELD_VALUE);
    assert_null(registry);
    registry_close(NULL);
}

static void run_note(void *self, struct session *session) {
    struct error *error = self;
    error->code = ERROR_NONE;
    (void)!store_audit_note(session, &tester, NULL, TEXT("x"), error);
}

static enum error_code note(struct registry *registry) {
    struct error error;
    registry_run(registry, true, run_note, &error);
    return error.code;
}

static bool is_writable(struct registry *registry) {
    struct registry_health health;
    registry_health(registry, &health);
    assert_true(health.is_up);
    return health.is_writable;
}

/* Without a change to notice it by, the registry finds out that the disk has room again. */
static void test_recovers_by_itself(void **state) {
    struct folder folder;
    (void)state;
    disk_install();
    folder_make(&folder);
    struct registry *registry = pool_open(&folder, 0, 0);
    usleep(50 * 1000); /* its threads wait by now, and wrote last when all was well */
    assert_int_equal(note(registry), ERROR_NONE);
    assert_true(is_writable(registry));
    disk_fail_write(1, SQLITE_FULL);
    assert_int_equal(note(registry), ERROR_REGISTRY_READ_ONLY);
    assert_false(is_writable(registry));
    disk_fail_write(1, SQLITE_FULL);
    while (!disk_has_failed())
        usleep(20 * 1000); /* until it was tried, in vain */
    assert_false(is_writable(registry));
    assert_int_equal(note(registry), ERROR_REGISTRY_READ_ONLY);
    disk_fail_write(0, SQLITE_OK);
    for (int i = 0; i < 100 && !is_writable(registry); i++)
        usleep(50 * 1000);
    assert_true(is_writable(registry));
    assert_int_equal(note(registry), ERROR_NONE);
    registry_close(registry);
    folder_remove(&folder);
    disk_remove();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_write_then_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_readers_go_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_finishes_jobs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_and_commit_hint, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crowd, setup, teardown),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_recovers_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
