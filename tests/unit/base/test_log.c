/* Log lines: their form, their order, what is dropped, and that a slow reader loses nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

static const struct clock noon = {.wall_s = 43200, .wall_us = 7};
static int ends[2];
static char output[1 << 20];

static int setup(void **state) {
    (void)state;
    return pipe(ends);
}

static int teardown(void **state) {
    (void)state;
    (void)close(ends[0]);
    return 0;
}

static struct log *start(enum log_format format, enum log_level level) {
    assert_true(log_start(ends[1], format, level));
    struct log *log = log_open(&noon);
    assert_non_null(log);
    return log;
}

/* Ends the log and returns all that it wrote. */
static const char *stop(void) {
    size_t len = 0;
    ssize_t got;
    log_stop();
    (void)close(ends[1]);
    while ((got = read(ends[0], output + len, sizeof(output) - 1 - len)) > 0)
        len += (size_t)got;
    output[len] = '\0';
    return output;
}

static void test_json_line(void **state) {
    (void)state;
    struct log *log = start(LOG_JSON, LOG_INFO);
    struct log_line line;
    struct uuid id = {{0xAB}};
    log_begin(&line, log, LOG_INFO, "request");
    log_text(&line, "path", TEXT("/a\"\n"));
    log_number(&line, "status", 200);
    log_uuid(&line, "token", &id);
    log_end(&line);
    log_event(log, LOG_ERROR, "broken", "%s %d", "thing", 5);
    assert_string_equal(
        stop(),
        "{\"time\":\"1970-01-01T12:00:00.000007Z\",\"level\":\"info\",\"event\":\"request\","
        "\"path\":\"/a\\\"\\n\",\"status\":200,"
        "\"token\":\"ab000000-0000-0000-0000-000000000000\"}\n"
        "{\"time\":\"1970-01-01T12:00:00.000007Z\",\"level\":\"error\",\"event\":\"broken\","
        "\"message\":\"thing 5\"}\n");
}

static void test_text_line(void **state) {
    (void)state;
    struct log *log = start(LOG_TEXT, LOG_DEBUG);
    struct log_line line;
    log_begin(&line, log, LOG_WARNING, "slow");
    log_number(&line, "ms", 12);
    log_end(&line);
    assert_string_equal(stop(), "1970-01-01T12:00:00.000007Z warning slow ms=12\n");
}

static void test_below_the_level_nothing_is_written(void **state) {
    (void)state;
    struct log *log = start(LOG_JSON, LOG_WARNING);
    struct log_line line;
    struct uuid id = {{0}};
    log_begin(&line, log, LOG_INFO, "request");
    log_text(&line, "a", TEXT("b"));
    log_number(&line, "c", 1);
    log_uuid(&line, "d", &id);
    log_end(&line);
    log_event(log, LOG_DEBUG, "quiet", "%d", 1);
    log_event(NULL, LOG_ERROR, "no log", "%d", 1);
    assert_string_equal(stop(), "");
}

static void test_without_a_clock_the_systems_is_asked(void **state) {
    (void)state;
    assert_true(log_start(ends[1], LOG_TEXT, LOG_INFO));
    struct log *log = log_open(NULL);
    log_event(log, LOG_INFO, "now", "x");
    const char *text = stop();
    assert_int_equal(strspn(text, "0123456789-T:.Z"), 27);
    assert_memory_not_equal(text, "1970", 4);
}

/* A member too long for a line is left out, and the line is still JSON. */
static void test_members_too_long_are_left_out(void **state) {
    (void)state;
    struct log *log = start(LOG_JSON, LOG_INFO);
    struct log_line line;
    static char large[4096];
    memset(large, 'x', sizeof(large));
    log_begin(&line, log, LOG_INFO, "e");
    log_text(&line, "large", (struct text){large, sizeof(large)});
    log_number(&line, "n", 1);
    for (int i = 0; i < 300; i++)
        log_number(&line, "number", UINT64_MAX);
    log_end(&line);
    const char *text = stop();
    assert_null(strstr(text, "large"));
    assert_non_null(strstr(text, ",\"n\":1,\"number\":18446744073709551615,"));
    assert_string_equal(text + strlen(text) - 3, "5}\n");
    assert_true(strlen(text) <= sizeof(line.memory));
}

static void *reader(void *unused) {
    (void)unused;
    size_t len = 0;
    ssize_t got;
    while ((got = read(ends[0], output + len, 3000)) > 0)
        len += (size_t)got;
    output[len] = '\0';
    return NULL;
}

/* The pipe holds less than is written, and its write end does not block: the drainer waits.
 * Enough is written to go around the ring. */
static void test_slow_reader_loses_nothing(void **state) {
    (void)state;
    pthread_t thread;
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    struct log *log = start(LOG_TEXT, LOG_INFO);
    assert_int_equal(pthread_create(&thread, NULL, reader, NULL), 0);
    for (int i = 0; i < 8000; i++) {
        while (log->head - log->tail > LOG_RING_BYTES / 2)
            (void)poll(NULL, 0, 1);
        log_event(log, LOG_INFO, "line", "%d", i);
    }
    assert_int_equal(log->dropped, 0);
    log_stop();
    (void)close(ends[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    const char *at = output;
    for (int i = 0; i < 8000; i++) {
        char expected[80];
        (void)snprintf(expected, sizeof(expected),
                       "1970-01-01T12:00:00.000007Z info    line message=\"%d\"\n", i);
        assert_memory_equal(at, expected, strlen(expected));
        at += strlen(expected);
    }
    assert_string_equal(at, "");
}

/* Nobody reads, so the drainer stands still: what has no room is dropped whole, and counted. */
static void test_full_ring_drops_and_counts(void **state) {
    (void)state;
    enum { LINES = 10000 };
    pthread_t thread;
    unsigned count = 0;
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], "\n", 1) == 1)
        count++;
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    struct log *log = start(LOG_TEXT, LOG_INFO);
    for (int i = 0; i < LINES; i++)
        log_event(log, LOG_INFO, "line", "%d", i);
    uint64_t dropped = log->dropped;
    assert_in_range(dropped, 1, LINES - LOG_RING_BYTES / 100);
    assert_int_equal(pthread_create(&thread, NULL, reader, NULL), 0);
    log_stop();
    (void)close(ends[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    int number = -1, lines = 0;
    for (char *line = output + count; *line != '\0'; line = strchr(line, '\n') + 1, lines++) {
        int before = number;
        assert_int_equal(
            sscanf(line, "1970-01-01T12:00:00.000007Z info line message=\"%d\"\n", &number), 1);
        assert_true(number > before);
    }
    assert_int_equal(lines, LINES - dropped);
}

static void test_broken_descriptor_ends_nothing(void **state) {
    (void)state;
    (void)close(ends[1]);
    int file = open("/dev/null", O_RDONLY);
    assert_true(file >= 0);
    assert_true(log_start(file, LOG_JSON, LOG_INFO));
    log_event(log_open(&noon), LOG_INFO, "lost", "x");
    log_stop();
    log_stop();
    (void)close(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_json_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_below_the_level_nothing_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_clock_the_systems_is_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_members_too_long_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_reader_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_ring_drops_and_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_descriptor_ends_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
