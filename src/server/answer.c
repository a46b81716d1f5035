/* Writing the JSON of answers: members with their commas, rows, pages. */
#include "server/answer.h"

#include "base/base64.h"

void answer_key(struct buffer *out, const char *key) {
    char before = out->len > 0 ? out->at[out->len - 1] : '{';
    if (before != '{' && before != '[')
        buffer_byte(out, ',');
    if (key == NULL)
        return;
    buffer_byte(out, '"');
    buffer_put(out, key);
    buffer_add(out, TEXT("\":"));
}

void answer_text(struct buffer *out, const char *key, struct text value) {
    answer_key(out, key);
    buffer_json(out, value);
}

void answer_uuid(struct buffer *out, const char *key, const struct uuid *value) {
    answer_key(out, key);
    buffer_byte(out, '"');
    buffer_uuid(out, value);
    buffer_byte(out, '"');
}

void answer_number(struct buffer *out, const char *key, uint64_t value) {
    answer_key(out, key);
    buffer_number(out, value);
}

void answer_bool(struct buffer *out, const char *key, bool value) {
    answer_raw(out, key, value ? TEXT("true") : TEXT("false"));
}

void answer_time(struct buffer *out, const char *key, int64_t value_s) {
    if (value_s == 0) {
        answer_raw(out, key, TEXT("null"));
        return;
    }
    answer_key(out, key);
    buffer_byte(out, '"');
    buffer_time(out, value_s);
    buffer_byte(out, '"');
}

void answer_raw(struct buffer *out, const char *key, struct text value) {
    answer_key(out, key);
    buffer_add(out, value);
}

size_t answer_room(const struct text *texts, size_t count) {
    size_t room = ANSWER_ROW_BYTES;
    for (size_t i = 0; i < count; i++)
        room += 6 * texts[i].len;
    return room;
}

/* A page token is the last name of the page before, as base64url. */
bool page_open(struct page *page, struct request *request) {
    size_t len = 0;
    *page = (struct page){.request = request, .limit = request->page_size};
    if (page->limit == 0)
        page->limit = PAGE_SIZE_DEFAULT;
    if (!base64_read(request->page_token, page->after_memory, sizeof(page->after_memory), &len))
        return error_set(&request->work_error, ERROR_QUERY_VALUE, "page_token");
    page->after = (struct text){page->after_memory, len};
    return len == 0 || text_is_name(page->after) ||
           error_set(&request->work_error, ERROR_QUERY_VALUE, "page_token");
}

bool page_takes(struct page *page, struct text name) {
    check(name.len <= NAME_BYTES_MAX);
    if (page->count == page->limit) {
        page->has_more = true;
        return false;
    }
    page->count++;
    memcpy(page->last, name.at, name.len);
    page->last_len = name.len;
    return true;
}

bool page_begin(struct page *page, const char *key) {
    struct buffer *out = request_out(page->request, ANSWER_ROW_BYTES);
    if (out == NULL)
        return false;
    buffer_byte(out, '{');
    answer_raw(out, key, TEXT("["));
    return true;
}

bool page_end(struct page *page) {
    struct buffer *out = request_out(page->request, ANSWER_ROW_BYTES);
    if (out == NULL || error_is(&page->request->work_error))
        return false;
    buffer_byte(out, ']');
    answer_key(out, "nextPageToken");
    buffer_byte(out, '"');
    if (page->has_more)
        buffer_base64(out, page->last, page->last_len);
    buffer_add(out, TEXT("\"}"));
    return true;
}

bool answer_empty(struct request *request) {
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (out == NULL)
        return false;
    buffer_add(out, TEXT("{}"));
    return true;
}
