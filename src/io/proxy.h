/* The PROXY protocol, version 2: what a proxy says of its client before the client's first byte
 * (haproxy.org, doc/proxy-protocol.txt §2.2). */
#ifndef IO_PROXY_H
#define IO_PROXY_H

#include <sys/socket.h>

#include "base/error.h"

/* The addresses take 216 bytes at most; the rest is for what else proxies add, such as the client's
 * certificate. */
#define PROXY_HEADER_BYTES_MAX 4096

struct proxy_header {
    size_t bytes;                 /* of the header; the client's own begin behind it */
    bool has_peer;                /* false: the proxy asks for itself, or does not tell for whom */
    struct sockaddr_storage peer; /* IPv4, IPv6, or a unix socket without its path */
};

enum proxy_read { PROXY_MORE, PROXY_WHOLE, PROXY_BAD };

/* Reads a header from its first bytes on; it keeps no state, so more of them are read from the
 * start again. PROXY_MORE: it is right as far as it has come. PROXY_BAD: ret_error (PROXY_HEADER)
 * says why, at the first byte that is wrong. What else it holds (TLVs) is passed over. */
must_check enum proxy_read proxy_header_read(struct text text, struct proxy_header *ret_header,
                                             struct error *ret_error);

#endif
