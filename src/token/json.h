/* Reading JSON strictly and writing it back exactly; yyjson is known in json.c alone. */
#ifndef TOKEN_JSON_H
#define TOKEN_JSON_H

#include "base/error.h"
#include "base/memory.h"

/* A value inside a parsed document; lives as long as the arena it was parsed into. */
struct json;
struct random;

/* Draws the key of the table that finds a key given twice; token_start calls it. */
void json_start(struct random *random);

#define JSON_DEPTH_MAX 32
#define JSON_DEPTH_EXTRA_MAX 8 /* so that what walks a value has its levels on the stack */

/* Parses one JSON text (RFC 8259) into the arena. Refused, each with its own error: malformed
 * text, anything behind the value, invalid UTF-8, lone surrogates, a byte order mark, nesting
 * deeper than JSON_DEPTH_MAX + `depth_extra` (at most JSON_DEPTH_EXTRA_MAX), a key twice in one
 * object (compared after unescaping), numbers that overflow a double (RFC 7493 §2.2). Numbers
 * keep their spelling. The text itself is not kept or changed. `arena` needs about 16 bytes a
 * byte of text; too little is ERROR_OVERLOADED. */
must_check bool json_read(struct text text, unsigned depth_extra, struct arena *arena,
                          const struct json **ret_value, struct error *ret_error);

bool json_is_object(const struct json *value);
bool json_is_array(const struct json *value);
bool json_is_string(const struct json *value);
bool json_is_null(const struct json *value);
bool json_is_true(const struct json *value);
bool json_is_false(const struct json *value);
bool json_is_number(const struct json *value);
/* The unescaped text of a string, or the spelling of a number. Must be one of them. */
struct text json_text(const struct json *value);
/* The value of a whole number (1.0 and 1e3 are) from 0 to `max`; false on anything else. */
must_check bool json_number(const struct json *value, uint64_t max, uint64_t *ret_number);
/* A member of an object by its exact key; NULL if it is not there. */
const struct json *json_member(const struct json *object, struct text key);
/* Members of an object or array. */
size_t json_count(const struct json *value);

/* for (struct json_iter i = json_iter(value); json_next(&i);) … i.key (objects only), i.value */
struct json_iter {
    struct text key;
    const struct json *value;
    const struct json *at;
    size_t left;
    bool in_object;
};
struct json_iter json_iter(const struct json *value);
bool json_next(struct json_iter *iter);

/* Writes the value without white space: key order and number spelling as they came, strings with
 * the same meaning, escaped no more than RFC 8259 §7 asks. One pass, no memory. */
void json_write(const struct json *value, struct buffer *out);
/* Whether two values mean the same: objects without regard to order, numbers by their value. */
bool json_equal(const struct json *a, const struct json *b);

/* Reading an object's members into a struct by a table: bodies take snake_case and camelCase of
 * every field; an unknown field, a field twice (in whatever spellings) or a value of another
 * type is an error that names it. null counts as absent. The struct starts with `uint64_t
 * given`, which gets bit i set when row i was there; members not given are left as they were. */
enum json_field_type {
    JSON_FIELD_TEXT,   /* struct text: UTF-8 without control characters, at most 256 bytes */
    JSON_FIELD_NAME,   /* struct text: text_is_name */
    JSON_FIELD_NUMBER, /* uint64_t: whole, 0 to 2^32-1, or the same in quotes (protojson) */
    JSON_FIELD_BOOL,   /* bool */
    JSON_FIELD_OBJECT, /* const struct json * */
    JSON_FIELD_ARRAY,  /* const struct json * */
    JSON_FIELD_ANY,    /* const struct json * */
};
struct json_field {
    const char *name; /* snake_case */
    enum json_field_type type;
    size_t offset;
};
must_check bool json_read_fields(const struct json *object, const struct json_field *fields,
                                 size_t count, void *ret_struct, struct error *ret_error);

#endif
