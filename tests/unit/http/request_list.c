/* Reads tests/data/http_requests.jsonl: flat objects of strings, numbers and booleans. */
#include "request_list.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINE_BYTES = 1 << 16, TEXT_BYTES = 1 << 16 };

/* Appends what stands for one character of a JSON string and returns what follows it. */
static const char *character_read(const char *at, uint64_t fill, struct buffer *out) {
    static const char escapes[] = "b\bt\tn\nf\fr\r\"\"\\\\//";
    if (strncmp(at, "…", 3) == 0) {
        for (uint64_t i = 0; i < fill; i++)
            buffer_byte(out, 'a');
        return at + 3;
    }
    if (at[0] != '\\') {
        buffer_byte(out, at[0]);
        return at + 1;
    }
    if (at[1] == 'u') {
        char hex[5] = {at[2], at[3], at[4], at[5]};
        unsigned long code = strtoul(hex, NULL, 16);
        check(code < 256);
        buffer_byte(out, (char)code);
        return at + 6;
    }
    const char *found = strchr(escapes, at[1]);
    check(found != NULL);
    buffer_byte(out, found[1]);
    return at + 2;
}

/* Where the value of the member starts, or NULL. No name occurs in the strings as `"name": `. */
static const char *member_find(const char *line, const char *name) {
    char key[32];
    check(snprintf(key, sizeof(key), "\"%s\": ", name) < (int)sizeof(key));
    const char *found = strstr(line, key);
    return found == NULL ? NULL : found + strlen(key);
}

static uint64_t number_read(const char *line, const char *name) {
    const char *at = member_find(line, name);
    return at == NULL ? 0 : strtoull(at, NULL, 10);
}

static struct text string_read(const char *line, const char *name, uint64_t fill, char *memory) {
    struct buffer out = buffer_over(memory, TEXT_BYTES);
    const char *at = member_find(line, name);
    if (at == NULL)
        return (struct text){0};
    check(*at++ == '"');
    while (*at != '"')
        at = character_read(at, fill, &out);
    check(!out.overflow);
    return buffer_text(&out);
}

size_t request_list_read(void (*call)(const struct request_case *request)) {
    static char line[LINE_BYTES], name[TEXT_BYTES], path[TEXT_BYTES], body[TEXT_BYTES],
        request[TEXT_BYTES];
    FILE *file = fopen("tests/data/http_requests.jsonl", "r");
    check(file != NULL);
    size_t count = 0;
    for (; fgets(line, sizeof(line), file) != NULL; count++) {
        const char *keep = member_find(line, "keep");
        uint64_t fill = number_read(line, "fill");
        struct request_case read = {
            .status = number_read(line, "status"),
            .requests = number_read(line, "requests"),
            .keep = keep != NULL && strncmp(keep, "true", 4) == 0,
            .path = string_read(line, "path", fill, path),
            .body = string_read(line, "body", fill, body),
            .request = string_read(line, "request", fill, request),
        };
        struct text text = string_read(line, "case", fill, name);
        check(text.len < sizeof(read.name) && strchr(line, '\n') != NULL);
        memcpy(read.name, text.at, text.len);
        call(&read);
    }
    (void)fclose(file);
    return count;
}
