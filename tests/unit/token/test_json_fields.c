/* Fields read by a table: both spellings, every type, each refusal by the name as sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"
#include <cmocka.h>

struct sample {
    uint64_t given;
    struct text user_email;
    struct text org_name;
    uint64_t ttl_seconds;
    bool hide_navigation_bar;
    const struct json *attributes;
    const struct json *requests;
    const struct json *a_1b;
};
static const struct json_field fields[] = {
    {"user_email", JSON_FIELD_TEXT, offsetof(struct sample, user_email)},
    {"org_name", JSON_FIELD_NAME, offsetof(struct sample, org_name)},
    {"ttl_seconds", JSON_FIELD_NUMBER, offsetof(struct sample, ttl_seconds)},
    {"hide_navigation_bar", JSON_FIELD_BOOL, offsetof(struct sample, hide_navigation_bar)},
    {"attributes", JSON_FIELD_OBJECT, offsetof(struct sample, attributes)},
    {"requests", JSON_FIELD_ARRAY, offsetof(struct sample, requests)},
    {"a_1b", JSON_FIELD_ANY, offsetof(struct sample, a_1b)},
};
static struct sample sample;
static struct error error;

static int setup(void **state) {
    (void)state;
    parse_reset();
    sample = (struct sample){.given = 12345, .ttl_seconds = 77};
    return 0;
}

static bool reads(const char *text) {
    return json_read_fields(parse(text), fields, array_count(fields), &sample, &error);
}

static void assert_refused(const char *text, enum error_code code, const char *subject) {
    assert_false(reads(text));
    assert_int_equal(error.code, code);
    assert_string_equal(error.subject, subject);
    assert_int_equal(sample.given, 12345); /* untouched */
}

static void test_both_spellings(void **state) {
    (void)state;
    assert_true(reads("{\"user_email\":\"a@b\",\"ttl_seconds\":1,\"hide_navigation_bar\":true,"
                      "\"org_name\":\"my-org\",\"a_1b\":[]}"));
    assert_int_equal(sample.given, 0x4F);
    assert_true(text_equal(sample.user_email, TEXT("a@b")));
    assert_true(text_equal(sample.org_name, TEXT("my-org")));
    assert_true(sample.ttl_seconds == 1 && sample.hide_navigation_bar);
    assert_true(json_is_array(sample.a_1b));
    assert_true(reads("{\"userEmail\":\"c\",\"ttlSeconds\":2,\"hideNavigationBar\":false,"
                      "\"orgName\":\"org\",\"a1b\":null,\"attributes\":{},\"requests\":[]}"));
    assert_int_equal(sample.given, 0x3F);
    assert_true(text_equal(sample.user_email, TEXT("c")));
    assert_true(sample.ttl_seconds == 2 && !sample.hide_navigation_bar);
    assert_true(json_is_object(sample.attributes) && json_is_array(sample.requests));
}

static void test_unknown_fields_are_named(void **state) {
    (void)state;
    static const char *const unknown[] = {
        "ttl_second",  "ttl_secondss",       "ttlseconds",         "TtlSeconds",
        "ttl_Seconds", "ttl__seconds",       "tTL_seconds",        "",
        "t",           "hide_navigationBar", "hideNavigation_bar", "_",
        "a1B",         "ttlSeconds\xC3\xA9"};
    for (size_t i = 0; i < array_count(unknown); i++) {
        char text[64];
        struct buffer out = buffer_over(text, sizeof(text));
        buffer_put(&out, "{\"user_email\":\"\",\"");
        buffer_put(&out, unknown[i]);
        buffer_put(&out, "\":null}");
        buffer_byte(&out, '\0');
        assert_refused(text, ERROR_FIELD_UNKNOWN, unknown[i]);
    }
}

static void test_a_field_twice_is_refused(void **state) {
    (void)state;
    assert_refused("{\"ttl_seconds\":1,\"ttlSeconds\":1}", ERROR_FIELD_TWICE, "ttlSeconds");
    assert_refused("{\"ttlSeconds\":null,\"ttl_seconds\":1}", ERROR_FIELD_TWICE, "ttl_seconds");
}

static void test_null_counts_as_absent(void **state) {
    (void)state;
    assert_true(reads("{\"ttl_seconds\":null,\"attributes\":null}"));
    assert_int_equal(sample.given, 0);
    assert_int_equal(sample.ttl_seconds, 77);
    assert_true(reads("{}"));
    assert_int_equal(sample.given, 0);
}

static void test_wrong_types_are_named(void **state) {
    (void)state;
    assert_refused("{\"userEmail\":5}", ERROR_FIELD_STRING, "userEmail");
    assert_refused("{\"userEmail\":{}}", ERROR_FIELD_STRING, "userEmail");
    assert_refused("{\"org_name\":5}", ERROR_FIELD_NAME, "org_name");
    assert_refused("{\"org_name\":\"-ab\"}", ERROR_FIELD_NAME, "org_name");
    assert_refused("{\"hide_navigation_bar\":1}", ERROR_FIELD_BOOL, "hide_navigation_bar");
    assert_refused("{\"hide_navigation_bar\":\"true\"}", ERROR_FIELD_BOOL, "hide_navigation_bar");
    assert_refused("{\"attributes\":[]}", ERROR_JSON_NOT_OBJECT, "attributes");
    assert_refused("{\"requests\":{}}", ERROR_FIELD_VALUE, "requests must be a JSON array");
    assert_refused("[]", ERROR_JSON_NOT_OBJECT, "the body");
    assert_refused("null", ERROR_JSON_NOT_OBJECT, "the body");
}

static void test_numbers(void **state) {
    (void)state;
    static const char *const bad[] = {"-1",     "4294967296", "1.5",    "\"\"",
                                      "\" 1\"", "\"01\"",     "\"1s\"", "\"4294967296\"",
                                      "true",   "[]",         "1e10",   "\"-1\""};
    for (size_t i = 0; i < array_count(bad); i++) {
        char text[64];
        struct buffer out = buffer_over(text, sizeof(text));
        buffer_format(&out, "{\"ttl_seconds\":%s}", bad[i]);
        text[out.len] = '\0';
        assert_refused(text, ERROR_FIELD_NUMBER, "ttl_seconds");
        assert_int_equal(sample.ttl_seconds, 77);
    }
    assert_true(reads("{\"ttl_seconds\":4294967295}") && sample.ttl_seconds == UINT32_MAX);
    assert_true(reads("{\"ttl_seconds\":\"4294967295\"}") && sample.ttl_seconds == UINT32_MAX);
    assert_true(reads("{\"ttl_seconds\":0}") && sample.ttl_seconds == 0);
    assert_true(reads("{\"ttl_seconds\":3.6e3}") && sample.ttl_seconds == 3600);
}

/* A user_email of `len` bytes. */
static const char *email_of(size_t len) {
    static char text[400];
    struct buffer out = buffer_over(text, sizeof(text));
    buffer_put(&out, "{\"user_email\":\"");
    memset(buffer_take(&out, len), 'x', len);
    buffer_put(&out, "\"}");
    buffer_byte(&out, '\0');
    return text;
}

static void test_texts(void **state) {
    (void)state;
    static const char *const bad[] = {"\\u0000", "\\n", "\\u001f", "\x7F", "\\u0080", "\xC2\x9F"};
    assert_true(reads(email_of(255)) && reads(email_of(256)));
    assert_int_equal(sample.user_email.len, 256);
    sample.given = 12345;
    assert_refused(email_of(257), ERROR_FIELD_STRING, "user_email");
    for (size_t i = 0; i < array_count(bad); i++) {
        char text[64];
        struct buffer out = buffer_over(text, sizeof(text));
        buffer_format(&out, "{\"user_email\":\"a%sb\"}", bad[i]);
        text[out.len] = '\0';
        assert_refused(text, ERROR_FIELD_STRING, "user_email");
    }
    assert_true(reads("{\"user_email\":\" \xC2\xA0\xC3\x80~\"}"));
    assert_true(text_equal(sample.user_email, TEXT(" \xC2\xA0\xC3\x80~")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_both_spellings, setup),
        cmocka_unit_test_setup(test_unknown_fields_are_named, setup),
        cmocka_unit_test_setup(test_a_field_twice_is_refused, setup),
        cmocka_unit_test_setup(test_null_counts_as_absent, setup),
        cmocka_unit_test_setup(test_wrong_types_are_named, setup),
        cmocka_unit_test_setup(test_numbers, setup),
        cmocka_unit_test_setup(test_texts, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
