/* The PROXY protocol: the header alone, and at the head of connections. */
#include "io/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "served.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IPV4 \
    SIGNATURE "\x21\x11\0\x0C" \
              "\xC0\0\2\1" \
              "\x7F\0\0\1" \
              "\x9C\x40\x1F\x90"
#define TLVS \
    "\x04\0\2ab" \
    "\x05\0\3xyz"
#define IPV4_TLVS \
    SIGNATURE "\x21\x11\0\x17" \
              "\xC0\0\2\1" \
              "\x7F\0\0\1" \
              "\x9C\x40\x1F\x90" TLVS
#define IPV6_BYTES(last) \
    "\x20\x01\x0D\xB8" \
    "\0\0\0\0" \
    "\0\0\0\0" \
    "\0\0\0" last
#define IPV6 SIGNATURE "\x21\x21\0\x24" IPV6_BYTES("\7") IPV6_BYTES("\1") "\0\1\0\2"
#define LOCAL SIGNATURE "\x20\0\0\0"
#define UNSPEC \
    SIGNATURE "\x21\0\0\3" \
              "abc"
#define UNIX_HEAD SIGNATURE "\x21\x31\0\xD8"

#define BYTES(literal) \
    (struct text) { \
        (literal), sizeof(literal) - 1 \
    }

/* ---- the header ------------------------------------------------------------------------------ */

/* Read whole from every split: more is wanted until all is there, and what follows is not its. */
static struct proxy_header read_split(struct text text) {
    struct proxy_header header;
    struct error error;
    char memory[1024];
    assert_true(text.len + 3 <= sizeof(memory));
    memcpy(memory, text.at, text.len);
    memcpy(memory + text.len, "GET", 3);
    for (size_t len = 0; len < text.len; len++)
        assert_int_equal(proxy_header_read((struct text){memory, len}, &header, &error),
                         PROXY_MORE);
    for (size_t more = 0; more <= 3; more++) {
        assert_int_equal(proxy_header_read((struct text){memory, text.len + more}, &header, &error),
                         PROXY_WHOLE);
        assert_int_equal(header.bytes, text.len);
    }
    return header;
}

static void test_addresses(void **state) {
    (void)state;
    char address[INET6_ADDRSTRLEN];
    struct proxy_header header = read_split(BYTES(IPV4));
    assert_true(header.has_peer && header.peer.ss_family == AF_INET);
    assert_non_null(inet_ntop(AF_INET, &((struct sockaddr_in *)&header.peer)->sin_addr, address,
                              sizeof(address)));
    assert_string_equal(address, "192.0.2.1");
    header = read_split(BYTES(IPV6));
    assert_true(header.has_peer && header.peer.ss_family == AF_INET6);
    assert_non_null(inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&header.peer)->sin6_addr, address,
                              sizeof(address)));
    assert_string_equal(address, "2001:db8::7");
    char unix_header[sizeof(UNIX_HEAD) - 1 + 216] = UNIX_HEAD "/run/client";
    header = read_split((struct text){unix_header, sizeof(unix_header)});
    assert_true(header.has_peer && header.peer.ss_family == AF_UNIX);
}

static void test_without_address(void **state) {
    (void)state;
    assert_false(read_split(BYTES(LOCAL)).has_peer);
    assert_false(read_split(BYTES(UNSPEC)).has_peer);
    assert_false(read_split(BYTES(SIGNATURE "\x20\x11\0\2"
                                            "ab"))
                     .has_peer);
    assert_true(read_split(BYTES(IPV4_TLVS)).has_peer);
}

static void expect_bad(struct text text, size_t bad_at) {
    struct proxy_header header = {.bytes = 7};
    struct error error;
    for (size_t len = 0; len <= text.len; len++)
        assert_int_equal(proxy_header_read((struct text){text.at, len}, &header, &error),
                         len < bad_at ? PROXY_MORE : PROXY_BAD);
    assert_int_equal(error.code, ERROR_PROXY_HEADER);
    assert_int_equal(header.bytes, 7);
}

static void test_garbage(void **state) {
    (void)state;
    expect_bad(BYTES("GET / HTTP/1.1\r\n\r\n"), 1);
    expect_bad(BYTES("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n"), 1);
    expect_bad(BYTES("\r\n\r\nGET / HTTP/1.1\r\n\r\n"), 5);
    expect_bad(BYTES("\r\n\r\n\0\r\nQUIT\r\x21\x11\0\0"), 12);
    expect_bad(BYTES(SIGNATURE "\x11\x11\0\x0C"), 16); /* version 1 */
    expect_bad(BYTES(SIGNATURE "\x22\x11\0\x0C"), 16); /* no such command */
    expect_bad(BYTES(SIGNATURE "\x21\x41\0\x0C"), 16); /* no such family */
    expect_bad(BYTES(SIGNATURE "\x21\x13\0\x0C"), 16); /* no such transport */
    expect_bad(BYTES(SIGNATURE "\x21\x11\0\x0B"), 16); /* no room for the addresses */
    expect_bad(BYTES(SIGNATURE "\x21\x21\0\x23"), 16);
    expect_bad(BYTES(SIGNATURE "\x21\x31\0\xD7"), 16);
}

/* The limit, and one above it. */
static void test_length(void **state) {
    (void)state;
    static char memory[PROXY_HEADER_BYTES_MAX + 1] = SIGNATURE "\x21\0\x0F\xF0";
    struct proxy_header header;
    struct error error;
    struct text text = {memory, PROXY_HEADER_BYTES_MAX - 1};
    assert_int_equal(proxy_header_read(text, &header, &error), PROXY_MORE);
    text.len++;
    assert_int_equal(proxy_header_read(text, &header, &error), PROXY_WHOLE);
    assert_int_equal(header.bytes, PROXY_HEADER_BYTES_MAX);
    memory[15] = (char)0xF1;
    assert_int_equal(proxy_header_read(text, &header, &error), PROXY_BAD);
}

/* ---- connections ----------------------------------------------------------------------------- */

static struct cidr ranges[1];

static void start(const char *trusted, uint32_t header_ms, const char *address) {
    struct conn_limits limits = served_limits;
    limits.proxy_protocol = true;
    limits.header_ms = header_ms;
    limits.proxies = ranges;
    assert_true(cidr_read_list(text_of(trusted), ranges, 1, &limits.proxy_count));
    served_start(&limits, address);
}

static void expect_peer(struct text header, const char *peer) {
    int client = client_open();
    client_send_bytes(client, header.at, header.len);
    for (unsigned i = 0; i < 2; i++) { /* it holds for the whole connection */
        client_send(client, GET("/peer"));
        client_expect(client, 200, peer);
    }
    (void)close(client);
}

static void test_peer(void **state) {
    (void)state;
    start("", 60000, "127.0.0.1:0");
    expect_peer(BYTES(IPV4), "192.0.2.1");
    expect_peer(BYTES(IPV4_TLVS), "192.0.2.1");
    expect_peer(BYTES(IPV6), "2001:db8::7");
    expect_peer(BYTES(LOCAL), "127.0.0.1");
    expect_peer(BYTES(UNSPEC), "127.0.0.1");
    expect_peer(BYTES(SIGNATURE
                      "\x21\x21\0\x24"
                      "\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xC0\0\2\7" IPV6_BYTES("\1") "\0\1\0\2"),
                "192.0.2.7");
    char unix_header[sizeof(UNIX_HEAD) - 1 + 216] = UNIX_HEAD;
    expect_peer((struct text){unix_header, sizeof(unix_header)}, "");
    served_stop();
}

/* In two pieces, cut at every byte of header and request; in one; and byte by byte. */
static void test_split(void **state) {
    (void)state;
    static const char all[] = IPV4_TLVS GET("/peer") GET("/now?x");
    start("", 60000, "127.0.0.1:0");
    for (size_t cut = 0; cut < sizeof(all); cut++) {
        int client = client_open();
        client_send_bytes(client, all, cut);
        if (cut % 8 == 0)
            (void)usleep(1000);
        client_send_bytes(client, all + cut, sizeof(all) - 1 - cut);
        client_expect(client, 200, "192.0.2.1");
        client_expect(client, 200, "x");
        (void)close(client);
    }
    int client = client_open();
    for (size_t i = 0; i < sizeof(all) - 1; i++) {
        client_send_bytes(client, all + i, 1);
        (void)usleep(300);
    }
    client_expect(client, 200, "192.0.2.1");
    client_expect(client, 200, "x");
    (void)close(client);
    served_stop();
}

/* The largest, larger than a usual buffer, with a request behind it. */
static void test_large(void **state) {
    (void)state;
    static char memory[PROXY_HEADER_BYTES_MAX] = IPV4;
    memory[14] = 0x0F;
    memory[15] = (char)0xF0;
    start("", 60000, "127.0.0.1:0");
    int client = client_open();
    for (size_t sent = 0; sent < sizeof(memory); sent += 1024) {
        client_send_bytes(client, memory + sent, 1024);
        (void)usleep(2000);
    }
    client_send(client, GET("/peer"));
    client_expect(client, 200, "192.0.2.1");
    (void)close(client);
    served_stop();
}

/* A header is needed from everybody, but what those say who are no proxies is nothing. */
static void test_trusted(void **state) {
    (void)state;
    start("127.0.0.0/8", 60000, "127.0.0.1:0");
    expect_peer(BYTES(IPV4), "192.0.2.1");
    served_stop();
    start("10.0.0.0/8", 60000, "127.0.0.1:0");
    expect_peer(BYTES(IPV4), "127.0.0.1");
    served_stop();
    start("10.0.0.0/8", 60000, "unix:proxy.sock");
    expect_peer(BYTES(IPV4), "192.0.2.1");
    served_stop();
    (void)unlink("proxy.sock");
}

static uint64_t counted(enum metric metric) {
    return counter_get(&served.metrics->values[metric]);
}

static void test_refused(void **state) {
    (void)state;
    start("", 60000, "127.0.0.1:0");
    const char *garbage[] = {GET("/now"), "PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n" GET("/now"),
                             "\r\n\r\n" GET("/now")};
    for (unsigned i = 0; i < array_count(garbage); i++) {
        int client = client_open();
        client_send(client, garbage[i]);
        struct client_reply reply = client_read(client, false);
        assert_true(reply.status == 400 && reply.close);
        assert_non_null(strstr(reply.body, "PROXY protocol v2"));
        client_expect_end(client, true);
        (void)close(client);
        assert_int_equal(counted(METRIC_CONNECTIONS_UNPROXIED), i + 1);
    }
    assert_int_equal(atomic_load(&served.begun), 0);
    served_stop();
}

/* A second header on the connection is a request, and a bad one. */
static void test_only_first(void **state) {
    (void)state;
    start("", 60000, "127.0.0.1:0");
    int client = client_open();
    struct text header = BYTES(IPV4);
    client_send_bytes(client, header.at, header.len);
    client_send(client, GET("/peer"));
    client_expect(client, 200, "192.0.2.1");
    client_send_bytes(client, header.at, header.len);
    assert_int_equal(client_read(client, false).status, 400);
    (void)close(client);
    served_stop();
}

/* The time runs from the connection on, however slowly it comes; then the idle time holds. */
static void test_slow(void **state) {
    (void)state;
    start("", 200, "127.0.0.1:0");
    int silent = client_open(), slow = client_open(), good = client_open();
    struct text header = BYTES(IPV4);
    client_send_bytes(good, header.at, header.len);
    for (unsigned i = 0; i < 4; i++) {
        client_send_bytes(slow, header.at + i, 1);
        (void)usleep(20000);
    }
    assert_int_equal(client_read(silent, false).status, 408);
    assert_int_equal(client_read(slow, false).status, 408);
    assert_int_equal(counted(METRIC_CONNECTIONS_SLOW), 2);
    (void)usleep(200000);
    client_send(good, GET("/peer"));
    client_expect(good, 200, "192.0.2.1");
    (void)close(silent);
    (void)close(slow);
    (void)close(good);
    served_stop();
}

/* Draining does not wait for a header that nobody sends; one that is on its way is served. */
static void test_drain(void **state) {
    (void)state;
    start("", 60000, "127.0.0.1:0");
    int silent = client_open(), good = client_open();
    served_wait_connections(2);
    uint64_t start_ms = client_ms();
    served_call(served_drain);
    struct text header = BYTES(IPV4);
    client_send_bytes(good, header.at, header.len);
    client_send(good, GET("/peer"));
    client_expect(good, 200, "192.0.2.1");
    served_wait_connections(0);
    assert_true(client_ms() - start_ms < 10000);
    (void)close(silent);
    (void)close(good);
    served_stop();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_without_address),
        cmocka_unit_test(test_garbage),   cmocka_unit_test(test_length),
        cmocka_unit_test(test_peer),      cmocka_unit_test(test_split),
        cmocka_unit_test(test_large),     cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_only_first),
        cmocka_unit_test(test_slow),      cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
