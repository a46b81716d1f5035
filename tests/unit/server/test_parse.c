/* The bodies of management: what each takes, and what is said of what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "asked.h"
#include "server/handlers.h"

/* NONE: it is taken. */
struct row {
    bool (*parse)(struct request *request);
    const char *body;
    enum error_code code;
    const char *says;
};

static void assert_row(struct asked *asked, const struct row *row) {
    struct request *request = asked->request;
    char memory[1024];
    struct buffer message = buffer_over(memory, sizeof(memory) - 1);
    bool is_taken = row->parse(request);
    if (is_taken != (row->code == ERROR_NONE) || request->error.code != row->code)
        print_error("%s: %s\n", row->body, error_name(request->error.code));
    assert_int_equal(is_taken, row->code == ERROR_NONE);
    assert_int_equal(request->error.code, row->code);
    if (is_taken) {
        assert_non_null(request->input);
        return;
    }
    error_message(&request->error, &message);
    memory[message.len] = '\0';
    assert_non_null(strstr(memory, row->says));
}

static void assert_rows(struct asked *asked, const struct row *rows, size_t count,
                        const char *project) {
    for (size_t i = 0; i < count; i++) {
        asked_reset(asked);
        asked_body(asked, text_of(rows[i].body));
        asked->request->params[PARAM_PROJECT] = text_of(project);
        assert_row(asked, &rows[i]);
    }
}

static void test_orgs(void **state) {
    static const struct row rows[] = {
        {org_parse_new, "{\"name\":\"acme\"}", ERROR_NONE, NULL},
        {org_parse_new, "{\"name\":\"acme\",\"displayName\":\"A \xC3\xA4\"}", ERROR_NONE, NULL},
        {org_parse_new, "{\"new_name\":\"acme\"}", ERROR_FIELD_MISSING, "the field name is"},
        {org_parse_new, "{\"name\":\"acme\",\"new_name\":\"acme\"}", ERROR_FIELD_ONE_OF, "name"},
        {org_parse_new, "", ERROR_FIELD_MISSING, "the field name is required"},
        {org_parse_new, "{\"name\":null}", ERROR_FIELD_MISSING, "name"},
        {org_parse_new, "{\"name\":\"a b\"}", ERROR_FIELD_NAME, "name must be 3 to 40"},
        {org_parse_new, "{\"name\":\"ab\"}", ERROR_FIELD_NAME, "name"},
        {org_parse_new, "{\"name\":\"-abc\"}", ERROR_FIELD_NAME, "name"},
        {org_parse_new, "{\"name\":\"acme\",\"displayName\":7}", ERROR_FIELD_STRING, "displayName"},
        {org_parse_new, "{\"name\":\"acme\",\"x\":7}", ERROR_FIELD_UNKNOWN, "the field x"},
        {org_parse, "", ERROR_NONE, NULL},
        {org_parse, "{}", ERROR_NONE, NULL},
        {org_parse, "{\"name\":\"acme\"}", ERROR_NONE, NULL},
        {org_parse, "{\"newName\":\"acme\"}", ERROR_NONE, NULL},
        {org_parse, "{\"newName\":\"acme\",\"name\":\"b42\"}", ERROR_FIELD_ONE_OF,
         "only one of name and new_name"},
    };
    assert_rows(*state, rows, array_count(rows), "");
}

static void test_projects(void **state) {
    static const struct row rows[] = {
        {project_parse_new, "{\"name\":\"shop\"}", ERROR_NONE, NULL},
        {project_parse_new, "{\"project\":\"shop\"}", ERROR_NONE, NULL},
        {project_parse_new,
         "{\"name\":\"shop\",\"description\":\"d\",\"runtime_host\":\"h\",\"audience\":\"a\","
         "\"frontend_url\":\"f\",\"primary_branch\":\"b\",\"default_ttl_seconds\":1,"
         "\"max_ttl_seconds\":2,\"max_token_bytes\":512,\"jwt_alg\":\"Ed25519\"}",
         ERROR_NONE, NULL},
        {project_parse_new, "", ERROR_FIELD_MISSING, "name"},
        {project_parse_new, "{\"name\":\"shop\",\"project\":\"shop\"}", ERROR_FIELD_ONE_OF,
         "name, new_name and project"},
        {project_parse_new, "{\"name\":\"shop\",\"jwtAlg\":\"eddsa\"}", ERROR_FIELD_VALUE,
         "EdDSA or Ed25519"},
        {project_parse, "{\"jwtAlg\":\"EdDSA\"}", ERROR_NONE, NULL},
        {project_parse, "{\"jwtAlg\":\"\"}", ERROR_NONE, NULL},
        {project_parse, "{\"maxTokenBytes\":0}", ERROR_NONE, NULL},
        {project_parse, "{\"maxTokenBytes\":511}", ERROR_FIELD_VALUE, "from 512 to 131072"},
        {project_parse, "{\"maxTokenBytes\":512}", ERROR_NONE, NULL},
        {project_parse, "{\"maxTokenBytes\":131072}", ERROR_NONE, NULL},
        {project_parse, "{\"maxTokenBytes\":131073}", ERROR_FIELD_VALUE, "from 512 to 131072"},
        {project_parse, "{\"defaultTtlSeconds\":60,\"maxTtlSeconds\":60}", ERROR_NONE, NULL},
        {project_parse, "{\"defaultTtlSeconds\":61,\"maxTtlSeconds\":60}", ERROR_FIELD_VALUE,
         "must not be larger than max_ttl_seconds"},
        {project_parse, "{\"defaultTtlSeconds\":61}", ERROR_NONE, NULL},
        {project_parse, "{\"defaultTtlSeconds\":-1}", ERROR_FIELD_NUMBER, "defaultTtlSeconds"},
        {project_parse, "{\"instance_id\":\"x\"}", ERROR_FIELD_UNKNOWN, "instance_id"},
        {project_parse, "", ERROR_NONE, NULL},
    };
    assert_rows(*state, rows, array_count(rows), "");
}

static void test_services(void **state) {
    static const struct row rows[] = {
        {service_parse_new, "{\"name\":\"gate\",\"org_role_name\":\"admin\"}", ERROR_NONE, NULL},
        {service_parse_new,
         "{\"name\":\"gate\",\"project\":\"shop\",\"projectRoleName\":\"issuer\"}", ERROR_NONE,
         NULL},
        {service_parse_new,
         "{\"name\":\"gate\",\"orgRoleName\":\"guest\",\"attributes\":{\"a\":1},"
         "\"policy\":{\"maxTtlSeconds\":60}}",
         ERROR_NONE, NULL},
        {service_parse_new, "", ERROR_FIELD_MISSING, "name"},
        {service_parse_new, "{\"name\":\"gate\"}", ERROR_FIELD_VALUE, "give the service a role"},
        {service_parse_new, "{\"name\":\"gate\",\"project\":\"shop\"}", ERROR_FIELD_VALUE,
         "must be given together"},
        {service_parse_new, "{\"name\":\"gate\",\"project_role_name\":\"issuer\"}",
         ERROR_FIELD_VALUE, "must be given together"},
        {service_parse_new, "{\"name\":\"gate\",\"orgRoleName\":\"Admin\"}", ERROR_FIELD_VALUE,
         "no such org role; there are admin, editor, viewer, guest, issuer"},
        {service_parse_new,
         "{\"name\":\"gate\",\"project\":\"shop\",\"projectRoleName\":\"guest\"}",
         ERROR_FIELD_VALUE, "no such project role; there are admin, editor, viewer, issuer"},
        {service_parse_new, "{\"name\":\"gate\",\"orgRoleName\":\"admin\",\"attributes\":[]}",
         ERROR_JSON_NOT_OBJECT, "attributes"},
        {service_parse_new, "{\"name\":\"gate\",\"orgRoleName\":\"admin\",\"new_name\":\"gat2\"}",
         ERROR_FIELD_UNKNOWN, "new_name"},
        {service_parse, "", ERROR_NONE, NULL},
        {service_parse, "{\"newName\":\"gate\",\"attributes\":{},\"policy\":{}}", ERROR_NONE, NULL},
        {service_parse, "{\"name\":\"gate\"}", ERROR_FIELD_UNKNOWN, "the field name"},
        {service_parse, "{\"policy\":{\"maxTtl\":1}}", ERROR_FIELD_UNKNOWN, "maxTtl"},
        {service_parse, "{\"policy\":{\"allowedCidrs\":[\"10.0.0.1/8\"]}}", ERROR_FIELD_VALUE,
         "allowedCidrs"},
    };
    assert_rows(*state, rows, array_count(rows), "");
}

/* In a project other roles count than in the org. */
static void test_roles(void **state) {
    static const struct row in_org[] = {
        {role_parse, "{\"role\":\"guest\"}", ERROR_NONE, NULL},
        {role_parse, "", ERROR_FIELD_MISSING, "the field role is required"},
        {role_parse, "{\"role\":\"\"}", ERROR_FIELD_MISSING, "role"},
        {role_parse, "{\"role\":\"king\"}", ERROR_FIELD_VALUE, "no such org role"},
        {role_parse, "{\"role\":7}", ERROR_FIELD_STRING, "role"},
        {role_parse, "{\"roles\":\"admin\"}", ERROR_FIELD_UNKNOWN, "roles"},
    };
    static const struct row in_project[] = {
        {role_parse, "{\"role\":\"issuer\"}", ERROR_NONE, NULL},
        {role_parse, "{\"role\":\"guest\"}", ERROR_FIELD_VALUE, "no such project role"},
    };
    assert_rows(*state, in_org, array_count(in_org), "");
    assert_rows(*state, in_project, array_count(in_project), "shop");
}

static void test_tokens(void **state) {
    static const struct row rows[] = {
        {token_parse, "", ERROR_NONE, NULL},
        {token_parse, "{\"ttl_seconds\":60,\"description\":\"for k8s\"}", ERROR_NONE, NULL},
        {token_parse, "{\"ttlSeconds\":\"60\"}", ERROR_NONE, NULL},
        {token_parse, "{\"ttlSeconds\":1.5}", ERROR_FIELD_NUMBER, "ttlSeconds"},
        {token_parse, "{\"description\":\"a\\nb\"}", ERROR_FIELD_STRING, "description"},
        {token_parse, "{\"token\":\"mine\"}", ERROR_FIELD_UNKNOWN, "token"},
    };
    assert_rows(*state, rows, array_count(rows), "");
}

/* A body with an object of so many bytes, filled up between `open` and `close`. */
struct sized {
    const char *before, *open, *close;
    size_t bytes;
};

static struct text sized_write(const struct sized *sized) {
    static char memory[40000];
    struct buffer out = buffer_over(memory, sizeof(memory));
    buffer_put(&out, sized->before);
    buffer_put(&out, sized->open);
    for (size_t i = strlen(sized->open) + strlen(sized->close); i < sized->bytes; i++)
        buffer_byte(&out, 'x');
    buffer_put(&out, sized->close);
    buffer_byte(&out, '}');
    check(!out.overflow);
    return buffer_text(&out);
}

/* Attributes and policy of one byte less than the limit, at it, and one more; without the space
 * that was sent around them. */
static void test_sizes(void **state) {
    struct asked *asked = *state;
    static const enum error_code beyond[] = {ERROR_ATTRIBUTES_LARGE, ERROR_POLICY_LARGE};
    struct sized rows[] = {
        {"{\"attributes\" :    ", "{\"a\":\"", "\"}", 0},
        {"{\"policy\" :    ", "{\"allowedAttributes\":[\"", "\"]}", 0},
    };
    for (size_t i = 0; i < array_count(rows); i++)
        for (rows[i].bytes = 16383; rows[i].bytes <= 16385; rows[i].bytes++) {
            const struct row row = {service_parse, "of a size",
                                    rows[i].bytes <= 16384 ? ERROR_NONE : beyond[i],
                                    "larger than 16384 bytes"};
            asked_reset(asked);
            asked_body(asked, sized_write(&rows[i]));
            assert_row(asked, &row);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, asked_setup, asked_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_orgs),  TEST(test_projects), TEST(test_services),
        TEST(test_roles), TEST(test_tokens),   TEST(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
