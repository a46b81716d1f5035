/* Service tokens: whatever is read is written back as the same characters. */
#include "token/service_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char memory[TOKEN_TEXT_BYTES_MAX];
    struct buffer out = buffer_over(memory, sizeof(memory));
    struct service_token token, again;
    struct text input = {(const char *)data, size};
    if (service_token_read(input, TEXT("mint"), &token)) {
        service_token_write(&token, TEXT("mint"), &out);
        check(text_equal(buffer_text(&out), input));
    }
    /* The input as a number: any number has a text. */
    if (size < UUID_BYTES + TOKEN_SECRET_BYTES)
        return 0;
    token.kind = size % 2 == 0 ? TOKEN_SERVICE : TOKEN_OPERATOR;
    memcpy(token.id.bytes, data, UUID_BYTES);
    memcpy(token.secret, data + UUID_BYTES, TOKEN_SECRET_BYTES);
    out = buffer_over(memory, sizeof(memory));
    service_token_write(&token, TEXT("rill"), &out);
    check(service_token_read(buffer_text(&out), TEXT("rill"), &again));
    check(uuid_equal(&token.id, &again.id) && token.kind == again.kind);
    check(memcmp(token.secret, again.secret, TOKEN_SECRET_BYTES) == 0);
    memory[data[0] % out.len] ^= (char)(1 + data[1] % 127);
    check(!service_token_read(buffer_text(&out), TEXT("rill"), &again));
    return 0;
}
