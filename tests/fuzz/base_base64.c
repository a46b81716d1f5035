/* base64url: what is read comes back as the same characters, and what is written can be read. */
#include "base/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char memory[1 << 15];
static uint8_t bytes[1 << 15];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct text input = {(const char *)data, size};
    size_t len;
    if (size > 4096)
        return 0;
    if (base64_read(input, bytes, size, &len)) {
        check(base64_write(memory, bytes, len) == size);
        check(text_equal((struct text){memory, size}, input));
        check(len == 0 || !base64_read(input, bytes, len - 1, &len));
    }
    struct buffer out = buffer_over(memory, BASE64_LEN(size));
    buffer_base64(&out, data, size);
    check(!out.overflow && base64_read(buffer_text(&out), bytes, size, &len));
    check(text_equal((struct text){(const char *)bytes, len}, input));
    return 0;
}
