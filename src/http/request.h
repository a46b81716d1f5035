/* HTTP/1.1 requests (RFC 9110, RFC 9112) read out of a byte stream; llhttp is known in request.c
 * alone. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/error.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_METHOD_OTHER, /* a token that no route takes; its text is in method_text */
    HTTP_METHODS = HTTP_METHOD_OTHER
};
const char *http_method_name(enum http_method method);

/* The headers that mean something here, see header.def. Texts are trimmed; `at` NULL: absent. */
enum http_header {
#define HTTP_HEADER(name, text, second) HTTP_HEADER_##name,
#include "http/header.def"
#undef HTTP_HEADER
    HTTP_HEADERS
};

/* A whole request. All texts point into the buffer that was fed and live as long as it stands still
 * (the path that an absolute-form target leaves out is a static text). An absolute-form target is
 * cut to path and query, and its authority replaces Host (RFC 9112 §3.2.2). */
struct http_request {
    enum http_method method;
    struct text method_text;
    struct text path;  /* as sent, percent-encoded, starts with '/' (or is "*" for OPTIONS) */
    struct text query; /* without the '?'; empty if there is none */
    struct text headers[HTTP_HEADERS];
    struct text body; /* chunks already put together */
    bool keep_alive;
    bool is_http_1_0;
};

struct http_limits {
    /* Request line and headers, 16384. What surrounds chunks, and trailers, count too, less 8 bytes
     * for each byte of the body. */
    uint32_t header_bytes_max;
    uint32_t body_bytes_max; /* 65536 */
};

/* What feeding bytes led to. */
enum http_event {
    HTTP_MORE,     /* nothing whole yet; feed more */
    HTTP_CONTINUE, /* as HTTP_MORE; the client waits for "100 Continue" to send the body */
    HTTP_REQUEST,  /* a request is whole: see http_parser_request */
    HTTP_REFUSED,  /* see http_parser_error; answer it and close: nothing after it can be trusted */
};

/* Reads one request after the other. It holds offsets into the caller's buffer, no pointers, so the
 * buffer may be moved between two feeds. Needed only while a part of a request is there: an idle
 * connection can do without. */
struct http_parser;
size_t http_parser_bytes(void); /* sizeof(struct http_parser), for those who place it in memory */
/* `limits` must live as long as the parser. */
void http_parser_init(struct http_parser *parser, const struct http_limits *limits);

/* Feeds what is new in the buffer. `buffer` holds what was kept of the current request: `fed` bytes
 * from earlier feeds, then the new ones, `len` bytes in all.
 * On HTTP_MORE and HTTP_CONTINUE `ret_used` is how many bytes at the start of the buffer must be
 * kept, the `fed` of the next call; the others are done with (empty lines ahead of a request, and
 * what surrounds chunks, whose data is moved together in place). It is 0 when nothing of a request
 * is there.
 * On HTTP_REQUEST `ret_used` is how many bytes of the buffer the request took; the rest is
 * pipelined, and the next feed starts there, with `fed` 0.
 * However the bytes are split over feeds, what comes out is the same, HTTP_CONTINUE aside. */
enum http_event http_parser_feed(struct http_parser *parser, char *buffer, size_t fed, size_t len,
                                 size_t *ret_used);
/* The request that HTTP_REQUEST announced, its texts in `buffer`; to be called before the next
 * feed. */
void http_parser_request(const struct http_parser *parser, char *buffer,
                         struct http_request *ret_request);
/* Why HTTP_REFUSED. */
const struct error *http_parser_error(const struct http_parser *parser);
/* Whether some bytes of a request's line and headers, or all of them and not yet the whole body,
 * have come: which time limit runs. */
bool http_parser_in_headers(const struct http_parser *parser);
bool http_parser_in_body(const struct http_parser *parser);

/* Percent-decodes a path segment or query value onto the end of `out` ('+' stays in paths, is a
 * space in queries). False on a bad escape, a NUL, what is not UTF-8, or too little room. */
must_check bool http_decode(struct text encoded, bool is_query, struct buffer *out);
/* Takes the next "name=value" pair off a query; false at its end. Both are still encoded; the value
 * is empty where there is no '='. Empty pairs ("a=1&&b=2") are passed over. */
bool http_query_next(struct text *query, struct text *ret_name, struct text *ret_value);

#endif
