/* Paths and queries: percent-decoding (RFC 3986 §2.1) and name=value pairs. */
#include "http/request.h"

static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool http_decode(struct text encoded, bool is_query, struct buffer *out) {
    size_t start = out->len;
    for (size_t i = 0; i < encoded.len; i++) {
        char byte = encoded.at[i];
        if (byte == '+' && is_query)
            byte = ' ';
        if (byte == '%') {
            int high = i + 2 < encoded.len ? hex_value(encoded.at[i + 1]) : -1;
            int low = i + 2 < encoded.len ? hex_value(encoded.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            byte = (char)(high << 4 | low);
            i += 2;
        }
        if (byte == '\0')
            return false;
        buffer_byte(out, byte);
    }
    return !out->overflow && text_is_utf8((struct text){out->at + start, out->len - start});
}

/* The text up to the first `byte`, or all of it; `rest` becomes what is behind. */
static struct text take_until(struct text *rest, char byte) {
    const char *found = memchr(rest->at, byte, rest->len);
    size_t len = found != NULL ? (size_t)(found - rest->at) : rest->len;
    size_t skip = found != NULL ? len + 1 : len;
    struct text head = {rest->at, len};
    *rest = (struct text){rest->at + skip, rest->len - skip};
    return head;
}

bool http_query_next(struct text *query, struct text *ret_name, struct text *ret_value) {
    while (query->len > 0) {
        struct text value = take_until(query, '&');
        if (value.len == 0)
            continue;
        *ret_name = take_until(&value, '=');
        *ret_value = value;
        return true;
    }
    return false;
}
