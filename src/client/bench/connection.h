/* A connection under load: requests go out together, replies come in order. */
#ifndef CLIENT_BENCH_CONNECTION_H
#define CLIENT_BENCH_CONNECTION_H

#include "client/bench/plan.h"
#include "client/bench/reply.h"

/* A request under way. */
struct flight {
    uint64_t due_ns;  /* when it should have been sent: latency counts from here */
    uint64_t sent_ns; /* when it was given to the connection; the timeout counts from here */
    uint32_t token;
};

enum connection_state { CONNECTION_CLOSED, CONNECTION_OPENING, CONNECTION_OPEN };
struct connection {
    enum connection_state state;
    int descriptor;
    unsigned first, count; /* ring of flights, in the order of their replies */
    unsigned unsent;       /* the last of them, not yet written */
    struct flight *flights;
    struct reply_reader reader;
    struct buffer in;
    struct buffer out; /* the rest of what the socket did not take; NULL until that happens */
    size_t out_at;
};

void connection_push(struct connection *connection, const struct plan *plan, struct flight flight);
struct flight connection_pop(struct connection *connection, const struct plan *plan);
/* Begins to connect, and tells `epoll` of the connection (edge-triggered, once for all). False
 * with errno when that fails at once. */
must_check bool connection_open(struct connection *connection, const struct plan *plan, int epoll);
void connection_close(struct connection *connection);
/* Writes what is unsent, composed in `scratch`, which has room for requests.bytes_max *
 * plan.pipeline. False with errno when the connection is broken. */
must_check bool connection_send(struct connection *connection, const struct plan *plan,
                                struct buffer *scratch);
/* Reads once into `in`, which grows as long as a reply needs it. What read() says, or -1 with
 * ENOMEM. */
must_check ssize_t connection_receive(struct connection *connection);
/* The room that is left in `in` after a read that did not fill it shows that nothing more was
 * there. */
static inline bool connection_is_drained(const struct connection *connection) {
    return connection->in.len < connection->in.size;
}

#endif
