/* Slices of rate limits from Redis: asked for ahead of need, so that no request waits for one. */
#include "mint/request.h"

static bool answer_read(const struct redis_reply *reply, struct quota_answer *ret_answer) {
    if (reply->answer != REDIS_LIST || reply->count != 3)
        return false;
    for (size_t i = 0; i < reply->count; i++)
        if (reply->numbers[i] < 0 || reply->numbers[i] > UINT32_MAX)
            return false;
    *ret_answer = (struct quota_answer){.granted = (uint32_t)reply->numbers[0],
                                        .left = (uint32_t)reply->numbers[1],
                                        .wait_us = (uint64_t)reply->numbers[2]};
    return true;
}

static void on_answer(struct redis_command *command, const struct redis_reply *reply) {
    struct quota *quota = container_of(command, struct quota, command);
    struct mint *mint = command->owner;
    struct quota_limit limit = quota->asked_limit;
    struct quota_answer answer;
    if (!answer_read(reply, &answer)) {
        metric_add(mint->metrics, METRIC_QUOTA_FAILED, 1);
        quota_unanswered(quota, mint->clock->monotonic_us * 1000);
        return;
    }
    metric_add(mint->metrics, METRIC_QUOTA_SLICES, answer.granted > 0);
    quota_answered(quota, &answer, mint->clock->monotonic_us * 1000);
    /* What went by the share while the question was under way is told at once. */
    if (atomic_load_explicit(&quota->owed, memory_order_relaxed) > 0)
        quota_share(mint, quota, &limit);
}

void quota_share(struct mint *mint, struct quota *quota, const struct quota_limit *limit) {
    struct quota_ask ask;
    if (mint->shared == NULL || !quota->is_used ||
        !quota_ask(quota, limit, mint->clock->monotonic_us * 1000, &ask))
        return;
    quota->command = (struct redis_command){.done = on_answer, .owner = mint};
    if (!mint->ports.ask_quota(mint->ports.self, quota))
        quota_unanswered(quota, mint->clock->monotonic_us * 1000);
}
