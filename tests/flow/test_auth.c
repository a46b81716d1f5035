/* Tokens and permissions: who is let in, where the answer comes from, what is said to others. */
#include "rig.h"

/* ---- where the grant comes from -------------------------------------------------------------- */

static void test_miss_then_hit(void **state) {
    struct rig *rig = *state;
    struct call *first = rig_ask(rig, (struct ask){.route = ISSUE});
    assert_int_equal(first->ends, 0);
    assert_int_equal(rig->job_count, 1);
    assert_int_equal(rig_answer(rig), 1);
    assert_reply(first, 200, NONE);
    struct call *second = rig_ask(rig, (struct ask){.route = ISSUE});
    assert_reply(second, 200, NONE);
    assert_int_equal(rig->job_count, 0);
    assert_int_equal(rig_metric(rig, METRIC_L1_MISSES), 1);
    assert_int_equal(rig_metric(rig, METRIC_L1_HITS), 1);
    assert_int_equal(rig_metric(rig, METRIC_REGISTRY_HITS), 1);
    assert_int_equal(rig_metric(rig, METRIC_L1_ENTRIES), 2);
}

/* A token that is known, for a project that is not: both are read anew, for they are one answer. */
static void test_project_miss(void **state) {
    struct rig *rig = *state;
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER}), 200, NONE);
    struct call *call = rig_ask(rig, (struct ask){.route = ISSUE, .as = OWNER, .project = "depot"});
    assert_int_equal(call->ends, 0);
    rig_answer(rig);
    assert_reply(call, 200, NONE);
    assert_has(call->body, "\"accessToken\":\"");
    /* The name in any case. */
    call =
        rig_ask(rig, (struct ask){.route = ISSUE, .as = OWNER, .org = "AcMe", .project = "DEPOT"});
    assert_reply(call, 200, NONE);
}

/* A look-up without a project: routes of an org need the grant alone. */
static void test_without_project(void **state) {
    struct rig *rig = *state;
    struct call *call = rig_get(rig, (struct ask){.route = LOCAL_ANYONE, .as = GUEST});
    assert_reply(call, 200, NONE);
    assert_int_equal(rig->cache.count, 1);
    assert_string_equal(call->body.at, "{\"local\":true}");
    assert_string_equal(call->extra.at, "X-Local: 1\r\n");
    assert_string_equal(call->cache_control, "public");
}

/* ---- bad tokens ------------------------------------------------------------------------------ */

/* Malformed, unknown, revoked, expired or with another secret: the answer is the same. */
static void assert_invalid(const struct call *call, enum error_code code) {
    assert_reply_is(call, 401, code, __FILE__, __LINE__);
    assert_string_equal(call->body.at, "{\"code\":16,\"message\":\"the token is not valid here; "
                                       "issue a new one\",\"details\":[]}");
    assert_string_equal(call->extra.at,
                        "WWW-Authenticate: Bearer realm=\"mintd\", error=\"invalid_token\"\r\n");
}

static struct call *get_with(struct rig *rig, const struct service_token *token) {
    char text[256] = "Bearer ";
    struct buffer out = buffer_over(text + 7, sizeof(text) - 8);
    service_token_write(token, TEXT("mint"), &out);
    text[7 + out.len] = '\0';
    return rig_get(rig, (struct ask){.route = ISSUE, .authorization = text});
}

static void test_missing(void **state) {
    struct rig *rig = *state;
    static const char *const headers[] = {"", "Bearer", "Basic dTpw", "Bearers x", "Bearer\tx"};
    struct call *call = rig_get(rig, (struct ask){.route = ISSUE, .is_anonymous = true});
    assert_reply(call, 401, TOKEN_MISSING);
    assert_string_equal(call->extra.at, "WWW-Authenticate: Bearer realm=\"mintd\"\r\n");
    for (size_t i = 0; i < array_count(headers); i++)
        assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .authorization = headers[i]}), 401,
                     TOKEN_MISSING);
}

static void test_malformed(void **state) {
    struct rig *rig = *state;
    char text[256] = "bEARER   ", *token = text + 9;
    struct text good = realm_token(rig->realm, GATEWAY, token, 200);
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .authorization = text}), 200, NONE);
    rig->realm->world.grants_asked = 0;
    for (size_t i = 0; i < good.len; i++) {
        char kept = token[i];
        token[i] = kept == '1' ? '2' : '1';
        assert_invalid(rig_get(rig, (struct ask){.route = ISSUE, .authorization = text}),
                       ERROR_TOKEN_MALFORMED);
        token[i] = kept;
    }
    token[good.len] = 'a'; /* one more */
    assert_invalid(rig_get(rig, (struct ask){.route = ISSUE, .authorization = text}),
                   ERROR_TOKEN_MALFORMED);
    token[good.len - 1] = '\0'; /* one less */
    assert_invalid(rig_get(rig, (struct ask){.route = ISSUE, .authorization = text}),
                   ERROR_TOKEN_MALFORMED);
    assert_int_equal(rig->realm->world.grants_asked, 0);
}

/* Guessing asks the registry once a token, and is forgotten after a while. */
static void test_unknown(void **state) {
    struct rig *rig = *state;
    struct service_token guess;
    service_token_make(&rig->realm->random, TOKEN_SERVICE, &guess);
    assert_invalid(get_with(rig, &guess), ERROR_TOKEN_UNKNOWN);
    assert_int_equal(rig->realm->world.grants_asked, 1);
    rig_wait(rig, RIG_UNKNOWN_US - 1);
    assert_invalid(get_with(rig, &guess), ERROR_TOKEN_UNKNOWN);
    assert_int_equal(rig->realm->world.grants_asked, 1);
    assert_int_equal(rig_metric(rig, METRIC_UNKNOWN_HITS), 1);
    rig_wait(rig, 1);
    assert_invalid(get_with(rig, &guess), ERROR_TOKEN_UNKNOWN);
    assert_int_equal(rig->realm->world.grants_asked, 2);
    assert_int_equal(rig->cache.count, 0);
}

static void test_revoked(void **state) {
    struct rig *rig = *state;
    world_revoke(&rig->realm->world, GATEWAY);
    assert_true(rig_poll(rig));
    assert_invalid(rig_get(rig, (struct ask){.route = ISSUE}), ERROR_TOKEN_REVOKED);
    assert_invalid(rig_ask(rig, (struct ask){.route = ISSUE}), ERROR_TOKEN_REVOKED);
    assert_int_equal(rig->realm->world.grants_asked, 1);
}

/* The same after it was cached: what was cut asks once more, not with every request. */
static void test_revoked_while_cached(void **state) {
    struct rig *rig = *state;
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE}), 200, NONE);
    world_revoke(&rig->realm->world, GATEWAY);
    assert_true(rig_poll(rig));
    assert_invalid(rig_get(rig, (struct ask){.route = ISSUE}), ERROR_TOKEN_REVOKED);
    assert_invalid(rig_ask(rig, (struct ask){.route = ISSUE}), ERROR_TOKEN_REVOKED);
    assert_int_equal(rig->realm->world.grants_asked, 2);
    assert_int_equal(rig_metric(rig, METRIC_UNKNOWN_HITS), 1);
}

/* By the calendar, whose jumps are no reason to ask the registry. */
static void test_expired(void **state) {
    struct rig *rig = *state;
    int64_t now_s = rig->realm->clock.wall_s;
    rig->realm->world.tokens[GATEWAY].expires_s = now_s + 10;
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE}), 200, NONE);
    rig->realm->clock.wall_s = now_s + 9;
    assert_reply(rig_ask(rig, (struct ask){.route = ISSUE}), 200, NONE);
    rig->realm->clock.wall_s = now_s + 10;
    assert_invalid(rig_ask(rig, (struct ask){.route = ISSUE}), ERROR_TOKEN_EXPIRED);
    rig->realm->clock.wall_s = now_s - 1000000;
    assert_reply(rig_ask(rig, (struct ask){.route = ISSUE}), 200, NONE);
}

/* Right id, wrong secret or kind: nothing is remembered, for the right one is good. */
static void test_wrong_secret(void **state) {
    struct rig *rig = *state;
    struct service_token token = rig->realm->world.tokens[GATEWAY].token;
    token.secret[23] ^= 1;
    assert_invalid(get_with(rig, &token), ERROR_TOKEN_UNKNOWN);
    assert_invalid(get_with(rig, &token), ERROR_TOKEN_UNKNOWN);
    token.secret[23] ^= 1;
    token.kind = TOKEN_OPERATOR;
    assert_invalid(get_with(rig, &token), ERROR_TOKEN_UNKNOWN);
    token.kind = TOKEN_SERVICE;
    assert_reply(get_with(rig, &token), 200, NONE);
    assert_int_equal(rig->realm->world.grants_asked, 1);
}

/* A request's secret does not outlive it. */
static void test_secret_is_wiped(void **state) {
    struct rig *rig = *state;
    const struct service_token *token = &rig->realm->world.tokens[GATEWAY].token;
    struct call *call = rig_ask(rig, (struct ask){.route = ISSUE});
    const struct request *request = call->exchange.user;
    assert_memory_equal(request->token.secret, token->secret, TOKEN_SECRET_BYTES);
    rig_answer(rig);
    assert_reply(call, 200, NONE);
    void *memory = slab_get(&rig->mint.requests); /* what was put back last */
    assert_ptr_equal(memory, request);
    assert_null(memmem(memory, REQUEST_BYTES, token->secret, TOKEN_SECRET_BYTES));
    slab_put(&rig->mint.requests, memory);
}

/* ---- what the caller may do ------------------------------------------------------------------ */

#define ISSUERS "the org role admin or issuer, or the project role admin or issuer there"
#define READERS "the org role admin or editor or viewer or guest there"

static const struct {
    enum world_service_index as;
    enum rig_route route;
    const char *org, *project;
    unsigned status;
    const char *says;
} doors[] = {
    {GATEWAY, ISSUE, "acme", "shop", 200, NULL},
    {OWNER, ISSUE, "acme", "shop", 200, NULL},
    {OWNER, ISSUE, "acme", "depot", 200, NULL},
    {MINTER, ISSUE, "acme", "depot", 200, NULL},
    {SHOP_ADMIN, ISSUE, "acme", "shop", 200, NULL},
    {STRANGER, ISSUE, "other", "shop", 200, NULL},
    {GATEWAY, ISSUE, "acme", "depot", 403, ISSUERS},
    {SHOP_ADMIN, ISSUE, "acme", "depot", 403, ISSUERS},
    {SHOP_EDITOR, ISSUE, "acme", "shop", 403, ISSUERS},
    {EDITOR, ISSUE, "acme", "shop", 403, ISSUERS},
    {VIEWER, IFRAME, "acme", "shop", 403, ISSUERS},
    {GUEST, BATCH, "acme", "shop", 403, ISSUERS},
    {OPERATOR, ISSUE, "acme", "shop", 403, "name one with ?service=NAME"},
    /* Another org, whether it exists or not; a project that does not. */
    {STRANGER, ISSUE, "acme", "shop", 403, ISSUERS},
    {STRANGER, ISSUE, "nowhere", "shop", 403, ISSUERS},
    {OWNER, ISSUE, "other", "shop", 403, ISSUERS},
    {GATEWAY, ISSUE, "acme", "nothing", 403, ISSUERS},
    {OWNER, ISSUE, "acme", "nothing", 404, "project not found"},
    {MINTER, ISSUE, "acme", "nothing", 404, "project not found"},
    {OWNER, ISSUE, "acme", "no name", 404, "project not found"},
    {OWNER, ISSUE, "acme", "a-name-that-is-longer-than-any-name-may-be-by-one", 404, "project not"},
    /* Management. */
    {OWNER, READ_ORG, "acme", NULL, 200, NULL},
    {GUEST, READ_ORG, "ACME", NULL, 200, NULL},
    {OPERATOR, READ_ORG, "acme", NULL, 200, NULL},
    {OPERATOR, READ_ORG, "nowhere", NULL, 200, NULL}, /* the store's to say */
    {GATEWAY, READ_ORG, "acme", NULL, 403, READERS},
    {STRANGER, READ_ORG, "acme", NULL, 403, READERS},
    {OWNER, WRITE_ORG, "acme", NULL, 200, NULL},
    {EDITOR, WRITE_ORG, "acme", NULL, 403, "this needs the org role admin there"},
    {SHOP_EDITOR, READ_PROJECT, "acme", "shop", 200, NULL},
    {GATEWAY, READ_PROJECT, "acme", "shop", 200, NULL},
    {OPERATOR, READ_PROJECT, "acme", "shop", 200, NULL},
    {GATEWAY, READ_PROJECT, "acme", "depot", 403,
     ", or the project role admin or editor or viewer or issuer there"},
    {GUEST, READ_PROJECT, "acme", "shop", 403,
     "the org role admin or editor or viewer, or the project role"},
    {OPERATOR, READ_OPERATOR, NULL, NULL, 200, NULL},
    {OWNER, READ_OPERATOR, NULL, NULL, 403, "only the operator token may do this"},
    {GUEST, LOCAL_ANYONE, "nowhere", NULL, 200, NULL},
};

static struct text body_for(enum rig_route route) {
    return route == IFRAME  ? TEXT("{\"resource\":\"sales\"}")
           : route == BATCH ? TEXT("{\"requests\":[{}]}")
                            : (struct text){0};
}

static void test_doors(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < 2 * array_count(doors); i++) { /* then once more, all cached */
        size_t row = i % array_count(doors);
        struct call *call = rig_get(rig, (struct ask){.route = doors[row].route,
                                                      .as = doors[row].as,
                                                      .org = doors[row].org,
                                                      .project = doors[row].project,
                                                      .body = body_for(doors[row].route)});
        if (call->status != doors[row].status)
            print_error("row %zu: %u %s\n", row, call->status, call->body.at);
        assert_int_equal(call->status, doors[row].status);
        if (doors[row].says != NULL)
            assert_has(call->body, doors[row].says);
        call_free(call);
    }
}

/* Where the path names no org the query may, and the caller's own is meant if it does not. */
static void test_org_of_the_query(void **state) {
    struct rig *rig = *state;
    static const struct {
        enum world_service_index as;
        const char *org, *query;
        enum error_code code;
    } rows[] = {
        {OWNER, "", NULL, ERROR_NONE},
        {GATEWAY, "", NULL, ERROR_FORBIDDEN},
        {OPERATOR, "", NULL, ERROR_NONE},
        {OWNER, "", "org=ACME", ERROR_NONE},
        {OWNER, "", "org=other", ERROR_FORBIDDEN},
        {STRANGER, "", "org=acme", ERROR_FORBIDDEN},
        {OPERATOR, "", "org=other", ERROR_NONE},
        {OWNER, "", "org=", ERROR_QUERY_VALUE},
        {OWNER, "", "org=acme&org=acme", ERROR_QUERY_VALUE},
        {OWNER, "acme", "org=acme", ERROR_QUERY_VALUE},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct call *call = rig_get(rig, (struct ask){.route = READ_ORG,
                                                      .as = rows[i].as,
                                                      .org = rows[i].org,
                                                      .query = rows[i].query});
        assert_reply_is(call, error_http_status(rows[i].code), rows[i].code, "row", (int)i);
    }
}

/* Unknown projects are remembered, and come back at once when something changed. */
static void test_missing_project(void **state) {
    struct rig *rig = *state;
    struct world *world = &rig->realm->world;
    world_set_project_gone(world, DEPOT, true);
    assert_true(rig_poll(rig));
    struct ask ask = {.route = ISSUE, .as = OWNER, .project = "depot"};
    assert_reply(rig_get(rig, ask), 404, NOT_FOUND);
    assert_reply(rig_ask(rig, ask), 404, NOT_FOUND);
    assert_int_equal(world->grants_asked, 1);
    world_set_project_gone(world, DEPOT, false);
    assert_true(rig_poll(rig));
    assert_reply(rig_get(rig, ask), 200, NONE);
    world_set_project_gone(world, DEPOT, true);
    assert_true(rig_poll(rig));
    assert_reply(rig_get(rig, ask), 404, NOT_FOUND);
    assert_int_equal(world->grants_asked, 3);
    assert_reply(rig_ask(rig, ask), 404, NOT_FOUND); /* though what was cached still lies there */
    /* A name that is too long is looked for nowhere; what it begins with is another project. */
    struct call *call =
        rig_get(rig, (struct ask){.route = ISSUE,
                                  .as = MINTER,
                                  .project = "a234567890b234567890c234567890d234567890x"});
    assert_reply(call, 404, NOT_FOUND);
}

/* ---- where from ------------------------------------------------------------------------------ */

static void test_address(void **state) {
    struct rig *rig = *state;
    rig->realm->world.services[GATEWAY].policy =
        "{\"allowedCidrs\":[\"192.0.2.0/24\",\"2001:db8::/32\"]}";
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE}), 200, NONE);
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .peer = "::ffff:192.0.2.1"}), 200, NONE);
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .peer = "2001:db8::9"}), 200, NONE);
    struct call *call = rig_get(rig, (struct ask){.route = ISSUE, .peer = "198.51.100.1"});
    assert_reply(call, 403, POLICY_ADDRESS);
    assert_has(call->body, "does not allow the address 198.51.100.1;");
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .peer = ""}), 403, POLICY_ADDRESS);
}

static void test_proxies(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *peer, *forwarded, *used;
    } rows[] = {
        {"192.0.2.7", "203.0.113.9", "203.0.113.9"},
        {"192.0.2.7", NULL, "192.0.2.7"},
        {"198.51.100.1", "203.0.113.9", "198.51.100.1"}, /* no proxy of ours */
        {"192.0.2.7", "1.2.3.4, 203.0.113.9", "203.0.113.9"},
        {"192.0.2.7", "1.2.3.4 , 203.0.113.9,\t192.0.2.8 ", "203.0.113.9"},
        {"192.0.2.7", "192.0.2.9,192.0.2.8", "192.0.2.9"},
        {"192.0.2.7", "203.0.113.9,unknown", "192.0.2.7"},
        {"192.0.2.7", "203.0.113.9,", "192.0.2.7"},
        {"192.0.2.7", "::ffff:c000:208", "::ffff:c000:208"},
        {"192.0.2.7", "203.0.113.9,::ffff:192.0.2.8", "203.0.113.9"},
        {"192.0.2.7", "203.0.113.9,aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:255.255.255.2550", "192.0.2.7"},
        {"", "203.0.113.9", ""},
    };
    struct cidr proxies[1];
    size_t count;
    assert_true(cidr_read_list(TEXT("192.0.2.0/24"), proxies, 1, &count));
    rig->mint.settings.proxies = proxies;
    rig->mint.settings.proxy_count = count;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct call *call = rig_get(
            rig,
            (struct ask){.route = LOCAL, .peer = rows[i].peer, .forwarded_for = rows[i].forwarded});
        assert_string_equal(call->used_peer, rows[i].used);
    }
}

/* Every use is noted once a second and token, from where it came. */
static void test_usage(void **state) {
    struct rig *rig = *state;
    struct token_use uses[4];
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE}), 200, NONE);
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .peer = "192.0.2.8"}), 200, NONE);
    rig_wait(rig, 1000000);
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .peer = "192.0.2.9"}), 200, NONE);
    assert_reply(rig_get(rig, (struct ask){.route = LOCAL_ANYONE, .as = GUEST}), 200, NONE);
    assert_int_equal(usage_flush(&rig->usage, uses, array_count(uses)), 2);
    assert_true(uuid_equal(&uses[0].id, &rig->realm->world.tokens[GATEWAY].token.id));
    assert_int_equal(uses[0].at_s, rig->realm->clock.wall_s);
    assert_string_equal(uses[0].address, "192.0.2.9");
    assert_true(uuid_equal(&uses[1].id, &rig->realm->world.tokens[GUEST].token.id));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_miss_then_hit),
        RIG_TEST(test_project_miss),
        RIG_TEST(test_without_project),
        RIG_TEST(test_missing),
        RIG_TEST(test_malformed),
        RIG_TEST(test_unknown),
        RIG_TEST(test_revoked),
        RIG_TEST(test_revoked_while_cached),
        RIG_TEST(test_expired),
        RIG_TEST(test_wrong_secret),
        RIG_TEST(test_secret_is_wiped),
        RIG_TEST(test_doors),
        RIG_TEST(test_org_of_the_query),
        RIG_TEST(test_missing_project),
        RIG_TEST(test_address),
        RIG_TEST(test_proxies),
        RIG_TEST(test_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
