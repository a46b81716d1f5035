/* Any bytes as a query: its pairs lie within it, in order, and decode within their length. */
#include <stdlib.h>

#include "http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *memory = malloc(size + 1);
    struct text name, value, query = {(const char *)data, size};
    const char *end = query.at + size, *last = query.at;
    check(memory != NULL);
    while (http_query_next(&query, &name, &value)) {
        check(name.at >= last && name.at + name.len <= value.at);
        check(value.at + value.len <= end && query.at + query.len == end);
        last = query.at;
        struct buffer out = buffer_over(memory, value.len);
        if (http_decode(value, true, &out))
            check(out.len <= value.len && text_is_utf8(buffer_text(&out)) &&
                  (out.len == 0 || memchr(out.at, '\0', out.len) == NULL));
    }
    check(query.len == 0);
    free(memory);
    return 0;
}
