/* Writing the JSON of answers: members with their commas, rows, pages. */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

#include "mint/request.h"

/* The next member of an object or element of an array: a comma where one is due, then the key (NULL
 * in arrays). */
void answer_key(struct buffer *out, const char *key);
void answer_text(struct buffer *out, const char *key, struct text value);
void answer_uuid(struct buffer *out, const char *key, const struct uuid *value);
void answer_number(struct buffer *out, const char *key, uint64_t value);
void answer_bool(struct buffer *out, const char *key, bool value);
/* A time in seconds since 1970; null when it is 0. */
void answer_time(struct buffer *out, const char *key, int64_t value_s);
/* A value that is JSON already. */
void answer_raw(struct buffer *out, const char *key, struct text value);

/* What the texts of a row take at most as JSON strings, with keys and all. */
#define ANSWER_ROW_BYTES 1024
size_t answer_room(const struct text *texts, size_t count);

/* A page of a list: counts the rows, and remembers the last name for the next page. */
struct page {
    struct request *request;
    uint32_t limit;
    uint32_t count;
    bool has_more;
    char last[NAME_BYTES_MAX];
    size_t last_len;
    struct text after;
    char after_memory[NAME_BYTES_MAX];
};
#define PAGE_SIZE_DEFAULT 100
/* Reads the request's page_size and page_token; false with work_error. */
must_check bool page_open(struct page *page, struct request *request);
/* {"<key>":[ … rows … ],"nextPageToken":"…"} */
must_check bool page_begin(struct page *page, const char *key);
must_check bool page_end(struct page *page);
/* Whether the row belongs to this page; false: there is more, and the list must stop. */
bool page_takes(struct page *page, struct text name);

/* The whole answer {}. */
must_check bool answer_empty(struct request *request);
#endif
