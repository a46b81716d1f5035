/* HTTP/1.1 responses (RFC 9110 §15, RFC 9112 §4), written into a buffer. */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "base/clock.h"
#include "base/error.h"

/* A response. Texts are borrowed for the time of the call that takes it, and written as they are:
 * what came from outside must have been checked for control characters. */
struct http_reply {
    unsigned status;          /* 200 to 599 */
    struct text content_type; /* empty: application/json, unless there is no body */
    struct text body;         /* ignored with 204 and 304 */
    struct text request_id;   /* X-Request-Id; empty: none */
    struct text extra; /* whole header lines, each with its CRLF: "ETag: …\r\nAllow: …\r\n" */
    const char *cache_control; /* NULL: no-store; "": none */
    bool is_head;              /* the headers of the body, without the body */
    bool close;                /* Connection: close */
    bool is_http_1_0;          /* then a kept connection must be announced */
};

/* Status line, Date, Content-Type, Content-Length (none for 204 and 304), Cache-Control,
 * X-Request-Id, Connection, extra, body. */
void http_reply_write(const struct http_reply *reply, const struct clock *clock,
                      struct buffer *out);
/* Bytes that http_reply_write takes at most. */
size_t http_reply_bytes_max(const struct http_reply *reply);
/* The reason phrase; of a status unknown here, that of its class (RFC 9110 §15). */
const char *http_status_text(unsigned status);

#endif
