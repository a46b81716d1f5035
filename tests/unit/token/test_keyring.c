/* The keyring: published signatures, thumbprints, the order of keys, and records that do not
 * belong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/base64.h"
#include "faults.h"
#include "parse.h"
#include "token/jwt.h"
#include "token/keyring.h"
#include "token/seal.h"

static struct master_key *master;
static struct random random_source;
static struct error error;

static int setup(void **state) {
    (void)state;
    return token_start() && random_open(&random_source) &&
                   master_key_read_text(
                       TEXT("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
                       &master, &error)
               ? 0
               : -1;
}

static int teardown(void **state) {
    (void)state;
    master_key_close(master);
    return 0;
}

/* RFC 8032 §7.1: tests 1, 2, 3 and SHA(abc). RFC 8037 appendix A uses the key of test 1. */
static const struct {
    const char *seed, *public_key, *message, *signature;
} vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "46b"
     "d25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d8c"
     "387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "659"
     "4a7c15e9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fee"
     "bbd"
     "454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e"
     "030"
     "3dca179c138ac17ad9bef1177331a704"},
};

static size_t bytes_of(const char *hex, uint8_t *ret_bytes) {
    size_t len = strlen(hex) / 2;
    assert_true(text_hex(text_of(hex), ret_bytes, len));
    return len;
}

/* A record of a published key, as key_create would have made it. */
static struct key_record record_of(const char *seed_hex, const char *public_hex) {
    struct key_record record = {.state = KEY_ACTIVE};
    uint8_t seed[SEED_BYTES];
    (void)bytes_of(seed_hex, seed);
    (void)bytes_of(public_hex, record.public_key);
    key_id(record.public_key, record.kid);
    struct seal seal = {master, SEAL_SEED, text_of(record.kid)};
    seal_close(&seal, &random_source, seed, SEED_BYTES, record.sealed_seed);
    return record;
}

static struct keyring *open_keyring(const struct key_record *records, size_t count) {
    struct keyring *keyring = NULL;
    assert_true(keyring_open(master, records, count, &keyring, &error));
    return keyring;
}

static void test_rfc_8032(void **state) {
    (void)state;
    for (size_t i = 0; i < array_count(vectors); i++) {
        uint8_t message[64], expected[SIGNATURE_BYTES], signature[SIGNATURE_BYTES];
        struct key_record record = record_of(vectors[i].seed, vectors[i].public_key);
        struct keyring *keyring = open_keyring(&record, 1);
        size_t len = bytes_of(vectors[i].message, message);
        (void)bytes_of(vectors[i].signature, expected);
        struct sign_job job = {(const char *)message, len, signature};
        keyring_sign(keyring, &job, 1);
        assert_memory_equal(signature, expected, SIGNATURE_BYTES);
        keyring_release(keyring);
    }
}

/* RFC 8037 appendix A.3, which is RFC 7638 over the key of A.2. */
static void test_thumbprint(void **state) {
    (void)state;
    uint8_t public_key[PUBLIC_KEY_BYTES];
    char kid[KEY_ID_CHARS + 1];
    (void)bytes_of(vectors[0].public_key, public_key);
    key_id(public_key, kid);
    assert_string_equal(kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

/* Each of a batch is signed as it would be alone; none is a batch too. */
static void test_batches(void **state) {
    (void)state;
    enum { COUNT = 9 };
    char messages[COUNT][COUNT];
    uint8_t signatures[COUNT][SIGNATURE_BYTES], alone[SIGNATURE_BYTES];
    struct sign_job jobs[COUNT];
    struct key_record record = record_of(vectors[1].seed, vectors[1].public_key);
    struct keyring *keyring = open_keyring(&record, 1);
    for (size_t i = 0; i < COUNT; i++) {
        memset(messages[i], 'a' + (int)i, COUNT);
        jobs[i] = (struct sign_job){messages[i], i, signatures[i]};
    }
    keyring_sign(keyring, jobs, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        struct sign_job job = {messages[i], i, alone};
        keyring_sign(keyring, &job, 1);
        assert_memory_equal(alone, signatures[i], SIGNATURE_BYTES);
    }
    keyring_sign(keyring, NULL, 0);
    keyring_release(keyring);
}

static struct key_record create(enum key_state state, int64_t now_s) {
    struct key_record record;
    assert_true(key_create(master, state, now_s, &record, &error));
    return record;
}

static void test_created_keys_open(void **state) {
    (void)state;
    struct key_record first = create(KEY_ACTIVE, 100), second = create(KEY_PENDING, 200);
    assert_int_equal(first.created_s, 100);
    assert_int_equal(first.activated_s, 100);
    assert_int_equal(first.retired_s, 0);
    assert_int_equal(second.activated_s, 0);
    assert_int_equal(second.state, KEY_PENDING);
    assert_string_not_equal(first.kid, second.kid);
    struct key_record both[] = {second, first};
    struct keyring *keyring = open_keyring(both, 2);
    assert_string_equal(keyring_kid(keyring), first.kid);
    assert_memory_equal(keyring_public_key(keyring, text_of(first.kid)), first.public_key,
                        PUBLIC_KEY_BYTES);
    assert_memory_equal(keyring_public_key(keyring, text_of(second.kid)), second.public_key,
                        PUBLIC_KEY_BYTES);
    assert_null(keyring_public_key(keyring, TEXT("")));
    assert_null(keyring_public_key(keyring, (struct text){first.kid, KEY_ID_CHARS - 1}));
    keyring_release(keyring);
}

static struct text header_of(const struct keyring *keyring, bool rfc9864, char *memory,
                             size_t size) {
    struct text header = keyring_jwt_header(keyring, rfc9864);
    size_t len;
    assert_int_equal(header.at[header.len - 1], '.');
    header.len--;
    assert_true(base64_read(header, memory, size, &len));
    return (struct text){memory, len};
}

static void test_headers(void **state) {
    (void)state;
    char memory[128];
    struct key_record record = record_of(vectors[0].seed, vectors[0].public_key);
    struct keyring *keyring = open_keyring(&record, 1);
    assert_true(text_equal(header_of(keyring, false, memory, sizeof(memory)),
                           TEXT("{\"alg\":\"EdDSA\",\"typ\":\"JWT\","
                                "\"kid\":\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\"}")));
    assert_true(text_equal(header_of(keyring, true, memory, sizeof(memory)),
                           TEXT("{\"alg\":\"Ed25519\",\"typ\":\"JWT\","
                                "\"kid\":\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\"}")));
    keyring_release(keyring);
}

static void test_jwks(void **state) {
    (void)state;
    char memory[2048];
    struct buffer out = buffer_over(memory, sizeof(memory));
    struct key_record records[] = {record_of(vectors[0].seed, vectors[0].public_key),
                                   record_of(vectors[1].seed, vectors[1].public_key)};
    records[1].state = KEY_PENDING;
    struct keyring *keyring = open_keyring(records, 2);
    keyring_write_jwks(keyring, &out);
    assert_true(
        text_equal(buffer_text(&out),
                   TEXT("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"," /* RFC 8037 A.2 */
                        "\"kid\":\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\","
                        "\"alg\":\"EdDSA\",\"use\":\"sig\"},"
                        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                        "\"x\":\"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw\","
                        "\"kid\":\"FtIu-VbGrfe_KB6CH7GNwODB72MNxj_ml11dEvO-7kk\","
                        "\"alg\":\"EdDSA\",\"use\":\"sig\"}]}")));
    keyring_release(keyring);
}

/* The active ones first, the newest first, however the registry lists them. */
static void test_order_is_the_same_on_all_replicas(void **state) {
    (void)state;
    enum { COUNT = 7 };
    static const struct {
        enum key_state state;
        int64_t created_s, activated_s;
    } wanted[COUNT] = {{KEY_ACTIVE, 5, 9},  {KEY_ACTIVE, 7, 8},  {KEY_ACTIVE, 6, 8},
                       {KEY_PENDING, 9, 0}, {KEY_RETIRED, 3, 4}, {KEY_RETIRED, 1, 2},
                       {KEY_RETIRED, 1, 2}};
    struct key_record records[COUNT];
    char first[2048], other[2048];
    for (size_t i = 0; i < COUNT; i++) {
        records[i] = create(wanted[i].state, wanted[i].created_s);
        records[i].activated_s = wanted[i].activated_s;
    }
    struct buffer expected = buffer_over(first, sizeof(first));
    struct keyring *keyring = open_keyring(records, COUNT);
    assert_string_equal(keyring_kid(keyring), records[0].kid);
    keyring_write_jwks(keyring, &expected);
    keyring_release(keyring);
    const struct json *keys = json_member(parse_text(buffer_text(&expected)), TEXT("keys"));
    size_t at = 0;
    for (struct json_iter i = json_iter(keys); json_next(&i) && at < 5; at++)
        assert_true(
            text_equal(json_text(json_member(i.value, TEXT("kid"))), text_of(records[at].kid)));
    for (size_t turn = 1; turn < COUNT; turn++) {
        struct key_record turned[COUNT];
        for (size_t i = 0; i < COUNT; i++)
            turned[(i * 3 + turn) % COUNT] = records[i];
        struct buffer out = buffer_over(other, sizeof(other));
        keyring = open_keyring(turned, COUNT);
        keyring_write_jwks(keyring, &out);
        assert_true(text_equal(buffer_text(&out), buffer_text(&expected)));
        keyring_release(keyring);
    }
}

static void assert_refused(const struct key_record *records, size_t count, const char *why) {
    struct keyring *keyring = NULL;
    assert_false(keyring_open(master, records, count, &keyring, &error));
    assert_null(keyring);
    assert_int_equal(error.code, ERROR_SIGNING_KEY);
    assert_non_null(strstr(error.subject, why));
}

static void test_records_that_do_not_belong_are_refused(void **state) {
    (void)state;
    const struct key_record good = create(KEY_ACTIVE, 1), other = create(KEY_RETIRED, 1);
    struct key_record bad[2] = {good, other};
    bad[1].kid[0] = bad[1].kid[0] == 'A' ? 'B' : 'A';
    assert_refused(bad, 2, "not the thumbprint");
    bad[1] = other;
    memcpy(bad[1].public_key, good.public_key, PUBLIC_KEY_BYTES);
    assert_refused(bad, 2, "not the thumbprint");
    bad[1] = other;
    memcpy(bad[1].sealed_seed, good.sealed_seed, SEALED_SEED_BYTES); /* moved from another row */
    assert_refused(bad, 2, "does not open");
    bad[1] = other;
    bad[1].sealed_seed[40] ^= 1;
    assert_refused(bad, 2, "does not open");
    /* Sealed right, but the seed is not that of the public key. */
    struct key_record mixed = record_of(vectors[0].seed, vectors[1].public_key);
    assert_refused(&mixed, 1, "another key's");
}

static void test_another_master_key_opens_nothing(void **state) {
    (void)state;
    struct master_key *other = NULL;
    struct keyring *keyring = NULL;
    struct key_record record = create(KEY_ACTIVE, 1);
    assert_true(master_key_read_text(
        TEXT("ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), &other, &error));
    assert_false(keyring_open(other, &record, 1, &keyring, &error));
    assert_null(keyring);
    master_key_close(other);
}

static void test_one_must_be_active_and_not_too_many(void **state) {
    (void)state;
    static struct key_record many[65];
    struct key_record idle[] = {create(KEY_PENDING, 1), create(KEY_RETIRED, 1)};
    assert_refused(NULL, 0, "none is active");
    assert_refused(idle, 2, "none is active");
    for (size_t i = 0; i < array_count(many); i++)
        many[i] = idle[1];
    many[64] = create(KEY_ACTIVE, 1);
    assert_refused(many, 65, "more than 64");
    keyring_release(open_keyring(many + 1, 64));
}

static void test_without_locked_memory_nothing_opens(void **state) {
    (void)state;
    struct key_record record = create(KEY_ACTIVE, 1), untouched = record;
    faults_malloc_after = 0;
    assert_refused(&record, 1, "no memory");
    faults_protect_after = 0;
    assert_refused(&record, 1, "cannot be protected");
    faults_malloc_after = 0;
    assert_false(key_create(master, KEY_ACTIVE, 1, &record, &error));
    assert_int_equal(error.code, ERROR_SIGNING_KEY);
    assert_memory_equal(&record, &untouched, sizeof(record));
    keyring_release(open_keyring(&record, 1));
}

static void *hold_and_release(void *keyring) {
    for (int i = 0; i < 100000; i++)
        keyring_release(keyring_hold(keyring));
    keyring_release(keyring);
    return NULL;
}

/* The last one to let go frees it, whichever thread that is. */
static void test_references_are_counted_across_threads(void **state) {
    (void)state;
    pthread_t threads[3];
    struct key_record record = create(KEY_ACTIVE, 1);
    struct keyring *keyring = open_keyring(&record, 1);
    for (size_t i = 0; i < array_count(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_release, keyring_hold(keyring)),
                         0);
    keyring_release(keyring);
    for (size_t i = 0; i < array_count(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    keyring_release(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_8032),
        cmocka_unit_test(test_thumbprint),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_created_keys_open),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_jwks),
        cmocka_unit_test(test_order_is_the_same_on_all_replicas),
        cmocka_unit_test(test_records_that_do_not_belong_are_refused),
        cmocka_unit_test(test_another_master_key_opens_nothing),
        cmocka_unit_test(test_one_must_be_active_and_not_too_many),
        cmocka_unit_test(test_without_locked_memory_nothing_opens),
        cmocka_unit_test(test_references_are_counted_across_threads),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
