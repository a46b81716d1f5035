/* The chain: what its hash is made of, and that nothing can be moved between parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "token/chain.h"
#include <cmocka.h>

static const uint8_t zeros[SHA256_BYTES];

static void test_number(void **state) {
    (void)state;
    uint8_t memory[8];
    struct text number = chain_number(0x0102030405060708, memory);
    assert_int_equal(number.len, 8);
    assert_memory_equal(number.at, "\1\2\3\4\5\6\7\10", 8);
    assert_memory_equal(chain_number(0, memory).at, zeros, 8);
}

static void test_parts_stand_behind_their_lengths(void **state) {
    (void)state;
    uint8_t hash[SHA256_BYTES], expected[SHA256_BYTES];
    char whole[SHA256_BYTES + 8 + 2 + 8] = {0};
    whole[SHA256_BYTES + 7] = 2;
    whole[SHA256_BYTES + 8] = 'a';
    whole[SHA256_BYTES + 9] = 'b';
    sha256((struct text){whole, sizeof(whole)}, expected);
    chain_hash(zeros, (struct text[]){TEXT("ab"), {NULL, 0}}, 2, hash);
    assert_memory_equal(hash, expected, SHA256_BYTES);
}

static void test_every_byte_counts(void **state) {
    (void)state;
    uint8_t hash[SHA256_BYTES], other[SHA256_BYTES];
    uint8_t before[SHA256_BYTES] = {0};
    chain_hash(zeros, (struct text[]){TEXT("ab"), TEXT("c")}, 2, hash);
    chain_hash(zeros, (struct text[]){TEXT("a"), TEXT("bc")}, 2, other);
    assert_memory_not_equal(hash, other, SHA256_BYTES);
    chain_hash(zeros, (struct text[]){TEXT("ab"), TEXT("c"), TEXT("")}, 3, other);
    assert_memory_not_equal(hash, other, SHA256_BYTES);
    before[31] = 1;
    chain_hash(before, (struct text[]){TEXT("ab"), TEXT("c")}, 2, other);
    assert_memory_not_equal(hash, other, SHA256_BYTES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_parts_stand_behind_their_lengths),
        cmocka_unit_test(test_every_byte_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
