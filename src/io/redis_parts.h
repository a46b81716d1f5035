/* What the files of the Redis client see of it: its URL, TLS, its socket, and how it connects. */
#ifndef IO_REDIS_PARTS_H
#define IO_REDIS_PARTS_H

#include "io/loop_parts.h"
#include "io/redis.h"

/* ---- URL ------------------------------------------------------------------------------------- */

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

/* ---- TLS ------------------------------------------------------------------------------------- */

/* TLS for connections: the server's certificate is checked against the CAs and its name. */
struct redis_tls;
struct redisContext;
struct redisReply;
struct ssl_st;
must_check bool redis_tls_open(const struct redis_options *options, struct redis_tls **ret_tls,
                               struct error *ret_error);
/* Begins TLS on a connection. `ret_ssl` is the connection's. `host` is the name to check unless the
 * options gave one; NULL: none, then the options must have. */
must_check bool redis_tls_begin(const struct redis_tls *tls, const char *host,
                                struct redisContext *connection, struct ssl_st **ret_ssl);
/* Whether it waits for room in the socket. While it waits for the peer's part of the handshake,
 * room is of no use. */
bool redis_tls_wants_room(const struct ssl_st *ssl, bool has_unsent);
/* Why the peer's certificate was not taken; NULL if that was not it. */
const char *redis_tls_why(const struct ssl_st *ssl);
void redis_tls_close(struct redis_tls *tls); /* NULL is fine */

/* ---- the client ------------------------------------------------------------------------------ */

enum redis_phase {
    PHASE_WAITING,    /* for the next try */
    PHASE_ASKING,     /* the sentinels for the master */
    PHASE_RESOLVING,  /* the host's name */
    PHASE_CONNECTING, /* the socket, TLS, and the greeting */
    PHASE_READY
};

/* Something that was sent, in the order of the answers. */
struct redis_slot {
    void (*take)(struct redis *redis, const struct redis_slot *slot,
                 const struct redisReply *reply);
    struct redis_command *command; /* NULL: nobody waits any more */
    const char *what;              /* of a greeting */
    uint64_t deadline_us;          /* until it is written, how long it has from then */
};
#define REDIS_NO_DEADLINE UINT64_MAX /* it is not watched, or is known to be late */
#define REDIS_BACKOFF_MIN_MS 50
#define REDIS_BACKOFF_MAX_MS 5000

struct redis {
    uint32_t magic;
    enum redis_state state;
    enum redis_phase phase;
    bool has_ended;
    bool is_told; /* the handler, of the first failure or success */
    struct loop *loop;
    struct loop_part part;
    struct redis_handler handler;
    struct redis_url url;
    const char *prefix;    /* NULL: none */
    const char *channel;   /* NULL: none */
    struct redis_tls *tls; /* NULL: none */
    uint64_t command_us;
    /* With sentinels there are two clients: one of Redis, and one of the sentinels, of which the
     * first asks for the master and learns when it is another. */
    struct redis *sentinels;
    struct redis *served; /* of the client of the sentinels: the client of Redis */
    bool is_login_wanted; /* by a sentinel */
    struct redis_command asking;
    struct redis_place master; /* as a sentinel named it; `host` NULL: to be asked */
    char master_host[64];

    /* The connection. */
    struct redisContext *context; /* NULL: not connected */
    struct ssl_st *ssl;           /* the context's */
    struct redis_link *link;      /* goes with it */
    bool is_connected;
    size_t unfinished_bytes; /* that have come of a reply which is not whole yet */

    /* Connecting. */
    struct loop_timer retry; /* connects, ends a rest, or gives a greeting up */
    uv_getaddrinfo_t resolving;
    struct redis_place place; /* that is being connected to; `host` NULL: none, or a socket */
    size_t tries;             /* that failed: which place and address is next */
    uint32_t backoff_ms;
    uint64_t ready_us;
    size_t greetings; /* answers still to come */

    /* Commands. */
    struct loop_timer watch; /* deadlines */
    uint32_t rest_ms;
    uint32_t slow_count;
    uint64_t slow_us; /* when it was counted last */
    struct redis_command trial;
    uint64_t trial_us;
    struct redis_counts counts;
    struct redis_slot slots[REDIS_UNDER_WAY_MAX]; /* a ring; these count on, past its size: */
    size_t first;                                 /* is answered next */
    size_t written;                               /* is given its deadline next */
    size_t end;
    char why[200];
};

/* redis.c */
void redis_state_set(struct redis *redis, enum redis_state state, const char *why);
/* Connected and greeted. */
void redis_ready(struct redis *redis);
/* Closes the connection; `why` says what it was, and may be the connection's own. Commands are
 * called back, and another try follows, later each time. */
void redis_drop(struct redis *redis, const char *why);
void redis_take(struct redis *redis, const struct redisReply *reply);
/* Sent with the others at the turn's end. False when there is no room. */
must_check bool redis_words_send(struct redis *redis, const struct redis_slot *slot,
                                 const struct text *words, size_t count);
/* Asks once after a rest, with patience. */
void redis_trial_begin(struct redis *redis);

/* redis_connect.c */
/* What the sentinels' client tells the client that it serves. */
struct redis_handler redis_connect_handler(struct redis *served);
/* Begins to connect after a while, or ends a rest by a trial. */
void redis_connect_in(struct redis *redis, uint32_t ms);
/* The loop ends. */
void redis_connect_end(struct redis *redis);
/* One more part of the greeting is answered. */
void redis_connect_greeted(struct redis *redis);

/* redis_socket.c */
/* To an address that needs no resolving, or the unix socket if `host` is NULL. NULL, or why not. */
must_check const char *redis_socket_open(struct redis *redis, const char *host, uint16_t port);
void redis_socket_close(struct redis *redis);
/* Writes what was queued. True if the connection was lost thereby. */
bool redis_socket_flush(struct redis *redis);
/* Takes what has come. */
void redis_socket_read(struct redis *redis);
size_t redis_socket_unsent(const struct redis *redis);

#endif
