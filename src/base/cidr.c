/* Addresses and their ranges (RFC 4632, RFC 4291), IPv4 and IPv6 alike. */
#include "base/cidr.h"

#include <arpa/inet.h>

#define MAPPED_BITS 96

static bool address_parse(struct text text, uint8_t ret_address[static ADDRESS_BYTES],
                          bool *ret_is_v4) {
    char string[INET6_ADDRSTRLEN];
    uint8_t address[ADDRESS_BYTES] = {[10] = 0xFF, [11] = 0xFF};
    if (text.len == 0 || text.len >= sizeof(string) || memchr(text.at, '\0', text.len) != NULL)
        return false;
    memcpy(string, text.at, text.len);
    string[text.len] = '\0';
    *ret_is_v4 = inet_pton(AF_INET, string, address + 12) == 1;
    if (!*ret_is_v4 && inet_pton(AF_INET6, string, address) != 1)
        return false;
    memcpy(ret_address, address, sizeof(address));
    return true;
}

bool cidr_read_address(struct text text, uint8_t ret_address[static ADDRESS_BYTES]) {
    bool is_v4;
    return address_parse(text, ret_address, &is_v4);
}

static bool is_prefix_clean(const struct cidr *cidr) {
    for (unsigned bit = cidr->prefix_bits; bit < 128; bit++)
        if (cidr->address[bit / 8] & 0x80U >> bit % 8)
            return false;
    return true;
}

bool cidr_read(struct text text, struct cidr *ret_cidr) {
    const char *slash = text.len > 0 ? memchr(text.at, '/', text.len) : NULL;
    struct text address = {text.at, slash != NULL ? (size_t)(slash - text.at) : text.len};
    struct cidr cidr = {.prefix_bits = 128};
    bool is_v4;
    uint64_t bits;
    if (!address_parse(address, cidr.address, &is_v4))
        return false;
    if (slash != NULL) {
        struct text prefix = {slash + 1, text.len - address.len - 1};
        if (!text_number(prefix, is_v4 ? 32 : 128, &bits))
            return false;
        cidr.prefix_bits = (uint8_t)(is_v4 ? bits + MAPPED_BITS : bits);
    }
    if (!is_prefix_clean(&cidr))
        return false;
    *ret_cidr = cidr;
    return true;
}

bool cidr_has(const struct cidr *cidr, const uint8_t address[static ADDRESS_BYTES]) {
    unsigned whole = cidr->prefix_bits / 8, rest = cidr->prefix_bits % 8;
    uint8_t mask = (uint8_t)(0xFF00U >> rest);
    return memcmp(cidr->address, address, whole) == 0 &&
           (rest == 0 || ((cidr->address[whole] ^ address[whole]) & mask) == 0);
}

bool cidr_any_has(const struct cidr *cidrs, size_t count,
                  const uint8_t address[static ADDRESS_BYTES]) {
    for (size_t i = 0; i < count; i++)
        if (cidr_has(&cidrs[i], address))
            return true;
    return false;
}

bool cidr_read_list(struct text list, struct cidr *ret_cidrs, size_t max, size_t *ret_count) {
    size_t count = 0;
    while (list.len > 0) {
        const char *comma = memchr(list.at, ',', list.len);
        size_t len = comma != NULL ? (size_t)(comma - list.at) : list.len;
        if (count == max || !cidr_read(text_trim((struct text){list.at, len}), &ret_cidrs[count]))
            return false;
        count++;
        size_t skip = comma != NULL ? len + 1 : len;
        list = (struct text){list.at + skip, list.len - skip};
    }
    *ret_count = count;
    return true;
}
