/* Connections: keep-alive, pipelining, the order of replies, and how a connection ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/conn_parts.h"
#include "served.h"

static int start(void **state) {
    (void)state;
    served_start(&served_limits, "127.0.0.1:0");
    return 0;
}

static int stop(void **state) {
    (void)state;
    served_stop();
    return 0;
}

static void test_keep_alive(void **state) {
    (void)state;
    int client = client_open();
    for (unsigned i = 0; i < 20; i++) {
        client_send(client, GET("/now?x"));
        client_expect(client, 200, "x");
        client_send(client, GET("/end?y"));
        client_expect(client, 200, "y");
    }
    assert_int_equal(served_connections(), 1);
    assert_true(client_is_silent(client, 10));
    (void)close(client);
    served_wait_connections(0);
    assert_int_equal(atomic_load(&served.gone), 0);
}

static void test_byte_by_byte(void **state) {
    (void)state;
    const char *request = "\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    int client = client_open();
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; request[i] != '\0'; i++) {
            client_send_bytes(client, request + i, 1);
            if (i % 8 == 0)
                (void)usleep(500);
        }
        client_expect(client, 200, "abc");
    }
    (void)close(client);
}

static void test_pipelined(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, GET("/now?1") GET("/end?2") GET("/now?3") GET("/end?4"));
    for (unsigned i = 1; i <= 4; i++)
        client_expect(client, 200, (char[]){(char)('0' + i), '\0'});
    (void)close(client);
}

/* More than one block holds, and more than may be under way. */
static void test_pipelined_flood(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    static char requests[COUNT * 64];
    struct buffer out = buffer_over(requests, sizeof(requests));
    for (unsigned i = 0; i < COUNT; i++)
        buffer_format(&out, "GET /%s?%u HTTP/1.1\r\nHost: a\r\n\r\n", i % 3 == 0 ? "end" : "now",
                      i);
    assert_false(out.overflow);
    int client = client_open();
    client_send_bytes(client, requests, out.len);
    for (unsigned i = 0; i < COUNT; i++) {
        char body[16];
        (void)snprintf(body, sizeof(body), "%u", i);
        client_expect(client, 200, body);
    }
    (void)close(client);
}

/* Replies are given in the wrong order, and go in the right one. */
static void test_replies_in_order(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, GET("/hold?1") GET("/hold?2") GET("/now?3") GET("/hold?4"));
    served_wait(&served.begun, 4);
    served_call(served_release_latest);
    served_call(served_release_latest);
    assert_true(client_is_silent(client, 20));
    served_call(served_release_latest);
    for (unsigned i = 1; i <= 4; i++)
        client_expect(client, 200, (char[]){(char)('0' + i), '\0'});
    (void)close(client);
}

/* A flood over many connections is served in parts, not all at the end. */
static void test_flood_of_connections(void **state) {
    (void)state;
    enum { CLIENTS = 900 };
    static int clients[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = client_open();
    served_wait_connections(CLIENTS);
    served_stall(); /* all send meanwhile, and come in one poll */
    for (unsigned i = 0; i < CLIENTS; i++)
        client_send(clients[i], GET("/end?x"));
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_expect(clients[i], 200, "x");
        (void)close(clients[i]);
    }
    served_wait_connections(0);
    assert_int_equal(served.batch_max, 256);
}

/* A request that is held keeps its texts while others come and go in the same buffers. */
static void test_texts_stay_while_held(void **state) {
    (void)state;
    static char padding[3000];
    memset(padding, 'p', sizeof(padding) - 1);
    int client = client_open();
    client_send(client, GET("/hold?kept"));
    served_wait(&served.begun, 1);
    for (unsigned i = 0; i < 10; i++) {
        client_send(client, "GET /now HTTP/1.1\r\nHost: a\r\nX: ");
        client_send(client, padding);
        client_send(client, "\r\n\r\n");
    }
    served_wait(&served.begun, 11);
    served_call(served_release_all);
    client_expect(client, 200, "kept");
    for (unsigned i = 0; i < 10; i++)
        client_expect(client, 200, "");
    (void)close(client);
}

static void test_pipeline_limit(void **state) {
    (void)state;
    int client = client_open();
    for (unsigned i = 0; i < 20; i++)
        client_send(client, GET("/hold"));
    served_wait(&served.begun, 16);
    (void)usleep(20000);
    assert_int_equal(atomic_load(&served.begun), 16);
    served_call(served_release_all);
    served_wait(&served.begun, 20);
    served_call(served_release_all);
    for (unsigned i = 0; i < 20; i++)
        client_expect(client, 200, "");
    (void)close(client);
}

static void test_large_request(void **state) {
    (void)state;
    static char body[65536 + 1];
    memset(body, 'x', sizeof(body) - 1);
    int client = client_open();
    for (unsigned round = 0; round < 3; round++) {
        client_send(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n");
        client_send(client, body);
        client_send(client, GET("/now?after"));
        client_expect(client, 200, body);
        client_expect(client, 200, "after");
    }
    (void)close(client);
}

static void test_large_reply(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, GET("/big?8000000") GET("/big?100000") GET("/now?after"));
    (void)usleep(50000);
    assert_int_equal(client_read(client, false).body_len, 8000000);
    assert_int_equal(client_read(client, false).body_len, 100000);
    client_expect(client, 200, "after");
    (void)close(client);
}

/* The peer takes nothing for a while: replies wait, requests too, and nothing is lost. */
static void test_replies_of_a_slow_reader(void **state) {
    (void)state;
    enum { COUNT = 200 };
    int client = client_open();
    for (unsigned i = 0; i < COUNT; i++)
        client_send(client, GET("/big?300000"));
    (void)usleep(100000);
    unsigned begun = atomic_load(&served.begun);
    assert_in_range(begun, 1, COUNT - 1);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(client_read(client, false).body_len, 300000);
    assert_int_equal(atomic_load(&served.begun), COUNT);
    (void)close(client);
}

static void test_head(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, "HEAD /big?12345 HTTP/1.1\r\nHost: a\r\n\r\n" GET("/now?x"));
    struct client_reply reply = client_read(client, true);
    assert_non_null(strstr(reply.head, "\r\nContent-Length: 12345\r\n"));
    client_expect(client, 200, "x");
    (void)close(client);
}

static void test_http_1_0(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, "GET /now?x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    struct client_reply reply = client_read(client, false);
    assert_non_null(strstr(reply.head, "\r\nConnection: keep-alive\r\n"));
    client_send(client, "GET /now?x HTTP/1.0\r\n\r\n");
    assert_true(client_read(client, false).close);
    client_expect_end(client, false);
    (void)close(client);
}

static void test_connection_close(void **state) {
    (void)state;
    int client = client_open();
    client_send(
        client,
        GET("/hold?1") "GET /now?2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/now?3"));
    served_wait(&served.begun, 2);
    served_call(served_release_all);
    assert_false(client_read(client, false).close);
    assert_true(client_read(client, false).close);
    client_expect_end(client, false);
    assert_int_equal(atomic_load(&served.begun), 2);
    (void)close(client);
    served_wait_connections(0);
}

/* The handler wants it closed while a later request is under way, which is still answered. */
static void test_handler_closes(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, GET("/close") GET("/now"));
    assert_true(client_read(client, false).close);
    client_expect_end(client, false);
    assert_int_equal(atomic_load(&served.begun), 1);
    (void)close(client);
}

static void test_peer(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, GET("/peer"));
    client_expect(client, 200, "127.0.0.1");
    (void)close(client);
}

/* ---- 100-continue ---------------------------------------------------------------------------- */

#define EXPECTING \
    "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"

static void expect_continue(int client) {
    char text[26];
    assert_int_equal(client_receive(client, text, 25), 25);
    assert_memory_equal(text, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

static void test_continue(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, EXPECTING);
    expect_continue(client);
    client_send(client, "abc");
    client_expect(client, 200, "abc");
    client_send(client, EXPECTING "abc"); /* who does not wait is not told */
    client_expect(client, 200, "abc");
    (void)close(client);
}

static void test_continue_waits_for_its_turn(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, GET("/hold?1") EXPECTING);
    served_wait(&served.begun, 1);
    assert_true(client_is_silent(client, 20));
    served_call(served_release_all);
    client_expect(client, 200, "1");
    expect_continue(client);
    client_send(client, "abc");
    client_expect(client, 200, "abc");
    (void)close(client);
}

/* ---- the client leaves ----------------------------------------------------------------------- */

static void test_half_close(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, GET("/hold?1") GET("/hold?2") "GET /partial");
    served_wait(&served.begun, 2);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    (void)usleep(20000);
    served_call(served_release_all);
    client_expect(client, 200, "1");
    client_expect(client, 200, "2");
    client_expect_end(client, false);
    served_wait_connections(0);
    assert_int_equal(atomic_load(&served.gone), 0);
    (void)close(client);
}

static void reset(int client) {
    const struct linger now = {.l_onoff = 1};
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    (void)close(client);
}

static void test_reset_with_requests_under_way(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, GET("/hold?1") GET("/hold?2") GET("/now?3"));
    served_wait(&served.begun, 3);
    reset(client);
    served_wait(&served.gone, 2); /* the third was replied to */
    served_wait_connections(0);
}

static void test_leaves_at_every_state(void **state) {
    (void)state;
    static const char *const sent[] = {
        "",
        "\r",
        "GET",
        "GET / HTTP/1.1\r\nHost",
        "POST / HTTP/1.1\r\nHost: a\r\n\r",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        EXPECTING,
        GET("/now") "GET",
        "BAD\r\n\r\n",
        GET("/big?8000000"),
    };
    for (size_t i = 0; i < 3 * array_count(sent); i++) {
        int client = client_open();
        client_send(client, sent[i / 3]);
        if (i % 3 > 0)
            (void)usleep(2000);
        if (i % 3 == 1)
            reset(client);
        else
            (void)close(client);
    }
    served_wait_connections(0);
    assert_int_equal(atomic_load(&served.gone), 0);
}

static void test_leaves_during_a_large_reply(void **state) {
    (void)state;
    char some[1000];
    int client = client_open();
    client_send(client, GET("/big?8000000") GET("/hold"));
    assert_int_equal(client_receive(client, some, sizeof(some)), sizeof(some));
    reset(client);
    served_wait_connections(0);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void test_refused(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, GET("/hold?1") "GET / HTTP/1.1\r\n\r\n" GET("/now?2"));
    served_wait(&served.refused, 1);
    assert_true(client_is_silent(client, 20));
    served_call(served_release_all);
    client_expect(client, 200, "1");
    struct client_reply reply = client_read(client, false);
    assert_int_equal(reply.status, 400);
    assert_true(reply.close);
    assert_memory_equal(reply.body, "{\"code\":3,\"message\":\"", 21);
    assert_non_null(strstr(reply.head, "\r\nX-Request-Id: refused-1\r\n"));
    client_expect_end(client, false);
    (void)close(client);
    served_wait_connections(0);
}

/* What the client goes on to send is dropped, so that the reply is not lost to a reset. */
static void test_refused_while_sending(void **state) {
    (void)state;
    static char body[400000];
    int client = client_open();
    client_send(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n");
    client_send_bytes(client, body, sizeof(body));
    client_expect(client, 413, NULL);
    client_expect_end(client, false);
    assert_int_equal(served_connections(), 1); /* until the client closes too */
    (void)close(client);
    served_wait_connections(0);
}

/* But not without end. */
static void test_refused_and_sends_for_ever(void **state) {
    (void)state;
    static char body[100000];
    int client = client_open();
    client_send(client, "BAD\r\n\r\n");
    for (unsigned i = 0; i < 1000; i++)
        if (send(client, body, sizeof(body), MSG_NOSIGNAL) < 0)
            break;
    served_wait_connections(0);
    (void)close(client);
}

static void test_lingers_not_for_ever(void **state) {
    (void)state;
    int client = client_open();
    client_send(client, "BAD\r\n\r\n");
    client_expect(client, 400, NULL);
    client_expect_end(client, false);
    uint64_t start_ms = client_ms();
    served_wait_connections(0);
    assert_in_range(client_ms() - start_ms, 900, 5000);
    (void)close(client);
}

/* ---- the server ends ------------------------------------------------------------------------- */

static void test_ends_with_all_kinds_open(void **state) {
    (void)state;
    static const char *const sent[] = {
        "",
        "GET",
        GET("/now"),
        GET("/hold"),
        GET("/hold") GET("/now"),
        EXPECTING "a",
        "BAD\r\n\r\n",
        GET("/big?8000000"),
        GET("/hold") "BAD\r\n\r\n",
    };
    int clients[array_count(sent)];
    for (size_t i = 0; i < array_count(sent); i++) {
        clients[i] = client_open();
        client_send(clients[i], sent[i]);
    }
    served_wait(&served.begun, 6);
    served_wait(&served.refused, 2);
    served_stop();
    assert_int_equal(atomic_load(&served.gone), 3);
    for (size_t i = 0; i < array_count(sent); i++)
        (void)close(clients[i]);
    served_start(&served_limits, "127.0.0.1:0"); /* for stop */
}

/* 10,000 idle connections take 8 MB at most: 800 bytes each, with what libuv adds. */
static void test_idle_size(void **state) {
    (void)state;
    assert_true(sizeof(struct conn) <= 512);
}

#define conn_test(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        conn_test(test_keep_alive),
        conn_test(test_byte_by_byte),
        conn_test(test_pipelined),
        conn_test(test_pipelined_flood),
        conn_test(test_flood_of_connections),
        conn_test(test_replies_in_order),
        conn_test(test_texts_stay_while_held),
        conn_test(test_pipeline_limit),
        conn_test(test_large_request),
        conn_test(test_large_reply),
        conn_test(test_replies_of_a_slow_reader),
        conn_test(test_head),
        conn_test(test_http_1_0),
        conn_test(test_connection_close),
        conn_test(test_handler_closes),
        conn_test(test_peer),
        conn_test(test_continue),
        conn_test(test_continue_waits_for_its_turn),
        conn_test(test_half_close),
        conn_test(test_reset_with_requests_under_way),
        conn_test(test_leaves_at_every_state),
        conn_test(test_leaves_during_a_large_reply),
        conn_test(test_refused),
        conn_test(test_refused_while_sending),
        conn_test(test_refused_and_sends_for_ever),
        conn_test(test_lingers_not_for_ever),
        conn_test(test_ends_with_all_kinds_open),
        cmocka_unit_test(test_idle_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
