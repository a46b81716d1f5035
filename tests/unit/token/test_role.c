/* The table of roles, cell by cell as the interface promises it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "token/role.h"
#include <cmocka.h>

enum {
    READ_ORG = PERMISSION_READ_ORG,
    MANAGE_ORG = PERMISSION_MANAGE_ORG,
    CREATE = PERMISSION_CREATE_PROJECTS,
    MANAGE = PERMISSION_MANAGE_PROJECT,
    READ = PERMISSION_READ_PROJECT,
    ISSUE = PERMISSION_ISSUE,
    ALL = READ_ORG | MANAGE_ORG | CREATE | MANAGE | READ | ISSUE,
};

static const struct role expected[] = {
    {"admin", ALL, ROLE_ORG},
    {"editor", READ_ORG | CREATE | READ, ROLE_ORG},
    {"viewer", READ_ORG | READ, ROLE_ORG},
    {"guest", READ_ORG, ROLE_ORG},
    {"issuer", ISSUE, ROLE_ORG},
    {"admin", MANAGE | READ | ISSUE, ROLE_PROJECT},
    {"editor", READ, ROLE_PROJECT},
    {"viewer", READ, ROLE_PROJECT},
    {"issuer", READ | ISSUE, ROLE_PROJECT},
};

static void test_every_role_holds_what_the_table_says(void **state) {
    (void)state;
    size_t org_count, project_count;
    (void)roles_of(ROLE_ORG, &org_count);
    (void)roles_of(ROLE_PROJECT, &project_count);
    assert_int_equal(org_count, 5);
    assert_int_equal(project_count, 4);
    for (size_t i = 0; i < array_count(expected); i++) {
        const struct role *role = role_find(expected[i].scope, text_of(expected[i].name));
        assert_non_null(role);
        assert_int_equal(role->permissions, expected[i].permissions);
        assert_int_equal(role->scope, expected[i].scope);
        assert_ptr_equal(role, &roles_of(role->scope, &org_count)[i % 5]);
    }
}

static void test_names_are_exact(void **state) {
    (void)state;
    static const char *const bad[] = {"", "Admin", "admi", "admins", "owner", "admin "};
    for (size_t i = 0; i < array_count(bad); i++) {
        assert_null(role_find(ROLE_ORG, text_of(bad[i])));
        assert_null(role_find(ROLE_PROJECT, text_of(bad[i])));
    }
    assert_null(role_find(ROLE_PROJECT, TEXT("guest")));
}

static void test_permissions_have_names(void **state) {
    (void)state;
    assert_string_equal(permission_name(PERMISSION_READ_ORG), "read_org");
    assert_string_equal(permission_name(PERMISSION_MANAGE_ORG), "manage_org");
    assert_string_equal(permission_name(PERMISSION_CREATE_PROJECTS), "create_projects");
    assert_string_equal(permission_name(PERMISSION_MANAGE_PROJECT), "manage_project");
    assert_string_equal(permission_name(PERMISSION_READ_PROJECT), "read_project");
    assert_string_equal(permission_name(PERMISSION_ISSUE), "issue");
}

/* The union counts, and whoever manages the project holds all that its admin holds. */
static void test_union_in_a_project(void **state) {
    (void)state;
    assert_int_equal(permissions_in_project(0, 0), 0);
    assert_int_equal(permissions_in_project(READ_ORG, ISSUE | READ), READ_ORG | ISSUE | READ);
    assert_int_equal(permissions_in_project(MANAGE, 0), MANAGE | READ | ISSUE);
    assert_int_equal(permissions_in_project(0, MANAGE), MANAGE | READ | ISSUE);
    assert_int_equal(permissions_in_project(ALL, 0), ALL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_role_holds_what_the_table_says),
        cmocka_unit_test(test_names_are_exact),
        cmocka_unit_test(test_permissions_have_names),
        cmocka_unit_test(test_union_in_a_project),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
