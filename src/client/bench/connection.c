/* A connection under load: requests go out together, replies come in order. */
#include "client/bench/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define IN_BYTES (16U << 10)
#define IN_BYTES_MAX (REPLY_HEAD_BYTES_MAX + 2 * REPLY_BODY_BYTES_MAX)

void connection_push(struct connection *connection, const struct plan *plan, struct flight flight) {
    check(connection->count < plan->pipeline);
    connection->flights[(connection->first + connection->count) % plan->pipeline] = flight;
    connection->count++;
    connection->unsent++;
}

struct flight connection_pop(struct connection *connection, const struct plan *plan) {
    struct flight flight = connection->flights[connection->first];
    check(connection->count > 0);
    connection->first = (connection->first + 1) % plan->pipeline;
    connection->count--;
    if (connection->unsent > connection->count)
        connection->unsent = connection->count;
    return flight;
}

bool connection_open(struct connection *connection, const struct plan *plan, int epoll) {
    const struct bench_target *target = &plan->target;
    int family = target->address.ss_family, one = 1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = connection};
    check(connection->state == CONNECTION_CLOSED);
    int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return false;
    if (family != AF_UNIX)
        (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (family != AF_UNIX && plan->is_connection_fresh) {
        /* Closed by a reset: with thousands a second TIME_WAIT would use all ports up. */
        struct linger linger = {1, 0};
        (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    connection->descriptor = descriptor;
    connection->state = CONNECTION_OPENING;
    if ((connect(descriptor, (const struct sockaddr *)&target->address, target->address_bytes) !=
             0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        int code = errno;
        connection_close(connection);
        errno = code;
        return false;
    }
    return true;
}

void connection_close(struct connection *connection) {
    if (connection->state != CONNECTION_CLOSED)
        (void)close(connection->descriptor);
    connection->state = CONNECTION_CLOSED;
    connection->reader = (struct reply_reader){0};
    connection->in.len = connection->out.len = connection->out_at = 0;
}

static void request_write(const struct bench_requests *requests, uint32_t token,
                          struct buffer *out) {
    check(requests->before.at != NULL);
    buffer_add(out, requests->before);
    if (requests->tokens != NULL) {
        buffer_add(out, requests->tokens[token]);
        buffer_add(out, requests->after);
    }
}

/* Keeps the rest until the socket takes it. */
static bool rest_keep(struct connection *connection, const struct buffer *scratch, size_t from) {
    struct buffer *out = &connection->out;
    check(scratch->at != NULL && from < scratch->len);
    if (out->at == NULL) {
        char *memory = malloc(scratch->size);
        if (memory == NULL)
            return false;
        *out = buffer_over(memory, scratch->size);
    }
    connection->out_at = 0;
    buffer_add(out, (struct text){scratch->at + from, scratch->len - from});
    check(!out->overflow);
    return true;
}

/* Whether nothing is left to be written of an earlier batch; false with errno 0: not yet. */
static bool rest_send(struct connection *connection) {
    struct buffer *out = &connection->out;
    while (connection->out_at < out->len) {
        ssize_t sent = send(connection->descriptor, out->at + connection->out_at,
                            out->len - connection->out_at, MSG_NOSIGNAL);
        if (sent < 0) {
            bool is_later = errno == EAGAIN || errno == EPIPE || errno == ECONNRESET;
            errno = is_later ? 0 : errno;
            return false;
        }
        connection->out_at += (size_t)sent;
    }
    out->len = connection->out_at = 0;
    return true;
}

bool connection_send(struct connection *connection, const struct plan *plan,
                     struct buffer *scratch) {
    unsigned first = connection->first + connection->count - connection->unsent;
    if (connection->out.len > 0 && !rest_send(connection))
        return errno == 0;
    if (connection->unsent == 0)
        return true;
    scratch->len = 0;
    for (unsigned i = 0; i < connection->unsent; i++)
        request_write(&plan->requests, connection->flights[(first + i) % plan->pipeline].token,
                      scratch);
    check(!scratch->overflow);
    ssize_t sent = send(connection->descriptor, scratch->at, scratch->len, MSG_NOSIGNAL);
    bool is_reset = sent < 0 && (errno == EPIPE || errno == ECONNRESET);
    if (sent < 0 && errno != EAGAIN && !is_reset)
        return false;
    connection->unsent = 0;
    if (is_reset)
        return true; /* what came before it is still to be read, and tells more */
    size_t from = sent < 0 ? 0 : (size_t)sent;
    return from == scratch->len || rest_keep(connection, scratch, from);
}

ssize_t connection_receive(struct connection *connection) {
    struct buffer *in = &connection->in;
    if (in->len == in->size) {
        size_t size = in->size == 0 ? IN_BYTES : 2 * in->size;
        char *larger = size <= 2 * IN_BYTES_MAX ? realloc(in->at, size) : NULL;
        if (larger == NULL) {
            errno = ENOMEM;
            return -1;
        }
        in->at = larger;
        in->size = size;
    }
    ssize_t got = recv(connection->descriptor, in->at + in->len, in->size - in->len, 0);
    if (got > 0)
        in->len += (size_t)got;
    return got;
}
