/* A server of connections in a thread, a handler that does what the path says, and a client. */
#include "served.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/address.h"

#define PATIENCE_MS 20000
#define HELD_MAX 1024
#define BIG_BYTES_MAX (16U * 1024 * 1024)

struct served served;
const struct conn_limits served_limits = {
    .http = {.header_bytes_max = 16384, .body_bytes_max = 65536},
    .connections_max = 10000,
    .idle_ms = 60000,
    .header_ms = 60000,
    .body_ms = 60000,
    .write_ms = 60000,
    .pipeline_max = 16,
    .reply_bytes_max = 1024 * 1024,
};

static pthread_t thread;
static struct exchange *held[HELD_MAX], *at_turn_end[HELD_MAX];
static unsigned held_count, at_turn_end_count, ended;
static char big[BIG_BYTES_MAX];

/* ---- the handler ----------------------------------------------------------------------------- */

static void reply_with(struct exchange *exchange, struct text body) {
    struct http_reply reply = {.status = 200, .content_type = TEXT("text/plain"), .body = body};
    reply.close = text_equal(exchange->request.path, TEXT("/close"));
    ended++;
    exchange_reply(exchange, &reply);
}

static void on_begin(void *self, struct exchange *exchange) {
    struct text path = exchange->request.path;
    char address[CONN_ADDRESS_CHARS];
    uint64_t bytes = 0;
    assert_ptr_equal(self, &served);
    assert_null(exchange->user);
    if (text_equal(path, TEXT("/hold"))) {
        check(held_count < HELD_MAX);
        held[held_count++] = exchange;
        atomic_store(&served.held, held_count);
    } else if (text_equal(path, TEXT("/end"))) {
        check(at_turn_end_count < HELD_MAX);
        at_turn_end[at_turn_end_count++] = exchange;
    } else if (text_equal(path, TEXT("/echo"))) {
        reply_with(exchange, exchange->request.body);
    } else if (text_equal(path, TEXT("/peer"))) {
        conn_peer(exchange->conn, address);
        reply_with(exchange, text_of(address));
    } else if (text_equal(path, TEXT("/big"))) {
        check(text_number(exchange->request.query, sizeof(big), &bytes));
        reply_with(exchange, (struct text){big, bytes});
    } else {
        reply_with(exchange, exchange->request.query);
    }
    atomic_fetch_add(&served.begun, 1);
}

static void on_gone(void *self, struct exchange *exchange) {
    assert_ptr_equal(self, &served);
    for (unsigned i = 0; i < held_count; i++)
        if (held[i] == exchange)
            held[i--] = held[--held_count];
    atomic_store(&served.held, held_count);
    atomic_fetch_add(&served.gone, 1);
    ended++;
}

static void on_refused(void *self, const struct error *error, struct buffer *out_body,
                       struct buffer *out_request_id) {
    buffer_put(out_request_id, "refused-1");
    assert_ptr_equal(self, &served);
    atomic_fetch_add(&served.refused, 1);
    error_json(error, out_body);
}

static void on_turn_end(void *self) {
    (void)self;
    if (at_turn_end_count > served.batch_max)
        served.batch_max = at_turn_end_count;
    for (unsigned i = 0; i < at_turn_end_count; i++)
        reply_with(at_turn_end[i], at_turn_end[i]->request.query);
    at_turn_end_count = 0;
}

void served_release_latest(void) {
    check(held_count > 0);
    struct exchange *exchange = held[--held_count];
    atomic_store(&served.held, held_count);
    reply_with(exchange, exchange->request.query);
}

void served_release_all(void) {
    unsigned count = held_count;
    held_count = 0;
    atomic_store(&served.held, 0);
    for (unsigned i = 0; i < count; i++)
        reply_with(held[i], held[i]->request.query);
}

/* ---- the server ------------------------------------------------------------------------------ */

static void *serve(void *self) {
    (void)self;
    loop_run(served.loop);
    return NULL;
}

void served_start(const struct conn_limits *limits, const char *address) {
    const struct conn_handler handler = {&served, on_begin, on_gone, on_refused};
    struct error error;
    memset(&served, 0, sizeof(served));
    memset(big, 'b', sizeof(big));
    held_count = at_turn_end_count = ended = 0;
    served.metrics = calloc(1, sizeof(*served.metrics));
    assert_non_null(served.metrics);
    assert_true(loop_open(&served.loop, &error));
    loop_at_turn_end(served.loop, on_turn_end, NULL);
    assert_true(
        conn_pool_open(served.loop, limits, &handler, served.metrics, &served.pool, &error));
    assert_true(listener_open(served.loop, served.pool, text_of(address), -1, &served.listener,
                              served.address, &error));
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
}

void served_stop(void) {
    loop_stop(served.loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(conn_pool_count(served.pool), 0);
    assert_int_equal(counter_get(&served.metrics->values[METRIC_CONNECTIONS]), 0);
    assert_int_equal(atomic_load(&served.begun), ended);
    conn_pool_close(served.pool);
    loop_close(served.loop);
    free(served.metrics);
}

struct call {
    struct loop_task task;
    void (*call)(void);
    sem_t done;
};

static void run_call(struct loop_task *task) {
    struct call *call = container_of(task, struct call, task);
    call->call();
    (void)sem_post(&call->done);
}

void served_call(void (*function)(void)) {
    struct call call = {.task.run = run_call, .call = function};
    assert_int_equal(sem_init(&call.done, 0, 0), 0);
    loop_post(served.loop, &call.task);
    while (sem_wait(&call.done) != 0)
        assert_int_equal(errno, EINTR);
    (void)sem_destroy(&call.done);
}

void served_drain(void) {
    conn_pool_drain(served.pool);
}

static void run_stall(struct loop_task *task) {
    (void)task;
    (void)usleep(300000);
}

void served_stall(void) {
    static struct loop_task task = {.run = run_stall};
    loop_post(served.loop, &task);
}

static size_t connections;

static void count_connections(void) {
    connections = conn_pool_count(served.pool);
}

size_t served_connections(void) {
    served_call(count_connections);
    return connections;
}

uint64_t client_ms(void) {
    return clock_monotonic_us() / 1000;
}

void served_wait(atomic_uint *counter, unsigned value) {
    uint64_t until_ms = client_ms() + PATIENCE_MS;
    while (atomic_load(counter) != value) {
        if (client_ms() > until_ms)
            fail_msg("the counter is %u instead of %u", atomic_load(counter), value);
        (void)usleep(1000);
    }
}

void served_wait_connections(size_t count) {
    uint64_t until_ms = client_ms() + PATIENCE_MS;
    while (served_connections() != count) {
        if (client_ms() > until_ms)
            fail_msg("%zu connections instead of %zu", connections, count);
        (void)usleep(1000);
    }
}

/* ---- the client ------------------------------------------------------------------------------ */

int client_open(void) {
    struct address address;
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    assert_true(address_read(text_of(served.address), &address));
    int client = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client >= 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address.storage, address.len), 0);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
    return client;
}

void client_send_bytes(int client, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t sent = send(client, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        assert_true(sent > 0);
        bytes += sent;
        len -= (size_t)sent;
    }
}

void client_send(int client, const char *text) {
    client_send_bytes(client, text, strlen(text));
}

ssize_t client_receive(int client, char *bytes, size_t len) {
    size_t got = 0;
    while (got < len) {
        ssize_t part = recv(client, bytes + got, len - got, 0);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return got > 0 ? (ssize_t)got : part;
        got += (size_t)part;
    }
    return (ssize_t)got;
}

static size_t header_number(const char *head, const char *name) {
    const char *found = strstr(head, name);
    return found == NULL ? 0 : strtoull(found + strlen(name), NULL, 10);
}

struct client_reply client_read(int client, bool is_head) {
    static char body[BIG_BYTES_MAX + 1];
    struct client_reply reply = {.body = body};
    size_t len = 0;
    while (len < 4 || memcmp(reply.head + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len + 1 < sizeof(reply.head));
        assert_int_equal(client_receive(client, reply.head + len, 1), 1);
        len++;
    }
    assert_memory_equal(reply.head, "HTTP/1.1 ", 9);
    reply.status = (unsigned)strtoul(reply.head + 9, NULL, 10);
    reply.close = strstr(reply.head, "\r\nConnection: close\r\n") != NULL;
    size_t wanted = is_head ? 0 : header_number(reply.head, "\r\nContent-Length: ");
    assert_true(wanted < sizeof(body));
    assert_int_equal(client_receive(client, body, wanted), wanted);
    reply.body_len = wanted;
    body[wanted] = '\0';
    return reply;
}

void client_expect(int client, unsigned status, const char *body) {
    struct client_reply reply = client_read(client, false);
    assert_int_equal(reply.status, status);
    if (body != NULL)
        assert_string_equal(reply.body, body);
}

void client_expect_end(int client, bool may_reset) {
    char byte;
    ssize_t got = client_receive(client, &byte, 1);
    if (got != 0 && !(may_reset && got < 0 && errno == ECONNRESET))
        fail_msg("no end, but %zd, errno %d", got, got < 0 ? errno : 0);
}

bool client_is_silent(int client, int ms) {
    struct pollfd poll_client = {.fd = client, .events = POLLIN};
    return poll(&poll_client, 1, ms) == 0;
}
