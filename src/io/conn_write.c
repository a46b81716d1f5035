/* The writing half of connections: replies put in order, written once a turn, and what follows. */
#include <sys/socket.h>

#include "io/conn_parts.h"

#define WRITE_PIECES_MAX 16

/* ---- the queue of output --------------------------------------------------------------------- */

static void out_push(struct conn *conn, struct block *block) {
    if (conn->out_last != NULL)
        conn->out_last->next = block;
    else
        conn->out_first = block;
    conn->out_last = block;
}

/* The last block of the output if it has room, else a new one there; NULL when memory is short. */
static struct block *out_room(struct conn *conn, size_t size) {
    struct block *last = conn->out_last;
    if (last != NULL && last->size - last->len >= size)
        return last;
    struct block *block = block_get(conn->pool, size, BLOCK_REPLY);
    if (block != NULL)
        out_push(conn, block);
    return block;
}

/* Without memory for a reply the connection cannot go on. */
static void cut_overloaded(struct conn *conn) {
    metric_add(conn->pool->metrics, METRIC_OVERLOADED, 1);
    conn_cut(conn);
}

/* Writes a reply into a block that has room for it, or into none. */
static void reply_put(struct conn *conn, const struct http_reply *reply, struct block *block) {
    if (block == NULL) {
        cut_overloaded(conn);
        return;
    }
    struct buffer out = buffer_over(block->bytes + block->len, block->size - block->len);
    http_reply_write(reply, loop_clock(conn->pool->loop), &out);
    check(!out.overflow);
    block->len += (uint32_t)out.len;
    conn->reply_bytes += (uint32_t)out.len;
}

void conn_queue_continue(struct conn *conn) {
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!conn->continue_due || conn->state != CONN_OPEN || !queue_is_empty(&conn->exchanges))
        return;
    struct block *block = out_room(conn, sizeof(text) - 1);
    conn->continue_due = false;
    conn_mark(conn);
    if (block == NULL) {
        cut_overloaded(conn);
        return;
    }
    memcpy(block->bytes + block->len, text, sizeof(text) - 1);
    block->len += (uint32_t)sizeof(text) - 1;
    conn->reply_bytes += (uint32_t)sizeof(text) - 1;
}

/* Moves the replies whose turn it is to the output. */
static void replies_move(struct conn *conn) {
    struct queue *first;
    while ((first = queue_first(&conn->exchanges)) != NULL) {
        struct exchange *exchange = container_of(first, struct exchange, link);
        if (!exchange->is_replied)
            return;
        if (exchange->reply != NULL)
            out_push(conn, exchange->reply);
        queue_remove(first);
        conn->exchange_count--;
        slab_put(&conn->pool->exchanges, exchange);
    }
    if (conn->refusal != NULL)
        out_push(conn, conn->refusal);
    conn->refusal = NULL;
    conn_queue_continue(conn);
}

void conn_queue_last(struct conn *conn, const struct http_reply *reply) {
    struct block *block = block_get(conn->pool, http_reply_bytes_max(reply), BLOCK_REPLY);
    reply_put(conn, reply, block);
    conn->refusal = block;
    replies_move(conn);
    conn_mark(conn);
}

void exchange_reply(struct exchange *exchange, const struct http_reply *reply) {
    struct conn *conn = exchange->conn;
    struct http_reply full = *reply;
    magic_check(conn, CONN_MAGIC);
    check(!exchange->is_replied);
    bool is_first = conn->exchanges.next == &exchange->link;
    bool is_last = conn->exchanges.prev == &exchange->link && conn->refusal == NULL;
    if (reply->close || conn->pool->is_draining)
        conn_read_no_more(conn);
    full.close = conn->state != CONN_OPEN && is_last;
    full.is_head = exchange->request.method == HTTP_HEAD;
    full.is_http_1_0 = exchange->request.is_http_1_0;
    size_t size = http_reply_bytes_max(&full);
    if (is_first) {
        reply_put(conn, &full, out_room(conn, size));
    } else {
        exchange->reply = block_get(conn->pool, size, BLOCK_REPLY);
        reply_put(conn, &full, exchange->reply);
    }
    exchange->is_replied = true;
    block_unref(conn->pool, exchange->input);
    exchange->input = NULL;
    replies_move(conn);
    conn_mark(conn);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Gathers the output's first blocks; returns how many. */
static unsigned out_gather(const struct conn *conn, uv_buf_t pieces[static WRITE_PIECES_MAX],
                           size_t *ret_bytes) {
    unsigned count = 0;
    size_t bytes = 0;
    for (struct block *block = conn->out_first; block != NULL && count < WRITE_PIECES_MAX;
         block = block->next) {
        pieces[count++] = uv_buf_init(block->bytes + block->start, block->len - block->start);
        bytes += block->len - block->start;
    }
    *ret_bytes = bytes;
    return count;
}

/* Takes off what was written. */
static void out_take(struct conn *conn, size_t bytes) {
    while (conn->out_first != NULL) {
        struct block *block = conn->out_first;
        size_t left = block->len - block->start;
        if (bytes < left) {
            block->start += (uint32_t)bytes;
            return;
        }
        bytes -= left;
        conn->reply_bytes -= block->len;
        conn->out_first = block->next;
        block_unref(conn->pool, block);
    }
    conn->out_last = NULL;
}

static void on_written(uv_write_t *request, int status) {
    struct conn_write *write = request->data;
    struct conn *conn = write->conn;
    magic_check(conn, CONN_MAGIC);
    loop_wake(conn->pool->loop);
    for (struct block *block = write->blocks; block != NULL; block = block->next)
        conn->reply_bytes -= block->len;
    blocks_unref(conn->pool, write->blocks);
    slab_put(&conn->pool->writes, write);
    conn->write = NULL;
    if (conn->state == CONN_CLOSED)
        return;
    if (status != 0)
        conn_cut(conn);
    conn_mark(conn);
}

/* Has libuv write the rest when the peer takes it. */
static bool out_wait(struct conn *conn, const uv_buf_t *pieces, unsigned count) {
    struct conn_write *write = slab_get(&conn->pool->writes);
    if (write == NULL)
        return false;
    write->conn = conn;
    write->uv.data = write;
    if (uv_write(&write->uv, &conn->uv.stream, pieces, count, on_written) != 0) {
        slab_put(&conn->pool->writes, write);
        return false;
    }
    /* What is being written leaves the output, which may be added to meanwhile. */
    struct block *last = write->blocks = conn->out_first;
    for (unsigned i = 1; i < count; i++)
        last = last->next;
    conn->out_first = last->next;
    if (conn->out_first == NULL)
        conn->out_last = NULL;
    last->next = NULL;
    write->left_bytes = uv_stream_get_write_queue_size(&conn->uv.stream);
    write->progress_us = loop_clock(conn->pool->loop)->monotonic_us;
    conn->write = write;
    return true;
}

/* Writes the output, as far as the peer takes it; false when it has left. */
static bool out_write(struct conn *conn) {
    while (conn->out_first != NULL) {
        uv_buf_t pieces[WRITE_PIECES_MAX];
        size_t bytes;
        unsigned count = out_gather(conn, pieces, &bytes);
        int written = uv_try_write(&conn->uv.stream, pieces, count);
        if (written < 0 && written != UV_EAGAIN)
            return false;
        if (written > 0)
            out_take(conn, (size_t)written);
        if (written < 0 || (size_t)written < bytes) {
            count = out_gather(conn, pieces, &bytes);
            return out_wait(conn, pieces, count);
        }
    }
    return true;
}

/* ---- the end --------------------------------------------------------------------------------- */

static bool is_done(const struct conn *conn) {
    return queue_is_empty(&conn->exchanges) && conn->out_first == NULL && conn->write == NULL;
}

/* All is written. The peer is told so, and has time to read it: a socket that is closed with input
 * unread resets the connection, and what was written may be lost (RFC 9112 §9.6). */
static void conn_finish(struct conn *conn) {
    int descriptor;
    bool is_told = !conn->has_end && uv_fileno(&conn->uv.handle, &descriptor) == 0 &&
                   shutdown(descriptor, SHUT_WR) == 0;
    conn_state_set(conn, is_told ? CONN_LINGER : CONN_CUT);
}

void conn_flush(struct conn *conn) {
    magic_check(conn, CONN_MAGIC);
    if (conn->state < CONN_CUT && conn->write == NULL && !out_write(conn))
        conn_state_set(conn, CONN_CUT);
    if (conn->state == CONN_OPEN)
        conn_advance(conn);
    if (conn->state == CONN_LAST && is_done(conn))
        conn_finish(conn);
    if (conn->state == CONN_CUT)
        conn_close(conn);
    else
        conn_update(conn);
}
