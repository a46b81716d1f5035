/* Addresses to listen on: from text to the kernel's form and back. */
#ifndef IO_ADDRESS_H
#define IO_ADDRESS_H

#include <sys/socket.h>

#include "base/text.h"

struct address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* Reads "127.0.0.1:80", "[::1]:80", ":80" (IPv6's any, to be bound for IPv4 too) or "unix:/path".
 * */
must_check bool address_read(struct text text, struct address *ret_address);
/* Writes it in the same form. */
void address_write(const struct address *address, struct buffer *out);

#endif
