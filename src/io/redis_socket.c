/* The socket of a Redis client: one write a turn, replies whole and of bounded size. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <hiredis/sds.h>
#include <stdlib.h>

#include "io/redis_parts.h"

#define READ_BYTES (16 * 1024) /* that hiredis reads at once */
#define READS_PER_TURN 64
#define ELEMENTS_MAX 4096 /* of a list: invalidated keys */
#define DEPTH_MAX 8 /* of lists in lists, which are freed by recursion; hiredis has no limit */
#define KEEPALIVE_S 15

/* What looks at a connection's socket; lives until libuv has closed its handle. */
struct redis_link {
    uv_poll_t poll;
    struct redis *redis; /* NULL: the connection is gone */
    int events;
    redisReplyObjectFunctions functions; /* hiredis' own, but for lists */
    void *(*list_make)(const redisReadTask *task, size_t count);
};

size_t redis_socket_unsent(const struct redis *redis) {
    return redis->context->obuf != NULL ? sdslen(redis->context->obuf) : 0;
}

/* Closes it for what hiredis or OpenSSL says. */
static void socket_fail(struct redis *redis) {
    const char *why = redis->ssl != NULL ? redis_tls_why(redis->ssl) : NULL;
    redis_drop(redis, why != NULL ? why : redis->context->errstr);
}

static void on_poll(uv_poll_t *handle, int status, int events);

static bool wants_room(const struct redis *redis) {
    bool has_unsent = redis_socket_unsent(redis) > 0;
    return !redis->is_connected ||
           (redis->ssl != NULL ? redis_tls_wants_room(redis->ssl, has_unsent) : has_unsent);
}

/* To be told of room for what is not sent yet; with TLS, when it is room that it waits for. */
static void events_set(struct redis *redis) {
    struct redis_link *link = redis->link;
    int events = UV_READABLE | (wants_room(redis) ? UV_WRITABLE : 0);
    if (link->events == events)
        return;
    link->events = events;
    check(uv_poll_start(&link->poll, events, on_poll) == 0);
}

static bool write_all(struct redis *redis) {
    int is_done = 0;
    if (redisBufferWrite(redis->context, &is_done) != REDIS_OK) {
        socket_fail(redis);
        return false;
    }
    events_set(redis);
    return true;
}

bool redis_socket_flush(struct redis *redis) {
    return (redis->link->events & UV_WRITABLE) == 0 && wants_room(redis) && !write_all(redis);
}

/* Takes the replies that have come whole; false when the connection is gone. `unfinished_bytes`
 * bounds what one may take, also one of many small parts: hiredis holds them outside its buffer. */
static bool replies_take(struct redis *redis) {
    redisContext *context = redis->context;
    void *reply = NULL;
    while (redisGetReplyFromReader(context, &reply) == REDIS_OK && reply != NULL) {
        redis->unfinished_bytes = context->reader->len - context->reader->pos;
        redis_take(redis, reply);
        freeReplyObject(reply);
        if (redis->context != context)
            return false;
    }
    if (context->err != 0)
        socket_fail(redis);
    else if (redis->unfinished_bytes > REDIS_REPLY_BYTES_MAX)
        redis_drop(redis, "it sends more than anybody asked for");
    return redis->context == context;
}

void redis_socket_read(struct redis *redis) {
    /* hiredis reads 16 KiB at a time, and TLS may hold more than the socket tells of. */
    for (unsigned i = 0; redis->is_connected && i < READS_PER_TURN; i++) {
        size_t before = redis->context->reader->len;
        if (redisBufferRead(redis->context) != REDIS_OK) {
            socket_fail(redis);
            return;
        }
        size_t some = redis->context->reader->len - before;
        redis->unfinished_bytes += some;
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
        redis_drop(redis, uv_strerror(-number));
        return false;
    }
    redis->is_connected = true;
    if (redis->tls == NULL ||
        redis_tls_begin(redis->tls, redis->place.host, redis->context, &redis->ssl))
        return true;
    redis_drop(redis, redis->context->err != 0 ? redis->context->errstr
                                               : "TLS cannot begin without a name to check");
    return false;
}

static void on_poll(uv_poll_t *handle, int status, int events) {
    struct redis_link *link = handle->data;
    struct redis *redis = link->redis;
    (void)status; /* reading and writing tell it better */
    (void)events;
    if (redis == NULL)
        return;
    loop_wake(redis->loop);
    if (!redis->is_connected && !connected(redis))
        return;
    redis_socket_read(redis);
    if (redis->link == link && (link->events & UV_WRITABLE) != 0)
        (void)write_all(redis);
}

/* NULL, as if memory were out, if it lies too deep. */
static void *list_make(const redisReadTask *task, size_t count) {
    const struct redis_link *link = task->privdata;
    unsigned depth = 0;
    for (const redisReadTask *at = task; at != NULL; at = at->parent)
        depth++;
    return depth <= DEPTH_MAX ? link->list_make(task, count) : NULL;
}

static void reader_bound(struct redis_link *link, redisReader *reader) {
    link->functions = *reader->fn;
    link->list_make = link->functions.createArray;
    link->functions.createArray = list_make;
    reader->fn = &link->functions;
    reader->privdata = link;
    reader->maxelements = ELEMENTS_MAX;
}

static bool link_make(struct redis *redis) {
    struct redis_link *link = calloc(1, sizeof(*link));
    if (link == NULL)
        return false;
    if (uv_poll_init(loop_uv(redis->loop), &link->poll, redis->context->fd) != 0) {
        free(link);
        return false;
    }
    link->poll.data = link;
    link->redis = redis;
    redis->link = link;
    reader_bound(link, redis->context->reader);
    events_set(redis);
    return true;
}

const char *redis_socket_open(struct redis *redis, const char *host, uint16_t port) {
    redisContext *context =
        host == NULL ? redisConnectUnixNonBlock(redis->url.path) : redisConnectNonBlock(host, port);
    redis->context = context;
    redis->unfinished_bytes = 0;
    if (context == NULL)
        return "there is no memory";
    if (context->err != 0)
        return context->errstr;
    if (host != NULL)
        (void)redisEnableKeepAliveWithInterval(context, KEEPALIVE_S);
    return link_make(redis) ? NULL : "there is no memory";
}

static void on_link_closed(uv_handle_t *handle) {
    free(handle->data);
}

void redis_socket_close(struct redis *redis) {
    if (redis->link != NULL) {
        redis->link->redis = NULL;
        uv_close((uv_handle_t *)&redis->link->poll, on_link_closed);
    }
    if (redis->context != NULL)
        redisFree(redis->context);
    redis->link = NULL;
    redis->context = NULL;
    redis->ssl = NULL;
    redis->is_connected = false;
}
