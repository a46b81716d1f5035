/* Service tokens: vectors, what comes back, and that nothing but the exact form is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "token/keyring.h"
#include "token/service_token.h"
#include <cmocka.h>

static struct random random_source;

static int setup(void **state) {
    (void)state;
    return token_start() && random_open(&random_source) ? 0 : -1;
}

/* Made by an independent program (Python's int, hashlib and zlib.crc32):
 *   s = f"{brand}_{kind}_" + base62(int.from_bytes(id + secret, "big")).rjust(54, "0")
 *   s += base62(zlib.crc32(s.encode())).rjust(6, "0") */
#define ID "f47ac10b58cc4372a5670e02b2c3d479"
#define SECRET "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7"
#define SECRET_HASH "8866e5f771d09e5aeaad4b6f387b76eeefc60fe9a22eed3e7c42faf179fff7a7"
static const struct {
    const char *brand;
    enum token_kind kind;
    const char *number; /* id and secret, hex */
    const char *text;
} vectors[] = {
    {"mint", TOKEN_SERVICE,
     "00000000000000000000000000000000000000000000000000000000000000000000000000000000",
     "mint_svc_0000000000000000000000000000000000000000000000000000000nsW6o"},
    {"mint", TOKEN_SERVICE,
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     "mint_svc_lwegNercKn81SX8boBDos0ksm0cQpaHm7Nu6qJPmJMk2Kgz25o4ggv3pgdkL"},
    {"mint", TOKEN_SERVICE,
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627",
     "mint_svc_001gSbANImDFhpRkHHWJNLs86REyJDq5CKaQlOts4CKNTi6yZ8o0iH3lwrH6"},
    {"rill", TOKEN_SERVICE, ID SECRET,
     "rill_svc_kybBNQi6PZ87bVgNtE3U1Jk9B7lSHwTbPshgE14ASEjLFEqohyyONx2NEDmj"},
    {"mint", TOKEN_OPERATOR, ID SECRET,
     "mint_opr_kybBNQi6PZ87bVgNtE3U1Jk9B7lSHwTbPshgE14ASEjLFEqohyyONx4az1vS"},
    {"a", TOKEN_SERVICE, ID SECRET,
     "a_svc_kybBNQi6PZ87bVgNtE3U1Jk9B7lSHwTbPshgE14ASEjLFEqohyyONx0uPcKo"},
    {"abcdefghij012345", TOKEN_OPERATOR, ID SECRET,
     "abcdefghij012345_opr_kybBNQi6PZ87bVgNtE3U1Jk9B7lSHwTbPshgE14ASEjLFEqohyyONx0jHuqq"},
};

static void token_of_hex(const char *hex, enum token_kind kind, struct service_token *ret_token) {
    ret_token->kind = kind;
    assert_true(text_hex((struct text){hex, 2 * UUID_BYTES}, ret_token->id.bytes, UUID_BYTES));
    assert_true(text_hex((struct text){hex + 2 * UUID_BYTES, 2 * TOKEN_SECRET_BYTES},
                         ret_token->secret, TOKEN_SECRET_BYTES));
}

static void assert_token(const struct service_token *a, const struct service_token *b) {
    assert_int_equal(a->kind, b->kind);
    assert_true(uuid_equal(&a->id, &b->id));
    assert_memory_equal(a->secret, b->secret, TOKEN_SECRET_BYTES);
}

static void test_vectors(void **state) {
    (void)state;
    for (size_t i = 0; i < array_count(vectors); i++) {
        char memory[TOKEN_TEXT_BYTES_MAX];
        struct text brand = text_of(vectors[i].brand), text = text_of(vectors[i].text);
        struct buffer out = buffer_over(memory, text.len); /* it fits exactly */
        struct service_token token, read;
        token_of_hex(vectors[i].number, vectors[i].kind, &token);
        service_token_write(&token, brand, &out);
        assert_false(out.overflow);
        assert_true(text_equal(buffer_text(&out), text));
        assert_true(service_token_read(text, brand, &read));
        assert_token(&token, &read);
    }
}

static void test_made_tokens_come_back(void **state) {
    (void)state;
    for (int i = 0; i < 2000; i++) {
        char memory[TOKEN_TEXT_BYTES_MAX];
        struct buffer out = buffer_over(memory, sizeof(memory));
        enum token_kind kind = i % 2 == 0 ? TOKEN_SERVICE : TOKEN_OPERATOR;
        struct service_token token, read;
        service_token_make(&random_source, kind, &token);
        assert_int_equal(token.kind, kind);
        assert_int_equal(token.id.bytes[6] >> 4, 4);
        service_token_write(&token, TEXT("mint"), &out);
        assert_true(service_token_read(buffer_text(&out), TEXT("mint"), &read));
        assert_token(&token, &read);
    }
}

static void test_any_changed_character_is_refused(void **state) {
    (void)state;
    struct text good = text_of(vectors[3].text);
    struct service_token token;
    for (size_t i = 0; i < good.len; i++)
        for (unsigned byte = 0; byte < 256; byte++) {
            char bad[TOKEN_TEXT_BYTES_MAX];
            memcpy(bad, good.at, good.len);
            bad[i] = (char)byte;
            bool is_read = service_token_read((struct text){bad, good.len}, TEXT("rill"), &token);
            assert_true(is_read == (bad[i] == good.at[i]));
        }
}

static void test_any_two_swapped_neighbours_are_refused(void **state) {
    (void)state;
    struct text good = text_of(vectors[3].text);
    struct service_token token;
    for (size_t i = 0; i + 1 < good.len; i++) {
        char bad[TOKEN_TEXT_BYTES_MAX];
        memcpy(bad, good.at, good.len);
        bad[i] = good.at[i + 1];
        bad[i + 1] = good.at[i];
        bool is_read = service_token_read((struct text){bad, good.len}, TEXT("rill"), &token);
        assert_true(is_read == (bad[i] == bad[i + 1]));
    }
}

static void test_other_lengths_are_refused(void **state) {
    (void)state;
    struct text good = text_of(vectors[3].text);
    struct service_token token;
    char longer[TOKEN_TEXT_BYTES_MAX] = {0};
    for (size_t len = 0; len < good.len; len++) {
        assert_false(service_token_read((struct text){good.at, len}, TEXT("rill"), &token));
        assert_false(
            service_token_read((struct text){good.at + good.len - len, len}, TEXT("rill"), &token));
    }
    memcpy(longer, good.at, good.len);
    longer[good.len] = '0';
    assert_false(service_token_read((struct text){longer, good.len + 1}, TEXT("rill"), &token));
    assert_false(service_token_read((struct text){NULL, 0}, TEXT("rill"), &token));
}

static void test_another_brand_is_refused(void **state) {
    (void)state;
    struct service_token token;
    static const char *const brands[] = {"mint", "ril", "rilla", "r", "rill_svc"};
    for (size_t i = 0; i < array_count(brands); i++)
        assert_false(service_token_read(text_of(vectors[3].text), text_of(brands[i]), &token));
}

/* Each with a checksum that is right for its characters. */
static void test_numbers_out_of_range_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "mint_svc_lwegNercKn81SX8boBDos0ksm0cQpaHm7Nu6qJPmJMk2Kgz25o4ggw3KRDt3", /* 2^320 */
        "mint_svc_ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ4ojNet", /* 62^54 - 1 */
        "mint_svc_001gSbANImDFhpRkHHWJNLs86REyJDq5CKaQlOts4CKNTi6yZ8o0iH82bGTa", /* CRC + 2^32 */
    };
    struct service_token token = {.kind = TOKEN_OPERATOR};
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(service_token_read(text_of(bad[i]), TEXT("mint"), &token));
    assert_int_equal(token.kind, TOKEN_OPERATOR); /* untouched */
}

static void test_hash_is_of_the_secret_alone(void **state) {
    (void)state;
    struct service_token token;
    uint8_t hash[TOKEN_HASH_BYTES], expected[TOKEN_HASH_BYTES];
    token_of_hex(ID SECRET, TOKEN_SERVICE, &token);
    assert_true(text_hex(TEXT(SECRET_HASH), expected, sizeof(expected)));
    service_token_hash(&token, hash);
    assert_memory_equal(hash, expected, sizeof(hash));
    assert_true(service_token_matches(&token, hash));
    token.id.bytes[0] ^= 1;
    assert_true(service_token_matches(&token, hash));
    for (size_t i = 0; i < TOKEN_SECRET_BYTES; i++) {
        token.secret[i] ^= 1;
        assert_false(service_token_matches(&token, hash));
        token.secret[i] ^= 1;
    }
    hash[31] ^= 0x80;
    assert_false(service_token_matches(&token, hash));
}

static void test_prefix_is_what_the_token_begins_with(void **state) {
    (void)state;
    for (size_t i = 0; i < array_count(vectors); i++) {
        char memory[TOKEN_PREFIX_BYTES_MAX];
        struct buffer out = buffer_over(memory, sizeof(memory));
        struct service_token token;
        token_of_hex(vectors[i].number, vectors[i].kind, &token);
        service_token_prefix(&token.id, token.kind, text_of(vectors[i].brand), &out);
        assert_int_equal(out.len, strlen(vectors[i].brand) + 5 + 10);
        assert_memory_equal(memory, vectors[i].text, out.len);
    }
}

static void test_brands(void **state) {
    (void)state;
    static const char *const bad[] = {"",         "Mint", "mi-nt", "mi_nt", "abcdefghijklmnopq",
                                      "m\xC3\xA9"};
    assert_true(token_brand_is_valid(TEXT("mint")));
    assert_true(token_brand_is_valid(TEXT("0")));
    assert_true(token_brand_is_valid(TEXT("abcdefghijklmnop")));
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(token_brand_is_valid(text_of(bad[i])));
}

static void test_no_room_writes_nothing(void **state) {
    (void)state;
    char memory[TOKEN_TEXT_BYTES_MAX];
    struct service_token token;
    struct buffer out = buffer_over(memory, strlen(vectors[0].text) - 1);
    token_of_hex(ID SECRET, TOKEN_SERVICE, &token);
    service_token_write(&token, TEXT("mint"), &out);
    assert_true(out.overflow && out.len == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_made_tokens_come_back),
        cmocka_unit_test(test_any_changed_character_is_refused),
        cmocka_unit_test(test_any_two_swapped_neighbours_are_refused),
        cmocka_unit_test(test_other_lengths_are_refused),
        cmocka_unit_test(test_another_brand_is_refused),
        cmocka_unit_test(test_numbers_out_of_range_are_refused),
        cmocka_unit_test(test_hash_is_of_the_secret_alone),
        cmocka_unit_test(test_prefix_is_what_the_token_begins_with),
        cmocka_unit_test(test_brands),
        cmocka_unit_test(test_no_room_writes_nothing),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
