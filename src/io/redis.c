/* A Redis client on a loop: commands and their deadlines, answers, pushes, and the breaker. */
#include "io/redis.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "io/redis_parts.h"

#define REDIS_MAGIC 0x72656469U
#define REST_MAX_MS 10000
#define TRIAL_MS 1000 /* a trial not answered by then: the connection may be dead */
#define WATCH_US 5000 /* looks for what is late, and at the next deadline */
#define SENTINELS_COMMAND_MS 1000

static struct redis_slot *slot_at(struct redis *redis, size_t number) {
    return &redis->slots[number % REDIS_UNDER_WAY_MAX];
}

void redis_state_set(struct redis *redis, enum redis_state state, const char *why) {
    bool is_new = redis->state != state || !redis->is_told;
    redis->is_told = true;
    redis->state = state;
    (void)snprintf(redis->why, sizeof(redis->why), "%s", why);
    if (is_new && redis->handler.state != NULL)
        redis->handler.state(redis->handler.self, state, redis->why);
}

/* ---- the end of a connection ----------------------------------------------------------------- */

static void answer(struct redis_command *command, const struct redis_reply *reply) {
    command->redis = NULL;
    command->done(command, reply);
}

static void answer_away(struct redis *redis, size_t number) {
    struct redis_slot *slot = slot_at(redis, number);
    struct redis_command *command = slot->command;
    slot->command = NULL;
    redis->counts.late += slot->deadline_us != REDIS_NO_DEADLINE;
    slot->deadline_us = REDIS_NO_DEADLINE;
    if (command != NULL)
        answer(command, &(struct redis_reply){.answer = REDIS_AWAY});
}

/* Nothing that was sent will be answered. */
static void slots_drop(struct redis *redis) {
    while (redis->first != redis->end)
        answer_away(redis, redis->first++);
    redis->written = redis->end;
    loop_timer_stop(&redis->watch);
}

/* "127.0.0.1:6379: Connection refused" */
static void why_write(const struct redis *redis, const char *why, char (*ret_why)[200]) {
    const struct redis_place *place = &redis->place;
    if (place->host == NULL)
        (void)snprintf(*ret_why, sizeof(*ret_why), "%s", why);
    else
        (void)snprintf(*ret_why, sizeof(*ret_why), "%s%.100s:%u: %s",
                       redis->served != NULL ? "sentinel " : "", place->host, place->port, why);
}

/* Twice as long as the last time, half of it by chance, so that a fleet does not come back in one
 * moment; and from the start after a connection that has lasted. */
static uint32_t backoff_next(struct redis *redis) {
    uint64_t now_us = loop_clock(redis->loop)->monotonic_us;
    if (redis->phase == PHASE_READY &&
        now_us - redis->ready_us >= (uint64_t)REDIS_BACKOFF_MAX_MS * 1000)
        redis->backoff_ms = REDIS_BACKOFF_MIN_MS;
    uint32_t ms = redis->backoff_ms;
    redis->backoff_ms = ms * 2 < REDIS_BACKOFF_MAX_MS ? ms * 2 : REDIS_BACKOFF_MAX_MS;
    return ms / 2 + (uint32_t)(clock_monotonic_ns() / 64 % (ms / 2 + 1));
}

void redis_drop(struct redis *redis, const char *why) {
    char whole[200];
    why_write(redis, why, &whole);
    redis_socket_close(redis);
    uint32_t ms = backoff_next(redis);
    redis->tries += redis->phase != PHASE_READY;
    redis->phase = PHASE_WAITING;
    redis->place.host = NULL;
    redis->master.host = NULL; /* the sentinels are asked again */
    redis_state_set(redis, REDIS_CONNECTING, whole);
    slots_drop(redis);
    redis_connect_in(redis, ms);
}

void redis_ready(struct redis *redis) {
    redis->phase = PHASE_READY;
    redis->ready_us = loop_clock(redis->loop)->monotonic_us;
    redis->slow_count = 0;
    redis->rest_ms = REDIS_REST_MS;
    redis->counts.connects++;
    redis_state_set(redis, REDIS_UP, "");
}

/* ---- deadlines and the breaker --------------------------------------------------------------- */

/* Where memory is out, the answers themselves, or the connection's end, come anyway. */
static void watch_in(struct redis *redis, uint64_t us) {
    (void)!loop_timer_start(redis->loop, &redis->watch, (uint32_t)(us + 999) / 1000, 0);
}

/* Leaves a slow server alone for a while; what is under way is given up. */
static void rest_begin(struct redis *redis) {
    uint32_t ms = redis->rest_ms;
    redis->rest_ms = ms * 2 < REST_MAX_MS ? ms * 2 : REST_MAX_MS;
    redis->slow_count = 0;
    redis_state_set(redis, REDIS_RESTING, "it answers too slowly, and is left alone for a while");
    for (size_t i = redis->first; i != redis->end; i++)
        answer_away(redis, i);
    redis_connect_in(redis, ms);
}

/* What is found late together, or nearly, has one cause and counts once. */
static bool is_too_slow(struct redis *redis, uint64_t now_us) {
    if (now_us - redis->slow_us < WATCH_US)
        return false;
    redis->slow_us = now_us;
    return ++redis->slow_count >= REDIS_SLOW_MAX;
}

/* Answers what is late. Answers come in order and deadlines mostly do; all are looked at. */
static void on_watch(struct loop_timer *timer) {
    struct redis *redis = container_of(timer, struct redis, watch);
    redis_socket_read(redis); /* an answer that waits for a busy loop is not late */
    uint64_t now_us = loop_clock(redis->loop)->monotonic_us;
    uint64_t next_us = WATCH_US;
    bool is_waiting = false, is_late = false;
    size_t end = redis->end;
    for (size_t i = redis->first; i < end; i++) {
        uint64_t deadline_us = slot_at(redis, i)->deadline_us;
        if (deadline_us == REDIS_NO_DEADLINE)
            continue;
        bool is_over = i < redis->written && deadline_us <= now_us;
        is_waiting |= !is_over;
        is_late |= is_over;
        if (is_over)
            answer_away(redis, i);
        else if (i < redis->written && deadline_us - now_us < next_us)
            next_us = deadline_us - now_us;
    }
    if (is_late && redis->state == REDIS_UP && is_too_slow(redis, now_us))
        rest_begin(redis);
    if (is_waiting || redis->end > end)
        watch_in(redis, next_us);
}

static void on_trial(struct redis_command *command, const struct redis_reply *reply) {
    struct redis *redis = command->owner;
    if (reply->answer == REDIS_AWAY) {
        /* Not even in a second: perhaps nobody is there any more. */
        if (redis->context != NULL)
            redis_drop(redis, "it does not answer");
    } else if (redis->state == REDIS_RESTING) {
        if (clock_monotonic_us() - redis->trial_us > redis->command_us)
            rest_begin(redis);
        else
            redis_state_set(redis, REDIS_UP, "");
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

static struct text reply_text(const redisReply *reply) {
    return (struct text){reply->str, reply->len};
}

static void list_take(const redisReply *reply, struct redis_reply *ret) {
    ret->answer = REDIS_LIST;
    ret->count = reply->elements < REDIS_LIST_MAX ? reply->elements : REDIS_LIST_MAX;
    for (size_t i = 0; i < ret->count; i++) {
        const redisReply *element = reply->element[i];
        if (element->type == REDIS_REPLY_INTEGER)
            ret->numbers[i] = element->integer;
        else if (element->str != NULL)
            ret->list[i] = reply_text(element);
    }
}

static struct redis_reply reply_of(const redisReply *reply) {
    struct redis_reply ret = {.answer = REDIS_NIL};
    switch (reply->type) {
    case REDIS_REPLY_ERROR:
        ret.answer = REDIS_REFUSED;
        ret.bytes = reply_text(reply);
        break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_VERB:
    case REDIS_REPLY_BIGNUM:
    case REDIS_REPLY_DOUBLE:
        ret.answer = REDIS_BYTES;
        ret.bytes = reply_text(reply);
        break;
    case REDIS_REPLY_INTEGER:
    case REDIS_REPLY_BOOL:
        ret.answer = REDIS_NUMBER;
        ret.number = reply->integer;
        break;
    case REDIS_REPLY_ARRAY:
    case REDIS_REPLY_SET:
    case REDIS_REPLY_MAP:
        list_take(reply, &ret);
        break;
    default:
        break;
    }
    return ret;
}

/* A server that is read-only now, or no longer what it was, is asked no more. */
static bool has_changed(struct text error) {
    static const char *const words[] = {"READONLY", "MOVED", "LOADING", "MASTERDOWN", "NOAUTH"};
    for (size_t i = 0; i < array_count(words); i++)
        if (text_starts(error, text_of(words[i])))
            return true;
    return false;
}

static void take_answer(struct redis *redis, const struct redis_slot *slot,
                        const redisReply *reply) {
    const redisContext *context = redis->context;
    struct redis_reply read = reply_of(reply);
    redis->counts.refused += read.answer == REDIS_REFUSED;
    if (slot->deadline_us != REDIS_NO_DEADLINE && redis->state == REDIS_UP) {
        redis->slow_count = 0;
        redis->rest_ms = REDIS_REST_MS;
    }
    if (slot->command != NULL)
        answer(slot->command, &read);
    if (redis->context == context && read.answer == REDIS_REFUSED && has_changed(read.bytes)) {
        char why[128];
        (void)snprintf(why, sizeof(why), "%.*s", (int)read.bytes.len, read.bytes.at);
        redis_drop(redis, why);
    }
}

static bool is_word(const redisReply *reply, const char *word) {
    return reply->str != NULL && strcmp(reply->str, word) == 0;
}

/* ["invalidate", [key...]] or ["invalidate", nil], which is all of them. */
static void take_invalidation(struct redis *redis, const redisReply *keys) {
    if (redis->handler.invalidated == NULL)
        return;
    if (keys->type == REDIS_REPLY_NIL)
        redis->handler.invalidated(redis->handler.self, (struct text){0});
    for (size_t i = 0; keys->type == REDIS_REPLY_ARRAY && i < keys->elements; i++) {
        if (keys->element[i]->str == NULL)
            continue;
        redis->counts.pushes++;
        redis->handler.invalidated(redis->handler.self, reply_text(keys->element[i]));
    }
}

/* What comes without being asked for. */
static void take_push(struct redis *redis, const redisReply *push) {
    if (push->elements == 2 && is_word(push->element[0], "invalidate"))
        take_invalidation(redis, push->element[1]);
    else if (push->elements == 3 && is_word(push->element[0], "subscribe"))
        redis_connect_greeted(redis);
    else if (push->elements == 3 && is_word(push->element[0], "message") &&
             push->element[2]->str != NULL && redis->handler.message != NULL)
        redis->handler.message(redis->handler.self, reply_text(push->element[2]));
}

void redis_take(struct redis *redis, const redisReply *reply) {
    if (reply->type == REDIS_REPLY_PUSH) {
        take_push(redis, reply);
    } else if (redis->first == redis->end) {
        redis_drop(redis,
                   reply->type == REDIS_REPLY_ERROR ? reply->str : "it answers what nobody asked");
    } else {
        struct redis_slot slot = *slot_at(redis, redis->first++);
        slot.take(redis, &slot, reply);
    }
}

/* ---- sending --------------------------------------------------------------------------------- */

bool redis_words_send(struct redis *redis, const struct redis_slot *slot, const struct text *words,
                      size_t count) {
    const char *at[REDIS_WORDS_MAX];
    size_t lens[REDIS_WORDS_MAX];
    check(count > 0 && count <= REDIS_WORDS_MAX);
    for (size_t i = 0; i < count; i++) {
        at[i] = words[i].len > 0 ? words[i].at : "";
        lens[i] = words[i].len;
    }
    if (redis->end - redis->first == REDIS_UNDER_WAY_MAX ||
        redisAppendCommandArgv(redis->context, (int)count, at, lens) != REDIS_OK)
        return false;
    *slot_at(redis, redis->end++) = *slot;
    return true;
}

bool redis_is_usable(const struct redis *redis) {
    return redis->state == REDIS_UP && redis->end - redis->first < REDIS_UNDER_WAY_MAX;
}

static bool command_send(struct redis *redis, struct redis_command *command,
                         const struct text *words, size_t count, uint64_t wait_us) {
    const struct redis_slot slot = {
        .take = take_answer, .command = command, .deadline_us = wait_us};
    if (!redis_words_send(redis, &slot, words, count))
        return false;
    redis->counts.commands++;
    if (command != NULL) {
        command->redis = redis;
        command->slot = redis->end - 1;
    }
    if (redis->watch.handle == NULL)
        watch_in(redis, WATCH_US);
    return true;
}

bool redis_send(struct redis *redis, struct redis_command *command, const struct text *words,
                size_t count) {
    magic_check(redis, REDIS_MAGIC);
    return redis_is_usable(redis) && redis_socket_unsent(redis) < REDIS_UNSENT_BYTES_MAX &&
           command_send(redis, command, words, count, redis->command_us);
}

void redis_forget(struct redis_command *command) {
    if (command->redis == NULL)
        return;
    struct redis_slot *slot = slot_at(command->redis, command->slot);
    if (slot->command == command)
        slot->command = NULL;
    command->redis = NULL;
}

/* Late answers to what was given up come before its own. */
void redis_trial_begin(struct redis *redis) {
    redis->trial = (struct redis_command){.done = on_trial, .owner = redis};
    redis->trial_us = clock_monotonic_us();
    if (!command_send(redis, &redis->trial, &TEXT("PING"), 1, TRIAL_MS * 1000))
        redis_drop(redis, "it has not answered for long");
}

/* The time of what was sent in this turn runs from now on. */
static void deadlines_set(struct redis *redis) {
    uint64_t now_us = clock_monotonic_us();
    if (redis->written < redis->first)
        redis->written = redis->first; /* answered before the turn's end */
    for (; redis->written != redis->end; redis->written++) {
        struct redis_slot *slot = slot_at(redis, redis->written);
        if (slot->deadline_us != REDIS_NO_DEADLINE)
            slot->deadline_us += now_us;
    }
}

/* At the turn's end: all commands of the turn in one write. */
static bool flush(struct loop_part *part) {
    struct redis *redis = container_of(part, struct redis, part);
    if (!redis->is_connected)
        return false;
    if (redis->written != redis->end)
        deadlines_set(redis);
    return redis_socket_flush(redis);
}

/* ---- open and close -------------------------------------------------------------------------- */

/* The loop ends. */
static void end(struct loop_part *part) {
    struct redis *redis = container_of(part, struct redis, part);
    redis->has_ended = true;
    redis->handler = (struct redis_handler){0};
    redis_connect_end(redis);
    redis_drop(redis, "the loop has ended");
}

static bool options_take(struct redis *redis, const struct redis_options *options,
                         struct error *ret_error) {
    struct redis_url *url = &redis->url;
    if (!redis_url_read(options->url, url, ret_error))
        return false;
    if (options->track_prefix.len > 0)
        redis->prefix = redis_url_keep(url, options->track_prefix);
    if (options->channel.len > 0)
        redis->channel = redis_url_keep(url, options->channel);
    if ((options->track_prefix.len > 0 && redis->prefix == NULL) ||
        (options->channel.len > 0 && redis->channel == NULL))
        return error_set(ret_error, ERROR_FIELD_VALUE, "Redis' prefix or channel is too long");
    redis->command_us = (uint64_t)options->command_ms * 1000;
    return !url->is_tls || redis_tls_open(options, &redis->tls, ret_error);
}

static bool redis_make(struct loop *loop, const struct redis_options *options, struct redis *served,
                       struct redis **ret_redis, struct error *ret_error);

/* The client of the sentinels, if the URL names some. Its part of the loop is older, and so ends
 * later. */
static bool sentinels_make(struct redis *redis, const struct redis_options *options,
                           struct error *ret_error) {
    struct redis_options watch = *options;
    watch.track_prefix = (struct text){0};
    watch.channel = TEXT("+switch-master");
    watch.command_ms = SENTINELS_COMMAND_MS;
    if (redis->url.master == NULL || redis->served != NULL)
        return true;
    return redis_make(redis->loop, &watch, redis, &redis->sentinels, ret_error);
}

static bool redis_make(struct loop *loop, const struct redis_options *options, struct redis *served,
                       struct redis **ret_redis, struct error *ret_error) {
    struct redis *redis = calloc(1, sizeof(*redis));
    if (redis == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    redis->loop = loop;
    redis->served = served;
    if (!options_take(redis, options, ret_error) || !sentinels_make(redis, options, ret_error)) {
        redis_tls_close(redis->tls);
        free(redis);
        return false;
    }
    redis->magic = REDIS_MAGIC;
    redis->part = (struct loop_part){.end = end, .flush = flush};
    redis->watch.fire = on_watch;
    redis->backoff_ms = REDIS_BACKOFF_MIN_MS;
    redis->rest_ms = REDIS_REST_MS;
    if (served != NULL)
        redis->handler = redis_connect_handler(served);
    (void)snprintf(redis->why, sizeof(redis->why), "it is being connected to");
    loop_part_add(loop, &redis->part);
    redis_connect_in(redis, 0);
    *ret_redis = redis;
    return true;
}

bool redis_open(struct loop *loop, const struct redis_options *options,
                const struct redis_handler *handler, struct redis **ret_redis,
                struct error *ret_error) {
    if (!redis_make(loop, options, NULL, ret_redis, ret_error))
        return false;
    (*ret_redis)->handler = *handler;
    return true;
}

void redis_close(struct redis *redis) {
    if (redis == NULL)
        return;
    magic_check(redis, REDIS_MAGIC);
    if (!redis->has_ended)
        loop_end(redis->loop);
    redis_close(redis->sentinels);
    redis_tls_close(redis->tls);
    redis->magic = 0;
    free(redis);
}

enum redis_state redis_state(const struct redis *redis) {
    magic_check(redis, REDIS_MAGIC);
    return redis->state;
}

const char *redis_why(const struct redis *redis) {
    magic_check(redis, REDIS_MAGIC);
    return redis->why;
}

const struct redis_counts *redis_counts(const struct redis *redis) {
    magic_check(redis, REDIS_MAGIC);
    return &redis->counts;
}
