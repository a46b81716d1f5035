/* Tests of token/policy: read strictly, and what it allows. */
#include "token/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "token/keyring.h"

static uint8_t memory[65536];
static struct error error;

static bool reads(const char *text, struct policy *ret_policy) {
    struct arena arena = arena_over(memory, sizeof(memory));
    error = (struct error){0};
    return policy_read(text_of(text), &arena, ret_policy, &error);
}

static void test_empty(void **state) {
    struct policy policy = {.max_ttl_s = 7};
    uint8_t address[ADDRESS_BYTES] = {1};
    (void)state;
    assert_true(reads("{}", &policy));
    assert_int_equal(policy.max_ttl_s, 0);
    assert_null(policy.pinned);
    assert_null(policy.allowed);
    assert_int_equal(policy.rate_per_s, 0);
    assert_true(policy_allows_address(&policy, address));
    assert_true(policy_allows_attribute(&policy, TEXT("a"), NULL, &error));
}

static void test_both_spellings(void **state) {
    struct policy policy;
    (void)state;
    assert_true(
        reads("{\"maxTtlSeconds\":60,\"rateLimit\":{\"perSecond\":5,\"burst\":9}}", &policy));
    assert_int_equal(policy.max_ttl_s, 60);
    assert_int_equal(policy.rate_per_s, 5);
    assert_int_equal(policy.rate_burst, 9);
    assert_true(reads("{\"max_ttl_seconds\":61,\"rate_limit\":{\"per_second\":6}}", &policy));
    assert_int_equal(policy.max_ttl_s, 61);
    assert_int_equal(policy.rate_burst, 6); /* the rate, where none is given */
}

static void test_addresses(void **state) {
    struct policy policy;
    uint8_t address[ADDRESS_BYTES];
    (void)state;
    assert_true(reads("{\"allowedCidrs\":[\"192.0.2.0/24\",\"2001:db8::/32\"]}", &policy));
    assert_true(cidr_read_address(TEXT("192.0.2.9"), address));
    assert_true(policy_allows_address(&policy, address));
    assert_true(cidr_read_address(TEXT("2001:db8::9"), address));
    assert_true(policy_allows_address(&policy, address));
    assert_true(cidr_read_address(TEXT("192.0.3.9"), address));
    assert_false(policy_allows_address(&policy, address));
}

/* A value of the request, as the issuing code has it. */
static bool allows(const struct policy *policy, const char *member) {
    static uint8_t value_memory[8192];
    struct arena arena = arena_over(value_memory, sizeof(value_memory));
    const struct json *object;
    assert_true(json_read(text_of(member), 1, &arena, &object, &error));
    struct json_iter i = json_iter(object);
    assert_true(json_next(&i));
    return policy_allows_attribute(policy, i.key, i.value, &error);
}

static void test_attributes(void **state) {
    struct policy policy;
    (void)state;
    assert_true(reads("{\"pinnedAttributes\":{\"tenant\":\"a\",\"n\":1,\"o\":{\"x\":[1,2]}},"
                      "\"allowedAttributes\":[\"email\"]}",
                      &policy));
    assert_true(allows(&policy, "{\"tenant\":\"a\"}"));
    assert_true(
        allows(&policy, "{\"\\u0074enant\":\"\\u0061\"}")); /* the same, spelled otherwise */
    assert_false(allows(&policy, "{\"tenant\":\"b\"}"));
    assert_int_equal(error.code, ERROR_POLICY_PINNED);
    assert_string_equal(error.subject, "tenant");
    assert_false(allows(&policy, "{\"tenant\":null}"));
    assert_false(allows(&policy, "{\"tenant\":[\"a\"]}"));
    assert_false(allows(&policy, "{\"tenant\":{\"tenant\":\"a\"}}"));
    assert_true(allows(&policy, "{\"n\":1.0}"));
    assert_false(allows(&policy, "{\"n\":\"1\"}"));
    assert_true(allows(&policy, "{\"o\":{\"x\":[1,2]}}"));
    assert_false(allows(&policy, "{\"o\":{\"x\":[2,1]}}"));
    assert_true(allows(&policy, "{\"email\":\"e\"}"));
    assert_false(allows(&policy, "{\"Tenant\":\"a\"}")); /* another key, and not allowed */
    assert_int_equal(error.code, ERROR_POLICY_ATTRIBUTE);
    assert_false(policy_allows_attribute(&policy, TEXT("tenant"), NULL, &error));
}

static void test_refused(void **state) {
    static const char *const bad[] = {
        "",
        "[]",
        "null",
        "{\"maxTtl\":1}",
        "{\"maxTtlSeconds\":-1}",
        "{\"maxTtlSeconds\":1,\"max_ttl_seconds\":1}",
        "{\"pinnedAttributes\":[]}",
        "{\"pinnedAttributes\":{\"a\":1,\"a\":2}}",
        "{\"allowedAttributes\":{}}",
        "{\"allowedAttributes\":[1]}",
        "{\"allowedCidrs\":[]}",
        "{\"allowedCidrs\":[1]}",
        "{\"allowedCidrs\":[\"10.0.0.1/8\"]}",
        "{\"allowedCidrs\":\"10.0.0.0/8\"}",
        "{\"rateLimit\":{}}",
        "{\"rateLimit\":{\"perSecond\":0}}",
        "{\"rateLimit\":{\"burst\":1}}",
        "{\"rateLimit\":{\"perSecond\":1000001}}",
        "{\"rateLimit\":{\"perSecond\":1,\"burst\":1000001}}",
        "{\"rateLimit\":{\"perSecond\":1,\"per\":1}}",
    };
    struct policy policy = {.max_ttl_s = 7};
    (void)state;
    for (size_t i = 0; i < array_count(bad); i++) {
        assert_false(reads(bad[i], &policy));
        assert_true(error_is(&error));
    }
    assert_int_equal(policy.max_ttl_s, 7); /* untouched */
}

static void test_limits(void **state) {
    char text[4096];
    struct policy policy;
    (void)state;
    for (unsigned count = POLICY_CIDRS_MAX - 1; count <= POLICY_CIDRS_MAX + 1; count++) {
        struct buffer out = buffer_over(text, sizeof(text) - 1);
        buffer_put(&out, "{\"allowedCidrs\":[");
        for (unsigned i = 0; i < count; i++)
            buffer_format(&out, "%s\"10.0.0.%u\"", i > 0 ? "," : "", i);
        buffer_put(&out, "]}");
        text[out.len] = '\0';
        assert_int_equal(reads(text, &policy), count <= POLICY_CIDRS_MAX);
    }
}

static void test_no_memory(void **state) {
    uint8_t little[2048];
    struct policy policy;
    bool was_read = false;
    (void)state;
    for (size_t size = 0; size <= sizeof(little); size += 16) {
        struct arena arena = arena_over(little, size);
        bool is_read = policy_read(TEXT("{\"allowedCidrs\":[\"10.0.0.0/8\",\"10.0.0.1\"]}"), &arena,
                                   &policy, &error);
        assert_true(is_read || !was_read); /* more memory is never worse */
        assert_true(is_read || error.code == ERROR_OVERLOADED);
        was_read = is_read;
    }
    assert_true(was_read);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),     cmocka_unit_test(test_both_spellings),
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_memory),
    };
    if (!token_start())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
