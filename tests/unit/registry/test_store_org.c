/* Orgs in the store: their names, pages, edits and ends. */
#include "fixture.h"

static void test_create_and_get(void **state) {
    struct store *store = *state;
    struct error error;
    struct org made, got,
        org = {.id = id_of(1), .name = TEXT("Acme"), .display_name = TEXT("ACME")};
    uint64_t seq = 0;
    assert_ok(store_org_create(&store->writer, &tester, &org, &made, &seq, &error));
    assert_int_equal(seq, 1);
    assert_text(made.name, "Acme");
    assert_int_equal(made.created_s, 1000);
    assert_int_equal(made.updated_s, 1000);
    assert_ok(store_org_get(&store->reader, TEXT("aCME"), &got, &error));
    assert_true(uuid_equal(&got.id, &org.id));
    assert_text(got.name, "Acme");
    assert_text(got.display_name, "ACME");
    struct uuid id;
    assert_ok(store_org_id(&store->reader, TEXT("acme"), &id, &error));
    assert_true(uuid_equal(&id, &org.id));
    assert_error(store_org_get(&store->reader, TEXT("acm"), &got, &error), NOT_FOUND);
    assert_error(store_org_id(&store->reader, TEXT(""), &id, &error), NOT_FOUND);
}

static void test_name_is_taken_in_any_case(void **state) {
    struct store *store = *state;
    struct error error;
    struct org made, org = {.id = id_of(2), .name = TEXT("ACME")};
    uint64_t seq = 77;
    make_org(store, "acme", 1);
    assert_false(store_org_create(&store->writer, &tester, &org, &made, &seq, &error));
    assert_int_equal(error.code, ERROR_NAME_TAKEN);
    assert_string_equal(error.subject, "ACME");
    assert_int_equal(seq, 77);
    /* An id twice is nobody's choice of a name. */
    org = (struct org){.id = id_of(1), .name = TEXT("other")};
    assert_error(store_org_create(&store->writer, &tester, &org, &made, &seq, &error), INTERNAL);
    /* What failed left nothing: no change, no audit row, no gap. */
    make_org(store, "other", 3);
    assert_int_equal(file_number(&store->folder, "SELECT seq FROM rev_counter"), 2);
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM changes"), 2);
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM audit"), 2);
}

struct names {
    char text[256];
    uint32_t stop_after;
};

static bool name_each(void *self, const struct org *row) {
    struct names *names = self;
    size_t len = strlen(names->text);
    snprintf(names->text + len, sizeof(names->text) - len, "%.*s ", (int)row->name.len,
             row->name.at);
    return --names->stop_after > 0;
}

static const char *list(struct store *store, const char *after, uint32_t limit, uint32_t stop) {
    static struct names names;
    struct error error;
    names = (struct names){.stop_after = stop};
    assert_ok(store_org_list(&store->reader, text_of(after), limit, name_each, &names, &error));
    return names.text;
}

static void test_pages(void **state) {
    struct store *store = *state;
    assert_string_equal(list(store, "", 10, 10), "");
    make_org(store, "delta", 1);
    make_org(store, "Bravo", 2);
    make_org(store, "alpha", 3);
    make_org(store, "Charlie", 4);
    assert_string_equal(list(store, "", 10, 10), "alpha Bravo Charlie delta ");
    assert_string_equal(list(store, "", 2, 10), "alpha Bravo ");
    assert_string_equal(list(store, "BRAVO", 2, 10), "Charlie delta ");
    assert_string_equal(list(store, "bz", 1, 10), "Charlie ");
    assert_string_equal(list(store, "delta", 2, 10), "");
    assert_string_equal(list(store, "", 10, 2), "alpha Bravo ");
}

static void test_edit(void **state) {
    struct store *store = *state;
    struct error error;
    struct org org;
    uint64_t seq;
    struct actor later = tester;
    struct text keep = {0};
    later.now_s = 2000;
    make_org(store, "acme", 1);
    make_org(store, "other", 2);
    assert_ok(store_org_edit(&store->writer, &later, TEXT("ACME"), keep, TEXT("The \"A\""), &org,
                             &seq, &error));
    assert_int_equal(seq, 3);
    assert_text(org.name, "acme");
    assert_text(org.display_name, "The \"A\"");
    assert_int_equal(org.created_s, 1000);
    assert_int_equal(org.updated_s, 2000);
    /* Its own name in another case is free. */
    assert_ok(store_org_edit(&store->writer, &later, TEXT("acme"), TEXT("Acme"), keep, &org, &seq,
                             &error));
    assert_text(org.name, "Acme");
    assert_text(org.display_name, "The \"A\"");
    assert_false(store_org_edit(&store->writer, &later, TEXT("acme"), TEXT("OTHER"), keep, &org,
                                &seq, &error));
    assert_int_equal(error.code, ERROR_NAME_TAKEN);
    assert_string_equal(error.subject, "OTHER");
    assert_error(
        store_org_edit(&store->writer, &later, TEXT("none"), keep, keep, &org, &seq, &error),
        NOT_FOUND);
    assert_string_equal(
        file_text(&store->folder, "SELECT before_json FROM audit ORDER BY id DESC LIMIT 1"),
        "{\"name\":\"acme\",\"displayName\":\"The \\\"A\\\"\"}");
    assert_int_equal(file_number(&store->folder, "SELECT scope_kind FROM changes WHERE seq = 4"),
                     SCOPE_ORG);
}

static void test_delete_when_empty(void **state) {
    struct store *store = *state;
    struct error error;
    uint64_t seq;
    make_org(store, "acme", 1);
    make_project(store, "web", 2);
    assert_false(store_org_delete(&store->writer, &tester, TEXT("acme"), &seq, &error));
    assert_int_equal(error.code, ERROR_NOT_EMPTY);
    assert_string_equal(error.subject, "the org still has projects");
    make_service(store, "gateway", 3, "issuer");
    assert_false(store_org_delete(&store->writer, &tester, TEXT("acme"), &seq, &error));
    assert_string_equal(error.subject, "the org still has projects and services");
    assert_ok(
        store_project_delete(&store->writer, &tester, TEXT("acme"), TEXT("web"), &seq, &error));
    assert_false(store_org_delete(&store->writer, &tester, TEXT("acme"), &seq, &error));
    assert_string_equal(error.subject, "the org still has services");
    assert_ok(
        store_service_delete(&store->writer, &tester, TEXT("acme"), TEXT("gateway"), &seq, &error));
    assert_ok(store_org_delete(&store->writer, &tester, TEXT("ACME"), &seq, &error));
    struct org org;
    assert_error(store_org_get(&store->reader, TEXT("acme"), &org, &error), NOT_FOUND);
    assert_error(store_org_delete(&store->writer, &tester, TEXT("acme"), &seq, &error), NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_and_get, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_name_is_taken_in_any_case, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_pages, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_edit, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_delete_when_empty, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
