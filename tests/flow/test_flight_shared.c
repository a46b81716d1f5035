/* Look-ups in Redis, and slices of rate limits from there: found, missing, forged, old, slow, away,
 * and overtaken by what was changed. */
#include "rig.h"

static const struct ask issue = {.route = ISSUE};
static const struct redis_reply away = {.answer = REDIS_AWAY};

static int shared_setup(void **state) {
    int failed = rig_setup(state);
    check(rig_share(*state));
    return failed;
}
#define SHARED_TEST(name) cmocka_unit_test_setup_teardown(name, shared_setup, rig_teardown)

/* Redis has what a look-up of the gateway found, and the process has forgotten it. */
static void fill_redis(struct rig *rig) {
    assert_reply(rig_get(rig, issue), 200, NONE);
    assert_int_equal(rig->realm->redis.count, 2);
    cache_clear(&rig->cache);
    rig->realm->world.grants_asked = 0;
}

static struct fake_entry *entry(struct rig *rig, size_t number) {
    return &rig->realm->redis.entries[number];
}

/* Redis was of no use: the registry is asked, and what it says counts. */
static void assert_from_registry(struct rig *rig, struct call *call) {
    assert_int_equal(call->ends, 0);
    assert_int_equal(rig->redis.count, 0);
    assert_int_equal(rig_answer(rig), 1);
    assert_reply(call, 200, NONE);
    assert_int_equal(rig->realm->world.grants_asked, 1);
    assert_int_equal(rig_metric(rig, METRIC_L2_HITS), 0);
}

/* ---- there, or not --------------------------------------------------------------------------- */

static void test_miss(void **state) {
    struct rig *rig = *state;
    struct call *call = rig_ask(rig, issue);
    assert_int_equal(rig->redis.count, 1);
    assert_int_equal(rig->job_count, 0);
    assert_int_equal(rig_redis(rig), 1);
    assert_from_registry(rig, call);
    assert_int_equal(rig_metric(rig, METRIC_L2_MISSES), 1);
    assert_int_equal(rig->realm->redis.count, 2); /* for others */
}

static void test_hit(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    struct call *call = rig_ask(rig, issue);
    assert_int_equal(rig_redis(rig), 2); /* the grant, then the project */
    assert_reply(call, 200, NONE);
    assert_int_equal(rig->realm->world.grants_asked, 0);
    assert_int_equal(rig_metric(rig, METRIC_L2_HITS), 1);
    assert_reply(rig_ask(rig, issue), 200, NONE); /* L1 has it now */
    assert_int_equal(rig_metric(rig, METRIC_L1_HITS), 1);
}

/* The project is in the process, by another service's look-up. */
static void test_hit_beside_a_project(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER}), 200, NONE);
    struct call *call = rig_ask(rig, issue);
    assert_int_equal(rig_redis(rig), 1);
    assert_reply(call, 200, NONE);
}

static void test_no_project(void **state) {
    struct rig *rig = *state;
    const struct ask ask = {.route = READ_ORG, .as = OWNER};
    assert_reply(rig_get(rig, ask), 200, NONE);
    assert_int_equal(rig->realm->redis.count, 1);
    cache_clear(&rig->cache);
    struct call *call = rig_ask(rig, ask);
    assert_int_equal(rig_redis(rig), 1);
    rig_answer(rig); /* the work itself */
    assert_reply(call, 200, NONE);
    assert_int_equal(rig_metric(rig, METRIC_L2_HITS), 1);
}

/* The grant is there and the project is not. */
static void test_half(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    struct call *call = rig_ask(rig, issue);
    fake_link_answer_well(&rig->redis, 0);
    rig_redis_with(rig, &(struct redis_reply){.answer = REDIS_NIL});
    assert_from_registry(rig, call);
}

static void test_single_flight(void **state) {
    struct rig *rig = *state;
    struct call *calls[50];
    fill_redis(rig);
    for (size_t i = 0; i < array_count(calls); i++)
        calls[i] = rig_ask(rig, issue);
    assert_int_equal(rig->redis.count, 1);
    rig_redis(rig);
    for (size_t i = 0; i < array_count(calls); i++)
        assert_reply(calls[i], 200, NONE);
}

/* The operator's token is nobody else's to keep, nor is what it does as a service. */
static void test_operator(void **state) {
    struct rig *rig = *state;
    assert_reply(rig_get(rig, (struct ask){.route = READ_OPERATOR, .as = OPERATOR}), 200, NONE);
    assert_reply(rig_get(rig, (struct ask){.route = LOCAL_ANYONE, .as = OPERATOR}), 200, NONE);
    struct call *acting =
        rig_ask(rig, (struct ask){.route = ISSUE, .as = OPERATOR, .query = "service=GATEWAY"});
    assert_int_equal(rig->redis.count, 0); /* so it is not asked either */
    rig_answer(rig);
    assert_reply(acting, 200, NONE);
    assert_int_equal(rig->realm->redis.count, 0);
}

/* ---- forged, moved, old ---------------------------------------------------------------------- */

static void test_forged(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    for (size_t which = 0; which < 2; which++) {
        cache_clear(&rig->cache);
        rig->realm->world.grants_asked = 0;
        struct call *call = rig_ask(rig, issue);
        if (which == 1)
            fake_link_answer_well(&rig->redis, 0);
        struct text value =
            fake_redis_find(&rig->realm->redis, &rig->redis.questions[0].key)->value;
        ((char *)value.at)[value.len / 2] ^= 1;
        fake_link_answer_well(&rig->redis, 0);
        rig_turn(rig);
        assert_from_registry(rig, call);
        assert_int_equal(rig_metric(rig, METRIC_L2_REFUSED), which + 1);
    }
}

static void test_of_another_name(void **state) {
    struct rig *rig = *state;
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER}), 200, NONE);
    cache_clear(&rig->cache);
    rig->realm->world.grants_asked = 0;
    struct call *call = rig_ask(rig, issue);
    rig_redis_with(rig, &(struct redis_reply){REDIS_BYTES, .bytes = entry(rig, 0)->value});
    assert_from_registry(rig, call);
    assert_int_equal(rig_metric(rig, METRIC_L2_REFUSED), 1);
}

/* What a mintd of another version might share: the token as the registry has it, whatever it is. */
static void answer_as_it_is(struct rig *rig, enum world_service_index token) {
    struct session session = {.world = &rig->realm->world};
    struct grant *grant;
    struct error error;
    assert_true(store_grant(&session, &rig->realm->world.tokens[token].token.id, &grant, &error));
    struct text value = shared_seal_grant(&rig->shared, &rig->redis.questions[0].key, grant,
                                          rig->realm->clock.wall_s);
    free(grant);
    rig_redis_with(rig, &(struct redis_reply){REDIS_BYTES, .bytes = value});
}

/* This one shares no revoked token and no operator's, and takes none. */
static void test_never_shared(void **state) {
    struct rig *rig = *state;
    world_revoke(&rig->realm->world, GATEWAY);
    assert_true(rig_poll(rig));
    struct call *revoked = rig_ask(rig, issue);
    answer_as_it_is(rig, GATEWAY);
    assert_int_equal(rig->job_count, 1);
    rig_answer(rig);
    assert_reply(revoked, 401, TOKEN_REVOKED);
    struct call *operators = rig_ask(rig, (struct ask){.route = LOCAL_ANYONE, .as = OPERATOR});
    answer_as_it_is(rig, OPERATOR);
    assert_int_equal(rig->job_count, 1);
    rig_answer(rig);
    assert_reply(operators, 200, NONE);
    assert_int_equal(rig_metric(rig, METRIC_L2_REFUSED), 2);
    assert_int_equal(rig->realm->redis.count, 0);
}

static void test_of_another_epoch(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    rig->realm->world.epoch++;
    assert_true(rig_poll(rig));
    struct call *call = rig_ask(rig, issue);
    rig_redis_with(rig, &(struct redis_reply){REDIS_BYTES, .bytes = entry(rig, 0)->value});
    assert_from_registry(rig, call);
}

static void test_too_old(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    rig_wait(rig, (uint64_t)(RIG_SHARED_TTL_S + SHARED_SKEW_S + 1) * 1000000);
    assert_true(rig_poll(rig));
    struct call *call = rig_ask(rig, issue);
    rig_redis(rig);
    assert_from_registry(rig, call);
}

static void test_other_answers(void **state) {
    struct rig *rig = *state;
    const struct redis_reply replies[] = {
        {.answer = REDIS_NUMBER, .number = 1},
        {.answer = REDIS_LIST, .count = 1},
        {.answer = REDIS_REFUSED, .bytes = TEXT("WRONGTYPE")},
        {.answer = REDIS_BYTES, .bytes = TEXT("")},
        {.answer = REDIS_BYTES, .bytes = TEXT("garbage")},
    };
    for (size_t i = 0; i < array_count(replies); i++) {
        cache_clear(&rig->cache);
        rig->realm->world.grants_asked = 0;
        struct call *call = rig_ask(rig, issue);
        rig_redis_with(rig, &replies[i]);
        assert_from_registry(rig, call);
    }
}

/* ---- cut ------------------------------------------------------------------------------------- */

/* P1: an entry of before is refused once the cut is applied, also where it is put back. */
static void test_revoked(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    world_revoke(&rig->realm->world, GATEWAY);
    assert_true(rig_poll(rig));
    struct call *call = rig_ask(rig, issue);
    assert_int_equal(rig_redis(rig), 1);
    assert_int_equal(rig_metric(rig, METRIC_L2_REFUSED), 1);
    rig_answer(rig);
    assert_reply(call, 401, TOKEN_REVOKED);
}

static void test_project_cut(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    world_change(&rig->realm->world, SCOPE_PROJECT, &rig->realm->world.projects[SHOP].project.id);
    assert_true(rig_poll(rig));
    struct call *call = rig_ask(rig, issue);
    assert_int_equal(rig_redis(rig), 2);
    assert_from_registry(rig, call);
}

/* Another replica has read the project since; what is here of it was cut. */
static void test_project_renewed_elsewhere(void **state) {
    struct rig *rig = *state;
    struct rig other;
    assert_true(rig_open(&other, rig->realm) && rig_share(&other));
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER}), 200, NONE);
    world_change(&rig->realm->world, SCOPE_PROJECT, &rig->realm->world.projects[SHOP].project.id);
    assert_true(rig_poll(rig) && rig_poll(&other));
    assert_reply(rig_get(&other, issue), 200, NONE);
    struct call *call = rig_ask(rig, issue);
    assert_int_equal(rig_redis(rig), 2);
    assert_int_equal(rig->job_count, 0);
    assert_reply(call, 200, NONE);
    rig_close(&other);
}

/* The service is cut after its grant was found good, and before the project has come. */
static void test_cut_half_way(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    struct call *call = rig_ask(rig, issue);
    fake_link_answer_well(&rig->redis, 0);
    world_set_role(&rig->realm->world, GATEWAY, SHOP, NULL);
    assert_true(rig_poll(rig));
    assert_int_equal(rig_redis(rig), 1);
    rig_answer(rig);
    assert_reply(call, 403, FORBIDDEN);
}

/* The same, and others have looked the grant up anew before the project has come: what they found
 * stays, so that they mint on while the registry is away. */
static void test_cut_half_way_of_two(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    struct call *early = rig_ask(rig, issue);
    fake_link_answer_well(&rig->redis, 0);
    world_set_role(&rig->realm->world, GATEWAY, SHOP, "admin");
    assert_true(rig_poll(rig));
    struct call *late = rig_ask(rig, issue);
    assert_int_equal(rig->redis.count, 2);
    fake_link_answer(&rig->redis, 1, &away);
    assert_int_equal(rig_answer(rig), 1);
    assert_reply(late, 200, NONE);
    rig->realm->world.is_away = true;
    assert_int_equal(rig_redis(rig), 1);
    rig_answer(rig);
    assert_reply(early, 503, REGISTRY_AWAY);
    assert_reply(rig_ask(rig, issue), 200, NONE);
}

/* After it has come, and before the request runs on: the registry is asked, not Redis again. */
static void test_cut_behind(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    struct call *call = rig_ask(rig, issue);
    assert_int_equal(fake_link_answer_all(&rig->redis), 2);
    world_set_role(&rig->realm->world, GATEWAY, SHOP, NULL);
    assert_true(rig_poll(rig));
    rig_turn(rig);
    assert_int_equal(rig->redis.count, 0);
    assert_int_equal(rig_answer(rig), 1);
    assert_reply(call, 403, FORBIDDEN);
}

/* P2: with the lease over nothing of Redis counts, and it is not even asked. */
static void test_without_a_lease(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    struct call *early = rig_ask(rig, issue);
    rig_wait(rig, RIG_REGISTRY_US - 1);
    rig->realm->clock.monotonic_us += RIG_LEASE_US;
    assert_int_equal(rig_redis(rig), 1); /* an answer that comes when it is over */
    assert_int_equal(rig_metric(rig, METRIC_L2_REFUSED), 1);
    struct call *late = rig_ask(rig, (struct ask){.route = ISSUE, .as = OWNER});
    assert_int_equal(rig->redis.count, 0);
    rig_answer(rig);
    assert_reply(early, 200, NONE);
    assert_reply(late, 200, NONE);
}

/* ---- slow, away ------------------------------------------------------------------------------ */

static void test_away(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    struct call *call = rig_ask(rig, issue);
    rig_redis_with(rig, &away);
    assert_from_registry(rig, call);
    assert_int_equal(rig_metric(rig, METRIC_L2_FAILED), 1);
}

static void test_away_half_way(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    struct call *call = rig_ask(rig, issue);
    rig->redis.is_away = true;
    fake_link_answer_well(&rig->redis, 0);
    rig_turn(rig);
    assert_from_registry(rig, call);
}

/* The breaker is open: no request waits for Redis, and nothing is told to it. */
static void test_breaker(void **state) {
    struct rig *rig = *state;
    rig->redis.is_away = true;
    struct call *call = rig_ask(rig, issue);
    assert_int_equal(rig->job_count, 1);
    assert_from_registry(rig, call);
    assert_int_equal(rig->realm->redis.count, 0);
}

/* The client of Redis has deadlines of its own. Should it ever forget one, the request has its. */
static void test_never_answers(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    struct call *call = rig_ask(rig, issue);
    rig_wait(rig, RIG_REGISTRY_US);
    assert_reply(call, 503, REGISTRY_AWAY);
    assert_false(rig_is_idle(rig)); /* the look-up goes on */
    assert_int_equal(rig_redis(rig), 2);
    assert_true(rig_is_idle(rig));
    assert_reply(rig_ask(rig, issue), 200, NONE); /* and was not for nothing */
}

static void test_slow_then_the_registry(void **state) {
    struct rig *rig = *state;
    struct call *call = rig_ask(rig, issue);
    rig_wait(rig, RIG_REGISTRY_US - 1);
    rig_redis_with(rig, &away);
    assert_from_registry(rig, call);
}

static void test_client_leaves(void **state) {
    struct rig *rig = *state;
    fill_redis(rig);
    call_leave(rig_ask(rig, issue));
    rig_turn(rig);
    assert_int_equal(rig->mint.requests.count, 0);
    assert_int_equal(rig_redis(rig), 2);
    assert_true(rig_is_idle(rig));
    struct call *leaves = rig_ask(rig, (struct ask){.route = ISSUE, .as = OWNER});
    struct call *stays = rig_ask(rig, (struct ask){.route = ISSUE, .as = OWNER});
    call_leave(leaves);
    rig_redis(rig);
    rig_answer(rig);
    assert_reply(stays, 200, NONE);
}

/* The registry's queue is full when Redis has nothing. */
static void test_queue_full(void **state) {
    struct rig *rig = *state;
    rig->jobs_max = 0;
    struct call *call = rig_ask(rig, issue);
    rig_redis(rig);
    assert_reply(call, 503, OVERLOADED);
    assert_true(rig_is_idle(rig));
}

/* ---- rate limits ----------------------------------------------------------------------------- */

/* The first request of a service with a limit is through, and the question for a slice waits. */
static void limit_begin(struct rig *rig) {
    rig->realm->world.services[GATEWAY].policy = "{\"rateLimit\":{\"perSecond\":10,\"burst\":4}}";
    struct call *call = rig_ask(rig, issue);
    rig_redis(rig);
    rig_answer(rig);
    assert_reply(call, 200, NONE);
    assert_int_equal(rig->redis.count, 1);
    assert_int_equal(rig->redis.questions[0].quota->asked.owed, 1);
    assert_int_equal(rig_metric(rig, METRIC_QUOTA_BY_SHARE), 1);
}

static void slice_answer(struct rig *rig, int64_t granted, int64_t left, int64_t wait_us) {
    assert_non_null(rig->redis.questions[0].quota);
    rig_redis_with(
        rig, &(struct redis_reply){REDIS_LIST, .count = 3, .numbers = {granted, left, wait_us}});
}

/* No request waits for a slice: until it is there they go by the share, and are told. */
static void test_slices(void **state) {
    struct rig *rig = *state;
    limit_begin(rig);
    slice_answer(rig, 0, 3, 0);
    rig->realm->clock.monotonic_us += 10000;
    assert_reply(rig_ask(rig, issue), 200, NONE);
    assert_int_equal(rig->redis.questions[0].quota->asked.owed, 1);
    assert_int_equal(rig->redis.questions[0].quota->asked.want, 2);
    slice_answer(rig, 2, 0, 0);
    assert_int_equal(rig_metric(rig, METRIC_QUOTA_SLICES), 1);
    for (unsigned i = 0; i < 2; i++) {
        struct call *call = rig_ask(rig, issue);
        assert_reply(call, 200, NONE);
        assert_has(call->extra, "RateLimit-Policy: \"service\";q=4;w=1\r\n");
        assert_has(call->extra, i == 0 ? "RateLimit: \"service\";r=1;t=1\r\n"
                                       : "RateLimit: \"service\";r=0;t=1\r\n");
    }
    assert_int_equal(rig_metric(rig, METRIC_QUOTA_BY_SHARE), 2);
    rig_redis_with(rig, &away); /* the next slice was asked for when there was room for it */
}

static void test_nothing_left(void **state) {
    struct rig *rig = *state;
    limit_begin(rig);
    slice_answer(rig, 0, 0, 300000); /* others have used it up */
    struct call *call = rig_ask(rig, issue);
    assert_reply(call, 429, RATE_LIMITED);
    assert_has(call->extra, "Retry-After: 1\r\n");
    assert_has(call->extra, "RateLimit: \"service\";r=0;t=1\r\n");
    assert_int_equal(rig->redis.count, 0); /* not asked before there can be any */
    rig->realm->clock.monotonic_us += 300000;
    assert_reply(rig_ask(rig, issue), 200, NONE);
    slice_answer(rig, 0, 2, 0);
}

static void test_slices_without_an_answer(void **state) {
    struct rig *rig = *state;
    limit_begin(rig);
    for (unsigned i = 0; i < 6; i++) {
        static const struct redis_reply replies[] = {
            {.answer = REDIS_AWAY},
            {.answer = REDIS_REFUSED, .bytes = TEXT("NOSCRIPT")},
            {.answer = REDIS_LIST, .count = 2},
            {.answer = REDIS_LIST, .count = 3, .numbers = {-1, 0, 0}},
            {.answer = REDIS_LIST, .count = 3, .numbers = {0, 0, INT64_MAX}},
            {.answer = REDIS_NIL},
        };
        assert_int_equal(rig->redis.count, 1);
        rig_redis_with(rig, &replies[i]);
        assert_int_equal(rig_metric(rig, METRIC_QUOTA_FAILED), i + 1);
        rig->realm->clock.monotonic_us += 100000;
        assert_reply(rig_ask(rig, issue), 200, NONE); /* by the share, here the whole limit */
    }
    rig_redis_with(rig, &away);
    rig->redis.is_away = true;
    rig->realm->clock.monotonic_us += 100000;
    assert_reply(rig_ask(rig, issue), 200, NONE);
    assert_int_equal(rig->redis.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SHARED_TEST(test_miss),
        SHARED_TEST(test_hit),
        SHARED_TEST(test_hit_beside_a_project),
        SHARED_TEST(test_no_project),
        SHARED_TEST(test_half),
        SHARED_TEST(test_single_flight),
        SHARED_TEST(test_operator),
        SHARED_TEST(test_forged),
        SHARED_TEST(test_of_another_name),
        SHARED_TEST(test_never_shared),
        SHARED_TEST(test_of_another_epoch),
        SHARED_TEST(test_too_old),
        SHARED_TEST(test_other_answers),
        SHARED_TEST(test_revoked),
        SHARED_TEST(test_project_cut),
        SHARED_TEST(test_project_renewed_elsewhere),
        SHARED_TEST(test_cut_half_way),
        SHARED_TEST(test_cut_half_way_of_two),
        SHARED_TEST(test_cut_behind),
        SHARED_TEST(test_without_a_lease),
        SHARED_TEST(test_away),
        SHARED_TEST(test_away_half_way),
        SHARED_TEST(test_breaker),
        SHARED_TEST(test_never_answers),
        SHARED_TEST(test_slow_then_the_registry),
        SHARED_TEST(test_client_leaves),
        SHARED_TEST(test_queue_full),
        SHARED_TEST(test_slices),
        SHARED_TEST(test_nothing_left),
        SHARED_TEST(test_slices_without_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
