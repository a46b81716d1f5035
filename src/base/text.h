/* Strings that carry their length, and the bounded buffer that everything is written into. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"

/* A borrowed run of bytes; not NUL-terminated. `at` may be NULL only when `len` is 0. */
struct text {
    const char *at;
    size_t len;
};

/* The text of a string literal. */
#define TEXT(literal) ((struct text)TEXT_INIT(literal))
/* The same where a constant must stand (static tables). */
#define TEXT_INIT(literal) \
    { ("" literal), sizeof(literal) - 1 }

static inline struct text text_of(const char *string) {
    return (struct text){string, strlen(string)};
}
static inline bool text_equal(struct text a, struct text b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}
/* Without regard to the case of ASCII letters. */
bool text_equal_nocase(struct text a, struct text b);
bool text_starts(struct text text, struct text prefix);
/* The text without spaces and tabs (OWS of RFC 9110) at both ends. */
struct text text_trim(struct text text);
/* Reads a decimal number without sign; false on anything else or above `max`. */
must_check bool text_number(struct text text, uint64_t max, uint64_t *ret_number);
/* Reads exactly `len` bytes of two hex digits each, in either case. */
must_check bool text_hex(struct text text, uint8_t *ret_bytes, size_t len);
/* Whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool text_is_utf8(struct text text);
/* org, project and service names: ^[_a-zA-Z0-9][-_a-zA-Z0-9]{2,39}$ */
#define NAME_BYTES_MAX 40
bool text_is_name(struct text text);

/* A writer into memory of a fixed size. Writing beyond it sets `overflow` and drops the write
 * whole, so the writers need no check each: look at `overflow` once at the end. */
struct buffer {
    char *at;
    size_t len;
    size_t size;
    bool overflow;
};

static inline struct buffer buffer_over(char *memory, size_t size) {
    return (struct buffer){.at = memory, .size = size};
}
static inline struct text buffer_text(const struct buffer *buffer) {
    return (struct text){buffer->at, buffer->len};
}
/* Room for `len` bytes at the end, which count as written; NULL (and `overflow`) if none is. */
static inline char *buffer_take(struct buffer *buffer, size_t len) {
    if (unlikely(buffer->size - buffer->len < len)) {
        buffer->overflow = true;
        return NULL;
    }
    char *room = buffer->at + buffer->len;
    buffer->len += len;
    return room;
}
static inline void buffer_add(struct buffer *buffer, struct text text) {
    char *room = buffer_take(buffer, text.len);
    if (likely(room != NULL && text.len > 0))
        memcpy(room, text.at, text.len);
}
static inline void buffer_byte(struct buffer *buffer, char byte) {
    char *room = buffer_take(buffer, 1);
    if (likely(room != NULL))
        *room = byte;
}
/* A literal or C string. */
static inline void buffer_put(struct buffer *buffer, const char *string) {
    buffer_add(buffer, text_of(string));
}
void buffer_number(struct buffer *buffer, uint64_t number);
/* The lowest `count` decimal digits, with zeros in front. */
void buffer_digits(struct buffer *buffer, unsigned number, size_t count);
void buffer_signed(struct buffer *buffer, int64_t number);
/* Needs room for a byte more than it writes. */
void buffer_format(struct buffer *buffer, const char *format, ...) printf_like(2, 3);
void buffer_hex(struct buffer *buffer, const uint8_t *bytes, size_t len);
/* The text as a JSON string with its quotes, escaped as RFC 8259 §7 asks and no more; the text must
 * be UTF-8 (bytes that are not are replaced by U+FFFD). */
void buffer_json(struct buffer *buffer, struct text text);
/* A time in seconds since 1970 as RFC 3339 UTC: 2026-01-31T23:59:59Z. That form has room for the
 * years 0 to 9999; a time outside them counts as overflow. */
#define TIME_TEXT_BYTES 20
#define TIME_MIN_S (-62167219200)
#define TIME_MAX_S 253402300799
void buffer_time(struct buffer *buffer, int64_t unix_s);
/* Percent-encodes all but the unreserved characters of RFC 3986 §2.3. */
void buffer_percent(struct buffer *buffer, struct text text);

/* A UUID (RFC 9562) in its binary form, and its text form of 36 lower-case characters. */
#define UUID_BYTES 16
#define UUID_TEXT_BYTES 36
struct uuid {
    uint8_t bytes[UUID_BYTES];
};
static inline bool uuid_equal(const struct uuid *a, const struct uuid *b) {
    return memcmp(a->bytes, b->bytes, UUID_BYTES) == 0;
}
void buffer_uuid(struct buffer *buffer, const struct uuid *uuid);
/* Both cases of hex digits are read; dashes must stand where they belong. */
must_check bool text_uuid(struct text text, struct uuid *ret_uuid);
/* Sets version 4 and the variant on 16 random bytes. */
void uuid_make_v4(struct uuid *uuid);

#endif
