/* The connections of a loop: taken in, looked at when a turn ends, drained, closed. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/conn_parts.h"

#define BUFFER_BYTES_MAX (32U * 1024 * 1024)

/* ---- one connection -------------------------------------------------------------------------- */

void conn_state_set(struct conn *conn, enum conn_state state) {
    check(state > conn->state);
    conn->state = state;
}

void conn_mark(struct conn *conn) {
    if (queue_is_empty(&conn->dirty))
        queue_push(&conn->pool->dirty, &conn->dirty);
}

void conn_cut(struct conn *conn) {
    if (conn->state < CONN_CUT)
        conn_state_set(conn, CONN_CUT);
    conn_mark(conn);
}

static void count_set(struct conn_pool *pool, size_t count) {
    pool->count = count;
    metric_set(pool->metrics, METRIC_CONNECTIONS, count);
}

static void on_closed(uv_handle_t *handle) {
    struct conn *conn = handle->data;
    struct conn_pool *pool = conn->pool;
    loop_wake(pool->loop);
    conn->magic = 0;
    slab_put(&pool->conns, conn);
    count_set(pool, pool->count - 1);
}

void conn_close(struct conn *conn) {
    struct conn_pool *pool = conn->pool;
    magic_check(conn, CONN_MAGIC);
    conn_state_set(conn, CONN_CLOSED);
    queue_remove(&conn->link);
    queue_remove(&conn->dirty);
    for (struct queue *link; (link = queue_pop(&conn->exchanges)) != NULL;) {
        struct exchange *exchange = container_of(link, struct exchange, link);
        if (!exchange->is_replied)
            pool->handler.gone(pool->handler.self, exchange);
        block_unref(pool, exchange->input);
        block_unref(pool, exchange->reply);
        slab_put(&pool->exchanges, exchange);
    }
    conn_read_no_more(conn); /* gives the input back */
    blocks_unref(pool, conn->out_first);
    block_unref(pool, conn->refusal);
    uv_close(&conn->uv.handle, on_closed);
}

void conn_reset(struct conn *conn) {
    const struct linger at_once = {.l_onoff = 1};
    int descriptor;
    if (uv_fileno(&conn->uv.handle, &descriptor) == 0)
        (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    conn_close(conn);
}

/* ---- taking connections in ------------------------------------------------------------------- */

/* The address in its shortest form: IPv4 as such, also when it came through an IPv6 socket. Kept as
 * text, as it is asked for with each request. */
void conn_peer_set(struct conn *conn, const struct sockaddr_storage *peer) {
    const void *address = NULL;
    conn->peer_family = peer->ss_family;
    conn->peer[0] = '\0';
    if (peer->ss_family == AF_INET) {
        address = &((const struct sockaddr_in *)peer)->sin_addr;
    } else if (peer->ss_family == AF_INET6) {
        const struct in6_addr *ipv6 = &((const struct sockaddr_in6 *)peer)->sin6_addr;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(ipv6);
        conn->peer_family = is_mapped ? AF_INET : AF_INET6;
        address = ipv6->s6_addr + (is_mapped ? 12 : 0);
    }
    if (address != NULL)
        check(inet_ntop(conn->peer_family, address, conn->peer, sizeof(conn->peer)) != NULL);
}

void conn_peer(const struct conn *conn, char ret_address[static CONN_ADDRESS_CHARS]) {
    magic_check(conn, CONN_MAGIC);
    memcpy(ret_address, conn->peer, sizeof(conn->peer));
}

bool conn_is_proxy(const struct conn *conn) {
    const struct conn_limits *limits = &conn->pool->limits;
    uint8_t address[ADDRESS_BYTES];
    if (limits->proxy_count == 0 || conn->peer_family == AF_UNIX)
        return true;
    return cidr_read_address(text_of(conn->peer), address) &&
           cidr_any_has(limits->proxies, limits->proxy_count, address);
}

/* Gives the socket to libuv; the connection is to be closed if that fails. */
static bool socket_take(struct conn *conn, int descriptor) {
    uv_loop_t *uv = loop_uv(conn->pool->loop);
    bool is_unix = conn->peer_family == AF_UNIX;
    check((is_unix ? uv_pipe_init(uv, &conn->uv.pipe, 0) : uv_tcp_init(uv, &conn->uv.tcp)) == 0);
    conn->uv.handle.data = conn;
    if ((is_unix ? uv_pipe_open(&conn->uv.pipe, descriptor)
                 : uv_tcp_open(&conn->uv.tcp, descriptor)) == 0)
        return true;
    (void)close(descriptor);
    return false;
}

void conn_pool_refuse(struct conn_pool *pool, int descriptor) {
    char body_memory[512], memory[1024];
    struct buffer body = buffer_over(body_memory, sizeof(body_memory));
    struct buffer out = buffer_over(memory, sizeof(memory));
    struct error error;
    (void)error_set(&error, ERROR_OVERLOADED, "connections");
    error_json(&error, &body);
    struct http_reply reply = {.status = error_http_status(error.code),
                               .body = buffer_text(&body),
                               .extra = TEXT("Retry-After: 1\r\n"),
                               .close = true};
    http_reply_write(&reply, loop_clock(pool->loop), &out);
    check(!out.overflow);
    metric_add(pool->metrics, METRIC_CONNECTIONS_REFUSED, 1);
    /* Best effort. What has come already is read, as unread input would reset the connection. */
    (void)!send(descriptor, out.at, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(descriptor, SHUT_WR);
    (void)!recv(descriptor, pool->scratch, sizeof(pool->scratch), MSG_DONTWAIT);
    (void)close(descriptor);
}

void conn_pool_accept(struct conn_pool *pool, int descriptor, const struct sockaddr_storage *peer) {
    magic_check(pool, CONN_POOL_MAGIC);
    struct conn *conn = pool->count < pool->limits.connections_max ? slab_get(&pool->conns) : NULL;
    if (conn == NULL) {
        conn_pool_refuse(pool, descriptor);
        return;
    }
    *conn = (struct conn){
        .magic = CONN_MAGIC, .pool = pool, .wait = WAITS, .proxy_due = pool->limits.proxy_protocol};
    queue_init(&conn->link);
    queue_init(&conn->dirty);
    queue_init(&conn->exchanges);
    conn_peer_set(conn, peer);
    metric_add(pool->metrics, METRIC_CONNECTIONS_TOTAL, 1);
    count_set(pool, pool->count + 1);
    if (socket_take(conn, descriptor))
        conn_update(conn);
    else
        conn_close(conn);
}

/* ---- the pool -------------------------------------------------------------------------------- */

static bool pool_flush(struct loop_part *part) {
    struct conn_pool *pool = container_of(part, struct conn_pool, part);
    uint64_t begun = pool->begun_at_turn = pool->begun;
    struct queue marked;
    queue_init(&marked);
    queue_move(&marked, &pool->dirty);
    for (struct queue *link; (link = queue_pop(&marked)) != NULL;)
        conn_flush(container_of(link, struct conn, dirty));
    return pool->begun != begun || !queue_is_empty(&pool->dirty);
}

static void pool_end(struct loop_part *part) {
    struct conn_pool *pool = container_of(part, struct conn_pool, part);
    for (enum conn_wait wait = 0; wait < WAITS; wait++) {
        struct queue *first;
        while ((first = queue_first(&pool->waits[wait])) != NULL)
            conn_close(container_of(first, struct conn, link));
    }
}

static void pool_fill(struct conn_pool *pool) {
    slab_open(&pool->conns, sizeof(struct conn), 0);
    slab_open(&pool->parsers, http_parser_bytes(), 0);
    slab_open(&pool->exchanges, sizeof(struct exchange), 0);
    slab_open(&pool->writes, sizeof(struct conn_write), 0);
    blocks_open(pool);
    for (enum conn_wait wait = 0; wait < WAITS; wait++)
        queue_init(&pool->waits[wait]);
    queue_init(&pool->dirty);
    pool->part.end = pool_end;
    pool->part.flush = pool_flush;
    pool->timer.fire = conn_pool_expire;
}

bool conn_pool_open(struct loop *loop, const struct conn_limits *limits,
                    const struct conn_handler *handler, struct metrics *metrics,
                    struct conn_pool **ret_pool, struct error *ret_error) {
    check(limits->pipeline_max > 0 && limits->pipeline_max <= UINT16_MAX);
    struct conn_pool *pool = malloc(sizeof(*pool));
    if (pool == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    memset(pool, 0, offsetof(struct conn_pool, scratch));
    pool->magic = CONN_POOL_MAGIC;
    pool->loop = loop;
    pool->limits = *limits;
    pool->handler = *handler;
    pool->metrics = metrics;
    if (pool->limits.buffer_bytes_max == 0)
        pool->limits.buffer_bytes_max = BUFFER_BYTES_MAX;
    pool_fill(pool);
    uint32_t expire_ms = conn_pool_expire_ms(limits);
    if (!loop_timer_start(loop, &pool->timer, expire_ms, expire_ms)) {
        free(pool);
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    }
    loop_part_add(loop, &pool->part);
    *ret_pool = pool;
    return true;
}

size_t conn_pool_count(const struct conn_pool *pool) {
    magic_check(pool, CONN_POOL_MAGIC);
    return pool->count;
}

static void wait_shorten(struct conn_pool *pool, enum conn_wait wait, uint64_t latest_us) {
    struct queue *list = &pool->waits[wait];
    for (struct queue *link = list->next; link != list; link = link->next) {
        struct conn *conn = container_of(link, struct conn, link);
        if (conn->deadline_us > latest_us)
            conn->deadline_us = latest_us;
    }
}

void conn_pool_drain(struct conn_pool *pool) {
    magic_check(pool, CONN_POOL_MAGIC);
    uint64_t latest_us = loop_clock(pool->loop)->monotonic_us + CONN_DRAIN_IDLE_MS * 1000;
    pool->is_draining = true;
    wait_shorten(pool, WAIT_IDLE, latest_us);
    wait_shorten(pool, WAIT_PROXY, latest_us);
}

void conn_pool_close(struct conn_pool *pool) {
    if (pool == NULL)
        return;
    magic_check(pool, CONN_POOL_MAGIC);
    loop_end(pool->loop);
    slab_close(&pool->conns);
    slab_close(&pool->parsers);
    slab_close(&pool->exchanges);
    slab_close(&pool->writes);
    blocks_close(pool);
    pool->magic = 0;
    free(pool);
}
