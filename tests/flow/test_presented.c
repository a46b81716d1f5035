/* Credentials that are shown to be checked: what the cache, the registry and time make of them. */
#include "minted.h"

static char header[65536] = "Bearer ";

/* Mints one and takes its JWT as the header of what follows. */
static void mint_one(struct rig *rig, enum world_service_index as, const char *body) {
    struct call *call = rig_get(rig, (struct ask){.route = ISSUE, .as = as, .body = text_of(body)});
    struct minted minted;
    assert_reply(call, 200, NONE);
    minted_read(call, &minted);
    struct buffer out = buffer_over(header, sizeof(header) - 1);
    out.len = 7;
    buffer_add(&out, minted.text);
    assert_false(out.overflow);
    header[out.len] = '\0';
}

static struct call *verify(struct rig *rig) {
    return rig_get(rig, (struct ask){.route = VERIFY, .authorization = header});
}

static struct call *introspect_as(struct rig *rig, enum world_service_index as) {
    static char body[65536 + 32];
    (void)snprintf(body, sizeof(body), "{\"token\":\"%s\"}", header + 7);
    return rig_get(rig, (struct ask){.route = INTROSPECT, .as = as, .body = text_of(body)});
}

static void assert_active(struct rig *rig, bool is_active) {
    assert_has(introspect_as(rig, OPERATOR)->body,
               is_active ? "{\"active\":true," : "{\"active\":false}");
    assert_int_equal(verify(rig)->status, is_active ? 200 : 401);
}

static void test_from_the_cache(void **state) {
    struct rig *rig = *state;
    mint_one(rig, GATEWAY, "{\"user_id\":\"u\"}");
    struct call *call = rig_ask(rig, (struct ask){.route = VERIFY, .authorization = header});
    assert_reply(call, 200, NONE);
    assert_string_equal(call->body.at, "{}");
    assert_string_equal(call->extra.at, "X-Auth-Subject: u\r\nX-Auth-Org: acme\r\n"
                                        "X-Auth-Project: shop\r\n"
                                        "X-Auth-Attributes: eyJpZCI6InUifQ\r\n");
    assert_null(call->cache_control);
    assert_int_equal(rig->job_count, 0);
}

/* Those that miss the same wait for one look-up, whatever they are for. */
static void test_shared_look_up(void **state) {
    struct rig *rig = *state;
    struct call *calls[3];
    mint_one(rig, GATEWAY, "");
    cache_clear(&rig->cache);
    for (size_t i = 0; i < array_count(calls); i++)
        calls[i] = rig_ask(rig, i == 1 ? (struct ask){.route = ISSUE}
                                       : (struct ask){.route = VERIFY, .authorization = header});
    assert_int_equal(rig_answer(rig), 1);
    for (size_t i = 0; i < array_count(calls); i++)
        assert_reply(calls[i], 200, NONE);
    assert_int_equal(rig_metric(rig, METRIC_FLIGHTS_SHARED), 2);
}

/* No use of the service token, and no address of it. */
static void test_the_token_is_not_used(void **state) {
    struct rig *rig = *state;
    struct token_use uses[4];
    mint_one(rig, GATEWAY, "");
    assert_int_equal(usage_flush(&rig->usage, uses, 4), 1);
    rig_wait(rig, 60000000);
    rig->realm->clock.wall_s += 60;
    assert_int_equal(verify(rig)->status, 200);
    assert_int_equal(usage_flush(&rig->usage, uses, 4), 0);
    rig->realm->world.services[GATEWAY].policy = "{\"allowedCidrs\":[\"198.51.100.0/24\"]}";
    cache_clear(&rig->cache);
    assert_int_equal(verify(rig)->status, 200);
}

static void test_times(void **state) {
    struct rig *rig = *state;
    struct clock *clock = &rig->realm->clock;
    mint_one(rig, GATEWAY, "{\"ttl_seconds\":60}");
    const int64_t minted_s = clock->wall_s;
    clock->wall_s = minted_s - 5; /* nbf: the leeway for other clocks */
    assert_active(rig, true);
    clock->wall_s = minted_s - 6;
    assert_active(rig, false);
    clock->wall_s = minted_s + 59;
    assert_active(rig, true);
    clock->wall_s = minted_s + 60;
    assert_active(rig, false);
    assert_reply(verify(rig), 401, CREDENTIAL);
}

/* Seen at the registry at once, and by the cache when the change has come. */
static void test_revoked(void **state) {
    struct rig *rig = *state;
    mint_one(rig, GATEWAY, "");
    assert_active(rig, true);
    world_revoke(&rig->realm->world, GATEWAY);
    assert_has(introspect_as(rig, OPERATOR)->body, "{\"active\":false}");
    assert_reply(verify(rig), 200, NONE);
    assert_true(rig_poll(rig));
    assert_reply(verify(rig), 401, TOKEN_REVOKED);
    assert_has(verify(rig)->extra, "error=\"invalid_token\"");
}

static void test_expired_token(void **state) {
    struct rig *rig = *state;
    struct world *world = &rig->realm->world;
    world->tokens[GATEWAY].expires_s = rig->realm->clock.wall_s + 10;
    mint_one(rig, GATEWAY, "");
    rig->realm->clock.wall_s += 10;
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE}), 401, TOKEN_EXPIRED);
    assert_active(rig, true);
    cache_clear(&rig->cache);
    assert_active(rig, true);
}

static void test_what_else_ends_it(void **state) {
    struct rig *rig = *state;
    struct world *world = &rig->realm->world;
    mint_one(rig, GATEWAY, "");
    assert_active(rig, true);
    world_set_role(world, GATEWAY, SHOP, "viewer");
    assert_true(rig_poll(rig));
    assert_active(rig, false);
    assert_has(verify(rig)->body, "may not mint");
    world_set_role(world, GATEWAY, SHOP, "admin");
    assert_true(rig_poll(rig));
    assert_active(rig, true);
    world_set_project_gone(world, SHOP, true);
    assert_true(rig_poll(rig));
    assert_active(rig, false);
    assert_has(verify(rig)->body, "not there any more");
    world_set_project_gone(world, SHOP, false);
    world->projects[SHOP].project.instance_id.bytes[0] ^= 1; /* another one of that name */
    assert_true(rig_poll(rig));
    assert_active(rig, false);
}

/* Neither good nor bad can be said, so neither is. */
static void test_registry_away(void **state) {
    struct rig *rig = *state;
    mint_one(rig, GATEWAY, "");
    rig->realm->world.is_away = true;
    assert_reply(verify(rig), 200, NONE);
    assert_reply(introspect_as(rig, GATEWAY), 503, REGISTRY_AWAY);
    rig_wait(rig, RIG_LEASE_US);
    assert_reply(verify(rig), 503, REGISTRY_AWAY);
    rig->realm->world.is_away = false;
    assert_true(rig_poll(rig));
    assert_active(rig, true);
}

static void test_who_may_ask(void **state) {
    struct rig *rig = *state;
    static const struct {
        enum world_service_index as;
        bool may;
    } rows[] = {{GATEWAY, true},    {OWNER, true},        {MINTER, true},
                {SHOP_ADMIN, true}, {EDITOR, false},      {VIEWER, false},
                {GUEST, false},     {SHOP_EDITOR, false}, {STRANGER, false}};
    mint_one(rig, GATEWAY, "");
    for (size_t i = 0; i < array_count(rows); i++)
        assert_has(introspect_as(rig, rows[i].as)->body,
                   rows[i].may ? "{\"active\":true," : "{\"active\":false}");
    /* Of one for another project the issuer of this one learns nothing. */
    rig->realm->world.services[OWNER].project_roles[DEPOT] = NULL;
    struct call *call = rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER, .project = "depot"});
    struct minted minted;
    minted_read(call, &minted);
    (void)snprintf(header + 7, sizeof(header) - 7, "%.*s", (int)minted.text.len, minted.text.at);
    assert_has(introspect_as(rig, OWNER)->body, "{\"active\":true,");
    assert_has(introspect_as(rig, GATEWAY)->body, "{\"active\":false}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_from_the_cache),
        RIG_TEST(test_shared_look_up),
        RIG_TEST(test_the_token_is_not_used),
        RIG_TEST(test_times),
        RIG_TEST(test_revoked),
        RIG_TEST(test_expired_token),
        RIG_TEST(test_what_else_ends_it),
        RIG_TEST(test_registry_away),
        RIG_TEST(test_who_may_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
