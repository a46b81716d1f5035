/* The claims, row by row of the interface's table: no caller's word stands outside attr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"
#include "token/claims.h"
#include "token/keyring.h"
#include <cmocka.h>

static char memory[8192];
static struct text project_part, actor_part;
static struct claims_subject subject;

static int setup(void **state) {
    (void)state;
    static char parts[1024];
    struct uuid service_id, token_id, project_id;
    struct buffer out = buffer_over(parts, sizeof(parts));
    if (!token_start() || !text_uuid(TEXT("00000000-0000-4000-8000-000000000001"), &service_id) ||
        !text_uuid(TEXT("00000000-0000-4000-8000-000000000002"), &token_id) ||
        !text_uuid(TEXT("f47ac10b-58cc-4372-a567-0e02b2c3d479"), &project_id))
        return -1;
    parse_reset();
    claims_write_project(
        &(struct claims_project){
            .issuer = TEXT("https://auth.example.com"),
            .audience = TEXT("https://runtime.example.com"),
            .org = TEXT("my-org"),
            .project = TEXT("my-project"),
            .instance_id = TEXT("11111111-0000-4000-8000-000000000000"),
        },
        &out);
    project_part = buffer_text(&out);
    claims_write_actor(&service_id, &token_id, &out);
    actor_part = (struct text){parts + project_part.len, out.len - project_part.len};
    subject = (struct claims_subject){
        .service_name = TEXT("my-service"), .service_id = service_id, .project_id = project_id};
    return out.overflow ? -1 : 0;
}

static struct text written(size_t size) {
    struct buffer out = buffer_over(memory, size);
    struct claims claims = {.project_part = project_part,
                            .actor_part = actor_part,
                            .issued_at_s = 1767225600,
                            .not_before_skew_s = 5,
                            .ttl_s = 3600,
                            .token_id = {{0x01, 0x23, 0xAB}},
                            .subject = &subject};
    claims_write(&claims, &out);
    return out.overflow ? TEXT("overflow") : buffer_text(&out);
}

#define HEAD \
    "{\"iss\":\"https://auth.example.com\",\"aud\":[\"https://runtime.example.com\"]," \
    "\"org\":\"my-org\",\"project\":\"my-project\"," \
    "\"ins\":{\"11111111-0000-4000-8000-000000000000\":[25,23,21,27]}," \
    "\"act\":{\"sub\":\"svc_00000000-0000-4000-8000-000000000001\"," \
    "\"tid\":\"00000000-0000-4000-8000-000000000002\"}," \
    "\"iat\":1767225600,\"nbf\":1767225595,\"exp\":1767229200," \
    "\"jti\":\"0123ab00000000000000000000000000\""
/* SHA-256 of "user-77f47ac10b-58cc-4372-a567-0e02b2c3d479", by Python's hashlib. */
#define EXTERNAL ",\"sub\":\"ext_ca7110cde67d820954009b4dd18ba168abaa5dfdf711eae10750a991bd47d996\""
#define ITSELF ",\"sub\":\"svc_00000000-0000-4000-8000-000000000001\""

/* What follows the claims that are always the same. */
static void assert_claims(const char *rest) {
    struct text text = written(sizeof(memory));
    assert_true(text_starts(text, TEXT(HEAD)));
    text = (struct text){text.at + sizeof(HEAD) - 1, text.len - sizeof(HEAD) + 1};
    assert_int_equal(text.len, strlen(rest));
    assert_memory_equal(text.at, rest, text.len);
}

static void test_attributes_as_they_are(void **state) {
    (void)state;
    subject.attributes = parse("{ \"b\": [1.10, -0], \"a\": {\"sub\": \"x\"} }");
    assert_claims(",\"attr\":{\"b\":[1.10,-0],\"a\":{\"sub\":\"x\"}}}");
    subject.attributes = parse("{}");
    assert_claims(",\"attr\":{}}");
}

static void test_user_email(void **state) {
    (void)state;
    subject.user_email = TEXT("a\"b@x@example.com");
    assert_claims(",\"attr\":{\"email\":\"a\\\"b@x@example.com\",\"domain\":\"example.com\","
                  "\"admin\":false}}");
    subject.user_email = TEXT("nobody");
    assert_claims(",\"attr\":{\"email\":\"nobody\",\"domain\":\"\",\"admin\":false}}");
    subject.user_email = TEXT("a@b@");
    assert_claims(",\"attr\":{\"email\":\"a@b@\",\"domain\":\"\",\"admin\":false}}");
    subject.user_email = TEXT("");
    assert_claims(",\"attr\":{\"email\":\"\",\"domain\":\"\",\"admin\":false}}");
}

static void test_user_id(void **state) {
    (void)state;
    subject.user_id = TEXT("u\",\"iss\":\"x");
    assert_claims(",\"sub\":\"u\\\",\\\"iss\\\":\\\"x\","
                  "\"attr\":{\"id\":\"u\\\",\\\"iss\\\":\\\"x\"}}");
}

static void test_external_user_id(void **state) {
    (void)state;
    subject.external_user_id = TEXT("user-77");
    assert_claims(EXTERNAL ",\"attr\":{}}");
    subject.user_email = TEXT("a@b.c");
    assert_claims(EXTERNAL ",\"attr\":{\"email\":\"a@b.c\",\"domain\":\"b.c\",\"admin\":false}}");
    subject.user_email = (struct text){NULL, 0};
    subject.attributes = parse("{\"k\":1}");
    assert_claims(EXTERNAL ",\"attr\":{\"k\":1}}");
}

static void test_the_service_itself(void **state) {
    (void)state;
    assert_claims(ITSELF ",\"attr\":{\"name\":\"my-service\",\"admin\":false}}");
    subject.service_is_admin = true;
    assert_claims(ITSELF ",\"attr\":{\"name\":\"my-service\",\"admin\":true}}");
    subject.service_attributes = parse("{\"department\":\"sales\",\"n\":[{}]}");
    assert_claims(ITSELF ",\"attr\":{\"name\":\"my-service\",\"admin\":true,"
                         "\"department\":\"sales\",\"n\":[{}]}}");
    subject.service_attributes = parse("{}");
    assert_claims(ITSELF ",\"attr\":{\"name\":\"my-service\",\"admin\":true}}");
}

/* A service's own attributes override, and no key stands twice. */
static void test_own_attributes_override(void **state) {
    (void)state;
    subject.service_attributes = parse("{\"\\u0061dmin\":\"no\",\"x\":1}");
    assert_claims(ITSELF ",\"attr\":{\"name\":\"my-service\",\"admin\":\"no\",\"x\":1}}");
    subject.service_attributes = parse("{\"x\":1,\"name\":\"other\"}");
    assert_claims(ITSELF ",\"attr\":{\"admin\":false,\"x\":1,\"name\":\"other\"}}");
    subject.service_attributes = parse("{\"admin\":null,\"name\":null}");
    assert_claims(ITSELF ",\"attr\":{\"admin\":null,\"name\":null}}");
}

/* The service's own attributes are nobody else's. */
static void test_own_attributes_stay_out_of_a_users(void **state) {
    (void)state;
    subject.service_attributes = parse("{\"tenant\":1,\"embed\":false}");
    subject.attributes = parse("{\"k\":1}");
    subject.embed = true;
    assert_claims(",\"attr\":{\"k\":1,\"embed\":true}}");
}

static void test_embed(void **state) {
    (void)state;
    subject.embed = true;
    assert_claims(ITSELF ",\"attr\":{\"name\":\"my-service\",\"admin\":false,\"embed\":true}}");
    subject.service_attributes = parse("{\"embed\":0}");
    assert_claims(ITSELF ",\"attr\":{\"name\":\"my-service\",\"admin\":false,\"embed\":0}}");
    subject.attributes = parse("{}");
    assert_claims(",\"attr\":{\"embed\":true}}");
    subject.attributes = parse("{\"k\":{\"embed\":1}}");
    assert_claims(",\"attr\":{\"k\":{\"embed\":1},\"embed\":true}}");
    subject.attributes = parse("{\"embed\":false}");
    assert_claims(",\"attr\":{\"embed\":false}}");
    subject.attributes = NULL;
    subject.external_user_id = TEXT("user-77");
    assert_claims(EXTERNAL ",\"attr\":{\"embed\":true}}");
    subject.user_email = TEXT("a@b");
    assert_claims(EXTERNAL ",\"attr\":{\"email\":\"a@b\",\"domain\":\"b\",\"admin\":false,"
                           "\"embed\":true}}");
    subject.user_email = subject.external_user_id = (struct text){NULL, 0};
    subject.user_id = TEXT("u");
    assert_claims(",\"sub\":\"u\",\"attr\":{\"id\":\"u\",\"embed\":true}}");
}

/* What the policy pins stands in every form of attr, once, and as the policy spells it. */
static void test_pinned(void **state) {
    (void)state;
    subject.pinned = parse("{\"tenant\":1.0,\"admin\":false}");
    subject.attributes = parse("{}");
    assert_claims(",\"attr\":{\"tenant\":1.0,\"admin\":false}}");
    subject.attributes = parse("{\"a\":1,\"tenant\":1,\"b\":{\"tenant\":2}}");
    assert_claims(",\"attr\":{\"a\":1,\"b\":{\"tenant\":2},\"tenant\":1.0,\"admin\":false}}");
    subject.embed = true;
    assert_claims(",\"attr\":{\"a\":1,\"b\":{\"tenant\":2},\"tenant\":1.0,\"admin\":false,"
                  "\"embed\":true}}");
    subject.pinned = parse("{\"embed\":0}");
    subject.attributes = NULL;
    subject.service_is_admin = true;
    assert_claims(ITSELF ",\"attr\":{\"name\":\"my-service\",\"admin\":true,\"embed\":0}}");
    subject.embed = false;
    subject.pinned = parse("{\"admin\":false,\"name\":\"n\"}");
    subject.service_attributes = parse("{\"admin\":true,\"x\":1}");
    assert_claims(ITSELF ",\"attr\":{\"x\":1,\"admin\":false,\"name\":\"n\"}}");
    subject.user_email = TEXT("a@b");
    subject.pinned = parse("{\"domain\":\"b\"}");
    assert_claims(",\"attr\":{\"email\":\"a@b\",\"admin\":false,\"domain\":\"b\"}}");
    subject.user_email = (struct text){NULL, 0};
    subject.user_id = TEXT("u");
    subject.pinned = parse("{\"id\":\"v\"}");
    assert_claims(",\"sub\":\"u\",\"attr\":{\"id\":\"v\"}}");
}

static void test_sec_is_last(void **state) {
    (void)state;
    subject.sec = TEXT("[{\"transitiveAccess\":{}}]");
    subject.attributes = parse("{}");
    assert_claims(",\"attr\":{},\"sec\":[{\"transitiveAccess\":{}}]}");
}

/* In each form, whatever the room: all of it, or an overflow that says so. */
static void test_too_little_room_overflows(void **state) {
    (void)state;
    struct text forms[] = {TEXT("{}"), TEXT("{\"k\":1}")};
    subject.embed = true;
    for (size_t form = 0; form < 4; form++) {
        subject.attributes = form < 2 ? parse_text(forms[form]) : NULL;
        subject.external_user_id = form == 2 ? TEXT("user-77") : (struct text){NULL, 0};
        size_t whole = written(sizeof(memory)).len;
        assert_true(whole > sizeof(HEAD));
        for (size_t size = 0; size < whole; size++)
            assert_true(text_equal(written(size), TEXT("overflow")));
        assert_int_equal(written(whole).len, whole);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_attributes_as_they_are, setup),
        cmocka_unit_test_setup(test_user_email, setup),
        cmocka_unit_test_setup(test_user_id, setup),
        cmocka_unit_test_setup(test_external_user_id, setup),
        cmocka_unit_test_setup(test_the_service_itself, setup),
        cmocka_unit_test_setup(test_own_attributes_override, setup),
        cmocka_unit_test_setup(test_own_attributes_stay_out_of_a_users, setup),
        cmocka_unit_test_setup(test_embed, setup),
        cmocka_unit_test_setup(test_pinned, setup),
        cmocka_unit_test_setup(test_sec_is_last, setup),
        cmocka_unit_test_setup(test_too_little_room_overflows, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
