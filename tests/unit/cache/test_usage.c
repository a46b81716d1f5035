/* Last uses: once a second and token, kept when the entry goes, handed out in pieces, bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "entries.h"

struct pair {
    struct cache *cache;
    struct usage usage;
};

static int setup(void **state) {
    struct pair *pair = malloc(sizeof(*pair));
    cache_setup((void **)&pair->cache);
    usage_open(&pair->usage);
    *state = pair;
    return 0;
}

static int teardown(void **state) {
    struct pair *pair = *state;
    usage_close(&pair->usage);
    cache_teardown((void **)&pair->cache);
    free(pair);
    return 0;
}

static struct cached_grant *put(struct pair *pair, uint32_t number) {
    static const struct stamp no_stamp;
    return cache_put_grant(pair->cache, grant_make(number, "{}"), &no_stamp);
}

static void assert_use(const struct token_use *use, uint32_t number, int64_t at_s,
                       const char *address) {
    struct uuid id = id_of(number);
    assert_true(uuid_equal(&use->id, &id));
    assert_int_equal(use->at_s, at_s);
    assert_string_equal(use->address, address);
}

static void test_take(void **state) {
    struct pair *pair = *state;
    struct token_use uses[4];
    struct cached_grant *first = put(pair, 1), *second = put(pair, 2);
    assert_int_equal(usage_flush(&pair->usage, uses, 4), 0);
    usage_take(&pair->usage, first, 10, "192.0.2.1");
    usage_take(&pair->usage, second, 10, "192.0.2.2");
    usage_take(&pair->usage, first, 10, "192.0.2.3"); /* the second's first address stays */
    usage_take(&pair->usage, second, 11, "");
    assert_int_equal(usage_flush(&pair->usage, uses, 4), 2);
    assert_use(&uses[0], 1, 10, "192.0.2.1");
    assert_use(&uses[1], 2, 11, "");
    assert_int_equal(usage_flush(&pair->usage, uses, 4), 0);
    usage_take(&pair->usage, first, 10, "::1"); /* the same second, but a note of its own */
    assert_int_equal(usage_flush(&pair->usage, uses, 4), 1);
    assert_use(&uses[0], 1, 10, "::1");
}

static void test_flush_in_pieces(void **state) {
    struct pair *pair = *state;
    struct token_use uses[2];
    for (uint32_t number = 1; number <= 4; number++)
        usage_take(&pair->usage, put(pair, number), 10, "");
    assert_int_equal(usage_flush(&pair->usage, uses, 2), 2);
    assert_use(&uses[0], 1, 10, "");
    assert_int_equal(usage_flush(&pair->usage, uses, 2), 2);
    assert_use(&uses[1], 4, 10, "");
    assert_int_equal(usage_flush(&pair->usage, uses, 2), 0);
}

/* The entry is pushed out, replaced, dropped: what was noted of it is written all the same. */
static void test_entry_goes(void **state) {
    struct pair *pair = *state;
    struct token_use uses[4];
    usage_take(&pair->usage, put(pair, 1), 10, "192.0.2.1");
    usage_take(&pair->usage, put(pair, 1), 12, "192.0.2.2"); /* read anew in between */
    for (uint32_t number = 2; number <= 5; number++)
        put(pair, number);
    usage_take(&pair->usage, put(pair, 6), 13, "192.0.2.3");
    cache_clear(pair->cache);
    assert_int_equal(usage_flush(&pair->usage, uses, 4), 3);
    assert_use(&uses[0], 1, 10, "192.0.2.1");
    assert_use(&uses[1], 1, 12, "192.0.2.2"); /* the later one is written later */
    assert_use(&uses[2], 6, 13, "192.0.2.3");
}

/* More tokens than notes: the later ones are not noted, and may be the next time. */
static void test_bounded(void **state) {
    struct pair *pair = *state;
    static struct token_use uses[USAGE_NOTES_MAX + 1];
    for (uint32_t number = 0; number <= USAGE_NOTES_MAX; number++)
        usage_take(&pair->usage, put(pair, number), 10, "");
    struct uuid id = id_of(USAGE_NOTES_MAX);
    assert_null(cache_find_grant(pair->cache, &id)->usage);
    assert_int_equal(usage_flush(&pair->usage, uses, array_count(uses)), USAGE_NOTES_MAX);
    usage_take(&pair->usage, cache_find_grant(pair->cache, &id), 10, "");
    assert_int_equal(usage_flush(&pair->usage, uses, 1), 1);
    assert_use(&uses[0], USAGE_NOTES_MAX, 10, "");
}

/* Notes that nobody asked for any more. */
static void test_close(void **state) {
    struct pair *pair = *state;
    struct cached_grant *kept = put(pair, 1);
    usage_take(&pair->usage, kept, 10, "");
    usage_close(&pair->usage);
    assert_null(kept->usage);
    usage_open(&pair->usage);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_take),    TEST(test_flush_in_pieces), TEST(test_entry_goes),
        TEST(test_bounded), TEST(test_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
