/* The request line (RFC 9112 §3) and the authority (RFC 3986 §3.2), read strictly. */
#ifndef HTTP_LINE_H
#define HTTP_LINE_H

#include "http/request.h"

/* A request line in its parts. Texts point into the line. */
struct http_line {
    enum http_method method;
    struct text method_text;
    struct text authority; /* of an absolute-form target; else empty */
    struct text path;      /* empty only in an absolute-form target */
    struct text query;
    bool has_query; /* even if empty */
    bool is_http_1_0;
};

/* Reads a line without its CRLF. */
must_check bool http_line_read(struct text line, struct http_line *ret_line,
                               struct error *ret_error);
/* Whether a request may start with this byte: those of a method (tchar of RFC 9110 §5.6.2). */
bool http_byte_is_token(char byte);
/* Whether the text is host [":" port] as Host carries it (RFC 9110 §7.2): a registered name, an
 * IPv4 address or an IPv6 address in brackets; not empty, no user. */
bool http_authority_is_valid(struct text authority);

#endif
