/* Redis' URL: what of it there is, and a clear word about what cannot be. */
#include "http/request.h"
#include "io/redis_parts.h"

#define PORT_REDIS 6379
#define PORT_SENTINEL 26379
#define DATABASE_MAX 65535

static bool refuse(struct error *error, const char *why) {
    return error_set(error, ERROR_FIELD_VALUE, "the Redis URL cannot be used: %s", why);
}

const char *redis_url_keep(struct redis_url *url, struct text text) {
    if (text.len >= sizeof(url->memory) - url->used)
        return NULL;
    char *at = url->memory + url->used;
    if (text.len > 0)
        memcpy(at, text.at, text.len);
    at[text.len] = '\0';
    url->used += text.len + 1;
    return at;
}

/* What stands before the first `byte`, which is taken from `rest` with it; all if there is none. */
static struct text until(struct text *rest, char byte, bool *ret_found) {
    const char *found = rest->len > 0 ? memchr(rest->at, byte, rest->len) : NULL;
    struct text part = *rest;
    *ret_found = found != NULL;
    if (found == NULL) {
        rest->at += rest->len;
        rest->len = 0;
        return part;
    }
    part.len = (size_t)(found - rest->at);
    rest->at += part.len + 1;
    rest->len -= part.len + 1;
    return part;
}

/* A percent-encoded text, decoded; "" stays NULL. */
static bool decoded_keep(struct redis_url *url, struct text text, const char **ret_text) {
    char memory[512];
    struct buffer out = buffer_over(memory, sizeof(memory));
    if (text.len == 0)
        return true;
    if (!http_decode(text, false, &out) || memchr(memory, '\0', out.len) != NULL)
        return false;
    *ret_text = redis_url_keep(url, buffer_text(&out));
    return *ret_text != NULL;
}

/* user:password@, user@ or :password@ in front of the hosts. */
static bool login_take(struct redis_url *url, struct text *hosts, struct error *ret_error) {
    const char *at = memrchr(hosts->at, '@', hosts->len);
    if (at == NULL)
        return true;
    struct text login = {hosts->at, (size_t)(at - hosts->at)};
    bool has_password;
    hosts->len -= login.len + 1;
    hosts->at = at + 1;
    struct text user = until(&login, ':', &has_password);
    if (!decoded_keep(url, user, &url->user) || !decoded_keep(url, login, &url->password))
        return refuse(ret_error, "user and password must be percent-encoded, and not too long");
    if (url->user != NULL && url->password == NULL)
        return refuse(ret_error, "behind the user stands :PASSWORD");
    return true;
}

/* A name, or an address with its zone; what would be a query, or a space, is a mistake. */
static bool is_host(const char *host, bool is_ipv6) {
    static const char allowed[] =
        "-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t len = 0;
    while (host[len] != '\0' && (strchr(allowed, host[len]) != NULL ||
                                 (is_ipv6 && (host[len] == ':' || host[len] == '%'))))
        len++;
    return len > 0 && len <= 253 && host[len] == '\0'; /* RFC 1035 §2.3.4 */
}

static bool place_take(struct redis_url *url, struct text text, struct error *ret_error) {
    struct redis_place *place = &url->places[url->place_count];
    uint64_t port = url->master != NULL ? PORT_SENTINEL : PORT_REDIS;
    struct text host = text;
    bool is_ipv6 = text.len > 0 && text.at[0] == '[';
    const char *end = is_ipv6 ? memchr(text.at, ']', text.len) : NULL;
    const char *colon = is_ipv6 ? end == NULL ? NULL : end + 1 : memchr(text.at, ':', text.len);
    if (is_ipv6 && end == NULL)
        return refuse(ret_error, "an IPv6 address ends with ]");
    if (colon != NULL && colon < text.at + text.len) {
        struct text digits = {colon + 1, (size_t)(text.at + text.len - colon - 1)};
        if (*colon != ':' || !text_number(digits, UINT16_MAX, &port) || port == 0)
            return refuse(ret_error, "a port is a number from 1 to 65535");
        host.len = (size_t)(colon - text.at);
    }
    if (is_ipv6)
        host = (struct text){text.at + 1, (size_t)(end - text.at - 1)};
    place->host = host.len > 0 ? redis_url_keep(url, host) : NULL;
    place->port = (uint16_t)port;
    if (place->host == NULL || !is_host(place->host, is_ipv6))
        return refuse(ret_error, "a host is missing, or is no name or address");
    url->place_count++;
    return true;
}

static bool database_read(struct redis_url *url, struct text text, struct error *ret_error) {
    uint64_t number = 0;
    if (text.len > 0 && !text_number(text, DATABASE_MAX, &number))
        return refuse(ret_error, "the database is a number");
    url->database = (uint32_t)number;
    return true;
}

static bool sentinel_read(struct redis_url *url, struct text rest, struct error *ret_error) {
    bool has_master, has_database, has_more = true;
    struct text hosts = until(&rest, '/', &has_master);
    struct text master = until(&rest, '/', &has_database);
    if (master.len == 0)
        return refuse(ret_error, "behind the sentinels stands /MASTER, the name they know it by");
    if (!login_take(url, &hosts, ret_error) || !decoded_keep(url, master, &url->master))
        return false;
    while (has_more) {
        struct text host = until(&hosts, ',', &has_more);
        if (url->place_count == REDIS_SENTINELS_MAX)
            return refuse(ret_error, "there are too many sentinels");
        if (!place_take(url, host, ret_error))
            return false;
    }
    return database_read(url, rest, ret_error);
}

static bool server_read(struct redis_url *url, struct text rest, struct error *ret_error) {
    bool has_database;
    struct text host = until(&rest, '/', &has_database);
    return login_take(url, &host, ret_error) && place_take(url, host, ret_error) &&
           database_read(url, rest, ret_error);
}

static bool unix_read(struct redis_url *url, struct text rest, struct error *ret_error) {
    bool has_query;
    struct text path = until(&rest, '?', &has_query);
    const char *login_end = memchr(path.at, '/', path.len);
    if (login_end != NULL && login_end != path.at) {
        struct text login = {path.at, (size_t)(login_end - path.at)};
        path = (struct text){login_end, path.len - login.len};
        if (!login_take(url, &login, ret_error))
            return false;
        if (login.len > 0)
            return refuse(ret_error, "in front of a socket's path only USER:PASSWORD@ may stand");
    }
    if (has_query && !text_starts(rest, TEXT("db=")))
        return refuse(ret_error, "behind the path only ?db=NUMBER may stand");
    url->path = redis_url_keep(url, path);
    if (login_end == NULL || path.len > 107 || url->path == NULL)
        return refuse(ret_error,
                      "the path of a unix socket begins with / and has at most 107 bytes");
    struct text number = has_query ? (struct text){rest.at + 3, rest.len - 3} : rest;
    return database_read(url, number, ret_error);
}

bool redis_url_read(struct text url, struct redis_url *ret_url, struct error *ret_error) {
    static const struct {
        struct text scheme;
        bool (*read)(struct redis_url *url, struct text rest, struct error *ret_error);
        bool is_tls;
    } schemes[] = {
        {TEXT_INIT("redis://"), server_read, false},
        {TEXT_INIT("rediss://"), server_read, true},
        {TEXT_INIT("redis-sentinel://"), sentinel_read, false},
        {TEXT_INIT("rediss-sentinel://"), sentinel_read, true},
        {TEXT_INIT("redis+unix://"), unix_read, false},
        {TEXT_INIT("unix:"), unix_read, false},
    };
    for (size_t i = 0; i < array_count(schemes); i++) {
        if (!text_starts(url, schemes[i].scheme))
            continue;
        size_t start = schemes[i].scheme.len;
        *ret_url = (struct redis_url){.is_tls = schemes[i].is_tls};
        return schemes[i].read(ret_url, (struct text){url.at + start, url.len - start}, ret_error);
    }
    return refuse(ret_error,
                  "it begins with redis://, rediss://, redis-sentinel://, rediss-sentinel://, "
                  "redis+unix:// or unix:");
}

bool redis_check_url(struct text url, struct error *ret_error) {
    struct redis_url read;
    return redis_url_read(url, &read, ret_error);
}
