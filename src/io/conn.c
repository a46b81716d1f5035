/* The reading half of connections: bytes into blocks, blocks into requests, requests to the
 * handler. */
#include "io/conn_parts.h"
#include "io/proxy.h"

/* What a peer may send that is dropped, after its last request. */
#define DROPPED_BYTES_MAX (1024 * 1024)
/* Requests that begin before those of the turn so far are ended. The poll hands out thousands of
 * events at once; this bounds how long the first waits, and the buffers. */
#define TURN_REQUESTS_MAX 256

/* ---- the input block ------------------------------------------------------------------------- */

static void input_drop(struct conn *conn) {
    block_unref(conn->pool, conn->input);
    slab_put(&conn->pool->parsers, conn->parser);
    conn->input = NULL;
    conn->parser = NULL;
    conn->start = conn->fed = 0;
}

static bool input_open(struct conn *conn) {
    struct conn_pool *pool = conn->pool;
    conn->input = block_get(pool, BLOCK_SMALL_ROOM, BLOCK_REQUEST);
    if (conn->input == NULL && conn_pool_make_room(pool))
        conn->input = block_get(pool, BLOCK_SMALL_ROOM, BLOCK_REQUEST);
    conn->parser = conn->input != NULL ? slab_get(&pool->parsers) : NULL;
    if (conn->parser == NULL) {
        input_drop(conn);
        return false;
    }
    http_parser_init(conn->parser, &pool->limits.http);
    return true;
}

/* Moves the part of a request that is there to where more of it has room. */
static bool input_grow(struct conn *conn) {
    struct block *block = conn->input;
    check(conn->start + conn->fed == block->len); /* else it would not read */
    if (block->refs == 1 && conn->start > 0) {
        memmove(block->bytes, block->bytes + conn->start, conn->fed);
    } else {
        size_t size = 2 * (size_t)conn->fed, max = conn->pool->block_rooms[BLOCK_LARGE];
        block = block_get(conn->pool, size < max ? size : max,
                          size > BLOCK_SMALL_ROOM ? BLOCK_LARGE_REQUEST : BLOCK_REQUEST);
        if (block == NULL)
            return false;
        memcpy(block->bytes, conn->input->bytes + conn->start, conn->fed);
        block_unref(conn->pool, conn->input);
        conn->input = block;
    }
    conn->start = 0;
    block->len = conn->fed;
    return true;
}

/* Room for the next read: what is left of the block, unless that is little and can be more. */
static bool input_room(struct conn *conn) {
    if (conn->input == NULL)
        return input_open(conn);
    uint32_t room = conn->input->size - conn->input->len;
    return room > (conn->start > 0 ? conn->input->size / 4 : 0) || input_grow(conn);
}

static size_t unfed_bytes(const struct conn *conn) {
    return conn->input == NULL ? 0 : conn->input->len - conn->start - conn->fed;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Whether a further request may begin. */
static bool may_begin(const struct conn *conn) {
    const struct conn_limits *limits = &conn->pool->limits;
    return conn->state == CONN_OPEN && conn->write == NULL &&
           conn->exchange_count < limits->pipeline_max &&
           conn->reply_bytes < limits->reply_bytes_max;
}

void conn_read_no_more(struct conn *conn) {
    if (conn->state == CONN_OPEN)
        conn_state_set(conn, CONN_LAST);
    conn->proxy_due = conn->continue_due = false;
    input_drop(conn);
}

void conn_refuse(struct conn *conn, const struct error *error) {
    char memory[1024], id_memory[64];
    struct buffer body = buffer_over(memory, sizeof(memory));
    struct buffer id = buffer_over(id_memory, sizeof(id_memory));
    struct http_reply reply = {.status = error_http_status(error->code), .close = true};
    conn->pool->handler.refused(conn->pool->handler.self, error, &body, &id);
    reply.body = buffer_text(&body);
    reply.request_id = buffer_text(&id);
    if (reply.status == 503)
        reply.extra = TEXT("Retry-After: 1\r\n");
    conn_read_no_more(conn);
    conn_queue_last(conn, &reply);
}

void conn_refuse_overloaded(struct conn *conn) {
    struct error error;
    (void)error_set(&error, ERROR_OVERLOADED, "memory");
    metric_add(conn->pool->metrics, METRIC_OVERLOADED, 1);
    conn_refuse(conn, &error);
}

static void exchange_begin(struct conn *conn, size_t used) {
    struct conn_pool *pool = conn->pool;
    struct exchange *exchange = slab_get(&pool->exchanges);
    if (exchange == NULL) {
        conn_refuse_overloaded(conn);
        return;
    }
    *exchange = (struct exchange){.conn = conn, .input = conn->input};
    conn->input->refs++;
    http_parser_request(conn->parser, conn->input->bytes + conn->start, &exchange->request);
    queue_push(&conn->exchanges, &exchange->link);
    conn->exchange_count++;
    conn->start += (uint32_t)used;
    conn->fed = 0;
    pool->begun++;
    conn_wait_set(conn, WAIT_HANDLER);
    if (!exchange->request.keep_alive)
        conn_read_no_more(conn);
    pool->handler.begin(pool->handler.self, exchange);
}

/* Takes the PROXY header off the front, as soon as it is whole; what there is of it is kept. */
static void proxy_take(struct conn *conn) {
    struct proxy_header header;
    struct error error;
    struct text text = {conn->input->bytes + conn->start, conn->input->len - conn->start};
    switch (proxy_header_read(text, &header, &error)) {
    case PROXY_MORE:
        conn->fed = (uint32_t)text.len;
        break;
    case PROXY_BAD:
        metric_add(conn->pool->metrics, METRIC_CONNECTIONS_UNPROXIED, 1);
        conn_refuse(conn, &error);
        break;
    case PROXY_WHOLE:
        conn->proxy_due = false;
        conn->fed = 0;
        conn->start += (uint32_t)header.bytes;
        if (header.has_peer && conn_is_proxy(conn))
            conn_peer_set(conn, &header.peer);
    }
}

void conn_advance(struct conn *conn) {
    if (unlikely(conn->proxy_due) && conn->input != NULL)
        proxy_take(conn);
    while (may_begin(conn) && unfed_bytes(conn) > 0) {
        struct block *block = conn->input;
        size_t used;
        enum http_event event = http_parser_feed(conn->parser, block->bytes + conn->start,
                                                 conn->fed, block->len - conn->start, &used);
        conn->continue_due = event == HTTP_CONTINUE;
        if (event == HTTP_REQUEST) {
            exchange_begin(conn, used);
        } else if (event == HTTP_REFUSED) {
            conn_refuse(conn, http_parser_error(conn->parser));
        } else {
            block->len = conn->start + (uint32_t)used;
            conn->fed = (uint32_t)used;
        }
        conn_queue_continue(conn);
    }
    if (conn->fed == 0 && unfed_bytes(conn) == 0)
        input_drop(conn);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_room) {
    struct conn *conn = handle->data;
    (void)suggested;
    magic_check(conn, CONN_MAGIC);
    if (conn->state != CONN_OPEN)
        *ret_room = uv_buf_init(conn->pool->scratch, sizeof(conn->pool->scratch));
    else if (input_room(conn))
        *ret_room = uv_buf_init(conn->input->bytes + conn->input->len,
                                conn->input->size - conn->input->len);
    else
        *ret_room = uv_buf_init(NULL, 0); /* on_read is told UV_ENOBUFS */
}

static void read_drop(struct conn *conn, size_t len) {
    conn->dropped_bytes += (uint32_t)len;
    if (conn->dropped_bytes > DROPPED_BYTES_MAX && conn->state == CONN_LINGER)
        conn_cut(conn);
}

static void read_end(struct conn *conn) {
    conn->has_end = true;
    conn->is_reading = false; /* libuv has stopped it */
    if (conn->state == CONN_LINGER)
        conn_cut(conn);
    conn_read_no_more(conn);
    conn_mark(conn);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *room) {
    struct conn *conn = stream->data;
    (void)room;
    magic_check(conn, CONN_MAGIC);
    loop_wake(conn->pool->loop);
    if (len > 0 && conn->state == CONN_OPEN) {
        conn->input->len += (uint32_t)len;
        conn_advance(conn);
    } else if (len > 0) {
        read_drop(conn, (size_t)len);
    } else if (len == UV_ENOBUFS) {
        conn_refuse_overloaded(conn);
    } else if (len == UV_EOF) {
        read_end(conn);
    } else if (len < 0) {
        conn_cut(conn);
    } else {
        conn_advance(conn); /* nothing came: gives the block back */
    }
    conn_update(conn);
    if (conn->pool->begun - conn->pool->begun_at_turn >= TURN_REQUESTS_MAX)
        loop_turn_break(conn->pool->loop);
}

/* ---- what it waits for ----------------------------------------------------------------------- */

static bool wants_read(const struct conn *conn) {
    if (conn->state == CONN_LAST || conn->state == CONN_LINGER)
        return !conn->has_end && conn->dropped_bytes <= DROPPED_BYTES_MAX;
    return may_begin(conn);
}

static enum conn_wait wait_of(const struct conn *conn) {
    if (conn->state == CONN_LINGER)
        return WAIT_LINGER;
    if (conn->write != NULL)
        return WAIT_WRITE;
    if (conn->proxy_due)
        return WAIT_PROXY;
    if (conn->parser != NULL && http_parser_in_headers(conn->parser))
        return WAIT_HEADER;
    if (conn->parser != NULL && http_parser_in_body(conn->parser) && !conn->continue_due)
        return WAIT_BODY;
    return queue_is_empty(&conn->exchanges) ? WAIT_IDLE : WAIT_HANDLER;
}

void conn_update(struct conn *conn) {
    bool wants = wants_read(conn);
    if (wants && !conn->is_reading)
        check(uv_read_start(&conn->uv.stream, on_alloc, on_read) == 0);
    else if (!wants && conn->is_reading)
        check(uv_read_stop(&conn->uv.stream) == 0);
    conn->is_reading = wants;
    conn_wait_set(conn, wait_of(conn));
}
