/* HTTP/1.1 replies as a load generator needs them: read strictly, in place, from bytes in pieces.
 */
#include "client/bench/reply.h"

/* What one step of reading came to. */
enum progress { PROGRESS_ON, PROGRESS_WAIT, PROGRESS_DONE, PROGRESS_BAD };

static enum progress bad(const char **ret_problem, const char *what) {
    *ret_problem = what;
    return PROGRESS_BAD;
}

/* The line at `at` without its CRLF. WAIT: its end is not there yet. */
static enum progress line_take(struct reply_reader *reader, const char *bytes, size_t len,
                               size_t max, struct text *ret_line, const char **ret_problem) {
    size_t there = len - reader->at;
    const char *line = bytes + reader->at;
    const char *end = memchr(line, '\n', there < max ? there : max);
    if (end == NULL)
        return there < max ? PROGRESS_WAIT
                           : bad(ret_problem, "a head above 16 KiB, or a line without an end");
    if (end == line || end[-1] != '\r')
        return bad(ret_problem, "a line that ends with LF alone");
    *ret_line = (struct text){line, (size_t)(end - line) - 1};
    reader->at += ret_line->len + 2;
    return PROGRESS_ON;
}

static bool digits_read(struct text text, unsigned *ret_number) {
    *ret_number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        *ret_number = 10 * *ret_number + (unsigned)(text.at[i] - '0');
    }
    return true;
}

/* HTTP/1.1 SP 3DIGIT SP [reason], the second space left out by some. */
static bool status_line_read(struct reply_reader *reader, struct text line) {
    unsigned minor;
    if (line.len < 12 || !text_starts(line, TEXT("HTTP/1.")) ||
        !digits_read((struct text){line.at + 7, 1}, &minor) || minor > 1 || line.at[8] != ' ' ||
        !digits_read((struct text){line.at + 9, 3}, &reader->status) ||
        (line.len > 12 && line.at[12] != ' '))
        return false;
    reader->closes = minor == 0;
    return reader->status >= 100 && reader->status <= 599;
}

/* tchar of RFC 9110 §5.6.2. */
static bool byte_is_token(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte));
}

static bool name_is(struct text name, const char *wanted, size_t len) {
    return name.len == len && text_equal_nocase(name, (struct text){wanted, len});
}
#define NAME_IS(name, literal) name_is(name, literal, sizeof(literal) - 1)

/* Whether the comma-separated list has the word. */
static bool list_has(struct text list, struct text word) {
    while (list.len > 0) {
        const char *comma = memchr(list.at, ',', list.len);
        size_t len = comma != NULL ? (size_t)(comma - list.at) : list.len;
        if (text_equal_nocase(text_trim((struct text){list.at, len}), word))
            return true;
        len += comma != NULL;
        list = (struct text){list.at + len, list.len - len};
    }
    return false;
}

static enum progress length_read(struct reply_reader *reader, struct text value,
                                 const char **ret_problem) {
    uint64_t length;
    if (!text_number(value, UINT32_MAX, &length))
        return bad(ret_problem, "a Content-Length that is no number");
    if (reader->has_length && reader->left != length)
        return bad(ret_problem, "two different Content-Lengths");
    if (length > REPLY_BODY_BYTES_MAX)
        return bad(ret_problem, "a body above 4 MiB");
    reader->has_length = true;
    reader->left = (size_t)length;
    return PROGRESS_ON;
}

static enum progress header_read(struct reply_reader *reader, struct text line,
                                 const char **ret_problem) {
    const char *colon = memchr(line.at, ':', line.len);
    struct text name = {line.at, colon != NULL ? (size_t)(colon - line.at) : 0};
    if (name.len == 0)
        return bad(ret_problem, "a header line without a name");
    for (size_t i = 0; i < name.len; i++)
        if (!byte_is_token(name.at[i]))
            return bad(ret_problem, "a header name that is none");
    struct text value = text_trim((struct text){colon + 1, line.len - name.len - 1});
    if (memchr(value.at, '\0', value.len) != NULL || memchr(value.at, '\r', value.len) != NULL)
        return bad(ret_problem, "a header value with a control character");
    if (NAME_IS(name, "content-length"))
        return length_read(reader, value, ret_problem);
    if (NAME_IS(name, "transfer-encoding")) {
        if (reader->is_chunked || !text_equal_nocase(value, TEXT("chunked")))
            return bad(ret_problem, "a Transfer-Encoding other than chunked");
        reader->is_chunked = true;
    } else if (NAME_IS(name, "connection")) {
        reader->closes |= list_has(value, TEXT("close"));
    }
    return PROGRESS_ON;
}

/* How the body ends (RFC 9112 §6.3). */
static enum progress head_end(struct reply_reader *reader, const char **ret_problem) {
    bool is_empty = reader->status == 204 || reader->status == 304;
    reader->body = reader->body_ends = reader->at;
    if (reader->status == 101)
        return bad(ret_problem, "another protocol");
    if (reader->status < 200) {
        *reader = (struct reply_reader){.at = reader->at};
        return PROGRESS_ON;
    }
    if (reader->is_chunked && reader->has_length)
        return bad(ret_problem, "both Content-Length and Transfer-Encoding");
    if (is_empty)
        reader->left = 0;
    if (is_empty || reader->has_length) {
        reader->state = REPLY_LENGTH;
    } else if (reader->is_chunked) {
        reader->state = REPLY_SIZE;
    } else {
        reader->state = REPLY_END;
        reader->closes = true;
    }
    return PROGRESS_ON;
}

static enum progress head_step(struct reply_reader *reader, const char *bytes, size_t len,
                               const char **ret_problem) {
    struct text line = {0};
    size_t max = reader->at < REPLY_HEAD_BYTES_MAX ? REPLY_HEAD_BYTES_MAX - reader->at : 0;
    enum progress progress = line_take(reader, bytes, len, max, &line, ret_problem);
    if (progress != PROGRESS_ON)
        return progress;
    if (reader->status == 0)
        return status_line_read(reader, line) ? PROGRESS_ON : bad(ret_problem, "no HTTP/1.1 reply");
    return line.len > 0 ? header_read(reader, line, ret_problem) : head_end(reader, ret_problem);
}

/* The size of a chunk, hexadecimal; extensions behind it are passed over. */
static enum progress size_step(struct reply_reader *reader, const char *bytes, size_t len,
                               const char **ret_problem) {
    struct text line = {0};
    size_t size = 0, digits = 0;
    enum progress progress = line_take(reader, bytes, len, 256, &line, ret_problem);
    if (progress != PROGRESS_ON)
        return progress;
    for (; digits < line.len && digits < 8; digits++) {
        char byte = line.at[digits];
        if (byte >= '0' && byte <= '9')
            size = 16 * size + (size_t)(byte - '0');
        else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
            size = 16 * size + (size_t)((byte | 0x20) - 'a' + 10);
        else
            break;
    }
    if (digits == 0 || (digits < line.len && memchr("; \t", line.at[digits], 3) == NULL))
        return bad(ret_problem, "a chunk without a size");
    if (size > REPLY_BODY_BYTES_MAX - (reader->body_ends - reader->body))
        return bad(ret_problem, "a body above 4 MiB");
    reader->left = size;
    reader->state = size > 0 ? REPLY_DATA : REPLY_TRAILER;
    return PROGRESS_ON;
}

/* Moves what is there of a chunk behind the others. */
static enum progress data_step(struct reply_reader *reader, char *bytes, size_t len,
                               const char **ret_problem) {
    size_t there = len - reader->at, take = there < reader->left ? there : reader->left;
    memmove(bytes + reader->body_ends, bytes + reader->at, take);
    reader->body_ends += take;
    reader->at += take;
    reader->left -= take;
    if (reader->left > 0 || len - reader->at < 2)
        return PROGRESS_WAIT;
    if (memcmp(bytes + reader->at, "\r\n", 2) != 0)
        return bad(ret_problem, "a chunk longer than its size");
    reader->at += 2;
    reader->state = REPLY_SIZE;
    return PROGRESS_ON;
}

static enum progress trailer_step(struct reply_reader *reader, const char *bytes, size_t len,
                                  const char **ret_problem) {
    struct text line = {0};
    enum progress progress = line_take(reader, bytes, len, 4096, &line, ret_problem);
    if (progress != PROGRESS_ON)
        return progress;
    /* Counted with the head, so that trailers end. */
    reader->left += line.len + 2;
    if (reader->left > REPLY_HEAD_BYTES_MAX)
        return bad(ret_problem, "trailers above 16 KiB");
    return line.len > 0 ? PROGRESS_ON : PROGRESS_DONE;
}

static enum progress length_step(struct reply_reader *reader, size_t len) {
    if (len - reader->at < reader->left)
        return PROGRESS_WAIT;
    reader->at += reader->left;
    reader->body_ends = reader->at;
    return PROGRESS_DONE;
}

/* The body is what comes before the server closes. */
static enum progress end_step(struct reply_reader *reader, size_t len, bool is_ended,
                              const char **ret_problem) {
    reader->at = reader->body_ends = len;
    if (len - reader->body > REPLY_BODY_BYTES_MAX)
        return bad(ret_problem, "a body above 4 MiB");
    return is_ended ? PROGRESS_DONE : PROGRESS_WAIT;
}

static enum progress reply_step(struct reply_reader *reader, char *bytes, size_t len, bool is_ended,
                                const char **ret_problem) {
    switch (reader->state) {
    case REPLY_HEAD:
        return head_step(reader, bytes, len, ret_problem);
    case REPLY_LENGTH:
        return length_step(reader, len);
    case REPLY_SIZE:
        return size_step(reader, bytes, len, ret_problem);
    case REPLY_DATA:
        return data_step(reader, bytes, len, ret_problem);
    case REPLY_TRAILER:
        return trailer_step(reader, bytes, len, ret_problem);
    case REPLY_END:
        return end_step(reader, len, is_ended, ret_problem);
    }
    return PROGRESS_BAD;
}

enum reply_outcome reply_read(struct reply_reader *reader, char *bytes, size_t len, bool is_ended,
                              struct reply_read *ret_reply, const char **ret_problem) {
    enum progress progress;
    check(reader->at <= len);
    do
        progress = reply_step(reader, bytes, len, is_ended, ret_problem);
    while (progress == PROGRESS_ON);
    if (progress == PROGRESS_BAD)
        return REPLY_BAD;
    if (progress == PROGRESS_WAIT) {
        *ret_problem = "the connection was closed before the whole reply was there";
        return is_ended ? REPLY_BAD : REPLY_MORE;
    }
    *ret_reply = (struct reply_read){
        .status = reader->status,
        .closes = reader->closes,
        .body = {bytes + reader->body, reader->body_ends - reader->body},
        .used = reader->at,
    };
    *reader = (struct reply_reader){0};
    return REPLY_WHOLE;
}
