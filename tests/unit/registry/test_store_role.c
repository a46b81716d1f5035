/* Roles of services in the store: given, changed, taken away, listed three ways. */
#include "fixture.h"

static bool set_org(struct store *store, const char *service, struct text role,
                    struct error *error) {
    uint64_t seq;
    return store_service_set_org_role(&store->writer, &tester, TEXT("acme"), text_of(service), role,
                                      &seq, error);
}

static bool set_project(struct store *store, const char *service, const char *project,
                        struct text role, struct error *error) {
    uint64_t seq;
    return store_service_set_project_role(&store->writer, &tester, TEXT("acme"), text_of(service),
                                          text_of(project), role, &seq, error);
}

static void make_all(struct store *store) {
    make_org(store, "acme", 1);
    make_project(store, "web", 2);
    make_project(store, "App", 3);
    make_service(store, "gateway", 4, "");
    make_service(store, "Batch", 5, "editor");
}

static void assert_last(struct store *store, const char *before, const char *after) {
    const struct folder *folder = &store->folder;
    assert_string_equal(file_text(folder, "SELECT before_json FROM audit ORDER BY id DESC LIMIT 1"),
                        before);
    assert_string_equal(file_text(folder, "SELECT after_json FROM audit ORDER BY id DESC LIMIT 1"),
                        after);
    assert_int_equal(
        file_number(folder, "SELECT scope_kind FROM changes ORDER BY seq DESC LIMIT 1"),
        SCOPE_SERVICE);
}

static void test_org_role(void **state) {
    struct store *store = *state;
    struct error error;
    struct service got;
    make_all(store);
    assert_error(set_org(store, "gateway", TEXT(""), &error), NOT_FOUND);
    assert_string_equal(error.subject, "org role");
    assert_ok(set_org(store, "gateway", TEXT("viewer"), &error));
    assert_last(store, "", "{\"orgRole\":\"viewer\"}");
    assert_ok(set_org(store, "GATEWAY", TEXT("admin"), &error));
    assert_last(store, "{\"orgRole\":\"viewer\"}", "{\"orgRole\":\"admin\"}");
    assert_ok(store_service_get(&store->reader, TEXT("acme"), TEXT("gateway"), &got, &error));
    assert_text(got.org_role, "admin");
    assert_ok(set_org(store, "gateway", TEXT(""), &error));
    assert_last(store, "{\"orgRole\":\"admin\"}", "");
    assert_ok(store_service_get(&store->reader, TEXT("acme"), TEXT("gateway"), &got, &error));
    assert_text(got.org_role, "");
    assert_error(set_org(store, "none", TEXT("admin"), &error), NOT_FOUND);
    assert_string_equal(error.subject, "service");
}

static void test_project_role(void **state) {
    struct store *store = *state;
    struct error error;
    make_all(store);
    assert_error(set_project(store, "gateway", "web", TEXT(""), &error), NOT_FOUND);
    assert_string_equal(error.subject, "project role");
    assert_ok(set_project(store, "gateway", "WEB", TEXT("viewer"), &error));
    assert_last(store, "", "{\"project\":\"web\",\"projectRole\":\"viewer\"}");
    assert_ok(set_project(store, "gateway", "web", TEXT("issuer"), &error));
    assert_last(store, "{\"project\":\"web\",\"projectRole\":\"viewer\"}",
                "{\"project\":\"web\",\"projectRole\":\"issuer\"}");
    assert_ok(set_project(store, "gateway", "web", TEXT(""), &error));
    assert_last(store, "{\"project\":\"web\",\"projectRole\":\"issuer\"}", "");
    assert_error(set_project(store, "none", "web", TEXT("viewer"), &error), NOT_FOUND);
    assert_error(set_project(store, "gateway", "none", TEXT("viewer"), &error), NOT_FOUND);
    assert_string_equal(error.subject, "project");
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM service_project_roles"), 0);
}

struct rows {
    char text[512];
};

static bool membership_each(void *self, const struct membership *row) {
    struct rows *rows = self;
    size_t len = strlen(rows->text);
    snprintf(rows->text + len, sizeof(rows->text) - len, "%.*s.%.*s=%.*s ",
             (int)row->service.name.len, row->service.name.at, (int)row->project_name.len,
             row->project_name.at, (int)row->project_role.len, row->project_role.at);
    struct uuid gateway = id_of(4), batch = id_of(5), web = id_of(2), app = id_of(3);
    assert_true(uuid_equal(&row->service.id, row->service.name.at[0] == 'g' ? &gateway : &batch));
    assert_true(uuid_equal(&row->project_id, row->project_name.at[0] == 'w' ? &web : &app));
    return true;
}

static const char *of_service(struct store *store, const char *service) {
    static struct rows rows;
    struct error error;
    rows = (struct rows){{0}};
    assert_ok(store_membership_list(&store->reader, TEXT("acme"), text_of(service), membership_each,
                                    &rows, &error));
    return rows.text;
}

static void test_lists(void **state) {
    struct store *store = *state;
    struct error error;
    struct rows rows = {{0}};
    make_all(store);
    assert_string_equal(of_service(store, ""), "");
    assert_ok(set_project(store, "gateway", "web", TEXT("issuer"), &error));
    assert_ok(set_project(store, "gateway", "app", TEXT("viewer"), &error));
    assert_ok(set_project(store, "batch", "web", TEXT("admin"), &error));
    assert_string_equal(of_service(store, "gateway"), "gateway.App=viewer gateway.web=issuer ");
    assert_string_equal(of_service(store, "BATCH"), "Batch.web=admin ");
    assert_string_equal(of_service(store, ""),
                        "Batch.web=admin gateway.App=viewer gateway.web=issuer ");
    assert_ok(store_project_services(&store->reader, TEXT("acme"), TEXT("Web"), membership_each,
                                     &rows, &error));
    assert_string_equal(rows.text, "Batch.web=admin gateway.web=issuer ");
    assert_error(store_membership_list(&store->reader, TEXT("acme"), TEXT("none"), membership_each,
                                       &rows, &error),
                 NOT_FOUND);
    assert_error(store_membership_list(&store->reader, TEXT("none"), TEXT(""), membership_each,
                                       &rows, &error),
                 NOT_FOUND);
    assert_error(store_project_services(&store->reader, TEXT("acme"), TEXT("none"), membership_each,
                                        &rows, &error),
                 NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_org_role, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_project_role, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_lists, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
