/* The engine: moves requests through the steps, wakes them, ends them, and signs once a turn. */
#include <stdlib.h>

#include "mint/request.h"
#include "mint/steps.h"

static const char *const step_names[STEP_COUNT] = {
#define STEP(name, function, waits) #name,
#include "mint/steps.def"
#undef STEP
};

#define DONE_NOTHING(function) NULL
#define DONE_REGISTRY(function) function##_done
#define DONE_SIGNATURE(function) function##_done
#define DONE_CHANGES(function) function##_done

static const struct {
    int (*ask)(struct request *request);
    int (*done)(struct request *request);
} steps[STEP_COUNT] = {
#define STEP(name, function, waits) {step_##function, DONE_##waits(step_##function)},
#include "mint/steps.def"
#undef STEP
};

const char *step_name(enum step step) {
    check(step < STEP_COUNT);
    return step_names[step];
}

/* Memory of a request beyond its own block. */
struct request_block {
    struct request_block *next;
    max_align_t data[];
};

bool mint_open(struct mint *mint) {
    check(mint->clock != NULL && mint->cache != NULL && mint->freshness != NULL);
    check(mint->usage != NULL && mint->quotas != NULL && mint->keyring != NULL &&
          mint->random != NULL);
    slab_open(&mint->requests, REQUEST_BYTES, 0);
    queue_init(&mint->woken);
    for (size_t i = 0; i < STEP_COUNT; i++)
        queue_init(&mint->waiting[i]);
    mint->scratch = malloc(MINT_SCRATCH_BYTES);
    return mint->scratch != NULL && flights_open(mint);
}

void mint_close(struct mint *mint) {
    check(queue_is_empty(&mint->woken) && mint->batch_count == 0);
    flights_close(mint);
    slab_close(&mint->requests);
    free(mint->scratch);
    mint->scratch = NULL;
}

/* Gives the memory back; the token's secret does not outlive its request. */
static void request_free(struct request *request) {
    struct mint *mint = request->mint;
    check(!request->has_job && request->flight == NULL);
    memory_wipe(&request->token, sizeof(request->token));
    free(request->out.at);
    while (request->blocks != NULL) {
        struct request_block *block = request->blocks;
        request->blocks = block->next;
        free(block);
    }
    request->magic = 0;
    slab_put(&mint->requests, request);
}

static void request_end(struct request *request) {
    request->state = REQUEST_ENDED;
    request->mint->in_flight--;
    metric_set(request->mint->metrics, METRIC_IN_FLIGHT, request->mint->in_flight);
    if (!request->has_job)
        request_free(request);
}

static uint64_t step_budget_us(const struct mint *mint, enum step step) {
    if (step == STEP_SIGN)
        return UINT64_MAX / 2; /* the turn's end is near */
    return step == STEP_ACKNOWLEDGE ? mint->settings.acknowledge_us : mint->settings.registry_us;
}

static void request_wait(struct request *request) {
    struct mint *mint = request->mint;
    if (request->state == REQUEST_WOKEN)
        return; /* answered while it asked */
    request->state = REQUEST_WAITING;
    request->deadline_us = mint->clock->monotonic_us + step_budget_us(mint, request->step);
    queue_push(&mint->waiting[request->step], &request->link);
}

void request_wake(struct request *request) {
    magic_check(request, REQUEST_MAGIC);
    check(request->state == REQUEST_WAITING || request->state == REQUEST_RUNNING);
    queue_remove(&request->link);
    request->state = REQUEST_WOKEN;
    queue_push(&request->mint->woken, &request->link);
}

static void step_time(struct request *request) {
    if (likely(!request->is_timed))
        return;
    uint64_t now_ns = clock_monotonic_ns();
    histogram_add(&request->mint->steps_us[request->step], (now_ns - request->step_ns) / 1000);
    request->step_ns = now_ns;
}

/* Runs the request until it waits or has ended. */
static void request_run(struct request *request) {
    bool is_answer = request->state == REQUEST_WOKEN;
    magic_check(request, REQUEST_MAGIC);
    request->state = REQUEST_RUNNING;
    for (;;) {
        int verdict =
            is_answer ? steps[request->step].done(request) : steps[request->step].ask(request);
        is_answer = false;
        if (verdict == VERDICT_WAIT) {
            request_wait(request);
            return;
        }
        step_time(request);
        if (verdict == VERDICT_END) {
            request_end(request);
            return;
        }
        enum step next = verdict == VERDICT_NEXT ? request->step + 1 : (enum step)verdict;
        check(next > request->step && next < STEP_COUNT);
        request->step = next;
    }
}

void mint_begin(struct mint *mint, struct exchange *exchange, const struct route *route,
                const struct text params[static PARAM_COUNT]) {
    struct request *request =
        mint->in_flight < mint->settings.in_flight_max ? slab_get(&mint->requests) : NULL;
    if (unlikely(request == NULL)) {
        struct error error;
        (void)error_set(&error, ERROR_OVERLOADED, "requests under way");
        metric_add(mint->metrics, METRIC_OVERLOADED, 1);
        mint->ports.refuse(mint->ports.self, exchange, &error);
        return;
    }
    memset(request, 0, sizeof(*request));
    request->magic = REQUEST_MAGIC;
    request->mint = mint;
    request->exchange = exchange;
    request->route = route;
    request->status = 200;
    request->began_us = mint->clock->monotonic_us;
    request->arena = arena_over(request + 1, REQUEST_BYTES - sizeof(*request));
    request->extra = buffer_over(request->extra_memory, sizeof(request->extra_memory));
    request->is_timed = mint->begun++ % MINT_TIMED_EVERY == 0;
    if (request->is_timed)
        request->step_ns = clock_monotonic_ns();
    queue_init(&request->link);
    queue_init(&request->flight_link);
    memcpy(request->params, params, sizeof(request->params));
    exchange->user = request;
    mint->in_flight++;
    metric_set(mint->metrics, METRIC_IN_FLIGHT, mint->in_flight);
    request_run(request);
}

void mint_gone(struct mint *mint, struct request *request) {
    magic_check(request, REQUEST_MAGIC);
    check(request->exchange != NULL);
    request->exchange = NULL;
    metric_add(mint->metrics, METRIC_CLIENT_GONE, 1);
    /* Nobody is interested any more; jobs and acknowledgements finish by themselves. */
    if (request->state == REQUEST_WAITING && request->step == STEP_AUTH_REGISTRY) {
        request->timed_out = true;
        request_wake(request);
    }
}

void mint_sign_batch(struct mint *mint) {
    size_t count = mint->batch_count;
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        mint->jobs[i] = (struct sign_job){.message = mint->batch[i]->signing_input.at,
                                          .message_len = mint->batch[i]->signing_input.len,
                                          .signature = mint->batch[i]->signature};
    keyring_sign(mint->keyring, mint->jobs, count);
    metric_add(mint->metrics, METRIC_SIGN_BATCHES, 1);
    metric_add(mint->metrics, METRIC_CREDENTIALS, count);
    histogram_add(&mint->metrics->sign_batch, count);
    mint->batch_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct request *request = mint->batch[i]->request;
        if (--request->unsigned_count == 0)
            request_wake(request);
    }
}

void mint_turn_end(struct mint *mint) {
    while (!queue_is_empty(&mint->woken) || mint->batch_count > 0) {
        mint_sign_batch(mint);
        for (struct queue *link; (link = queue_pop(&mint->woken)) != NULL;)
            request_run(container_of(link, struct request, link));
    }
}

void mint_tick(struct mint *mint) {
    for (size_t step = 0; step < STEP_COUNT; step++) {
        for (struct queue *link; (link = queue_first(&mint->waiting[step])) != NULL;) {
            struct request *request = container_of(link, struct request, link);
            if (mint->clock->monotonic_us < request->deadline_us)
                break;
            request->timed_out = true;
            request_wake(request);
        }
    }
}

uint64_t mint_deadline_us(const struct mint *mint) {
    uint64_t next_us = UINT64_MAX;
    for (size_t step = 0; step < STEP_COUNT; step++) {
        struct queue *link = queue_first(&mint->waiting[step]);
        uint64_t us =
            link == NULL ? UINT64_MAX : container_of(link, struct request, link)->deadline_us;
        if (us < next_us)
            next_us = us;
    }
    return next_us;
}

void mint_drain(struct mint *mint, bool is_over) {
    struct queue *list = &mint->waiting[STEP_ACKNOWLEDGE];
    for (struct queue *link = list->next, *next; link != list; link = next) {
        struct request *request = container_of(link, struct request, link);
        next = link->next;
        if (is_over || request->exchange == NULL)
            request_wake(request);
    }
}

void mint_acknowledged(struct mint *mint, uint64_t epoch, uint64_t seq) {
    struct queue *list = &mint->waiting[STEP_ACKNOWLEDGE];
    mint->acknowledged = seq;
    mint->acknowledged_epoch = epoch;
    for (struct queue *link = list->next, *next; link != list; link = next) {
        struct request *request = container_of(link, struct request, link);
        next = link->next;
        if (request_is_acknowledged(request))
            request_wake(request);
    }
}

void *request_take(struct request *request, size_t size) {
    void *memory = arena_take(&request->arena, size);
    if (likely(memory != NULL))
        return memory;
    struct request_block *block = malloc(sizeof(*block) + size);
    if (block == NULL) {
        (void)error_set(&request->error, ERROR_OVERLOADED, "memory");
        return NULL;
    }
    block->next = request->blocks;
    request->blocks = block;
    return block->data;
}

bool request_copy(struct request *request, struct text text, struct text *ret_text) {
    char *copy = request_take(request, text.len);
    if (copy == NULL)
        return false;
    if (text.len > 0)
        memcpy(copy, text.at, text.len);
    *ret_text = (struct text){copy, text.len};
    return true;
}

struct buffer *request_out(struct request *request, size_t size) {
    struct buffer *out = &request->out;
    if (out->size - out->len >= size)
        return out;
    size_t wanted = out->size * 2 > out->len + size ? out->size * 2 : out->len + size;
    char *grown = realloc(out->at, wanted);
    if (grown == NULL) {
        (void)error_set(&request->work_error, ERROR_OVERLOADED, "memory");
        return NULL;
    }
    out->at = grown;
    out->size = wanted;
    return out;
}

/* On the loop, after the registry's thread: the request may have been answered meanwhile. */
void request_job_done(struct registry_job *job) {
    struct request *request = container_of(job, struct request, job);
    magic_check(request, REQUEST_MAGIC);
    request->has_job = false;
    if (request->state == REQUEST_ENDED)
        request_free(request);
    else if (request->state != REQUEST_WOKEN)
        request_wake(request);
}
