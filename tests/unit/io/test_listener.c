/* Listening: addresses, sharing, inherited and unix sockets, and what cannot be listened on. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/address.h"
#include "served.h"

/* ---- addresses ------------------------------------------------------------------------------- */

static void test_addresses(void **state) {
    (void)state;
    static const char *const good[] = {
        "127.0.0.1:8080", "0.0.0.0:0",   "[::1]:8080", "[2001:db8::1]:65535",
        ":8080",          "unix:/tmp/x", "unix:x"};
    static const char *const bad[] = {"",       "127.0.0.1", "127.0.0.1:",   "127.0.0.1:65536",
                                      "[::1]",  "[::1:80",   "::1:80",       "example.org:80",
                                      "[]:80",  "1.2.3:80",  "[1.2.3.4]:80", "unix:",
                                      "a b:80", ":x",        ":-1",          "[::1%lo]:80"};
    for (size_t i = 0; i < array_count(good); i++) {
        struct address address;
        char text[LISTENER_ADDRESS_CHARS];
        struct buffer out = buffer_over(text, sizeof(text));
        assert_true(address_read(text_of(good[i]), &address));
        address_write(&address, &out);
        buffer_byte(&out, '\0');
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < array_count(bad); i++) {
        struct address address;
        assert_false(address_read(text_of(bad[i]), &address));
    }
}

static void test_localhost(void **state) {
    (void)state;
    struct address named, numbered;
    assert_true(address_read(TEXT("localhost:80"), &named));
    assert_true(address_read(TEXT("127.0.0.1:80"), &numbered));
    assert_memory_equal(&named.storage, &numbered.storage, sizeof(struct sockaddr_in));
}

static void test_long_addresses(void **state) {
    (void)state;
    struct address address;
    char text[200];
    memset(text, '1', sizeof(text));
    memcpy(text, "unix:", 5);
    assert_true(address_read((struct text){text, 5 + 107}, &address));
    assert_false(address_read((struct text){text, 5 + 108}, &address));
    memcpy(text + 100, ":80", 3);
    assert_false(address_read((struct text){text + 5, 98}, &address));
}

/* ---- serving on them ------------------------------------------------------------------------- */

static void expect_served(const char *peer) {
    int client = client_open();
    client_send(client, GET("/peer"));
    client_expect(client, 200, peer);
    (void)close(client);
}

static void test_ipv4(void **state) {
    (void)state;
    served_start(&served_limits, "127.0.0.1:0");
    assert_memory_equal(served.address, "127.0.0.1:", 10);
    assert_string_not_equal(served.address, "127.0.0.1:0");
    expect_served("127.0.0.1");
    served_stop();
}

static void test_ipv6(void **state) {
    (void)state;
    served_start(&served_limits, "[::1]:0");
    assert_memory_equal(served.address, "[::1]:", 6);
    expect_served("::1");
    served_stop();
}

/* IPv4 through an IPv6 socket is still IPv4. */
static void test_any(void **state) {
    (void)state;
    char port[LISTENER_ADDRESS_CHARS];
    served_start(&served_limits, ":0");
    assert_int_equal(served.address[0], ':');
    (void)snprintf(port, sizeof(port), "%s", served.address);
    (void)snprintf(served.address, sizeof(served.address), "127.0.0.1%.20s", port);
    expect_served("127.0.0.1");
    (void)snprintf(served.address, sizeof(served.address), "[::1]%.20s", port);
    expect_served("::1");
    served_stop();
}

/* ---- unix sockets ---------------------------------------------------------------------------- */

static char folder[] = "/tmp/mintd-listener-XXXXXX", unix_address[64];
#define UNIX_PATH (unix_address + 5)

static int folder_make(void **state) {
    (void)state;
    (void)snprintf(unix_address, sizeof(unix_address), "unix:%s/socket", mkdtemp(folder));
    return 0;
}

static int folder_remove(void **state) {
    (void)state;
    (void)unlink(UNIX_PATH);
    (void)rmdir(folder);
    (void)memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    return 0;
}

static void expect_error(const char *address, const char *reason) {
    struct listener *listener;
    char where[LISTENER_ADDRESS_CHARS], message[512] = "";
    struct error error;
    struct buffer out = buffer_over(message, sizeof(message) - 1);
    assert_false(
        listener_open(served.loop, served.pool, text_of(address), -1, &listener, where, &error));
    assert_int_equal(error.code, ERROR_LISTEN);
    error_message(&error, &out);
    if (strstr(message, address) == NULL || strstr(message, reason) == NULL)
        fail_msg("%s", message);
}

static void test_unix(void **state) {
    (void)state;
    served_start(&served_limits, unix_address);
    assert_string_equal(served.address, unix_address);
    expect_served("");
    expect_error(unix_address, "address already in use"); /* somebody listens */
    served_stop();
    assert_int_equal(access(UNIX_PATH, F_OK), 0);
    served_start(&served_limits, unix_address); /* nobody listens on what was left there */
    expect_served("");
    served_stop();
}

/* Only sockets are ever removed. */
static void test_unix_over_a_file(void **state) {
    (void)state;
    int file = open(UNIX_PATH, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    (void)close(file);
    served_start(&served_limits, "127.0.0.1:0");
    expect_error(unix_address, "address already in use");
    assert_int_equal(access(UNIX_PATH, F_OK), 0);
    served_stop();
}

/* ---- sharing, handing over ------------------------------------------------------------------- */

static struct error error;
static struct listener *second;
static char second_address[LISTENER_ADDRESS_CHARS];
static int inherited;

static void open_inherited(void) {
    assert_true(listener_open(served.loop, served.pool, (struct text){0}, inherited, &second,
                              second_address, &error));
}

static void close_first(void) {
    listener_close(served.listener);
    listener_close(NULL);
}

static void test_inherited(void **state) {
    (void)state;
    served_start(&served_limits, "127.0.0.1:0");
    inherited = dup(listener_descriptor(served.listener));
    assert_true(inherited >= 0);
    served_call(open_inherited);
    served_call(close_first);
    assert_string_equal(second_address, served.address);
    expect_served("127.0.0.1"); /* by the second */
    served_stop();
}

static void test_shared(void **state) {
    (void)state;
    served_start(&served_limits, "127.0.0.1:0");
    assert_false(listener_is_free(text_of(served.address), &error));
    assert_int_equal(error.code, ERROR_LISTEN);
    assert_non_null(strstr(error.subject, "address already in use"));
    struct loop *loop;
    struct conn_pool *pool;
    const struct conn_handler nobody = {0};
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    assert_non_null(metrics);
    assert_true(loop_open(&loop, &error));
    assert_true(conn_pool_open(loop, &served_limits, &nobody, metrics, &pool, &error));
    assert_true(
        listener_open(loop, pool, text_of(served.address), -1, &second, second_address, &error));
    assert_string_equal(second_address, served.address);
    /* Never run: closing ends it. */
    conn_pool_close(pool);
    loop_close(loop);
    free(metrics);
    served_stop();
    assert_true(listener_is_free(text_of(second_address), &error));
}

/* Connections that wait to be accepted are taken in before the socket is closed. */
static void connect_and_close(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    address.sin_port = htons((uint16_t)strtoul(strrchr(served.address, ':') + 1, NULL, 10));
    for (unsigned i = 0; i < 100; i++) {
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
        inherited = client; /* the last */
        if (i < 99)
            (void)close(client);
    }
    listener_close(served.listener);
}

static void test_close_takes_in_who_waits(void **state) {
    (void)state;
    served_start(&served_limits, "127.0.0.1:0");
    served_call(connect_and_close);
    client_send(inherited, GET("/now?x"));
    client_expect(inherited, 200, "x");
    (void)close(inherited);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct address address;
    assert_true(address_read(text_of(served.address), &address));
    assert_int_equal(connect(client, (struct sockaddr *)&address.storage, address.len), -1);
    assert_int_equal(errno, ECONNREFUSED);
    (void)close(client);
    served_stop();
}

static void test_what_cannot_be(void **state) {
    (void)state;
    served_start(&served_limits, "127.0.0.1:0");
    expect_error("example.org:80", "write it as 127.0.0.1:8080");
    expect_error("192.0.2.1:80", "address not available");
    expect_error("unix:/nowhere/at/all", "no such file or directory");
    assert_false(listener_is_free(TEXT("nothing"), &error));
    assert_false(listener_is_free(TEXT("192.0.2.1:80"), &error));
    assert_true(listener_is_free(TEXT("unix:/nowhere"), &error));
    char where[LISTENER_ADDRESS_CHARS];
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_false(
        listener_open(served.loop, served.pool, (struct text){0}, file, &second, where, &error));
    assert_non_null(strstr(error.subject, "an inherited socket: "));
    assert_int_equal(fcntl(file, F_GETFD), -1); /* closed */
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_false(
        listener_open(served.loop, served.pool, (struct text){0}, pair[0], &second, where, &error));
    (void)close(pair[1]);
    served_stop();
}

#define unix_test(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_localhost),
        cmocka_unit_test(test_long_addresses),
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_any),
        unix_test(test_unix),
        unix_test(test_unix_over_a_file),
        cmocka_unit_test(test_inherited),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_close_takes_in_who_waits),
        cmocka_unit_test(test_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
