/* The PROXY protocol, version 2, read. */
#include "io/proxy.h"

#include <netinet/in.h>

static const char signature[12] = {'\r', '\n', '\r', '\n', '\0', '\r',
                                   '\n', 'Q',  'U',  'I',  'T',  '\n'};
/* Behind it: version and command, family and transport, two bytes of the length that follows. */
#define HEAD_BYTES (sizeof(signature) + 4)

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 }; /* of version 2 */
enum { FAMILY_UNSPEC, FAMILY_IPV4, FAMILY_IPV6, FAMILY_UNIX, FAMILIES };
#define TRANSPORT_MAX 2 /* unspecified, stream, datagram */

/* Two addresses and, but for unix sockets, two ports. */
static const size_t address_bytes[FAMILIES] = {
    [FAMILY_IPV4] = 12, [FAMILY_IPV6] = 36, [FAMILY_UNIX] = 216};

static enum proxy_read bad(struct error *error, const char *why) {
    (void)error_set(error, ERROR_PROXY_HEADER, "%s", why);
    return PROXY_BAD;
}

/* The first of the two addresses is the client's. */
static void peer_fill(unsigned family, const char *from, struct sockaddr_storage *ret_peer) {
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)ret_peer;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)ret_peer;
    *ret_peer = (struct sockaddr_storage){.ss_family = AF_UNIX};
    if (family == FAMILY_IPV4) {
        ipv4->sin_family = AF_INET;
        memcpy(&ipv4->sin_addr, from, sizeof(ipv4->sin_addr));
    } else if (family == FAMILY_IPV6) {
        ipv6->sin6_family = AF_INET6;
        memcpy(&ipv6->sin6_addr, from, sizeof(ipv6->sin6_addr));
    }
}

enum proxy_read proxy_header_read(struct text text, struct proxy_header *ret_header,
                                  struct error *ret_error) {
    size_t start = text.len < sizeof(signature) ? text.len : sizeof(signature);
    if (start > 0 && memcmp(text.at, signature, start) != 0)
        return bad(ret_error, "this one begins with something else");
    if (text.len < HEAD_BYTES)
        return PROXY_MORE;
    const uint8_t *head = (const uint8_t *)text.at + sizeof(signature);
    unsigned command = head[0], family = head[1] >> 4, transport = head[1] & 0x0F;
    size_t len = (size_t)head[2] << 8 | head[3];
    bool is_proxied = command == COMMAND_PROXY;
    if (!is_proxied && command != COMMAND_LOCAL)
        return bad(ret_error, "this one is of another version, or has an unknown command");
    if (family >= FAMILIES || transport > TRANSPORT_MAX)
        return bad(ret_error, "this one has an unknown family or transport");
    if (is_proxied && len < address_bytes[family])
        return bad(ret_error, "this one is too short for its addresses");
    if (HEAD_BYTES + len > PROXY_HEADER_BYTES_MAX)
        return bad(ret_error, "this one is too long");
    if (text.len < HEAD_BYTES + len)
        return PROXY_MORE;
    struct proxy_header header = {.bytes = HEAD_BYTES + len,
                                  .has_peer = is_proxied && family != FAMILY_UNSPEC};
    if (header.has_peer)
        peer_fill(family, text.at + HEAD_BYTES, &header.peer);
    *ret_header = header;
    return PROXY_WHOLE;
}
