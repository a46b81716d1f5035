/* Arenas and slabs: alignment, limits, reuse, and what is given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <string.h>

#include "absurd_sizes.h"
#include "base/memory.h"

static void assert_aligned(const void *piece) {
    assert_int_equal((uintptr_t)piece % alignof(max_align_t), 0);
}

static void test_arena_aligns_and_ends(void **state) {
    (void)state;
    static alignas(max_align_t) uint8_t block[64 + 1];
    for (size_t offset = 0; offset < 2; offset++) {
        struct arena arena = arena_over(block + offset, 64);
        uint8_t *first = arena_take(&arena, 1), *second = arena_take(&arena, 16);
        assert_aligned(first);
        assert_aligned(second);
        assert_true(second > first);
        assert_null(arena_take(&arena, 64));
        assert_null(arena_take(&arena, SIZE_MAX));
        size_t left = arena_left(&arena);
        assert_non_null(arena_take(&arena, left - left % 16 - offset * 16));
        arena_reset(&arena);
        assert_int_equal(arena_left(&arena), 64);
        assert_ptr_equal(arena_take(&arena, 1), first);
    }
}

static void test_arena_resizes_the_last_piece_only(void **state) {
    (void)state;
    static alignas(max_align_t) uint8_t block[128];
    struct arena arena = arena_over(block, sizeof(block));
    uint8_t *first = arena_take(&arena, 16), *last = arena_take(&arena, 16);
    assert_false(arena_resize(&arena, first, 16, 8));
    assert_true(arena_resize(&arena, last, 16, 112));
    memset(last, 1, 112);
    assert_int_equal(arena_left(&arena), 0);
    assert_false(arena_resize(&arena, last, 112, 113));
    assert_true(arena_resize(&arena, last, 112, 32));
    assert_int_equal(arena_left(&arena), 80);
    assert_true(arena_resize(&arena, last, 32, 0));
    assert_ptr_equal(arena_take(&arena, 16), last);
}

static void test_slab_reuses_and_limits(void **state) {
    (void)state;
    struct slab slab;
    slab_open(&slab, 24, 3);
    void *first = slab_get(&slab), *second = slab_get(&slab), *third = slab_get(&slab);
    assert_true(first != NULL && second != NULL && third != NULL);
    assert_true(first < second && second < third);
    assert_aligned(second);
    assert_null(slab_get(&slab));
    memset(second, 0xFF, 24);
    slab_put(&slab, second);
    slab_put(&slab, NULL);
    assert_ptr_equal(slab_get(&slab), second);
    slab_put(&slab, first);
    slab_put(&slab, second);
    slab_put(&slab, third);
    assert_int_equal(slab.count, 0);
    slab_close(&slab);
}

static void test_slab_grows_by_blocks(void **state) {
    (void)state;
    enum { COUNT = 50 };
    struct slab slab;
    void *objects[COUNT];
    slab_open(&slab, 20000, 0);
    for (size_t i = 0; i < COUNT; i++) {
        objects[i] = slab_get(&slab);
        assert_non_null(objects[i]);
        memset(objects[i], (int)i, 20000);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(((uint8_t *)objects[i])[19999], i);
        slab_put(&slab, objects[i]);
    }
    slab_close(&slab);
    /* An object larger than a block gets one of its own. */
    slab_open(&slab, (size_t)1 << 20, 0);
    objects[0] = slab_get(&slab);
    assert_non_null(objects[0]);
    slab_put(&slab, objects[0]);
    slab_close(&slab);
}

static void test_slab_without_memory_gives_nothing(void **state) {
    (void)state;
    struct slab slab;
    slab_open(&slab, SIZE_MAX / 4, 0);
    assert_null(slab_get(&slab));
    slab_close(&slab);
}

static void test_wipe(void **state) {
    (void)state;
    uint8_t secret[5] = {1, 2, 3, 4, 5};
    static const uint8_t expected[5] = {0, 0, 0, 0, 5};
    memory_wipe(secret, 4);
    assert_memory_equal(secret, expected, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_aligns_and_ends),
        cmocka_unit_test(test_arena_resizes_the_last_piece_only),
        cmocka_unit_test(test_slab_reuses_and_limits),
        cmocka_unit_test(test_slab_grows_by_blocks),
        cmocka_unit_test(test_slab_without_memory_gives_nothing),
        cmocka_unit_test(test_wipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
