/* Memory runs out at every call that takes some, once and from then on: nothing else may break. */
#include "minted.h"

static char text_memory[131072];

/* before, then so many times left, a number, right, with commas between; then after. */
struct list {
    const char *before, *left, *right, *after;
    size_t count;
};

static struct text list_write(struct list list) {
    struct buffer out = buffer_over(text_memory, sizeof(text_memory));
    buffer_put(&out, list.before);
    for (size_t i = 0; i < list.count; i++)
        buffer_format(&out, "%s%s%zu%s", i == 0 ? "" : ",", list.left, i, list.right);
    buffer_put(&out, list.after);
    check(!out.overflow);
    return buffer_text(&out);
}

static void get_body(struct rig *rig, enum rig_route route, struct text body) {
    (void)rig_get(rig, (struct ask){.route = route, .body = body});
}

/* ---- what is tried --------------------------------------------------------------------------- */

static void flow_miss(struct rig *rig) {
    get_body(rig, ISSUE, TEXT("{\"user_id\":\"u\"}"));
}

static void flow_hit(struct rig *rig) {
    flow_miss(rig);
    flow_miss(rig);
}

static void flow_project_miss(struct rig *rig) {
    (void)rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER});
    (void)rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER, .project = "depot"});
}

static void flow_unknown_token(struct rig *rig) {
    rig->realm->world.services[GATEWAY].is_gone = true;
    flow_hit(rig);
}

static void flow_revoked_token(struct rig *rig) {
    flow_miss(rig);
    world_revoke(&rig->realm->world, GATEWAY);
    (void)rig_poll(rig);
    flow_hit(rig);
}

static void flow_unknown_project(struct rig *rig) {
    for (size_t i = 0; i < 2; i++)
        (void)rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER, .project = "nothing"});
}

static void flow_forbidden(struct rig *rig) {
    (void)rig_get(rig, (struct ask){.route = ISSUE, .as = GUEST});
    (void)rig_get(rig, (struct ask){.route = ISSUE, .as = STRANGER});
}

static void flow_no_token(struct rig *rig) {
    (void)rig_get(rig, (struct ask){.route = ISSUE, .is_anonymous = true});
    (void)rig_get(rig, (struct ask){.route = ISSUE, .authorization = "Bearer mint_svc_x"});
}

static void flow_service_itself(struct rig *rig) {
    rig->realm->world.services[GATEWAY].attributes = "{\"a\":[1,2,3]}";
    get_body(rig, ISSUE, (struct text){0});
}

static void flow_large_attributes(struct rig *rig) {
    rig->mint.settings.max_token_bytes = 65536;
    get_body(rig, ISSUE,
             list_write((struct list){"{\"attributes\":{", "\"k", "\":\"v\"", "}}", 1000}));
}

static void flow_large_body(struct rig *rig) {
    get_body(
        rig, ISSUE,
        list_write((struct list){"{\"attributes\":{", "\"k", "\":\"vvvvvvvvvv\"", "}}", 3000}));
}

static void flow_iframe(struct rig *rig) {
    get_body(rig, IFRAME, TEXT("{\"resource\":\"sales\",\"attributes\":{\"a\":1}}"));
}

static void flow_large_iframe(struct rig *rig) {
    get_body(rig, IFRAME,
             list_write((struct list){"{\"resource\":\"sales\",\"query\":{", "\"k", "\":\"v\"",
                                      "}}", 1500}));
}

static void flow_explain(struct rig *rig) {
    (void)rig_get(rig, (struct ask){.route = ISSUE, .query = "explain=1"});
}

static void flow_batch(struct rig *rig) {
    get_body(rig, BATCH, TEXT("{\"requests\":[{\"user_id\":\"u\"},{}]}"));
}

static void flow_large_batch(struct rig *rig) {
    get_body(rig, BATCH,
             list_write((struct list){"{\"requests\":[", "{\"user_id\":\"u", "\"}", "]}", 256}));
}

static void flow_batch_of_errors(struct rig *rig) {
    get_body(rig, BATCH,
             list_write((struct list){"{\"requests\":[", "{\"nonsense\":", "}", "]}", 64}));
}

static void flow_policy(struct rig *rig) {
    rig->realm->world.services[GATEWAY].policy =
        "{\"pinnedAttributes\":{\"t\":1},\"allowedCidrs\":[\"192.0.2.0/24\"],"
        "\"rateLimit\":{\"perSecond\":1,\"burst\":1}}";
    flow_hit(rig);
    (void)rig_get(rig, (struct ask){.route = ISSUE, .peer = "::1"});
}

static void flow_read(struct rig *rig) {
    (void)rig_get(
        rig, (struct ask){.route = READ_ORG, .as = OWNER, .query = "page_size=5&page_token=abc"});
}

static void flow_large_read(struct rig *rig) {
    rig->work_answer_bytes = 100000;
    flow_read(rig);
}

static void change_org(struct world *world, const struct request *request) {
    (void)request;
    world_change(world, SCOPE_ORG, &world->orgs[ORG_ACME]);
}

static void flow_write(struct rig *rig) {
    rig->work_change = change_org;
    (void)rig_get(rig, (struct ask){.route = WRITE_ORG, .as = OWNER, .body = TEXT("{}")});
}

static void flow_write_and_leave(struct rig *rig) {
    rig->work_change = change_org;
    struct call *call = rig_ask(rig, (struct ask){.route = WRITE_ORG, .as = OWNER});
    while (rig_answer(rig) > 0)
        continue;
    if (call->ends == 0)
        call_leave(call);
}

static void flow_write_too_slow(struct rig *rig) {
    rig->work_change = change_org;
    (void)rig_ask(rig, (struct ask){.route = WRITE_ORG, .as = OWNER});
    rig_answer(rig);
    rig_wait(rig, RIG_REGISTRY_US);
}

static void flow_shared(struct rig *rig) {
    struct call *calls[3];
    for (size_t i = 0; i < array_count(calls); i++)
        calls[i] = rig_ask(rig, (struct ask){.route = ISSUE});
    if (calls[1]->ends == 0)
        call_leave(calls[1]);
    rig_answer(rig);
}

static void flow_cut_under_way(struct rig *rig) {
    (void)rig_ask(rig, (struct ask){.route = ISSUE});
    struct registry_job *job = rig_take(rig);
    if (job == NULL)
        return;
    rig_work(rig, job);
    change_org(&rig->realm->world, NULL);
    (void)rig_poll(rig);
    job->done(job);
    rig_turn(rig);
}

static void flow_flush_under_way(struct rig *rig) {
    rig->realm->world.epoch++;
    (void)rig_ask(rig, (struct ask){.route = ISSUE});
    rig_answer(rig);
    (void)rig_poll(rig);
}

static void flow_deadline(struct rig *rig) {
    (void)rig_ask(rig, (struct ask){.route = ISSUE});
    rig_wait(rig, RIG_REGISTRY_US);
}

/* More than one slab of requests, and signatures of several batches. */
static void flow_crowd(struct rig *rig) {
    for (size_t i = 0; i < 100; i++)
        (void)rig_begin(rig, (struct ask){.route = ISSUE, .as = i % 2 == 0 ? GATEWAY : MINTER});
}

static void flow_small_cache(struct rig *rig) {
    rig->cache.options.entries_max = 2;
    for (enum world_service_index as = GATEWAY; as < WORLD_SERVICES; as++)
        (void)rig_get(rig, (struct ask){.route = ISSUE, .as = as});
}

/* Shown by its bearer, and by a gateway. */
static void flow_presented(struct rig *rig) {
    struct call *call =
        rig_get(rig, (struct ask){.route = ISSUE, .body = TEXT("{\"user_id\":\"u\"}")});
    struct minted minted;
    if (call->status != 200)
        return;
    minted_read(call, &minted);
    struct buffer header = buffer_over(text_memory, sizeof(text_memory) / 2 - 1);
    buffer_put(&header, "Bearer ");
    buffer_add(&header, minted.text);
    header.at[header.len] = '\0';
    struct buffer form =
        buffer_over(text_memory + sizeof(text_memory) / 2, sizeof(text_memory) / 2);
    buffer_put(&form, "token=");
    buffer_add(&form, minted.text);
    cache_clear(&rig->cache);
    (void)rig_get(rig, (struct ask){.route = VERIFY, .authorization = text_memory});
    (void)rig_get(rig, (struct ask){.route = INTROSPECT,
                                    .content_type = "application/x-www-form-urlencoded",
                                    .body = buffer_text(&form)});
}

/* With Redis: asked in vain, then with success, then for the project alone. */
static void flow_redis(struct rig *rig) {
    if (!rig_share(rig))
        return;
    flow_miss(rig);
    cache_clear(&rig->cache);
    flow_miss(rig);
    (void)rig_get(rig, (struct ask){.route = ISSUE, .as = OWNER});
}

static void flow_redis_garbage(struct rig *rig) {
    if (!rig_share(rig))
        return;
    (void)rig_ask(rig, (struct ask){.route = ISSUE});
    if (rig->redis.count > 0)
        rig_redis_with(rig, &(struct redis_reply){.answer = REDIS_BYTES, .bytes = TEXT("garbage")});
    rig_answer(rig);
}

static void flow_redis_away_half_way(struct rig *rig) {
    if (!rig_share(rig))
        return;
    flow_miss(rig);
    cache_clear(&rig->cache);
    (void)rig_ask(rig, (struct ask){.route = ISSUE});
    if (rig->redis.count > 0)
        fake_link_answer_well(&rig->redis, 0);
    if (rig->redis.count > 0)
        rig_redis_with(rig, &(struct redis_reply){.answer = REDIS_AWAY});
    rig_answer(rig);
}

static void flow_redis_and_leave(struct rig *rig) {
    if (!rig_share(rig))
        return;
    flow_miss(rig);
    cache_clear(&rig->cache);
    struct call *call = rig_ask(rig, (struct ask){.route = ISSUE});
    if (call->ends == 0)
        call_leave(call);
    rig_redis(rig);
}

static void flow_slices(struct rig *rig) {
    if (!rig_share(rig))
        return;
    flow_policy(rig);
    flow_policy(rig);
}

static void flow_local(struct rig *rig) {
    (void)rig_get(rig, (struct ask){.route = LOCAL});
    (void)rig_get(rig, (struct ask){.route = LOCAL_ANYONE});
}

static const struct flow {
    const char *name;
    void (*run)(struct rig *rig);
} flows[] = {
#define FLOW(name) \
    { #name, flow_##name }
    FLOW(miss),
    FLOW(hit),
    FLOW(project_miss),
    FLOW(unknown_token),
    FLOW(revoked_token),
    FLOW(forbidden),
    FLOW(unknown_project),
    FLOW(no_token),
    FLOW(service_itself),
    FLOW(large_attributes),
    FLOW(large_body),
    FLOW(iframe),
    FLOW(large_iframe),
    FLOW(explain),
    FLOW(batch),
    FLOW(large_batch),
    FLOW(batch_of_errors),
    FLOW(policy),
    FLOW(read),
    FLOW(large_read),
    FLOW(write),
    FLOW(write_and_leave),
    FLOW(write_too_slow),
    FLOW(shared),
    FLOW(cut_under_way),
    FLOW(flush_under_way),
    FLOW(deadline),
    FLOW(crowd),
    FLOW(small_cache),
    FLOW(presented),
    FLOW(redis),
    FLOW(redis_garbage),
    FLOW(redis_away_half_way),
    FLOW(redis_and_leave),
    FLOW(slices),
    FLOW(local),
#undef FLOW
};

/* ---- what must hold -------------------------------------------------------------------------- */

/* {"code":…,"message":"…","details":[]} */
static void error_check(const struct call *call) {
    const struct json *error = call_json(call);
    uint64_t code;
    assert_true(json_number(json_member(error, TEXT("code")), 16, &code));
    assert_int_equal(code, error_grpc_code(call->error));
    assert_true(json_text(json_member(error, TEXT("message"))).len > 10);
    assert_int_equal(json_count(json_member(error, TEXT("details"))), 0);
    assert_int_equal(call->status, error_http_status(call->error));
    if (call->status == 503)
        assert_has(call->extra, "Retry-After: 1\r\n");
    /* Nothing is left of what would have been answered. */
    assert_has_not(call->extra, "X-Local");
    assert_null(call->cache_control);
}

static void batch_check(const struct call *call, const struct json *list) {
    for (struct json_iter i = json_iter(list); json_next(&i);) {
        struct minted minted;
        if (json_member(i.value, TEXT("code")) == NULL)
            minted_take(call, i.value, &minted);
    }
}

/* A credential is good, or there is none. */
static void call_check(const struct call *call) {
    assert_int_equal(call->ends, 1);
    if (call->status == 0) /* the client left */
        return;
    if (call->error != ERROR_NONE) {
        error_check(call);
        return;
    }
    assert_int_equal(call->status, 200);
    const struct json *answer = call_json(call);
    const struct json *list = json_member(answer, TEXT("credentials"));
    struct minted minted;
    if (list != NULL)
        batch_check(call, list);
    else if (json_member(answer, TEXT("accessToken")) != NULL)
        minted_take(call, answer, &minted);
}

/* What the flow left under way comes to its end, now that there is memory again. */
static void rig_finish(struct rig *rig) {
    do
        rig_answer(rig);
    while (rig_redis(rig) + rig->job_count > 0);
    assert_true(rig_poll(rig));
    rig_turn(rig);
    rig_answer(rig);
}

static uint64_t flow_run(const struct flow *flow, struct realm *realm, uint64_t first,
                         bool from_then_on) {
    static struct rig rig;
    int64_t live = faults_live();
    realm->clock = (struct clock){.monotonic_us = 1000000000, .wall_s = 1700000000};
    world_open(&realm->world, &realm->random);
    assert_true(rig_open(&rig, realm));
    faults_arm(first, from_then_on);
    flow->run(&rig);
    uint64_t calls = faults_disarm();
    rig_finish(&rig);
    for (struct queue *link = rig.calls.next; link != &rig.calls; link = link->next)
        call_check(container_of(link, struct call, link));
    assert_true(rig_is_idle(&rig));
    /* And it goes on as if nothing had been. */
    assert_reply(rig_get(&rig, (struct ask){.route = LOCAL_ANYONE, .as = EDITOR}), 200, NONE);
    rig_close(&rig);
    fake_redis_close(&realm->redis);
    assert_int_equal(faults_live(), live);
    return calls;
}

static void test_flows(void **state) {
    struct realm *realm = *state;
    uint64_t total = 0;
    for (size_t i = 0; i < array_count(flows); i++) {
        uint64_t calls = flow_run(&flows[i], realm, 0, false);
        for (uint64_t first = 1; first <= calls; first++) {
            (void)flow_run(&flows[i], realm, first, false);
            (void)flow_run(&flows[i], realm, first, true);
        }
        print_message("%-20s %zu calls\n", flows[i].name, (size_t)calls);
        total += calls;
    }
    assert_true(total > 5 * array_count(flows));
}

/* Starting without memory: refused, and everything taken is given back. */
static void test_open(void **state) {
    static struct rig rig;
    struct realm *realm = *state;
    int64_t live = faults_live();
    bool is_open = false;
    for (uint64_t first = 1; !is_open; first++) {
        faults_arm(first, false);
        is_open = rig_open(&rig, realm);
        assert_true(faults_disarm() == first || is_open); /* nothing more is tried */
        rig_close(&rig);
        assert_int_equal(faults_live(), live);
    }
}

static void test_quotas(void **state) {
    struct quotas quotas;
    (void)state;
    faults_arm(1, false);
    assert_false(quotas_open(&quotas, NULL));
    assert_int_equal(faults_disarm(), 1);
    quotas_close(&quotas);
}

static int setup(void **state) {
    static struct realm realm;
    *state = &realm;
    return realm_open(&realm) ? 0 : -1;
}

static int teardown(void **state) {
    realm_close(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flows),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_quotas),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
