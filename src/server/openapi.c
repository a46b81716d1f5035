/* The OpenAPI 3.1 document: made of the route table and what openapi.json says of each route. */
#include "server/openapi.h"

#include <stdlib.h>

#include "server/answer.h"
#include "server/routes.h"

#define DOCUMENT_BYTES ((size_t)256 * 1024)

/* openapi.json, put into a file of C by src/CMakeLists.txt. */
extern const unsigned char openapi_words[];
extern const unsigned long openapi_words_bytes;

static const struct json *member_of(const struct json *object, const char *key) {
    return object != NULL && json_is_object(object) ? json_member(object, text_of(key)) : NULL;
}

static void value_write(struct buffer *out, const char *key, const struct json *value) {
    if (value == NULL)
        return;
    answer_key(out, key);
    json_write(value, out);
}

static void object_open(struct buffer *out, const char *key) {
    answer_raw(out, key, TEXT("{"));
}

static void object_close(struct buffer *out) {
    buffer_byte(out, '}');
}

static void ref_write(struct buffer *out, const char *key, const char *kind, struct text name) {
    char memory[128];
    struct buffer ref = buffer_over(memory, sizeof(memory));
    buffer_put(&ref, "#/components/");
    buffer_put(&ref, kind);
    buffer_byte(&ref, '/');
    buffer_add(&ref, name);
    check(!ref.overflow);
    object_open(out, key);
    answer_text(out, "$ref", buffer_text(&ref));
    object_close(out);
}

static void line_add(struct buffer *text, struct text line) {
    buffer_put(text, text->len > 0 ? " " : "");
    buffer_add(text, line);
}

/* A description is one line, or several; `more` is a paragraph of its own, if there is one. */
static void description_write(struct buffer *out, const struct json *lines, struct text more) {
    char memory[4096];
    struct buffer text = buffer_over(memory, sizeof(memory));
    if (lines != NULL && json_is_string(lines))
        line_add(&text, json_text(lines));
    else if (lines != NULL)
        for (struct json_iter i = json_iter(lines); json_next(&i);)
            line_add(&text, json_text(i.value));
    if (more.at != NULL) {
        buffer_put(&text, text.len > 0 ? "\n\n" : "");
        buffer_add(&text, more);
    }
    check(!text.overflow);
    answer_text(out, "description", buffer_text(&text));
}

/* ---- an operation ---------------------------------------------------------------------------- */

static void security_write(struct buffer *out, const struct route *route) {
    if (route->who == WHO_NOBODY)
        answer_raw(out, "security", TEXT("[]"));
    else if (route->who == WHO_CREDENTIAL)
        answer_raw(out, "security", TEXT("[{\"credential\":[]}]"));
    else
        answer_raw(out, "security", TEXT("[{\"token\":[]}]"));
}

static void path_parameters_write(struct buffer *out, const char *pattern) {
    for (const char *at = pattern; (at = strchr(at, '{')) != NULL; at++)
        ref_write(out, NULL, "parameters", (struct text){at + 1, strcspn(at + 1, "}")});
}

static void parameters_write(struct buffer *out, const struct route *route) {
    static const struct {
        enum route_query query;
        const char *name;
    } rows[] = {
        {QUERY_PAGE, "page_size"},        {QUERY_PAGE, "page_token"},
        {QUERY_EXPLAIN, "explain"},       {QUERY_ORG, "query_org"},
        {QUERY_PROJECT, "query_project"}, {QUERY_AUDIENCE, "query_audience"},
        {QUERY_SERVICE, "query_service"}, {QUERY_WAIT, "wait"},
    };
    answer_raw(out, "parameters", TEXT("["));
    path_parameters_write(out, route->pattern);
    for (size_t i = 0; i < array_count(rows); i++)
        if (route->query & rows[i].query)
            ref_write(out, NULL, "parameters", text_of(rows[i].name));
    buffer_byte(out, ']');
}

/* {"schema":{…},"example":…} of a body or answer. */
static void media_write(struct buffer *out, const char *type, const struct json *part) {
    const struct json *schema = member_of(part, "schema");
    object_open(out, type);
    if (schema != NULL)
        ref_write(out, "schema", "schemas", json_text(schema));
    value_write(out, "example", member_of(part, "example"));
    object_close(out);
}

static void body_write(struct buffer *out, const struct route *route, const struct json *body) {
    const struct json *required = member_of(body, "required");
    if (body == NULL)
        return;
    object_open(out, "requestBody");
    answer_bool(out, "required", required != NULL && json_is_true(required));
    object_open(out, "content");
    media_write(out, "application/json", body);
    if (route->query & QUERY_FORM)
        media_write(out, "application/x-www-form-urlencoded", body);
    object_close(out);
    object_close(out);
}

/* The errors that follow from the row; `default` is for what HTTP itself brings. */
static void errors_write(struct buffer *out, const struct route *route) {
    bool has_token = route->who != WHO_NOBODY;
    bool is_checked = has_token && route->who != WHO_ANYONE && route->who != WHO_CREDENTIAL;
    bool names = route->kind == ROUTE_WRITE && route->method != HTTP_DELETE;
    const struct {
        const char *status;
        const char *response;
        bool is_there;
    } rows[] = {
        {"400", "Error", true},
        {"401", "Unauthenticated", has_token},
        {"403", "Error", is_checked},
        {"404", "Error", strchr(route->pattern, '{') != NULL || (route->query & QUERY_AUDIT) != 0},
        {"409", "Error", names},
        {"429", "Limited", route->kind == ROUTE_ISSUE},
        {"503", "Unavailable", has_token},
        {"default", "Error", true},
    };
    for (size_t i = 0; i < array_count(rows); i++)
        if (rows[i].is_there)
            ref_write(out, rows[i].status, "responses", text_of(rows[i].response));
}

static void answer_write(struct buffer *out, const char *status, struct text description,
                         const struct json *answer) {
    object_open(out, status);
    answer_text(out, "description", description);
    value_write(out, "headers", member_of(answer, "headers"));
    object_open(out, "content");
    media_write(out, "application/json", answer);
    object_close(out);
    object_close(out);
}

static void responses_write(struct buffer *out, const struct route *route,
                            const struct json *words) {
    const struct json *answer = member_of(words, "answer");
    const struct json *others = member_of(words, "responses");
    object_open(out, "responses");
    answer_write(out, "200", TEXT("As asked."), answer);
    if (route->query & QUERY_WAIT)
        answer_write(out, "202",
                     TEXT("Committed, and in force on every replica by effectiveBy at the latest: "
                          "as wait=0 asked, or because this replica shuts down."),
                     answer);
    if (others != NULL)
        for (struct json_iter i = json_iter(others); json_next(&i);) {
            buffer_byte(out, ',');
            buffer_json(out, i.key);
            buffer_byte(out, ':');
            json_write(i.value, out);
        }
    errors_write(out, route);
    object_close(out);
}

static void tag_write(struct buffer *out, const struct json *tag) {
    answer_raw(out, "tags", TEXT("["));
    value_write(out, NULL, tag);
    buffer_byte(out, ']');
}

static void method_write(const struct route *route, char ret_key[static 8]) {
    const char *name = http_method_name(route->method == HTTP_ANY ? HTTP_GET : route->method);
    size_t len = strlen(name);
    check(len < 8);
    for (size_t i = 0; i <= len; i++)
        ret_key[i] = name[i] == '\0' ? '\0' : (char)(name[i] | 0x20);
}

static void operation_write(struct buffer *out, const struct route *route,
                            const struct json *words) {
    char who_memory[256], method[8];
    struct buffer who = buffer_over(who_memory, sizeof(who_memory));
    buffer_put(&who, "Who may: ");
    routes_write_who(route, &who);
    buffer_byte(&who, '.');
    method_write(route, method);
    object_open(out, method);
    answer_text(out, "operationId", text_of(route->name));
    value_write(out, "summary", member_of(words, "summary"));
    description_write(out, member_of(words, "description"), buffer_text(&who));
    tag_write(out, member_of(words, "tag"));
    security_write(out, route);
    parameters_write(out, route);
    body_write(out, route, member_of(words, "body"));
    responses_write(out, route, words);
    object_close(out);
}

/* ---- the document ---------------------------------------------------------------------------- */

static bool is_first_of_its_path(size_t row) {
    for (size_t i = 0; i < row; i++)
        if (strcmp(routes[i].pattern, routes[row].pattern) == 0)
            return false;
    return true;
}

static void paths_write(struct buffer *out, const struct json *operations) {
    object_open(out, "paths");
    for (size_t row = 0; row < ROUTE_COUNT; row++) {
        if (!is_first_of_its_path(row))
            continue;
        object_open(out, routes[row].pattern);
        for (size_t i = row; i < ROUTE_COUNT; i++)
            if (strcmp(routes[i].pattern, routes[row].pattern) == 0)
                operation_write(out, &routes[i], member_of(operations, routes[i].name));
        object_close(out);
    }
    object_close(out);
}

static void info_write(struct buffer *out, const struct json *info) {
    object_open(out, "info");
    value_write(out, "title", member_of(info, "title"));
    value_write(out, "summary", member_of(info, "summary"));
    description_write(out, member_of(info, "description"), (struct text){0});
    answer_text(out, "version", TEXT(MINTD_VERSION));
    object_close(out);
}

static void document_write(struct buffer *out, const struct json *words) {
    buffer_byte(out, '{');
    answer_text(out, "openapi", TEXT("3.1.0"));
    info_write(out, member_of(words, "info"));
    answer_raw(out, "servers", TEXT("[{\"url\":\"/\"}]"));
    value_write(out, "tags", member_of(words, "tags"));
    paths_write(out, member_of(words, "operations"));
    value_write(out, "components", member_of(words, "components"));
    buffer_byte(out, '}');
}

bool openapi_make(struct openapi *openapi, struct error *ret_error) {
    const struct text text = {(const char *)openapi_words, openapi_words_bytes};
    size_t size = text.len * 16 + 4096; /* json.h */
    void *parsed = malloc(size);
    char *memory = malloc(DOCUMENT_BYTES);
    struct arena arena = arena_over(parsed, size);
    struct buffer out = buffer_over(memory, DOCUMENT_BYTES);
    const struct json *words = NULL;
    bool is_made = parsed != NULL && memory != NULL
                       ? json_read(text, JSON_DEPTH_EXTRA_MAX, &arena, &words, ret_error)
                       : error_set(ret_error, ERROR_OVERLOADED, "memory");
    if (is_made)
        document_write(&out, words);
    free(parsed);
    if (!is_made) {
        free(memory);
        return false;
    }
    check(!out.overflow);
    *openapi = (struct openapi){.document = buffer_text(&out), .memory = memory};
    return true;
}

void openapi_free(struct openapi *openapi) {
    free(openapi->memory);
    *openapi = (struct openapi){0};
}
