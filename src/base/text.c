/* Strings that carry their length, and the bounded buffer that everything is written into. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

/* Eight bytes with ASCII letters made small, each byte by itself: the top bits of the sums tell
 * whether the low seven are at least 'A', and above 'Z'. */
static uint64_t word_lower(uint64_t word) {
    const uint64_t ones = 0x0101010101010101, low_bits = ones * 0x7F;
    uint64_t from_a = (word & low_bits) + ones * (0x80 - 'A');
    uint64_t above_z = (word & low_bits) + ones * (0x80 - 'Z' - 1);
    uint64_t is_capital = from_a & ~above_z & ~word & (ones * 0x80);
    return word | is_capital >> 2;
}

bool text_equal_nocase(struct text a, struct text b) {
    if (a.len != b.len)
        return false;
    for (size_t i = 0, step; i < a.len; i += step) {
        uint64_t of_a = 0, of_b = 0;
        step = a.len - i < sizeof(of_a) ? a.len - i : sizeof(of_a);
        memcpy(&of_a, a.at + i, step);
        memcpy(&of_b, b.at + i, step);
        if (word_lower(of_a) != word_lower(of_b))
            return false;
    }
    return true;
}

bool text_starts(struct text text, struct text prefix) {
    return text.len >= prefix.len && text_equal((struct text){text.at, prefix.len}, prefix);
}

static bool byte_is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

struct text text_trim(struct text text) {
    while (text.len > 0 && byte_is_blank(text.at[0])) {
        text.at++;
        text.len--;
    }
    while (text.len > 0 && byte_is_blank(text.at[text.len - 1]))
        text.len--;
    return text;
}

bool text_number(struct text text, uint64_t max, uint64_t *ret_number) {
    uint64_t number = 0;
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text.at[i] - '0');
        if (number > (max - digit) / 10 || digit > max)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return true;
}

/* The bytes of the UTF-8 character at `at`, 0 if it is malformed (RFC 3629 §4). */
static size_t utf8_length(const uint8_t *at, size_t left) {
    if (at[0] < 0x80)
        return 1;
    size_t len = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xF0 && at[1] < 0x90);
    bool surrogate = at[0] == 0xED && at[1] > 0x9F;
    bool beyond = at[0] == 0xF4 && at[1] > 0x8F;
    return overlong || surrogate || beyond ? 0 : len;
}

bool text_is_utf8(struct text text) {
    const uint8_t *at = (const uint8_t *)text.at;
    for (size_t i = 0; i < text.len;) {
        size_t len = utf8_length(at + i, text.len - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

static bool byte_is_word(char byte) {
    return byte == '_' || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z');
}

bool text_is_name(struct text text) {
    if (text.len < 3 || text.len > NAME_BYTES_MAX || text.at[0] == '-')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!byte_is_word(text.at[i]) && text.at[i] != '-')
            return false;
    return true;
}

void buffer_number(struct buffer *buffer, uint64_t number) {
    char digits[20];
    size_t start = sizeof(digits);
    do {
        digits[--start] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buffer_add(buffer, (struct text){digits + start, sizeof(digits) - start});
}

void buffer_signed(struct buffer *buffer, int64_t number) {
    if (number < 0)
        buffer_byte(buffer, '-');
    buffer_number(buffer, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

void buffer_format(struct buffer *buffer, const char *format, ...) {
    va_list arguments;
    size_t room = buffer->size - buffer->len;
    va_start(arguments, format);
    int len = vsnprintf(room > 0 ? buffer->at + buffer->len : NULL, room, format, arguments);
    va_end(arguments);
    check(len >= 0);
    if ((size_t)len >= room)
        buffer->overflow = true;
    else
        buffer->len += (size_t)len;
}

static const char hex_digits[16] = "0123456789abcdef";
static const uint8_t uuid_group_bytes[] = {4, 2, 2, 2, 6};

void buffer_hex(struct buffer *buffer, const uint8_t *bytes, size_t len) {
    char *room = buffer_take(buffer, 2 * len);
    if (room == NULL)
        return;
    for (size_t i = 0; i < len; i++) {
        room[2 * i] = hex_digits[bytes[i] >> 4];
        room[2 * i + 1] = hex_digits[bytes[i] & 15];
    }
}

static void json_escape(struct buffer *buffer, uint8_t byte) {
    static const char named[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    const char *found = byte == 0 ? NULL : strchr(named, byte);
    if (found != NULL) {
        buffer_add(buffer, (struct text){(char[]){'\\', found[1]}, 2});
    } else {
        buffer_add(buffer, TEXT("\\u00"));
        buffer_hex(buffer, &byte, 1);
    }
}

/* Whether none of eight bytes is a control character, a quote, a backslash or outside ASCII.
 * Each term sets the top bit of a byte that is one (and perhaps, by a borrow, of one above it). */
static bool json_word_is_plain(uint64_t word) {
    const uint64_t ones = 0x0101010101010101;
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    uint64_t special = (word - ones * 0x20) | (quote - ones) | (backslash - ones) | word;
    return (special & (ones * 0x80)) == 0;
}

/* How many bytes from `i` on stand for themselves in a JSON string. */
static size_t json_plain_run(struct text text, size_t i) {
    const uint8_t *at = (const uint8_t *)text.at;
    size_t from = i;
    for (uint64_t word; text.len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, at + i, sizeof(word));
        if (!json_word_is_plain(word))
            break;
    }
    while (i < text.len && at[i] >= 0x20 && at[i] < 0x80 && at[i] != '"' && at[i] != '\\')
        i++;
    return i - from;
}

void buffer_json(struct buffer *buffer, struct text text) {
    buffer_byte(buffer, '"');
    for (size_t i = 0; i < text.len;) {
        size_t run = json_plain_run(text, i);
        buffer_add(buffer, (struct text){text.at + i, run});
        i += run;
        if (i == text.len)
            break;
        const uint8_t *at = (const uint8_t *)text.at + i;
        size_t len = utf8_length(at, text.len - i);
        if (len == 1)
            json_escape(buffer, at[0]);
        else
            buffer_add(buffer, len == 0 ? TEXT("\xEF\xBF\xBD") : (struct text){text.at + i, len});
        i += len == 0 ? 1 : len;
    }
    buffer_byte(buffer, '"');
}

void buffer_digits(struct buffer *buffer, unsigned number, size_t count) {
    char *out = buffer_take(buffer, count);
    for (size_t i = count; i-- > 0 && out != NULL; number /= 10)
        out[i] = (char)('0' + number % 10);
}

void buffer_time(struct buffer *buffer, int64_t unix_s) {
    static const char marks[] = "--T::Z";
    struct tm parts;
    time_t time = (time_t)unix_s;
    if (unix_s < TIME_MIN_S || unix_s > TIME_MAX_S || gmtime_r(&time, &parts) == NULL) {
        buffer->overflow = true;
        return;
    }
    const int numbers[] = {parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                           parts.tm_hour,        parts.tm_min,     parts.tm_sec};
    char *room = buffer_take(buffer, TIME_TEXT_BYTES);
    struct buffer out = buffer_over(room, TIME_TEXT_BYTES);
    for (size_t i = 0; i < array_count(numbers) && room != NULL; i++) {
        buffer_digits(&out, (unsigned)numbers[i], i == 0 ? 4 : 2);
        buffer_byte(&out, marks[i]);
    }
}

void buffer_percent(struct buffer *buffer, struct text text) {
    static const char upper[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.at[i];
        if (byte_is_word((char)byte) || byte == '-' || byte == '.' || byte == '~')
            buffer_byte(buffer, (char)byte);
        else
            buffer_add(buffer, (struct text){(char[]){'%', upper[byte >> 4], upper[byte & 15]}, 3});
    }
}

void buffer_uuid(struct buffer *buffer, const struct uuid *uuid) {
    const uint8_t *at = uuid->bytes;
    for (size_t group = 0; group < array_count(uuid_group_bytes); group++) {
        if (group > 0)
            buffer_byte(buffer, '-');
        buffer_hex(buffer, at, uuid_group_bytes[group]);
        at += uuid_group_bytes[group];
    }
}

static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    int lower = digit | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool text_hex(struct text text, uint8_t *ret_bytes, size_t len) {
    if (text.len != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        int high = hex_value(text.at[2 * i]), low = hex_value(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool text_uuid(struct text text, struct uuid *ret_uuid) {
    struct uuid uuid;
    uint8_t *out = uuid.bytes;
    const char *at = text.at;
    if (text.len != UUID_TEXT_BYTES)
        return false;
    for (size_t group = 0; group < array_count(uuid_group_bytes); group++) {
        size_t len = uuid_group_bytes[group];
        if (group > 0 && *at++ != '-')
            return false;
        if (!text_hex((struct text){at, 2 * len}, out, len))
            return false;
        at += 2 * len;
        out += len;
    }
    *ret_uuid = uuid;
    return true;
}

void uuid_make_v4(struct uuid *uuid) {
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0F) | 0x40);
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3F) | 0x80);
}
