/* Services in the store, and what is deleted with them. */
#include "fixture.h"

static const struct service gateway = {
    .name = {"Gateway", 7},
    .attributes = {"{\"tier\":1}", 10},
    .policy = {"{\"maxTtlSeconds\":60}", 20},
    .org_role = {"viewer", 6},
};

static bool create(struct store *store, const struct service *service, struct text project,
                   struct text role, struct service *ret_service, struct error *error) {
    uint64_t seq;
    return store_service_create(&store->writer, &tester, TEXT("acme"), service, project, role,
                                ret_service, &seq, error);
}

static void test_create_with_roles(void **state) {
    struct store *store = *state;
    struct error error;
    struct service made, got, service = gateway;
    service.id = id_of(3);
    make_org(store, "acme", 1);
    make_project(store, "web", 2);
    assert_ok(create(store, &service, TEXT("WEB"), TEXT("issuer"), &made, &error));
    assert_ok(store_service_get(&store->reader, TEXT("acme"), TEXT("gateway"), &got, &error));
    assert_true(uuid_equal(&got.id, &service.id));
    assert_text(got.org_name, "acme");
    assert_text(got.name, "Gateway");
    assert_text(got.attributes, "{\"tier\":1}");
    assert_text(got.policy, "{\"maxTtlSeconds\":60}");
    assert_text(got.org_role, "viewer");
    assert_int_equal(got.created_s, 1000);
    assert_string_equal(file_text(&store->folder, "SELECT role FROM service_project_roles"),
                        "issuer");
    assert_string_equal(
        file_text(&store->folder, "SELECT after_json FROM audit WHERE seq = 3"),
        "{\"project\":\"web\",\"projectRole\":\"issuer\",\"name\":\"Gateway\",\"attributes\":"
        "{\"tier\":1},\"policy\":{\"maxTtlSeconds\":60},\"orgRole\":\"viewer\"}");
    assert_string_equal(file_text(&store->folder, "SELECT target FROM audit WHERE seq = 3"),
                        "service Gateway");
}

static void test_create_fails_whole(void **state) {
    struct store *store = *state;
    struct error error;
    struct service made, service = gateway;
    service.id = id_of(3);
    assert_error(create(store, &service, TEXT(""), TEXT(""), &made, &error), NOT_FOUND);
    make_org(store, "acme", 1);
    assert_error(create(store, &service, TEXT("web"), TEXT("issuer"), &made, &error), NOT_FOUND);
    assert_string_equal(error.subject, "project");
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM services"), 0);
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM service_org_roles"), 0);
    assert_ok(create(store, &service, TEXT(""), TEXT(""), &made, &error));
    service.id = id_of(4);
    service.name = TEXT("GATEWAY");
    assert_error(create(store, &service, TEXT(""), TEXT(""), &made, &error), NAME_TAKEN);
}

static void test_edit(void **state) {
    struct store *store = *state;
    struct error error;
    struct service row;
    struct text keep = {0};
    uint64_t seq;
    make_org(store, "acme", 1);
    make_service(store, "gateway", 3, "viewer");
    make_service(store, "other", 4, "viewer");
    assert_ok(store_service_edit(&store->writer, &tester, TEXT("acme"), TEXT("gateway"), keep,
                                 TEXT("{\"a\":[1]}"), keep, &row, &seq, &error));
    assert_text(row.name, "gateway");
    assert_text(row.attributes, "{\"a\":[1]}");
    assert_text(row.policy, "{}");
    assert_ok(store_service_edit(&store->writer, &tester, TEXT("acme"), TEXT("gateway"),
                                 TEXT("front"), keep, TEXT("{\"rateLimit\":{}}"), &row, &seq,
                                 &error));
    assert_text(row.name, "front");
    assert_text(row.attributes, "{\"a\":[1]}");
    assert_text(row.policy, "{\"rateLimit\":{}}");
    assert_text(row.org_role, "viewer");
    assert_error(store_service_edit(&store->writer, &tester, TEXT("acme"), TEXT("front"),
                                    TEXT("OTHER"), keep, keep, &row, &seq, &error),
                 NAME_TAKEN);
    assert_error(store_service_edit(&store->writer, &tester, TEXT("acme"), TEXT("gateway"), keep,
                                    keep, keep, &row, &seq, &error),
                 NOT_FOUND);
    assert_error(store_service_edit(&store->writer, &tester, TEXT("none"), TEXT("front"), keep,
                                    keep, keep, &row, &seq, &error),
                 NOT_FOUND);
}

/* As large as a body may be: whatever fits there fits here. */
static void test_large_attributes(void **state) {
    struct store *store = *state;
    struct error error;
    struct service row;
    static char large[64 * 1024];
    uint64_t seq;
    struct text keep = {0};
    memset(large, 'x', sizeof(large));
    memcpy(large, "{\"a\":\"", 6);
    memcpy(large + sizeof(large) - 2, "\"}", 2);
    make_org(store, "acme", 1);
    make_service(store, "gateway", 3, "viewer");
    struct text json = {large, sizeof(large)};
    for (int i = 0; i < 2; i++)
        assert_ok(store_service_edit(&store->writer, &tester, TEXT("acme"), TEXT("gateway"), keep,
                                     json, json, &row, &seq, &error));
    assert_true(text_equal(row.attributes, json));
    assert_true(text_equal(row.policy, json));
    /* Beyond it a change is refused, not cut. */
    static char huge[200 * 1024];
    memset(huge, ' ', sizeof(huge));
    huge[0] = '{';
    huge[sizeof(huge) - 1] = '}';
    assert_error(store_service_edit(&store->writer, &tester, TEXT("acme"), TEXT("gateway"), keep,
                                    (struct text){huge, sizeof(huge)}, keep, &row, &seq, &error),
                 INTERNAL);
    file_change(&store->folder, is_embedded()
                                    ? "UPDATE services SET attributes = printf('%*s', 2000000, '')"
                                    : "UPDATE services SET attributes = repeat(' ', 2000000)");
    assert_error(store_service_get(&store->reader, TEXT("acme"), TEXT("gateway"), &row, &error),
                 INTERNAL);
}

struct names {
    char text[256];
};

static bool service_name_each(void *self, const struct service *row) {
    struct names *names = self;
    size_t len = strlen(names->text);
    snprintf(names->text + len, sizeof(names->text) - len, "%.*s=%.*s ", (int)row->name.len,
             row->name.at, (int)row->org_role.len, row->org_role.len > 0 ? row->org_role.at : "");
    return true;
}

static void test_pages(void **state) {
    struct store *store = *state;
    struct error error;
    struct names names = {{0}};
    make_org(store, "acme", 1);
    make_service(store, "two", 2, "");
    make_service(store, "One", 3, "admin");
    make_service(store, "three", 4, "guest");
    assert_ok(store_service_list(&store->reader, TEXT("acme"), TEXT(""), 2, service_name_each,
                                 &names, &error));
    assert_string_equal(names.text, "One=admin three=guest ");
    names = (struct names){{0}};
    assert_ok(store_service_list(&store->reader, TEXT("acme"), TEXT("Three"), 2, service_name_each,
                                 &names, &error));
    assert_string_equal(names.text, "two= ");
    assert_error(store_service_list(&store->reader, TEXT("none"), TEXT(""), 2, service_name_each,
                                    &names, &error),
                 NOT_FOUND);
}

static void test_delete_takes_all(void **state) {
    struct store *store = *state;
    struct error error;
    struct service made, service = gateway;
    uint64_t seq;
    service.id = id_of(3);
    make_org(store, "acme", 1);
    make_project(store, "web", 2);
    assert_ok(create(store, &service, TEXT("web"), TEXT("issuer"), &made, &error));
    make_token(store, "gateway", 4);
    make_token(store, "gateway", 5);
    assert_ok(
        store_service_delete(&store->writer, &tester, TEXT("acme"), TEXT("gateway"), &seq, &error));
    assert_int_equal(file_number(&store->folder, "SELECT (SELECT count(*) FROM tokens)"
                                                 " + (SELECT count(*) FROM service_org_roles)"
                                                 " + (SELECT count(*) FROM service_project_roles)"
                                                 " + (SELECT count(*) FROM services)"),
                     0);
    char sql[80];
    snprintf(sql, sizeof(sql), "SELECT scope_kind FROM changes WHERE seq = %d", (int)seq);
    assert_int_equal(file_number(&store->folder, sql), SCOPE_SERVICE);
    assert_error(
        store_service_delete(&store->writer, &tester, TEXT("acme"), TEXT("gateway"), &seq, &error),
        NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_with_roles, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_create_fails_whole, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_edit, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_large_attributes, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_pages, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_delete_takes_all, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
