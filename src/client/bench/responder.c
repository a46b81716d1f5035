/* A server that does nothing but answer, for measuring the load generator itself. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "client/bench/bench.h"

#define EVENTS 64
#define TOKEN_CHARS 700 /* about those of a credential */

struct responder {
    pthread_t thread;
    int listener, epoll;
    _Atomic size_t request_bytes; /* all have this length, so they need not be read */
    _Atomic bool is_ending;
    char url[64];
    struct buffer reply; /* PIPELINE_MAX of them, one behind the other */
    size_t reply_bytes;
    size_t got[CONNECTIONS_MAX + 1024]; /* bytes of a request that is not whole, by descriptor */
};

static void reply_make(struct responder *responder) {
    char token[TOKEN_CHARS + 1];
    char body[TOKEN_CHARS + 64];
    memset(token, 'x', TOKEN_CHARS);
    token[TOKEN_CHARS] = '\0';
    int bytes = snprintf(body, sizeof(body), "{\"accessToken\":\"%s\",\"ttlSeconds\":3600}", token);
    for (unsigned i = 0; i < PIPELINE_MAX; i++) {
        buffer_format(&responder->reply,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                      "%d\r\nCache-Control: no-store\r\n\r\n%s",
                      bytes, body);
        if (i == 0)
            responder->reply_bytes = responder->reply.len;
    }
    check(!responder->reply.overflow);
}

static void connection_take(struct responder *responder) {
    struct epoll_event event = {.events = EPOLLIN};
    int one = 1, descriptor = accept4(responder->listener, NULL, NULL, SOCK_CLOEXEC);
    if (descriptor < 0)
        return;
    event.data.fd = descriptor;
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if ((size_t)descriptor >= array_count(responder->got) ||
        epoll_ctl(responder->epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        (void)close(descriptor);
        return;
    }
    responder->got[descriptor] = 0;
}

static void requests_answer(struct responder *responder, int descriptor) {
    char bytes[64 << 10];
    ssize_t got = recv(descriptor, bytes, sizeof(bytes), 0);
    if (got <= 0) {
        (void)close(descriptor);
        return;
    }
    responder->got[descriptor] += (size_t)got;
    size_t bytes_each = atomic_load(&responder->request_bytes);
    size_t count = responder->got[descriptor] / bytes_each;
    responder->got[descriptor] %= bytes_each;
    while (count > 0) {
        size_t most = count < PIPELINE_MAX ? count : PIPELINE_MAX;
        /* The socket blocks, and the peer reads: all of it goes out. */
        if (send(descriptor, responder->reply.at, most * responder->reply_bytes, MSG_NOSIGNAL) < 0)
            return;
        count -= most;
    }
}

static void *responder_run(void *self) {
    struct responder *responder = self;
    struct epoll_event events[EVENTS];
    while (!atomic_load(&responder->is_ending)) {
        int count = epoll_wait(responder->epoll, events, EVENTS, 20);
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == responder->listener)
                connection_take(responder);
            else
                requests_answer(responder, events[i].data.fd);
    }
    return NULL;
}

static bool listener_open(struct responder *responder) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    struct epoll_event event = {.events = EPOLLIN};
    responder->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    responder->epoll = epoll_create1(EPOLL_CLOEXEC);
    event.data.fd = responder->listener;
    if (responder->listener < 0 || responder->epoll < 0 ||
        bind(responder->listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(responder->listener, 4096) != 0 ||
        getsockname(responder->listener, (struct sockaddr *)&address, &bytes) != 0 ||
        epoll_ctl(responder->epoll, EPOLL_CTL_ADD, responder->listener, &event) != 0)
        return false;
    (void)snprintf(responder->url, sizeof(responder->url), "http://127.0.0.1:%u/calibration",
                   ntohs(address.sin_port));
    return true;
}

struct responder *responder_open(struct text *ret_url) {
    struct responder *responder = calloc(1, sizeof(*responder));
    size_t size = PIPELINE_MAX * (TOKEN_CHARS + 256);
    if (responder == NULL)
        return NULL;
    atomic_store(&responder->request_bytes, 1);
    responder->reply = buffer_over(malloc(size), size);
    if (responder->reply.at == NULL || !listener_open(responder) ||
        (reply_make(responder),
         pthread_create(&responder->thread, NULL, responder_run, responder) != 0)) {
        free(responder->reply.at);
        free(responder);
        return NULL;
    }
    *ret_url = text_of(responder->url);
    return responder;
}

void responder_expect(struct responder *responder, size_t request_bytes) {
    atomic_store(&responder->request_bytes, request_bytes);
}

void responder_close(struct responder *responder) {
    if (responder == NULL)
        return;
    atomic_store(&responder->is_ending, true);
    (void)pthread_join(responder->thread, NULL);
    (void)close(responder->epoll);
    (void)close(responder->listener);
    free(responder->reply.at);
    free(responder);
}
