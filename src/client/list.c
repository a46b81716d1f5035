/* The commands that are a request and what its answer holds: asked, paged, shown. */
#include "client/list.h"

/* More pages than any org has; it ends a server that never stops handing out tokens. */
#define PAGES_MAX 100000

/* The first member that is a list: an answer has one. */
static const struct json *list_of(const struct json *answer) {
    for (struct json_iter i = json_iter(answer); json_next(&i);)
        if (json_is_array(i.value))
            return i.value;
    return NULL;
}

static void rows_add(struct client *client, const struct json *list, size_t limit,
                     struct rows *rows) {
    size_t count = rows->count + json_count(list);
    if (rows->at == NULL || count > rows->room) {
        struct row *larger = pool_take(&client->pool, 2 * (count + 1) * sizeof(*larger));
        if (rows->count > 0)
            memcpy(larger, rows->at, rows->count * sizeof(*larger));
        *rows = (struct rows){larger, rows->count, 2 * (count + 1)};
    }
    for (struct json_iter i = json_iter(list); json_next(&i) && rows->count < limit;)
        if (json_is_object(i.value))
            rows->at[rows->count++] = (struct row){i.value};
}

void rows_of(struct client *client, const struct json *list, struct rows *ret_rows) {
    *ret_rows = (struct rows){0};
    rows_add(client, list, SIZE_MAX, ret_rows);
}

/* "page_token=…" of the page behind this one; empty at the end. */
static struct text query_of_next(struct client *client, const struct json *answer) {
    const struct json *token = json_member(answer, TEXT("nextPageToken"));
    if (token == NULL || !json_is_string(token) || json_text(token).len == 0)
        return (struct text){0};
    struct buffer out = pool_buffer(&client->pool, 3 * json_text(token).len + 16);
    buffer_put(&out, "page_token=");
    buffer_percent(&out, json_text(token));
    return buffer_text(&out);
}

enum status list_read(struct client *client, const struct call *call, size_t limit,
                      struct rows *ret_rows) {
    struct rows rows = {0};
    struct text query = {0};
    for (size_t page = 0; page < PAGES_MAX; page++) {
        struct reply reply;
        enum status status = client_request(client, call, query, &reply);
        if (status != STATUS_FINE)
            return status;
        const struct json *list = list_of(reply.json);
        if (list == NULL) {
            client_complain(client, "the answer holds no list");
            return STATUS_FAILED;
        }
        rows_add(client, list, limit, &rows);
        struct text next = query_of_next(client, reply.json);
        if (next.len > 0 && text_equal(next, query)) {
            client_complain(client, "the server gives the same page again and again");
            return STATUS_FAILED;
        }
        query = next;
        if (query.len == 0 || rows.count == limit) {
            *ret_rows = rows;
            return STATUS_FINE;
        }
    }
    client_complain(client, "the list has more than %d pages", PAGES_MAX);
    return STATUS_FAILED;
}

static bool is_receipt(struct text key) {
    return text_equal(key, TEXT("applied")) || text_equal(key, TEXT("effectiveBy"));
}

static void member_add(struct buffer *out, const struct json_iter *member) {
    buffer_byte(out, out->len == 0 ? '{' : ',');
    buffer_json(out, member->key);
    buffer_byte(out, ':');
    json_write(member->value, out);
}

/* {"id":…,"name":…,"applied":{…}}: the members of `data`, and how the change spread. */
static const struct json *data_join(struct client *client, const struct json *data,
                                    const struct json *answer) {
    struct buffer out = pool_buffer(&client->pool, OUTPUT_BYTES);
    struct error error;
    for (struct json_iter i = json_iter(data); json_next(&i);)
        member_add(&out, &i);
    for (struct json_iter i = json_iter(answer); json_next(&i);)
        if (is_receipt(i.key))
            member_add(&out, &i);
    buffer_byte(&out, '}');
    const struct json *joined =
        out.overflow ? NULL : client_read_json(client, buffer_text(&out), &error);
    return joined != NULL ? joined : answer;
}

/* What the answer holds, without the wrapping of {"project":{…}}; for programs also how the change
 * spread, which people are told behind it. */
static const struct json *data_of(struct client *client, const struct json *answer) {
    const struct json *data = NULL;
    size_t count = 0;
    for (struct json_iter i = json_iter(answer); json_next(&i);)
        if (!is_receipt(i.key)) {
            data = i.value;
            count++;
        }
    if (count != 1 || !json_is_object(data))
        return answer;
    return client->format == FORMAT_HUMAN ? data : data_join(client, data, answer);
}

/* Asks before a command that deletes. False: it is not to be run, for the reason in
 * `ret_status`. */
static bool is_confirmed(struct client *client, const struct call *call, enum status *ret_status) {
    struct text question;
    *ret_status = STATUS_USAGE;
    if (call->command->confirm == NULL)
        return true;
    if (!client_fill(client, call, call->command->confirm, false, &question))
        return false;
    if (client_confirm(client, question))
        return true;
    client_complain(client, "nothing was done");
    *ret_status = STATUS_FAILED;
    return false;
}

enum status command_run(struct client *client, const struct call *call) {
    const struct command *command = call->command;
    struct rows rows;
    struct reply reply;
    struct text done;
    enum status status;
    if (command->run != NULL)
        return command->run(client, call);
    if (!is_confirmed(client, call, &status))
        return status;
    if (command->columns != NULL) {
        status = list_read(client, call, SIZE_MAX, &rows);
        if (status == STATUS_FINE)
            show_list(client, rows.at, rows.count, command->columns);
        return status;
    }
    status = client_request(client, call, TEXT(""), &reply);
    if (status != STATUS_FINE)
        return status;
    if (command->done == NULL || client->format != FORMAT_HUMAN)
        show_object(client, data_of(client, reply.json));
    else if (client_fill(client, call, command->done, false, &done))
        client_say(client, done);
    return STATUS_FINE;
}
