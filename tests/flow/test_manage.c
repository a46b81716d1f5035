/* Management: a job for the registry, then the acknowledgement that waits for every worker. */
#include "rig.h"

static const struct ask reads = {.route = READ_ORG, .as = OWNER};
static const struct ask writes = {.route = WRITE_ORG, .as = OWNER, .method = HTTP_PUT};

/* The caller's grant is cached, so that the next job is the management's. */
static void know_caller(struct rig *rig) {
    assert_reply(rig_get(rig, (struct ask){.route = LOCAL_ANYONE, .as = OWNER}), 200, NONE);
}

static void revoke_gateway(struct world *world, const struct request *request) {
    (void)request;
    world_revoke(world, GATEWAY);
}

/* The registry does the one job that waits. */
static void do_job(struct rig *rig) {
    assert_int_equal(rig_answer(rig), 1);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void test_read(void **state) {
    struct rig *rig = *state;
    know_caller(rig);
    struct call *call = rig_ask(rig, reads);
    assert_int_equal(call->ends, 0);
    do_job(rig);
    assert_reply(call, 200, NONE);
    assert_string_equal(call->body.at, "{}");
}

/* The answer grows with what there is. */
static void test_read_much(void **state) {
    struct rig *rig = *state;
    static const size_t sizes[] = {2, 1000, 65536, 3000000};
    for (size_t i = 0; i < array_count(sizes); i++) {
        rig->work_answer_bytes = sizes[i];
        struct call *call = rig_get(rig, reads);
        assert_reply(call, 200, NONE);
        assert_int_equal(call->body.len, sizes[i]);
        assert_int_equal(call->body.at[0], '{');
        assert_int_equal(call->body.at[sizes[i] - 1], '}');
    }
}

static void test_work_fails(void **state) {
    struct rig *rig = *state;
    static const struct {
        enum error_code code;
        unsigned status;
    } rows[] = {
        {ERROR_NOT_FOUND, 404},       {ERROR_NAME_TAKEN, 409}, {ERROR_REGISTRY_READ_ONLY, 503},
        {ERROR_FORBIDDEN_GRANT, 403}, {ERROR_INTERNAL, 500},   {ERROR_REGISTRY_AWAY, 503},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        rig->work_error = rows[i].code;
        struct call *call = rig_get(rig, i % 2 == 0 ? reads : writes);
        assert_reply_is(call, rows[i].status, rows[i].code, __FILE__, __LINE__);
        assert_string_equal(call->extra.at, rows[i].status == 503 ? "Retry-After: 1\r\n" : "");
        assert_int_equal(rig->job_count, 0);
    }
}

static void test_no_session(void **state) {
    struct rig *rig = *state;
    know_caller(rig);
    struct call *call = rig_ask(rig, writes);
    struct registry_job *job = rig_take(rig);
    assert_true(job->is_write);
    job->work(job, NULL);
    job->done(job);
    rig_turn(rig);
    assert_reply(call, 503, REGISTRY_AWAY);
}

static void test_queue_full(void **state) {
    struct rig *rig = *state;
    know_caller(rig);
    rig->jobs_max = 0;
    struct call *call = rig_ask(rig, writes);
    assert_reply(call, 503, OVERLOADED);
    assert_has(call->body, "(requests for the registry)");
    assert_int_equal(rig_metric(rig, METRIC_OVERLOADED), 1);
}

/* Who did it, for the audit: fixed before the job is handed over. */
static void test_actor(void **state) {
    struct rig *rig = *state;
    know_caller(rig);
    struct call *call = rig_ask(
        rig, (struct ask){.route = WRITE_ORG, .as = OWNER, .request_id = "r-1", .peer = "::1"});
    struct registry_job *job = rig_take(rig);
    struct actor actor = container_of(job, struct request, job)->actor;
    assert_true(text_equal(actor.kind, TEXT("service")));
    assert_true(text_equal(actor.name, TEXT("OWNER")));
    assert_true(text_equal(actor.address, TEXT("::1")));
    assert_true(text_equal(actor.request_id, TEXT("r-1")));
    assert_true(text_equal(actor.action, TEXT("write")));
    assert_true(uuid_equal(&actor.id, &rig->realm->world.tokens[OWNER].token.id));
    assert_int_equal(actor.now_s, rig->realm->clock.wall_s);
    rig_work(rig, job);
    job->done(job);
    rig_turn(rig);
    assert_reply(call, 200, NONE);
    call = rig_ask(rig, (struct ask){.route = READ_OPERATOR, .as = OPERATOR});
    do_job(rig); /* the look-up */
    job = rig_take(rig);
    assert_false(job->is_write);
    assert_true(text_equal(container_of(job, struct request, job)->actor.kind, TEXT("operator")));
    rig_work(rig, job);
    job->done(job);
    rig_turn(rig);
    assert_reply(call, 200, NONE);
}

/* ---- too slow, gone -------------------------------------------------------------------------- */

/* The job goes on and may still change something: the answer says so, and the memory stays. */
static void test_deadline(void **state) {
    struct rig *rig = *state;
    know_caller(rig);
    rig->work_change = revoke_gateway;
    assert_int_equal(mint_deadline_us(&rig->mint), UINT64_MAX);
    struct call *call = rig_ask(rig, writes);
    assert_int_equal(mint_deadline_us(&rig->mint),
                     rig->realm->clock.monotonic_us + RIG_REGISTRY_US);
    rig_wait(rig, RIG_REGISTRY_US - 1);
    assert_int_equal(call->ends, 0);
    rig_wait(rig, 1);
    assert_reply(call, 503, REGISTRY_SLOW);
    assert_has(call->body, "a change may still be made");
    assert_int_equal(rig->mint.in_flight, 0);
    assert_int_equal(rig->mint.requests.count, 1);
    do_job(rig);
    assert_true(rig_is_idle(rig));
    assert_true(rig->realm->world.tokens[GATEWAY].revoked_s != 0);
}

/* The answer comes with the tick that would have been too late: it counts. */
static void test_answer_at_the_deadline(void **state) {
    struct rig *rig = *state;
    know_caller(rig);
    struct call *call = rig_ask(rig, reads);
    struct registry_job *job = rig_take(rig);
    rig_work(rig, job);
    rig->realm->clock.monotonic_us += RIG_REGISTRY_US;
    mint_tick(&rig->mint);
    job->done(job);
    rig_turn(rig);
    assert_reply(call, 200, NONE);
}

static void test_leave(void **state) {
    struct rig *rig = *state;
    know_caller(rig);
    struct call *call = rig_ask(rig, writes);
    call_leave(call);
    rig_turn(rig);
    assert_int_equal(rig->mint.requests.count, 1);
    rig->work_change = revoke_gateway;
    do_job(rig); /* what was asked is done */
    assert_true(rig->realm->world.tokens[GATEWAY].revoked_s != 0);
    assert_true(rig_poll(rig));
    rig_turn(rig);
    assert_true(rig_is_idle(rig));
}

/* The client leaves, then the time runs out, then the registry answers. */
static void test_leave_and_deadline(void **state) {
    struct rig *rig = *state;
    know_caller(rig);
    struct call *call = rig_ask(rig, reads);
    call_leave(call);
    rig_wait(rig, RIG_REGISTRY_US);
    assert_int_equal(rig->mint.in_flight, 0);
    do_job(rig);
    assert_true(rig_is_idle(rig));
    assert_int_equal(call->ends, 1);
}

/* ---- acknowledged ---------------------------------------------------------------------------- */

/* The reply comes when all have applied the change, not when it is made. */
static void test_acknowledge(void **state) {
    struct rig *rig = *state;
    know_caller(rig);
    rig->work_change = revoke_gateway;
    struct call *call = rig_ask(rig, writes);
    do_job(rig);
    assert_int_equal(call->ends, 0);
    mint_acknowledged(&rig->mint, rig->realm->world.epoch, rig->realm->world.seq - 1);
    rig_turn(rig);
    assert_int_equal(call->ends, 0);
    assert_true(rig_poll(rig));
    assert_int_equal(call->ends, 0); /* woken, not called back into */
    rig_turn(rig);
    assert_reply(call, 200, NONE);
}

static void test_acknowledge_at_once(void **state) {
    struct rig *rig = *state;
    rig->work_change = NULL; /* nothing is changed: there is nothing to wait for */
    assert_reply(rig_get(rig, writes), 200, NONE);
}

/* Those are replied whose change is applied, in whatever order they wait. */
static void test_acknowledge_order(void **state) {
    struct rig *rig = *state;
    struct call *calls[4];
    struct registry_job *jobs[4];
    know_caller(rig);
    rig->work_change = revoke_gateway;
    for (size_t i = 0; i < 4; i++) {
        calls[i] = rig_ask(rig, writes);
        jobs[i] = rig_take(rig);
    }
    uint64_t before = rig->realm->world.seq;
    static const size_t order[] = {2, 0, 3, 1}; /* commits */
    for (size_t i = 0; i < 4; i++)
        rig_work(rig, jobs[order[i]]);
    for (size_t i = 0; i < 4; i++)
        jobs[i]->done(jobs[i]);
    rig_turn(rig);
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(calls[order[j]]->ends, j < i);
        mint_acknowledged(&rig->mint, rig->realm->world.epoch, before + i + 1);
        rig_turn(rig);
    }
    for (size_t i = 0; i < 4; i++)
        assert_reply(calls[i], 200, NONE);
}

/* A worker that cannot be reached: after lease and margin nobody mints by what was before. */
static void test_acknowledge_deadline(void **state) {
    struct rig *rig = *state;
    know_caller(rig);
    rig->work_change = revoke_gateway;
    struct call *call = rig_ask(rig, writes);
    do_job(rig);
    rig_wait(rig, RIG_ACKNOWLEDGE_US - 1);
    assert_int_equal(call->ends, 0);
    rig_wait(rig, 1);
    assert_reply(call, 200, NONE);
}

/* A backup is restored, whose counter is behind: what was acknowledged before says nothing of what
 * is changed now. Nor is it known what says something, so the time must run out. */
static void test_acknowledge_restored(void **state) {
    struct rig *rig = *state;
    know_caller(rig);
    rig->work_change = revoke_gateway;
    rig->realm->world.epoch++;
    rig->realm->world.seq = 50;
    struct call *call = rig_ask(rig, writes);
    do_job(rig);
    assert_int_equal(rig->mint.acknowledged, 100);
    assert_int_equal(call->ends, 0);
    rig_wait(rig, RIG_ACKNOWLEDGE_US);
    assert_reply(call, 200, NONE);
    assert_true(rig_poll(rig)); /* from now on it is as ever */
    call = rig_get(rig, writes);
    assert_true(rig_poll(rig));
    rig_turn(rig);
    assert_reply(call, 200, NONE);
}

static void test_leave_before_acknowledgement(void **state) {
    struct rig *rig = *state;
    know_caller(rig);
    rig->work_change = revoke_gateway;
    for (size_t i = 0; i < 2; i++) { /* acknowledged; or never */
        struct call *call = rig_ask(rig, writes);
        do_job(rig);
        call_leave(call);
        rig_turn(rig);
        assert_false(rig_is_idle(rig));
        if (i == 0) {
            assert_true(rig_poll(rig));
            rig_turn(rig);
        } else {
            rig_wait(rig, RIG_ACKNOWLEDGE_US);
        }
        assert_true(rig_is_idle(rig));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_read),
        RIG_TEST(test_read_much),
        RIG_TEST(test_work_fails),
        RIG_TEST(test_no_session),
        RIG_TEST(test_queue_full),
        RIG_TEST(test_actor),
        RIG_TEST(test_deadline),
        RIG_TEST(test_answer_at_the_deadline),
        RIG_TEST(test_leave),
        RIG_TEST(test_leave_and_deadline),
        RIG_TEST(test_acknowledge),
        RIG_TEST(test_acknowledge_at_once),
        RIG_TEST(test_acknowledge_order),
        RIG_TEST(test_acknowledge_deadline),
        RIG_TEST(test_acknowledge_restored),
        RIG_TEST(test_leave_before_acknowledgement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
