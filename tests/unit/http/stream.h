/* Feeds a parser as a connection does, and records what came out. */
#ifndef STREAM_H
#define STREAM_H

#include "http/request.h"

struct stream {
    struct http_parser *parser;
    struct http_limits limits;
    char *buffer; /* of `size` bytes exactly, so that ASan sees a read beyond */
    size_t size;
    size_t start; /* of the current request */
    size_t fed;
    /* What came out. */
    unsigned requests;
    unsigned continues;
    enum error_code refused; /* ERROR_NONE: not refused */
    enum http_event last;
    struct http_request request; /* the last */
};

void stream_open(struct stream *stream, struct http_limits limits, size_t size);
/* Takes up to stream->size bytes in all; what is not kept makes room. */
void stream_feed(struct stream *stream, const char *bytes, size_t len);
void stream_close(struct stream *stream);

#endif
