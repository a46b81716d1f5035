/* The route table: every row is found, in both spellings; what else is found, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "server/routes.h"

static const struct text names[PARAM_COUNT] = {TEXT_INIT("{org}"), TEXT_INIT("{project}"),
                                               TEXT_INIT("{service}"), TEXT_INIT("{id}"),
                                               TEXT_INIT("{key}")};
static const struct text values[PARAM_COUNT] = {
    TEXT_INIT("acme"), TEXT_INIT("shop"), TEXT_INIT("gate-way"), TEXT_INIT("an_id"),
    TEXT_INIT("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")};

static int setup(void **state) {
    (void)state;
    routes_open();
    routes_open(); /* a second time is nothing */
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* A path that fits the pattern, each parameter with its value. */
static struct text path_of(const char *pattern, bool is_alias, struct buffer *out) {
    struct text rest = text_of(pattern);
    while (rest.len > 0) {
        size_t skip = 1;
        int param = -1;
        for (int i = 0; i < PARAM_COUNT; i++)
            if (text_starts(rest, names[i]))
                param = i;
        if (param >= 0) {
            buffer_add(out, values[param]);
            skip = names[param].len;
        } else if (is_alias && text_starts(rest, TEXT("/orgs"))) {
            buffer_put(out, "/organizations");
            skip = 5;
        } else {
            buffer_byte(out, rest.at[0]);
        }
        rest = (struct text){rest.at + skip, rest.len - skip};
    }
    check(!out->overflow);
    return buffer_text(out);
}

static bool find(enum http_method method, struct text path, struct route_match *ret_match,
                 struct error *ret_error) {
    const struct http_request request = {
        .method = method,
        .method_text = text_of(method < HTTP_METHODS ? http_method_name(method) : "BREW"),
        .path = path};
    return routes_find(&request, ret_match, ret_error);
}

static void assert_found(const struct route *route, enum http_method method, struct text path) {
    struct route_match match;
    struct error error;
    assert_true(find(method, path, &match, &error));
    assert_ptr_equal(match.route, route);
    assert_true(method == HTTP_METHOD_OTHER || match.methods & 1U << method);
    for (int i = 0; i < PARAM_COUNT; i++) {
        bool is_there = strstr(route->pattern, names[i].at) != NULL;
        assert_true(text_equal(match.params[i], is_there ? values[i] : (struct text){0}));
    }
}

static void test_every_row(void **state) {
    (void)state;
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        for (unsigned is_alias = 0; is_alias < 2; is_alias++) {
            char memory[256];
            struct buffer out = buffer_over(memory, sizeof(memory));
            struct text path = path_of(routes[i].pattern, is_alias, &out);
            assert_found(&routes[i], routes[i].method, path);
            if (routes[i].method == HTTP_GET)
                assert_found(&routes[i], HTTP_HEAD, path);
        }
}

/* A route for any method has its path alone. */
static void test_any_method(void **state) {
    (void)state;
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        for (unsigned method = 0; routes[i].method == HTTP_ANY && method <= HTTP_METHODS; method++)
            assert_found(&routes[i], (enum http_method)method, text_of(routes[i].pattern));
    assert_int_equal(routes[ROUTE_ID_VERIFY].method, HTTP_ANY);
}

/* What holds for the rows of each kind. */
static void test_rows_make_sense(void **state) {
    (void)state;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        const struct route *row = &routes[i];
        bool in_org = strstr(row->pattern, "{org}") != NULL;
        bool in_project = strstr(row->pattern, "{project}") != NULL;
        bool is_managed = row->kind == ROUTE_READ || row->kind == ROUTE_WRITE;
        /* Nothing but what is in memory is for everybody. */
        assert_true(row->who != WHO_NOBODY || row->kind == ROUTE_LOCAL);
        /* A permission where one is asked for, and the org or project that it is asked for in. */
        bool needs = row->who == WHO_ORG || row->who == WHO_PROJECT || row->who == WHO_ISSUER;
        assert_int_equal(row->permission != 0, needs);
        assert_true(row->who != WHO_PROJECT || in_project);
        assert_true(!in_org || needs || row->who == WHO_OPERATOR);
        assert_true(!in_project || in_org);
        assert_int_equal(row->kind == ROUTE_ISSUE, row->who == WHO_ISSUER);
        assert_true(row->kind != ROUTE_ISSUE || row->permission == PERMISSION_ISSUE);
        /* Reading changes nothing, so only what is read may be asked by a link. */
        assert_true(row->kind != ROUTE_WRITE || row->method != HTTP_GET);
        assert_int_equal(row->local != NULL, row->kind == ROUTE_LOCAL);
        assert_int_equal(row->work != NULL, is_managed);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(row->name, routes[j].name);
    }
}

/* ---- methods --------------------------------------------------------------------------------- */

static void assert_allow(const char *path, enum http_method method, const char *allow) {
    struct route_match match;
    struct error error;
    char memory[128];
    struct buffer out = buffer_over(memory, sizeof(memory) - 1);
    assert_false(find(method, text_of(path), &match, &error));
    assert_int_equal(error.code, ERROR_METHOD_UNKNOWN);
    routes_write_allow(match.methods, &out);
    memory[out.len] = '\0';
    assert_string_equal(memory, allow);
}

static void test_methods(void **state) {
    (void)state;
    assert_allow("/v1/orgs", HTTP_DELETE, "Allow: GET, HEAD, POST, OPTIONS\r\n");
    assert_allow("/v1/orgs", HTTP_OPTIONS, "Allow: GET, HEAD, POST, OPTIONS\r\n");
    assert_allow("/v1/organizations/acme", HTTP_METHOD_OTHER,
                 "Allow: GET, HEAD, PATCH, DELETE, OPTIONS\r\n");
    assert_allow("/v1/orgs/acme/projects/shop/credentials", HTTP_GET, "Allow: POST, OPTIONS\r\n");
    assert_allow("/v1/orgs/acme/projects/shop/credentials", HTTP_HEAD, "Allow: POST, OPTIONS\r\n");
    assert_allow("/v1/orgs/acme/services/x/role", HTTP_POST, "Allow: PUT, DELETE, OPTIONS\r\n");
    assert_allow("/v1/ping", HTTP_PUT, "Allow: GET, HEAD, OPTIONS\r\n");
}

/* The error names the method as it was sent. */
static void test_method_text(void **state) {
    struct route_match match;
    struct error error;
    (void)state;
    assert_false(find(HTTP_METHOD_OTHER, TEXT("/v1/ping"), &match, &error));
    assert_string_equal(error.subject, "BREW");
}

/* ---- paths ----------------------------------------------------------------------------------- */

static void test_unknown_paths(void **state) {
    static const char *const paths[] = {
        "/",
        "/v1",
        "/v1/",
        "/v1/ping/",
        "//v1/ping",
        "/v1//ping",
        "/V1/ping",
        "/v1/ping2",
        "/v1/pin",
        "/v1/orgs/",
        "/v1/orgs//projects",
        "/v1/orgs/acme/",
        "/v1/orgs/acme/project",
        "/v1/orgs/acme/projects/shop/credentials/batch/more",
        "/v1/organisations/acme",
        "/organizations/acme",
        "/v1/services/tokens",
        "/v1/services/tokens/",
        "/v1/%70ing", /* only parameters are decoded */
        "*",
        "",
    };
    (void)state;
    for (size_t i = 0; i < array_count(paths); i++) {
        struct route_match match;
        struct error error;
        assert_false(find(HTTP_GET, text_of(paths[i]), &match, &error));
        assert_int_equal(error.code, ERROR_ROUTE_UNKNOWN);
        assert_string_equal(error.subject, paths[i]);
        assert_int_equal(match.methods, 0);
    }
}

/* A parameter is decoded, and is one segment whatever it decodes to. */
static void test_parameters(void **state) {
    static const struct {
        const char *segment, *value; /* NULL: refused */
    } rows[] = {
        {"acme", "acme"},       {"%61cme", "acme"}, {"a%2Fb", "a/b"},   {"a+b", "a+b"},
        {"%C3%A4", "\xC3\xA4"}, {"%", NULL},        {"%4", NULL},       {"%zz", NULL},
        {"a%00b", NULL},        {"%FF", NULL},      {"{org}", "{org}"},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct route_match match;
        struct error error;
        char path[64];
        (void)snprintf(path, sizeof(path), "/v1/orgs/%s/projects", rows[i].segment);
        bool is_found = find(HTTP_GET, text_of(path), &match, &error);
        assert_int_equal(is_found, rows[i].value != NULL);
        if (is_found)
            assert_true(text_equal(match.params[PARAM_ORG], text_of(rows[i].value)));
        else
            assert_int_equal(error.code, ERROR_ROUTE_UNKNOWN);
    }
}

static void test_parameter_length(void **state) {
    (void)state;
    for (size_t len = ROUTE_PARAM_BYTES - 1; len <= ROUTE_PARAM_BYTES + 1; len++) {
        struct route_match match;
        struct error error;
        char path[128] = "/v1/orgs/";
        memset(path + 9, 'a', len);
        assert_int_equal(find(HTTP_GET, text_of(path), &match, &error), len <= ROUTE_PARAM_BYTES);
        if (len <= ROUTE_PARAM_BYTES)
            assert_int_equal(match.params[PARAM_ORG].len, len);
    }
}

/* What stands there in the pattern wins over a parameter: no service is called "tokens" by a path
 * that means something else. */
static void test_fixed_before_variable(void **state) {
    struct route_match match;
    struct error error;
    (void)state;
    assert_true(find(HTTP_DELETE, TEXT("/v1/services/tokens/x"), &match, &error));
    assert_ptr_equal(match.route, &routes[ROUTE_ID_TOKEN_REVOKE]);
    assert_true(find(HTTP_GET, TEXT("/v1/orgs/orgs/projects/projects"), &match, &error));
    assert_ptr_equal(match.route, &routes[ROUTE_ID_PROJECT_GET]);
    assert_true(text_equal(match.params[PARAM_PROJECT], TEXT("projects")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),
        cmocka_unit_test(test_any_method),
        cmocka_unit_test(test_rows_make_sense),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_method_text),
        cmocka_unit_test(test_unknown_paths),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_parameter_length),
        cmocka_unit_test(test_fixed_before_variable),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
