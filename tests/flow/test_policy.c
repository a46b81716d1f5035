/* What a policy refuses and adds: attributes that are pinned or not allowed, and rates. */
#include "minted.h"

static struct call *issue(struct rig *rig, const char *body) {
    return rig_get(rig, (struct ask){.route = ISSUE, .body = text_of(body)});
}

/* ---- attributes ------------------------------------------------------------------------------ */

struct row {
    const char *body;
    enum error_code code;
    const char *says; /* in the claims, or in the error */
};

static void assert_rows(struct rig *rig, const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct call *call = issue(rig, rows[i].body);
        struct minted minted;
        assert_reply_is(call, error_http_status(rows[i].code), rows[i].code, rows[i].body, (int)i);
        if (rows[i].code == ERROR_NONE) {
            minted_read(call, &minted);
            assert_has(minted.tail, rows[i].says);
        } else {
            assert_has(call->body, rows[i].says);
        }
    }
}

static void test_pinned(void **state) {
    struct rig *rig = *state;
    static const struct row rows[] = {
        {"{\"attributes\":{\"a\":1}}", ERROR_NONE, "\"attr\":{\"a\":1,\"tenant\":\"t7\"}}"},
        {"{\"attributes\":{\"tenant\":\"t7\",\"a\":1}}", ERROR_NONE,
         "\"attr\":{\"a\":1,\"tenant\":\"t7\"}}"},
        {"{\"attributes\":{\"tenant\":\"t8\"}}", ERROR_POLICY_PINNED, "attribute tenant to"},
        {"{\"attributes\":{\"tenant\":null}}", ERROR_POLICY_PINNED, "tenant"},
        {"{\"user_id\":\"u\"}", ERROR_NONE, "\"attr\":{\"id\":\"u\",\"tenant\":\"t7\"}}"},
        {"{\"user_email\":\"a@b.c\"}", ERROR_NONE,
         "{\"email\":\"a@b.c\",\"domain\":\"b.c\",\"admin\":false,\"tenant\":\"t7\"}}"},
        {"", ERROR_NONE, "{\"name\":\"GATEWAY\",\"admin\":false,\"tenant\":\"t7\"}}"},
        {"{\"external_user_id\":\"e\"}", ERROR_NONE, "\"attr\":{\"tenant\":\"t7\"}}"},
    };
    rig->realm->world.services[GATEWAY].policy = "{\"pinnedAttributes\":{\"tenant\":\"t7\"}}";
    assert_rows(rig, rows, array_count(rows));
}

/* A pinned domain, id or email: what is made of the user must not contradict it. */
static void test_pinned_user(void **state) {
    struct rig *rig = *state;
    static const struct row domain_rows[] = {
        {"{\"user_email\":\"a@ours.example\"}", ERROR_NONE, "\"domain\":\"ours.example\"}}"},
        {"{\"user_email\":\"a@theirs.example\"}", ERROR_POLICY_PINNED, "attribute domain"},
    };
    static const struct row user_rows[] = {
        {"{\"user_id\":\"u1\"}", ERROR_NONE, "\"attr\":{\"id\":\"u1\",\"email\":7}}"},
        {"{\"user_id\":\"u2\"}", ERROR_POLICY_PINNED, "attribute id"},
        {"{\"user_email\":\"a@b.c\"}", ERROR_POLICY_PINNED, "attribute email"},
    };
    rig->realm->world.services[GATEWAY].policy =
        "{\"pinnedAttributes\":{\"domain\":\"ours.example\"}}";
    assert_rows(rig, domain_rows, array_count(domain_rows));
    cache_clear(&rig->cache);
    rig->realm->world.services[GATEWAY].policy =
        "{\"pinnedAttributes\":{\"id\":\"u1\",\"email\":7}}";
    assert_rows(rig, user_rows, array_count(user_rows));
}

static void test_allowed(void **state) {
    struct rig *rig = *state;
    static const struct row rows[] = {
        {"{\"attributes\":{\"a\":1,\"id\":2}}", ERROR_NONE, "\"attr\":{\"a\":1,\"id\":2,\"p\":1}}"},
        {"{\"attributes\":{\"a\":1,\"p\":1.0}}", ERROR_NONE, "\"attr\":{\"a\":1,\"p\":1}}"},
        {"{\"attributes\":{\"a\":1,\"b\":2}}", ERROR_POLICY_ATTRIBUTE, "the attribute b;"},
        {"{\"attributes\":{\"A\":1}}", ERROR_POLICY_ATTRIBUTE, "the attribute A;"},
        {"{\"user_id\":\"u\"}", ERROR_NONE, "\"id\":\"u\""},
        {"{\"user_email\":\"a@b.c\"}", ERROR_POLICY_ATTRIBUTE, "the attribute email;"},
    };
    rig->realm->world.services[GATEWAY].policy =
        "{\"allowedAttributes\":[\"a\",\"id\"],\"pinnedAttributes\":{\"p\":1}}";
    assert_rows(rig, rows, array_count(rows));
}

/* In a batch each is looked at alone. */
static void test_batch(void **state) {
    struct rig *rig = *state;
    rig->realm->world.services[GATEWAY].policy = "{\"pinnedAttributes\":{\"t\":1}}";
    struct call *call =
        rig_get(rig, (struct ask){.route = BATCH,
                                  .body = TEXT("{\"requests\":[{\"attributes\":{\"t\":2}},"
                                               "{\"attributes\":{\"t\":1}}]}")});
    assert_reply(call, 200, NONE);
    assert_has(call->body, "{\"credentials\":[{\"code\":7,");
    assert_has(call->body, "},{\"runtimeHost\"");
}

/* ---- rates ----------------------------------------------------------------------------------- */

static void assert_remaining(const struct call *call, const char *header) {
    assert_reply(call, 200, NONE);
    assert_string_equal(call->extra.at, header);
}

#define POLICY_LINE "RateLimit-Policy: \"service\";q=3;w=2\r\n"

static void test_rate(void **state) {
    struct rig *rig = *state;
    rig->realm->world.services[GATEWAY].policy = "{\"rateLimit\":{\"perSecond\":2,\"burst\":3}}";
    assert_remaining(issue(rig, ""), POLICY_LINE "RateLimit: \"service\";r=2;t=1\r\n");
    assert_remaining(issue(rig, ""), POLICY_LINE "RateLimit: \"service\";r=1;t=1\r\n");
    assert_remaining(issue(rig, ""), POLICY_LINE "RateLimit: \"service\";r=0;t=2\r\n");
    struct call *call = issue(rig, "");
    assert_reply(call, 429, RATE_LIMITED);
    assert_string_equal(call->extra.at,
                        "Retry-After: 1\r\n" POLICY_LINE "RateLimit: \"service\";r=0;t=1\r\n");
    assert_has(call->body, "{\"code\":8,\"message\":\"too many requests for this service; retry "
                           "after 1 s\"");
    rig_wait(rig, 499999);
    assert_reply(issue(rig, ""), 429, RATE_LIMITED);
    rig_wait(rig, 1);
    assert_reply(issue(rig, ""), 200, NONE);
    assert_reply(issue(rig, ""), 429, RATE_LIMITED);
    /* Others are not limited, nor is what mints nothing. */
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER}), 200, NONE);
    call = rig_get(rig, (struct ask){.route = READ_PROJECT});
    assert_reply(call, 200, NONE);
    assert_int_equal(call->extra.len, 0);
}

/* The count is the process's and outlives what is cached. */
static void test_rate_outlives_the_cache(void **state) {
    struct rig *rig = *state;
    rig->realm->world.services[GATEWAY].policy = "{\"rateLimit\":{\"perSecond\":1}}";
    assert_reply(issue(rig, ""), 200, NONE);
    cache_clear(&rig->cache);
    assert_reply(issue(rig, ""), 429, RATE_LIMITED);
}

/* A batch counts as so many, and passes whole or not at all. */
static void test_rate_of_batches(void **state) {
    struct rig *rig = *state;
    const struct ask two = {.route = BATCH, .body = TEXT("{\"requests\":[{},{}]}")};
    rig->realm->world.services[GATEWAY].policy = "{\"rateLimit\":{\"perSecond\":1,\"burst\":3}}";
    assert_reply(rig_get(rig, two), 200, NONE);
    assert_reply(rig_get(rig, two), 429, RATE_LIMITED);
    assert_reply(issue(rig, ""), 200, NONE);
    assert_reply(issue(rig, ""), 429, RATE_LIMITED);
    rig_wait(rig, 2000000);
    assert_reply(rig_get(rig, two), 200, NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_pinned),
        RIG_TEST(test_pinned_user),
        RIG_TEST(test_allowed),
        RIG_TEST(test_batch),
        RIG_TEST(test_rate),
        RIG_TEST(test_rate_outlives_the_cache),
        RIG_TEST(test_rate_of_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
