/* A chain of records: the hash of each covers the hash before it, so that a record changed, removed
 * or moved shows. */
#ifndef TOKEN_CHAIN_H
#define TOKEN_CHAIN_H

#include "token/hash.h"

#define CHAIN_PARTS_MAX 16

/* SHA-256 of the hash before (zeros ahead of the first record) and the record's parts, each behind
 * its length in eight bytes, most significant first. */
void chain_hash(const uint8_t before[static SHA256_BYTES], const struct text *parts, size_t count,
                uint8_t ret_hash[static SHA256_BYTES]);
/* A number as a part: eight bytes, most significant first, in `memory`. */
struct text chain_number(uint64_t number, uint8_t memory[static 8]);

#endif
