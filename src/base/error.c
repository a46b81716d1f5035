/* What can go wrong: the rows of error.def and their texts. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name;
    const char *text;
    uint16_t http;
    uint8_t grpc;
} rows[] = {
#define ERROR(name, grpc, http, text) {#name, text, http, grpc},
#include "base/error.def"
#undef ERROR
};

bool error_set(struct error *error, enum error_code code, const char *format, ...) {
    error->code = code;
    error->subject[0] = '\0';
    if (format != NULL) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(error->subject, sizeof(error->subject), format, arguments);
        va_end(arguments);
    }
    return false;
}

bool error_about(struct error *error, enum error_code code, struct text subject) {
    size_t len = subject.len < ERROR_SUBJECT_BYTES ? subject.len : ERROR_SUBJECT_BYTES - 1;
    error->code = code;
    if (len > 0)
        memcpy(error->subject, subject.at, len);
    error->subject[len] = '\0';
    return false;
}

unsigned error_http_status(enum error_code code) {
    check(code < ERROR_CODES);
    return rows[code].http;
}

unsigned error_grpc_code(enum error_code code) {
    check(code < ERROR_CODES);
    return rows[code].grpc;
}

const char *error_name(enum error_code code) {
    check(code < ERROR_CODES);
    return rows[code].name;
}

void error_message(const struct error *error, struct buffer *out) {
    check(error->code < ERROR_CODES);
    const char *text = rows[error->code].text;
    const char *mark = strstr(text, "%s");
    if (mark == NULL) {
        buffer_put(out, text);
        return;
    }
    buffer_add(out, (struct text){text, (size_t)(mark - text)});
    buffer_put(out, error->subject);
    buffer_put(out, mark + 2);
}

void error_json(const struct error *error, struct buffer *out) {
    char message[1024];
    struct buffer text = buffer_over(message, sizeof(message));
    error_message(error, &text);
    buffer_put(out, "{\"code\":");
    buffer_number(out, error_grpc_code(error->code));
    buffer_put(out, ",\"message\":");
    buffer_json(out, buffer_text(&text));
    buffer_put(out, ",\"details\":[]}");
}
