/* Requests made of flags and operands, and what the server's refusals are told as. */
#include "base/units.h"
#include "client/fetch.h"
#include "client/run.h"

/* Answers hold attributes, which are JSON_DEPTH_MAX deep themselves. */
#define ANSWER_DEPTH_EXTRA 6

const struct json *client_read_json(struct client *client, struct text text,
                                    struct error *ret_error) {
    /* json.h: about 16 bytes a byte of text, in the worst case. */
    size_t size = 24 * text.len + 65536;
    struct arena arena = arena_over(pool_take(&client->pool, size), size);
    const struct json *json;
    bool is_read = json_read(text, ANSWER_DEPTH_EXTRA, &arena, &json, ret_error);
    pool_trim(&client->pool, arena.at, arena.used);
    return is_read ? json : NULL;
}

/* Placeholders */

static bool flag_missing(struct client *client, const struct call *call, struct text name) {
    bool is_org = text_equal(name, TEXT("org"));
    (void)client_refuse(client, call, "mint %.*s needs --%.*s%s", (int)call->path.len,
                        call->path.at, (int)name.len, name.at,
                        is_org ? ", the variable MINT_ORG, or a profile with an org" : "");
    return false;
}

/* What a placeholder stands for: {NAME} the operand, {org} a flag, {NAME|org} either. */
static struct text placeholder_value(const struct client *client, const struct call *call,
                                     struct text *name) {
    const char *bar = memchr(name->at, '|', name->len);
    bool is_operand = name->at[0] >= 'A' && name->at[0] <= 'Z';
    if (is_operand && call->operand_count > 0)
        return call_operand(call);
    if (bar != NULL)
        *name = (struct text){bar + 1, (size_t)(name->at + name->len - bar) - 1};
    if (text_equal(*name, TEXT("org")))
        return client->org;
    for (size_t i = call->flag_count; i-- > 0;)
        if (text_equal(*name, text_of(call->flags[i].flag->name)))
            return call->flags[i].value;
    return (struct text){0};
}

bool client_fill(struct client *client, const struct call *call, const char *template, bool is_path,
                 struct text *ret_text) {
    size_t size = strlen(template);
    for (size_t i = 0; i < call->operand_count; i++)
        size += 3 * call->operands[i].len;
    for (size_t i = 0; i < call->flag_count; i++)
        size += 3 * call->flags[i].value.len;
    struct buffer out = pool_buffer(&client->pool, size + 3 * client->org.len + 1);
    for (const char *at = template; *at != '\0';) {
        if (*at != '{') {
            buffer_byte(&out, *at++);
            continue;
        }
        struct text name = {at + 1, strcspn(at + 1, "}")};
        at = name.at + name.len + 1;
        struct text value = placeholder_value(client, call, &name);
        if (value.len == 0)
            return flag_missing(client, call, name);
        if (is_path)
            buffer_percent(&out, value);
        else
            buffer_add(&out, value);
    }
    check(!out.overflow);
    *ret_text = buffer_text(&out);
    return true;
}

/* Bodies */

static void member_begin(struct buffer *out, const char *field) {
    if (out->at[out->len - 1] != '{')
        buffer_byte(out, ',');
    buffer_json(out, text_of(field));
    buffer_byte(out, ':');
}

/* Reads a JSON object from the flag, @file or standard input; it is sent exactly as it was
 * spelled. */
static bool json_flag_read(struct client *client, const struct call *call,
                           const struct call_flag *given, struct text *ret_text) {
    struct error error = {0};
    char memory[512];
    struct buffer message = buffer_over(memory, sizeof(memory));
    if (!client_read_text(client, given->value, true, ret_text))
        return false;
    const struct json *json = client_read_json(client, *ret_text, &error);
    if (json != NULL && json_is_object(json))
        return true;
    if (json != NULL)
        buffer_put(&message, "it must be a JSON object, such as {\"region\":\"eu\"}");
    else if (error.code == ERROR_JSON_MALFORMED)
        buffer_format(&message, "it is not valid JSON: %s", error.subject);
    else
        error_message(&error, &message);
    (void)client_refuse(client, call, "--%s: %.*s", given->flag->name, (int)message.len,
                        message.at);
    return false;
}

static void number_add(struct buffer *out, const struct call_flag *given) {
    static const enum unit units[] = {
        [FLAG_TIME] = UNIT_S, [FLAG_SIZE] = UNIT_BYTES, [FLAG_NUMBER] = UNIT_NONE};
    uint64_t number;
    check(unit_read(given->value, units[given->flag->type], UINT32_MAX, &number));
    buffer_number(out, number);
}

/* {"key":"value"} of every time the flag was given. */
static void pairs_add(struct buffer *out, const struct call *call, const struct flag *flag) {
    buffer_byte(out, '{');
    for (size_t i = 0; i < call->flag_count; i++) {
        struct text pair = call->flags[i].value;
        if (call->flags[i].flag != flag)
            continue;
        const char *equals = memchr(pair.at, '=', pair.len);
        size_t key = (size_t)(equals - pair.at);
        if (out->at[out->len - 1] != '{')
            buffer_byte(out, ',');
        buffer_json(out, (struct text){pair.at, key});
        buffer_byte(out, ':');
        buffer_json(out, (struct text){equals + 1, pair.len - key - 1});
    }
    buffer_byte(out, '}');
}

/* Whether a later one overrides it; of pairs the first stands for all. */
static bool flag_is_overridden(const struct call *call, size_t i) {
    const struct flag *flag = call->flags[i].flag;
    bool is_pair = flag->type == FLAG_PAIR;
    for (size_t j = is_pair ? 0 : i + 1; j < (is_pair ? i : call->flag_count); j++)
        if (call->flags[j].flag == flag)
            return true;
    return false;
}

static bool flag_add(struct client *client, const struct call *call, const struct call_flag *given,
                     struct buffer *out) {
    struct text text;
    member_begin(out, given->flag->field);
    switch (given->flag->type) {
    case FLAG_TEXT:
    case FLAG_CHOICE:
        buffer_json(out, given->value);
        return true;
    case FLAG_BOOL:
        buffer_put(out, "true");
        return true;
    case FLAG_TIME:
    case FLAG_SIZE:
    case FLAG_NUMBER:
        number_add(out, given);
        return true;
    case FLAG_PAIR:
        pairs_add(out, call, given->flag);
        return true;
    case FLAG_JSON:
        if (!json_flag_read(client, call, given, &text))
            return false;
        if (out->size - out->len < text.len + 16) {
            struct buffer larger = pool_buffer(&client->pool, out->size + 2 * text.len);
            buffer_add(&larger, buffer_text(out));
            *out = larger;
        }
        buffer_add(out, text);
        return true;
    }
    return false;
}

bool client_make_body(struct client *client, const struct call *call, struct text *ret_body) {
    const struct command *command = call->command;
    size_t size = 4096 + 6 * call_operand(call).len;
    for (size_t i = 0; i < call->flag_count; i++)
        size += 6 * call->flags[i].value.len + 64;
    struct buffer out = pool_buffer(&client->pool, 2 * size);
    buffer_byte(&out, '{');
    if (command->operand_field != NULL) {
        member_begin(&out, command->operand_field);
        buffer_json(&out, call_operand(call));
    }
    for (size_t i = 0; i < call->flag_count; i++) {
        const char *field = call->flags[i].flag->field;
        if (field != NULL && field[0] != '?' && !flag_is_overridden(call, i) &&
            !flag_add(client, call, &call->flags[i], &out))
            return false;
    }
    buffer_byte(&out, '}');
    check(!out.overflow);
    *ret_body = buffer_text(&out);
    return true;
}

struct text client_body(struct client *client, const char *field, struct text value) {
    struct buffer out = pool_buffer(&client->pool, strlen(field) + 6 * value.len + 32);
    buffer_byte(&out, '{');
    member_begin(&out, field);
    buffer_json(&out, value);
    buffer_byte(&out, '}');
    check(!out.overflow);
    return buffer_text(&out);
}

/* Asking */

static bool fetch_start(struct client *client) {
    struct fetch_options options = {.timeout_s = client->timeout_s};
    if (client->fetch != NULL)
        return true;
    if (text_starts(client->url, TEXT("unix:")))
        options.socket = (struct text){client->url.at + 5, client->url.len - 5};
    client->fetch = fetch_open(&options);
    if (client->fetch == NULL)
        client_complain(client, "libcurl cannot start");
    return client->fetch != NULL;
}

/* The URL of a path; behind a unix socket the host is only a name. */
static struct text url_of(struct client *client, struct text target) {
    bool is_socket = text_starts(client->url, TEXT("unix:"));
    struct text base = is_socket ? TEXT("http://localhost") : client->url;
    struct buffer out = pool_buffer(&client->pool, base.len + target.len);
    check(target.at != NULL);
    if (target.at[0] == '/')
        buffer_add(&out, base);
    buffer_add(&out, target);
    return buffer_text(&out);
}

static enum status fetch_failed(struct client *client, struct text url, struct buffer *message) {
    bool is_own = text_equal(url, client->url);
    client_complain(client, "cannot reach %.*s: %.*s%s", (int)url.len, url.at, (int)message->len,
                    message->at,
                    is_own ? "\nIs mintd running there? Start it with 'mintd serve', or say where "
                             "it is with --url or MINT_URL."
                           : "");
    return STATUS_FAILED;
}

/* What the server said, with what to do where the status tells. */
static enum status reply_refused(struct client *client, const struct reply *reply) {
    const struct json *message =
        reply->json != NULL ? json_member(reply->json, TEXT("message")) : NULL;
    struct text text = message != NULL && json_is_string(message) ? json_text(message)
                                                                  : TEXT("no mintd answers there");
    const char *hint = "";
    if (reply->status == 401)
        hint = client->token.len > 0 ? "\nThe token is wrong, expired or revoked: see --token, "
                                       "MINT_TOKEN and mint login."
                                     : "\nNo token was sent: set MINT_TOKEN, or run mint login.";
    bool has_id = reply->request_id.len > 0;
    client_complain(client, "%.*s (%u%s%.*s)%s", (int)text.len, text.at, reply->status,
                    has_id ? ", request " : "", has_id ? (int)reply->request_id.len : 0,
                    has_id ? reply->request_id.at : "", hint);
    return STATUS_FAILED;
}

/* Runs the request; an answer that is no success, or no JSON object, is told. */
static enum status request_run(struct client *client, const struct fetch_request *request,
                               struct text shown, struct reply *ret_reply) {
    char memory[512];
    struct buffer message = buffer_over(memory, sizeof(memory));
    struct fetch_reply fetched;
    struct error error;
    if (!fetch_start(client))
        return STATUS_FAILED;
    if (!fetch_run(client->fetch, request, &client->pool, &fetched, &message))
        return fetch_failed(client, shown, &message);
    struct reply reply = {fetched.status, fetched.body, fetched.request_id, NULL};
    reply.json = client_read_json(client, fetched.body, &error);
    if (reply.json != NULL && !json_is_object(reply.json))
        reply.json = NULL;
    if (reply.status < 200 || reply.status > 299)
        return reply_refused(client, &reply);
    if (reply.json == NULL) {
        client_complain(client, "%.*s answered something that is no JSON object", (int)shown.len,
                        shown.at);
        return STATUS_FAILED;
    }
    *ret_reply = reply;
    return STATUS_FINE;
}

enum status client_ask(struct client *client, const char *method, struct text target,
                       struct text body, struct reply *ret_reply) {
    struct fetch_request request = {method, url_of(client, target), client->token, body};
    enum status status = request_run(client, &request, client->url, ret_reply);
    if (status == STATUS_FINE && strcmp(method, "GET") != 0)
        client->changed = ret_reply->json;
    return status;
}

enum status client_get_public(struct client *client, struct text url, struct reply *ret_reply) {
    struct fetch_request request = {"GET", url_of(client, url), {0}, {0}};
    return request_run(client, &request, url.at[0] == '/' ? client->url : url, ret_reply);
}

static bool is_in_query(const struct call *call, size_t i) {
    const char *field = call->flags[i].flag->field;
    return field != NULL && field[0] == '?' && !flag_is_overridden(call, i);
}

struct text client_target(struct client *client, const struct call *call, struct text path,
                          struct text query) {
    size_t size = path.len + query.len + 256;
    for (size_t i = 0; i < call->flag_count; i++)
        size += is_in_query(call, i) ? 3 * call->flags[i].value.len : 0;
    struct buffer out = pool_buffer(&client->pool, size);
    check(path.at != NULL);
    buffer_add(&out, path);
    if (query.len > 0)
        buffer_byte(&out, memchr(path.at, '?', path.len) != NULL ? '&' : '?');
    buffer_add(&out, query);
    for (size_t i = 0; i < call->flag_count; i++) {
        const struct call_flag *given = &call->flags[i];
        if (!is_in_query(call, i))
            continue;
        const char *field = given->flag->field + 1;
        buffer_put(&out, memchr(out.at, '?', out.len) != NULL ? "&" : "?");
        buffer_put(&out, field);
        if (strchr(field, '=') != NULL)
            continue;
        buffer_byte(&out, '=');
        buffer_percent(&out, given->flag->type == FLAG_BOOL ? TEXT("1") : given->value);
    }
    check(!out.overflow);
    return buffer_text(&out);
}

enum status client_request(struct client *client, const struct call *call, struct text query,
                           struct reply *ret_reply) {
    const struct command *command = call->command;
    struct text path, body = {0};
    bool has_body = strcmp(command->method, "GET") != 0 && strcmp(command->method, "DELETE") != 0;
    if (!client_fill(client, call, command->target, true, &path) ||
        (has_body && !client_make_body(client, call, &body)))
        return STATUS_USAGE;
    return client_ask(client, command->method, client_target(client, call, path, query), body,
                      ret_reply);
}
