/* HTTP/1.1 responses, written into a buffer. */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "base/clock.h"
#include "base/error.h"

/* A response. Texts are borrowed for the time of the call that takes it. */
struct http_reply {
    unsigned status;
    struct text content_type; /* empty: application/json, unless there is no body */
    struct text body;
    struct text request_id;    /* X-Request-Id; empty: none */
    struct text extra;         /* whole header lines, each with its CRLF: "ETag: …\r\nAllow: …\r\n" */
    const char *cache_control; /* NULL: no-store */
    bool is_head;              /* the headers of the body, without the body */
    bool close;                /* Connection: close */
    bool is_http_1_0;          /* then a kept connection must be announced */
};

/* Status line, Date, Content-Type, Content-Length (none for 204 and 304), Cache-Control, X-Request-Id,
 * extra, body. */
void http_reply_write(const struct http_reply *reply, const struct clock *clock,
                      struct buffer *out);
/* Bytes that http_reply_write takes at most. */
size_t http_reply_bytes_max(const struct http_reply *reply);
const char *http_status_text(unsigned status);

#endif
