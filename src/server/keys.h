/* The signing keys of this replica: read with the poll, handed to the workers, rotated in time. */
#ifndef SERVER_KEYS_H
#define SERVER_KEYS_H

#include <stdatomic.h>

#include "io/loop.h"
#include "registry/store.h"
#include "server/metadata.h"

struct server;
struct worker;

/* A keyring with its JWKS, which change together; immutable, a reference each for the main thread
 * and every worker. A worker takes the next one on between two batches (changes_apply), so that a
 * JWT's header and signature are of one key. The last one to let go wipes the seed. */
struct published {
    atomic_uint references;
    struct keyring *keyring;
    struct jwks jwks;
};

/* The keys come with the poll: one that finds that they were changed reads them before any worker
 * applies it, so a lease that is renewed means that the keys are those of the registry. A replica
 * that cannot reach the registry signs on with what it has (token/rotation.h: why that is safe); so
 * does one that cannot open what it finds there.
 *
 * Transitions are made by whichever replica comes first, each one transaction that looks at the
 * registry's own time. A replica tries no sooner than its monotonic clock allows, counted from when
 * it first saw the key in its state: should the registry's clock leap ahead, as that of a single
 * host may, no key signs too early and none goes too early. What was read at the start is believed
 * by the registry's clock. */
struct keys {
    struct server *server;
    const struct master_key *master;
    int64_t publish_s;
    int64_t rotate_s;
    _Atomic int64_t keep_s; /* by the longest max-ttl since the start */

    /* The main thread's; the workers read `current` while a change is applied. */
    struct published *current;
    struct key_set set;                  /* what `current` was made of */
    uint64_t read_us;                    /* when it was read (monotonic) */
    uint64_t ready_us[KEYRING_KEYS_MAX]; /* for each: not before; UINT64_MAX: never */
    uint64_t retry_us;                   /* no other try before */
    uint64_t told_us;                    /* when the log last told of an old key; 0: never */
    bool is_advancing;
    struct loop_timer timer;

    /* The poll's, until keys_take. */
    bool is_read;
    struct key_set next_set;
    struct published *next; /* NULL: the keys cannot be used */
    struct error next_error;

    /* The job's while it is advancing. */
    struct registry_job job;
    struct key_change change;
    bool is_changed;
};

/* Reads the keys on the calling thread, before the workers are made. */
must_check bool keys_open(struct keys *keys, struct server *server, struct error *ret_error);
/* Starts to look after them. */
must_check bool keys_start(struct keys *keys, struct error *ret_error);
void keys_close(struct keys *keys); /* a zeroed one is fine */
/* max-ttl was set anew. */
void keys_settings(struct keys *keys);

/* The poll: on a registry thread, behind the feed; reads them if it tells of them. */
must_check bool keys_read(struct keys *keys, struct session *session, const struct feed *feed,
                          struct error *ret_error);
/* On the main thread, before the workers apply the feed. */
void keys_take(struct keys *keys);
/* On a worker's loop, with nothing left to sign. */
void keys_apply(struct worker *worker);
void published_release(struct published *published); /* NULL is fine */

/* From any thread. */
struct key_times keys_times(const struct keys *keys);
/* On the main thread: for /metrics. */
void keys_write_metrics(const struct keys *keys, struct buffer *out);

#endif
