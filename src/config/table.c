/* The settings as rows, and what each kind and form of value may look like. */
#include "config/table.h"

#include "base/cidr.h"

const struct setting setting_rows[SETTINGS] = {
#define SETTING_TEXT(member, name_, value, form_, flag_, help_) \
    {.name = name_, \
     .help = help_, \
     .offset = offsetof(struct settings, member), \
     .kind = KIND_TEXT, \
     .flag = SETTING_##flag_, \
     .text = value, \
     .form = FORM_##form_},
#define SETTING_NUMBER(member, name_, value, min_, max_, unit_, flag_, help_) \
    {.name = name_, \
     .help = help_, \
     .offset = offsetof(struct settings, member), \
     .kind = KIND_NUMBER, \
     .flag = SETTING_##flag_, \
     .number = value, \
     .min = min_, \
     .max = max_, \
     .unit = UNIT_##unit_},
#define SETTING_BOOL(member, name_, value, flag_, help_) \
    {.name = name_, \
     .help = help_, \
     .offset = offsetof(struct settings, member), \
     .kind = KIND_BOOL, \
     .flag = SETTING_##flag_, \
     .text = #value},
#include "config/config.def"
#undef SETTING_TEXT
#undef SETTING_NUMBER
#undef SETTING_BOOL
};

#define HIDDEN "********"

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_lower_or_digit(char byte) {
    return is_digit(byte) || (byte >= 'a' && byte <= 'z');
}

static bool is_hex_digit(char byte) {
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool is_host_byte(char byte) {
    return is_lower_or_digit(byte) || (byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '.';
}

/* Of an IPv6 address and its zone: [fe80::1%eth0]. */
static bool is_ipv6_byte(char byte) {
    return is_host_byte(byte) || byte == ':' || byte == '%';
}

static bool is_visible_byte(char byte) {
    return byte > ' ' && byte < 0x7F;
}

static bool is_origin_byte(char byte) {
    return is_ipv6_byte(byte) || byte == '[' || byte == ']';
}

static bool text_all(struct text text, bool (*is)(char byte)) {
    for (size_t i = 0; i < text.len; i++)
        if (!is(text.at[i]))
            return false;
    return text.len > 0;
}

static struct text text_from(struct text text, size_t start) {
    return (struct text){text.at + start, text.len - start};
}

static bool has_prefix(struct text text, const char *prefix) {
    return text_starts(text, text_of(prefix)) && text.len > strlen(prefix);
}

/* Names of files are put behind it. */
static bool is_path(struct text text) {
    return text.len > 0 && text.len <= SETTING_TEXT_BYTES_MAX - 100;
}

/* Port 0 is any free one. */
static bool is_address(struct text text) {
    size_t colon = text.len;
    uint64_t port;
    if (text.len > 253 + strlen(":65535")) /* a host name's longest, RFC 1035 §2.3.4 */
        return false;
    if (has_prefix(text, "unix:/"))
        return text.len - strlen("unix:") <= 107; /* sun_path of sockaddr_un, less its NUL */
    while (colon > 0 && text.at[colon - 1] != ':')
        colon--;
    if (colon == 0 || !text_number(text_from(text, colon), 65535, &port))
        return false;
    struct text host = {text.at, colon - 1};
    if (host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
        return text_all((struct text){host.at + 1, host.len - 2}, is_ipv6_byte);
    return host.len == 0 || text_all(host, is_host_byte);
}

static bool is_address_or_none(struct text text) {
    return text.len == 0 || is_address(text);
}

/* The scheme is the registry's to know. */
static bool is_registry(struct text text) {
    size_t scheme = 0;
    while (scheme < text.len && is_lower_or_digit(text.at[scheme]))
        scheme++;
    return scheme > 0 && text.len > scheme + 1 && text.at[scheme] == ':';
}

static bool is_key(struct text text) {
    return text.len == 64 && text_all(text, is_hex_digit);
}

static bool is_url_of(struct text text, bool (*is_rest)(char byte)) {
    size_t host = has_prefix(text, "https://") ? strlen("https://") : strlen("http://");
    return (has_prefix(text, "https://") || has_prefix(text, "http://")) &&
           text_all(text_from(text, host), is_rest) && text.at[host] != '/';
}

/* An issuer has no query and no fragment (RFC 8414 §2), and paths are put behind it. */
static bool is_url(struct text text) {
    return is_url_of(text, is_visible_byte) && memchr(text.at, '?', text.len) == NULL &&
           memchr(text.at, '#', text.len) == NULL && text.at[text.len - 1] != '/';
}

static bool is_brand(struct text text) {
    return text.len <= 16 && text_all(text, is_lower_or_digit);
}

static bool is_one_of(struct text text, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (text_equal(text, text_of(words[i])))
            return true;
    return false;
}

static bool is_log_format(struct text text) {
    static const char *const words[] = {"auto", "json", "text"};
    return is_one_of(text, words, array_count(words));
}

static bool is_log_level(struct text text) {
    static const char *const words[] = {"debug", "info", "warning", "error"};
    return is_one_of(text, words, array_count(words));
}

static bool is_signer(struct text text) {
    static const char *const words[] = {"auto", "libsodium", "multi-buffer"};
    return is_one_of(text, words, array_count(words));
}

static bool is_cidrs(struct text text) {
    struct cidr cidrs[SETTING_CIDRS_MAX];
    size_t count;
    return cidr_read_list(text, cidrs, SETTING_CIDRS_MAX, &count);
}

/* What stands behind the scheme is for src/io to know. */
static bool is_redis(struct text text) {
    static const char *const schemes[] = {"redis://",          "rediss://",
                                          "redis-sentinel://", "rediss-sentinel://",
                                          "redis+unix://",     "unix:"};
    for (size_t i = 0; i < array_count(schemes); i++)
        if (has_prefix(text, schemes[i]))
            return text_all(text, is_visible_byte);
    return false;
}

/* A name or an address, as certificates have them. */
static bool is_host(struct text text) {
    return text.len <= 253 && text_all(text, is_ipv6_byte); /* RFC 1035 §2.3.4 */
}

static bool is_prefix(struct text text) {
    return text.len <= 64 && text_all(text, is_visible_byte);
}

/* Origins as RFC 6454 §6.2 writes them, which is how browsers send them. */
static bool is_origins(struct text text) {
    if (text_equal(text, TEXT("*")))
        return true;
    for (size_t start = 0; start <= text.len;) {
        size_t end = start;
        while (end < text.len && text.at[end] != ',')
            end++;
        if (!is_url_of((struct text){text.at + start, end - start}, is_origin_byte))
            return false;
        start = end + 1;
    }
    return true;
}

static const struct {
    bool (*holds)(struct text text);
    const char *allowed;
} forms[] = {
    [FORM_ADDRESS] = {is_address, "host:port, [ipv6]:port, :port or unix:/path"},
    [FORM_ADDRESS_OR_NONE] = {is_address_or_none,
                              "host:port, [ipv6]:port, :port, unix:/path or ''"},
    [FORM_PATH] = {is_path, "a path"},
    [FORM_REGISTRY] = {is_registry, "sqlite:/path/registry.db or postgresql://user@host/database"},
    [FORM_KEY] = {is_key, "64 hex digits"},
    [FORM_URL] = {is_url, "an http:// or https:// URL without query and without / at its end"},
    [FORM_BRAND] = {is_brand, "1 to 16 of a-z and 0-9"},
    [FORM_LOG_FORMAT] = {is_log_format, "auto, json or text"},
    [FORM_LOG_LEVEL] = {is_log_level, "debug, info, warning or error"},
    [FORM_SIGNER] = {is_signer, "auto, libsodium or multi-buffer"},
    [FORM_REDIS] = {is_redis, "redis://host:port, rediss://host:port, unix:/path or "
                              "redis-sentinel://host,host/master"},
    [FORM_HOST] = {is_host, "the name of a host, or an IP address"},
    [FORM_PREFIX] = {is_prefix, "1 to 64 characters without spaces"},
    [FORM_CIDRS] = {is_cidrs, "a list such as 10.0.0.0/8,2001:db8::/32"},
    [FORM_ORIGINS] = {is_origins, "* or a list such as https://a.example,https://b.example"},
};

const struct setting *setting_find(struct text name) {
    for (size_t i = 0; i < SETTINGS; i++)
        if (text_equal(name, text_of(setting_rows[i].name)))
            return &setting_rows[i];
    return NULL;
}

static void *member_of(const struct setting *row, struct settings *settings) {
    return (char *)settings + row->offset;
}

static const void *member_in(const struct setting *row, const struct settings *settings) {
    return (const char *)settings + row->offset;
}

static bool text_read(const struct setting *row, struct text value, char *slot,
                      struct text *ret_text) {
    if (value.len > SETTING_TEXT_BYTES_MAX || !text_is_utf8(value))
        return false;
    for (size_t i = 0; i < value.len; i++)
        if ((uint8_t)value.at[i] < ' ' || value.at[i] == 0x7F)
            return false;
    if (!text_equal(value, text_of(row->text)) && !forms[row->form].holds(value))
        return false;
    if (value.len > 0)
        memcpy(slot, value.at, value.len);
    slot[value.len] = '\0';
    *ret_text = (struct text){slot, value.len};
    return true;
}

static bool bool_read(struct text value, bool *ret_bool) {
    static const char *const words[] = {"true", "yes", "on", "1", "false", "no", "off", "0"};
    for (size_t i = 0; i < array_count(words); i++)
        if (text_equal(value, text_of(words[i]))) {
            *ret_bool = i < array_count(words) / 2;
            return true;
        }
    return false;
}

bool setting_is_bool(struct text word) {
    bool value;
    return bool_read(word, &value);
}

bool setting_read(const struct setting *row, struct text value,
                  char slot[static SETTING_TEXT_BYTES_MAX + 1], struct settings *settings) {
    uint64_t number;
    if (row->kind == KIND_TEXT)
        return text_read(row, value, slot, member_of(row, settings));
    if (row->kind == KIND_BOOL)
        return bool_read(value, member_of(row, settings));
    if (!unit_read(value, row->unit, row->max, &number) || number < row->min)
        return false;
    *(uint64_t *)member_of(row, settings) = number;
    return true;
}

/* Where in a URL a password starts, and how long it is: behind the user, or a parameter that libpq
 * knows (password, sslpassword). One that holds an @ itself is taken whole. */
static bool password_find(struct text url, size_t from, struct text *ret_password) {
    static const struct text parameter = TEXT_INIT("password=");
    const char *start = memmem(url.at, url.len, "://", 3);
    size_t user = start == NULL ? url.len : (size_t)(start - url.at) + 3;
    size_t query = user;
    while (query < url.len && url.at[query] != '?')
        query++;
    size_t colon = user, at = query;
    while (colon < query && url.at[colon] != ':')
        colon++;
    while (at > colon && url.at[at - 1] != '@')
        at--;
    if (from <= colon && at > colon + 2) {
        *ret_password = (struct text){url.at + colon + 1, at - colon - 2};
        return true;
    }
    size_t begin = from > query ? from : query;
    const char *found = memmem(url.at + begin, url.len - begin, parameter.at, parameter.len);
    if (found == NULL)
        return false;
    struct text rest = text_from(url, (size_t)(found - url.at) + parameter.len);
    const char *end = memchr(rest.at, '&', rest.len);
    *ret_password = (struct text){rest.at, end == NULL ? rest.len : (size_t)(end - rest.at)};
    return true;
}

bool setting_is_secret(const struct setting *row, struct text value) {
    struct text password;
    bool is_url = row->kind == KIND_TEXT &&
                  (row->form == FORM_REGISTRY || row->form == FORM_REDIS) &&
                  !has_prefix(value, "sqlite:"); /* a path, whatever stands in it */
    return row->flag == SETTING_SECRET ||
           (is_url && password_find(value, 0, &password) && password.len > 0);
}

void setting_show(const struct setting *row, const struct settings *settings, struct buffer *out) {
    if (row->kind != KIND_TEXT) {
        setting_write(row, settings, out);
        return;
    }
    struct text value = *(const struct text *)member_in(row, settings), password;
    size_t shown = 0;
    bool is_hidden = setting_is_secret(row, value);
    if (is_hidden && row->flag == SETTING_SECRET) {
        buffer_put(out, value.len > 0 ? HIDDEN : "");
        return;
    }
    while (is_hidden && password_find(value, shown, &password)) {
        size_t start = (size_t)(password.at - value.at);
        buffer_add(out, (struct text){value.at + shown, start - shown});
        buffer_put(out, HIDDEN);
        shown = start + password.len;
    }
    buffer_add(out, text_from(value, shown));
}

void setting_default(const struct setting *row, struct settings *settings) {
    if (row->kind == KIND_TEXT)
        *(struct text *)member_of(row, settings) = text_of(row->text);
    else if (row->kind == KIND_NUMBER)
        *(uint64_t *)member_of(row, settings) = row->number;
    else
        *(bool *)member_of(row, settings) = text_equal(text_of(row->text), TEXT("true"));
}

void setting_write(const struct setting *row, const struct settings *settings, struct buffer *out) {
    const void *member = member_in(row, settings);
    if (row->kind == KIND_TEXT)
        buffer_add(out, *(const struct text *)member);
    else if (row->kind == KIND_NUMBER)
        unit_write(out, setting_number(row, settings), row->unit);
    else
        buffer_put(out, *(const bool *)member ? "true" : "false");
}

uint64_t setting_number(const struct setting *row, const struct settings *settings) {
    check(row->kind == KIND_NUMBER);
    return *(const uint64_t *)member_in(row, settings);
}

bool setting_equal(const struct setting *row, const struct settings *a, const struct settings *b) {
    const void *left = member_in(row, a), *right = member_in(row, b);
    if (row->kind == KIND_TEXT)
        return text_equal(*(const struct text *)left, *(const struct text *)right);
    if (row->kind == KIND_NUMBER)
        return *(const uint64_t *)left == *(const uint64_t *)right;
    return *(const bool *)left == *(const bool *)right;
}

void setting_copy(const struct setting *row, const struct settings *from, struct settings *to) {
    static const size_t bytes[] = {[KIND_TEXT] = sizeof(struct text),
                                   [KIND_NUMBER] = sizeof(uint64_t),
                                   [KIND_BOOL] = sizeof(bool)};
    memcpy(member_of(row, to), member_in(row, from), bytes[row->kind]);
}

void setting_allowed(const struct setting *row, struct buffer *out) {
    static const char *const units[] = {[UNIT_NONE] = "a whole number",
                                        [UNIT_MS] = "a duration such as 250ms, 10s, 5m, 1h or 1d",
                                        [UNIT_S] = "a duration such as 10s, 5m, 1h or 1d",
                                        [UNIT_BYTES] = "a size such as 16384, 16KiB or 1MiB"};
    if (row->kind != KIND_NUMBER) {
        buffer_put(out, row->kind == KIND_BOOL ? "true or false" : forms[row->form].allowed);
        return;
    }
    buffer_put(out, units[row->unit]);
    buffer_put(out, row->unit == UNIT_NONE ? " from " : ", from ");
    unit_write(out, row->min, row->unit);
    buffer_put(out, " to ");
    unit_write(out, row->max, row->unit);
}

void setting_variable(const struct setting *row, struct buffer *out) {
    buffer_put(out, "MINTD_");
    for (const char *at = row->name; *at != '\0'; at++)
        buffer_byte(out, *at == '-' ? '_' : (char)(*at >= 'a' ? *at - ('a' - 'A') : *at));
}
