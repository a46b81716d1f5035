/* Where the load goes: the URL taken apart, its host looked up, and whether it is this machine. */
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/bench/bench.h"

#define PROBE_TIMEOUT_S 3

static bool refuse(const struct bench *bench, struct text url, const char *why) {
    (void)client_refuse(bench->client, bench->call, "\"%.*s\" %s", (int)url.len, url.at, why);
    return false;
}

static bool is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && in6->sin6_addr.s6_addr[12] == 127);
}

static bool socket_read(struct bench *bench, struct text url, struct bench_target *target) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct text path = {url.at + 5, url.len - 5};
    if (path.len >= sizeof(address.sun_path))
        return refuse(bench, url, "has too long a path for a socket");
    memcpy(address.sun_path, path.at, path.len);
    memcpy(&target->address, &address, sizeof(address));
    target->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    target->host = TEXT("localhost");
    target->is_here = true;
    return true;
}

/* host[:port], the host perhaps in brackets. */
static bool authority_split(struct text authority, struct text *ret_host, struct text *ret_port) {
    const char *colon = NULL;
    uint64_t number;
    for (size_t i = 0; i < authority.len; i++)
        if (authority.at[i] == ':')
            colon = authority.at + i;
        else if (authority.at[i] == ']')
            colon = NULL;
    size_t len = colon != NULL ? (size_t)(colon - authority.at) : authority.len;
    *ret_port = colon != NULL ? (struct text){colon + 1, authority.len - len - 1} : TEXT("80");
    *ret_host = (struct text){authority.at, len};
    if (len > 2 && authority.at[0] == '[' && authority.at[len - 1] == ']')
        *ret_host = (struct text){authority.at + 1, len - 2};
    return ret_host->len > 0 && text_number(*ret_port, UINT16_MAX, &number) &&
           memchr(authority.at, '@', authority.len) == NULL;
}

/* Whether somebody listens there: of the addresses of "localhost" often only one. */
static bool is_served(const struct addrinfo *address) {
    struct timeval timeout = {.tv_sec = PROBE_TIMEOUT_S};
    int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return false;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    bool is_open = connect(descriptor, address->ai_addr, address->ai_addrlen) == 0;
    (void)close(descriptor);
    return is_open;
}

static bool host_look_up(struct bench *bench, struct text url, struct text authority,
                         struct bench_target *target) {
    struct pool *pool = &bench->client->pool;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    struct text host, port;
    if (!authority_split(authority, &host, &port))
        return refuse(bench, url, "has no host, or a port that is none");
    int code = getaddrinfo(pool_copy(pool, host).at, pool_copy(pool, port).at, &hints, &found);
    if (code != 0 || found == NULL) {
        client_complain(bench->client, "cannot find %.*s: %s", (int)host.len, host.at,
                        gai_strerror(code));
        return false;
    }
    const struct addrinfo *taken = found;
    while (taken->ai_next != NULL && !is_served(taken))
        taken = taken->ai_next;
    memcpy(&target->address, taken->ai_addr, taken->ai_addrlen);
    target->address_bytes = taken->ai_addrlen;
    target->is_here = is_loopback(taken->ai_addr);
    target->host = authority;
    freeaddrinfo(found);
    return true;
}

/* What goes into the request line and the Host header as it is. */
static bool is_plain(struct text text) {
    for (size_t i = 0; i < text.len; i++)
        if ((uint8_t)text.at[i] <= ' ' || (uint8_t)text.at[i] >= 0x7F)
            return false;
    return true;
}

bool target_read(struct bench *bench, struct text url, struct text path) {
    struct bench_target target = {.url = url, .path = path};
    struct text scheme = TEXT("http://");
    if (!is_plain(url))
        return refuse(bench, url, "is no URL: percent-encode what it holds");
    if (text_starts(url, TEXT("https://")))
        return refuse(bench, url,
                      "is https: mint bench speaks plain HTTP, so aim at the listener "
                      "behind the TLS proxy");
    if (text_starts(url, TEXT("unix:/"))) {
        if (!socket_read(bench, url, &target))
            return false;
    } else {
        if (!text_starts(url, scheme))
            return refuse(bench, url, "is no URL: it must start with http:// or unix:/");
        struct text rest = {url.at + scheme.len, url.len - scheme.len};
        const char *slash = memchr(rest.at, '/', rest.len);
        size_t len = slash != NULL ? (size_t)(slash - rest.at) : rest.len;
        if (!host_look_up(bench, url, (struct text){rest.at, len}, &target))
            return false;
        if (path.len == 0)
            target.path = slash != NULL ? (struct text){slash, rest.len - len} : TEXT("/");
    }
    if (target.path.len == 0)
        target.path = TEXT("/");
    if (!target.is_here && !call_has(bench->call, "allow-remote"))
        return refuse(
            bench, url,
            "is another machine. A load test can overload what others use, and looks like "
            "an attack: say --allow-remote if it is yours to test");
    bench->plan.target = target;
    return true;
}
