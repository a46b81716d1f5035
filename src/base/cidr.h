/* Addresses and their ranges (RFC 4632, RFC 4291), IPv4 and IPv6 alike. */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include "base/text.h"

/* An address of 128 bits; an IPv4 address stands as its IPv4-mapped IPv6 one (::ffff:0:0/96, RFC
 * 4291 §2.5.5.2), so a range of one kind also holds what comes in the other's clothes. */
#define ADDRESS_BYTES 16
struct cidr {
    uint8_t address[ADDRESS_BYTES];
    uint8_t prefix_bits; /* of 128 */
};

/* Reads an address in text form; false if it is none. */
must_check bool cidr_read_address(struct text text, uint8_t ret_address[static ADDRESS_BYTES]);
/* "192.0.2.0/24", "2001:db8::/32", or an address alone. Bits behind the prefix are refused:
 * 10.0.0.1/8 is a slip, and which one is not ours to guess. */
must_check bool cidr_read(struct text text, struct cidr *ret_cidr);
bool cidr_has(const struct cidr *cidr, const uint8_t address[static ADDRESS_BYTES]);
/* Whether one of the ranges has it. */
bool cidr_any_has(const struct cidr *cidrs, size_t count,
                  const uint8_t address[static ADDRESS_BYTES]);
/* A list with commas, blanks allowed, empty for none; false on a bad one or more than `max`. */
must_check bool cidr_read_list(struct text list, struct cidr *ret_cidrs, size_t max,
                               size_t *ret_count);

#endif
