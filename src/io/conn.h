/* Connections: HTTP requests in, replies out in order, with every limit on the way. */
#ifndef IO_CONN_H
#define IO_CONN_H

#include "base/cidr.h"
#include "base/metrics.h"
#include "http/reply.h"
#include "http/request.h"
#include "io/loop.h"

struct block;
struct conn;

struct conn_limits {
    struct http_limits http;
    uint32_t connections_max;  /* of this loop; above it a new one gets a 503 and is closed */
    uint32_t idle_ms;          /* 60000, without a request under way */
    uint32_t header_ms;        /* 10000, from the first byte of a request to the end of its headers,
                                 and from the connection to the end of its PROXY header */
    uint32_t body_ms;          /* 10000, from there to its last byte */
    uint32_t write_ms;         /* 10000, without progress while a reply waits for the peer */
    uint32_t pipeline_max;     /* 16 requests of one connection under way; then reading pauses */
    uint32_t reply_bytes_max;  /* 1 MiB of replies queued in a turn; then reading pauses. It pauses
                                  too while the peer does not take what was written. */
    uint32_t buffer_bytes_max; /* 32 MiB (also for 0) of buffers of all connections; half of it is
                                  kept from large requests, a quarter from all requests. When a
                                  request finds none, the one that has been coming for the longest
                                  gets a 503; a large one gets it itself. */
    /* Connections begin with a PROXY header (io/proxy.h), else they are refused. The peer that it
     * names is taken on if it comes from one of these ranges or over a unix socket, or if there are
     * no ranges. They outlive the pool. */
    bool proxy_protocol;
    const struct cidr *proxies;
    size_t proxy_count;
};

/* One request and its place in the order of its connection's replies. Lives from `begin` until
 * exchange_reply, or until `gone` returns. Never outlives its loop. */
struct exchange {
    struct http_request request; /* texts live as long as the exchange */
    struct conn *conn;
    void *user;          /* the handler's; NULL at `begin` */
    struct queue link;   /* the connection's, and so is what follows */
    struct block *input; /* that holds the texts */
    struct block *reply; /* that waits for the replies before it */
    bool is_replied;
};

/* Whoever answers. Called on the loop's thread. */
struct conn_handler {
    void *self;
    /* A request is whole. The handler replies now or later. */
    void (*begin)(void *self, struct exchange *exchange);
    /* The client left (or was cut) before the reply: forget the exchange; it is invalid afterwards.
     * */
    void (*gone)(void *self, struct exchange *exchange);
    /* A request was refused by the parser or a limit. Writes the body of the reply, `error` in the
     * JSON shape, and an id for X-Request-Id (none if left empty). The connection is closed after
     * it. */
    void (*refused)(void *self, const struct error *error, struct buffer *out_body,
                    struct buffer *out_request_id);
};

/* Connections of one loop: slabs, timeouts, and the list of those with something to write. */
struct conn_pool;
must_check bool conn_pool_open(struct loop *loop, const struct conn_limits *limits,
                               const struct conn_handler *handler, struct metrics *metrics,
                               struct conn_pool **ret_pool, struct error *ret_error);
/* Every connection is closed after the replies under way ("Connection: close"), or after the reply
 * to the next request if that comes soon: a client's request may be on its way, so idle ones have
 * CONN_DRAIN_IDLE_MS before they are closed. */
#define CONN_DRAIN_IDLE_MS 500
void conn_pool_drain(struct conn_pool *pool);
size_t conn_pool_count(const struct conn_pool *pool);
/* After the loop has ended: every connection was closed by loop_run's end (exchanges are `gone`).
 * Ends a loop that was never run. `pool` may be NULL. */
void conn_pool_close(struct conn_pool *pool);

/* Queues the reply; it is written with the others of this turn in one write, in the order in which
 * the requests came. `is_head`, `is_http_1_0` and `close` are settled here; `close` given as true
 * closes the connection after the replies under way. The exchange is invalid afterwards. */
void exchange_reply(struct exchange *exchange, const struct http_reply *reply);

/* The peer's address as text without the port ("192.0.2.1", "2001:db8::1", "" for a unix socket):
 * the one that the PROXY header names, where it was taken on. */
#define CONN_ADDRESS_CHARS 46
void conn_peer(const struct conn *conn, char ret_address[static CONN_ADDRESS_CHARS]);

#endif
