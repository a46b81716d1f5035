/* JSON: what is read and written means the same, and writing that again changes nothing. */
#include "token/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char memory[1 << 22], first[1 << 18], second[1 << 18];

static const struct json *reread(struct buffer *text, struct arena *arena) {
    const struct json *value = NULL;
    struct error error;
    check(!text->overflow);
    check(json_read(buffer_text(text), 0, arena, &value, &error));
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena = arena_over(memory, sizeof(memory));
    const struct json *value;
    struct error error = {.code = ERROR_NONE};
    if (size > 1 << 15)
        return 0;
    if (!json_read((struct text){(const char *)data, size}, 0, &arena, &value, &error)) {
        check(error.code == ERROR_JSON_MALFORMED || error.code == ERROR_JSON_DEEP ||
              error.code == ERROR_JSON_TWICE || error.code == ERROR_JSON_NUMBER);
        return 0;
    }
    struct buffer once = buffer_over(first, sizeof(first));
    struct buffer twice = buffer_over(second, sizeof(second));
    json_write(value, &once);
    const struct json *again = reread(&once, &arena);
    check(json_equal(value, again) && json_equal(again, value));
    json_write(again, &twice);
    check(text_equal(buffer_text(&once), buffer_text(&twice)));
    return 0;
}
