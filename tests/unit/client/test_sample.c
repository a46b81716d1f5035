/* Of many bodies each is kept with the same chance; what is wrong in those kept is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client/bench/sample.h"

static void see(struct samples *samples, unsigned number) {
    char body[16];
    int len = snprintf(body, sizeof(body), "%u", number);
    samples_see(samples, (struct text){body, (size_t)len});
}

static void few_are_all_kept(void **state) {
    struct samples samples = {.max = 10, .state = 1};
    (void)state;
    for (unsigned i = 0; i < 10; i++)
        see(&samples, i);
    assert_int_equal(samples.count, 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(samples.bodies[i].at[0], '0' + (char)i);
    samples_free(&samples);
}

/* 300 samples of 20 out of 1000: of each tenth 600 are expected, with a deviation of 23. */
static void each_has_the_same_chance(void **state) {
    unsigned found[10] = {0};
    (void)state;
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct samples samples = {.max = 20, .state = seed * 0x9E3779B97F4A7C15ULL};
        for (unsigned i = 0; i < 1000; i++)
            see(&samples, i);
        assert_int_equal(samples.count, 20);
        assert_int_equal(samples.seen, 1000);
        for (size_t i = 0; i < samples.count; i++) {
            uint64_t number;
            assert_true(text_number(samples.bodies[i], 999, &number));
            found[number / 100]++;
        }
        samples_free(&samples);
    }
    for (size_t i = 0; i < array_count(found); i++)
        assert_in_range(found[i], 480, 720);
}

static void none_are_kept_when_none_are_wanted(void **state) {
    struct samples samples = {.state = 1};
    (void)state;
    see(&samples, 1);
    assert_int_equal(samples.count, 0);
    assert_int_equal(samples.seen, 1);
    samples_free(&samples);
}

/* With large bodies the sample is of fewer, not of more memory. */
static void memory_has_a_limit(void **state) {
    struct samples samples = {.max = SAMPLES_MAX, .state = 1};
    size_t len = SAMPLE_BYTES_MAX / 8 + 1;
    char *body = malloc(len);
    (void)state;
    assert_non_null(body);
    memset(body, 'x', len);
    for (unsigned i = 0; i < 30; i++)
        samples_see(&samples, (struct text){body, len});
    assert_int_equal(samples.count, 7);
    assert_true(samples.bytes <= SAMPLE_BYTES_MAX);
    free(body);
    samples_free(&samples);
}

static void samples_of_threads_are_put_together(void **state) {
    struct samples one = {.max = 2, .state = 1}, two = {.max = 2, .state = 2}, all = {0};
    (void)state;
    see(&one, 1);
    see(&two, 2);
    see(&two, 3);
    samples_move(&all, &one);
    samples_move(&all, &two);
    assert_int_equal(all.count, 3);
    assert_int_equal(all.seen, 3);
    assert_int_equal(one.count + two.count, 0);
    samples_free(&one);
    samples_free(&two);
    samples_free(&all);
}

static void counts_what_is_no_credential(void **state) {
    static const struct {
        const char *body;
        size_t missing;
    } rows[] = {
        {"{\"accessToken\":\"x\"}", 0},
        {"{\"credentials\":[{\"accessToken\":\"x\"},{\"error\":\"y\"},3]}", 2},
        {"{\"accessToken\":\"\"}", 1},
        {"{\"accessToken\":1}", 1},
        {"{\"access_token\":\"x\"}", 1},
        {"[]", 1},
        {"{", 1},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct samples samples = {.max = 1, .state = 1};
        struct sample_check check = {.field = TEXT("accessToken")};
        samples_see(&samples, text_of(rows[i].body));
        samples_check(&samples, &check);
        if (check.missing != rows[i].missing || (check.missing > 0) != (check.why[0] != '\0'))
            fail_msg("%s: %zu", rows[i].body, check.missing);
        samples_free(&samples);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_are_all_kept),
        cmocka_unit_test(each_has_the_same_chance),
        cmocka_unit_test(none_are_kept_when_none_are_wanted),
        cmocka_unit_test(memory_has_a_limit),
        cmocka_unit_test(samples_of_threads_are_put_together),
        cmocka_unit_test(counts_what_is_no_credential),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
