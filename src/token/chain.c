/* A chain of records: the hash of each covers the hash before it. */
#include "token/chain.h"

struct text chain_number(uint64_t number, uint8_t memory[static 8]) {
    for (size_t i = 0; i < 8; i++)
        memory[i] = (uint8_t)(number >> (56 - 8 * i));
    return (struct text){(const char *)memory, 8};
}

void chain_hash(const uint8_t before[static SHA256_BYTES], const struct text *parts, size_t count,
                uint8_t ret_hash[static SHA256_BYTES]) {
    uint8_t lengths[CHAIN_PARTS_MAX][8];
    struct text texts[1 + 2 * CHAIN_PARTS_MAX] = {{(const char *)before, SHA256_BYTES}};
    check(count <= CHAIN_PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        texts[1 + 2 * i] = chain_number(parts[i].len, lengths[i]);
        texts[2 + 2 * i] = parts[i];
    }
    sha256_of(texts, 1 + 2 * count, ret_hash);
}
