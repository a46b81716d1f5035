/* Intrusive lists keep order and know who is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/queue.h"

struct member {
    int number;
    struct queue queue;
};

static struct member members[4];
static struct queue list, other;

static int setup(void **state) {
    (void)state;
    queue_init(&list);
    queue_init(&other);
    for (int i = 0; i < 4; i++) {
        members[i].number = i;
        queue_init(&members[i].queue);
    }
    return 0;
}

/* The number of the first member, which is taken out; -1 if there is none. */
static int pop(struct queue *queue) {
    struct queue *first = queue_pop(queue);
    return first == NULL ? -1 : container_of(first, struct member, queue)->number;
}

static void test_first_in_is_first_out(void **state) {
    (void)state;
    assert_true(queue_is_empty(&list));
    assert_null(queue_first(&list));
    for (int i = 0; i < 3; i++)
        queue_push(&list, &members[i].queue);
    assert_false(queue_is_empty(&list));
    assert_ptr_equal(queue_first(&list), &members[0].queue);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pop(&list), i);
    assert_int_equal(pop(&list), -1);
}

static void test_remove_takes_from_anywhere_and_twice(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++)
        queue_push(&list, &members[i].queue);
    queue_remove(&members[1].queue);
    queue_remove(&members[1].queue);
    assert_true(queue_is_empty(&members[1].queue));
    assert_int_equal(pop(&list), 0);
    assert_int_equal(pop(&list), 2);
    assert_true(queue_is_empty(&list));
}

static void test_move_appends_all(void **state) {
    (void)state;
    queue_push(&list, &members[0].queue);
    queue_move(&list, &other);
    queue_push(&other, &members[1].queue);
    queue_push(&other, &members[2].queue);
    queue_move(&list, &other);
    assert_true(queue_is_empty(&other));
    queue_push(&list, &members[3].queue);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pop(&list), i);
    assert_int_equal(pop(&list), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_first_in_is_first_out, setup),
        cmocka_unit_test_setup(test_remove_takes_from_anywhere_and_twice, setup),
        cmocka_unit_test_setup(test_move_appends_all, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
