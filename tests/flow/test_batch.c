/* Many at once: batches of one request, requests of one turn, and the limits on both. */
#include "minted.h"

/* ---- a request with many --------------------------------------------------------------------- */

static struct text batch_body(struct buffer *out, size_t count) {
    buffer_put(out, "{\"requests\":[");
    for (size_t i = 0; i < count; i++)
        buffer_format(out, "%s{\"user_id\":\"u-%zu\"}", i == 0 ? "" : ",", i);
    buffer_put(out, "]}");
    check(!out->overflow);
    return buffer_text(out);
}

static struct call *batch_of(struct rig *rig, size_t count) {
    static char memory[32768];
    struct buffer out = buffer_over(memory, sizeof(memory));
    return rig_get(rig, (struct ask){.route = BATCH, .body = batch_body(&out, count)});
}

static void assert_batch_is_good(const struct call *call, size_t count) {
    assert_reply(call, 200, NONE);
    const struct json *list = json_member(call_json(call), TEXT("credentials"));
    struct uuid ids[256];
    size_t at = 0;
    for (struct json_iter i = json_iter(list); json_next(&i); at++) {
        struct minted minted;
        char wanted[128];
        minted_take(call, i.value, &minted);
        (void)snprintf(wanted, sizeof(wanted), ",\"sub\":\"u-%zu\",\"attr\":{\"id\":\"u-%zu\"}}",
                       at, at);
        assert_memory_equal(minted.tail.at, wanted, strlen(wanted));
        assert_true(text_hex((struct text){minted.tail.at - 33, 32}, ids[at].bytes, UUID_BYTES));
        for (size_t j = 0; j < at; j++)
            assert_false(uuid_equal(&ids[j], &ids[at]));
    }
    assert_int_equal(at, count);
}

static void test_batches(void **state) {
    struct rig *rig = *state;
    static const size_t counts[] = {1, 63, 64, 65, 128, 255, 256};
    uint64_t minted = 0;
    for (size_t i = 0; i < array_count(counts); i++) {
        assert_batch_is_good(batch_of(rig, counts[i]), counts[i]);
        minted += counts[i];
        assert_int_equal(rig_metric(rig, METRIC_CREDENTIALS), minted);
    }
    assert_reply(batch_of(rig, 257), 400, FIELD_VALUE);
    assert_reply(batch_of(rig, 0), 400, FIELD_VALUE);
    assert_int_equal(rig_metric(rig, METRIC_SIGN_BATCHES), 1 + 1 + 1 + 2 + 2 + 4 + 4);
}

/* One that is refused leaves the others alone; each answer stands where it was asked. */
static void test_batch_with_errors(void **state) {
    struct rig *rig = *state;
    struct call *call = rig_get(
        rig, (struct ask){.route = BATCH,
                          .body = TEXT("{\"requests\":[{},{\"ttl_seconds\":86401},"
                                       "{\"ttl_seconds\":60},7,{\"nonsense\":1},"
                                       "{\"user_id\":\"u\",\"user_email\":\"a@b\"},null]}")});
    assert_reply(call, 200, NONE);
    const struct json *list = json_member(call_json(call), TEXT("credentials"));
    assert_int_equal(json_count(list), 7);
    size_t at = 0;
    for (struct json_iter i = json_iter(list); json_next(&i); at++) {
        if (at == 0 || at == 2) {
            struct minted minted;
            minted_take(call, i.value, &minted);
            assert_int_equal(minted.ttl_s, at == 0 ? 3600 : 60);
        } else {
            assert_null(json_member(i.value, TEXT("accessToken")));
            assert_int_equal(json_count(i.value), 3); /* code, message, details */
        }
    }
    assert_has(call->body, "each of requests must be a JSON object");
    assert_has(call->body, "the field nonsense is not known here");
    assert_int_equal(rig_metric(rig, METRIC_CREDENTIALS), 2);
}

/* Nothing to sign, and nothing to wait for. */
static void test_batch_of_errors(void **state) {
    struct rig *rig = *state;
    struct call *call =
        rig_get(rig, (struct ask){.route = BATCH, .body = TEXT("{\"requests\":[1,2]}")});
    assert_reply(call, 200, NONE);
    assert_int_equal(json_count(json_member(call_json(call), TEXT("credentials"))), 2);
    assert_int_equal(rig_metric(rig, METRIC_SIGN_BATCHES), 0);
}

/* ---- a turn with many ------------------------------------------------------------------------ */

/* Requests that become ready in one turn are signed together, as many as go into a batch. */
static void test_turn(void **state) {
    struct rig *rig = *state;
    struct call *calls[2 * MINT_BATCH_MAX + 1];
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE}), 200, NONE);
    for (size_t i = 0; i < array_count(calls); i++) {
        calls[i] = rig_begin(rig, (struct ask){.route = ISSUE});
        assert_int_equal(calls[i]->ends, 0);
    }
    /* Two full batches were signed when there was no more room. */
    assert_int_equal(rig_metric(rig, METRIC_SIGN_BATCHES), 3);
    rig_turn(rig);
    for (size_t i = 0; i < array_count(calls); i++) {
        struct minted minted;
        minted_read(calls[i], &minted);
    }
    assert_int_equal(rig_metric(rig, METRIC_SIGN_BATCHES), 4);
    assert_int_equal(rig_metric(rig, METRIC_CREDENTIALS), 2 * MINT_BATCH_MAX + 2);
}

/* What is woken in a turn and what comes in it goes together. */
static void test_turn_of_woken(void **state) {
    struct rig *rig = *state;
    struct call *first = rig_begin(rig, (struct ask){.route = ISSUE});
    struct call *second = rig_begin(rig, (struct ask){.route = ISSUE, .as = OWNER});
    assert_int_equal(rig_answer(rig), 2);
    assert_reply(first, 200, NONE);
    assert_reply(second, 200, NONE);
    assert_int_equal(rig_metric(rig, METRIC_SIGN_BATCHES), 1);
}

/* The client leaves between the checks and the signature. */
static void test_leave_before_signature(void **state) {
    struct rig *rig = *state;
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE}), 200, NONE);
    struct call *leaves = rig_begin(rig, (struct ask){.route = ISSUE});
    struct call *stays = rig_begin(rig, (struct ask){.route = ISSUE});
    call_leave(leaves);
    rig_turn(rig);
    assert_reply(stays, 200, NONE);
    assert_int_equal(leaves->status, 0);
    assert_true(rig_is_idle(rig));
}

/* Nobody waits for a signature beyond the turn, so no deadline may take a request away from it. */
static void test_tick_before_signature(void **state) {
    struct rig *rig = *state;
    assert_reply(rig_get(rig, (struct ask){.route = ISSUE}), 200, NONE);
    struct call *call = rig_begin(rig, (struct ask){.route = ISSUE});
    rig->realm->clock.monotonic_us += (uint64_t)365 * 86400 * 1000000;
    mint_tick(&rig->mint);
    rig_turn(rig);
    assert_reply(call, 200, NONE);
}

/* ---- requests under way ---------------------------------------------------------------------- */

static void test_in_flight(void **state) {
    struct rig *rig = *state;
    struct call *calls[4];
    rig->mint.settings.in_flight_max = 3;
    for (size_t i = 0; i < 3; i++) {
        calls[i] = rig_ask(rig, (struct ask){.route = ISSUE});
        assert_int_equal(calls[i]->ends, 0);
        assert_int_equal(rig_metric(rig, METRIC_IN_FLIGHT), i + 1);
    }
    calls[3] = rig_ask(rig, (struct ask){.route = LOCAL});
    assert_reply(calls[3], 503, OVERLOADED);
    assert_has(calls[3]->body, "(requests under way)");
    call_leave(calls[0]);
    rig_turn(rig);
    struct call *next = rig_ask(rig, (struct ask){.route = LOCAL});
    assert_reply(next, 200, NONE);
    rig_answer(rig);
    assert_int_equal(rig_metric(rig, METRIC_IN_FLIGHT), 0);
    assert_int_equal(rig_metric(rig, METRIC_OVERLOADED), 1);
}

/* Every sixteenth request is timed, step by step. */
static void test_timed(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < 2 * MINT_TIMED_EVERY; i++)
        assert_reply(rig_get(rig, (struct ask){.route = LOCAL}), 200, NONE);
    uint64_t timed = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        timed += counter_get(&rig->mint.steps_us[STEP_RESPOND].buckets[i]);
    assert_int_equal(timed, 2);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        assert_int_equal(counter_get(&rig->mint.steps_us[STEP_SIGN].buckets[i]), 0);
    assert_string_equal(step_name(STEP_AUTH_REGISTRY), "AUTH_REGISTRY");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_batches),
        RIG_TEST(test_batch_with_errors),
        RIG_TEST(test_batch_of_errors),
        RIG_TEST(test_turn),
        RIG_TEST(test_turn_of_woken),
        RIG_TEST(test_leave_before_signature),
        RIG_TEST(test_tick_before_signature),
        RIG_TEST(test_in_flight),
        RIG_TEST(test_timed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
