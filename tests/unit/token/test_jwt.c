/* JWTs: one made as RFC 8037 shows it, and each way in which one can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/base64.h"
#include "parse.h"
#include "token/jwt.h"

/* RFC 8037 appendix A.2 and A.4. */
#define RFC_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define RFC_HEADER "eyJhbGciOiJFZERTQSJ9"
#define RFC_PAYLOAD "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
#define RFC_SIGNATURE \
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

static char block[1 << 16];
static struct arena arena;
static struct error error;
static char memory[8192];
static uint8_t rfc_key[PUBLIC_KEY_BYTES];

static int setup(void **state) {
    (void)state;
    size_t len;
    parse_reset();
    arena = arena_over(block, sizeof(block));
    return token_start() && base64_read(TEXT(RFC_X), rfc_key, sizeof(rfc_key), &len) ? 0 : -1;
}

/* A JWT of these parts in JSON, with the signature of RFC 8037 (which is another's). */
static struct text jwt_of(const char *header, const char *claims) {
    struct buffer out = buffer_over(memory, sizeof(memory));
    uint8_t signature[SIGNATURE_BYTES];
    size_t len;
    assert_true(base64_read(TEXT(RFC_SIGNATURE), signature, sizeof(signature), &len));
    buffer_base64(&out, header, strlen(header));
    buffer_byte(&out, '.');
    buffer_base64(&out, claims, strlen(claims));
    jwt_write_signature(signature, &out);
    assert_false(out.overflow);
    return buffer_text(&out);
}

static bool reads(struct text text, struct jwt *ret_jwt) {
    arena_reset(&arena);
    return jwt_read(text, &arena, ret_jwt, &error);
}

static void assert_refused(struct text text, const char *why) {
    struct jwt jwt;
    assert_false(reads(text, &jwt));
    assert_int_equal(error.code, ERROR_CREDENTIAL);
    assert_string_equal(error.subject, why);
}

static void test_written_as_rfc_8037_shows(void **state) {
    (void)state;
    uint8_t signature[SIGNATURE_BYTES];
    size_t len;
    struct text payload = TEXT("Example of Ed25519 signing"), header = TEXT(RFC_HEADER ".");
    size_t chars = jwt_chars(header.len, payload.len);
    struct buffer out = buffer_over(memory, chars); /* it fits exactly */
    assert_true(base64_read(TEXT(RFC_SIGNATURE), signature, sizeof(signature), &len));
    jwt_write_input(header, payload, &out);
    assert_true(text_equal(buffer_text(&out), TEXT(RFC_HEADER "." RFC_PAYLOAD)));
    jwt_write_signature(signature, &out);
    assert_false(out.overflow);
    assert_int_equal(out.len, chars);
    assert_true(text_equal(buffer_text(&out), TEXT(RFC_HEADER "." RFC_PAYLOAD "." RFC_SIGNATURE)));
}

static void test_signature_of_rfc_8037(void **state) {
    (void)state;
    struct jwt jwt = {.input = TEXT(RFC_HEADER "." RFC_PAYLOAD)};
    size_t len;
    assert_true(base64_read(TEXT(RFC_SIGNATURE), jwt.signature, SIGNATURE_BYTES, &len));
    assert_true(jwt_signature_is_good(&jwt, rfc_key));
    for (size_t i = 0; i < SIGNATURE_BYTES; i++) {
        jwt.signature[i] ^= 1;
        assert_false(jwt_signature_is_good(&jwt, rfc_key));
        jwt.signature[i] ^= 1;
    }
    jwt.input.len--;
    assert_false(jwt_signature_is_good(&jwt, rfc_key));
    jwt.input.len++;
    rfc_key[0] ^= 1;
    assert_false(jwt_signature_is_good(&jwt, rfc_key));
}

/* S + L fits by arithmetic, and RFC 8032 §5.1.7 refuses it; a key of small order is refused. */
static void test_other_spellings_of_a_signature_are_refused(void **state) {
    (void)state;
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    static const uint8_t identity[PUBLIC_KEY_BYTES] = {1};
    struct jwt jwt = {.input = TEXT(RFC_HEADER "." RFC_PAYLOAD)};
    size_t len;
    unsigned carry = 0;
    assert_true(base64_read(TEXT(RFC_SIGNATURE), jwt.signature, SIGNATURE_BYTES, &len));
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)jwt.signature[32 + i] + order[i];
        jwt.signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_false(jwt_signature_is_good(&jwt, rfc_key));
    memset(jwt.signature, 0, sizeof(jwt.signature));
    jwt.signature[0] = 1; /* R is the identity too, S is 0: it would fit every message */
    assert_false(jwt_signature_is_good(&jwt, identity));
}

static void test_made_and_checked_with_a_keyring(void **state) {
    (void)state;
    struct master_key *master = NULL;
    struct keyring *keyring = NULL;
    struct key_record record;
    struct jwt jwt;
    uint8_t signature[SIGNATURE_BYTES], key[PUBLIC_KEY_BYTES];
    char jwks[512];
    struct buffer set = buffer_over(jwks, sizeof(jwks));
    assert_true(master_key_read_text(
        TEXT("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), &master, &error));
    assert_true(key_create(master, KEY_ACTIVE, 0, &record, &error));
    assert_true(keyring_open(master, &record, 1, &keyring, &error));
    keyring_write_jwks(keyring, &set);
    for (int rfc9864 = 0; rfc9864 < 2; rfc9864++) {
        struct buffer out = buffer_over(memory, sizeof(memory));
        jwt_write_input(keyring_jwt_header(keyring, rfc9864), TEXT("{\"exp\":20,\"nbf\":10}"),
                        &out);
        struct sign_job job = {out.at, out.len, signature};
        keyring_sign(keyring, &job, 1);
        jwt_write_signature(signature, &out);
        assert_true(reads(buffer_text(&out), &jwt));
        assert_true(text_equal(jwt.kid, text_of(keyring_kid(keyring))));
        assert_true(jwks_find(parse_text(buffer_text(&set)), jwt.kid, key));
        assert_true(jwt_signature_is_good(&jwt, key));
        assert_true(jwt_check_times(&jwt, 15, 0, &error));
        memory[jwt.input.len - 3] ^= 1;
        assert_false(jwt_signature_is_good(&jwt, key));
    }
    keyring_release(keyring);
    master_key_close(master);
}

static void test_taken_apart(void **state) {
    (void)state;
    struct jwt jwt;
    assert_true(
        reads(jwt_of("{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"k\"}", "{\"a\":1}"), &jwt));
    assert_true(text_equal(jwt.kid, TEXT("k")));
    assert_ptr_equal(jwt.input.at, memory);
    assert_int_equal(memory[jwt.input.len], '.');
    assert_int_equal(json_count(jwt.header), 3);
    assert_non_null(json_member(jwt.claims, TEXT("a")));
    assert_true(reads(jwt_of("{\"alg\":\"Ed25519\",\"typ\":\"jwt\"}", "{}"), &jwt));
    assert_int_equal(jwt.kid.len, 0);
}

static void test_headers_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *header, *why;
    } bad[] = {
        {"{}", "its alg is not EdDSA"},
        {"{\"alg\":\"none\"}", "its alg is not EdDSA"},
        {"{\"alg\":\"HS256\"}", "its alg is not EdDSA"},
        {"{\"alg\":\"eddsa\"}", "its alg is not EdDSA"},
        {"{\"alg\":\"EdDSA\\u0000\"}", "its alg is not EdDSA"},
        {"{\"alg\":[\"EdDSA\"]}", "its alg is not EdDSA"},
        {"{\"alg\":\"EdDSA\",\"crit\":[]}", "its header asks for extensions"},
        {"{\"alg\":\"EdDSA\",\"b64\":true}", "its header asks for extensions"},
        {"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\"}", "its typ is not JWT"},
        {"{\"alg\":\"EdDSA\",\"typ\":1}", "its typ is not JWT"},
        {"{\"alg\":\"EdDSA\",\"kid\":1}", "its kid is not a string"},
        {"{\"alg\":\"none\",\"alg\":\"EdDSA\"}", "a part of it is not JSON"},
        {"{\"alg\":\"EdDSA\"} x", "a part of it is not JSON"},
        {"[\"alg\"]", "a part of it is no JSON object"},
        {"", "a part of it is not JSON"},
    };
    for (size_t i = 0; i < array_count(bad); i++)
        assert_refused(jwt_of(bad[i].header, "{}"), bad[i].why);
}

static void test_claims_are_checked(void **state) {
    (void)state;
    assert_refused(jwt_of("{\"alg\":\"EdDSA\"}", "[]"), "a part of it is no JSON object");
    assert_refused(jwt_of("{\"alg\":\"EdDSA\"}", "{\"a\":1,\"a\":1}"), "a part of it is not JSON");
    assert_refused(jwt_of("{\"alg\":\"EdDSA\"}", "{\"a\":\"\xFF\"}"), "a part of it is not JSON");
}

static void test_form_is_checked(void **state) {
    (void)state;
    static const char three[] = "it has not three parts";
    static const char encoding[] = "a part of it is not base64url";
    static const char signature[] = "its signature is not 64 bytes in base64url";
    assert_refused(TEXT(""), three);
    assert_refused(TEXT("a"), three);
    assert_refused(TEXT("a.b"), three);
    assert_refused((struct text){NULL, 0}, three);
    assert_refused(TEXT(".."), signature);
    assert_refused(TEXT(RFC_HEADER ".e30."), signature);
    assert_refused(TEXT(RFC_HEADER ".e30." RFC_SIGNATURE "."), signature);
    assert_refused(TEXT(RFC_HEADER ".e30." RFC_SIGNATURE "=="), signature);
    assert_refused(TEXT(RFC_HEADER ".e30." RFC_SIGNATURE "A"), signature);
    assert_refused(TEXT(RFC_HEADER ".e30.A" RFC_SIGNATURE), signature);
    assert_refused(TEXT(RFC_HEADER ".e30.AAAA"), signature);
    assert_refused(TEXT(RFC_HEADER ".e31." RFC_SIGNATURE), encoding); /* unused bits */
    assert_refused(TEXT(RFC_HEADER ".e30=." RFC_SIGNATURE), encoding);
    assert_refused(TEXT(RFC_HEADER "\n.e30." RFC_SIGNATURE), encoding);
    assert_refused(TEXT(RFC_HEADER ".e30 ." RFC_SIGNATURE), encoding);
    assert_refused(TEXT("." RFC_HEADER "." RFC_SIGNATURE), "a part of it is not JSON");
    struct jwt jwt;
    assert_true(reads(TEXT(RFC_HEADER ".e30." RFC_SIGNATURE), &jwt));
}

static void test_too_little_memory(void **state) {
    (void)state;
    struct jwt jwt;
    struct text text = jwt_of("{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}", "{\"a\":[1,2,3]}");
    bool read = false;
    for (size_t size = 0; !read; size += 8) {
        struct arena small = arena_over(block, size);
        read = jwt_read(text, &small, &jwt, &error);
        assert_true(read || error.code == ERROR_OVERLOADED);
        assert_true(size < 2000);
    }
}

static bool times(const char *claims, int64_t now_s, uint32_t leeway_s) {
    struct jwt jwt = {.claims = parse(claims)};
    return jwt_check_times(&jwt, now_s, leeway_s, &error);
}

static void test_times(void **state) {
    (void)state;
    static const char claims[] = "{\"nbf\":100,\"exp\":200}";
    assert_false(times(claims, 99, 0));
    assert_string_equal(error.subject, "it is not valid yet");
    assert_true(times(claims, 100, 0));
    assert_true(times(claims, 199, 0));
    assert_false(times(claims, 200, 0));
    assert_string_equal(error.subject, "it has expired");
    assert_false(times(claims, 89, 10));
    assert_true(times(claims, 90, 10));
    assert_true(times(claims, 209, 10));
    assert_false(times(claims, 210, 10));
    assert_true(times("{\"nbf\":0,\"exp\":1e3}", 5, 0));
    static const char *const bad[] = {"{}",
                                      "{\"nbf\":1}",
                                      "{\"exp\":9}",
                                      "{\"nbf\":1,\"exp\":\"9\"}",
                                      "{\"nbf\":1,\"exp\":9.5}",
                                      "{\"nbf\":-1,\"exp\":9}",
                                      "{\"nbf\":1,\"exp\":null}",
                                      "{\"nbf\":1,\"exp\":9223372036854775807}",
                                      "{\"nbf\":1,\"exp\":1e99}"};
    for (size_t i = 0; i < array_count(bad); i++) {
        assert_false(times(bad[i], 5, 0));
        assert_string_equal(error.subject, "its nbf or exp is not a whole number");
    }
}

#define JWK(members) "{\"keys\":[1,{\"kid\":\"k\"},{" members "}]}"
#define OKP "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC_X "\",\"kid\":\"k\""

static void test_jwks_find(void **state) {
    (void)state;
    uint8_t key[PUBLIC_KEY_BYTES];
    static const char *const good[] = {JWK(OKP),
                                       JWK(OKP ",\"use\":\"sig\",\"alg\":\"EdDSA\",\"more\":[]"),
                                       JWK(OKP ",\"alg\":\"Ed25519\"")};
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        JWK(OKP ",\"use\":\"enc\""),
        JWK(OKP ",\"use\":null"),
        JWK(OKP ",\"alg\":\"ES256\""),
        JWK("\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"" RFC_X "\",\"kid\":\"k\""),
        JWK("\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" RFC_X "\",\"kid\":\"k\""),
        JWK("\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC_X "\",\"kid\":\"K\""),
        JWK("\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC_X "\""),
        JWK("\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC_X "A\",\"kid\":\"k\""),
        JWK("\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\",\"kid\":\"k\""),
        JWK("\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":5,\"kid\":\"k\""),
        JWK("\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\"")};
    for (size_t i = 0; i < array_count(good); i++) {
        memset(key, 0, sizeof(key));
        assert_true(jwks_find(parse(good[i]), TEXT("k"), key));
        assert_memory_equal(key, rfc_key, sizeof(key));
    }
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(jwks_find(parse(bad[i]), TEXT("k"), key));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_written_as_rfc_8037_shows, setup),
        cmocka_unit_test_setup(test_signature_of_rfc_8037, setup),
        cmocka_unit_test_setup(test_other_spellings_of_a_signature_are_refused, setup),
        cmocka_unit_test_setup(test_made_and_checked_with_a_keyring, setup),
        cmocka_unit_test_setup(test_taken_apart, setup),
        cmocka_unit_test_setup(test_headers_are_checked, setup),
        cmocka_unit_test_setup(test_claims_are_checked, setup),
        cmocka_unit_test_setup(test_form_is_checked, setup),
        cmocka_unit_test_setup(test_too_little_memory, setup),
        cmocka_unit_test_setup(test_times, setup),
        cmocka_unit_test_setup(test_jwks_find, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
