/* HTTP requests of the client, by libcurl. */
#include "client/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "base/memory.h"

struct fetch {
    CURL *curl;
    char problem[CURL_ERROR_SIZE];
};

/* An answer as it comes. */
struct taking {
    struct pool *pool;
    struct buffer body;
    struct text request_id;
    bool is_large;
};

static void fetch_set_up(struct fetch *fetch, const struct fetch_options *options) {
    CURL *curl = fetch->curl;
    char path[256];
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, fetch->problem);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* a name may not become another route */
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "mint/" MINTD_VERSION);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)options->timeout_s);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    if (options->socket.len > 0 && options->socket.len < sizeof(path)) {
        memcpy(path, options->socket.at, options->socket.len);
        path[options->socket.len] = '\0';
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path);
    }
}

struct fetch *fetch_open(const struct fetch_options *options) {
    struct fetch *fetch = calloc(1, sizeof(*fetch));
    if (fetch == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        goto failed;
    fetch->curl = curl_easy_init();
    if (fetch->curl == NULL)
        goto failed;
    fetch_set_up(fetch, options);
    return fetch;
failed:
    free(fetch);
    return NULL;
}

void fetch_close(struct fetch *fetch) {
    if (fetch == NULL)
        return;
    curl_easy_cleanup(fetch->curl);
    curl_global_cleanup();
    free(fetch);
}

/* The types of the callbacks are libcurl's. NOLINTNEXTLINE(readability-non-const-parameter) */
static size_t body_take(char *bytes, size_t one, size_t len, void *self) {
    struct taking *taking = self;
    struct buffer *body = &taking->body;
    (void)one;
    if (body->size - body->len < len) {
        size_t size = 2 * (body->len + len);
        taking->is_large = size > FETCH_BODY_BYTES_MAX;
        if (taking->is_large)
            return 0;
        struct buffer larger = pool_buffer(taking->pool, size);
        buffer_add(&larger, buffer_text(body));
        *body = larger;
    }
    buffer_add(body, (struct text){bytes, len});
    return len;
}

/* NOLINTNEXTLINE(readability-non-const-parameter) */
static size_t header_take(char *bytes, size_t one, size_t len, void *self) {
    struct taking *taking = self;
    struct text line = {bytes, len};
    struct text name = TEXT("x-request-id:");
    (void)one;
    while (line.len > 0 && (line.at[line.len - 1] == '\n' || line.at[line.len - 1] == '\r'))
        line.len--;
    if (line.len > name.len && text_equal_nocase((struct text){line.at, name.len}, name))
        taking->request_id = pool_copy(
            taking->pool, text_trim((struct text){line.at + name.len, line.len - name.len}));
    return len;
}

static struct curl_slist *headers_make(const struct fetch_request *request, struct pool *pool) {
    struct buffer line = pool_buffer(pool, request->token.len + 32);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    buffer_put(&line, "Authorization: Bearer ");
    buffer_add(&line, request->token);
    buffer_byte(&line, '\0');
    if (request->token.len > 0 && headers != NULL)
        (void)curl_slist_append(headers, line.at);
    return headers;
}

/* libcurl's copies of the token go with the list. */
static void headers_wipe(struct curl_slist *headers) {
    for (struct curl_slist *header = headers; header != NULL; header = header->next)
        memory_wipe(header->data, strlen(header->data));
    curl_slist_free_all(headers);
}

bool fetch_run(struct fetch *fetch, const struct fetch_request *request, struct pool *pool,
               struct fetch_reply *ret_reply, struct buffer *ret_message) {
    CURL *curl = fetch->curl;
    struct taking taking = {.pool = pool};
    struct curl_slist *headers = headers_make(request, pool);
    long status = 0;
    fetch->problem[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, pool_copy(pool, request->url).at);
    /* With POSTFIELDS the method would be POST: CUSTOMREQUEST names the one that is meant. */
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    if (request->body.len > 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.at);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &taking);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, header_take);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &taking);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    headers_wipe(headers);
    if (code != CURLE_OK) {
        buffer_put(ret_message, taking.is_large          ? "the answer is too large"
                                : fetch->problem[0] != 0 ? fetch->problem
                                                         : curl_easy_strerror(code));
        return false;
    }
    *ret_reply =
        (struct fetch_reply){(unsigned)status, buffer_text(&taking.body), taking.request_id};
    return true;
}
