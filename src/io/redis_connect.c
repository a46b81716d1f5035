/* How a Redis client connects: sentinels, names, the greeting, and when to try again. */
#include <hiredis/hiredis.h>

#include "io/redis_parts.h"

#define CONNECT_MS 2000 /* to connect and to be greeted */

static struct text reply_text(const redisReply *reply) {
    return (struct text){reply->str, reply->len};
}

/* ---- greeting -------------------------------------------------------------------------------- */

void redis_connect_greeted(struct redis *redis) {
    if (redis->greetings == 0 || --redis->greetings > 0)
        return;
    loop_timer_stop(&redis->retry);
    redis_ready(redis);
}

static void take_greeting(struct redis *redis, const struct redis_slot *slot,
                          const redisReply *reply) {
    char why[160];
    bool is_replica = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
                      reply->element[0]->str != NULL &&
                      text_equal(reply_text(reply->element[0]), TEXT("slave"));
    if (reply->type != REDIS_REPLY_ERROR && !is_replica) {
        redis_connect_greeted(redis);
        return;
    }
    if (redis->served != NULL && text_starts(reply_text(reply), TEXT("NOAUTH")))
        redis->is_login_wanted = true;
    if (is_replica)
        redis->sentinels->tries++; /* that one is behind: let another tell */
    (void)snprintf(why, sizeof(why), "%s: %.100s", slot->what,
                   is_replica ? "it is a replica" : reply->str);
    redis_drop(redis, why);
}

static bool greeting_send(struct redis *redis, const struct text *words, size_t count) {
    const struct redis_slot slot = {
        .take = take_greeting, .what = words[0].at, .deadline_us = REDIS_NO_DEADLINE};
    redis->greetings++;
    return redis_words_send(redis, &slot, words, count);
}

static bool hello_send(struct redis *redis) {
    struct text words[7] = {TEXT_INIT("HELLO"), TEXT_INIT("3")};
    const struct redis_url *url = &redis->url;
    size_t count = 2;
    if (url->password != NULL && (redis->served == NULL || redis->is_login_wanted)) {
        words[count++] = TEXT("AUTH");
        words[count++] = text_of(url->user != NULL ? url->user : "default");
        words[count++] = text_of(url->password);
    }
    words[count++] = TEXT("SETNAME");
    words[count++] = TEXT("mintd");
    return greeting_send(redis, words, count);
}

static bool tracking_send(struct redis *redis) {
    const struct text words[] = {TEXT_INIT("CLIENT"), TEXT_INIT("TRACKING"), TEXT_INIT("ON"),
                                 TEXT_INIT("BCAST"),  TEXT_INIT("PREFIX"),   text_of(redis->prefix),
                                 TEXT_INIT("NOLOOP")};
    return greeting_send(redis, words, array_count(words));
}

/* Its answer is a push; only a refusal is a reply, the last one of all. */
static bool subscription_send(struct redis *redis) {
    redis->greetings++;
    return redisAppendCommand(redis->context, "SUBSCRIBE %s", redis->channel) == REDIS_OK;
}

/* All of it at once; the server takes it in order. A sentinel has no databases. */
static bool greet(struct redis *redis) {
    char database[16];
    (void)snprintf(database, sizeof(database), "%u", redis->url.database);
    const struct text select[] = {TEXT_INIT("SELECT"), text_of(database)};
    redis->greetings = 0;
    return hello_send(redis) && (redis->served != NULL || greeting_send(redis, select, 2)) &&
           (redis->sentinels == NULL || greeting_send(redis, &TEXT("ROLE"), 1)) &&
           (redis->prefix == NULL || tracking_send(redis)) &&
           (redis->channel == NULL || subscription_send(redis));
}

/* ---- an address ------------------------------------------------------------------------------ */

static void connect_to(struct redis *redis, const char *host, uint16_t port) {
    redis->phase = PHASE_CONNECTING;
    const char *why = redis_socket_open(redis, host, port);
    if (why == NULL && !greet(redis))
        why = "there is no memory";
    if (why != NULL)
        redis_drop(redis, why);
    else
        redis_connect_in(redis, CONNECT_MS); /* or give up */
}

/* The address whose turn it is: each try takes the next place, and after all the next address. */
static const struct addrinfo *address_next(const struct redis *redis,
                                           const struct addrinfo *found) {
    size_t places = redis->served != NULL ? redis->url.place_count : 1;
    size_t count = 1;
    for (const struct addrinfo *at = found->ai_next; at != NULL; at = at->ai_next)
        count++;
    for (size_t skip = redis->tries / places % count; skip > 0; skip--)
        found = found->ai_next;
    return found;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
    struct redis *redis = request->data;
    char host[64];
    loop_wake(redis->loop);
    redis->phase = PHASE_WAITING;
    if (!redis->has_ended && status == 0)
        status = uv_ip_name(address_next(redis, found)->ai_addr, host, sizeof(host));
    uv_freeaddrinfo(found);
    if (redis->has_ended)
        return;
    if (status != 0)
        redis_drop(redis, uv_strerror(status));
    else
        connect_to(redis, host, redis->place.port);
}

static void resolve(struct redis *redis) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    redis->resolving.data = redis;
    redis->phase = PHASE_RESOLVING;
    int status = uv_getaddrinfo(loop_uv(redis->loop), &redis->resolving, on_resolved,
                                redis->place.host, NULL, &hints);
    if (status != 0)
        redis_drop(redis, uv_strerror(status));
}

/* ---- sentinels ------------------------------------------------------------------------------- */

/* The next sentinel may know better. */
static void sentinel_leave(struct redis *redis, const char *why) {
    redis->tries++;
    redis_drop(redis, why);
}

static void on_master(struct redis_command *command, const struct redis_reply *reply) {
    struct redis *redis = command->owner;
    uint64_t port = 0;
    if (reply->answer == REDIS_LIST && reply->count == 2 && reply->list[0].len > 0 &&
        reply->list[0].len < sizeof(redis->master_host) &&
        text_number(reply->list[1], UINT16_MAX, &port)) {
        (void)snprintf(redis->master_host, sizeof(redis->master_host), "%.*s",
                       (int)reply->list[0].len, reply->list[0].at);
        redis->master = redis->place = (struct redis_place){redis->master_host, (uint16_t)port};
        resolve(redis);
        return;
    }
    redis_drop(redis, "the sentinel does not name the master");
    if (reply->answer != REDIS_AWAY)
        sentinel_leave(redis->sentinels, "it does not name the master");
}

static void master_ask(struct redis *redis) {
    const struct text words[] = {TEXT_INIT("SENTINEL"), TEXT_INIT("get-master-addr-by-name"),
                                 text_of(redis->url.master)};
    redis->phase = PHASE_ASKING;
    redis->asking = (struct redis_command){.done = on_master, .owner = redis};
    if (!redis_send(redis->sentinels, &redis->asking, words, array_count(words)))
        redis_drop(redis, redis->sentinels->why);
}

/* Another master, or a sentinel that can be asked: no need to wait longer. */
static void hurry(struct redis *redis) {
    redis->backoff_ms = REDIS_BACKOFF_MIN_MS;
    if (redis->phase == PHASE_WAITING)
        redis_connect_in(redis, 0);
}

static void on_sentinels_state(void *self, enum redis_state state, const char *why) {
    (void)why;
    if (state == REDIS_UP)
        hurry(self);
}

/* "<master> <old host> <old port> <new host> <new port>" */
static void on_switch(void *self, struct text payload) {
    struct redis *redis = self;
    struct text master = text_of(redis->url.master);
    if (!text_starts(payload, master) || payload.len == master.len || payload.at[master.len] != ' ')
        return;
    if (redis->phase == PHASE_CONNECTING || redis->phase == PHASE_READY)
        redis_drop(redis, "the sentinels have made another the master");
    hurry(redis);
}

struct redis_handler redis_connect_handler(struct redis *served) {
    return (struct redis_handler){
        .self = served, .state = on_sentinels_state, .message = on_switch};
}

/* ---- when ------------------------------------------------------------------------------------ */

static void connect_begin(struct redis *redis) {
    if (redis->url.path != NULL) {
        connect_to(redis, NULL, 0);
    } else if (redis->sentinels != NULL) {
        master_ask(redis);
    } else {
        redis->place = redis->url.places[redis->tries % redis->url.place_count];
        resolve(redis);
    }
}

static void on_retry(struct loop_timer *timer) {
    struct redis *redis = container_of(timer, struct redis, retry);
    if (redis->phase == PHASE_READY && redis->state == REDIS_RESTING)
        redis_trial_begin(redis);
    else if (redis->phase == PHASE_WAITING)
        connect_begin(redis);
    else if (redis->phase == PHASE_CONNECTING)
        redis_drop(redis, "it does not answer");
}

void redis_connect_in(struct redis *redis, uint32_t ms) {
    redis->retry.fire = on_retry;
    if (!redis->has_ended && !loop_timer_start(redis->loop, &redis->retry, ms, 0))
        redis->phase = PHASE_WAITING;
}

void redis_connect_end(struct redis *redis) {
    loop_timer_stop(&redis->retry);
    redis_forget(&redis->asking);
    if (redis->phase == PHASE_RESOLVING)
        (void)uv_cancel((uv_req_t *)&redis->resolving);
}
