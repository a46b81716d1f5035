/* The operator minting as a service that he names: what he may, what ends it, who may not. */
#include "minted.h"

static struct call *mint_as(struct rig *rig, const char *query) {
    return rig_get(rig, (struct ask){.route = ISSUE, .as = OPERATOR, .query = query});
}

/* act is the service with the operator's token; without a user the credential is the service's. */
static void test_claims(void **state) {
    struct rig *rig = *state;
    struct minted minted;
    minted_read(mint_as(rig, "service=gateway"), &minted);
    assert_has(minted.tail, "\"attr\":{\"name\":\"GATEWAY\",\"admin\":false}}");
}

/* Once looked up it is minted from memory, the service in any case; batch and iframe likewise. */
static void test_cached(void **state) {
    struct rig *rig = *state;
    assert_reply(mint_as(rig, "service=gateway"), 200, NONE);
    assert_reply(rig_ask(rig, (struct ask){.route = ISSUE,
                                           .as = OPERATOR,
                                           .org = "ACME",
                                           .query = "service=GateWay"}),
                 200, NONE);
    assert_reply(rig_ask(rig, (struct ask){.route = BATCH,
                                           .as = OPERATOR,
                                           .query = "service=GATEWAY",
                                           .body = TEXT("{\"requests\":[{}]}")}),
                 200, NONE);
    assert_reply(
        rig_ask(rig,
                (struct ask){.route = ISSUE, .as = OPERATOR, .query = "explain=1&service=GATEWAY"}),
        200, NONE);
    assert_int_equal(rig->job_count, 0);
    /* It is its own entry: the operator stays what he is, and so does the service's token. */
    assert_reply(mint_as(rig, NULL), 403, FORBIDDEN);
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .as = GATEWAY}), 200, NONE);
    assert_reply(rig_get(rig, (struct ask){.route = READ_OPERATOR, .as = OPERATOR}), 200, NONE);
}

static void test_refused(void **state) {
    struct rig *rig = *state;
    static const struct {
        enum world_service_index as;
        const char *query;
        unsigned status;
        const char *says;
    } rows[] = {
        {OPERATOR, "service=VIEWER", 403, "the org role admin or issuer"},
        {OPERATOR, "service=SHOP_EDITOR", 403, "the project role admin or issuer"},
        {OPERATOR, "service=STRANGER", 404, "service not found"}, /* of another org */
        {OPERATOR, "service=nothing", 404, "service not found"},
        {OPERATOR, "service=no%20name", 404, "service not found"},
        {OPERATOR, "service=GATEWAY-with-a-name-longer-than-any-may-be", 404, "service not found"},
        {OPERATOR, "service=", 400, "service"},
        {OPERATOR, "service=GATEWAY&service=GATEWAY", 400, "service"},
        {OPERATOR, NULL, 403, "name one with ?service=NAME"},
        {GATEWAY, "service=GATEWAY", 403, "only the operator token names a service"},
        {OWNER, "service=GATEWAY", 403, "only the operator token names a service"},
        {VIEWER, "service=nothing", 403, "only the operator token names a service"},
    };
    for (unsigned round = 0; round < 2; round++)
        for (size_t i = 0; i < array_count(rows); i++) {
            struct call *call = rig_get(
                rig, (struct ask){.route = ISSUE, .as = rows[i].as, .query = rows[i].query});
            assert_int_equal(call->status, rows[i].status);
            assert_has(call->body, rows[i].says);
        }
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE,
                                           .as = OPERATOR,
                                           .project = "nothing",
                                           .query = "service=OWNER"}),
                 404, NOT_FOUND);
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE,
                                           .as = OPERATOR,
                                           .org = "nowhere",
                                           .query = "service=OWNER"}),
                 404, NOT_FOUND);
}

/* The policy is the service's: its limits, what it pins, from where. */
static void test_policy(void **state) {
    struct rig *rig = *state;
    struct minted minted;
    rig->realm->world.services[GATEWAY].policy =
        "{\"pinnedAttributes\":{\"tenant\":\"t7\"},\"maxTtlSeconds\":60,"
        "\"allowedCidrs\":[\"192.0.2.7\"],\"rateLimit\":{\"perSecond\":1,\"burst\":2}}";
    minted_read(mint_as(rig, "service=GATEWAY"), &minted);
    assert_has(minted.tail, "\"tenant\":\"t7\"");
    assert_int_equal(minted.ttl_s, 60);
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE,
                                           .as = OPERATOR,
                                           .peer = "192.0.2.8",
                                           .query = "service=GATEWAY"}),
                 403, POLICY_ADDRESS);
    /* Counted together with what the service's own tokens mint. */
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .as = GATEWAY}), 200, NONE);
    assert_reply(mint_as(rig, "service=GATEWAY"), 429, RATE_LIMITED);
}

/* A cut of either ends it. */
static void test_cut(void **state) {
    struct rig *rig = *state;
    struct world *world = &rig->realm->world;
    assert_reply(mint_as(rig, "service=GATEWAY"), 200, NONE);
    world_set_role(world, GATEWAY, SHOP, NULL);
    assert_true(rig_poll(rig));
    assert_reply(mint_as(rig, "service=GATEWAY"), 403, FORBIDDEN);
    world_set_role(world, GATEWAY, SHOP, "issuer");
    assert_true(rig_poll(rig));
    assert_reply(mint_as(rig, "service=GATEWAY"), 200, NONE);
    world->services[GATEWAY].is_gone = true;
    world_change(world, SCOPE_SERVICE, &world->services[GATEWAY].id);
    assert_true(rig_poll(rig));
    assert_reply(mint_as(rig, "service=GATEWAY"), 404, NOT_FOUND);
    world->services[GATEWAY].is_gone = false;
    world_change(world, SCOPE_SERVICE, &world->services[GATEWAY].id);
    assert_true(rig_poll(rig));
    assert_reply(mint_as(rig, "service=GATEWAY"), 200, NONE);
    world_revoke(world, OPERATOR);
    assert_true(rig_poll(rig));
    assert_reply(mint_as(rig, "service=GATEWAY"), 401, TOKEN_REVOKED);
}

/* Without a registry: from memory while the lease holds, else 503; what is not there is not 404. */
static void test_registry_away(void **state) {
    struct rig *rig = *state;
    assert_reply(mint_as(rig, "service=GATEWAY"), 200, NONE);
    rig->realm->world.is_away = true;
    assert_reply(mint_as(rig, "service=GATEWAY"), 200, NONE);
    assert_reply(mint_as(rig, "service=OWNER"), 503, REGISTRY_AWAY);
    rig_wait(rig, RIG_LEASE_US);
    assert_reply(mint_as(rig, "service=GATEWAY"), 503, REGISTRY_AWAY);
}

/* Those that miss the same wait for one look-up; another service is another one. */
static void test_shared_look_up(void **state) {
    struct rig *rig = *state;
    struct call *calls[4];
    assert_reply(mint_as(rig, "service=OWNER"), 200, NONE);
    for (size_t i = 0; i < array_count(calls); i++)
        calls[i] =
            rig_ask(rig, (struct ask){.route = ISSUE,
                                      .as = OPERATOR,
                                      .query = i == 3 ? "service=MINTER" : "service=GATEWAY"});
    assert_int_equal(rig_answer(rig), 2);
    for (size_t i = 0; i < array_count(calls); i++)
        assert_reply(calls[i], 200, NONE);
}

/* A credential that the operator minted so is good as long as the service may mint it. */
static void test_presented(void **state) {
    struct rig *rig = *state;
    struct world *world = &rig->realm->world;
    struct minted minted;
    static char header[8192], body[8192 + 32];
    minted_read(mint_as(rig, "service=GATEWAY"), &minted);
    (void)snprintf(header, sizeof(header), "Bearer %.*s", (int)minted.text.len, minted.text.at);
    (void)snprintf(body, sizeof(body), "{\"token\":\"%s\"}", header + 7);
    for (unsigned round = 0; round < 3; round++) {
        bool is_good = round != 1;
        world_set_role(world, GATEWAY, SHOP, is_good ? "issuer" : NULL);
        assert_true(rig_poll(rig));
        for (unsigned again = 0; again < 2; again++)
            assert_int_equal(
                rig_get(rig, (struct ask){.route = VERIFY, .authorization = header})->status,
                is_good ? 200 : 401);
        assert_has(
            rig_get(rig, (struct ask){.route = INTROSPECT, .as = OPERATOR, .body = text_of(body)})
                ->body,
            is_good ? "{\"active\":true," : "{\"active\":false}");
    }
    world->services[GATEWAY].is_gone = true;
    world_change(world, SCOPE_SERVICE, &world->services[GATEWAY].id);
    assert_true(rig_poll(rig));
    struct call *call = rig_get(rig, (struct ask){.route = VERIFY, .authorization = header});
    assert_int_equal(call->status, 401);
    assert_has(call->body, "its service is not there any more");
    assert_has(
        rig_get(rig, (struct ask){.route = INTROSPECT, .as = OPERATOR, .body = text_of(body)})
            ->body,
        "{\"active\":false}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_claims),         RIG_TEST(test_cached),    RIG_TEST(test_refused),
        RIG_TEST(test_policy),         RIG_TEST(test_cut),       RIG_TEST(test_registry_away),
        RIG_TEST(test_shared_look_up), RIG_TEST(test_presented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
