/* Addresses to listen on: from text to the kernel's form and back. */
#include "io/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/un.h>

static bool unix_read(struct text path, struct address *ret_address) {
    struct sockaddr_un *socket = (struct sockaddr_un *)&ret_address->storage;
    if (path.len == 0 || path.len >= sizeof(socket->sun_path))
        return false;
    *ret_address = (struct address){0};
    socket->sun_family = AF_UNIX;
    memcpy(socket->sun_path, path.at, path.len);
    ret_address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    return true;
}

/* "localhost" is 127.0.0.1; other names are not looked up: where to listen must not hang on DNS. */
static bool ipv4_read(const char *host, in_port_t port, struct address *ret_address) {
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    struct sockaddr_in *socket = (struct sockaddr_in *)&ret_address->storage;
    *ret_address = (struct address){.len = sizeof(*socket)};
    socket->sin_family = AF_INET;
    socket->sin_port = port;
    return inet_pton(AF_INET, host, &socket->sin_addr) == 1;
}

static bool ipv6_read(const char *host, in_port_t port, struct address *ret_address) {
    struct sockaddr_in6 *socket = (struct sockaddr_in6 *)&ret_address->storage;
    *ret_address = (struct address){.len = sizeof(*socket)};
    socket->sin6_family = AF_INET6;
    socket->sin6_port = port;
    return host[0] == '\0' || inet_pton(AF_INET6, host, &socket->sin6_addr) == 1;
}

bool address_read(struct text text, struct address *ret_address) {
    char host[INET6_ADDRSTRLEN];
    uint64_t port;
    if (text_starts(text, TEXT("unix:")))
        return unix_read((struct text){text.at + 5, text.len - 5}, ret_address);
    size_t colon = text.len;
    while (colon > 0 && text.at[colon - 1] != ':')
        colon--;
    if (colon == 0 ||
        !text_number((struct text){text.at + colon, text.len - colon}, UINT16_MAX, &port))
        return false;
    struct text name = {text.at, colon - 1};
    bool is_bracketed = name.len > 2 && name.at[0] == '[' && name.at[name.len - 1] == ']';
    if (is_bracketed)
        name = (struct text){name.at + 1, name.len - 2};
    if (name.len >= sizeof(host) || memchr(name.at, '\0', name.len) != NULL)
        return false;
    memcpy(host, name.at, name.len);
    host[name.len] = '\0';
    if (is_bracketed || name.len == 0)
        return ipv6_read(host, htons((uint16_t)port), ret_address);
    return ipv4_read(host, htons((uint16_t)port), ret_address);
}

void address_write(const struct address *address, struct buffer *out) {
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_storage *storage = &address->storage;
    if (storage->ss_family == AF_INET) {
        const struct sockaddr_in *socket = (const struct sockaddr_in *)storage;
        check(inet_ntop(AF_INET, &socket->sin_addr, host, sizeof(host)) != NULL);
        buffer_format(out, "%s:%u", host, ntohs(socket->sin_port));
    } else if (storage->ss_family == AF_INET6) {
        const struct sockaddr_in6 *socket = (const struct sockaddr_in6 *)storage;
        check(inet_ntop(AF_INET6, &socket->sin6_addr, host, sizeof(host)) != NULL);
        if (IN6_IS_ADDR_UNSPECIFIED(&socket->sin6_addr))
            buffer_format(out, ":%u", ntohs(socket->sin6_port));
        else
            buffer_format(out, "[%s]:%u", host, ntohs(socket->sin6_port));
    } else {
        const struct sockaddr_un *socket = (const struct sockaddr_un *)storage;
        size_t room = address->len > offsetof(struct sockaddr_un, sun_path)
                          ? address->len - offsetof(struct sockaddr_un, sun_path)
                          : 0;
        buffer_put(out, "unix:");
        buffer_add(out, (struct text){socket->sun_path, strnlen(socket->sun_path, room)});
    }
}
