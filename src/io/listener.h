/* Listening sockets: one a loop on the same address (SO_REUSEPORT), shared out by the kernel. */
#ifndef IO_LISTENER_H
#define IO_LISTENER_H

#include "io/conn.h"

/* Where to listen: "127.0.0.1:8080", "[::1]:8080", ":8080" (all addresses, IPv4 and IPv6), "unix:/path". */
struct listener;

#define LISTENER_ADDRESS_CHARS 128
/* Port 0 asks the kernel for a free one: bind the first listener, read its address (ret_address:
 * "127.0.0.1:43211"), give that to the others. `descriptor` ≥ 0: a socket that listens already (systemd,
 * or taken over), the address is ignored. The error names address and reason ("address in use: …"). */
must_check bool listener_open(struct loop *loop, struct conn_pool *pool, struct text address,
                              int descriptor, struct listener **ret_listener,
                              char ret_address[static LISTENER_ADDRESS_CHARS],
                              struct error *ret_error);
/* Stops accepting; connections stay. */
void listener_close(struct listener *listener);

#endif
