/* Tokens in the store: made, listed, used, expired and revoked; never to be read there. */
#include "fixture.h"

static void make_all(struct store *store) {
    make_org(store, "acme", 1);
    make_service(store, "gateway", 2, "issuer");
    make_token(store, "gateway", 3);
}

static void test_create(void **state) {
    struct store *store = *state;
    struct error error;
    struct token got, token = {
                          .id = id_of(4),
                          .kind = TOKEN_SERVICE,
                          .description = TEXT("for \"k8s\""),
                          .expires_s = 5000,
                          .revoked_s = 99, /* not the caller's to say */
                      };
    struct uuid org_id, service_id = id_of(2), acme = id_of(1);
    uint8_t hash[TOKEN_HASH_BYTES];
    uint64_t seq;
    memset(hash, 0xAB, sizeof(hash));
    make_all(store);
    assert_ok(store_token_create(&store->writer, &tester, TEXT("ACME"), TEXT("GATEWAY"), &token,
                                 hash, &seq, &error));
    assert_int_equal(seq, 4);
    assert_ok(store_token_owner(&store->reader, &token.id, &got, &org_id, &error));
    assert_int_equal(got.kind, TOKEN_SERVICE);
    assert_true(uuid_equal(&got.id, &token.id));
    assert_true(uuid_equal(&got.service_id, &service_id));
    assert_true(uuid_equal(&org_id, &acme));
    assert_text(got.description, "for \"k8s\"");
    assert_int_equal(got.created_s, 1000);
    assert_int_equal(got.expires_s, 5000);
    assert_int_equal(got.revoked_s, 0);
    assert_int_equal(got.last_used_s, 0);
    assert_error(store_token_create(&store->writer, &tester, TEXT("acme"), TEXT("none"), &token,
                                    hash, &seq, &error),
                 NOT_FOUND);
    assert_error(store_token_create(&store->writer, &tester, TEXT("acme"), TEXT("gateway"), &token,
                                    hash, &seq, &error),
                 INTERNAL);
    assert_string_equal(file_text(&store->folder, "SELECT target FROM audit WHERE seq = 4"),
                        "token of service gateway");
    /* Neither the hash nor anything of it is in the record. */
    assert_int_equal(file_number(&store->folder,
                                 "SELECT count(*) FROM audit WHERE"
                                 " instr(lower(before_json || after_json), 'abab') > 0"),
                     0);
}

static void test_operator_token(void **state) {
    struct store *store = *state;
    struct error error;
    struct token got, token = {.id = id_of(9), .kind = TOKEN_OPERATOR};
    struct uuid org_id = id_of(1), zero = {{0}};
    uint8_t hash[TOKEN_HASH_BYTES] = {9};
    uint64_t seq;
    assert_ok(store_token_create(&store->writer, &tester, TEXT(""), TEXT(""), &token, hash, &seq,
                                 &error));
    assert_ok(store_token_owner(&store->reader, &token.id, &got, &org_id, &error));
    assert_int_equal(got.kind, TOKEN_OPERATOR);
    assert_true(uuid_equal(&got.service_id, &zero));
    assert_true(uuid_equal(&org_id, &zero));
    assert_ok(store_token_revoke(&store->writer, &tester, &token.id, &seq, &error));
    assert_string_equal(file_text(&store->folder, "SELECT target FROM audit WHERE seq = 2"),
                        "operator token");
}

struct ids {
    size_t count;
    struct token tokens[8];
};

static bool token_each(void *self, const struct token *row) {
    struct ids *ids = self;
    ids->tokens[ids->count++] = *row;
    return true;
}

static void test_list_and_revoke(void **state) {
    struct store *store = *state;
    struct error error;
    struct ids ids = {0};
    struct uuid first = id_of(3), second = id_of(4);
    struct token token;
    struct uuid org_id;
    uint64_t seq;
    make_all(store);
    make_token(store, "gateway", 4);
    make_service(store, "other", 5, "issuer");
    make_token(store, "other", 6);
    assert_ok(
        store_token_list(&store->reader, TEXT("acme"), TEXT("gateway"), token_each, &ids, &error));
    assert_int_equal(ids.count, 2);
    assert_true(uuid_equal(&ids.tokens[0].id, &first));
    assert_ok(store_token_revoke(&store->writer, &tester, &first, &seq, &error));
    assert_int_equal(file_number(&store->folder, "SELECT scope_kind FROM changes WHERE seq = 7"),
                     SCOPE_TOKEN);
    ids.count = 0;
    assert_ok(
        store_token_list(&store->reader, TEXT("acme"), TEXT("gateway"), token_each, &ids, &error));
    assert_int_equal(ids.count, 1);
    assert_true(uuid_equal(&ids.tokens[0].id, &second));
    assert_ok(store_token_owner(&store->reader, &first, &token, &org_id, &error));
    assert_int_equal(token.revoked_s, 1000);
    /* Once only. */
    assert_error(store_token_revoke(&store->writer, &tester, &first, &seq, &error), NOT_FOUND);
    assert_error(store_token_expire(&store->writer, &tester, &first, 1, &seq, &error), NOT_FOUND);
    struct uuid none = id_of(77);
    assert_error(store_token_revoke(&store->writer, &tester, &none, &seq, &error), NOT_FOUND);
    assert_error(store_token_owner(&store->reader, &none, &token, &org_id, &error), NOT_FOUND);
    assert_error(
        store_token_list(&store->reader, TEXT("acme"), TEXT("none"), token_each, &ids, &error),
        NOT_FOUND);
}

static void test_expire(void **state) {
    struct store *store = *state;
    struct error error;
    struct uuid id = id_of(3), org_id;
    struct token token;
    uint64_t seq;
    make_all(store);
    assert_ok(store_token_expire(&store->writer, &tester, &id, 1234, &seq, &error));
    assert_int_equal(seq, 4);
    assert_ok(store_token_owner(&store->reader, &id, &token, &org_id, &error));
    assert_int_equal(token.expires_s, 1234);
    assert_int_equal(token.revoked_s, 0);
    assert_non_null(strstr(file_text(&store->folder, "SELECT after_json FROM audit WHERE seq = 4"),
                           "\"expires\":1234"));
}

/* The others end together, those that end sooner and the revoked stay as they are; one change cuts
 * what is known of any of them. */
static void test_rotate(void **state) {
    struct store *store = *state;
    struct error error;
    struct uuid sooner = id_of(4), revoked = id_of(5);
    struct token token = {.id = id_of(9), .kind = TOKEN_SERVICE};
    uint8_t hash[TOKEN_HASH_BYTES] = {9};
    uint64_t seq;
    make_all(store);
    make_token(store, "gateway", 4);
    make_token(store, "gateway", 5);
    make_service(store, "other", 6, "issuer");
    make_token(store, "other", 7);
    assert_ok(store_token_expire(&store->writer, &tester, &sooner, 1500, &seq, &error));
    assert_ok(store_token_revoke(&store->writer, &tester, &revoked, &seq, &error));
    assert_ok(store_token_rotate(&store->writer, &tester, TEXT("acme"), TEXT("gateway"), &token,
                                 hash, 2000, &seq, &error));
    assert_int_equal(seq, 10);
    assert_string_equal(file_text(&store->folder,
                                  "SELECT group_concat(at) FROM (SELECT CAST(expires AS TEXT)"
                                  " AS at FROM tokens ORDER BY id) AS ordered"),
                        "2000,1500,0,0,0");
    assert_string_equal(file_text(&store->folder,
                                  "SELECT CAST(scope_kind || hex(scope_id) = "
                                  " (SELECT 2 || hex(id) FROM services WHERE name = 'gateway')"
                                  " AS INTEGER)"
                                  " FROM changes WHERE seq = 10"),
                        "1");
    assert_non_null(strstr(file_text(&store->folder, "SELECT after_json FROM audit WHERE seq = 10"),
                           "\"othersExpire\":2000"));
    assert_error(store_token_rotate(&store->writer, &tester, TEXT("acme"), TEXT("none"), &token,
                                    hash, 1000, &seq, &error),
                 NOT_FOUND);
    /* The new one cannot be made (the id is taken): nothing ends either. */
    assert_error(store_token_rotate(&store->writer, &tester, TEXT("acme"), TEXT("gateway"), &token,
                                    hash, 1000, &seq, &error),
                 INTERNAL);
    assert_int_equal(file_number(&store->folder, "SELECT max(expires) FROM tokens"), 2000);
}

struct expiring {
    size_t count;
    struct uuid ids[8];
};

static bool expiring_each(void *self, const struct token *row, struct text service,
                          struct text org) {
    struct expiring *expiring = self;
    assert_text(service, "gateway");
    assert_text(org, "acme");
    expiring->ids[expiring->count++] = row->id;
    return true;
}

/* After `from` and until `to`, the first to end first; neither revoked ones nor an operator's. */
static void test_expiring(void **state) {
    struct store *store = *state;
    struct error error;
    struct expiring expiring = {0};
    const int64_t ends_s[] = {100, 200, 150, 201, 150};
    struct token operator_token = {.id = id_of(20), .kind = TOKEN_OPERATOR, .expires_s = 150};
    uint8_t hash[TOKEN_HASH_BYTES] = {9};
    uint64_t seq;
    make_all(store);
    for (uint32_t i = 0; i < array_count(ends_s); i++) {
        struct uuid id = id_of(10 + i);
        make_token(store, "gateway", 10 + i);
        assert_ok(store_token_expire(&store->writer, &tester, &id, ends_s[i], &seq, &error));
    }
    assert_ok(store_token_create(&store->writer, &tester, TEXT(""), TEXT(""), &operator_token, hash,
                                 &seq, &error));
    struct uuid revoked = id_of(14), first = id_of(12), last = id_of(11);
    assert_ok(store_token_revoke(&store->writer, &tester, &revoked, &seq, &error));
    assert_ok(store_tokens_expiring(&store->reader, 100, 200, expiring_each, &expiring, &error));
    assert_int_equal(expiring.count, 2);
    assert_true(uuid_equal(&expiring.ids[0], &first) && uuid_equal(&expiring.ids[1], &last));
}

static void test_used(void **state) {
    struct store *store = *state;
    struct error error;
    struct ids ids = {0};
    struct token_use uses[] = {
        {.id = id_of(3), .at_s = 2000, .address = "192.0.2.7"},
        {.id = id_of(77), .at_s = 2000, .address = "192.0.2.8"}, /* deleted meanwhile */
        {.id = id_of(4), .at_s = 2001},
    };
    memset(uses[2].address, 'f', sizeof(uses[2].address)); /* as long as it can be */
    make_all(store);
    make_token(store, "gateway", 4);
    assert_ok(store_tokens_used(&store->writer, uses, array_count(uses), &error));
    uses[0].at_s = 1999; /* late, from another replica: the later one stays */
    assert_ok(store_tokens_used(&store->writer, uses, 1, &error));
    assert_ok(store_tokens_used(&store->writer, uses, 0, &error));
    assert_ok(
        store_token_list(&store->reader, TEXT("acme"), TEXT("gateway"), token_each, &ids, &error));
    assert_int_equal(ids.tokens[0].last_used_s, 2000);
    assert_string_equal(
        file_text(&store->folder, "SELECT last_used_address FROM tokens WHERE last_used = 2000"),
        "192.0.2.7");
    assert_int_equal(file_number(&store->folder, "SELECT length(last_used_address) FROM tokens"
                                                 " WHERE last_used = 2001"),
                     sizeof(uses[2].address));
    /* No change, no audit row. */
    assert_int_equal(file_number(&store->folder, "SELECT seq FROM rev_counter"), 4);
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM audit"), 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_operator_token, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_list_and_revoke, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_expire, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_rotate, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_expiring, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_used, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
