/* Projects in the store: all their members, edits of each, and what ends with them. */
#include "fixture.h"

static const struct project full = {
    .name = {"Web", 3},
    .description = {"the \xC3\xBC web", 10},
    .runtime_host = {"https://runtime.example", 23},
    .audience = {"https://aud.example", 19},
    .frontend_url = {"https://ui.example", 18},
    .primary_branch = {"main", 4},
    .default_ttl_s = 600,
    .max_ttl_s = UINT32_MAX,
    .max_token_bytes = 8192,
    .jwt_alg_rfc9864 = true,
};

static void assert_full(const struct project *project) {
    assert_true(uuid_equal(&project->instance_id, &(struct uuid){{1, 2, 3}}));
    assert_text(project->org_name, "acme");
    assert_text(project->name, "Web");
    assert_text(project->description, "the \xC3\xBC web");
    assert_text(project->runtime_host, "https://runtime.example");
    assert_text(project->audience, "https://aud.example");
    assert_text(project->frontend_url, "https://ui.example");
    assert_text(project->primary_branch, "main");
    assert_int_equal(project->default_ttl_s, 600);
    assert_int_equal(project->max_ttl_s, UINT32_MAX);
    assert_int_equal(project->max_token_bytes, 8192);
    assert_true(project->jwt_alg_rfc9864);
    assert_int_equal(project->created_s, 1000);
}

static void make_full(struct store *store) {
    struct error error;
    struct project made, project = full;
    uint64_t seq;
    project.id = id_of(2);
    project.instance_id = (struct uuid){{1, 2, 3}};
    make_org(store, "acme", 1);
    assert_ok(
        store_project_create(&store->writer, &tester, TEXT("ACME"), &project, &made, &seq, &error));
    assert_full(&made);
    assert_int_equal(seq, 2);
}

static void test_create_and_get(void **state) {
    struct store *store = *state;
    struct error error;
    struct project got, project = full;
    uint64_t seq;
    make_full(store);
    assert_ok(store_project_get(&store->reader, TEXT("acme"), TEXT("wEB"), &got, &error));
    assert_full(&got);
    struct uuid org_id = id_of(1);
    assert_true(uuid_equal(&got.org_id, &org_id));
    assert_error(store_project_get(&store->reader, TEXT("acme"), TEXT("nope"), &got, &error),
                 NOT_FOUND);
    assert_string_equal(error.subject, "project");
    assert_error(store_project_get(&store->reader, TEXT("none"), TEXT("web"), &got, &error),
                 NOT_FOUND);
    assert_string_equal(error.subject, "org");
    project.id = id_of(9);
    project.name = TEXT("WEB");
    assert_error(
        store_project_create(&store->writer, &tester, TEXT("acme"), &project, &got, &seq, &error),
        NAME_TAKEN);
    assert_string_equal(error.subject, "WEB");
    assert_error(
        store_project_create(&store->writer, &tester, TEXT("none"), &project, &got, &seq, &error),
        NOT_FOUND);
    /* The same name in another org is another name. */
    make_org(store, "other", 8);
    assert_ok(
        store_project_create(&store->writer, &tester, TEXT("other"), &project, &got, &seq, &error));
}

struct names {
    char text[256];
};

static bool name_each(void *self, const struct project *row) {
    struct names *names = self;
    size_t len = strlen(names->text);
    snprintf(names->text + len, sizeof(names->text) - len, "%.*s ", (int)row->name.len,
             row->name.at);
    return true;
}

static void test_pages(void **state) {
    struct store *store = *state;
    struct error error;
    struct names names = {{0}};
    make_org(store, "acme", 1);
    make_project(store, "zulu", 2);
    make_project(store, "Alpha", 3);
    make_project(store, "mike", 4);
    assert_ok(
        store_project_list(&store->reader, TEXT("acme"), TEXT(""), 2, name_each, &names, &error));
    assert_string_equal(names.text, "Alpha mike ");
    assert_ok(store_project_list(&store->reader, TEXT("acme"), TEXT("MIKE"), 2, name_each, &names,
                                 &error));
    assert_string_equal(names.text, "Alpha mike zulu ");
    assert_error(
        store_project_list(&store->reader, TEXT("none"), TEXT(""), 2, name_each, &names, &error),
        NOT_FOUND);
}

/* Each member can be edited alone, and no other changes with it. */
static void test_edit_each_field(void **state) {
    struct store *store = *state;
    struct error error;
    struct project row, other = {
                            .name = TEXT("other"),
                            .description = TEXT("o1"),
                            .runtime_host = TEXT("o2"),
                            .audience = TEXT("o3"),
                            .frontend_url = TEXT("o4"),
                            .primary_branch = TEXT("o5"),
                            .default_ttl_s = 1,
                            .max_ttl_s = 2,
                            .max_token_bytes = 3,
                            .jwt_alg_rfc9864 = false,
                        };
    static const char *const columns[] = {
        "name",           "description", "runtime_host", "audience",        "frontend_url",
        "primary_branch", "default_ttl", "max_ttl",      "max_token_bytes", "jwt_alg_rfc9864"};
    static const char *const values[] = {"other", "o1", "o2", "o3", "o4", "o5", "1", "2", "3", "0"};
    uint64_t seq;
    make_full(store);
    for (size_t i = 0; i < array_count(columns); i++) {
        char sql[128];
        assert_ok(store_project_edit(&store->writer, &tester, TEXT("acme"), TEXT("web"), 1U << i,
                                     &other, &row, &seq, &error));
        snprintf(sql, sizeof(sql), "SELECT %s FROM projects", columns[i]);
        assert_string_equal(file_text(&store->folder, sql), values[i]);
        struct project back = full;
        struct text name = i == 0 ? TEXT("other") : TEXT("web");
        assert_ok(store_project_edit(&store->writer, &tester, TEXT("acme"), name, 1U << i, &back,
                                     &row, &seq, &error));
        assert_full(&row);
    }
}

static void test_edit_fails_whole(void **state) {
    struct store *store = *state;
    struct error error;
    struct project row, edit = {.name = TEXT("TAKEN"), .description = TEXT("new")};
    uint64_t seq;
    make_full(store);
    make_project(store, "taken", 5);
    assert_error(store_project_edit(&store->writer, &tester, TEXT("acme"), TEXT("web"),
                                    PROJECT_NAME | PROJECT_DESCRIPTION, &edit, &row, &seq, &error),
                 NAME_TAKEN);
    assert_ok(store_project_get(&store->reader, TEXT("acme"), TEXT("web"), &row, &error));
    assert_full(&row);
    assert_error(store_project_edit(&store->writer, &tester, TEXT("acme"), TEXT("none"), 0, &edit,
                                    &row, &seq, &error),
                 NOT_FOUND);
    assert_int_equal(file_number(&store->folder, "SELECT seq FROM rev_counter"), 3);
}

static void test_delete_takes_memberships(void **state) {
    struct store *store = *state;
    struct error error;
    uint64_t seq;
    make_full(store);
    make_service(store, "gateway", 3, "viewer");
    assert_ok(store_service_set_project_role(&store->writer, &tester, TEXT("acme"), TEXT("gateway"),
                                             TEXT("web"), TEXT("issuer"), &seq, &error));
    assert_ok(
        store_project_delete(&store->writer, &tester, TEXT("acme"), TEXT("WEB"), &seq, &error));
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM service_project_roles"), 0);
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM services"), 1);
    assert_int_equal(file_number(&store->folder, "SELECT scope_kind FROM changes WHERE seq = 5"),
                     SCOPE_PROJECT);
    assert_error(
        store_project_delete(&store->writer, &tester, TEXT("acme"), TEXT("web"), &seq, &error),
        NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_and_get, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_pages, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_edit_each_field, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_edit_fails_whole, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_delete_takes_memberships, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
