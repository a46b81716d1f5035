/* Listening sockets: accepts in small batches, and sheds load when descriptors run out. */
#include "io/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/address.h"
#include "io/conn_parts.h"

#define LISTENER_MAGIC 0x6c697374U
#define BACKLOG 4096
/* Taken in one turn, so that open connections are served in between. */
#define ACCEPTS_PER_TURN 64
/* How long nothing is accepted after descriptors or memory ran out: the kernel keeps telling that
 * somebody waits, and to try at once again would take all the time there is. */
#define PAUSE_MS 100

struct listener {
    uint32_t magic;
    int descriptor;
    int reserve; /* given up for a moment to refuse a connection when no other is left; -1: gone */
    struct loop *loop;
    struct conn_pool *pool;
    struct loop_part part;
    struct loop_timer pause;
    uv_poll_t poll;
};

/* ---- accepting ------------------------------------------------------------------------------- */

static void on_connections(uv_poll_t *handle, int status, int events);

static void pause_begin(struct listener *listener) {
    (void)uv_poll_stop(&listener->poll);
    if (!loop_timer_start(listener->loop, &listener->pause, PAUSE_MS, 0))
        check(uv_poll_start(&listener->poll, UV_READABLE, on_connections) == 0);
}

static int reserve_open(void) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void pause_end(struct loop_timer *timer) {
    struct listener *listener = container_of(timer, struct listener, pause);
    if (listener->reserve < 0)
        listener->reserve = reserve_open();
    check(uv_poll_start(&listener->poll, UV_READABLE, on_connections) == 0);
}

static int accept_one(const struct listener *listener, struct sockaddr_storage *ret_peer) {
    socklen_t len = sizeof(*ret_peer);
    ret_peer->ss_family = AF_UNSPEC; /* should the kernel not write it */
    return accept4(listener->descriptor, (struct sockaddr *)ret_peer, &len,
                   SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Refuses those who wait, with the descriptor that was kept for it, so that they need not wait. */
static void shed(struct listener *listener) {
    struct sockaddr_storage peer;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN && listener->reserve >= 0; i++) {
        (void)close(listener->reserve);
        int descriptor = accept_one(listener, &peer);
        if (descriptor >= 0)
            conn_pool_refuse(listener->pool, descriptor);
        listener->reserve = reserve_open();
        if (descriptor < 0)
            break;
    }
}

/* Takes in up to `count`; false when it makes no sense to go on at once. */
static bool accept_some(struct listener *listener, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct sockaddr_storage peer;
        int descriptor = accept_one(listener, &peer);
        if (descriptor >= 0) {
            conn_pool_accept(listener->pool, descriptor, &peer);
            continue;
        }
        int number = errno;
        if (number == EAGAIN)
            return true;
        if (number == EMFILE || number == ENFILE)
            shed(listener);
        if (number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM)
            return false;
        /* Anything else concerns that one connection: accept(2). */
    }
    return true;
}

static void on_connections(uv_poll_t *handle, int status, int events) {
    struct listener *listener = handle->data;
    (void)events;
    magic_check(listener, LISTENER_MAGIC);
    loop_wake(listener->loop);
    if (status != 0 || !accept_some(listener, ACCEPTS_PER_TURN))
        pause_begin(listener);
}

/* ---- sockets --------------------------------------------------------------------------------- */

static bool fail(struct error *error, struct text address, int number) {
    return error_set(error, ERROR_LISTEN, "%.*s: %s", (int)address.len, address.at,
                     uv_strerror(-number));
}

static bool option_on(int descriptor, int level, int option) {
    const int on = 1;
    return setsockopt(descriptor, level, option, &on, sizeof(on)) == 0;
}

static bool socket_bind(int descriptor, const struct address *address, bool is_shared) {
    const int off = 0;
    sa_family_t family = address->storage.ss_family;
    if (family == AF_INET6 &&
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0)
        return false;
    if (family != AF_UNIX && !option_on(descriptor, SOL_SOCKET, SO_REUSEADDR))
        return false;
    if (family != AF_UNIX && is_shared && !option_on(descriptor, SOL_SOCKET, SO_REUSEPORT))
        return false;
    return bind(descriptor, (const struct sockaddr *)&address->storage, address->len) == 0;
}

static int socket_make(const struct address *address) {
    return socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Removes a socket file that nobody listens on; connect(2) refuses other files just so. */
static void unix_unlink_stale(const struct address *address) {
    const struct sockaddr_un *unix_address = (const struct sockaddr_un *)&address->storage;
    struct stat file;
    if (lstat(unix_address->sun_path, &file) != 0 || !S_ISSOCK(file.st_mode))
        return;
    int descriptor = socket_make(address);
    if (descriptor < 0)
        return;
    if (connect(descriptor, (const struct sockaddr *)&address->storage, address->len) != 0 &&
        errno == ECONNREFUSED)
        (void)unlink(unix_address->sun_path);
    (void)close(descriptor);
}

/* A bound socket, or -1 with errno set. */
static int socket_open(const struct address *address, bool is_shared) {
    int descriptor = socket_make(address);
    if (descriptor < 0)
        return -1;
    if (address->storage.ss_family == AF_UNIX)
        unix_unlink_stale(address);
    if (socket_bind(descriptor, address, is_shared))
        return descriptor;
    int number = errno;
    (void)close(descriptor);
    errno = number;
    return -1;
}

static bool address_take(struct text text, struct address *ret_address, struct error *error) {
    if (address_read(text, ret_address))
        return true;
    return error_set(error, ERROR_LISTEN,
                     "%.*s: write it as 127.0.0.1:8080, [::1]:8080, :8080 or unix:/path",
                     (int)text.len, text.at);
}

bool listener_is_free(struct text text, struct error *ret_error) {
    struct address address;
    if (!address_take(text, &address, ret_error))
        return false;
    if (address.storage.ss_family == AF_UNIX)
        return true; /* listener_open finds out by itself */
    int descriptor = socket_open(&address, false);
    if (descriptor < 0)
        return fail(ret_error, text, errno);
    (void)close(descriptor);
    return true;
}

/* Has the bound or inherited socket listen, and says where; false with errno set. */
static bool socket_listen(int descriptor, char *ret_address) {
    struct address address = {.len = sizeof(address.storage)};
    struct buffer out = buffer_over(ret_address, LISTENER_ADDRESS_CHARS - 1);
    if (listen(descriptor, BACKLOG) != 0 ||
        getsockname(descriptor, (struct sockaddr *)&address.storage, &address.len) != 0)
        return false;
    sa_family_t family = address.storage.ss_family;
    errno = EAFNOSUPPORT;
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
        return false;
    /* Accepted sockets inherit it: replies go out whole, in one write. */
    if (family != AF_UNIX && !option_on(descriptor, IPPROTO_TCP, TCP_NODELAY))
        return false;
    address_write(&address, &out);
    ret_address[out.len] = '\0'; /* a unix path is shorter than the room */
    return !out.overflow;
}

/* ---- open and close -------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle) {
    struct listener *listener = handle->data;
    listener->magic = 0;
    free(listener);
}

static void listener_end(struct loop_part *part) {
    struct listener *listener = container_of(part, struct listener, part);
    loop_timer_stop(&listener->pause);
    uv_close((uv_handle_t *)&listener->poll, on_closed);
    (void)close(listener->descriptor);
    if (listener->reserve >= 0)
        (void)close(listener->reserve);
}

/* Takes the listening socket over; 0, or an errno. */
static int listener_start(struct listener *listener, struct loop *loop, struct conn_pool *pool,
                          int descriptor) {
    *listener = (struct listener){
        .magic = LISTENER_MAGIC,
        .descriptor = descriptor,
        .reserve = reserve_open(),
        .loop = loop,
        .pool = pool,
        .part.end = listener_end,
        .pause.fire = pause_end,
        .poll.data = listener,
    };
    if (listener->reserve < 0)
        return errno;
    int status = uv_poll_init(loop_uv(loop), &listener->poll, descriptor);
    if (status != 0) {
        (void)close(listener->reserve);
        return -status;
    }
    loop_part_add(loop, &listener->part);
    check(uv_poll_start(&listener->poll, UV_READABLE, on_connections) == 0);
    return 0;
}

bool listener_open(struct loop *loop, struct conn_pool *pool, struct text text, int descriptor,
                   struct listener **ret_listener, char ret_address[static LISTENER_ADDRESS_CHARS],
                   struct error *ret_error) {
    struct address address;
    if (descriptor >= 0)
        text = TEXT("an inherited socket");
    else if (!address_take(text, &address, ret_error))
        return false;
    else if ((descriptor = socket_open(&address, true)) < 0)
        return fail(ret_error, text, errno);
    struct listener *listener = malloc(sizeof(*listener));
    int number = listener == NULL ? ENOMEM : !socket_listen(descriptor, ret_address) ? errno : 0;
    if (number == 0)
        number = listener_start(listener, loop, pool, descriptor);
    if (number == 0) {
        *ret_listener = listener;
        return true;
    }
    free(listener);
    (void)close(descriptor);
    return fail(ret_error, text, number);
}

int listener_descriptor(const struct listener *listener) {
    magic_check(listener, LISTENER_MAGIC);
    return listener->descriptor;
}

void listener_close(struct listener *listener) {
    if (listener == NULL)
        return;
    magic_check(listener, LISTENER_MAGIC);
    /* To close the socket resets those that wait in its queue. */
    (void)accept_some(listener, BACKLOG);
    loop_part_remove(&listener->part);
    listener_end(&listener->part);
}
