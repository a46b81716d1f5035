/* A broken invariant ends the process and says where; one that holds does nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

struct thing {
    uint32_t magic;
    int value;
};

/* Ends a child that aborts in a way that keeps what it counted of its coverage. */
#define ABORTED 42
static void on_abort(int signal_number) {
    exit(signal_number == SIGABRT ? ABORTED : 1);
}

/* Runs `child` in a process of its own; returns its exit status and what it wrote to stderr. */
static int run(void (*child)(void), char *ret_output, size_t size) {
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)signal(SIGABRT, on_abort);
        child();
        exit(0);
    }
    (void)close(ends[1]);
    ssize_t len = read(ends[0], ret_output, size - 1);
    ret_output[len > 0 ? len : 0] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void fail_check(void) {
    check(1 + 1 == 3);
}

static void fail_magic(void) {
    struct thing thing = {.magic = 1};
    magic_check(&thing, 2);
}

static void fail_nothing(void) {
    struct thing thing = {.magic = 2};
    check(1 + 1 == 2);
    magic_check(&thing, 2);
}

static void test_failing_check_aborts_and_names_it(void **state) {
    (void)state;
    char output[256];
    assert_int_equal(run(fail_check, output, sizeof(output)), ABORTED);
    assert_non_null(strstr(output, "test_check.c:"));
    assert_non_null(strstr(output, "check failed: 1 + 1 == 3"));
}

static void test_wrong_magic_aborts(void **state) {
    (void)state;
    char output[256];
    assert_int_equal(run(fail_magic, output, sizeof(output)), ABORTED);
}

static void test_holding_check_goes_on(void **state) {
    (void)state;
    char output[256];
    assert_int_equal(run(fail_nothing, output, sizeof(output)), 0);
    assert_string_equal(output, "");
}

static void test_container_of_finds_the_object(void **state) {
    (void)state;
    struct thing thing;
    assert_ptr_equal(container_of(&thing.value, struct thing, value), &thing);
    int numbers[7];
    assert_int_equal(array_count(numbers), 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing_check_aborts_and_names_it),
        cmocka_unit_test(test_wrong_magic_aborts),
        cmocka_unit_test(test_holding_check_goes_on),
        cmocka_unit_test(test_container_of_finds_the_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
