/* The request line (RFC 9112 §3) and the authority (RFC 3986 §3.2), read strictly. */
#include "http/line.h"

#include <arpa/inet.h>

/* What a byte may be part of. */
enum {
    TOKEN = 1,  /* tchar of RFC 9110 §5.6.2 */
    TARGET = 2, /* path and query of RFC 3986 §3.3 and §3.4, '%' aside */
    HOST = 4,   /* a registered name. RFC 3986 also has "!$&'()*+,;=" there: no name that resolves
                 * holds one, and a comma is what two Host headers look like when joined. */
    HEX = 8,
};
static const uint8_t classes[256] = {
    ['0' ... '9'] = TOKEN | TARGET | HOST | HEX,
    ['A' ... 'F'] = TOKEN | TARGET | HOST | HEX,
    ['a' ... 'f'] = TOKEN | TARGET | HOST | HEX,
    ['G' ... 'Z'] = TOKEN | TARGET | HOST,
    ['g' ... 'z'] = TOKEN | TARGET | HOST,
    ['-'] = TOKEN | TARGET | HOST,
    ['.'] = TOKEN | TARGET | HOST,
    ['_'] = TOKEN | TARGET | HOST,
    ['~'] = TOKEN | TARGET | HOST,
    ['!'] = TOKEN | TARGET,
    ['$'] = TOKEN | TARGET,
    ['&'] = TOKEN | TARGET,
    ['\''] = TOKEN | TARGET,
    ['*'] = TOKEN | TARGET,
    ['+'] = TOKEN | TARGET,
    ['#'] = TOKEN,
    ['%'] = TOKEN,
    ['^'] = TOKEN,
    ['`'] = TOKEN,
    ['|'] = TOKEN,
    ['('] = TARGET,
    [')'] = TARGET,
    [','] = TARGET,
    [';'] = TARGET,
    ['='] = TARGET,
    [':'] = TARGET,
    ['@'] = TARGET,
    ['/'] = TARGET,
    ['?'] = TARGET,
};

static bool byte_is(char byte, uint8_t class) {
    return (classes[(uint8_t)byte] & class) != 0;
}

bool http_byte_is_token(char byte) {
    return byte_is(byte, TOKEN);
}

/* How many bytes at the start are of the class, or a whole escape where `class` is not TOKEN. */
static size_t run_of(struct text text, uint8_t class) {
    size_t i = 0;
    for (;;) {
        while (i < text.len && byte_is(text.at[i], class))
            i++;
        if (class == TOKEN || text.len - i < 3 || text.at[i] != '%' ||
            !byte_is(text.at[i + 1], HEX) || !byte_is(text.at[i + 2], HEX))
            return i;
        i += 3;
    }
}

static bool is_all(struct text text, uint8_t class) {
    return run_of(text, class) == text.len;
}

/* Cuts the text at the first `byte`: what is before goes to `ret_head`. False if there is none. */
static bool cut_at(struct text *text, char byte, struct text *ret_head) {
    const char *found = text->len > 0 ? memchr(text->at, byte, text->len) : NULL;
    if (found == NULL)
        return false;
    size_t before = (size_t)(found - text->at);
    *ret_head = (struct text){text->at, before};
    *text = (struct text){found + 1, text->len - before - 1};
    return true;
}

static bool port_is_valid(struct text port) {
    uint64_t number;
    return port.len == 0 || (port.len <= 5 && text_number(port, 65535, &number));
}

static bool ipv6_is_valid(struct text address) {
    char string[INET6_ADDRSTRLEN];
    struct in6_addr binary;
    if (address.len == 0 || address.len >= sizeof(string))
        return false;
    memcpy(string, address.at, address.len);
    string[address.len] = '\0';
    return inet_pton(AF_INET6, string, &binary) == 1;
}

bool http_authority_is_valid(struct text authority) {
    struct text host, rest = authority;
    if (authority.len > 0 && authority.at[0] == '[') {
        rest = (struct text){authority.at + 1, authority.len - 1};
        if (!cut_at(&rest, ']', &host) || !ipv6_is_valid(host))
            return false;
        return rest.len == 0 ||
               (rest.at[0] == ':' && port_is_valid((struct text){rest.at + 1, rest.len - 1}));
    }
    size_t len = run_of(authority, HOST);
    if (len == 0)
        return false;
    rest = (struct text){authority.at + len, authority.len - len};
    return rest.len == 0 ||
           (rest.at[0] == ':' && port_is_valid((struct text){rest.at + 1, rest.len - 1}));
}

static enum http_method method_of(struct text text) {
    for (enum http_method method = 0; method < HTTP_METHODS; method++)
        if (text_equal(text, text_of(http_method_name(method))))
            return method;
    return HTTP_METHOD_OTHER;
}

/* "HTTP/1.1" or "HTTP/1.0"; the name is case-sensitive (RFC 9112 §2.3). */
static bool version_read(struct text version, bool *ret_is_http_1_0, struct error *error) {
    bool is_http_1_0 = text_equal(version, TEXT("HTTP/1.0"));
    if (!is_http_1_0 && !text_equal(version, TEXT("HTTP/1.1"))) {
        bool is_version = version.len == 8 && text_starts(version, TEXT("HTTP/")) &&
                          version.at[5] >= '0' && version.at[5] <= '9' && version.at[6] == '.' &&
                          version.at[7] >= '0' && version.at[7] <= '9';
        if (is_version)
            return error_set(error, ERROR_HTTP_VERSION, NULL);
        return error_set(error, ERROR_HTTP_MALFORMED, "the request line does not end in a version");
    }
    *ret_is_http_1_0 = is_http_1_0;
    return true;
}

/* Takes "http://authority" off an absolute-form target (RFC 9112 §3.2.2). */
static bool absolute_read(struct text *target, struct text *ret_authority) {
    static const char schemes[2][9] = {"http://", "https://"};
    for (size_t i = 0; i < array_count(schemes); i++) {
        struct text scheme = text_of(schemes[i]);
        if (target->len < scheme.len ||
            !text_equal_nocase((struct text){target->at, scheme.len}, scheme))
            continue;
        struct text rest = {target->at + scheme.len, target->len - scheme.len};
        size_t len = 0;
        while (len < rest.len && rest.at[len] != '/' && rest.at[len] != '?')
            len++;
        *ret_authority = (struct text){rest.at, len};
        *target = (struct text){rest.at + len, rest.len - len};
        return http_authority_is_valid(*ret_authority);
    }
    return false;
}

static bool target_read(struct text target, struct http_line *line, struct error *error) {
    if (text_equal(target, TEXT("*"))) {
        line->path = target;
        return line->method == HTTP_OPTIONS ||
               error_set(error, ERROR_HTTP_TARGET, "'*' goes with OPTIONS only");
    }
    if (!(target.len > 0 && target.at[0] == '/') && !absolute_read(&target, &line->authority))
        return error_set(error, ERROR_HTTP_TARGET, "it is neither a path nor an http URI");
    if (!is_all(target, TARGET))
        return error_set(error, ERROR_HTTP_TARGET, "a character in it must be percent-encoded");
    line->query = target;
    line->has_query = cut_at(&line->query, '?', &line->path);
    if (!line->has_query) {
        line->path = target;
        line->query = (struct text){target.at + target.len, 0};
    }
    return true;
}

bool http_line_read(struct text text, struct http_line *ret_line, struct error *ret_error) {
    struct http_line line = {0};
    struct text target;
    if (!cut_at(&text, ' ', &line.method_text) || !is_all(line.method_text, TOKEN) ||
        line.method_text.len == 0)
        return error_set(ret_error, ERROR_HTTP_MALFORMED, "it does not start with a method");
    if (!cut_at(&text, ' ', &target)) /* HTTP/0.9 had no version */
        return error_set(ret_error, ERROR_HTTP_VERSION, NULL);
    if (!version_read(text, &line.is_http_1_0, ret_error))
        return false;
    line.method = method_of(line.method_text);
    /* CONNECT asks for a proxy; TRACE would echo credentials (RFC 9110 §9.3.8). */
    if (line.method == HTTP_METHOD_OTHER && (text_equal(line.method_text, TEXT("CONNECT")) ||
                                             text_equal(line.method_text, TEXT("TRACE"))))
        return error_about(ret_error, ERROR_HTTP_METHOD, line.method_text);
    if (!target_read(target, &line, ret_error))
        return false;
    *ret_line = line;
    return true;
}
