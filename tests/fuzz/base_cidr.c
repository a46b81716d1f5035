/* Fuzzes ranges: what is read has no bits behind its prefix and holds its own first address. */
#include "base/cidr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct text text = {(const char *)data, size};
    struct cidr cidrs[4];
    size_t count;
    if (!cidr_read_list(text, cidrs, array_count(cidrs), &count))
        return 0;
    for (size_t i = 0; i < count; i++) {
        check(cidrs[i].prefix_bits <= 128);
        check(cidr_has(&cidrs[i], cidrs[i].address));
    }
    return 0;
}
