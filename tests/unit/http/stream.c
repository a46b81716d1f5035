/* Feeds a parser as a connection does, and records what came out. */
#include "stream.h"

#include <stdlib.h>

void stream_open(struct stream *stream, struct http_limits limits, size_t size) {
    *stream = (struct stream){.limits = limits, .size = size};
    stream->parser = malloc(http_parser_bytes());
    stream->buffer = malloc(size > 0 ? size : 1);
    check(stream->parser != NULL && stream->buffer != NULL);
    http_parser_init(stream->parser, &stream->limits);
}

void stream_close(struct stream *stream) {
    free(stream->parser);
    free(stream->buffer);
}

void stream_feed(struct stream *stream, const char *bytes, size_t len) {
    if (stream->refused != ERROR_NONE)
        return;
    char *current = stream->buffer + stream->start;
    size_t end = stream->fed + len, used;
    check(stream->start + end <= stream->size);
    memcpy(current + stream->fed, bytes, len);
    for (;;) {
        check(!http_parser_in_headers(stream->parser) || stream->fed > 0);
        stream->last = http_parser_feed(stream->parser, current, stream->fed, end, &used);
        if (stream->last != HTTP_REQUEST)
            break;
        http_parser_request(stream->parser, current, &stream->request);
        stream->requests++;
        check(used > 0 && used <= end);
        stream->start += used;
        stream->fed = 0;
        current += used;
        end -= used;
    }
    if (stream->last == HTTP_REFUSED) {
        stream->refused = http_parser_error(stream->parser)->code;
        check(http_parser_feed(stream->parser, current, used, end, &used) == HTTP_REFUSED);
        return;
    }
    check(used <= end);
    stream->continues += stream->last == HTTP_CONTINUE;
    stream->fed = used;
}
