/* The parts of the Redis client: its URL, and TLS. */
#ifndef IO_REDIS_PARTS_H
#define IO_REDIS_PARTS_H

#include "base/error.h"

#define REDIS_SENTINELS_MAX 8
#define REDIS_TEXT_BYTES 2048

struct redis_place {
    const char *host; /* without the brackets of IPv6 */
    uint16_t port;
};

struct redis_url {
    bool is_tls;
    const char *path;   /* of a unix socket; NULL: none */
    const char *master; /* asked of the sentinels; NULL: `places[0]` is the server */
    const char *user;   /* NULL: none */
    const char *password;
    uint32_t database;
    size_t place_count;
    struct redis_place places[REDIS_SENTINELS_MAX];
    char memory[REDIS_TEXT_BYTES]; /* of all the texts */
    size_t used;
};

/* The error (FIELD_VALUE) says what is wrong and never shows the password. */
must_check bool redis_url_read(struct text url, struct redis_url *ret_url, struct error *ret_error);
/* Keeps a text with a zero behind it in `memory`; NULL if there is no room. */
const char *redis_url_keep(struct redis_url *url, struct text text);

/* TLS for connections: the server's certificate is checked against the CAs and its name. */
struct redis_options;
struct redis_tls;
struct redisContext;
struct ssl_st;
must_check bool redis_tls_open(const struct redis_options *options, struct redis_tls **ret_tls,
                               struct error *ret_error);
/* Begins TLS on a connection. `ret_ssl` is the connection's. `host` is the name to check unless the
 * options gave one; NULL: none, then the options must have. */
must_check bool redis_tls_begin(const struct redis_tls *tls, const char *host,
                                struct redisContext *connection, struct ssl_st **ret_ssl);
/* Whether something waits for room in the socket. `ssl` may be NULL. While TLS waits for the peer's
 * part of the handshake, room is of no use. */
bool redis_has_unsent(const struct redisContext *connection, const struct ssl_st *ssl);
/* Why the peer's certificate was not taken; NULL if that was not it. */
const char *redis_tls_why(const struct ssl_st *ssl);
void redis_tls_close(struct redis_tls *tls); /* NULL is fine */

#endif
