/* A Redis client on a loop: commands and their deadlines, the breaker, and connecting anew. */
#include "io/redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <stdlib.h>

#include "base/memory.h"
#include "io/loop_parts.h"
#include "io/redis_parts.h"

#define REDIS_MAGIC 0x72656469U
#define CONNECT_MS 2000 /* to connect and to be greeted */
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 5000
#define REST_MAX_MS 10000
#define TRIAL_MS 1000 /* a trial not answered by then: the connection may be dead */
#define WATCH_MS 5    /* how exactly deadlines are kept */
#define KEEPALIVE_S 15
#define READ_BYTES (16 * 1024) /* that hiredis reads at once */
#define READS_PER_TURN 64
#define REDIS_ELEMENTS_MAX 4096 /* of a list: invalidated keys */

/* What is going on with the connection. */
enum phase { PHASE_WAITING, PHASE_RESOLVING, PHASE_ASKING_SENTINEL, PHASE_GREETING, PHASE_READY };

/* What looks at a connection's socket; lives until libuv has closed its handle. */
struct link {
    uv_poll_t poll;
    struct redis *redis; /* NULL: the connection is gone */
    int events;
};

/* Something that was sent, in the order of the answers. */
struct slot {
    void (*take)(struct redis *redis, const struct slot *slot, const redisReply *reply);
    struct redis_command *command; /* NULL: nobody waits any more */
    const char *what;              /* of a greeting */
    uint64_t sent_us;
};

struct redis {
    uint32_t magic;
    enum redis_state state;
    enum phase phase;
    bool has_ended;
    struct loop *loop;
    struct loop_part part;
    struct redis_handler handler;
    struct redis_url url;
    const char *prefix;    /* NULL: none */
    const char *channel;   /* NULL: none */
    struct redis_tls *tls; /* NULL: none */
    struct ssl_st *ssl;    /* of the connection */
    uint64_t command_us;
    redisContext *context; /* NULL: not connected */
    struct link *link;     /* goes with it */
    bool is_connected;
    struct loop_timer retry; /* connects, ends a rest, or gives a greeting up */
    struct loop_timer watch; /* deadlines */
    uv_getaddrinfo_t resolving;
    const char *host;          /* that is being connected to; NULL: a unix socket */
    struct redis_place master; /* as a sentinel named it */
    char master_host[64];
    size_t sentinel;
    uint32_t backoff_ms;
    uint32_t rest_ms;
    uint32_t slow_count;
    size_t greetings; /* answers still to come */
    struct redis_command trial;
    struct redis_counts counts;
    struct slot slots[REDIS_UNDER_WAY_MAX]; /* a ring; `first` is answered next */
    size_t first;                           /* both count on, past the size */
    size_t end;
    char why[160];
};

static struct slot *slot_at(struct redis *redis, size_t number) {
    return &redis->slots[number % REDIS_UNDER_WAY_MAX];
}

static void retry_in(struct redis *redis, uint32_t ms);
static void greeting_done(struct redis *redis);

static void state_set(struct redis *redis, enum redis_state state, const char *why) {
    bool is_new = redis->state != state;
    redis->state = state;
    if (state == REDIS_UP)
        redis->why[0] = '\0';
    else if (why != NULL)
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
    struct redis_command *command = slot_at(redis, number)->command;
    slot_at(redis, number)->command = NULL;
    if (command == NULL)
        return;
    redis->counts.late++;
    answer(command, &(struct redis_reply){.answer = REDIS_AWAY});
}

/* Nothing that was sent will be answered. */
static void slots_drop(struct redis *redis) {
    while (redis->first != redis->end)
        answer_away(redis, redis->first++);
    loop_timer_stop(&redis->watch);
}

static void on_link_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void connection_close(struct redis *redis) {
    if (redis->link != NULL) {
        redis->link->redis = NULL;
        uv_close((uv_handle_t *)&redis->link->poll, on_link_closed);
    }
    if (redis->context != NULL)
        redisFree(redis->context);
    redis->link = NULL;
    redis->context = NULL;
    redis->ssl = NULL; /* the context's */
    redis->is_connected = false;
}

/* Closes the connection; `why` says what it was. Another try follows, later each time. */
static void connection_drop(struct redis *redis, const char *why) {
    state_set(redis, REDIS_CONNECTING, why); /* which may be the connection's own */
    connection_close(redis);
    redis->phase = PHASE_WAITING;
    slots_drop(redis);
    if (redis->has_ended)
        return;
    uint32_t ms = redis->backoff_ms;
    /* Half of it by chance, so that a fleet does not come back in one moment. */
    uint32_t jitter = (uint32_t)(clock_monotonic_ns() / 64 % (ms / 2 + 1));
    redis->backoff_ms = ms * 2 < BACKOFF_MAX_MS ? ms * 2 : BACKOFF_MAX_MS;
    redis->sentinel++;
    redis->master.host = NULL; /* the sentinels are asked again */
    retry_in(redis, ms / 2 + jitter);
}

/* ---- deadlines and the breaker --------------------------------------------------------------- */

static void watch_start(struct redis *redis) {
    if (redis->watch.handle == NULL && !loop_timer_start(redis->loop, &redis->watch, WATCH_MS, 0))
        return; /* memory is out: the answers themselves, or the connection's end, come anyway */
}

/* Leaves a slow server alone for a while; what is under way is given up. */
static void rest_begin(struct redis *redis) {
    uint32_t ms = redis->rest_ms;
    redis->rest_ms = ms * 2 < REST_MAX_MS ? ms * 2 : REST_MAX_MS;
    redis->slow_count = 0;
    state_set(redis, REDIS_RESTING, "it answers too slowly, and is left alone for a while");
    for (size_t i = redis->first; i != redis->end; i++)
        answer_away(redis, i);
    retry_in(redis, ms);
}

static void note_slow(struct redis *redis) {
    if (redis->state == REDIS_UP && ++redis->slow_count >= REDIS_SLOW_MAX)
        rest_begin(redis);
}

/* Answers what is late. Answers come in order and deadlines mostly do; all are looked at. */
static void on_watch(struct loop_timer *timer) {
    struct redis *redis = container_of(timer, struct redis, watch);
    uint64_t now_us = loop_clock(redis->loop)->monotonic_us;
    bool is_waiting = false;
    size_t end = redis->end;
    for (size_t i = redis->first; i < end && i >= redis->first; i++) {
        struct redis_command *command = slot_at(redis, i)->command;
        if (command == NULL)
            continue;
        if (command->deadline_us > now_us) {
            is_waiting = true;
            continue;
        }
        answer_away(redis, i);
        note_slow(redis);
    }
    if (is_waiting || redis->end > end)
        watch_start(redis);
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
    return text_starts(error, TEXT("READONLY")) || text_starts(error, TEXT("MOVED")) ||
           text_starts(error, TEXT("LOADING")) || text_starts(error, TEXT("MASTERDOWN")) ||
           text_starts(error, TEXT("NOAUTH"));
}

static void take_answer(struct redis *redis, const struct slot *slot, const redisReply *reply) {
    const redisContext *context = redis->context;
    uint64_t now_us = clock_monotonic_us();
    struct redis_reply read = reply_of(reply);
    redis->counts.refused += read.answer == REDIS_REFUSED;
    bool is_slow = now_us - slot->sent_us > redis->command_us;
    if (!is_slow && redis->state == REDIS_UP) {
        redis->slow_count = 0;
        redis->rest_ms = REDIS_REST_MS;
    }
    if (slot->command != NULL)
        answer(slot->command, &read);
    if (redis->context != context)
        return;
    if (read.answer == REDIS_REFUSED && has_changed(read.bytes)) {
        char why[128];
        (void)snprintf(why, sizeof(why), "%.*s", (int)read.bytes.len, read.bytes.at);
        connection_drop(redis, why);
    } else if (is_slow && slot->command != NULL) {
        note_slow(redis);
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
        greeting_done(redis);
    else if (push->elements == 3 && is_word(push->element[0], "message") &&
             push->element[2]->str != NULL && redis->handler.message != NULL)
        redis->handler.message(redis->handler.self, reply_text(push->element[2]));
}

static void take(struct redis *redis, const redisReply *reply) {
    if (reply->type == REDIS_REPLY_PUSH) {
        take_push(redis, reply);
    } else if (redis->first == redis->end) {
        connection_drop(redis, reply->type == REDIS_REPLY_ERROR ? reply->str
                                                                : "it answers what nobody asked");
    } else {
        struct slot slot = *slot_at(redis, redis->first++);
        slot.take(redis, &slot, reply);
    }
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Sent with the others at the turn's end. */
static bool words_send(struct redis *redis, const struct slot *slot, const struct text *words,
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
    struct slot slot = {take_answer, command, NULL, loop_clock(redis->loop)->monotonic_us};
    if (!words_send(redis, &slot, words, count))
        return false;
    redis->counts.commands++;
    if (command != NULL) {
        command->redis = redis;
        command->slot = redis->end - 1;
        command->deadline_us = slot.sent_us + wait_us;
        watch_start(redis);
    }
    return true;
}

bool redis_send(struct redis *redis, struct redis_command *command, const struct text *words,
                size_t count) {
    magic_check(redis, REDIS_MAGIC);
    return redis_is_usable(redis) && command_send(redis, command, words, count, redis->command_us);
}

void redis_forget(struct redis_command *command) {
    if (command->redis == NULL)
        return;
    struct slot *slot = slot_at(command->redis, command->slot);
    if (slot->command == command)
        slot->command = NULL;
    command->redis = NULL;
}

/* ---- the socket ------------------------------------------------------------------------------ */

static void on_poll(uv_poll_t *handle, int status, int events);

/* Closes it for what hiredis or OpenSSL says. */
static void connection_fail(struct redis *redis) {
    const char *why = redis->ssl != NULL ? redis_tls_why(redis->ssl) : NULL;
    connection_drop(redis, why != NULL ? why : redis->context->errstr);
}

/* To be told of room for what is not sent yet; with TLS, when it is room that it waits for. */
static void events_set(struct redis *redis) {
    struct link *link = redis->link;
    bool has_unsent = !redis->is_connected || redis_has_unsent(redis->context, redis->ssl);
    int events = UV_READABLE | (has_unsent ? UV_WRITABLE : 0);
    if (link->events == events)
        return;
    link->events = events;
    check(uv_poll_start(&link->poll, events, on_poll) == 0);
}

static void write_all(struct redis *redis) {
    int is_done = 0;
    if (redisBufferWrite(redis->context, &is_done) != REDIS_OK)
        connection_fail(redis);
    else
        events_set(redis);
}

/* At the turn's end: all commands of the turn in one write. */
static bool flush(struct loop_part *part) {
    struct redis *redis = container_of(part, struct redis, part);
    if (redis->is_connected && (redis->link->events & UV_WRITABLE) == 0 &&
        redis_has_unsent(redis->context, redis->ssl))
        write_all(redis);
    return false;
}

/* Takes what has come; false when the connection is gone. */
static bool replies_take(struct redis *redis) {
    redisContext *context = redis->context;
    void *reply = NULL;
    while (redisGetReplyFromReader(context, &reply) == REDIS_OK && reply != NULL) {
        take(redis, reply);
        freeReplyObject(reply);
        if (redis->context != context)
            return false;
    }
    if (context->err != 0)
        connection_fail(redis);
    else if (context->reader->len > REDIS_REPLY_BYTES_MAX)
        connection_drop(redis, "it sends more than anybody asked for");
    return redis->context == context;
}

/* hiredis reads 16 KiB at a time, and TLS may hold more than the socket tells of. */
static void read_all(struct redis *redis) {
    for (unsigned i = 0; i < READS_PER_TURN; i++) {
        size_t before = redis->context->reader->len;
        if (redisBufferRead(redis->context) != REDIS_OK) {
            connection_fail(redis);
            return;
        }
        size_t some = redis->context->reader->len - before;
        if (!replies_take(redis) || some == 0 || (redis->ssl == NULL && some < READ_BYTES))
            return;
    }
}

/* The connection stands or has failed. */
static bool connected(struct redis *redis) {
    int number = 0;
    socklen_t len = sizeof(number);
    if (getsockopt(redis->context->fd, SOL_SOCKET, SO_ERROR, &number, &len) != 0)
        number = errno;
    if (number != 0) {
        connection_drop(redis, uv_strerror(-number));
        return false;
    }
    redis->is_connected = true;
    if (redis->tls == NULL || redis_tls_begin(redis->tls, redis->host, redis->context, &redis->ssl))
        return true;
    connection_drop(redis, redis->context->err != 0 ? redis->context->errstr
                                                    : "TLS cannot begin without a name to check");
    return false;
}

static void on_poll(uv_poll_t *handle, int status, int events) {
    struct link *link = handle->data;
    struct redis *redis = link->redis;
    (void)status; /* reading and writing tell it better */
    (void)events;
    if (redis == NULL)
        return;
    loop_wake(redis->loop);
    if (!redis->is_connected && !connected(redis))
        return;
    read_all(redis);
    if (redis->context != NULL)
        write_all(redis);
}

static bool link_make(struct redis *redis) {
    struct link *link = calloc(1, sizeof(*link));
    if (link == NULL)
        return false;
    if (uv_poll_init(loop_uv(redis->loop), &link->poll, redis->context->fd) != 0) {
        free(link);
        return false;
    }
    link->poll.data = link;
    link->redis = redis;
    redis->link = link;
    events_set(redis);
    return true;
}

/* ---- the trial after a rest ------------------------------------------------------------------ */

static void on_trial(struct redis_command *command, const struct redis_reply *reply) {
    struct redis *redis = command->owner;
    if (reply->answer == REDIS_AWAY) {
        /* Not even in a second: perhaps nobody is there any more. */
        if (redis->context != NULL)
            connection_drop(redis, "it does not answer");
        return;
    }
    if (redis->state != REDIS_RESTING)
        return;
    uint64_t sent_us = command->deadline_us - TRIAL_MS * 1000;
    if (clock_monotonic_us() - sent_us > redis->command_us)
        rest_begin(redis);
    else
        state_set(redis, REDIS_UP, NULL);
}

/* Asks once, with patience; late answers to what was given up come before its own. */
static void trial_begin(struct redis *redis) {
    redis->trial = (struct redis_command){.done = on_trial, .owner = redis};
    if (!command_send(redis, &redis->trial, &TEXT("PING"), 1, TRIAL_MS * 1000))
        connection_drop(redis, "it has not answered for long");
}

/* ---- greeting -------------------------------------------------------------------------------- */

static void greeted(struct redis *redis) {
    loop_timer_stop(&redis->retry);
    redis->phase = PHASE_READY;
    redis->slow_count = 0;
    redis->counts.connects++;
    state_set(redis, REDIS_UP, NULL);
    redis->rest_ms = REDIS_REST_MS;
    redis->backoff_ms = BACKOFF_MIN_MS;
}

static void greeting_done(struct redis *redis) {
    if (redis->greetings > 0 && --redis->greetings == 0)
        greeted(redis);
}

static void take_greeting(struct redis *redis, const struct slot *slot, const redisReply *reply) {
    char why[160];
    bool is_replica = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
                      is_word(reply->element[0], "slave");
    if (reply->type == REDIS_REPLY_ERROR || is_replica) {
        (void)snprintf(why, sizeof(why), "%s: %.100s", slot->what,
                       is_replica ? "it is a replica" : reply->str);
        connection_drop(redis, why);
        return;
    }
    greeting_done(redis);
}

static bool greeting_send(struct redis *redis, const struct text *words, size_t count) {
    struct slot slot = {.take = take_greeting, .what = words[0].at};
    redis->greetings++;
    return words_send(redis, &slot, words, count);
}

/* Its answer is a push. */
static bool subscription_send(struct redis *redis) {
    redis->greetings++;
    return redisAppendCommand(redis->context, "SUBSCRIBE %s", redis->channel) == REDIS_OK;
}

/* All of it at once; the server takes it in order. */
static bool greet(struct redis *redis) {
    char database[16];
    struct text words[8];
    size_t count = 0;
    redis->phase = PHASE_GREETING;
    redis->greetings = 0;
    words[count++] = TEXT("HELLO");
    words[count++] = TEXT("3");
    if (redis->url.password != NULL) {
        words[count++] = TEXT("AUTH");
        words[count++] = text_of(redis->url.user != NULL ? redis->url.user : "default");
        words[count++] = text_of(redis->url.password);
    }
    words[count++] = TEXT("SETNAME");
    words[count++] = TEXT("mintd");
    (void)snprintf(database, sizeof(database), "%u", redis->url.database);
    const struct text select[] = {TEXT_INIT("SELECT"), text_of(database)};
    const struct text track[] = {
        TEXT_INIT("CLIENT"), TEXT_INIT("TRACKING"),
        TEXT_INIT("ON"),     TEXT_INIT("BCAST"),
        TEXT_INIT("PREFIX"), text_of(redis->prefix != NULL ? redis->prefix : ""),
        TEXT_INIT("NOLOOP")};
    return greeting_send(redis, words, count) && greeting_send(redis, select, 2) &&
           (redis->url.master == NULL || greeting_send(redis, &TEXT("ROLE"), 1)) &&
           (redis->prefix == NULL || greeting_send(redis, track, array_count(track))) &&
           (redis->channel == NULL || subscription_send(redis));
}

/* ---- connecting ------------------------------------------------------------------------------ */

static void take_master(struct redis *redis, const struct slot *slot, const redisReply *reply) {
    uint64_t port = 0;
    (void)slot;
    bool is_named = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                    reply->element[0]->str != NULL && reply->element[1]->str != NULL &&
                    reply->element[0]->len < sizeof(redis->master_host) &&
                    text_number(reply_text(reply->element[1]), UINT16_MAX, &port);
    if (!is_named) {
        connection_drop(redis, reply->type == REDIS_REPLY_ERROR
                                   ? reply->str
                                   : "the sentinel does not know the master");
        return;
    }
    (void)snprintf(redis->master_host, sizeof(redis->master_host), "%s", reply->element[0]->str);
    redis->master = (struct redis_place){redis->master_host, (uint16_t)port};
    connection_close(redis);
    redis->phase = PHASE_WAITING;
    retry_in(redis, 0);
}

static bool sentinel_ask(struct redis *redis) {
    const struct slot slot = {.take = take_master};
    const struct text words[] = {TEXT_INIT("SENTINEL"), TEXT_INIT("get-master-addr-by-name"),
                                 text_of(redis->url.master)};
    redis->phase = PHASE_ASKING_SENTINEL;
    return words_send(redis, &slot, words, array_count(words));
}

/* Everything of a new connection, and its first words. */
static bool connection_arm(struct redis *redis) {
    bool is_master = redis->url.master == NULL || redis->master.host != NULL;
    redis->context->reader->maxelements = REDIS_ELEMENTS_MAX;
    if (redis->url.path == NULL)
        (void)redisEnableKeepAliveWithInterval(redis->context, KEEPALIVE_S);
    return link_make(redis) && (is_master ? greet(redis) : sentinel_ask(redis));
}

/* To an address that needs no resolving, or a unix socket. */
static void connect_to(struct redis *redis, const char *host, uint16_t port) {
    redisContext *context = redis->url.path != NULL ? redisConnectUnixNonBlock(redis->url.path)
                                                    : redisConnectNonBlock(host, port);
    redis->context = context;
    if (context != NULL && context->err != 0)
        connection_fail(redis);
    else if (context == NULL || !connection_arm(redis))
        connection_drop(redis, "there is no memory");
    else
        retry_in(redis, CONNECT_MS);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
    struct redis *redis = request->data;
    char host[64];
    uint16_t port = 0;
    loop_wake(redis->loop);
    redis->phase = PHASE_WAITING;
    if (!redis->has_ended && status == 0) {
        const struct sockaddr *address = found->ai_addr;
        port = ntohs(address->sa_family == AF_INET6
                         ? ((const struct sockaddr_in6 *)(const void *)address)->sin6_port
                         : ((const struct sockaddr_in *)(const void *)address)->sin_port);
        status = uv_ip_name(address, host, sizeof(host));
    }
    uv_freeaddrinfo(found);
    if (redis->has_ended)
        return;
    if (status != 0)
        connection_drop(redis, uv_strerror(status));
    else
        connect_to(redis, host, port);
}

static void connect_begin(struct redis *redis) {
    const struct redis_place *place = &redis->url.places[0];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    char port[8];
    if (redis->url.path != NULL) {
        redis->host = NULL;
        connect_to(redis, NULL, 0);
        return;
    }
    if (redis->url.master != NULL && redis->master.host == NULL)
        place = &redis->url.places[redis->sentinel % redis->url.place_count];
    else if (redis->url.master != NULL)
        place = &redis->master;
    (void)snprintf(port, sizeof(port), "%u", place->port);
    redis->host = place->host;
    redis->resolving.data = redis;
    redis->phase = PHASE_RESOLVING;
    int status = uv_getaddrinfo(loop_uv(redis->loop), &redis->resolving, on_resolved, place->host,
                                port, &hints);
    if (status != 0)
        connection_drop(redis, uv_strerror(status));
}

static void on_retry(struct loop_timer *timer) {
    struct redis *redis = container_of(timer, struct redis, retry);
    if (redis->phase == PHASE_READY && redis->state == REDIS_RESTING) {
        trial_begin(redis);
    } else if (redis->phase == PHASE_WAITING) {
        connect_begin(redis);
    } else if (redis->phase != PHASE_RESOLVING && redis->phase != PHASE_READY) {
        connection_drop(redis, "it does not answer");
    }
}

static void retry_in(struct redis *redis, uint32_t ms) {
    if (!redis->has_ended && !loop_timer_start(redis->loop, &redis->retry, ms, 0))
        redis->phase = PHASE_WAITING;
}

/* ---- open and close -------------------------------------------------------------------------- */

/* The loop ends. */
static void end(struct loop_part *part) {
    struct redis *redis = container_of(part, struct redis, part);
    redis->has_ended = true;
    redis->handler = (struct redis_handler){0};
    loop_timer_stop(&redis->retry);
    if (redis->phase == PHASE_RESOLVING)
        (void)uv_cancel((uv_req_t *)&redis->resolving);
    connection_drop(redis, "the loop has ended");
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

bool redis_open(struct loop *loop, const struct redis_options *options,
                const struct redis_handler *handler, struct redis **ret_redis,
                struct error *ret_error) {
    struct redis *redis = calloc(1, sizeof(*redis));
    if (redis == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    if (!options_take(redis, options, ret_error)) {
        redis_tls_close(redis->tls);
        free(redis);
        return false;
    }
    redis->magic = REDIS_MAGIC;
    redis->loop = loop;
    redis->handler = *handler;
    redis->part = (struct loop_part){.end = end, .flush = flush};
    redis->retry.fire = on_retry;
    redis->watch.fire = on_watch;
    redis->backoff_ms = BACKOFF_MIN_MS;
    redis->rest_ms = REDIS_REST_MS;
    (void)snprintf(redis->why, sizeof(redis->why), "it is being connected to");
    loop_part_add(loop, &redis->part);
    retry_in(redis, 0);
    *ret_redis = redis;
    return true;
}

void redis_close(struct redis *redis) {
    if (redis == NULL)
        return;
    magic_check(redis, REDIS_MAGIC);
    if (!redis->has_ended)
        loop_end(redis->loop);
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
