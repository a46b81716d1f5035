/* Iframes: their URL and what it may show; and what would be minted, explained. */
#include "minted.h"

static struct call *iframe(struct rig *rig, const char *body) {
    return rig_get(rig, (struct ask){.route = IFRAME, .body = text_of(body)});
}

/* ---- the URL --------------------------------------------------------------------------------- */

/* The URL with `JWT` and `ID` in the places of those two; checks that they are those. */
static struct text url_read(const struct minted *minted, char *memory, size_t size) {
    struct text url = json_text(json_member(minted->answer, TEXT("iframeSrc")));
    struct text id = json_text(json_member(minted->answer, TEXT("instanceId")));
    struct buffer out = buffer_over(memory, size - 1);
    for (size_t i = 0; i < url.len;) {
        struct text rest = {url.at + i, url.len - i};
        if (text_starts(rest, minted->text)) {
            buffer_put(&out, "JWT");
            i += minted->text.len;
        } else if (text_starts(rest, id)) {
            buffer_put(&out, "ID");
            i += id.len;
        } else {
            buffer_byte(&out, url.at[i++]);
        }
    }
    assert_false(out.overflow);
    memory[out.len] = '\0';
    return buffer_text(&out);
}

#define SRC "https://ui.example/acme/shop/-/embed?access_token=JWT&"
#define HOST "&runtime_host=https%3A%2F%2Fruntime.example"
#define KIND "rill.runtime.v1."

static const struct {
    const char *body, *url;
} urls[] = {
    {"{\"resource\":\"sales\"}",
     SRC "instance_id=ID&kind=" KIND "Explore&resource=sales" HOST "&type=" KIND "Explore"},
    {"{\"navigation\":true}",
     SRC "instance_id=ID&kind=" KIND "Explore&navigation=true" HOST "&type=" KIND "Explore"},
    {"{\"resource\":\"a b/\xC3\xA4\",\"type\":\"Canvas\",\"theme\":\"dark&x=1\","
     "\"theme_mode\":\"dark\",\"state\":\"f=a+b\",\"hide_navigation_bar\":true}",
     SRC "hide_navigation_bar=true&instance_id=ID&kind=" KIND "Canvas"
         "&resource=a%20b%2F%C3%A4" HOST
         "&state=f%3Da%2Bb&theme=dark%26x%3D1&theme_mode=dark&type=" KIND "Canvas"},
    {"{\"resource\":\"r\",\"type\":\"canvas\",\"kind\":\"my.own.Kind\"}",
     SRC "instance_id=ID&kind=my.own.Kind&resource=r" HOST "&type=my.own.Kind"},
    {"{\"resource\":\"r\",\"query\":{\"zoom\":\"1\",\"theme\":\"light\",\"a\":\"\",\"\":\"e\"},"
     "\"theme\":\"dark\"}",
     "https://ui.example/acme/shop/-/embed?=e&a=&access_token=JWT&instance_id=ID&kind=" KIND
     "Explore&resource=r" HOST "&theme=light&type=" KIND "Explore&zoom=1"},
};

static void test_urls(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < array_count(urls); i++) {
        struct minted minted;
        char memory[1024];
        minted_read(iframe(rig, urls[i].body), &minted);
        struct text url = url_read(&minted, memory, sizeof(memory));
        assert_string_equal(url.at, urls[i].url);
    }
}

static void test_kinds(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *given, *kind;
    } rows[] = {
        {"explore", KIND "Explore"},
        {"CANVAS", KIND "Canvas"},
        {"metricsview", KIND "MetricsView"},
        {"metrics_view", KIND "MetricsView"},
        {"model", KIND "Model"},
        {"source", KIND "Source"},
        {"report", KIND "Report"},
        {"alert", KIND "Alert"},
        {"theme", KIND "Theme"},
        {"component", KIND "Component"},
        {"api", KIND "API"},
        {"connector", KIND "Connector"},
        {"other", "other"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        char body[128], wanted[256];
        struct minted minted;
        (void)snprintf(body, sizeof(body), "{\"resource\":\"r\",\"kind\":\"%s\"}", rows[i].given);
        minted_read(iframe(rig, body), &minted);
        (void)snprintf(wanted, sizeof(wanted),
                       "\"sec\":[{\"transitiveAccess\":{\"resource\":{\"kind\":\"%s\","
                       "\"name\":\"r\"}}}]}",
                       rows[i].kind);
        assert_has(minted.tail, wanted);
    }
}

/* The longest texts, all to be escaped, in URL and claims. */
static void test_url_of_the_longest(void **state) {
    struct rig *rig = *state;
    static char body[60000];
    struct buffer out = buffer_over(body, sizeof(body));
    static const char *const keys[] = {"resource", "type", "kind", "theme", "state"};
    rig->mint.settings.max_token_bytes = 65536;
    rig->realm->world.projects[SHOP].project.frontend_url = TEXT("\"\\\"\\\"\\\"\\");
    buffer_byte(&out, '{');
    for (size_t i = 0; i < array_count(keys); i++) {
        buffer_format(&out, "\"%s\":\"", keys[i]);
        for (size_t at = 0; at < 256; at++)
            buffer_put(&out, "\\\"");
        buffer_put(&out, "\",");
    }
    buffer_put(&out, "\"query\":{");
    for (size_t i = 0; i < 2000; i++)
        buffer_format(&out, "%s\"&%zu\":\"/\xC3\xA4/\"", i == 0 ? "" : ",", i);
    buffer_put(&out, "}}");
    assert_false(out.overflow);
    struct minted minted;
    minted_read(rig_get(rig, (struct ask){.route = IFRAME, .body = buffer_text(&out)}), &minted);
    struct text url = json_text(json_member(minted.answer, TEXT("iframeSrc")));
    assert_has(url, "&%261999=%2F%C3%A4%2F&");
    assert_has(url, "\"\\\"\\\"\\\"\\/-/embed?%260=");
}

static void test_no_frontend(void **state) {
    struct rig *rig = *state;
    rig->realm->world.projects[SHOP].project.frontend_url = (struct text){0};
    struct call *call = iframe(rig, "{\"resource\":\"r\"}");
    assert_reply(call, 400, FIELD_VALUE);
    assert_has(call->body, "the project has no frontend_url");
}

/* ---- what it may show ------------------------------------------------------------------------ */

static void test_claims(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *body, *has;
    } rows[] = {
        {"{\"resource\":\"a\\\"b\",\"user_id\":\"u\"}",
         ",\"sub\":\"u\",\"attr\":{\"id\":\"u\",\"embed\":true},\"sec\":[{\"transitiveAccess\":"
         "{\"resource\":{\"kind\":\"rill.runtime.v1.Explore\",\"name\":\"a\\\"b\"}}}]}"},
        {"{\"resource\":\"r\",\"attributes\":{\"embed\":false}}", ",\"attr\":{\"embed\":false},"},
        {"{\"resource\":\"r\",\"attributes\":{\"a\":1}}", ",\"attr\":{\"a\":1,\"embed\":true},"},
        {"{\"resource\":\"r\",\"navigation\":true,\"attributes\":{}}",
         ",\"attr\":{\"embed\":true}}"},
        {"{\"resource\":\"r\"}", ",\"attr\":{\"name\":\"GATEWAY\",\"admin\":false,\"embed\":true}"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct minted minted;
        minted_read(iframe(rig, rows[i].body), &minted);
        assert_has(minted.tail, rows[i].has);
    }
}

/* ---- explained ------------------------------------------------------------------------------- */

static struct call *explain(struct rig *rig, enum rig_route route, const char *body) {
    return rig_get(rig, (struct ask){.route = route, .query = "explain=1", .body = text_of(body)});
}

static void test_explain(void **state) {
    struct rig *rig = *state;
    rig->realm->world.services[GATEWAY].policy =
        "{\"maxTtlSeconds\":500,\"pinnedAttributes\":{\"tenant\":7},\"allowedAttributes\":[\"a\"]}";
    struct call *call = explain(rig, ISSUE, "{\"attributes\":{\"a\":\"x\"}}");
    assert_reply(call, 200, NONE);
    const struct json *answer = call_json(call);
    assert_has(call->body, "{\"claims\":{\"iss\":\"" RIG_ISSUER "\"");
    assert_has(call->body, "\"attr\":{\"a\":\"x\",\"tenant\":7}}");
    assert_has(call->body, "\"maxTokenBytes\":4096,\"ttlSeconds\":500,\"refreshAfterSeconds\":400,"
                           "\"alg\":\"EdDSA\",\"permissions\":[\"read_project\",\"issue\"],"
                           "\"policy\":{\"maxTtlSeconds\":500,\"pinnedAttributes\":{\"tenant\":7},"
                           "\"allowedAttributes\":[\"a\"]}}");
    assert_has_not(call->body, "accessToken");
    assert_int_equal(rig_metric(rig, METRIC_CREDENTIALS), 0);
    /* The bytes that it would have are those that it has. */
    uint64_t bytes;
    assert_true(json_number(json_member(answer, TEXT("tokenBytes")), 4096, &bytes));
    struct minted minted;
    minted_read(
        rig_get(rig, (struct ask){.route = ISSUE, .body = TEXT("{\"attributes\":{\"a\":\"x\"}}")}),
        &minted);
    assert_int_equal(minted.text.len, bytes);
}

static void test_explain_others(void **state) {
    struct rig *rig = *state;
    rig->realm->world.projects[SHOP].project.jwt_alg_rfc9864 = true;
    struct call *call = explain(rig, IFRAME, "{\"resource\":\"r\"}");
    assert_reply(call, 200, NONE);
    assert_has(call->body, "\"sec\":[");
    assert_has(call->body, "\"alg\":\"Ed25519\"");
    assert_has(call->body, "\"pinnedAttributes\":{},\"allowedAttributes\":null");
    assert_has_not(call->body, "iframeSrc");
    assert_reply(explain(rig, ISSUE, "{\"ttl_seconds\":86401}"), 400, TTL_LARGE);
    assert_reply(explain(rig, ISSUE, "{\"branch\":\"x\"}"), 400, BRANCH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_urls),           RIG_TEST(test_kinds),  RIG_TEST(test_url_of_the_longest),
        RIG_TEST(test_no_frontend),    RIG_TEST(test_claims), RIG_TEST(test_explain),
        RIG_TEST(test_explain_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
