/* Signing keys: listed with what comes next, rotated, removed. */
#include "base/base64.h"
#include "server/answer.h"
#include "server/handlers.h"
#include "server/server.h"
#include "token/hash.h"

struct key_input {
    uint64_t given;
    bool is_immediate;
    struct key_record spare; /* if a new key is to be published; its seed is sealed */
};

static const struct keys *keys_of(const struct request *request) {
    return &((struct worker *)request->mint->ports.self)->server->keys;
}

bool key_parse(struct request *request) {
    static const struct json_field fields[] = {
        {"immediately", JSON_FIELD_BOOL, offsetof(struct key_input, is_immediate)},
    };
    struct key_input *input = request_take(request, sizeof(*input));
    if (input == NULL)
        return false;
    *input = (struct key_input){0};
    request->input = input;
    return request->body == NULL ||
           json_read_fields(request->body, fields, array_count(fields), input, &request->error);
}

/* What becomes of it next: "" where it stays until somebody says otherwise. */
static struct text next_state(const struct key_record *key, int64_t next_s) {
    static const struct text names[] = {
        [KEY_PENDING] = TEXT_INIT("active"),
        [KEY_ACTIVE] = TEXT_INIT("retired"),
        [KEY_RETIRED] = TEXT_INIT("gone"),
    };
    return next_s == KEY_NEVER_S ? TEXT("") : names[key->state];
}

static bool key_write(struct request *request, const char *name, const struct key_record *key,
                      int64_t next_s) {
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (out == NULL)
        return false;
    answer_raw(out, name, TEXT("{"));
    answer_text(out, "kid", text_of(key->kid));
    answer_text(out, "alg", TEXT("EdDSA"));
    answer_text(out, "state", key_state_name(key->state));
    answer_time(out, "createdOn", key->created_s);
    answer_time(out, "activatedOn", key->activated_s);
    answer_time(out, "retiredOn", key->retired_s);
    answer_text(out, "nextState", next_state(key, next_s));
    answer_time(out, "nextOn", next_s == KEY_NEVER_S ? 0 : next_s);
    buffer_byte(out, '}');
    return true;
}

bool key_list(struct request *request, struct session *session) {
    struct key_set *set = request_take(request, sizeof(*set));
    const struct key_times times = keys_times(keys_of(request));
    struct buffer *out = request_out(request, ANSWER_ROW_BYTES);
    if (set == NULL || out == NULL)
        return error_set(&request->work_error, ERROR_OVERLOADED, "memory");
    if (!store_key_list(session, set, &request->work_error))
        return false;
    buffer_add(out, TEXT("{\"keys\":["));
    for (size_t i = 0; i < set->count; i++)
        if (!key_write(request, NULL, &set->keys[i], key_due_s(set->keys, set->count, i, &times)))
            return false;
    out = request_out(request, ANSWER_ROW_BYTES);
    if (out != NULL)
        buffer_add(out, TEXT("]}"));
    return out != NULL;
}

bool key_rotate(struct request *request, struct session *session) {
    struct key_input *input = request->input;
    const struct key_times times = keys_times(keys_of(request));
    struct key_change change;
    struct buffer *out = request_out(request, 2 * ANSWER_ROW_BYTES);
    if (out == NULL ||
        !key_create(keys_of(request)->master, KEY_PENDING, request->actor.now_s, &input->spare,
                    &request->work_error) ||
        !store_key_rotate(session, &request->actor, &times, &input->spare, input->is_immediate,
                          &change, &request->seq, &request->work_error))
        return false;
    buffer_byte(out, '{');
    (void)!key_write(request, "key", &change.key, change.next_s);
    buffer_byte(&request->out, '}');
    return true;
}

bool key_delete(struct request *request, struct session *session) {
    struct text kid = request->params[PARAM_KEY];
    uint8_t hash[SHA256_BYTES];
    size_t len;
    if (!base64_read(kid, hash, sizeof(hash), &len) || len != sizeof(hash))
        return error_set(&request->work_error, ERROR_NOT_FOUND, "key");
    return store_key_delete(session, &request->actor, kid, &request->seq, &request->work_error) &&
           answer_empty(request);
}
