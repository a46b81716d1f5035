/* Listening sockets: one a loop on the same address (SO_REUSEPORT), shared out by the kernel. */
#ifndef IO_LISTENER_H
#define IO_LISTENER_H

#include "io/conn.h"

/* Where to listen: "127.0.0.1:8080", "[::1]:8080", ":8080" (all addresses, IPv4 and IPv6),
 * "unix:/path". */
struct listener;

#define LISTENER_ADDRESS_CHARS 128
/* Port 0 asks the kernel for a free one: bind the first listener, read its address (ret_address:
 * "127.0.0.1:43211"), give that to the others. A unix socket cannot be shared so: give the others a
 * dup of listener_descriptor. `descriptor` ≥ 0: a socket that listens already (systemd, or taken
 * over), the address is ignored; it belongs to the listener, and is closed if this fails. The error
 * names address and reason ("127.0.0.1:80: permission denied").
 * A listener ends with its loop, unless it was closed before. */
must_check bool listener_open(struct loop *loop, struct conn_pool *pool, struct text address,
                              int descriptor, struct listener **ret_listener,
                              char ret_address[static LISTENER_ADDRESS_CHARS],
                              struct error *ret_error);
/* Whether listener_open would be the first on that address. SO_REUSEPORT lets a second process of
 * the same user in without a word, so a server asks this before its first listener. */
must_check bool listener_is_free(struct text address, struct error *ret_error);
/* The socket, to be passed to a process that takes over. */
int listener_descriptor(const struct listener *listener);
/* Takes in what waits to be accepted, then stops accepting; connections stay. Only while the loop
 * has not ended. `listener` may be NULL. */
void listener_close(struct listener *listener);

#endif
