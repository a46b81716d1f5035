/* Timeouts of connections: a list for each thing to wait for, in the order in which they fall due,
 * and one coarse timer. */
#include "io/conn_parts.h"

/* How long what the peer still sends is dropped after the last reply, so that the reply is not lost
 * to the reset that a closed socket answers with (RFC 9112 §9.6). */
#define LINGER_MS 1000
#define EXPIRE_MS_MAX 250
/* How often it is looked in the time for a write whether there is progress. */
#define WRITE_CHECKS 16

static uint32_t wait_ms(const struct conn_pool *pool, enum conn_wait wait) {
    const struct conn_limits *limits = &pool->limits;
    switch (wait) {
    case WAIT_IDLE:
        return pool->is_draining && limits->idle_ms > CONN_DRAIN_IDLE_MS ? CONN_DRAIN_IDLE_MS
                                                                         : limits->idle_ms;
    case WAIT_PROXY:
    case WAIT_HEADER:
        return limits->header_ms;
    case WAIT_BODY:
        return limits->body_ms;
    case WAIT_WRITE:
        return limits->write_ms / WRITE_CHECKS;
    default:
        return LINGER_MS;
    }
}

/* The time starts anew. */
static void wait_start(struct conn *conn, enum conn_wait wait) {
    struct conn_pool *pool = conn->pool;
    conn->wait = wait;
    conn->deadline_us = loop_clock(pool->loop)->monotonic_us + (uint64_t)wait_ms(pool, wait) * 1000;
    queue_remove(&conn->link);
    queue_push(&pool->waits[wait], &conn->link);
}

void conn_wait_set(struct conn *conn, enum conn_wait wait) {
    if (wait != conn->wait)
        wait_start(conn, wait);
}

static void request_expire(struct conn *conn, uint32_t limit_ms) {
    struct error error;
    metric_add(conn->pool->metrics, METRIC_CONNECTIONS_SLOW, 1);
    (void)error_set(&error, ERROR_HTTP_SLOW, limit_ms % 1000 == 0 ? "%u s" : "%u ms",
                    limit_ms % 1000 == 0 ? limit_ms / 1000 : limit_ms);
    conn_refuse(conn, &error);
    conn_update(conn);
}

bool conn_pool_make_room(struct conn_pool *pool) {
    struct queue *header = queue_first(&pool->waits[WAIT_HEADER]);
    struct queue *body = queue_first(&pool->waits[WAIT_BODY]);
    struct queue *first = header != NULL ? header : body;
    if (header != NULL && body != NULL &&
        container_of(body, struct conn, link)->deadline_us <
            container_of(header, struct conn, link)->deadline_us)
        first = body;
    if (first == NULL)
        return false;
    struct conn *conn = container_of(first, struct conn, link);
    conn_refuse_overloaded(conn);
    conn_update(conn);
    return true;
}

/* Looks at a write now and then, and ends it when there was no progress for the whole time. */
static void write_expire(struct conn *conn) {
    struct conn_write *write = conn->write;
    uint64_t now_us = loop_clock(conn->pool->loop)->monotonic_us;
    size_t left_bytes = uv_stream_get_write_queue_size(&conn->uv.stream);
    if (left_bytes < write->left_bytes)
        write->progress_us = now_us;
    write->left_bytes = left_bytes;
    if (now_us - write->progress_us < (uint64_t)conn->pool->limits.write_ms * 1000) {
        wait_start(conn, WAIT_WRITE);
        return;
    }
    metric_add(conn->pool->metrics, METRIC_CONNECTIONS_SLOW, 1);
    conn_reset(conn);
}

static void conn_expire(struct conn *conn) {
    switch (conn->wait) {
    case WAIT_PROXY:
    case WAIT_HEADER:
        request_expire(conn, conn->pool->limits.header_ms);
        break;
    case WAIT_BODY:
        request_expire(conn, conn->pool->limits.body_ms);
        break;
    case WAIT_WRITE:
        write_expire(conn);
        break;
    default:
        conn_close(conn);
    }
}

void conn_pool_expire(struct loop_timer *timer) {
    struct conn_pool *pool = container_of(timer, struct conn_pool, timer);
    uint64_t now_us = loop_clock(pool->loop)->monotonic_us;
    for (enum conn_wait wait = 0; wait < WAIT_HANDLER; wait++) {
        struct queue *first;
        while ((first = queue_first(&pool->waits[wait])) != NULL) {
            struct conn *conn = container_of(first, struct conn, link);
            if (conn->deadline_us > now_us)
                break;
            conn_expire(conn);
        }
    }
}

/* An eighth of the shortest time, so that none is late by more than that. */
uint32_t conn_pool_expire_ms(const struct conn_limits *limits) {
    uint32_t shortest = limits->idle_ms;
    if (limits->header_ms < shortest)
        shortest = limits->header_ms;
    if (limits->body_ms < shortest)
        shortest = limits->body_ms;
    if (limits->write_ms < shortest)
        shortest = limits->write_ms;
    uint32_t ms = shortest / 8;
    return ms > EXPIRE_MS_MAX ? EXPIRE_MS_MAX : ms > 0 ? ms : 1;
}
