/* Every row of error.def: its codes, its sentence, its JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

static char memory[1024];

static struct text message(const struct error *error) {
    struct buffer out = buffer_over(memory, sizeof(memory));
    error_message(error, &out);
    assert_false(out.overflow);
    return buffer_text(&out);
}

static void test_set_keeps_code_and_subject(void **state) {
    (void)state;
    struct error error = {0};
    assert_false(error_is(&error));
    assert_false(error_set(&error, ERROR_FIELD_UNKNOWN, "%s_%d", "ttl", 5));
    assert_true(error_is(&error));
    assert_int_equal(error.code, ERROR_FIELD_UNKNOWN);
    assert_true(
        text_equal(message(&error), TEXT("the field ttl_5 is not known here; check its spelling")));
    assert_false(error_set(&error, ERROR_DRAINING, NULL));
    assert_string_equal(error.subject, "");
    assert_true(text_equal(message(&error), TEXT("this replica is shutting down; retry")));
}

static void test_long_subjects_are_cut(void **state) {
    (void)state;
    char large[2 * ERROR_SUBJECT_BYTES];
    struct error error;
    memset(large, 'x', sizeof(large));
    assert_false(error_about(&error, ERROR_NOT_FOUND, (struct text){large, sizeof(large)}));
    assert_int_equal(strlen(error.subject), ERROR_SUBJECT_BYTES - 1);
    assert_false(error_about(&error, ERROR_NOT_FOUND, (struct text){NULL, 0}));
    assert_string_equal(error.subject, "");
    large[sizeof(large) - 1] = '\0';
    assert_false(error_set(&error, ERROR_NOT_FOUND, "%s", large));
    assert_int_equal(strlen(error.subject), ERROR_SUBJECT_BYTES - 1);
}

/* A subject is the user's own words: nothing in them is format or escape. */
static void test_json_escapes_the_subject(void **state) {
    (void)state;
    struct error error;
    struct buffer out = buffer_over(memory, sizeof(memory));
    assert_false(error_about(&error, ERROR_FIELD_UNKNOWN, TEXT("a\"%s\n")));
    error_json(&error, &out);
    assert_true(text_equal(buffer_text(&out),
                           TEXT("{\"code\":3,\"message\":\"the field a\\\"%s\\n is not known here; "
                                "check its spelling\",\"details\":[]}")));
}

/* §1 of the interface: which gRPC code goes with which status. */
static void test_rows_are_consistent(void **state) {
    (void)state;
    static const struct {
        unsigned grpc, http;
    } pairs[] = {{0, 200},  {3, 400},  {3, 413},  {3, 415},  {3, 417}, {3, 431},
                 {4, 408},  {5, 404},  {6, 409},  {7, 403},  {8, 429}, {12, 405},
                 {12, 501}, {12, 505}, {13, 500}, {14, 503}, {16, 401}};
    for (int code = 0; code < ERROR_CODES; code++) {
        unsigned grpc = error_grpc_code((enum error_code)code);
        unsigned http = error_http_status((enum error_code)code);
        size_t i = 0;
        while (i < array_count(pairs) && (pairs[i].grpc != grpc || pairs[i].http != http))
            i++;
        assert_true(i < array_count(pairs));
        assert_true(strlen(error_name((enum error_code)code)) > 3);
    }
    assert_string_equal(error_name(ERROR_TOKEN_REVOKED), "TOKEN_REVOKED");
}

/* The worst case of every sentence still fits what error_json works in. */
static void test_every_message_fits(void **state) {
    (void)state;
    char large[ERROR_SUBJECT_BYTES];
    memset(large, 'x', sizeof(large));
    for (int code = 0; code < ERROR_CODES; code++) {
        struct error error;
        char room[512];
        struct buffer out = buffer_over(room, sizeof(room));
        (void)error_about(&error, (enum error_code)code, (struct text){large, sizeof(large)});
        error_message(&error, &out);
        assert_false(out.overflow);
    }
}

/* Which of the four reasons a token was refused for, only the log tells. */
static void test_bad_tokens_answer_alike(void **state) {
    (void)state;
    static const enum error_code bad[] = {ERROR_TOKEN_UNKNOWN, ERROR_TOKEN_REVOKED,
                                          ERROR_TOKEN_EXPIRED};
    struct error malformed = {.code = ERROR_TOKEN_MALFORMED};
    char first[256];
    struct buffer out = buffer_over(first, sizeof(first));
    error_json(&malformed, &out);
    for (size_t i = 0; i < array_count(bad); i++) {
        struct error error = {.code = bad[i]};
        struct buffer other = buffer_over(memory, sizeof(memory));
        error_json(&error, &other);
        assert_true(text_equal(buffer_text(&out), buffer_text(&other)));
        assert_int_equal(error_http_status(bad[i]), 401);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_keeps_code_and_subject),
        cmocka_unit_test(test_long_subjects_are_cut),
        cmocka_unit_test(test_json_escapes_the_subject),
        cmocka_unit_test(test_rows_are_consistent),
        cmocka_unit_test(test_every_message_fits),
        cmocka_unit_test(test_bad_tokens_answer_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
