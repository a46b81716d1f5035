/* Tokens whose end is near: counted for a metric, and told by the log, before a gateway stops. */
#ifndef SERVER_EXPIRY_H
#define SERVER_EXPIRY_H

#include "io/loop.h"
#include "registry/store.h"

struct server;

#define EXPIRY_AHEAD_S ((int64_t)7 * 86400) /* a token is near its end for so long */
#define EXPIRY_LOOK_S 600                   /* how often the registry is asked */
#define EXPIRY_TELL_S 86400                 /* how often the log tells of the same token */
#define EXPIRY_TOLD_MAX 64                  /* of more, those that end first */

/* On the main thread, but for the job's work. */
struct expiry {
    struct server *server;
    struct loop_timer timer;
    struct registry_job job;
    bool is_asking;
    int64_t now_s;  /* when it was asked */
    int64_t told_s; /* when the log told last; 0: never */
    uint64_t count; /* tokens near their end, when the registry answered last */

    /* The answer: the job's alone while it is asking. */
    bool is_found;
    uint64_t found_count;
    size_t kept;
    struct expiring {
        struct uuid id;
        int64_t expires_s;
        int64_t last_used_s;
        char service[NAME_BYTES_MAX + 1];
        char org[NAME_BYTES_MAX + 1];
    } found[EXPIRY_TOLD_MAX];
};

must_check bool expiry_open(struct expiry *expiry, struct server *server, struct error *ret_error);

#endif
