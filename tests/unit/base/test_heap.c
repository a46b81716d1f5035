/* The heap: lines of their own, reuse, blocks that change their size, and what is too large. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "absurd_sizes.h"
#include "base/heap.h"

/* What stands in an object: who owns it, all over. */
struct owned {
    uint8_t *object;
    size_t size;
    uint8_t owner;
};

static struct owned owned_get(struct heap *heap, size_t size, uint8_t owner) {
    struct owned owned = {heap_get(heap, size), size, owner};
    assert_non_null(owned.object);
    memset(owned.object, owner, size);
    return owned;
}

static void owned_put(struct heap *heap, const struct owned *owned) {
    for (size_t i = 0; i < owned->size; i++)
        assert_int_equal(owned->object[i], owned->owner);
    heap_put(heap, owned->object, owned->size);
}

static void test_each_begins_a_line(void **state) {
    (void)state;
    struct heap heap;
    heap_open(&heap, SIZE_MAX);
    for (size_t size = 1; size <= HEAP_OBJECT_BYTES_MAX; size += 37) {
        struct owned one = owned_get(&heap, size, 1), other = owned_get(&heap, size, 2);
        size_t apart = (size_t)(other.object > one.object ? other.object - one.object
                                                          : one.object - other.object);
        assert_int_equal((uintptr_t)one.object % HEAP_LINE_BYTES, 0);
        assert_int_equal((uintptr_t)other.object % HEAP_LINE_BYTES, 0);
        assert_true(apart >= heap_object_bytes(size) && heap_object_bytes(size) >= size);
        owned_put(&heap, &one);
        owned_put(&heap, &other);
    }
    assert_int_equal(heap.count, 0);
    heap_close(&heap);
}

static void test_what_was_put_back_comes_again(void **state) {
    (void)state;
    struct heap heap;
    heap_open(&heap, SIZE_MAX);
    void *first = heap_get(&heap, 100), *second = heap_get(&heap, 128);
    heap_put(&heap, first, 100);
    heap_put(&heap, NULL, 100);
    assert_int_equal(heap.count, 1);
    void *again = heap_get(&heap, 65); /* takes as much */
    assert_ptr_equal(again, first);
    heap_put(&heap, again, 65);
    heap_put(&heap, second, 128);
    heap_close(&heap);
}

static void test_a_block_without_objects_is_for_any_size(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    static struct owned all[COUNT];
    struct heap heap;
    size_t bytes = 0;
    heap_open(&heap, SIZE_MAX);
    for (size_t size = 64; size <= HEAP_OBJECT_BYTES_MAX; size *= 2) {
        for (size_t i = 0; i < COUNT * 64 / size; i++)
            all[i] = owned_get(&heap, size, (uint8_t)i);
        assert_true(bytes == 0 || heap.chunk_bytes == bytes);
        bytes = heap.chunk_bytes;
        for (size_t i = 0; i < COUNT * 64 / size; i++)
            owned_put(&heap, &all[i]);
    }
    heap_close(&heap);
}

/* Many of all sizes, some huge chunks of them, in an order that no block can foresee. */
static void test_any_order(void **state) {
    (void)state;
    enum { COUNT = 20000, STEPS = 200000 };
    struct owned *all = calloc(COUNT, sizeof(*all));
    struct heap heap;
    uint32_t number = 20261128;
    size_t held = 0;
    assert_non_null(all);
    heap_open(&heap, SIZE_MAX);
    for (size_t step = 0; step < STEPS; step++) {
        number = number * 1664525 + 1013904223;
        struct owned *one = &all[(number >> 8) % COUNT];
        if (one->object != NULL) {
            owned_put(&heap, one);
            *one = (struct owned){0};
            held--;
        } else {
            *one =
                owned_get(&heap, 1 + (number >> 12) % (HEAP_OBJECT_BYTES_MAX + 512), (uint8_t)step);
            held++;
        }
        assert_int_equal(heap.count, held);
    }
    assert_true(heap.chunk_bytes > (size_t)8 << 20);
    for (size_t i = 0; i < COUNT; i++)
        if (all[i].object != NULL)
            owned_put(&heap, &all[i]);
    free(all);
    heap_close(&heap);
}

static void test_holes_are_filled_before_it_grows(void **state) {
    (void)state;
    enum { COUNT = 50000 };
    struct owned *all = calloc(COUNT, sizeof(*all));
    struct heap heap;
    assert_non_null(all);
    heap_open(&heap, SIZE_MAX);
    for (size_t i = 0; i < COUNT; i++)
        all[i] = owned_get(&heap, 200, (uint8_t)i);
    size_t bytes = heap.chunk_bytes;
    for (size_t round = 0; round < 5; round++) {
        for (size_t i = round % 3; i < COUNT; i += 3)
            owned_put(&heap, &all[i]);
        for (size_t i = round % 3; i < COUNT; i += 3)
            all[i] = owned_get(&heap, 193 + i % 64, (uint8_t)round);
        assert_int_equal(heap.chunk_bytes, bytes);
    }
    for (size_t i = 0; i < COUNT; i++)
        owned_put(&heap, &all[i]);
    free(all);
    heap_close(&heap);
}

static void test_too_large_is_malloced(void **state) {
    (void)state;
    struct heap heap;
    heap_open(&heap, SIZE_MAX);
    struct owned large = owned_get(&heap, HEAP_OBJECT_BYTES_MAX + 1, 7);
    assert_int_equal(heap.chunk_bytes, 0);
    assert_null(heap_get(&heap, SIZE_MAX / 4));
    assert_int_equal(heap.count, 1);
    owned_put(&heap, &large);
    heap_close(&heap);
}

static void test_full(void **state) {
    (void)state;
    enum { MAX = 1000000 };
    struct heap heap;
    void *first = NULL;
    heap_open(&heap, MAX);
    assert_false(heap_is_full(&heap));
    for (void **object; (object = heap_get(&heap, 1000)) != NULL; first = object)
        *object = first;
    assert_true(heap_is_full(&heap) && heap.chunk_bytes <= MAX);
    assert_true(heap.count * 1024 > MAX / 2);
    assert_null(heap_get(&heap, 2000)); /* all blocks are of the other size */
    heap_put(&heap, heap_get(&heap, HEAP_OBJECT_BYTES_MAX + 1), HEAP_OBJECT_BYTES_MAX + 1);
    while (first != NULL) {
        void *next = *(void **)first;
        heap_put(&heap, first, 1000);
        first = next;
    }
    first = heap_get(&heap, 2000);
    assert_non_null(first);
    heap_put(&heap, first, 2000);
    heap_close(&heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_begins_a_line),
        cmocka_unit_test(test_what_was_put_back_comes_again),
        cmocka_unit_test(test_a_block_without_objects_is_for_any_size),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_holes_are_filled_before_it_grows),
        cmocka_unit_test(test_too_large_is_malloced),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
