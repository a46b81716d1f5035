/* The limits of connections: time, number, memory, descriptors; and draining. */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/conn_parts.h"
#include "served.h"

/* Time limits here are this long; a coarse timer adds a quarter, a busy machine more. */
enum { LIMIT_MS = 200, LATE_MS = 5000 };

static void start_with(void (*change)(struct conn_limits *limits)) {
    struct conn_limits limits = served_limits;
    change(&limits);
    served_start(&limits, "127.0.0.1:0");
}

static uint64_t counted(enum metric metric) {
    return counter_get(&served.metrics->values[metric]);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void short_idle(struct conn_limits *limits) {
    limits->idle_ms = LIMIT_MS;
}
static void short_header(struct conn_limits *limits) {
    limits->header_ms = LIMIT_MS;
}
static void short_body(struct conn_limits *limits) {
    limits->body_ms = LIMIT_MS;
}
static void short_write(struct conn_limits *limits) {
    limits->write_ms = LIMIT_MS;
}

static void test_idle(void **state) {
    (void)state;
    start_with(short_idle);
    int fresh = client_open(), used = client_open();
    uint64_t start_ms = client_ms();
    for (unsigned i = 0; i < 4; i++) { /* every request starts the time anew */
        (void)usleep(LIMIT_MS * 500);
        client_send(used, GET("/now"));
        client_expect(used, 200, "");
    }
    client_expect_end(fresh, false);
    client_expect_end(used, false);
    assert_in_range(client_ms() - start_ms, 3 * LIMIT_MS, 3 * LIMIT_MS + LATE_MS);
    served_wait_connections(0);
    (void)close(fresh);
    (void)close(used);
    served_stop();
}

static void test_idle_not_while_held(void **state) {
    (void)state;
    start_with(short_idle);
    int client = client_open();
    client_send(client, GET("/hold?x"));
    assert_true(client_is_silent(client, 3 * LIMIT_MS));
    served_call(served_release_all);
    client_expect(client, 200, "x");
    (void)close(client);
    served_stop();
}

static void expect_slow(int client, uint64_t start_ms) {
    struct client_reply reply = client_read(client, false);
    assert_int_equal(reply.status, 408);
    assert_true(reply.close);
    assert_non_null(strstr(reply.body, "within 200 ms"));
    client_expect_end(client, false);
    assert_in_range(client_ms() - start_ms, LIMIT_MS - 1, LIMIT_MS + LATE_MS);
    assert_int_equal(counted(METRIC_CONNECTIONS_SLOW), 1);
    (void)close(client);
}

/* Bytes that trickle in do not prolong it, and neither do empty lines ahead start it. */
static void test_slow_header(void **state) {
    (void)state;
    start_with(short_header);
    int client = client_open();
    client_send(client, "\r\n");
    assert_true(client_is_silent(client, 2 * LIMIT_MS));
    uint64_t start_ms = client_ms();
    client_send(client, "GET / HTTP/1.1\r\nX: ");
    while (client_is_silent(client, LIMIT_MS / 10))
        client_send(client, "x");
    expect_slow(client, start_ms);
    served_stop();
}

static void test_slow_second_header(void **state) {
    (void)state;
    start_with(short_header);
    int client = client_open();
    uint64_t start_ms = client_ms();
    client_send(client, GET("/hold?1") "GET");
    served_wait(&served.refused, 1);
    served_call(served_release_all);
    client_expect(client, 200, "1");
    expect_slow(client, start_ms);
    served_stop();
}

static void test_slow_body(void **state) {
    (void)state;
    start_with(short_body);
    int client = client_open();
    uint64_t start_ms = client_ms();
    client_send(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc");
    while (client_is_silent(client, LIMIT_MS / 10))
        client_send(client, "x");
    expect_slow(client, start_ms);
    served_stop();
}

static void test_seconds_are_told_as_such(void **state) {
    (void)state;
    struct conn_limits limits = served_limits;
    limits.header_ms = 1000;
    served_start(&limits, "127.0.0.1:0");
    int client = client_open();
    client_send(client, "GET");
    assert_non_null(strstr(client_read(client, false).body, "within 1 s"));
    (void)close(client);
    served_stop();
}

static void test_takes_no_reply(void **state) {
    (void)state;
    start_with(short_write);
    int client = client_open();
    uint64_t start_ms = client_ms();
    client_send(client, GET("/big?16000000"));
    served_wait(&served.begun, 1);
    served_wait_connections(0);
    assert_in_range(client_ms() - start_ms, LIMIT_MS - 1, LIMIT_MS + LATE_MS);
    assert_int_equal(counted(METRIC_CONNECTIONS_SLOW), 1);
    (void)close(client);
    served_stop();
}

/* Who takes some now and then is not cut. */
static void test_takes_its_reply_slowly(void **state) {
    (void)state;
    static char some[1500000];
    const int room = 65536; /* little, so that the kernel's buffers do not take it all */
    struct conn_limits limits = served_limits;
    limits.write_ms = 5 * LIMIT_MS; /* the kernel tells of room in large steps only */
    size_t got = 0;
    served_start(&limits, "127.0.0.1:0");
    int client = client_open();
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    client_send(client, GET("/big?14000000"));
    for (unsigned i = 0; i < 9; i++) {
        (void)usleep(LIMIT_MS * 1000);
        ssize_t read = client_receive(client, some, sizeof(some));
        assert_int_equal(read, sizeof(some));
        got += (size_t)read;
    }
    assert_true(client_receive(client, some, sizeof(some)) > 0);
    assert_true(got > 13000000);
    (void)close(client);
    served_stop();
}

/* ---- number ---------------------------------------------------------------------------------- */

static void two_connections(struct conn_limits *limits) {
    limits->connections_max = 2;
}

static void test_connections(void **state) {
    (void)state;
    start_with(two_connections);
    int clients[3];
    for (unsigned i = 0; i < 3; i++)
        clients[i] = client_open();
    struct client_reply reply = client_read(clients[2], false);
    assert_int_equal(reply.status, 503);
    assert_true(reply.close);
    assert_non_null(strstr(reply.head, "\r\nRetry-After: 1\r\n"));
    assert_memory_equal(reply.body, "{\"code\":14,", 11);
    client_expect_end(clients[2], true);
    assert_int_equal(counted(METRIC_CONNECTIONS_REFUSED), 1);
    for (unsigned i = 0; i < 2; i++) {
        client_send(clients[i], GET("/now"));
        client_expect(clients[i], 200, "");
    }
    (void)close(clients[0]);
    served_wait_connections(1);
    int again = client_open();
    client_send(again, GET("/now"));
    client_expect(again, 200, "");
    for (unsigned i = 1; i < 3; i++)
        (void)close(clients[i]);
    (void)close(again);
    served_stop();
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void little_memory(struct conn_limits *limits) {
    limits->buffer_bytes_max = 40 * BLOCK_SMALL_BYTES;
}

/* Requests that wait for their rest take three quarters; beyond that, whoever comes takes the place
 * of the one that has waited for the longest. */
static void test_buffers(void **state) {
    (void)state;
    int clients[40];
    start_with(little_memory);
    int idle = client_open();
    for (unsigned i = 0; i < array_count(clients); i++) {
        clients[i] = client_open();
        client_send(clients[i], i % 2 == 0
                                    ? "GET / HTTP/1.1\r\n"
                                    : "PUT / HTTP/1.1\r\nContent-Length: 9\r\nHost: a\r\n\r\n");
        served_wait(&served.refused, i < 30 ? 0 : i - 29);
        (void)usleep(2000); /* each its own turn */
    }
    client_send(idle, GET("/now"));
    client_expect(idle, 200, "");
    for (unsigned i = 0; i < array_count(clients); i++) {
        if (i > 10)
            client_send(clients[i], i % 2 == 0 ? "Host: a\r\n\r\n" : "012345678");
        client_expect(clients[i], i > 10 ? 200 : 503, NULL);
        (void)close(clients[i]);
    }
    (void)close(idle);
    served_stop();
}

/* A large request is refused sooner than a small one. */
static void test_buffers_for_large_requests(void **state) {
    (void)state;
    static char body[10000];
    start_with(little_memory);
    int large = client_open(), small = client_open();
    client_send(large, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
    client_send_bytes(large, body, sizeof(body));
    client_expect(large, 503, NULL);
    client_send(small, GET("/now"));
    client_expect(small, 200, "");
    (void)close(large);
    (void)close(small);
    served_stop();
}

/* A reply that finds no memory cuts the connection: the first request is gone, the third never
 * begins. */
static void test_buffers_for_replies(void **state) {
    (void)state;
    start_with(little_memory);
    int client = client_open();
    client_send(client, GET("/hold?1") GET("/big?1000000") GET("/hold?2"));
    client_expect_end(client, true);
    assert_int_equal(atomic_load(&served.begun), 2);
    assert_int_equal(atomic_load(&served.gone), 1);
    (void)close(client);
    client = client_open();
    client_send(client, GET("/big?1000000"));
    client_expect_end(client, true);
    (void)close(client);
    served_stop();
}

/* ---- descriptors ----------------------------------------------------------------------------- */

enum { DESCRIPTORS = 64, CLIENTS = 200 };

static uint64_t cpu_ms(void) {
    struct timespec time;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time), 0);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* Sockets that are there already, so that the limit hits the server alone. */
static void sockets_make(int sockets[static CLIENTS]) {
    for (unsigned i = 0; i < CLIENTS; i++) {
        sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(sockets[i] >= 0);
    }
}

static struct sockaddr_in served_address(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    address.sin_port = htons((uint16_t)strtoul(strrchr(served.address, ':') + 1, NULL, 10));
    return address;
}

/* The lowest number that is not taken: descriptors below it are. */
static rlim_t descriptors_used(void) {
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(lowest >= 0);
    (void)close(lowest);
    return (rlim_t)lowest;
}

static void test_descriptors(void **state) {
    (void)state;
    static int sockets[CLIENTS];
    struct rlimit before, during;
    served_start(&served_limits, "127.0.0.1:0");
    int open_before = client_open();
    client_send(open_before, GET("/now"));
    client_expect(open_before, 200, "");
    sockets_make(sockets);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    during = before;
    during.rlim_cur = descriptors_used() + DESCRIPTORS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &during), 0);
    struct sockaddr_in address = served_address();
    uint64_t cpu_before_ms = cpu_ms();
    for (unsigned i = 0; i < CLIENTS; i++)
        (void)!connect(sockets[i], (struct sockaddr *)&address, sizeof(address));
    /* Those beyond the limit are told so; meanwhile who has a connection is served. */
    for (unsigned i = 0; i < 50; i++) {
        client_send(open_before, GET("/now"));
        client_expect(open_before, 200, "");
        (void)usleep(20000);
    }
    uint64_t refused = counted(METRIC_CONNECTIONS_REFUSED), taken = served_connections() - 1;
    assert_in_range(taken, DESCRIPTORS / 2, DESCRIPTORS);
    assert_int_equal(taken + refused, CLIENTS);
    assert_true(cpu_ms() - cpu_before_ms < 500);
    for (unsigned i = 0; i < CLIENTS; i++)
        (void)close(sockets[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    uint64_t start_ms = client_ms();
    int after = client_open();
    client_send(after, GET("/now"));
    client_expect(after, 200, "");
    assert_in_range(client_ms() - start_ms, 0, 1000);
    (void)close(after);
    (void)close(open_before);
    served_stop();
}

/* ---- draining -------------------------------------------------------------------------------- */

static void test_drain(void **state) {
    (void)state;
    served_start(&served_limits, "127.0.0.1:0");
    int idle = client_open(), holds = client_open(), partial = client_open(), late = client_open();
    client_send(idle, GET("/now"));
    client_expect(idle, 200, "");
    client_send(holds, GET("/hold?1") GET("/hold?2"));
    client_send(partial, "GET /now?3 HTTP/1.1\r\n");
    served_wait(&served.begun, 3);
    assert_int_equal(served_connections(), 4);
    served_call(served_drain);
    /* A request that was on its way is answered. */
    client_send(late, GET("/now?4"));
    struct client_reply reply = client_read(late, false);
    assert_int_equal(reply.status, 200);
    assert_true(reply.close);
    client_expect_end(late, false);
    (void)close(late);
    uint64_t start_ms = client_ms();
    client_expect_end(idle, false);
    assert_in_range(client_ms() - start_ms, 0, CONN_DRAIN_IDLE_MS + LATE_MS);
    (void)close(idle);
    client_send(partial, "Host: a\r\n\r\n");
    assert_true(client_read(partial, false).close);
    (void)close(partial);
    served_call(served_release_all);
    assert_false(client_read(holds, false).close);
    assert_true(client_read(holds, false).close);
    client_expect_end(holds, false);
    (void)close(holds);
    served_wait_connections(0);
    served_stop();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_idle_not_while_held),
        cmocka_unit_test(test_slow_header),
        cmocka_unit_test(test_slow_second_header),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_seconds_are_told_as_such),
        cmocka_unit_test(test_takes_no_reply),
        cmocka_unit_test(test_takes_its_reply_slowly),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_buffers_for_large_requests),
        cmocka_unit_test(test_buffers_for_replies),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
