/* JSON for tests, out of texts that are known to be good. */
#include "parse.h"

static char memory[1 << 20];
static struct arena arena = {.at = (uint8_t *)memory, .size = sizeof(memory)};

const struct json *parse_text(struct text text) {
    const struct json *value = NULL;
    struct error error;
    check(json_read(text, JSON_DEPTH_EXTRA_MAX, &arena, &value, &error));
    return value;
}

const struct json *parse(const char *text) {
    return parse_text(text_of(text));
}

void parse_reset(void) {
    arena_reset(&arena);
}
