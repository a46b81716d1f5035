/* HTTP requests of the client; libcurl is known in fetch.c alone. */
#ifndef CLIENT_FETCH_H
#define CLIENT_FETCH_H

#include "client/pool.h"

struct fetch; /* keeps its connection for the next request */

struct fetch_options {
    struct text socket; /* path of a unix socket that every request goes to; empty: none */
    uint64_t timeout_s;
};
struct fetch_request {
    const char *method;
    struct text url;
    struct text token; /* empty: none */
    struct text body;  /* JSON; empty: none */
};
struct fetch_reply {
    unsigned status;
    struct text body;
    struct text request_id; /* X-Request-Id; empty if there was none */
};

/* What an answer may have: the largest page of the largest services. */
#define FETCH_BODY_BYTES_MAX (128U << 20)

/* NULL when libcurl cannot start. */
struct fetch *fetch_open(const struct fetch_options *options);
void fetch_close(struct fetch *fetch);
/* Sends the request and waits for the whole answer, which lives in the pool. Redirections are not
 * followed: the token would go along. False with a message when no answer came. */
must_check bool fetch_run(struct fetch *fetch, const struct fetch_request *request,
                          struct pool *pool, struct fetch_reply *ret_reply,
                          struct buffer *ret_message);

#endif
