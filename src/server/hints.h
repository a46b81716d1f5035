/* Hints over Redis: a replica tells the others of a commit, so that they poll now. */
#ifndef SERVER_HINTS_H
#define SERVER_HINTS_H

#include <stdatomic.h>

#include "cache/shared.h"
#include "config/config.h"
#include "io/redis.h"

struct server;

/* They make a revoke fast, never right: a hint that is lost costs one poll interval, and a forged
 * one a poll. On the main thread but for hints_publish. */
struct hints {
    struct server *server;
    struct redis *redis;           /* NULL: none is used */
    char own[UUID_TEXT_BYTES + 1]; /* what this process publishes, to know it again */
    char channel[SHARED_PREFIX_BYTES + 16];
    struct shared naming; /* only the names of keys */
    struct loop_task publish_task;
    _Atomic bool is_publishing;
};

/* Whatever of the settings concerns Redis; more may be added to it. */
struct redis_options hints_redis_options(const struct settings *settings);
/* False if the settings of Redis cannot be used; that it is not there is only logged. */
must_check bool hints_open(struct hints *hints, struct server *server, struct error *ret_error);
void hints_close(struct hints *hints); /* after the loop; a zeroed one is fine */

/* This process committed something. From any thread. */
void hints_publish(struct hints *hints);
/* The feed was applied: entries of the tokens that were cut are taken out of Redis. They would be
 * refused anyway. */
void hints_cut(struct hints *hints, const struct feed *feed);

#endif
