/* JWTs: what is taken apart is the same characters when it is put together again. */
#include "base/base64.h"
#include "token/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char memory[1 << 20], written[1 << 15];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena = arena_over(memory, sizeof(memory));
    struct buffer out = buffer_over(written, sizeof(written));
    struct text input = {(const char *)data, size};
    uint8_t key[PUBLIC_KEY_BYTES] = {0};
    struct error error;
    struct jwt jwt;
    if (size > 1 << 14)
        return 0;
    if (!jwt_read(input, &arena, &jwt, &error)) {
        check(error.code == ERROR_CREDENTIAL);
        return 0;
    }
    buffer_add(&out, jwt.input);
    jwt_write_signature(jwt.signature, &out);
    check(text_equal(buffer_text(&out), input));
    check(!jwt_signature_is_good(&jwt, key));
    if (jwks_find(jwt.claims, jwt.kid, key))
        check(json_member(jwt.claims, TEXT("keys")) != NULL);
    if (jwt_check_times(&jwt, 1000, 5, &error))
        check(json_member(jwt.claims, TEXT("exp")) != NULL);
    return 0;
}
