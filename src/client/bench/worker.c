/* A thread that sends requests when they are due and takes the answers. */
#include "client/bench/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define EVENTS 256
#define MS 1000000ULL
#define REFUSED_PAUSE_NS (100 * MS) /* or a server that is away would be asked without a break */
#define SWEEP_NS (20 * MS)
#define SPIN_NS_MAX 50000ULL /* a turn that finds nothing and takes longer was interrupted */
#define JSON_BYTES (16U * REPLY_BODY_BYTES_MAX + 65536) /* touched as far as bodies need it */

static const struct plan *plan_of(const struct worker *worker) {
    return worker->shared->plan;
}

/* What a turn's events and requests are counted by. */

static bool is_measured(const struct worker *worker, const struct flight *flight) {
    return flight->due_ns >= worker->shared->measured_ns;
}

static void flight_failed(struct worker *worker, const struct flight *flight, enum failure failure,
                          const char *why) {
    struct tally *tally = &worker->tally;
    char *first = tally->first[failure];
    if (first[0] == '\0') {
        struct buffer out = buffer_over(first, FAILURE_TEXT_BYTES);
        buffer_format(&out, "%.*s", FAILURE_TEXT_BYTES - 2, why);
    }
    if (is_measured(worker, flight))
        counter_add(&tally->failures[failure], 1);
}

static void flight_timed_out(struct worker *worker, const struct flight *flight, uint64_t now_ns) {
    flight_failed(worker, flight, FAILURE_TIMEOUT, "no answer came in time");
    if (is_measured(worker, flight))
        latencies_add(&worker->tally.latencies, now_ns - flight->due_ns);
}

/* Places */

static void place_put(struct worker *worker, struct connection *connection) {
    check(worker->place_count < worker->place_size);
    worker->places[(worker->place_first + worker->place_count++) % worker->place_size] = connection;
}

static struct connection *place_take(struct worker *worker) {
    struct connection *connection = worker->places[worker->place_first];
    check(worker->place_count > 0);
    worker->place_first = (worker->place_first + 1) % worker->place_size;
    worker->place_count--;
    return connection;
}

static struct flight flight_end(struct worker *worker, struct connection *connection) {
    place_put(worker, connection);
    worker->flight_count--;
    return connection_pop(connection, plan_of(worker));
}

/* The connection is of no use any more, and all that was under way on it failed. */
static void connection_fail(struct worker *worker, struct connection *connection,
                            enum failure failure, const char *why) {
    connection_close(connection);
    if (failure == FAILURE_CONNECT)
        worker->refused_until_ns = clock_monotonic_ns() + REFUSED_PAUSE_NS;
    while (connection->count > 0) {
        struct flight flight = flight_end(worker, connection);
        if (failure == FAILURE_TIMEOUT)
            flight_timed_out(worker, &flight, clock_monotonic_ns());
        else
            flight_failed(worker, &flight, failure, why);
    }
}

static void connection_broken(struct worker *worker, struct connection *connection) {
    enum failure failure =
        connection->state == CONNECTION_OPENING ? FAILURE_CONNECT : FAILURE_REPLY;
    char why[FAILURE_TEXT_BYTES];
    struct buffer out = buffer_over(why, sizeof(why));
    buffer_format(&out, "%m");
    connection_fail(worker, connection, failure, why);
}

/* The server said that it closes: what was sent behind is sent again, on another connection. */
static void connection_end(struct worker *worker, struct connection *connection) {
    connection_close(connection);
    while (connection->count > 0)
        worker->again[worker->again_count++] = flight_end(worker, connection);
}

/* Sending */

static uint32_t token_choose(struct worker *worker, uint64_t number) {
    const struct bench_requests *requests = &plan_of(worker)->requests;
    /* 37 and 100 have no common divisor: any hundred in a row has its share of each kind. */
    if (requests->token_count < 2 || number * 37 % 100 < requests->warm_percent)
        return 0;
    uint64_t cold = worker->number + plan_of(worker)->threads * worker->cold++;
    bool has_warm = requests->warm_percent > 0;
    return (uint32_t)(has_warm + cold % (requests->token_count - has_warm));
}

/* When the thread's next request is due. */
static uint64_t next_due_ns(const struct worker *worker) {
    return worker->shared->start_ns +
           (uint64_t)((double)worker->next * 1e9 / plan_of(worker)->rate);
}

/* The next request if one is due. Behind the end only what was due before and is late by this
 * program's fault: a place was free. */
static bool flight_next(struct worker *worker, uint64_t now_ns, struct flight *ret_flight) {
    const struct plan *plan = plan_of(worker);
    uint64_t end_ns = atomic_load_explicit(&worker->shared->end_ns, memory_order_relaxed);
    if (worker->again_count > 0 && now_ns < end_ns) {
        *ret_flight = worker->again[--worker->again_count];
        ret_flight->sent_ns = now_ns;
        return true;
    }
    if (plan->requests_max > 0 && worker->next >= plan->requests_max)
        return false;
    uint64_t due_ns = plan->rate > 0 ? next_due_ns(worker) : now_ns;
    if (due_ns > now_ns || due_ns >= end_ns || due_ns < worker->shared->start_ns ||
        (now_ns >= end_ns && due_ns < worker->blocked_ns))
        return false;
    *ret_flight = (struct flight){due_ns, now_ns, token_choose(worker, worker->next)};
    worker->next += plan->threads;
    if (!is_measured(worker, ret_flight))
        return true;
    worker->tally.due++;
    if (plan->rate > 0 && due_ns >= worker->blocked_ns)
        latencies_add(&worker->tally.late, now_ns - due_ns);
    return true;
}

static void connection_flush(struct worker *worker, struct connection *connection) {
    const struct plan *plan = plan_of(worker);
    if (connection->state == CONNECTION_CLOSED &&
        !connection_open(connection, plan, worker->epoll)) {
        char why[FAILURE_TEXT_BYTES];
        struct buffer out = buffer_over(why, sizeof(why));
        buffer_format(&out, "%m");
        connection_fail(worker, connection, FAILURE_CONNECT, why);
    } else if (connection->state == CONNECTION_OPEN &&
               !connection_send(connection, plan, &worker->scratch)) {
        connection_broken(worker, connection);
    }
}

/* Sends what is due, as far as there are places: in one write what goes to one connection.
 * Returns the time that it went by. */
static uint64_t worker_send(struct worker *worker) {
    uint64_t now_ns = clock_monotonic_ns();
    struct connection *last = NULL;
    struct flight flight;
    if (worker->is_blocked)
        worker->blocked_ns = now_ns;
    while (worker->place_count > 0 && now_ns >= worker->refused_until_ns &&
           flight_next(worker, now_ns, &flight)) {
        struct connection *connection = place_take(worker);
        if (connection != last && last != NULL)
            connection_flush(worker, last);
        connection_push(connection, plan_of(worker), flight);
        worker->flight_count++;
        last = connection;
    }
    worker->is_blocked = worker->place_count == 0 || now_ns < worker->refused_until_ns;
    if (last != NULL)
        connection_flush(worker, last);
    return now_ns;
}

/* Receiving */

static void status_failed(struct worker *worker, const struct flight *flight,
                          const struct reply_read *reply) {
    char why[FAILURE_TEXT_BYTES];
    struct buffer out = buffer_over(why, sizeof(why));
    int shown = (int)(reply->body.len < 150 ? reply->body.len : 150);
    buffer_format(&out, "%u %.*s", reply->status, shown, reply->body.at);
    flight_failed(worker, flight, FAILURE_STATUS, why);
    if (is_measured(worker, flight))
        worker->tally.statuses[reply->status]++;
}

static void reply_take(struct worker *worker, const struct flight *flight,
                       const struct reply_read *reply, uint64_t now_ns) {
    struct tally *tally = &worker->tally;
    bool is_in_time = worker->phase == WORKER_MEASURES;
    tally->answers += is_in_time;
    if (reply->status < 200 || reply->status > 299) {
        status_failed(worker, flight, reply);
        return;
    }
    if (worker->json != NULL &&
        !body_has_field(reply->body, plan_of(worker)->field, worker->json, JSON_BYTES)) {
        flight_failed(worker, flight, FAILURE_REPLY, "the member that is expected is missing");
        return;
    }
    tally->good_answers += is_in_time;
    if (!is_measured(worker, flight))
        return;
    latencies_add(&tally->latencies, now_ns - flight->due_ns);
    counter_add(&tally->good, 1);
    samples_see(&worker->samples, reply->body);
}

/* The whole replies that are there. False: the connection is closed. */
static bool replies_take(struct worker *worker, struct connection *connection, bool is_ended) {
    uint64_t now_ns = clock_monotonic_ns(); /* read behind the bytes: no latency is too small */
    struct buffer *in = &connection->in;
    struct reply_read reply;
    const char *problem = NULL;
    size_t used = 0;
    while (in->len > used) {
        enum reply_outcome outcome = reply_read(&connection->reader, in->at + used, in->len - used,
                                                is_ended, &reply, &problem);
        if (outcome == REPLY_MORE)
            break;
        if (outcome == REPLY_WHOLE && connection->count == connection->unsent) {
            outcome = REPLY_BAD;
            problem = "a reply to no request";
        }
        if (outcome == REPLY_BAD) {
            connection_fail(worker, connection, FAILURE_REPLY, problem);
            return false;
        }
        used += reply.used;
        struct flight flight = flight_end(worker, connection);
        reply_take(worker, &flight, &reply, now_ns);
        if (reply.closes || plan_of(worker)->is_connection_fresh) {
            connection_end(worker, connection);
            return false;
        }
    }
    in->len -= used;
    if (used > 0 && in->len > 0)
        memmove(in->at, in->at + used, in->len);
    return true;
}

static void connection_read(struct worker *worker, struct connection *connection, bool has_ended) {
    for (;;) {
        ssize_t got = connection_receive(connection);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got < 0) {
            connection_broken(worker, connection);
            return;
        }
        bool is_drained = got == 0 || (connection_is_drained(connection) && !has_ended);
        if (!replies_take(worker, connection, got == 0))
            return;
        if (got == 0 && connection->count > 0)
            connection_fail(worker, connection, FAILURE_REPLY,
                            "the connection was closed before a reply came");
        else if (got == 0)
            connection_close(connection); /* idle for too long: none of our business */
        if (is_drained)
            return;
    }
}

static void event_take(struct worker *worker, const struct epoll_event *event) {
    struct connection *connection = event->data.ptr;
    int code = 0;
    socklen_t len = sizeof(code);
    if (connection->state == CONNECTION_CLOSED)
        return; /* closed earlier in this turn */
    if (connection->state == CONNECTION_OPENING) {
        (void)getsockopt(connection->descriptor, SOL_SOCKET, SO_ERROR, &code, &len);
        errno = code;
        if (code != 0) {
            connection_broken(worker, connection);
            return;
        }
        if ((event->events & EPOLLOUT) == 0)
            return;
        connection->state = CONNECTION_OPEN;
    }
    if ((event->events & EPOLLOUT) != 0 && (connection->unsent > 0 || connection->out.len > 0))
        connection_flush(worker, connection);
    if ((event->events & ~(uint32_t)EPOLLOUT) != 0 && connection->state == CONNECTION_OPEN)
        connection_read(worker, connection,
                        (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

/* Time */

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* The waiting is the second number of its schedstat; 0 where the system does not tell. */
static struct cost thread_cost(void) {
    unsigned long long waited_ns;
    struct timespec cpu;
    check(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu) == 0);
    FILE *file = fopen("/proc/thread-self/schedstat", "re");
    if (file == NULL || fscanf(file, "%*u %llu", &waited_ns) != 1)
        waited_ns = 0;
    if (file != NULL)
        (void)fclose(file);
    return (struct cost){(uint64_t)cpu.tv_sec * 1000000000 + (uint64_t)cpu.tv_nsec, waited_ns};
}

static void cost_measure(struct worker *worker, uint64_t now_ns, uint64_t end_ns) {
    if (worker->phase == WORKER_WARMS && now_ns >= worker->shared->measured_ns) {
        worker->phase = WORKER_MEASURES;
        worker->start_cost = thread_cost();
    }
    if (worker->phase == WORKER_MEASURES && now_ns >= end_ns) {
        struct cost cost = thread_cost();
        worker->phase = WORKER_WAITS;
        worker->tally.cost.cpu_ns = cost.cpu_ns - worker->start_cost.cpu_ns;
        worker->tally.cost.cpu_ns -= least(worker->spun_ns, worker->tally.cost.cpu_ns);
        worker->tally.cost.waited_ns = cost.waited_ns - worker->start_cost.waited_ns;
    }
}

/* Requests whose time is over; their connection goes with them. */
static void worker_sweep(struct worker *worker, uint64_t now_ns) {
    uint64_t timeout_ns = plan_of(worker)->timeout_ns;
    for (unsigned i = 0; i < worker->connection_count; i++) {
        struct connection *connection = &worker->connections[i];
        if (connection->count > 0 &&
            connection->flights[connection->first].sent_ns + timeout_ns < now_ns)
            connection_fail(worker, connection, FAILURE_TIMEOUT, "");
    }
    worker->sweep_ns = now_ns + SWEEP_NS;
}

/* What was due before the end but never sent has waited at least until then. */
static void flight_unsent(struct worker *worker, uint64_t due_ns, uint64_t end_ns) {
    if (due_ns < worker->shared->measured_ns || due_ns >= end_ns)
        return;
    worker->tally.unsent++;
    latencies_add(&worker->tally.latencies, end_ns - due_ns);
}

static void unsent_count(struct worker *worker, uint64_t end_ns) {
    const struct plan *plan = plan_of(worker);
    for (; worker->again_count > 0; worker->again_count--)
        flight_unsent(worker, worker->again[worker->again_count - 1].due_ns, end_ns);
    if (plan->rate <= 0 || plan->requests_max > 0)
        return;
    for (uint64_t due_ns; (due_ns = next_due_ns(worker)) < end_ns; worker->next += plan->threads) {
        worker->tally.due += due_ns >= worker->shared->measured_ns;
        flight_unsent(worker, due_ns, end_ns);
    }
}

static bool worker_is_done(struct worker *worker, uint64_t now_ns, uint64_t end_ns) {
    const struct plan *plan = plan_of(worker);
    bool is_enough = plan->requests_max > 0 && worker->next >= plan->requests_max;
    if (worker->flight_count == 0 && (now_ns >= end_ns || is_enough))
        return true;
    if (now_ns < atomic_load_explicit(&worker->shared->stop_ns, memory_order_relaxed))
        return false;
    for (unsigned i = 0; i < worker->connection_count; i++)
        connection_fail(worker, &worker->connections[i], FAILURE_TIMEOUT, "");
    return true;
}

/* How long it may sleep, unless an answer comes. */
static uint64_t worker_pause_ns(const struct worker *worker, uint64_t now_ns, uint64_t end_ns) {
    uint64_t until_ns = plan_of(worker)->spins ? 0 : worker->sweep_ns;
    if (now_ns < end_ns)
        until_ns = least(until_ns, end_ns);
    if (now_ns < worker->shared->start_ns)
        until_ns = least(until_ns, worker->shared->start_ns);
    else if (plan_of(worker)->rate > 0 && !worker->is_blocked && now_ns < end_ns)
        until_ns = least(until_ns, next_due_ns(worker));
    return until_ns > now_ns ? until_ns - now_ns : 0;
}

/* The events that came by then; a kernel before 5.11 counts in milliseconds. */
static int events_wait(int epoll, struct epoll_event events[static EVENTS], uint64_t pause_ns) {
    struct timespec pause = {(time_t)(pause_ns / 1000000000), (long)(pause_ns % 1000000000)};
    int count = epoll_pwait2(epoll, events, EVENTS, &pause, NULL);
    if (count < 0 && errno != EINTR)
        count = epoll_wait(epoll, events, EVENTS, (int)(pause_ns / MS));
    return count;
}

/* Sends, and tells the turn that found nothing to do from work: what it took was spinning. */
static uint64_t turn_begin(struct worker *worker, uint64_t last_ns, bool had_events) {
    unsigned before = worker->flight_count;
    uint64_t now_ns = worker_send(worker);
    bool was_idle = worker->was_idle && !had_events;
    if (was_idle && worker->phase == WORKER_MEASURES && now_ns - last_ns < SPIN_NS_MAX)
        worker->spun_ns += now_ns - last_ns;
    worker->was_idle = worker->flight_count == before;
    return now_ns;
}

void *worker_run(void *self) {
    struct worker *worker = self;
    struct epoll_event events[EVENTS];
    uint64_t now_ns = 0, end_ns;
    int count = 0;
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* the default adds 50 µs to every pause */
    for (;;) {
        now_ns = turn_begin(worker, now_ns, count > 0);
        end_ns = atomic_load_explicit(&worker->shared->end_ns, memory_order_relaxed);
        cost_measure(worker, now_ns, end_ns);
        if (worker_is_done(worker, now_ns, end_ns))
            break;
        count = events_wait(worker->epoll, events, worker_pause_ns(worker, now_ns, end_ns));
        for (int i = 0; i < count; i++) {
            event_take(worker, &events[i]);
            now_ns = worker_send(worker);
        }
        if (now_ns >= worker->sweep_ns)
            worker_sweep(worker, now_ns);
    }
    unsent_count(worker, end_ns);
    return NULL;
}

bool worker_open(struct worker *worker, struct worker_shared *shared, unsigned number) {
    const struct plan *plan = shared->plan;
    unsigned count = plan->connections / plan->threads;
    count += number < plan->connections % plan->threads;
    size_t places = (size_t)count * plan->pipeline, batch = plan->requests.bytes_max;
    batch *= plan->pipeline;
    *worker = (struct worker){.shared = shared, .number = number, .next = number, .epoll = -1};
    worker->samples.max = plan->samples_max / plan->threads;
    worker->samples.max += number < plan->samples_max % plan->threads;
    worker->samples.state = shared->start_ns + number;
    worker->connection_count = count;
    worker->place_size = places;
    worker->connections = calloc(count, sizeof(*worker->connections));
    worker->flights = calloc(places, sizeof(*worker->flights));
    worker->again = calloc(places, sizeof(*worker->again));
    worker->places = calloc(places, sizeof(struct connection *));
    worker->scratch = buffer_over(malloc(batch), batch);
    worker->json = plan->field.len > 0 ? malloc(JSON_BYTES) : NULL;
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (worker->connections == NULL || worker->flights == NULL || worker->again == NULL ||
        worker->places == NULL || worker->scratch.at == NULL || worker->epoll < 0 ||
        (plan->field.len > 0 && worker->json == NULL))
        return false;
    for (unsigned i = 0; i < count; i++)
        worker->connections[i].flights = worker->flights + (size_t)i * plan->pipeline;
    for (size_t i = 0; i < places; i++)
        place_put(worker, &worker->connections[i % count]);
    return true;
}

void worker_close(struct worker *worker) {
    for (unsigned i = 0; i < worker->connection_count && worker->connections != NULL; i++) {
        connection_close(&worker->connections[i]);
        free(worker->connections[i].in.at);
        free(worker->connections[i].out.at);
    }
    free(worker->connections);
    free(worker->flights);
    free(worker->again);
    free(worker->places);
    free(worker->scratch.at);
    free(worker->json);
    if (worker->epoll >= 0)
        (void)close(worker->epoll);
    samples_free(&worker->samples);
}
