/* The hash table against a plain array, and the hash against its reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "absurd_sizes.h"
#include "base/map.h"

static bool same(const void *value, const void *key) {
    return *(const int *)value == *(const int *)key;
}

static void test_add_find_remove(void **state) {
    (void)state;
    struct map map;
    int numbers[3] = {10, 20, 30}, absent = 40;
    assert_true(map_open(&map, 3, same));
    for (size_t i = 0; i < 3; i++)
        map_add(&map, (uint64_t)numbers[i], &numbers[i]);
    assert_int_equal(map.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(map_find(&map, (uint64_t)numbers[i], &numbers[i]), &numbers[i]);
    assert_null(map_find(&map, (uint64_t)absent, &absent));
    assert_false(map_remove(&map, 10, &absent));
    assert_true(map_remove(&map, 10, &numbers[0]));
    assert_false(map_remove(&map, 10, &numbers[0]));
    assert_null(map_find(&map, 10, &numbers[0]));
    assert_int_equal(map.count, 2);
    map_close(&map);
    map_close(&map);
}

/* Few hash values, so that runs are long, cross the end of the table and have gaps closed in
 * them. */
static void test_agrees_with_an_array_under_collisions(void **state) {
    (void)state;
    enum { VALUES = 64 };
    int numbers[VALUES];
    bool is_in[VALUES] = {false};
    struct map map;
    uint32_t random = 1;
    assert_true(map_open(&map, VALUES, same));
    for (int i = 0; i < VALUES; i++)
        numbers[i] = i;
    for (int step = 0; step < 100000; step++) {
        random = random * 1664525 + 1013904223;
        size_t i = random >> 16 & (VALUES - 1);
        uint64_t hash = (uint64_t)(numbers[i] % 5) + map.mask - 2;
        if (is_in[i])
            assert_true(map_remove(&map, hash, &numbers[i]));
        else
            map_add(&map, hash, &numbers[i]);
        is_in[i] = !is_in[i];
        size_t j = random >> 24 & (VALUES - 1);
        hash = (uint64_t)(numbers[j] % 5) + map.mask - 2;
        assert_ptr_equal(map_find(&map, hash, &numbers[j]), is_in[j] ? &numbers[j] : NULL);
    }
    map_close(&map);
}

static void test_open_without_memory_fails(void **state) {
    (void)state;
    struct map map;
    assert_false(map_open(&map, SIZE_MAX / 256, same));
}

/* SipHash-1-3 of the bytes 0, 1, 2, … under the key 00 01 … 0f: computed by a program of its own
 * from the paper, and the first two are those that Rust's standard library tests its hasher
 * with. */
static void test_hash_is_siphash_1_3(void **state) {
    (void)state;
    static const struct {
        size_t len;
        uint64_t hash;
    } vectors[] = {{0, 0xabac0158050fc4dc}, {1, 0xc9f49bf37d57ca93},  {7, 0xd3927d989bb11140},
                   {8, 0x369095118d299a8e}, {15, 0xd320d86d2a519956}, {63, 0x9d199062b7bbb3a8}};
    const struct hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < array_count(vectors); i++)
        assert_true(hash_bytes(&key, bytes, vectors[i].len) == vectors[i].hash);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_find_remove),
        cmocka_unit_test(test_agrees_with_an_array_under_collisions),
        cmocka_unit_test(test_open_without_memory_fails),
        cmocka_unit_test(test_hash_is_siphash_1_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
