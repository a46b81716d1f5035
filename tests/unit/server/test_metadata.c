/* What verifiers ask for: the keys, where to find them, and whether they have changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/metadata.h"
#include "token/jwt.h"

static struct master_key *master;
static struct key_record records[3];

static int setup(void **state) {
    struct error error;
    static const enum key_state states[] = {KEY_RETIRED, KEY_ACTIVE, KEY_PENDING};
    (void)state;
    check(token_start() &&
          master_key_read_text(
              TEXT("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), &master,
              &error));
    for (size_t i = 0; i < 3; i++)
        check(key_create(master, states[i], 1000 + (int64_t)i, &records[i], &error));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    master_key_close(master);
    return 0;
}

static struct jwks make(size_t first, size_t count) {
    struct keyring *keyring;
    struct jwks jwks;
    struct error error;
    assert_true(keyring_open(master, records + first, count, &keyring, &error));
    assert_true(jwks_make(&jwks, keyring, &error));
    keyring_release(keyring);
    return jwks;
}

static const struct json *parse(struct text text) {
    static char memory[1 << 16];
    static struct arena arena = {.at = (uint8_t *)memory, .size = sizeof(memory)};
    const struct json *value;
    struct error error;
    arena_reset(&arena);
    assert_true(json_read(text, 0, &arena, &value, &error));
    return value;
}

static void test_jwks(void **state) {
    struct jwks made = make(0, 3);
    const struct json *jwks = parse(made.document);
    uint8_t key[PUBLIC_KEY_BYTES];
    (void)state;
    assert_int_equal(json_count(json_member(jwks, TEXT("keys"))), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(jwks_find(jwks, text_of(records[i].kid), key));
        assert_memory_equal(key, records[i].public_key, sizeof(key));
    }
    jwks_free(&made);
    assert_null(made.memory);
    jwks_free(&made);
}

/* The same keys have the same tag, others another. */
static void test_etag(void **state) {
    struct jwks all = make(0, 3), again = make(0, 3), fewer = make(1, 2);
    (void)state;
    assert_int_equal(all.etag.len, 34);
    assert_int_equal(all.etag.at[0], '"');
    assert_int_equal(all.etag.at[33], '"');
    assert_true(text_equal(all.etag, again.etag));
    assert_false(text_equal(all.etag, fewer.etag));
    char headers[128];
    struct buffer out = buffer_over(headers, sizeof(headers));
    buffer_put(&out, "ETag: ");
    buffer_add(&out, all.etag);
    buffer_put(&out, "\r\nAccess-Control-Allow-Origin: *\r\n");
    assert_true(text_equal(all.headers, buffer_text(&out)));
    jwks_free(&all);
    jwks_free(&again);
    jwks_free(&fewer);
}

static void test_discovery(void **state) {
    struct discovery discovery;
    struct error error;
    assert_true(discovery_make(&discovery, TEXT("https://mint.example/\"x\""), &error));
    const struct json *document = parse(discovery.document);
    (void)state;
    assert_true(text_equal(json_text(json_member(document, TEXT("issuer"))),
                           TEXT("https://mint.example/\"x\"")));
    assert_true(text_equal(json_text(json_member(document, TEXT("jwks_uri"))),
                           TEXT("https://mint.example/\"x\"/.well-known/jwks.json")));
    struct json_iter algorithms =
        json_iter(json_member(document, TEXT("id_token_signing_alg_values_supported")));
    assert_true(json_next(&algorithms));
    assert_true(text_equal(json_text(algorithms.value), TEXT("EdDSA")));
    /* Required by OpenID Connect Discovery 1.0 §3, as far as they make sense here. */
    assert_non_null(json_member(document, TEXT("response_types_supported")));
    assert_non_null(json_member(document, TEXT("subject_types_supported")));
    discovery_free(&discovery);
    assert_null(discovery.memory);
    discovery_free(&discovery);
}

/* An issuer that is too long for a URL of it is refused, not cut. */
static void test_issuer_too_long(void **state) {
    struct discovery discovery;
    struct error error;
    static char issuer[1024];
    const size_t most = sizeof(issuer) - strlen("/.well-known/jwks.json");
    (void)state;
    memset(issuer, 'x', sizeof(issuer));
    assert_true(discovery_make(&discovery, (struct text){issuer, most}, &error));
    discovery_free(&discovery);
    assert_false(discovery_make(&discovery, (struct text){issuer, most + 1}, &error));
    assert_int_equal(error.code, ERROR_INTERNAL);
}

/* RFC 9110 §13.1.2: a list, compared weakly. */
static void test_if_none_match(void **state) {
    static const struct {
        const char *header;
        bool is_known;
    } rows[] = {
        {"\"abc\"", true},
        {"W/\"abc\"", true},
        {"*", true},
        {"\"x\", \"abc\"", true},
        {"\"x\" ,\tW/\"abc\" , \"y\"", true},
        {",,\"abc\",", true},
        {"", false},
        {"abc", false},
        {"\"ab\"", false},
        {"\"abcd\"", false},
        {"\"abc\"d", false},
        {"w/\"abc\"", false}, /* case-sensitive: RFC 9110 §8.8.3 */
        {"W/", false},
        {"\"x\",", false},
        {",", false},
        {"\"**\"", false},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++)
        assert_int_equal(metadata_is_known(text_of(rows[i].header), TEXT("\"abc\"")),
                         rows[i].is_known);
    assert_false(metadata_is_known((struct text){0}, TEXT("\"abc\"")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jwks),          cmocka_unit_test(test_etag),
        cmocka_unit_test(test_discovery),     cmocka_unit_test(test_issuer_too_long),
        cmocka_unit_test(test_if_none_match),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
