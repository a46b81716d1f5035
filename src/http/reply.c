/* HTTP/1.1 responses: the pieces that do not change are put together by the compiler. */
#include "http/reply.h"

#define STATUS_LINE(number, reason) "HTTP/1.1 " #number " " reason "\r\nDate: "

static const struct status {
    unsigned number;
    const char *reason;
    struct text line; /* up to the date */
} statuses[] = {
#define HTTP_STATUS(number, reason) \
    {number, reason, {STATUS_LINE(number, reason), sizeof(STATUS_LINE(number, reason)) - 1}},
#include "http/status.def"
#undef HTTP_STATUS
};

static const struct status *status_find(unsigned number) {
    for (size_t i = 0; i < array_count(statuses); i++)
        if (statuses[i].number == number)
            return &statuses[i];
    return NULL;
}

const char *http_status_text(unsigned status) {
    static const char classes[6][14] = {
        "", "", "Success", "Redirection", "Client Error", "Server Error"};
    check(status >= 200 && status <= 599);
    const struct status *found = status_find(status);
    return found != NULL ? found->reason : classes[status / 100];
}

static bool has_content(const struct http_reply *reply) {
    return reply->status != 204 && reply->status != 304;
}

static void status_write(unsigned number, const char *date, struct buffer *out) {
    const struct status *status = status_find(number);
    if (likely(status != NULL))
        buffer_add(out, status->line);
    else
        buffer_format(out, "HTTP/1.1 %u %s\r\nDate: ", number, http_status_text(number));
    buffer_add(out, (struct text){date, CLOCK_DATE_BYTES});
}

static void content_write(const struct http_reply *reply, struct buffer *out) {
    if (reply->content_type.len > 0) {
        buffer_add(out, TEXT("\r\nContent-Type: "));
        buffer_add(out, reply->content_type);
        buffer_add(out, TEXT("\r\nContent-Length: "));
    } else if (reply->body.len > 0) {
        buffer_add(out, TEXT("\r\nContent-Type: application/json\r\nContent-Length: "));
    } else {
        buffer_add(out, TEXT("\r\nContent-Length: "));
    }
    buffer_number(out, reply->body.len);
}

void http_reply_write(const struct http_reply *reply, const struct clock *clock,
                      struct buffer *out) {
    check(reply->status >= 200 && reply->status <= 599);
    status_write(reply->status, clock->date, out);
    if (has_content(reply))
        content_write(reply, out);
    if (reply->cache_control == NULL) {
        buffer_add(out, TEXT("\r\nCache-Control: no-store"));
    } else if (reply->cache_control[0] != '\0') {
        buffer_add(out, TEXT("\r\nCache-Control: "));
        buffer_put(out, reply->cache_control);
    }
    if (reply->request_id.len > 0) {
        buffer_add(out, TEXT("\r\nX-Request-Id: "));
        buffer_add(out, reply->request_id);
    }
    if (reply->close)
        buffer_add(out, TEXT("\r\nConnection: close"));
    else if (reply->is_http_1_0)
        buffer_add(out, TEXT("\r\nConnection: keep-alive"));
    buffer_add(out, TEXT("\r\n"));
    buffer_add(out, reply->extra);
    buffer_add(out, TEXT("\r\n"));
    if (has_content(reply) && !reply->is_head)
        buffer_add(out, reply->body);
}

size_t http_reply_bytes_max(const struct http_reply *reply) {
    /* All that is fixed takes less than this, a number of 20 digits and the longest reason
     * included. */
    enum { FIXED_BYTES_MAX = 288 };
    size_t cache_control = reply->cache_control != NULL ? strlen(reply->cache_control) : 0;
    return FIXED_BYTES_MAX + reply->content_type.len + reply->body.len + reply->request_id.len +
           reply->extra.len + cache_control;
}
