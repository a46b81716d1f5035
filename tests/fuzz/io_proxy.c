/* Any bytes as a PROXY header: refused, or read the same however much of it has come before. */
#include "io/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct proxy_header header, part;
    struct error error;
    struct text text = {(const char *)data, size};
    enum proxy_read read = proxy_header_read(text, &header, &error);
    check(read != PROXY_BAD || error.code == ERROR_PROXY_HEADER);
    check(read != PROXY_MORE || size < PROXY_HEADER_BYTES_MAX);
    if (read != PROXY_WHOLE)
        return 0;
    check(header.bytes <= size && header.bytes <= PROXY_HEADER_BYTES_MAX);
    for (text.len = 0; text.len < header.bytes; text.len++)
        check(proxy_header_read(text, &part, &error) == PROXY_MORE);
    check(proxy_header_read(text, &part, &error) == PROXY_WHOLE && part.bytes == header.bytes);
    return 0;
}
