/* What can go wrong, as a code, a static text and a subject; nothing to free. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/text.h"

enum error_code {
#define ERROR(name, grpc, http, text) ERROR_##name,
#include "base/error.def"
#undef ERROR
    ERROR_CODES
};

/* `subject` names what the text's %s stands for (a field, a name, a limit); cut to fit, always
 * NUL-terminated, and escaped where it is written. It never holds a secret. */
#define ERROR_SUBJECT_BYTES 240
struct error {
    enum error_code code;
    char subject[ERROR_SUBJECT_BYTES];
};

/* Sets code and subject (formatted; NULL for none) and returns false, so that a check reads
 * `return error_set(error, ERROR_X, "…")`. */
bool error_set(struct error *error, enum error_code code, const char *format, ...)
    printf_like(3, 4);
/* The same with a text for a subject. */
bool error_about(struct error *error, enum error_code code, struct text subject);

static inline bool error_is(const struct error *error) {
    return error->code != ERROR_NONE;
}
/* The HTTP status, and the gRPC code (google.rpc.Code) that the error's JSON carries. */
unsigned error_http_status(enum error_code code);
unsigned error_grpc_code(enum error_code code);
/* The row's name, for logs and metrics: "TOKEN_UNKNOWN". */
const char *error_name(enum error_code code);
/* The sentence for the user, subject filled in. */
void error_message(const struct error *error, struct buffer *out);
/* {"code":3,"message":"…","details":[]} */
void error_json(const struct error *error, struct buffer *out);

#endif
