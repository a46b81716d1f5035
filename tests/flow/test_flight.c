/* Look-ups in the registry: shared, slow, failing, too late, and overtaken by what was changed. */
#include "rig.h"

static const struct ask issue = {.route = ISSUE};

static void fill_cache(struct rig *rig) {
    assert_reply(rig_get(rig, issue), 200, NONE);
    rig->realm->world.grants_asked = 0;
}

/* ---- slow, away, full ------------------------------------------------------------------------ */

static void test_deadline(void **state) {
    struct rig *rig = *state;
    struct call *call = rig_ask(rig, issue);
    rig_wait(rig, RIG_REGISTRY_US - 1);
    assert_int_equal(call->ends, 0);
    rig_wait(rig, 1);
    assert_reply(call, 503, REGISTRY_AWAY);
    assert_string_equal(call->extra.at, "Retry-After: 1\r\n");
    assert_false(rig_is_idle(rig)); /* the look-up goes on */
    assert_int_equal(rig_answer(rig), 1);
    assert_true(rig_is_idle(rig));
    assert_reply(rig_ask(rig, issue), 200, NONE); /* and was not for nothing */
}

/* Each waits as long as it may, not as long as the first of them. */
static void test_deadlines_of_two(void **state) {
    struct rig *rig = *state;
    struct call *first = rig_ask(rig, issue);
    rig_wait(rig, RIG_REGISTRY_US / 2);
    struct call *second = rig_ask(rig, issue);
    rig_wait(rig, RIG_REGISTRY_US / 2);
    assert_reply(first, 503, REGISTRY_AWAY);
    assert_int_equal(second->ends, 0);
    assert_int_equal(rig->job_count, 1);
    rig_answer(rig);
    assert_reply(second, 200, NONE);
}

/* Never a 401: clients throw their tokens away on one. And nothing of it is remembered. */
static void test_away(void **state) {
    struct rig *rig = *state;
    rig->realm->world.is_away = true;
    struct call *call = rig_get(rig, issue);
    assert_reply(call, 503, REGISTRY_AWAY);
    assert_has(call->body, "\"code\":14,\"message\":\"the registry cannot be asked");
    rig->realm->world.is_away = false;
    assert_reply(rig_get(rig, issue), 200, NONE);
}

static void test_no_session(void **state) {
    struct rig *rig = *state;
    struct call *call = rig_ask(rig, issue);
    struct registry_job *job = rig_take(rig);
    job->work(job, NULL);
    job->done(job);
    rig_turn(rig);
    assert_reply(call, 503, REGISTRY_AWAY);
}

/* The registry goes away between the reading of the token and that of the project. */
static void test_away_half_way(void **state) {
    struct rig *rig = *state;
    fill_cache(rig);
    struct call *call = rig_ask(rig, (struct ask){.route = ISSUE, .as = OWNER});
    struct registry_job *job = rig_take(rig);
    rig_work(rig, job);
    struct flight *flight = container_of(job, struct flight, job);
    free(flight->record);
    flight->record = NULL;
    (void)error_set(&flight->project_error, ERROR_REGISTRY_AWAY, NULL);
    job->done(job);
    rig_turn(rig);
    assert_reply(call, 503, REGISTRY_AWAY);
}

static void test_store_without_memory(void **state) {
    struct rig *rig = *state;
    rig->realm->world.is_short = true;
    struct call *call = rig_get(rig, issue);
    assert_reply(call, 503, OVERLOADED);
    assert_has(call->body, "(memory)");
}

static void test_queue_full(void **state) {
    struct rig *rig = *state;
    rig->jobs_max = 1;
    struct call *first = rig_ask(rig, issue);
    struct call *joins = rig_ask(rig, issue);
    struct call *other = rig_ask(rig, (struct ask){.route = ISSUE, .as = OWNER});
    assert_reply(other, 503, OVERLOADED);
    assert_has(other->body, "(look-ups waiting)");
    rig_answer(rig);
    assert_reply(first, 200, NONE);
    assert_reply(joins, 200, NONE);
    assert_int_equal(rig_metric(rig, METRIC_OVERLOADED), 1);
}

/* More look-ups than there is room for. */
static void test_flights_full(void **state) {
    struct rig *rig = *state;
    rig->mint.flights.count_max = 2;
    struct call *calls[3];
    for (size_t i = 0; i < 3; i++)
        calls[i] = rig_ask(rig, (struct ask){.route = ISSUE, .as = (enum world_service_index)i});
    assert_reply(calls[2], 503, OVERLOADED);
    assert_int_equal(rig_answer(rig), 2);
    assert_reply(calls[0], 200, NONE);
    assert_reply(calls[1], 200, NONE);
}

/* ---- shared ---------------------------------------------------------------------------------- */

static void test_single_flight(void **state) {
    struct rig *rig = *state;
    struct call *calls[100];
    for (size_t i = 0; i < array_count(calls); i++)
        calls[i] = rig_ask(rig, issue);
    struct call *beside = rig_ask(rig, (struct ask){.route = ISSUE, .project = "depot"});
    assert_int_equal(rig->job_count, 2);
    assert_int_equal(rig_metric(rig, METRIC_FLIGHTS_SHARED), 99);
    call_leave(calls[40]);
    rig_turn(rig);
    rig_answer(rig);
    for (size_t i = 0; i < array_count(calls); i++)
        if (i != 40)
            assert_reply(calls[i], 200, NONE);
    assert_int_equal(calls[40]->ends, 1);
    assert_int_equal(calls[40]->status, 0);
    assert_reply(beside, 403, FORBIDDEN);
    assert_int_equal(rig->realm->world.grants_asked, 2);
    assert_int_equal(rig_metric(rig, METRIC_CLIENT_GONE), 1);
}

/* Who does not know the secret gets nothing from a look-up shared with who does. */
static void test_shared_with_a_thief(void **state) {
    struct rig *rig = *state;
    struct service_token stolen = rig->realm->world.tokens[GATEWAY].token;
    char text[256] = "Bearer ";
    struct buffer out = buffer_over(text + 7, sizeof(text) - 8);
    stolen.secret[0] ^= 1;
    service_token_write(&stolen, TEXT("mint"), &out);
    struct call *owner = rig_ask(rig, issue);
    struct call *thief = rig_ask(rig, (struct ask){.route = ISSUE, .authorization = text});
    assert_int_equal(rig_answer(rig), 1);
    assert_reply(owner, 200, NONE);
    assert_reply(thief, 401, TOKEN_UNKNOWN);
}

static void test_all_leave(void **state) {
    struct rig *rig = *state;
    struct call *first = rig_ask(rig, issue), *second = rig_ask(rig, issue);
    call_leave(first);
    call_leave(second);
    rig_turn(rig);
    assert_int_equal(rig->mint.requests.count, 0);
    struct call *third = rig_ask(rig, issue);
    assert_int_equal(rig_answer(rig), 1);
    assert_reply(third, 200, NONE);
}

/* After the answer and before it is read. */
static void test_leave_when_woken(void **state) {
    struct rig *rig = *state;
    struct call *call = rig_ask(rig, issue);
    struct registry_job *job = rig_take(rig);
    rig_work(rig, job);
    job->done(job);
    call_leave(call);
    rig_turn(rig);
    assert_true(rig_is_idle(rig));
    assert_int_equal(call->ends, 1);
}

/* The answer comes in the turn in which nobody waits any more, before the request runs on. */
static void test_leave_then_answer(void **state) {
    struct rig *rig = *state;
    struct call *leaves = rig_ask(rig, issue), *stays = rig_ask(rig, issue);
    call_leave(leaves);
    assert_int_equal(rig_answer(rig), 1);
    assert_reply(stays, 200, NONE);
    assert_int_equal(leaves->ends, 1);
    assert_true(rig_is_idle(rig));
}

static void test_answer_at_the_deadline(void **state) {
    struct rig *rig = *state;
    const struct ask ask = {.route = READ_PROJECT};
    struct call *call = rig_ask(rig, ask);
    struct registry_job *job = rig_take(rig);
    rig_work(rig, job);
    rig->realm->clock.monotonic_us += RIG_REGISTRY_US;
    mint_tick(&rig->mint);
    job->done(job);
    rig_turn(rig);
    assert_int_equal(call->ends, 0); /* the next wait has a time of its own */
    rig_wait(rig, RIG_REGISTRY_US - 1);
    assert_int_equal(rig_answer(rig), 1);
    assert_reply(call, 200, NONE);
}

/* ---- overtaken by changes -------------------------------------------------------------------- */

static void cut_and_poll(struct rig *rig, enum scope_kind kind, const struct uuid *id) {
    world_change(&rig->realm->world, kind, id);
    assert_true(rig_poll(rig));
}

/* The registry answers and, before the request runs on, something of the answer is cut. */
static void answer_then_cut(struct rig *rig, enum scope_kind kind, const struct uuid *id) {
    struct registry_job *job = rig_take(rig);
    assert_non_null(job);
    rig_work(rig, job);
    job->done(job);
    cut_and_poll(rig, kind, id);
    rig_turn(rig);
}

static void test_cut_before_use(void **state) {
    struct rig *rig = *state;
    const struct world *world = &rig->realm->world;
    struct call *call = rig_ask(rig, issue);
    answer_then_cut(rig, SCOPE_SERVICE, &world->services[GATEWAY].id);
    assert_int_equal(call->ends, 0);
    answer_then_cut(rig, SCOPE_PROJECT, &world->projects[SHOP].project.id);
    assert_int_equal(call->ends, 0);
    rig_answer(rig);
    assert_reply(call, 200, NONE);
}

static void test_cut_again_and_again(void **state) {
    struct rig *rig = *state;
    const struct world *world = &rig->realm->world;
    struct call *call = rig_ask(rig, issue);
    answer_then_cut(rig, SCOPE_TOKEN, &world->tokens[GATEWAY].token.id);
    answer_then_cut(rig, SCOPE_ORG, &world->orgs[ORG_ACME]);
    assert_int_equal(call->ends, 0);
    answer_then_cut(rig, SCOPE_TOKEN, &world->tokens[GATEWAY].token.id);
    assert_reply(call, 503, NOT_FRESH);
    assert_int_equal(rig->job_count, 0);
    assert_true(rig_metric(rig, METRIC_L1_STALE) >= 3);
}

struct cut {
    enum scope_kind kind;
    const struct uuid *id;
    bool concerns;
};

/* What was read before the cut and comes after it: each scope that concerns it, and no other. */
static void assert_cuts(struct rig *rig, struct ask ask, const struct cut *cuts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        cache_clear(&rig->cache);
        struct call *call = rig_ask(rig, ask);
        struct registry_job *job = rig_take(rig);
        rig_work(rig, job);
        cut_and_poll(rig, cuts[i].kind, cuts[i].id);
        job->done(job);
        rig_turn(rig);
        assert_int_equal(call->ends, !cuts[i].concerns);
        rig_answer(rig);
        assert_reply(call, 200, NONE);
    }
}

static void test_cut_under_way(void **state) {
    struct rig *rig = *state;
    const struct world *world = &rig->realm->world;
    const struct cut cuts[] = {
        {SCOPE_TOKEN, &world->tokens[GATEWAY].token.id, true},
        {SCOPE_SERVICE, &world->services[GATEWAY].id, true},
        {SCOPE_PROJECT, &world->projects[SHOP].project.id, true},
        {SCOPE_ORG, &world->orgs[ORG_ACME], true},
        {SCOPE_TOKEN, &world->tokens[OWNER].token.id, false},
        {SCOPE_SERVICE, &world->services[OWNER].id, false},
        {SCOPE_PROJECT, &world->projects[DEPOT].project.id, false},
        {SCOPE_ORG, &world->orgs[ORG_OTHER], false},
        /* An id is one of its kind only. */
        {SCOPE_SERVICE, &world->tokens[GATEWAY].token.id, false},
        {SCOPE_KEYS, &world->orgs[ORG_ACME], false},
    };
    assert_cuts(rig, issue, cuts, array_count(cuts));
    /* Where there is no project, the grant's own scopes count. */
    assert_cuts(rig, (struct ask){.route = LOCAL_ANYONE}, cuts, 2);
    assert_cuts(rig, (struct ask){.route = LOCAL_ANYONE}, &cuts[3], 1);
}

/* Revoked while it is looked up: read as good, refused as bad. */
static void test_revoked_under_way(void **state) {
    struct rig *rig = *state;
    struct call *call = rig_ask(rig, issue);
    struct registry_job *job = rig_take(rig);
    rig_work(rig, job);
    world_revoke(&rig->realm->world, GATEWAY);
    assert_true(rig_poll(rig));
    job->done(job);
    rig_turn(rig);
    assert_int_equal(call->ends, 0);
    rig_answer(rig);
    assert_reply(call, 401, TOKEN_REVOKED);
}

static void test_flush_under_way(void **state) {
    struct rig *rig = *state;
    for (unsigned way = 0; way < 2; way++) {
        struct call *call = rig_ask(rig, issue);
        struct registry_job *job = rig_take(rig);
        rig_work(rig, job);
        if (way == 0)
            rig->realm->world.epoch++; /* another store */
        else
            rig->realm->world.seq -= 50; /* a backup of this one */
        assert_true(rig_poll(rig));
        assert_int_equal(rig->cache.count, 0);
        job->done(job);
        rig_turn(rig);
        assert_int_equal(call->ends, 0);
        rig_answer(rig);
        assert_reply(call, 200, NONE);
        cache_clear(&rig->cache);
    }
}

/* An answer out of another epoch than the one that was polled last is not believed, and makes the
 * server poll. */
static void test_answer_ahead(void **state) {
    struct rig *rig = *state;
    rig->realm->world.epoch++;
    struct call *call = rig_ask(rig, issue);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(call->ends, 0);
        assert_int_equal(rig_answer(rig), 1);
        assert_int_equal(rig->polls_wanted, i + 1);
    }
    assert_reply(call, 503, NOT_FRESH);
    assert_reply(rig_get(rig, issue), 200, NONE); /* rig_get polls when told to */
    /* A change that was not polled yet is no reason to refuse, and one to poll. */
    cache_clear(&rig->cache);
    world_change(&rig->realm->world, SCOPE_ORG, &rig->realm->world.orgs[ORG_OTHER]);
    assert_int_equal(rig->polls_wanted, 0);
    call = rig_ask(rig, issue);
    rig_answer(rig);
    assert_reply(call, 200, NONE);
    assert_int_equal(rig->polls_wanted, 1);
}

/* "Unknown" may be wrong by the time it is told: it is remembered only if nothing has changed. */
static void test_unknown_under_way(void **state) {
    struct rig *rig = *state;
    struct world *world = &rig->realm->world;
    const struct ask ask = {.route = ISSUE, .as = OWNER};
    for (unsigned way = 0; way < 2; way++) {
        struct call *call = rig_ask(rig, ask);
        struct registry_job *job = rig_take(rig);
        world->services[OWNER].is_gone = true;
        rig_work(rig, job);
        world->services[OWNER].is_gone = false;
        if (way == 0)
            world_change(world, SCOPE_SERVICE, &world->services[OWNER].id);
        else
            world->epoch++;
        assert_true(rig_poll(rig));
        job->done(job);
        rig_turn(rig);
        assert_reply(call, 401, TOKEN_UNKNOWN);
        assert_reply(rig_get(rig, ask), 200, NONE);
        cache_clear(&rig->cache);
    }
}

/* Who asks for a project after its creation was acknowledged finds it, though somebody asked before
 * and got no answer yet. */
static void test_created_under_way(void **state) {
    struct rig *rig = *state;
    struct world *world = &rig->realm->world;
    const struct ask ask = {.route = ISSUE, .as = OWNER};
    world->projects[SHOP].is_gone = true;
    struct call *before = rig_ask(rig, ask);
    struct registry_job *job = rig_take(rig);
    rig_work(rig, job);
    world_set_project_gone(world, SHOP, false);
    assert_true(rig_poll(rig));
    struct call *after = rig_ask(rig, ask);
    job->done(job);
    rig_turn(rig);
    rig_answer(rig);
    assert_reply(before, 404, NOT_FOUND);
    assert_reply(after, 200, NONE);
}

/* ---- leases ---------------------------------------------------------------------------------- */

static void test_lease_runs_out(void **state) {
    struct rig *rig = *state;
    fill_cache(rig);
    rig_wait(rig, RIG_LEASE_US - 1);
    assert_reply(rig_ask(rig, issue), 200, NONE);
    rig_wait(rig, 1);
    struct call *call = rig_ask(rig, issue);
    assert_int_equal(call->ends, 0);
    assert_int_equal(rig_metric(rig, METRIC_NOT_FRESH), 1);
    rig_answer(rig);
    assert_reply(call, 200, NONE);
    /* The registry answers: a poll may find no news, so that all else that is cached is good. */
    assert_int_equal(rig->polls_wanted, 1);
}

/* The registry is away: for 0.8 leases cached tokens mint, others get a 503; after it all do. */
static void test_away_for_a_lease(void **state) {
    struct rig *rig = *state;
    fill_cache(rig);
    rig->realm->world.is_away = true;
    for (unsigned tenth = 1; tenth < 10; tenth++) {
        rig_wait(rig, RIG_LEASE_US / 10);
        assert_false(rig_poll(rig));
        assert_reply(rig_get(rig, issue), 200, NONE);
        assert_reply(rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER}), 503, REGISTRY_AWAY);
    }
    rig_wait(rig, RIG_LEASE_US / 10);
    assert_reply(rig_get(rig, issue), 503, REGISTRY_AWAY);
    rig->realm->world.is_away = false;
    assert_reply(rig_get(rig, issue), 200, NONE);
}

/* A lease is counted from the question: an answer that took longer than one is worth nothing. */
static void test_answer_later_than_a_lease(void **state) {
    struct rig *rig = *state;
    struct call *first = rig_ask(rig, issue);
    rig_wait(rig, RIG_LEASE_US - 1);
    assert_reply(first, 503, REGISTRY_AWAY);
    struct call *second = rig_ask(rig, issue);
    struct registry_job *job = rig_take(rig);
    rig_work(rig, job);
    rig->realm->clock.monotonic_us++;
    job->done(job);
    rig_turn(rig);
    assert_int_equal(second->ends, 0);
    assert_int_equal(rig_answer(rig), 1);
    assert_reply(second, 200, NONE);
    assert_int_equal(rig->realm->world.grants_asked, 2);
}

/* ---- the cache is too small ------------------------------------------------------------------ */

/* A cache that cannot hold a token and its project at once never finds both. */
static void test_cache_of_one(void **state) {
    struct rig *rig = *state;
    rig->cache.options.entries_max = 1;
    struct call *call = rig_get(rig, issue);
    assert_reply(call, 503, NOT_FRESH);
    assert_int_equal(rig->realm->world.grants_asked, 3);
    rig->cache.options.entries_max = 2;
    assert_reply(rig_get(rig, issue), 200, NONE);
}

/* What a service's policy is cannot be told: then it has none of what a token gives. */
static void test_unreadable_policy(void **state) {
    struct rig *rig = *state;
    rig->realm->world.services[GATEWAY].policy = "{\"maxTtlSeconds\":\"ten\"}";
    assert_reply(rig_get(rig, issue), 503, OVERLOADED);
    assert_int_equal(rig->cache.count, 1); /* the project */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_deadline),
        RIG_TEST(test_deadlines_of_two),
        RIG_TEST(test_away),
        RIG_TEST(test_no_session),
        RIG_TEST(test_away_half_way),
        RIG_TEST(test_store_without_memory),
        RIG_TEST(test_queue_full),
        RIG_TEST(test_flights_full),
        RIG_TEST(test_single_flight),
        RIG_TEST(test_shared_with_a_thief),
        RIG_TEST(test_all_leave),
        RIG_TEST(test_leave_when_woken),
        RIG_TEST(test_leave_then_answer),
        RIG_TEST(test_answer_at_the_deadline),
        RIG_TEST(test_cut_before_use),
        RIG_TEST(test_cut_again_and_again),
        RIG_TEST(test_cut_under_way),
        RIG_TEST(test_revoked_under_way),
        RIG_TEST(test_flush_under_way),
        RIG_TEST(test_answer_ahead),
        RIG_TEST(test_unknown_under_way),
        RIG_TEST(test_created_under_way),
        RIG_TEST(test_lease_runs_out),
        RIG_TEST(test_away_for_a_lease),
        RIG_TEST(test_answer_later_than_a_lease),
        RIG_TEST(test_cache_of_one),
        RIG_TEST(test_unreadable_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
