/* One run of load by its threads, watched second by second. */
#include "client/bench/load.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "client/bench/worker.h"

#define SECOND_NS 1000000000ULL
#define START_DELAY_NS 2000000ULL /* the threads are there by then */

static volatile sig_atomic_t is_interrupted;

static void interrupt_take(int number) {
    (void)number;
    is_interrupted = 1;
}

void load_catch_interrupt(void) {
    struct sigaction action = {.sa_handler = interrupt_take, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
}

bool load_is_interrupted(void) {
    return is_interrupted != 0;
}

const char *failure_member(enum failure failure) {
    static const char *const members[] = {
#define FAILURE(name, member, text) [FAILURE_##name] = (member),
#include "client/bench/failure.def"
#undef FAILURE
    };
    return members[failure];
}

const char *failure_text(enum failure failure) {
    static const char *const texts[] = {
#define FAILURE(name, member, text) [FAILURE_##name] = (text),
#include "client/bench/failure.def"
#undef FAILURE
    };
    return texts[failure];
}

uint64_t load_failures(const struct load_result *result) {
    uint64_t sum = 0;
    for (int i = 0; i < FAILURE_COUNT; i++)
        sum += counter_get(&result->tally.failures[i]);
    return sum;
}

/* As many descriptors as the system gives: one a connection, and some. */
static bool descriptors_allow(unsigned connections) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= connections + 64;
}

/* A run while it runs. */
struct run {
    struct worker_shared shared;
    struct worker *workers;
    unsigned started;
    struct latencies before, now, second; /* of all threads */
    uint64_t before_ns;
    size_t points_max;
};

static void point_add(struct run *run, uint64_t now_ns, const struct load_watch *watch,
                      struct load_result *result) {
    double seconds = (double)(now_ns - run->before_ns) / 1e9;
    run->now = (struct latencies){0};
    for (unsigned i = 0; i < run->started; i++)
        latencies_merge(&run->now, &run->workers[i].tally.latencies);
    latencies_since(&run->now, &run->before, &run->second);
    run->before = run->now;
    run->before_ns = now_ns;
    if (result->point_count == run->points_max)
        return;
    struct load_point *point = &result->points[result->point_count++];
    *point = (struct load_point){
        .second = (uint32_t)((now_ns - run->shared.measured_ns) / SECOND_NS),
        .per_second = (double)counter_get(&run->second.count) / seconds,
        .p50_ns = latencies_at(&run->second, 0.5),
        .p99_ns = latencies_at(&run->second, 0.99),
        .max_ns = counter_get(&run->second.max_ns),
    };
    if (watch->second != NULL)
        watch->second(watch->self, point);
}

static void interrupt_heed(struct run *run, uint64_t now_ns) {
    if (!is_interrupted || now_ns >= atomic_load(&run->shared.end_ns))
        return;
    atomic_store(&run->shared.end_ns, now_ns);
    atomic_store(&run->shared.stop_ns, now_ns + SECOND_NS);
}

/* Until the time is over. Answers to what is still under way then are the threads' to wait for. */
static void run_watch(struct run *run, const struct load_watch *watch, struct load_result *result) {
    uint64_t next_ns = run->shared.measured_ns + SECOND_NS;
    run->before_ns = run->shared.measured_ns;
    for (;;) {
        uint64_t now_ns = clock_monotonic_ns();
        interrupt_heed(run, now_ns);
        if (now_ns >= next_ns) {
            point_add(run, now_ns, watch, result);
            next_ns += SECOND_NS;
        }
        uint64_t end_ns = atomic_load(&run->shared.end_ns);
        if (now_ns >= end_ns)
            break;
        uint64_t until_ns = next_ns < end_ns ? next_ns : end_ns;
        struct timespec until = {(time_t)(until_ns / SECOND_NS), (long)(until_ns % SECOND_NS)};
        /* A signal ends it early. */
        (void)clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL);
    }
}

static void tally_merge(struct tally *into, const struct tally *from) {
    latencies_merge(&into->latencies, &from->latencies);
    latencies_merge(&into->late, &from->late);
    counter_add(&into->good, counter_get(&from->good));
    for (int i = 0; i < FAILURE_COUNT; i++) {
        counter_add(&into->failures[i], counter_get(&from->failures[i]));
        if (into->first[i][0] == '\0')
            memcpy(into->first[i], from->first[i], sizeof(into->first[i]));
    }
    into->due += from->due;
    into->unsent += from->unsent;
    for (size_t i = 0; i < array_count(into->statuses); i++)
        into->statuses[i] += from->statuses[i];
    into->answers += from->answers;
    into->good_answers += from->good_answers;
    into->cost.cpu_ns += from->cost.cpu_ns;
    into->cost.waited_ns += from->cost.waited_ns;
}

/* The signal is for the main thread. */
static bool workers_start(struct run *run, unsigned count) {
    sigset_t interrupt, old;
    (void)sigemptyset(&interrupt);
    (void)sigaddset(&interrupt, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &interrupt, &old);
    for (; run->started < count; run->started++) {
        struct worker *worker = &run->workers[run->started];
        if (!worker_open(worker, &run->shared, run->started) ||
            pthread_create(&worker->thread, NULL, worker_run, worker) != 0) {
            worker_close(worker);
            atomic_store(&run->shared.end_ns, 0);
            break;
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return run->started == count;
}

static void workers_join(struct run *run, struct load_result *result) {
    for (unsigned i = 0; i < run->started; i++) {
        struct worker *worker = &run->workers[i];
        (void)pthread_join(worker->thread, NULL);
        tally_merge(&result->tally, &worker->tally);
        samples_move(&result->samples, &worker->samples);
        worker_close(worker);
    }
}

static void times_set(struct worker_shared *shared) {
    const struct plan *plan = shared->plan;
    uint64_t end_ns;
    shared->start_ns = clock_monotonic_ns() + START_DELAY_NS;
    shared->measured_ns = shared->start_ns + plan->warmup_ns;
    end_ns = shared->measured_ns + plan->duration_ns;
    atomic_store(&shared->end_ns, end_ns);
    atomic_store(&shared->stop_ns, end_ns + plan->timeout_ns);
}

bool load_run(const struct plan *plan, const struct load_watch *watch,
              struct load_result *ret_result, const char **ret_problem) {
    struct run *run = calloc(1, sizeof(*run));
    bool is_fine = false;
    *ret_problem = "there are too few file descriptors for so many connections: see ulimit -n";
    if (!descriptors_allow(plan->connections))
        goto end;
    *ret_problem = "memory or threads are out";
    if (run == NULL)
        goto end;
    run->shared.plan = plan;
    run->points_max = plan->duration_ns / SECOND_NS + 1;
    run->workers = calloc(plan->threads, sizeof(*run->workers));
    ret_result->points = calloc(run->points_max, sizeof(*ret_result->points));
    if (run->workers == NULL || ret_result->points == NULL)
        goto end;
    times_set(&run->shared);
    is_fine = workers_start(run, plan->threads);
    if (is_fine && plan->requests_max == 0)
        run_watch(run, watch, ret_result);
    workers_join(run, ret_result);
    uint64_t end_ns = atomic_load(&run->shared.end_ns);
    ret_result->elapsed_ns =
        end_ns > run->shared.measured_ns ? end_ns - run->shared.measured_ns : 0;
    ret_result->is_interrupted = is_interrupted != 0;
end:
    if (run != NULL)
        free(run->workers);
    free(run);
    return is_fine;
}

void load_free(struct load_result *result) {
    free(result->points);
    result->points = NULL;
    samples_free(&result->samples);
}
