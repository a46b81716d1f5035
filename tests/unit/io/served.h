/* A server of connections in a thread of its own, with a handler that does what the path says, and
 * a blocking client.
 *
 *   /now        replies at once, the query for a body      /end     at the turn's end
 *   /hold       when released                              /close   at once, and closes
 *   /big?N      N bytes, at once                           /echo    the request's body
 *   /peer       the client's address
 */
#ifndef SERVED_H
#define SERVED_H

#include <stdatomic.h>
#include <sys/types.h>

#include "io/conn.h"
#include "io/listener.h"

struct served {
    struct loop *loop;
    struct conn_pool *pool;
    struct listener *listener;
    struct metrics *metrics;
    char address[LISTENER_ADDRESS_CHARS];
    atomic_uint begun;
    atomic_uint gone;
    atomic_uint refused;
    atomic_uint held;
    unsigned
        batch_max; /* most requests replied to at one end of a turn; read it when all is quiet */
};
extern struct served served;

/* Limits that no test meets by chance. */
extern const struct conn_limits served_limits;

void served_start(const struct conn_limits *limits, const char *address);
/* Ends the loop with whatever is open, and checks that every exchange was replied to or gone. */
void served_stop(void);
/* Runs `call` on the loop's thread and returns when it has. */
void served_call(void (*call)(void));
/* Has the loop's thread do nothing for a third of a second, and does not wait for it. */
void served_stall(void);
/* Replies to what is held, the latest first or the earliest first; or to one. */
void served_release_latest(void);
void served_release_all(void);
void served_drain(void);
size_t served_connections(void);
/* Waits until the counter has the value; fails after some seconds. */
void served_wait(atomic_uint *counter, unsigned value);
void served_wait_connections(size_t count);

/* The client. Everything fails the test if it takes some seconds. */
int client_open(void);
void client_send(int client, const char *text);
void client_send_bytes(int client, const char *bytes, size_t len);
/* Like recv with MSG_WAITALL, but not cut short: newer libuv keeps an io_uring, and what the kernel
 * does for it in the thread that made the loop interrupts a socket with a timeout there. */
ssize_t client_receive(int client, char *bytes, size_t len);
struct client_reply {
    unsigned status;
    bool close; /* Connection: close */
    char head[2048];
    char *body; /* static */
    size_t body_len;
};
/* Reads one reply whole; a body is expected as Content-Length says unless `is_head`. */
struct client_reply client_read(int client, bool is_head);
/* Reads one reply and checks status and body (NULL: any). */
void client_expect(int client, unsigned status, const char *body);
/* The server has closed, in order or (if `may_reset`) not. */
void client_expect_end(int client, bool may_reset);
/* Whether nothing comes for `ms`. */
bool client_is_silent(int client, int ms);
uint64_t client_ms(void);

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"

#endif
