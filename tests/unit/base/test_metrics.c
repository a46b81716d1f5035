/* Counters and histograms as Prometheus reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/metrics.h"

static char memory[1 << 16];
static struct metrics workers[2];
static struct metrics *const both[] = {&workers[0], &workers[1]};

static struct text written(void) {
    struct buffer out = buffer_over(memory, sizeof(memory) - 1);
    metrics_write(&out, both, 2);
    assert_false(out.overflow);
    memory[out.len] = '\0';
    return buffer_text(&out);
}

static void test_threads_are_summed(void **state) {
    (void)state;
    metric_add(&workers[0], METRIC_CREDENTIALS, 40);
    metric_add(&workers[1], METRIC_CREDENTIALS, 2);
    metric_set(&workers[0], METRIC_CONNECTIONS, 5);
    metric_set(&workers[0], METRIC_CONNECTIONS, 3);
    (void)written();
    assert_non_null(strstr(memory, "\nmintd_credentials_total 42\n"));
    assert_non_null(strstr(memory, "\nmintd_connections 3\n"));
    assert_non_null(strstr(memory, "# TYPE mintd_connections gauge\n"));
    assert_non_null(strstr(memory, "# HELP mintd_credentials_total Credentials minted.\n"));
}

/* Rows of one family stand together under one HELP and one TYPE (text format 0.0.4). */
static void test_families_are_declared_once(void **state) {
    (void)state;
    size_t samples = 0;
    char family[64] = "";
    struct text rest = written();
    while (rest.len > 0) {
        size_t line = (size_t)((const char *)memchr(rest.at, '\n', rest.len) - rest.at);
        if (text_starts(rest, TEXT("# TYPE "))) {
            char declared[96];
            size_t len = strcspn(rest.at + 7, " ");
            assert_true(len < sizeof(family));
            memcpy(family, rest.at + 7, len);
            family[len] = '\0';
            (void)snprintf(declared, sizeof(declared), "# TYPE %s ", family);
            assert_null(strstr(rest.at + line, declared));
        } else if (rest.at[0] != '#') {
            assert_true(text_starts(rest, text_of(family)));
            samples++;
        }
        rest = (struct text){rest.at + line + 1, rest.len - line - 1};
    }
    assert_int_equal(samples, METRIC_COUNT);
}

static void test_histogram_in_seconds(void **state) {
    (void)state;
    static struct histogram first, second;
    const struct histogram *const histograms[] = {&first, &second};
    struct buffer out = buffer_over(memory, sizeof(memory) - 1);
    histogram_add(&first, 0);
    histogram_add(&first, 1);
    histogram_add(&second, 1000);
    histogram_add(&second, UINT64_C(1) << 40);
    histogram_write(&out, "step_seconds", "step=\"sign\"", histograms, 2, true);
    memory[out.len] = '\0';
    assert_non_null(strstr(memory, "step_seconds_bucket{step=\"sign\",le=\"0.000001\"} 1\n"));
    assert_non_null(strstr(memory, "step_seconds_bucket{step=\"sign\",le=\"0.000002\"} 2\n"));
    assert_non_null(strstr(memory, "step_seconds_bucket{step=\"sign\",le=\"0.000512\"} 2\n"));
    assert_non_null(strstr(memory, "step_seconds_bucket{step=\"sign\",le=\"0.001024\"} 3\n"));
    assert_non_null(strstr(memory, "step_seconds_bucket{step=\"sign\",le=\"16.777216\"} 3\n"));
    assert_non_null(strstr(memory, "step_seconds_bucket{step=\"sign\",le=\"+Inf\"} 4\n"));
    assert_non_null(strstr(memory, "step_seconds_sum{step=\"sign\"} 1099511.628777\n"));
    assert_non_null(strstr(memory, "step_seconds_count{step=\"sign\"} 4\n"));
}

static void test_histogram_of_sizes(void **state) {
    (void)state;
    static struct histogram sizes;
    const struct histogram *const histograms[] = {&sizes};
    struct buffer out = buffer_over(memory, sizeof(memory) - 1);
    histogram_add(&sizes, 7);
    histogram_add(&sizes, 8);
    histogram_write(&out, "batch", "", histograms, 1, false);
    memory[out.len] = '\0';
    assert_non_null(strstr(memory, "batch_bucket{le=\"3\"} 0\n"));
    assert_non_null(strstr(memory, "batch_bucket{le=\"7\"} 1\n"));
    assert_non_null(strstr(memory, "batch_bucket{le=\"15\"} 2\n"));
    assert_non_null(strstr(memory, "batch_sum 15\n"));
    assert_non_null(strstr(memory, "batch_count 2\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_are_summed),
        cmocka_unit_test(test_families_are_declared_once),
        cmocka_unit_test(test_histogram_in_seconds),
        cmocka_unit_test(test_histogram_of_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
