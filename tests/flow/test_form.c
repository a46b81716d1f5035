/* The form of a request: its body and query, its content type, its id. */
#include "rig.h"

/* Deep attributes: `depth` objects one in another. */
static struct text nested(const char *before, unsigned depth, const char *after) {
    static char memory[1024];
    struct buffer out = buffer_over(memory, sizeof(memory));
    buffer_put(&out, before);
    for (unsigned i = 0; i < depth - 1; i++)
        buffer_put(&out, "{\"a\":");
    buffer_put(&out, "{}");
    for (unsigned i = 0; i < depth - 1; i++)
        buffer_put(&out, "}");
    buffer_put(&out, after);
    check(!out.overflow);
    return buffer_text(&out);
}

static const struct {
    enum rig_route route;
    const char *body;
    enum error_code code;
    const char *says;
} bodies[] = {
    {ISSUE, "", ERROR_NONE, "accessToken"},
    {ISSUE, "{}", ERROR_NONE, "accessToken"},
    {ISSUE, " {\"ttl_seconds\" : 60}\n", ERROR_NONE, "\"ttlSeconds\":60"},
    {ISSUE, "{\"ttlSeconds\":60}", ERROR_NONE, "\"ttlSeconds\":60"},
    {ISSUE, "{\"ttlSeconds\":\"60\"}", ERROR_NONE, "\"ttlSeconds\":60"},
    {ISSUE, "{\"ttlSeconds\":null,\"branch\":null}", ERROR_NONE, "\"ttlSeconds\":3600"},
    {ISSUE, "{", ERROR_JSON_MALFORMED, "at byte 1"},
    {ISSUE, "{}x", ERROR_JSON_MALFORMED, "at byte 2"},
    {ISSUE, "[]", ERROR_JSON_NOT_OBJECT, "the body must be a JSON object"},
    {ISSUE, "null", ERROR_JSON_NOT_OBJECT, "the body"},
    {ISSUE, "{\"ttl_second\":60}", ERROR_FIELD_UNKNOWN, "ttl_second"},
    {ISSUE, "{\"ttl_seconds\":60,\"ttlSeconds\":60}", ERROR_FIELD_TWICE, "ttlSeconds"},
    {ISSUE, "{\"ttl_seconds\":1,\"ttl_seconds\":1}", ERROR_JSON_TWICE, "ttl_seconds"},
    {ISSUE, "{\"ttl_seconds\":-1}", ERROR_FIELD_NUMBER, "ttl_seconds"},
    {ISSUE, "{\"ttl_seconds\":1.5}", ERROR_FIELD_NUMBER, "ttl_seconds"},
    {ISSUE, "{\"ttl_seconds\":4294967296}", ERROR_FIELD_NUMBER, "ttl_seconds"},
    {ISSUE, "{\"user_id\":7}", ERROR_FIELD_STRING, "user_id"},
    {ISSUE, "{\"user_id\":\"a\\u0007\"}", ERROR_FIELD_STRING, "user_id"},
    {ISSUE, "{\"attributes\":[]}", ERROR_JSON_NOT_OBJECT, "attributes"},
    {ISSUE, "{\"attributes\":{\"a\":1,\"a\":2}}", ERROR_JSON_TWICE, "the key a "},
    {ISSUE, "{\"attributes\":{\"a\":1e400}}", ERROR_JSON_NUMBER, "1e400"},
    {ISSUE, "{\"user_id\":\"u\",\"user_email\":\"a@b\"}", ERROR_FIELD_ONE_OF, "user_email and"},
    {ISSUE, "{\"user_id\":\"u\",\"attributes\":{}}", ERROR_FIELD_ONE_OF, "user_id, user_email"},
    {ISSUE, "{\"user_email\":\"a@b\",\"attributes\":{}}", ERROR_FIELD_ONE_OF, "attributes"},
    {ISSUE, "{\"user_id\":\"u\",\"external_user_id\":\"e\"}", ERROR_FIELD_ONE_OF, "external_"},
    {ISSUE, "{\"user_email\":\"ab\"}", ERROR_FIELD_VALUE, "user_email must be an email address"},
    {ISSUE, "{\"user_email\":\"@b\"}", ERROR_FIELD_VALUE, "email address"},
    {ISSUE, "{\"user_email\":\"a@\"}", ERROR_FIELD_VALUE, "email address"},
    {ISSUE, "{\"user_email\":\"\"}", ERROR_FIELD_VALUE, "email address"},
    {ISSUE, "{\"resource\":\"r\"}", ERROR_FIELD_UNKNOWN, "resource"},
    {IFRAME, "", ERROR_FIELD_VALUE, "resource must be provided if navigation is not enabled"},
    {IFRAME, "{\"resource\":\"\"}", ERROR_FIELD_VALUE, "resource must be provided"},
    {IFRAME, "{\"navigation\":true}", ERROR_NONE, "iframeSrc"},
    {IFRAME, "{\"navigation\":false}", ERROR_FIELD_VALUE, "resource must be provided"},
    {IFRAME, "{\"navigation\":1}", ERROR_FIELD_BOOL, "navigation"},
    {IFRAME, "{\"resource\":\"r\",\"theme_mode\":\"dim\"}", ERROR_FIELD_VALUE, "light, dark or"},
    {IFRAME, "{\"resource\":\"r\",\"themeMode\":\"system\"}", ERROR_NONE, "theme_mode=system"},
    {IFRAME, "{\"resource\":\"r\",\"query\":{\"a\":1}}", ERROR_FIELD_VALUE, "object of strings"},
    {IFRAME, "{\"resource\":\"r\",\"query\":{\"access_token\":\"x\"}}", ERROR_FIELD_VALUE,
     "without access_token"},
    {IFRAME, "{\"resource\":\"r\",\"requests\":[]}", ERROR_FIELD_UNKNOWN, "requests"},
    {BATCH, "", ERROR_FIELD_VALUE, "requests must be an array of 1 to 256 bodies"},
    {BATCH, "{\"requests\":[]}", ERROR_FIELD_VALUE, "requests must be an array"},
    {BATCH, "{\"requests\":{}}", ERROR_FIELD_VALUE, "requests must be a JSON array"},
    {BATCH, "{\"ttl_seconds\":1}", ERROR_FIELD_UNKNOWN, "ttl_seconds"},
    {WRITE_ORG, "{}", ERROR_NONE, "{}"},
    {WRITE_ORG, "{\"a\":1}", ERROR_FIELD_UNKNOWN, "the field a "},
    {WRITE_ORG, "7", ERROR_JSON_NOT_OBJECT, "the body"},
};

static void assert_says(struct call *call, enum error_code code, const char *says) {
    if (call->error != code)
        print_error("%.300s\n", call->body.at);
    assert_reply_is(call, error_http_status(code), code, __FILE__, __LINE__);
    assert_has(call->body, says);
    call_free(call);
}

static void test_bodies(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < array_count(bodies); i++)
        assert_says(rig_get(rig, (struct ask){.route = bodies[i].route,
                                              .method = HTTP_POST,
                                              .as = OWNER,
                                              .body = text_of(bodies[i].body)}),
                    bodies[i].code, bodies[i].says);
}

/* A malformed body is said before anything is said of the token. */
static void test_order(void **state) {
    struct rig *rig = *state;
    struct ask ask = {.route = ISSUE, .is_anonymous = true, .body = TEXT("{")};
    assert_reply(rig_get(rig, ask), 400, JSON_MALFORMED);
    ask = (struct ask){.route = ISSUE, .is_anonymous = true, .query = "x=1"};
    assert_reply(rig_get(rig, ask), 400, QUERY_UNKNOWN);
}

static void test_depth(void **state) {
    struct rig *rig = *state;
    static const struct {
        enum rig_route route;
        const char *before, *after;
    } rows[] = {{ISSUE, "{\"attributes\":", "}"},
                {BATCH, "{\"requests\":[{\"attributes\":", "}]}"}};
    for (size_t i = 0; i < array_count(rows); i++) {
        struct ask ask = {.route = rows[i].route};
        ask.body = nested(rows[i].before, 32, rows[i].after);
        assert_says(rig_get(rig, ask), ERROR_NONE, "accessToken");
        ask.body = nested(rows[i].before, 33, rows[i].after);
        assert_says(rig_get(rig, ask), ERROR_JSON_DEEP, "nested more than");
    }
}

static void test_content_type(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *type;
        enum error_code code;
    } rows[] = {
        {"application/json", ERROR_NONE},
        {"Application/JSON ; charset=utf-8", ERROR_NONE},
        {"application/x-www-form-urlencoded", ERROR_NONE},
        {"", ERROR_NONE},
        {";", ERROR_NONE},
        {"text/plain", ERROR_CONTENT_TYPE},
        {"application/jsonx", ERROR_CONTENT_TYPE},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct ask ask = {.route = ISSUE, .content_type = rows[i].type, .body = TEXT("{}")};
        assert_says(rig_get(rig, ask), rows[i].code, rows[i].code == ERROR_NONE ? "" : "not ");
        ask.body.len = 0; /* then there is nothing to misread */
        assert_says(rig_get(rig, ask), ERROR_NONE, "accessToken");
    }
}

/* The body of a GET means nothing, so it is not looked at. */
static void test_body_of_get(void **state) {
    struct rig *rig = *state;
    static const enum http_method methods[] = {HTTP_GET, HTTP_HEAD};
    for (size_t i = 0; i < array_count(methods); i++)
        assert_reply(rig_get(rig, (struct ask){.route = READ_ORG,
                                               .as = OWNER,
                                               .method = methods[i],
                                               .content_type = "text/plain",
                                               .body = TEXT("{")}),
                     200, NONE);
}

static void test_query(void **state) {
    struct rig *rig = *state;
    static const struct {
        enum rig_route route;
        const char *query;
        enum error_code code;
        const char *says;
    } rows[] = {
        {ISSUE, "explain=1", ERROR_NONE, "{\"claims\":{"},
        {ISSUE, "explain=true", ERROR_NONE, "{\"claims\":{"},
        {ISSUE, "explain=%31", ERROR_NONE, "{\"claims\":{"},
        {ISSUE, "explain=0", ERROR_NONE, "accessToken"},
        {ISSUE, "&explain=false&", ERROR_NONE, "accessToken"},
        {ISSUE, "explain", ERROR_QUERY_VALUE, "explain"},
        {ISSUE, "explain=yes", ERROR_QUERY_VALUE, "explain"},
        {ISSUE, "explain=%", ERROR_QUERY_VALUE, "explain"},
        {ISSUE, "page_size=1", ERROR_QUERY_UNKNOWN, "page_size"},
        {ISSUE, "Explain=1", ERROR_QUERY_UNKNOWN, "Explain"},
        {READ_ORG, "page_size=1000&page_token=abc", ERROR_NONE, "{}"},
        {READ_ORG, "pageSize=1&pageToken=", ERROR_NONE, "{}"},
        {READ_ORG, "page_token=a&pageToken=b", ERROR_QUERY_VALUE, "pageToken"},
        {READ_ORG, "page_size=1001", ERROR_QUERY_VALUE, "page_size"},
        {READ_ORG, "page_size=-1", ERROR_QUERY_VALUE, "page_size"},
        {READ_ORG, "page_size=", ERROR_QUERY_VALUE, "page_size"},
        {READ_ORG, "explain=1", ERROR_QUERY_UNKNOWN, "explain"},
        {LOCAL, "a=1", ERROR_QUERY_UNKNOWN, "the query parameter a "},
    };
    for (size_t i = 0; i < array_count(rows); i++)
        assert_says(
            rig_get(rig, (struct ask){.route = rows[i].route, .as = OWNER, .query = rows[i].query}),
            rows[i].code, rows[i].says);
}

/* A value of 512 bytes is read, one of 513 is not. */
static void test_query_long(void **state) {
    struct rig *rig = *state;
    char query[600] = "page_token=";
    memset(query + 11, 'a', 513);
    assert_reply(rig_get(rig, (struct ask){.route = READ_ORG, .as = OWNER, .query = query}), 400,
                 QUERY_VALUE);
    query[11 + 512] = '\0';
    assert_reply(rig_get(rig, (struct ask){.route = READ_ORG, .as = OWNER, .query = query}), 200,
                 NONE);
}

static void test_request_id(void **state) {
    struct rig *rig = *state;
    char longest[REQUEST_ID_CHARS + 2];
    memset(longest, 'x', sizeof(longest));
    longest[REQUEST_ID_CHARS + 1] = '\0';
    const char *const strange[] = {NULL, "", "a b", "a\"b", "\xC3\xA4", "a;b", longest};
    static const char sane[] = "aZ09-_.:/+=@";
    char previous[REQUEST_ID_CHARS + 1] = "";
    struct call *call = rig_get(rig, (struct ask){.route = LOCAL, .request_id = sane});
    assert_string_equal(call->request_id, sane);
    for (size_t i = 0; i < array_count(strange); i++) {
        call = rig_get(rig, (struct ask){.route = LOCAL, .request_id = strange[i]});
        uint8_t bytes[12];
        assert_true(text_hex(text_of(call->request_id), bytes, sizeof(bytes)));
        assert_string_not_equal(call->request_id, previous);
        memcpy(previous, call->request_id, sizeof(previous));
    }
    longest[REQUEST_ID_CHARS] = '\0';
    call = rig_get(rig, (struct ask){.route = LOCAL, .request_id = longest});
    assert_string_equal(call->request_id, longest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_bodies),       RIG_TEST(test_order),       RIG_TEST(test_depth),
        RIG_TEST(test_content_type), RIG_TEST(test_body_of_get), RIG_TEST(test_query),
        RIG_TEST(test_query_long),   RIG_TEST(test_request_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
