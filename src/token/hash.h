/* SHA-256 (FIPS 180-4), and comparing without telling where two secrets differ. */
#ifndef TOKEN_HASH_H
#define TOKEN_HASH_H

#include "base/text.h"

#define SHA256_BYTES 32

void sha256(struct text text, uint8_t ret_hash[static SHA256_BYTES]);
/* Of several texts one behind the other. */
void sha256_of(const struct text *texts, size_t count, uint8_t ret_hash[static SHA256_BYTES]);
bool memory_equal_constant_time(const void *a, const void *b, size_t len);

#endif
