/* SHA-256 by its published vectors, and the comparison that tells nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sodium/crypto_hash_sha256.h>

#include "token/hash.h"
#include <cmocka.h>

static void assert_hex(const uint8_t hash[static SHA256_BYTES], const char *expected) {
    char memory[2 * SHA256_BYTES];
    struct buffer out = buffer_over(memory, sizeof(memory));
    buffer_hex(&out, hash, SHA256_BYTES);
    assert_true(text_equal(buffer_text(&out), text_of(expected)));
}

/* NIST's examples for FIPS 180-4: none, one block, two blocks. */
static void test_published_vectors(void **state) {
    (void)state;
    uint8_t hash[SHA256_BYTES];
    sha256((struct text){NULL, 0}, hash);
    assert_hex(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256(TEXT("abc"), hash);
    assert_hex(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256(TEXT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), hash);
    assert_hex(hash, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void test_pieces_hash_as_a_whole(void **state) {
    (void)state;
    uint8_t whole[SHA256_BYTES], pieces[SHA256_BYTES];
    sha256(TEXT("one behind the other"), whole);
    sha256_of((struct text[]){TEXT("one "), {NULL, 0}, TEXT("behind"), TEXT(" the other")}, 4,
              pieces);
    assert_memory_equal(whole, pieces, SHA256_BYTES);
}

/* Each length around the ends of a block, whole and cut anywhere, as libsodium has it. */
static void test_as_libsodium(void **state) {
    uint8_t bytes[300], expected[SHA256_BYTES], hash[SHA256_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 167 + (i >> 3));
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        const char *at = (const char *)bytes;
        (void)crypto_hash_sha256(expected, bytes, len);
        for (size_t cut = 0; cut <= len; cut++) {
            sha256_of((struct text[]){{at, cut}, {at + cut, len - cut}}, 2, hash);
            assert_memory_equal(hash, expected, SHA256_BYTES);
        }
    }
}

static void test_compare(void **state) {
    (void)state;
    uint8_t a[32] = {0}, b[32] = {0};
    assert_true(memory_equal_constant_time(a, b, sizeof(a)));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = 0x80;
        assert_false(memory_equal_constant_time(a, b, sizeof(a)));
        assert_true(memory_equal_constant_time(a, b, i));
        b[i] = 0;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_pieces_hash_as_a_whole),
        cmocka_unit_test(test_as_libsodium),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
