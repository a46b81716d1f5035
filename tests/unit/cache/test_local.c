/* The local cache: found by id and name, pushed out in turn, bounded by number and bytes; and the
 * table of what is known to be bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "entries.h"

static const struct stamp no_stamp;

static struct cached_grant *put(struct cache *cache, uint32_t number) {
    struct cached_grant *cached = cache_put_grant(cache, grant_make(number, "{}"), &no_stamp);
    assert_non_null(cached);
    return cached;
}

/* Without marking it as used. */
static bool has(struct cache *cache, uint32_t number) {
    struct uuid id = id_of(number);
    struct cached_grant *cached = cache_find_grant(cache, &id);
    if (cached != NULL)
        cached->entry.is_recent = false;
    return cached != NULL;
}

static void use(struct cache *cache, uint32_t number) {
    struct uuid id = id_of(number);
    assert_non_null(cache_find_grant(cache, &id));
}

/* ---- grants ---------------------------------------------------------------------------------- */

static void test_grant(void **state) {
    struct cache *cache = *state;
    struct uuid id = id_of(1), other = id_of(2);
    const struct stamp stamp = {.epoch = 7, .s0 = 8, .asked_us = 9, .generation = 10};
    assert_null(cache_find_grant(cache, &id));
    struct cached_grant *cached = cache_put_grant(cache, grant_make(1, "{}"), &stamp);
    assert_ptr_equal(cache_find_grant(cache, &id), cached);
    assert_null(cache_find_grant(cache, &other));
    assert_memory_equal(&cached->entry.stamp, &stamp, sizeof(stamp));
    assert_int_equal(cached->policy.max_ttl_s, 0);
    assert_null(cached->policy_memory);
    static const char actor[] = "\"act\":{\"sub\":\"svc_e9030000-0000-0000-0000-000000000000\","
                                "\"tid\":\"01000000-0000-0000-0000-000000000000\"},";
    assert_int_equal(cached->actor_len, strlen(actor));
    assert_memory_equal(cached->actor_part, actor, cached->actor_len);
}

/* The newer one takes the place of the older, whatever their order in time. */
static void test_grant_replaced(void **state) {
    struct cache *cache = *state;
    struct uuid id = id_of(1);
    put(cache, 1);
    size_t bytes = cache->bytes;
    struct cached_grant *second = cache_put_grant(cache, grant_make(1, "{}"), &no_stamp);
    assert_ptr_equal(cache_find_grant(cache, &id), second);
    assert_int_equal(cache->count, 1);
    assert_int_equal(cache->bytes, bytes);
}

static void test_policy(void **state) {
    struct cache *cache = *state;
    struct uuid id = id_of(1), bad = id_of(2);
    struct cached_grant *cached = cache_put_grant(
        cache, grant_make(1, "{\"maxTtlSeconds\":60,\"pinnedAttributes\":{\"a\":1}}"), &no_stamp);
    assert_ptr_equal(cache_find_grant(cache, &id), cached);
    assert_int_equal(cached->policy.max_ttl_s, 60);
    assert_non_null(json_member(cached->policy.pinned, TEXT("a")));
    /* What it cannot read is not "no policy". */
    assert_null(cache_put_grant(cache, grant_make(2, "{\"maxTtl\":60}"), &no_stamp));
    assert_null(cache_put_grant(cache, grant_make(2, "[]!"), &no_stamp));
    assert_null(cache_find_grant(cache, &bad));
    /* An operator's grant has none at all. */
    assert_non_null(cache_put_grant(cache, grant_make(3, ""), &no_stamp));
}

/* ---- projects -------------------------------------------------------------------------------- */

static struct cached_project *put_project(struct cache *cache, uint32_t org, const char *name) {
    struct cached_project *cached = cache_put_project(cache, record_make(org, name), &no_stamp);
    assert_non_null(cached);
    return cached;
}

static void test_project(void **state) {
    struct cache *cache = *state;
    struct uuid org = id_of(1), other = id_of(2);
    struct cached_project *cached = put_project(cache, 1, "Shop-1_x");
    assert_ptr_equal(cache_find_project(cache, &org, TEXT("Shop-1_x")), cached);
    assert_ptr_equal(cache_find_project(cache, &org, TEXT("sHOP-1_X")), cached);
    assert_null(cache_find_project(cache, &org, TEXT("Shop-1")));
    assert_null(cache_find_project(cache, &org, TEXT("Shop-1\x7Fx")));
    assert_null(cache_find_project(cache, &org, TEXT("")));
    assert_null(cache_find_project(cache, &other, TEXT("Shop-1_x")));
    static const char claims[] =
        "\"iss\":\"" ISSUER "\",\"aud\":[\"https://host.example\"],\"org\":\"acme\","
        "\"project\":\"Shop-1_x\",\"ins\":{\"00000000-0000-0000-0000-000000000000\":[25,23,21,27]}"
        ",";
    assert_int_equal(cached->claims_part.len, strlen(claims));
    assert_memory_equal(cached->claims_part.at, claims, strlen(claims));
    struct cached_project *second = put_project(cache, 1, "SHOP-1_X");
    assert_ptr_equal(cache_find_project(cache, &org, TEXT("shop-1_x")), second);
    assert_int_equal(cache->count, 1);
}

/* The longest name is one, what is longer by a byte is another or none. */
static void test_project_names(void **state) {
    struct cache *cache = *state;
    struct uuid org = id_of(1);
    static const char name[] = "a234567890b234567890c234567890d234567890x";
    struct text longest = {name, NAME_BYTES_MAX}, longer = {name, NAME_BYTES_MAX + 1};
    static char memory[NAME_BYTES_MAX + 1];
    memcpy(memory, name, NAME_BYTES_MAX);
    struct cached_project *cached = put_project(cache, 1, memory);
    assert_ptr_equal(cache_find_project(cache, &org, longest), cached);
    assert_null(cache_find_project(cache, &org, longer));
}

/* Texts that take six bytes for each of theirs in JSON. */
static void test_project_of_controls(void **state) {
    struct cache *cache = *state;
    struct project_record *record = record_make(1, "shop");
    static char controls[256];
    memset(controls, 1, sizeof(controls));
    record->project.audience = (struct text){controls, sizeof(controls)};
    record->project.org_name = record->project.audience;
    struct cached_project *cached = cache_put_project(cache, record, &no_stamp);
    assert_non_null(cached);
    assert_true(cached->claims_part.len > 2 * 6 * sizeof(controls));
}

/* ---- room ------------------------------------------------------------------------------------ */

/* The oldest goes first. */
static void test_entries_max(void **state) {
    struct cache *cache = *state;
    for (uint32_t number = 1; number <= 4; number++) {
        put(cache, number);
        assert_int_equal(cache->count, number);
    }
    assert_true(has(cache, 1));
    put(cache, 5);
    assert_int_equal(cache->count, 4);
    assert_false(has(cache, 1));
    for (uint32_t number = 2; number <= 5; number++)
        assert_true(has(cache, number));
}

/* What was used since it was the next to go has a second round, and one only. */
static void test_second_chance(void **state) {
    struct cache *cache = *state;
    for (uint32_t number = 1; number <= 4; number++)
        put(cache, number);
    use(cache, 1);
    use(cache, 3);
    put(cache, 5); /* 1 goes to the end, 2 goes */
    assert_false(has(cache, 2));
    put(cache, 6); /* 3 goes to the end, 4 goes */
    assert_false(has(cache, 4));
    put(cache, 7);
    assert_false(has(cache, 1));
    for (uint32_t number = 3; number <= 7; number += number == 3 ? 2 : 1)
        assert_true(has(cache, number));
    for (uint32_t number = 3; number <= 7; number += number == 3 ? 2 : 1)
        use(cache, number); /* all used: the first of them goes all the same */
    put(cache, 8);
    assert_false(has(cache, 5));
    assert_true(has(cache, 3));
}

/* Grants and projects share the room. */
static void test_projects_push_out(void **state) {
    struct cache *cache = *state;
    struct uuid org = id_of(1);
    put(cache, 1);
    put_project(cache, 1, "shop");
    for (uint32_t number = 2; number <= 4; number++)
        put(cache, number);
    assert_false(has(cache, 1));
    assert_non_null(cache_find_project(cache, &org, TEXT("shop")));
    put(cache, 5); /* the project was used */
    assert_false(has(cache, 2));
    put(cache, 6);
    put(cache, 7);
    put(cache, 8);
    assert_null(cache_find_project(cache, &org, TEXT("shop")));
}

static void test_bytes_max(void **state) {
    struct cache *cache = *state;
    put(cache, 1);
    size_t each = cache->bytes;
    cache->options.bytes_max = 3 * each;
    put(cache, 2);
    put(cache, 3);
    assert_int_equal(cache->count, 3);
    put(cache, 4);
    assert_int_equal(cache->bytes, 3 * each);
    assert_false(has(cache, 1));
    cache->options.bytes_max = 3 * each - 1; /* one byte too few for three */
    put(cache, 5);
    assert_int_equal(cache->count, 2);
    /* One that is larger than all the room stands alone. */
    assert_non_null(
        cache_put_grant(cache, grant_make(6, "{\"allowedAttributes\":[\"a\"]}"), &no_stamp));
    assert_int_equal(cache->count, 1);
    assert_true(has(cache, 6));
    put(cache, 7);
    assert_int_equal(cache->bytes, each);
}

/* Whoever makes entries of ever new sizes and keeps one of each block in use fills memory with
 * holes: then what is in use goes as well. */
static void test_memory_max(void **state) {
    (void)state;
    enum { BYTES_MAX = 1 << 20, EACH = 200, USED_EVERY = 40 };
    static char attributes[3600];
    struct cache cache;
    const struct cache_options options = {
        .entries_max = 100000, .bytes_max = BYTES_MAX, .unknown_max = 4, .issuer = TEXT(ISSUER)};
    uint32_t number = 0;
    memset(attributes, 'a', sizeof(attributes));
    assert_true(cache_open(&cache, &options, &(struct hash_key){1, 2}));
    for (size_t size = 0; size < sizeof(attributes); size += HEAP_LINE_BYTES)
        for (size_t i = 0; i < EACH; i++) {
            struct grant *grant = grant_make(++number, "{}");
            grant->attributes = (struct text){attributes, size};
            assert_non_null(cache_put_grant(&cache, grant, &no_stamp));
            assert_true(has(&cache, number));
            for (uint32_t used = USED_EVERY; i % USED_EVERY == 0 && used < number;
                 used += USED_EVERY) {
                struct uuid id = id_of(used);
                (void)cache_find_grant(&cache, &id);
            }
        }
    assert_true(heap_is_full(&cache.memory));
    assert_true(cache.memory.chunk_bytes <= 2 * BYTES_MAX + HEAP_BYTES_SPARE);
    assert_true(cache.bytes <= BYTES_MAX && cache.memory.count == cache.count);
    cache_close(&cache);
}

/* The counts are those of what is there, whatever came and went. */
static void test_counts(void **state) {
    struct cache *cache = *state;
    static const char *const names[] = {"shop", "depot", "store"};
    uint32_t random = 7;
    for (size_t i = 0; i < 10000; i++) {
        random = random * 1664525 + 1013904223;
        uint32_t number = (random >> 10) % 12;
        if (number < 8)
            put(cache, number);
        else if (number < 11)
            put_project(cache, 1, names[number - 8]);
        else
            cache_clear(cache);
        size_t count = 0, bytes = 0;
        for (struct queue *link = cache->order.next; link != &cache->order; link = link->next) {
            count++;
            bytes += container_of(link, struct cache_entry, link)->bytes;
        }
        assert_int_equal(cache->count, count);
        assert_int_equal(cache->bytes, bytes);
        assert_int_equal(cache->grants.count + cache->projects.count, count);
        assert_true(count <= 4);
    }
}

static void test_clear(void **state) {
    struct cache *cache = *state;
    struct uuid key = id_of(9);
    put(cache, 1);
    put_project(cache, 1, "shop");
    cache_unknown_add(cache, &key, ERROR_TOKEN_UNKNOWN, 0);
    cache_clear(cache);
    assert_int_equal(cache->count, 0);
    assert_int_equal(cache->bytes, 0);
    assert_false(has(cache, 1));
    assert_int_equal(cache_unknown_find(cache, &key, 0), ERROR_NONE);
    put(cache, 1);
    assert_true(has(cache, 1));
}

/* ---- unknown ones ---------------------------------------------------------------------------- */

static void test_unknown(void **state) {
    struct cache *cache = *state;
    struct uuid a = id_of(1), b = id_of(2), c = id_of(3);
    cache_unknown_add(cache, &a, ERROR_TOKEN_UNKNOWN, 5000);
    cache_unknown_add(cache, &b, ERROR_TOKEN_REVOKED, 5000);
    assert_int_equal(cache_unknown_find(cache, &a, 5000), ERROR_TOKEN_UNKNOWN);
    assert_int_equal(cache_unknown_find(cache, &b, 5999), ERROR_TOKEN_REVOKED);
    assert_int_equal(cache_unknown_find(cache, &c, 5000), ERROR_NONE);
    assert_int_equal(cache_unknown_find(cache, &b, 6000), ERROR_NONE);
    cache_unknown_add(cache, &a, ERROR_TOKEN_REVOKED, 6000); /* said anew */
    assert_int_equal(cache_unknown_find(cache, &a, 6999), ERROR_TOKEN_REVOKED);
    assert_int_equal(cache->unknown.count, 2);
    cache_unknown_clear(cache);
    assert_int_equal(cache_unknown_find(cache, &a, 6000), ERROR_NONE);
    assert_int_equal(cache->unknown.count, 0);
}

/* It is bounded and of its own: guessing pushes out guesses, and nothing that is good. */
static void test_unknown_is_bounded(void **state) {
    struct cache *cache = *state;
    put(cache, 1);
    for (uint32_t number = 100; number < 1100; number++) {
        struct uuid key = id_of(number);
        cache_unknown_add(cache, &key, ERROR_TOKEN_UNKNOWN, 0);
        assert_true(cache->unknown.count <= 4);
        for (uint32_t last = 0; last < 6; last++) {
            struct uuid other = id_of(number - last);
            bool is_kept = last < 4 && number - last >= 100;
            assert_int_equal(cache_unknown_find(cache, &other, 0) != ERROR_NONE, is_kept);
        }
    }
    assert_true(has(cache, 1));
    cache_unknown_clear(cache);
    struct uuid key = id_of(1);
    cache_unknown_add(cache, &key, ERROR_TOKEN_UNKNOWN, 0);
    assert_int_equal(cache->unknown.count, 1);
}

/* A project's key: the same for its name in any case, and another for any other. */
static void test_project_key(void **state) {
    struct cache *cache = *state;
    struct uuid org = id_of(1), other = id_of(2);
    struct uuid key = cache_project_key(cache, &org, TEXT("shop"));
    struct uuid again = cache_project_key(cache, &org, TEXT("SHOP"));
    struct uuid shorter = cache_project_key(cache, &org, TEXT("sho"));
    struct uuid elsewhere = cache_project_key(cache, &other, TEXT("shop"));
    assert_true(uuid_equal(&key, &again));
    assert_false(uuid_equal(&key, &shorter));
    assert_false(uuid_equal(&key, &elsewhere));
    assert_memory_not_equal(key.bytes, key.bytes + 8, 8);
}

/* A cache that was never opened, or not quite, can be closed. */
static void test_close(void **state) {
    struct cache cache = {0};
    (void)state;
    cache_close(&cache);
    cache_close(&cache);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cache_setup, cache_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_grant),       TEST(test_grant_replaced),    TEST(test_policy),
        TEST(test_project),     TEST(test_project_names),     TEST(test_project_of_controls),
        TEST(test_entries_max), TEST(test_second_chance),     TEST(test_projects_push_out),
        TEST(test_bytes_max),   TEST(test_memory_max),        TEST(test_counts),
        TEST(test_clear),       TEST(test_unknown),           TEST(test_unknown_is_bounded),
        TEST(test_project_key), cmocka_unit_test(test_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
