/* What the files of connections share: conn.c reads, conn_write.c writes, conn_timeout.c waits,
 * conn_pool.c holds them all, block.c hands out buffers. */
#ifndef IO_CONN_PARTS_H
#define IO_CONN_PARTS_H

#include "base/memory.h"
#include "io/conn.h"
#include "io/loop_parts.h"

/* ---- buffers --------------------------------------------------------------------------------- */

/* What a block is for: the larger, the sooner it is refused when memory is short. */
enum block_use { BLOCK_LARGE_REQUEST, BLOCK_REQUEST, BLOCK_REPLY };

/* A piece of memory for bytes that came or go. An idle connection has none. */
struct block {
    struct block *next; /* in a chain of output */
    enum block_use use;
    uint32_t refs; /* an input block is held by its connection and by each exchange in it */
    uint32_t size;
    uint32_t start; /* output: what was written already */
    uint32_t len;
    char bytes[];
};

/* Sizes with the header: one for usual requests and replies, one for those with cookies or many
 * attributes, and one for any request. */
enum { BLOCK_SMALL, BLOCK_MEDIUM, BLOCK_LARGE, BLOCK_KINDS };
#define BLOCK_SMALL_BYTES 2048
#define BLOCK_MEDIUM_BYTES 8192
#define BLOCK_SMALL_ROOM (BLOCK_SMALL_BYTES - sizeof(struct block))

void blocks_open(struct conn_pool *pool);
void blocks_close(struct conn_pool *pool);
/* With room for `size` bytes at least; NULL at the limit or when memory is out. */
must_check struct block *block_get(struct conn_pool *pool, size_t size, enum block_use use);
void block_unref(struct conn_pool *pool, struct block *block);  /* may be NULL */
void blocks_unref(struct conn_pool *pool, struct block *first); /* a chain */

/* ---- connections ----------------------------------------------------------------------------- */

/* It only goes forward. */
enum conn_state {
    CONN_OPEN,   /* reads requests */
    CONN_LAST,   /* reads none any more; closes when the replies under way are written */
    CONN_LINGER, /* told the peer that no more comes; drops what still does, until it closes too */
    CONN_CUT,    /* is closed at the turn's end */
    CONN_CLOSED, /* waits for libuv */
};

/* What a connection waits for, which says how long. One list each, the first due first. */
enum conn_wait {
    WAIT_IDLE,
    WAIT_PROXY,
    WAIT_HEADER,
    WAIT_BODY,
    WAIT_WRITE,
    WAIT_LINGER,
    WAIT_HANDLER, /* ours to end */
    WAITS
};

/* Replies that the peer did not take at once. */
struct conn_write {
    uv_write_t uv;
    struct conn *conn;
    struct block *blocks;
    size_t left_bytes; /* when looked last */
    uint64_t progress_us;
};

struct conn {
    uint32_t magic;
    enum conn_state state;
    enum conn_wait wait;
    uint32_t dropped_bytes; /* read and dropped since CONN_LAST */
    uint16_t exchange_count;
    bool is_reading;
    bool has_end;      /* the peer sends no more */
    bool proxy_due;    /* the PROXY header comes first */
    bool continue_due; /* it waits for "100 Continue", which waits for the replies before it */
    struct conn_pool *pool;
    struct queue link;  /* in the list of its wait */
    struct queue dirty; /* in the pool's, or in none */
    struct queue exchanges;
    uint64_t deadline_us;
    /* Input: bytes [start, start + fed) of the block were fed to the parser and kept, those up to
     * the block's len were not fed. Both are NULL while nothing of a request is there. */
    struct http_parser *parser;
    struct block *input;
    uint32_t start;
    uint32_t fed;
    /* Output, in the order in which it goes. */
    uint32_t reply_bytes; /* queued here and with the exchanges */
    struct block *out_first;
    struct block *out_last;
    struct block *refusal; /* goes after the replies under way */
    struct conn_write *write;
    sa_family_t peer_family;
    char peer[CONN_ADDRESS_CHARS];
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
};
#define CONN_MAGIC 0x636f6e6eU

struct conn_pool {
    uint32_t magic;
    bool is_draining;
    struct loop *loop;
    struct loop_part part;
    struct conn_limits limits;
    struct conn_handler handler;
    struct metrics *metrics;
    size_t count;
    size_t request_bytes; /* in blocks for requests, and for replies */
    size_t reply_bytes;
    uint64_t begun;         /* exchanges so far */
    uint64_t begun_at_turn; /* when the turn began */
    struct slab conns;
    struct slab parsers;
    struct slab exchanges;
    struct slab writes;
    struct slab blocks[BLOCK_KINDS];
    uint32_t block_rooms[BLOCK_KINDS];
    struct queue waits[WAITS];
    struct queue dirty;
    struct loop_timer timer;
    char scratch[16384]; /* for bytes that are dropped */
};
#define CONN_POOL_MAGIC 0x706f6f6cU

/* conn_pool.c: takes an accepted socket over. Above the limit it is answered and closed. */
void conn_pool_accept(struct conn_pool *pool, int descriptor, const struct sockaddr_storage *peer);
/* Answers 503 and closes the socket at once. */
void conn_pool_refuse(struct conn_pool *pool, int descriptor);
/* Keeps whom it comes from. */
void conn_peer_set(struct conn *conn, const struct sockaddr_storage *peer);
/* Whether a PROXY header from there is believed. */
bool conn_is_proxy(const struct conn *conn);
/* The only one that changes the state. */
void conn_state_set(struct conn *conn, enum conn_state state);
/* Has the connection looked at when the turn ends. */
void conn_mark(struct conn *conn);
/* Has it closed then, whatever is under way. */
void conn_cut(struct conn *conn);
/* Closes at once; exchanges under way are `gone`. Not from within a call of the handler. */
void conn_close(struct conn *conn);
/* The same, and has the kernel drop what the peer did not take. */
void conn_reset(struct conn *conn);

/* Refuses the request that has been coming for the longest, so that one that comes at once finds
 * room; false if there is none. */
bool conn_pool_make_room(struct conn_pool *pool);

/* conn.c: feeds what has come, as far as the limits let further requests begin. */
void conn_advance(struct conn *conn);
/* Reads no further request: it is closed after the replies under way. */
void conn_read_no_more(struct conn *conn);
/* Answers the request that is being read, and reads no further one. */
void conn_refuse(struct conn *conn, const struct error *error);
void conn_refuse_overloaded(struct conn *conn);
/* Settles whether it reads and how long it waits. */
void conn_update(struct conn *conn);

/* conn_write.c: writes what is queued, and takes the next step of the connection's life. */
void conn_flush(struct conn *conn);
/* Queues a whole reply after those of the exchanges under way. */
void conn_queue_last(struct conn *conn, const struct http_reply *reply);
/* Queues "100 Continue", if no reply must come before it. */
void conn_queue_continue(struct conn *conn);

/* conn_timeout.c */
void conn_wait_set(struct conn *conn, enum conn_wait wait);
void conn_pool_expire(struct loop_timer *timer);
uint32_t conn_pool_expire_ms(const struct conn_limits *limits); /* how often it should be called */

#endif
