/* Any bytes as requests: fed whole and in pieces they must lead to the same texts and the same end.
 * */
#include "http/request.h"

#include <stdlib.h>

static uint64_t run(const uint8_t *data, size_t size, size_t piece) {
    static const struct http_limits limits = {.header_bytes_max = 200, .body_bytes_max = 100};
    struct http_parser *parser = malloc(http_parser_bytes());
    char *memory = malloc(size), *buffer = memory;
    enum http_event event = HTTP_MORE;
    uint64_t hash = 0; /* FNV-1a of the texts; ASan sees it if one is out of range */
    http_parser_init(parser, &limits);
    for (size_t at = 0, fed = 0, used; at < size && event != HTTP_REFUSED;
         at += piece, fed = used) {
        size_t more = size - at < piece ? size - at : piece, len = fed + more;
        memcpy(buffer + fed, data + at, more);
        while ((event = http_parser_feed(parser, buffer, fed, len, &used)) == HTTP_REQUEST) {
            struct http_request request;
            http_parser_request(parser, buffer, &request);
            const struct text texts[] = {request.path, request.query, request.body,
                                         request.method_text, request.headers[HTTP_HEADER_HOST]};
            for (size_t i = 0; i < array_count(texts); i++, hash++)
                for (size_t j = 0; j < texts[i].len; j++)
                    hash = (hash ^ (uint8_t)texts[i].at[j]) * 1099511628211;
            buffer += used, len -= used, fed = 0;
        }
    }
    hash += http_parser_error(parser)->code;
    free(memory);
    free(parser);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check(size < 2 || run(data + 1, size - 1, size - 1) == run(data + 1, size - 1, 1U + data[0]));
    return 0;
}
