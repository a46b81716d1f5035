/* A Redis client on a loop: pipelined commands with deadlines, pushes, a breaker. */
#ifndef IO_REDIS_H
#define IO_REDIS_H

#include "base/queue.h"
#include "io/loop.h"

/* Redis is a helper that may be away, slow, empty or hostile at any moment. So nothing here waits
 * for it or fails for it: a command that cannot be sent is refused at once, one that is not
 * answered in time is answered by us, and the connection is made anew in the background.
 *
 * One object a loop, everything on the loop's thread. RESP3 is spoken (Redis 6 and later). Nothing
 * else in mintd knows hiredis. */
struct redis;

enum redis_state {
    REDIS_CONNECTING, /* the first time, or again after a failure */
    REDIS_UP,
    REDIS_RESTING /* connected, but too slow lately: left alone for a while */
};

struct redis_options {
    /* redis://[user[:password]@]host[:port][/db]   rediss:// the same with TLS
     * unix:/path[?db=N] or redis+unix://[user:password@]/path[?db=N]
     * redis-sentinel://[user:password@]host[:port][,host[:port]…]/master[/db]
     * rediss-sentinel:// the same with TLS, to the sentinels too
     * User and password are percent-encoded where they need it. The sentinels are asked for the
     * master at each connect and followed at a failover ("Guidelines for Redis clients with
     * support for Redis Sentinel"); user and password are for Redis, and for sentinels that want
     * one. */
    struct text url;
    /* With rediss: files in PEM, empty: the system's CAs, no client certificate; and the name that
     * the server's certificate must have, empty: the URL's host. */
    struct text tls_ca, tls_cert, tls_key, tls_name;
    /* Keys that begin with it are tracked: a push tells when another client changes one. Empty:
     * none. */
    struct text track_prefix;
    struct text channel; /* subscribed to; empty: none */
    uint32_t command_ms; /* a command's default deadline, and what counts as slow */
};

struct redis_handler {
    void *self;
    /* The state is another one, or the first try has failed; `why` says what is wrong, "" if
     * nothing. NULL is fine. */
    void (*state)(void *self, enum redis_state state, const char *why);
    /* Somebody changed the key (`at` NULL: any key may have changed). NULL is fine. */
    void (*invalidated)(void *self, struct text key);
    /* A message on the channel. NULL is fine. */
    void (*message)(void *self, struct text payload);
};

/* False if the URL or a file of TLS cannot be used (FIELD_VALUE). A server that is not there is
 * no failure. Texts of the options are copied. */
must_check bool redis_open(struct loop *loop, const struct redis_options *options,
                           const struct redis_handler *handler, struct redis **ret_redis,
                           struct error *ret_error);
/* Whether the URL could be used, without opening anything. */
must_check bool redis_check_url(struct text url, struct error *ret_error);
/* After the loop has ended (or before it was ever run); NULL is fine. When the loop ends every
 * command that is under way is answered with REDIS_AWAY. */
void redis_close(struct redis *redis);

enum redis_state redis_state(const struct redis *redis);
/* A short text for logs and readyz: why it is not up; "" if it is. */
const char *redis_why(const struct redis *redis);

enum redis_answer {
    REDIS_NIL,
    REDIS_BYTES,   /* bulk, simple string, verbatim */
    REDIS_NUMBER,  /* also booleans */
    REDIS_LIST,    /* of bytes: at most REDIS_LIST_MAX; numbers in it stand as bytes "" */
    REDIS_REFUSED, /* the server answered with an error, in `bytes` */
    REDIS_AWAY     /* no answer in time, or the connection was lost: it may have been done or not */
};
#define REDIS_LIST_MAX 8
struct redis_reply {
    enum redis_answer answer;
    struct text bytes; /* lives until `done` returns, as all of it */
    int64_t number;
    size_t count;
    struct text list[REDIS_LIST_MAX];
    int64_t numbers[REDIS_LIST_MAX]; /* of the list */
};

/* A command in the owner's memory, which stays until `done` or redis_forget. */
struct redis_command {
    /* Called once, never from inside redis_send. The command may be sent again from it. */
    void (*done)(struct redis_command *command, const struct redis_reply *reply);
    void *owner; /* for the owner's use */
    /* The client's. */
    struct redis *redis;
    size_t slot;
};

/* Whether a command may be sent now: connected, not resting, room for more. Cheap. Commands that
 * change the connection (SELECT, AUTH, SUBSCRIBE, …) or block must not be sent. */
bool redis_is_usable(const struct redis *redis);
/* Sends the words with the others of this turn, in one write. `command` NULL: nobody waits for the
 * answer. False, and nothing was sent, if redis_is_usable is false or too much waits for room in
 * the socket. The time for the answer runs from the write; what has come while the loop was busy
 * with something else is not late. */
must_check bool redis_send(struct redis *redis, struct redis_command *command,
                           const struct text *words, size_t count);
/* `done` will not be called. Does nothing if the command is not under way. */
void redis_forget(struct redis_command *command);

#define REDIS_WORDS_MAX 16
#define REDIS_UNDER_WAY_MAX 1024 /* commands not answered; more are refused */
#define REDIS_UNSENT_BYTES_MAX (1u << 20)
#define REDIS_REPLY_BYTES_MAX (1u << 20) /* of one reply; more drops the connection */
/* Late answers in a row, then it rests; those that are found late at once have one cause and count
 * once. After the rest a PING tells whether it is well again. */
#define REDIS_SLOW_MAX 3
#define REDIS_REST_MS 1000 /* at first; doubled up to 10 s while it stays slow */

struct redis_counts {
    uint64_t commands;
    uint64_t late;     /* answered after their deadline, or never */
    uint64_t refused;  /* by the server, with an error */
    uint64_t connects; /* that succeeded */
    uint64_t pushes;   /* keys that others changed */
};
const struct redis_counts *redis_counts(const struct redis *redis);

#endif
