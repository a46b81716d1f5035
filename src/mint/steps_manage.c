/* The steps of a request that manages: one job for the registry, then the acknowledgement. */
#include "mint/steps.h"

/* On a registry thread: the request is the job's until it is done. */
static void manage_work(struct registry_job *job, struct session *session) {
    struct request *request = container_of(job, struct request, job);
    if (session == NULL)
        (void)error_set(&request->work_error, ERROR_REGISTRY_AWAY, NULL);
    else
        request->is_work_done = request->route->work(request, session);
    if (request->is_work_done && request->seq != 0)
        request->epoch = store_changed_epoch(session);
}

void request_actor_fix(struct request *request) {
    const struct caller *caller = &request->caller;
    request->actor = (struct actor){
        .kind = caller->kind == TOKEN_OPERATOR ? TEXT("operator") : TEXT("service"),
        .id = caller->token_id,
        .name = text_of(caller->service_name),
        .address = text_of(request->peer),
        .request_id = text_of(request->request_id),
        .action = text_of(request->route->name),
        .now_s = request->mint->clock->wall_s,
    };
}

int step_manage(struct request *request) {
    struct mint *mint = request->mint;
    request_actor_fix(request);
    request->job = (struct registry_job){.is_write = request->route->kind == ROUTE_WRITE,
                                         .work = manage_work,
                                         .done = request_job_done,
                                         .loop = mint->loop};
    request->seq_before = mint->acknowledged;
    request->has_job = mint->ports.submit(mint->ports.self, &request->job);
    if (request->has_job)
        return VERDICT_WAIT;
    metric_add(mint->metrics, METRIC_OVERLOADED, 1);
    return FAIL(request, ERROR_OVERLOADED, "requests for the registry");
}

int step_manage_done(struct request *request) {
    if (request->timed_out && request->has_job)
        return FAIL(request, ERROR_REGISTRY_SLOW, NULL);
    request->timed_out = false;
    if (!request->is_work_done) {
        request->error = request->work_error;
        return STEP_RESPOND;
    }
    request->reply_body = buffer_text(&request->out);
    return request->route->kind == ROUTE_WRITE ? STEP_ACKNOWLEDGE : STEP_RESPOND;
}

/* A change that seems to have been acknowledged before it was made was counted by a counter that
 * went back (a restored backup): what was acknowledged until now says nothing of it. */
bool request_is_acknowledged(const struct request *request) {
    const struct mint *mint = request->mint;
    return request->seq == 0 ||
           (request->epoch == mint->acknowledged_epoch && request->seq > request->seq_before &&
            request->seq <= mint->acknowledged);
}

/* The answer, which is a JSON object, gets one more member. */
static void answer_end(struct request *request, void (*more)(struct request *request)) {
    request->out.len--;
    more(request);
    buffer_byte(&request->out, '}');
    check(!request->out.overflow);
    request->reply_body = buffer_text(&request->out);
}

static void receipt_add(struct request *request) {
    request->mint->ports.receipt(request->mint->ports.self, request);
}

/* By then nobody can act without the change, whatever fails. */
static void effective_add(struct request *request) {
    static const char key[] = "\"effectiveBy\":\"";
    const struct mint *mint = request->mint;
    struct buffer *out = request_out(request, 64);
    if (out == NULL)
        return;
    if (out->at[out->len - 1] != '{')
        buffer_byte(out, ',');
    buffer_put(out, key);
    buffer_time(out, mint->clock->wall_s + 1 +
                         (int64_t)((mint->settings.acknowledge_us + 999999) / 1000000));
    buffer_byte(out, '"');
}

/* It stands, and is not in force everywhere yet. */
static int accepted(struct request *request) {
    request->status = 202;
    answer_end(request, effective_add);
    return VERDICT_NEXT;
}

int step_acknowledge(struct request *request) {
    request->committed_us = request->mint->clock->monotonic_us;
    if (request->seq == 0)
        return VERDICT_NEXT;
    if (request->no_wait)
        return accepted(request);
    return request_is_acknowledged(request) ? step_acknowledge_done(request) : VERDICT_WAIT;
}

/* Everybody has applied the change; or the time is over in which anybody could mint without it; or
 * the process ends and can wait no longer. */
int step_acknowledge_done(struct request *request) {
    if (!request->timed_out && !request_is_acknowledged(request))
        return accepted(request);
    answer_end(request, receipt_add);
    return VERDICT_NEXT;
}
