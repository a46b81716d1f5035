/* HTTP/1.1 requests: the request line is read here, headers and chunks by llhttp, and all that RFC
 * 9112 wants refused and llhttp lets through is refused here. */
#include "http/request.h"

#include <assert.h>

#include "http/line.h"

/* llhttp's enumerators that have the names of ours get out of the way. */
#define HTTP_DELETE LLHTTP_DELETE
#define HTTP_GET LLHTTP_GET
#define HTTP_HEAD LLHTTP_HEAD
#define HTTP_POST LLHTTP_POST
#define HTTP_PUT LLHTTP_PUT
#define HTTP_OPTIONS LLHTTP_OPTIONS
#define HTTP_PATCH LLHTTP_PATCH
#define HTTP_REQUEST LLHTTP_REQUEST
#include <llhttp.h>
#undef HTTP_DELETE
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_POST
#undef HTTP_PUT
#undef HTTP_OPTIONS
#undef HTTP_PATCH
#undef HTTP_REQUEST

/* What surrounds a byte of the body may take this many bytes: "1\r\nx\r\n" takes five. */
enum { FRAMING_BYTES_PER_BODY_BYTE = 8 };

enum phase { PHASE_LINE, PHASE_FIELDS, PHASE_BODY, PHASE_WHOLE, PHASE_REFUSED };

/* The headers that end here, behind those of header.def. */
enum { CONTENT_LENGTH = HTTP_HEADERS, TRANSFER_ENCODING, EXPECT, FIELDS };

static const struct {
    struct text name;
    enum { ONCE, LAST } second;
} fields[FIELDS] = {
#define HTTP_HEADER(name, text, second) [HTTP_HEADER_##name] = {{text, sizeof(text) - 1}, second},
#include "http/header.def"
#undef HTTP_HEADER
    [CONTENT_LENGTH] = {{"content-length", 14}, ONCE},
    [TRANSFER_ENCODING] = {{"transfer-encoding", 17}, ONCE},
    [EXPECT] = {{"expect", 6}, ONCE},
};

/* A run of bytes of the buffer. No run but the method starts at 0, so `at` 0 says that there is
 * none. */
struct span {
    uint32_t at;
    uint32_t len;
};

struct http_parser {
    llhttp_t scanner;
    const struct http_limits *limits;
    char *base; /* the buffer, while it is fed */
    enum phase phase;
    uint32_t line;    /* where the request line starts: behind empty lines */
    uint32_t at;      /* how far the buffer was read */
    uint32_t framing; /* bytes of the body so far that are not its data */
    uint64_t content_length;
    enum http_method method;
    struct span method_text;
    struct span authority;
    struct span path;
    struct span query;
    struct span body;
    struct span name; /* of the header that is being read */
    struct span value;
    struct span fields[FIELDS];
    bool has_query;
    bool is_http_1_0;
    bool is_chunked;
    bool keep_alive;
    bool wants_continue;
    struct error error;
};

const char *http_method_name(enum http_method method) {
    static const char names[HTTP_METHODS + 1][8] = {
        [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",          [HTTP_POST] = "POST",
        [HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH",        [HTTP_DELETE] = "DELETE",
        [HTTP_OPTIONS] = "OPTIONS", [HTTP_METHOD_OTHER] = "OTHER",
    };
    check(method <= HTTP_METHODS);
    return names[method];
}

size_t http_parser_bytes(void) {
    return sizeof(struct http_parser);
}

static struct text span_text(const char *base, struct span span) {
    return (struct text){base + span.at, span.len};
}

static struct span text_span(const char *base, struct text text) {
    if (text.len == 0)
        return (struct span){0};
    return (struct span){(uint32_t)(text.at - base), (uint32_t)text.len};
}

static bool refuse(struct http_parser *parser, enum error_code code, const char *subject) {
    return error_about(&parser->error, code, text_of(subject));
}

static bool refuse_limit(struct http_parser *parser, enum error_code code, uint32_t limit) {
    return error_set(&parser->error, code, "%u", limit);
}

/* llhttp's error as ours, unless one of the functions that it called has set its own. */
static bool refuse_scanned(struct http_parser *parser, llhttp_errno_t error) {
    bool is_framing = error == HPE_INVALID_CONTENT_LENGTH || error == HPE_INVALID_CHUNK_SIZE ||
                      error == HPE_UNEXPECTED_CONTENT_LENGTH ||
                      error == HPE_INVALID_TRANSFER_ENCODING;
    if (error_is(&parser->error))
        return false;
    return refuse(parser, is_framing ? ERROR_HTTP_FRAMING : ERROR_HTTP_MALFORMED,
                  llhttp_get_error_reason(&parser->scanner));
}

/* Lengthens a span by a piece that llhttp found; pieces of one text follow each other. */
static void span_grow(const struct http_parser *parser, struct span *span, const char *at,
                      size_t len) {
    if (span->at == 0)
        span->at = (uint32_t)(at - parser->base);
    span->len += (uint32_t)len;
}

static int on_name(llhttp_t *scanner, const char *at, size_t len) {
    struct http_parser *parser = scanner->data;
    if (parser->phase == PHASE_FIELDS)
        span_grow(parser, &parser->name, at, len);
    return 0;
}

static int on_value(llhttp_t *scanner, const char *at, size_t len) {
    struct http_parser *parser = scanner->data;
    if (parser->phase == PHASE_FIELDS)
        span_grow(parser, &parser->value, at, len);
    return 0;
}

static size_t field_find(struct text name) {
    size_t i = 0;
    while (i < FIELDS &&
           (name.len != fields[i].name.len || !text_equal_nocase(name, fields[i].name)))
        i++;
    return i;
}

static int on_field_end(llhttp_t *scanner) {
    struct http_parser *parser = scanner->data;
    if (parser->phase != PHASE_FIELDS)
        return 0;
    size_t i = field_find(span_text(parser->base, parser->name));
    if (i < FIELDS) {
        struct span *field = &parser->fields[i];
        if (field->at != 0 && fields[i].second == ONCE) {
            (void)(i == HTTP_HEADER_HOST
                       ? refuse(parser, ERROR_HTTP_HOST, "")
                       : error_set(&parser->error, ERROR_HTTP_MALFORMED,
                                   "the header %s stands twice", fields[i].name.at));
            return -1;
        }
        /* An empty value has no place; any but 0 will do. */
        struct text value = text_trim(span_text(parser->base, parser->value));
        *field =
            (struct span){value.len > 0 ? (uint32_t)(value.at - parser->base) : parser->name.at,
                          (uint32_t)value.len};
    }
    parser->name = parser->value = (struct span){0};
    return 0;
}

/* Stops where the headers end, so that the position is known. */
static int on_fields_end(llhttp_t *scanner) {
    struct http_parser *parser = scanner->data;
    return parser->phase == PHASE_FIELDS ? HPE_PAUSED : 0;
}

static int on_chunk_size(llhttp_t *scanner) {
    struct http_parser *parser = scanner->data;
    uint32_t max = parser->limits->body_bytes_max;
    if (scanner->content_length <= max - parser->body.len)
        return 0;
    (void)refuse_limit(parser, ERROR_HTTP_BODY_LARGE, max);
    return -1;
}

/* Moves a chunk's data behind that of the chunks before it. */
static int on_chunk_data(llhttp_t *scanner, const char *at, size_t len) {
    struct http_parser *parser = scanner->data;
    memmove(parser->base + parser->body.at + parser->body.len, at, len);
    parser->body.len += (uint32_t)len;
    return 0;
}

static int on_message_end(llhttp_t *scanner) {
    (void)scanner;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_field_end,
    .on_headers_complete = on_fields_end,
    .on_chunk_header = on_chunk_size,
    .on_body = on_chunk_data,
    .on_message_complete = on_message_end,
};

void http_parser_init(struct http_parser *parser, const struct http_limits *limits) {
    *parser = (struct http_parser){.limits = limits};
}

/* Whether what stands where a request line should start can be one, or an empty line. */
static bool line_start_check(struct http_parser *parser, const char *line, size_t len) {
    if (len > 1 && line[0] == '\r' && line[1] != '\n')
        return refuse(parser, ERROR_HTTP_MALFORMED, "a CR stands without LF");
    if (len > 0 && line[0] != '\r' && !http_byte_is_token(line[0]))
        return refuse(parser, ERROR_HTTP_MALFORMED, "it does not start with a method");
    return true;
}

static bool line_take(struct http_parser *parser, struct text text) {
    /* llhttp knows some methods only and is lenient about spaces: it is given a line of its own. */
    static const char lines[2][18] = {"POST / HTTP/1.1\r\n", "POST / HTTP/1.0\r\n"};
    struct http_line line;
    if (!http_line_read(text, &line, &parser->error))
        return false;
    parser->method = line.method;
    parser->method_text = text_span(parser->base, line.method_text);
    parser->authority = text_span(parser->base, line.authority);
    parser->path = text_span(parser->base, line.path);
    parser->query = text_span(parser->base, line.query);
    parser->has_query = line.has_query;
    parser->is_http_1_0 = line.is_http_1_0;
    llhttp_init(&parser->scanner, LLHTTP_REQUEST, &settings);
    parser->scanner.data = parser;
    llhttp_errno_t error = llhttp_execute(&parser->scanner, lines[line.is_http_1_0], 17);
    check(error == HPE_OK);
    parser->phase = PHASE_FIELDS;
    return true;
}

/* Reads the request line; empty lines ahead of it are passed over (RFC 9112 §2.2). */
static bool line_feed(struct http_parser *parser, size_t len) {
    size_t bound;
    for (;;) {
        char *line = parser->base + parser->line;
        size_t max = parser->line + (size_t)parser->limits->header_bytes_max;
        bound = len < max ? len : max;
        if (!line_start_check(parser, line, bound - parser->line))
            return false;
        char *end = memchr(parser->base + parser->at, '\n', bound - parser->at);
        if (end == NULL)
            break;
        parser->at = (uint32_t)(end + 1 - parser->base);
        if (end[-1] != '\r') /* the first byte is no LF, see line_start_check */
            return refuse(parser, ERROR_HTTP_MALFORMED, "the request line ends in LF without CR");
        if (end - 1 > line)
            return line_take(parser, (struct text){line, (size_t)(end - 1 - line)});
        parser->line = parser->at;
    }
    if (bound - parser->line == parser->limits->header_bytes_max)
        return refuse_limit(parser, ERROR_HTTP_HEADER_LARGE, parser->limits->header_bytes_max);
    memmove(parser->base, parser->base + parser->line, bound - parser->line);
    parser->at = (uint32_t)bound - parser->line;
    parser->line = 0;
    return true;
}

/* RFC 9112 §6.1 and §6.3: chunked, once, last, alone here, and never beside Content-Length. */
static bool transfer_coding_check(struct http_parser *parser) {
    struct text coding = span_text(parser->base, parser->fields[TRANSFER_ENCODING]);
    if (parser->is_http_1_0 || parser->fields[CONTENT_LENGTH].at != 0)
        return refuse(parser, ERROR_HTTP_FRAMING,
                      "Transfer-Encoding goes with HTTP/1.1 and without Content-Length");
    if (text_equal_nocase(coding, TEXT("chunked")))
        return true;
    size_t last = coding.len;
    while (last > 0 && coding.at[last - 1] != ',')
        last--;
    if (last > 0 && text_equal_nocase(text_trim((struct text){coding.at + last, coding.len - last}),
                                      TEXT("chunked")))
        return refuse(parser, ERROR_HTTP_TRANSFER_CODING, "");
    return refuse(parser, ERROR_HTTP_FRAMING, "Transfer-Encoding must be chunked");
}

static bool fields_check(struct http_parser *parser) {
    struct text host = span_text(parser->base, parser->fields[HTTP_HEADER_HOST]);
    bool has_host = parser->fields[HTTP_HEADER_HOST].at != 0;
    if (has_host ? !http_authority_is_valid(host) : !parser->is_http_1_0)
        return refuse(parser, ERROR_HTTP_HOST, "");
    parser->is_chunked = parser->fields[TRANSFER_ENCODING].at != 0;
    if (parser->is_chunked && !transfer_coding_check(parser))
        return false;
    /* llhttp has seen to it that it is a number. */
    uint32_t max = parser->limits->body_bytes_max;
    if (parser->fields[CONTENT_LENGTH].at != 0 &&
        !text_number(span_text(parser->base, parser->fields[CONTENT_LENGTH]), max,
                     &parser->content_length))
        return refuse_limit(parser, ERROR_HTTP_BODY_LARGE, max);
    bool expects = parser->fields[EXPECT].at != 0 && !parser->is_http_1_0;
    if (expects &&
        !text_equal_nocase(span_text(parser->base, parser->fields[EXPECT]), TEXT("100-continue")))
        return refuse(parser, ERROR_HTTP_EXPECTATION, "");
    parser->wants_continue = expects;
    return true;
}

static bool fields_feed(struct http_parser *parser, size_t len) {
    size_t max = parser->line + (size_t)parser->limits->header_bytes_max;
    size_t bound = len < max ? len : max;
    llhttp_errno_t error =
        llhttp_execute(&parser->scanner, parser->base + parser->at, bound - parser->at);
    if (error == HPE_OK) {
        parser->at = (uint32_t)bound;
        return bound < max ||
               refuse_limit(parser, ERROR_HTTP_HEADER_LARGE, parser->limits->header_bytes_max);
    }
    if (error != HPE_PAUSED)
        return refuse_scanned(parser, error);
    if (!fields_check(parser))
        return false;
    parser->at = (uint32_t)(llhttp_get_error_pos(&parser->scanner) - parser->base);
    parser->body.at = parser->at;
    parser->keep_alive =
        llhttp_should_keep_alive(&parser->scanner) && !(parser->scanner.flags & F_CONNECTION_CLOSE);
    parser->scanner.upgrade = 0; /* no other protocol is spoken here: RFC 9110 §7.8 */
    llhttp_resume(&parser->scanner);
    parser->phase = PHASE_BODY;
    return true;
}

/* Bytes of framing that may still come: see http_limits. */
static size_t framing_left(const struct http_parser *parser) {
    size_t allowed = parser->limits->header_bytes_max - (parser->body.at - parser->line) +
                     (size_t)FRAMING_BYTES_PER_BODY_BYTE * parser->body.len;
    return allowed > parser->framing ? allowed - parser->framing : 0;
}

/* Feeds llhttp no more at once than may be framing, so that no limit is passed unseen. */
static bool chunks_feed(struct http_parser *parser, size_t len) {
    while (parser->at < len) {
        size_t left = framing_left(parser), piece = len - parser->at;
        if (left == 0)
            return refuse_limit(parser, ERROR_HTTP_HEADER_LARGE, parser->limits->header_bytes_max);
        if (piece > left)
            piece = left;
        uint32_t body_before = parser->body.len;
        llhttp_errno_t error = llhttp_execute(&parser->scanner, parser->base + parser->at, piece);
        if (error == HPE_PAUSED) {
            parser->at = (uint32_t)(llhttp_get_error_pos(&parser->scanner) - parser->base);
            parser->phase = PHASE_WHOLE;
            return true;
        }
        if (error != HPE_OK)
            return refuse_scanned(parser, error);
        parser->at += (uint32_t)piece;
        parser->framing += (uint32_t)piece - (parser->body.len - body_before);
    }
    parser->at = parser->body.at + parser->body.len;
    return true;
}

static bool body_feed(struct http_parser *parser, size_t len) {
    if (parser->is_chunked)
        return chunks_feed(parser, len);
    size_t end = parser->body.at + parser->content_length;
    if (len < end) {
        parser->at = (uint32_t)len;
        return true;
    }
    parser->at = (uint32_t)end;
    parser->body.len = (uint32_t)parser->content_length;
    parser->phase = PHASE_WHOLE;
    return true;
}

enum http_event http_parser_feed(struct http_parser *parser, char *buffer, size_t fed, size_t len,
                                 size_t *ret_used) {
    if (parser->phase == PHASE_WHOLE)
        http_parser_init(parser, parser->limits);
    check(fed == parser->at && fed <= len && len < UINT32_MAX / 2);
    parser->base = buffer;
    bool is_well = parser->phase != PHASE_REFUSED;
    if (is_well && parser->phase == PHASE_LINE)
        is_well = line_feed(parser, len);
    if (is_well && parser->phase == PHASE_FIELDS)
        is_well = fields_feed(parser, len);
    bool body_expected = parser->phase == PHASE_BODY && parser->at == len;
    if (is_well && parser->phase == PHASE_BODY)
        is_well = body_feed(parser, len);
    parser->base = NULL;
    *ret_used = parser->at;
    if (!is_well) {
        parser->phase = PHASE_REFUSED;
        return HTTP_REFUSED;
    }
    if (parser->phase == PHASE_WHOLE)
        return HTTP_REQUEST;
    if (!body_expected || !parser->wants_continue)
        return HTTP_MORE;
    parser->wants_continue = false;
    return HTTP_CONTINUE;
}

void http_parser_request(const struct http_parser *parser, char *buffer,
                         struct http_request *ret_request) {
    check(parser->phase == PHASE_WHOLE);
    *ret_request = (struct http_request){
        .method = parser->method,
        .method_text = span_text(buffer, parser->method_text),
        .path = span_text(buffer, parser->path),
        .query = span_text(buffer, parser->query),
        .body = span_text(buffer, parser->body),
        .keep_alive = parser->keep_alive,
        .is_http_1_0 = parser->is_http_1_0,
    };
    for (size_t i = 0; i < HTTP_HEADERS; i++)
        if (parser->fields[i].at != 0)
            ret_request->headers[i] = span_text(buffer, parser->fields[i]);
    if (parser->authority.len > 0)
        ret_request->headers[HTTP_HEADER_HOST] = span_text(buffer, parser->authority);
    /* "http://host" is "http://host/", but asked for its OPTIONS it is the whole server: RFC 9110
     * §4.2.3 and RFC 9112 §3.2.4. */
    if (parser->path.len == 0)
        ret_request->path =
            parser->method == HTTP_OPTIONS && !parser->has_query ? TEXT("*") : TEXT("/");
}

const struct error *http_parser_error(const struct http_parser *parser) {
    return &parser->error;
}

bool http_parser_in_headers(const struct http_parser *parser) {
    return parser->phase == PHASE_FIELDS || (parser->phase == PHASE_LINE && parser->at > 0);
}

bool http_parser_in_body(const struct http_parser *parser) {
    return parser->phase == PHASE_BODY;
}
