/* Texts: a UUID or number that is read is written back as it was; escapes are well-formed. */
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char memory[1 << 16];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct text input = {(const char *)data, size};
    struct buffer out = buffer_over(memory, sizeof(memory));
    struct uuid uuid;
    uint64_t number;
    if (size > 4096)
        return 0;
    if (text_uuid(input, &uuid)) {
        buffer_uuid(&out, &uuid);
        check(text_equal_nocase(buffer_text(&out), input));
    }
    if (text_number(input, UINT64_MAX, &number) && input.at[0] != '0') {
        out.len = 0;
        buffer_number(&out, number);
        check(text_equal(buffer_text(&out), input));
    }
    out.len = 0;
    buffer_json(&out, input);
    check(!out.overflow && text_is_utf8(buffer_text(&out)));
    for (size_t i = 1; i + 1 < out.len; i++) {
        check((uint8_t)memory[i] >= 0x20 && memory[i] != '"');
        i += memory[i] == '\\';
    }
    bool is_utf8 = text_is_utf8(input);
    check(is_utf8 || memmem(memory, out.len, "\xEF\xBF\xBD", 3) != NULL); /* U+FFFD */
    check(!text_is_name(input) || (is_utf8 && size <= NAME_BYTES_MAX));
    return 0;
}
