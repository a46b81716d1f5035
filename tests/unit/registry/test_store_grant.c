/* What minting reads: grants and projects, whole, of one snapshot, in one block. */
#include "fixture.h"

static struct grant *grant_get(struct store *store, uint32_t token) {
    struct error error;
    struct uuid id = id_of(token);
    struct grant *grant = NULL;
    assert_ok(store_grant(&store->reader, &id, &grant, &error));
    assert_true(uuid_equal(&grant->token_id, &id));
    return grant;
}

static void set_project_role(struct store *store, const char *project, const char *role) {
    struct error error;
    uint64_t seq;
    assert_ok(store_service_set_project_role(&store->writer, &tester, TEXT("acme"), TEXT("gateway"),
                                             text_of(project), text_of(role), &seq, &error));
}

static void make_all(struct store *store) {
    make_org(store, "acme", 1);
    make_project(store, "web", 2);
    make_project(store, "app", 3);
    make_service(store, "gateway", 4, "viewer");
    make_token(store, "gateway", 5);
}

static void test_service(void **state) {
    struct store *store = *state;
    struct error error;
    struct service row;
    struct uuid org_id = id_of(1), web = id_of(2), service_id = id_of(4);
    uint64_t seq;
    make_all(store);
    assert_ok(store_service_edit(&store->writer, &tester, TEXT("acme"), TEXT("gateway"),
                                 (struct text){0}, TEXT("{\"tier\":\"gold\"}"),
                                 TEXT("{\"maxTtlSeconds\":60}"), &row, &seq, &error));
    set_project_role(store, "web", "issuer");
    set_project_role(store, "app", "nonsense");
    struct grant *grant = grant_get(store, 5);
    assert_int_equal(grant->s0, 8);
    assert_true(grant->epoch ==
                (uint64_t)file_number(&store->folder, "SELECT log_epoch FROM rev_counter"));
    assert_int_equal(grant->kind, TOKEN_SERVICE);
    assert_true(uuid_equal(&grant->service_id, &service_id));
    assert_true(uuid_equal(&grant->org_id, &org_id));
    assert_int_equal(grant->secret_hash[0], 5);
    assert_int_equal(grant->expires_s, 0);
    assert_int_equal(grant->revoked_s, 0);
    assert_int_equal(grant->org_permissions, PERMISSION_READ_ORG | PERMISSION_READ_PROJECT);
    assert_text(grant->org_name, "acme");
    assert_text(grant->org_role, "viewer");
    assert_text(grant->service_name, "gateway");
    assert_text(grant->attributes, "{\"tier\":\"gold\"}");
    assert_text(grant->policy, "{\"maxTtlSeconds\":60}");
    assert_int_equal(grant->project_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(grant->projects[i].permissions,
                         uuid_equal(&grant->projects[i].id, &web)
                             ? PERMISSION_READ_PROJECT | PERMISSION_ISSUE
                             : 0);
    /* All of it lies in the block. */
    const char *first = (const char *)grant, *end = first + grant_bytes(grant);
    assert_true(grant->policy.at > first && grant->policy.at + grant->policy.len == end);
    assert_true((const char *)grant->projects > first && (const char *)grant->projects < end);
    free(grant);
}

static void test_without_roles(void **state) {
    struct store *store = *state;
    struct error error;
    uint64_t seq;
    make_all(store);
    assert_ok(store_service_set_org_role(&store->writer, &tester, TEXT("acme"), TEXT("gateway"),
                                         TEXT(""), &seq, &error));
    struct grant *grant = grant_get(store, 5);
    assert_int_equal(grant->org_permissions, 0);
    assert_int_equal(grant->project_count, 0);
    assert_text(grant->org_role, "");
    free(grant);
}

static void test_operator(void **state) {
    struct store *store = *state;
    struct error error;
    struct token token = {.id = id_of(9), .kind = TOKEN_OPERATOR, .expires_s = 5000};
    struct uuid zero = {{0}};
    uint8_t hash[TOKEN_HASH_BYTES] = {9};
    uint64_t seq;
    assert_ok(store_token_create(&store->writer, &tester, TEXT(""), TEXT(""), &token, hash, &seq,
                                 &error));
    struct grant *grant = grant_get(store, 9);
    assert_int_equal(grant->kind, TOKEN_OPERATOR);
    assert_int_equal(grant->org_permissions, 0x3F);
    assert_true(uuid_equal(&grant->org_id, &zero));
    assert_true(uuid_equal(&grant->service_id, &zero));
    assert_int_equal(grant->expires_s, 5000);
    assert_int_equal(grant->project_count, 0);
    free(grant);
}

/* The service's grant under the operator's token; a service's token acts as nobody. */
static void test_acting(void **state) {
    struct store *store = *state;
    struct error error;
    struct token token = {.id = id_of(9), .kind = TOKEN_OPERATOR, .expires_s = 5000};
    const struct service_ref named = {.org = TEXT("ACME"), .name = TEXT("Gateway")};
    const struct service_ref known = {.id = id_of(4)};
    const struct service_ref none[] = {{.org = TEXT("acme"), .name = TEXT("nothing")},
                                       {.org = TEXT("nowhere"), .name = TEXT("gateway")},
                                       {.id = id_of(77)}};
    const struct uuid service_token = id_of(5);
    uint8_t hash[TOKEN_HASH_BYTES] = {9};
    uint64_t seq;
    struct grant *grant = NULL;
    make_all(store);
    set_project_role(store, "web", "issuer");
    assert_ok(store_token_create(&store->writer, &tester, TEXT(""), TEXT(""), &token, hash, &seq,
                                 &error));
    const struct service_ref *refs[] = {&named, &known};
    for (size_t i = 0; i < array_count(refs); i++) {
        assert_ok(store_grant_acting(&store->reader, &token.id, refs[i], &grant, &error));
        assert_true(grant->kind == TOKEN_SERVICE && uuid_equal(&grant->token_id, &token.id));
        assert_true(uuid_equal(&grant->service_id, &known.id));
        assert_memory_equal(grant->secret_hash, hash, sizeof(hash));
        assert_int_equal(grant->expires_s, 5000);
        assert_int_equal(grant->s0, seq);
        assert_text(grant->service_name, "gateway");
        assert_text(grant->org_role, "viewer");
        assert_int_equal(grant->project_count, 1);
        free(grant);
        grant = NULL;
    }
    for (size_t i = 0; i < array_count(none); i++)
        assert_error(store_grant_acting(&store->reader, &token.id, &none[i], &grant, &error),
                     NOT_FOUND);
    assert_error(store_grant_acting(&store->reader, &service_token, &named, &grant, &error),
                 NOT_FOUND);
    assert_null(grant);
}

static void test_revoked_and_unknown(void **state) {
    struct store *store = *state;
    struct error error;
    struct uuid id = id_of(5), none = id_of(77);
    struct grant *grant;
    uint64_t seq;
    make_all(store);
    assert_ok(store_token_revoke(&store->writer, &tester, &id, &seq, &error));
    grant = grant_get(store, 5);
    assert_int_equal(grant->revoked_s, 1000);
    assert_int_equal(grant->s0, seq);
    free(grant);
    grant = NULL;
    assert_error(store_grant(&store->reader, &none, &grant, &error), NOT_FOUND);
    assert_null(grant);
}

/* A file that somebody edited is read without harm: a hash of another length matches nothing. */
static void test_edited_file(void **state) {
    struct store *store = *state;
    static const uint8_t zeros[TOKEN_HASH_BYTES];
    make_all(store);
    file_change(&store->folder, is_embedded() ? "UPDATE tokens SET hash = x'0102', expires = 'soon'"
                                              : "UPDATE tokens SET hash = x'0102', expires = 0");
    struct grant *grant = grant_get(store, 5);
    assert_memory_equal(grant->secret_hash, zeros, sizeof(zeros));
    assert_int_equal(grant->expires_s, 0);
    free(grant);
}

static void test_project_record(void **state) {
    struct store *store = *state;
    struct error error;
    struct uuid org_id = id_of(1), web = id_of(2), none = id_of(77);
    struct project_record *record = NULL;
    struct project row, edit = {.audience = TEXT("aud"), .primary_branch = TEXT("main")};
    uint64_t seq;
    make_all(store);
    assert_ok(store_project_edit(&store->writer, &tester, TEXT("acme"), TEXT("web"),
                                 PROJECT_AUDIENCE | PROJECT_PRIMARY_BRANCH, &edit, &row, &seq,
                                 &error));
    assert_ok(store_project_record(&store->reader, &org_id, TEXT("WEB"), &record, &error));
    assert_int_equal(record->s0, seq);
    assert_true(uuid_equal(&record->project.id, &web));
    assert_text(record->project.org_name, "acme");
    assert_text(record->project.name, "web");
    assert_text(record->project.audience, "aud");
    assert_text(record->project.primary_branch, "main");
    assert_text(record->project.description, "");
    assert_ptr_equal(record->project.primary_branch.at + 4, (char *)record + record->bytes);
    struct grant *grant = grant_get(store, 5);
    assert_true(record->epoch == grant->epoch);
    free(grant);
    free(record);
    record = NULL;
    assert_error(store_project_record(&store->reader, &org_id, TEXT("none"), &record, &error),
                 NOT_FOUND);
    assert_error(store_project_record(&store->reader, &none, TEXT("web"), &record, &error),
                 NOT_FOUND);
    assert_null(record);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_service, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_without_roles, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_operator, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_acting, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_revoked_and_unknown, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_edited_file, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_project_record, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
