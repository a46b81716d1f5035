/* A request's memory, its answer and its id, and the names of the steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mint/request.h"

/* A request with an arena of so many bytes behind it. */
static struct request *request_of(size_t bytes) {
    struct request *request = calloc(1, sizeof(*request) + bytes);
    check(request != NULL);
    request->arena = arena_over(request + 1, bytes);
    return request;
}

static void request_drop(struct request *request) {
    while (request->blocks != NULL) {
        /* The first member of a block is the next one. */
        void *block = request->blocks;
        memcpy(&request->blocks, block, sizeof(request->blocks));
        free(block);
    }
    free(request->out.at);
    free(request);
}

/* From the arena while it lasts, then from the heap; aligned for anything, none over another. */
static void test_take(void **state) {
    struct request *request = request_of(256);
    uint8_t *pieces[100];
    (void)state;
    for (size_t i = 0; i < array_count(pieces); i++) {
        pieces[i] = request_take(request, i + 1);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        memset(pieces[i], (int)i, i + 1);
    }
    for (size_t i = 0; i < array_count(pieces); i++)
        for (size_t at = 0; at <= i; at++)
            assert_int_equal(pieces[i][at], i);
    assert_non_null(request->blocks);
    request_drop(request);
}

static void test_copy(void **state) {
    struct request *request = request_of(64);
    struct text copy = {0}, empty = TEXT("left");
    char word[] = "word";
    (void)state;
    assert_true(request_copy(request, text_of(word), &copy));
    word[0] = 'x';
    assert_true(text_equal(copy, TEXT("word")));
    assert_true(request_copy(request, (struct text){0}, &empty));
    assert_int_equal(empty.len, 0);
    request_drop(request);
}

/* There is always as much room as was asked for, and what was written stays. */
static void test_out(void **state) {
    struct request *request = request_of(0);
    (void)state;
    for (size_t size = 1; size < 100000; size = size * 3 / 2 + 1) {
        size_t before = request->out.len;
        struct buffer *out = request_out(request, size);
        assert_ptr_equal(out, &request->out);
        assert_true(out->size - out->len >= size);
        while (out->len < before + size)
            buffer_byte(out, (char)(out->len % 101));
    }
    for (size_t i = 0; i < request->out.len; i++)
        assert_int_equal(request->out.at[i], (char)(i % 101));
    assert_false(request->out.overflow);
    request_drop(request);
}

static void test_id(void **state) {
    struct random random;
    char memory[REQUEST_ID_CHARS];
    (void)state;
    assert_true(random_open(&random));
    struct buffer out = buffer_over(memory, sizeof(memory));
    request_id_take(TEXT("0af7651916cd43dd8448eb211c80319c"), &random, &out);
    assert_true(text_equal(buffer_text(&out), TEXT("0af7651916cd43dd8448eb211c80319c")));
    out = buffer_over(memory, sizeof(memory));
    request_id_take(TEXT("two words"), &random, &out);
    assert_int_equal(out.len, 24);
    random_close(&random);
}

static void test_step_names(void **state) {
    (void)state;
    assert_string_equal(step_name(STEP_ADMIT), "ADMIT");
    assert_string_equal(step_name(STEP_RESPOND), "RESPOND");
    assert_int_equal(STEP_RESPOND, STEP_COUNT - 1); /* every failure jumps forward to it */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take), cmocka_unit_test(test_copy),       cmocka_unit_test(test_out),
        cmocka_unit_test(test_id),   cmocka_unit_test(test_step_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
