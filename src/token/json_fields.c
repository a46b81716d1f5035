/* Reading an object's members into a struct by a table of fields. */
#include "token/decimal.h"
#include "token/json.h"

#define TEXT_BYTES_MAX 256

/* Whether `key` is the field's name, as it is (ttl_seconds) or in camelCase (ttlSeconds). */
static bool field_is(const char *name, struct text key) {
    size_t i = 0;
    if (text_equal(text_of(name), key))
        return true;
    for (; *name != '\0' && i < key.len; name++, i++) {
        bool begins_word = *name == '_';
        if (begins_word)
            name++;
        if (key.at[i] != (begins_word && *name >= 'a' && *name <= 'z' ? *name - 0x20 : *name))
            return false;
    }
    return *name == '\0' && i == key.len;
}

static const struct json_field *field_find(const struct json_field *fields, size_t count,
                                           struct text key) {
    for (size_t i = 0; i < count; i++)
        if (key.len > 0 && fields[i].name[0] == key.at[0] && field_is(fields[i].name, key))
            return &fields[i];
    return NULL;
}

/* Control characters of ASCII and of Latin-1 (U+0080 to U+009F: C2 80 to C2 9F). */
static bool text_has_control(struct text text) {
    const uint8_t *at = (const uint8_t *)text.at;
    for (size_t i = 0; i < text.len; i++)
        if (at[i] < 0x20 || at[i] == 0x7F ||
            (at[i] == 0xC2 && i + 1 < text.len && at[i + 1] < 0xA0))
            return true;
    return false;
}

static bool read_text(const struct json *value, struct text key, void *member,
                      struct error *ret_error) {
    if (!json_is_string(value) || json_text(value).len > TEXT_BYTES_MAX ||
        text_has_control(json_text(value)))
        return error_about(ret_error, ERROR_FIELD_STRING, key);
    *(struct text *)member = json_text(value);
    return true;
}

static bool read_name(const struct json *value, struct text key, void *member,
                      struct error *ret_error) {
    if (!json_is_string(value) || !text_is_name(json_text(value)))
        return error_about(ret_error, ERROR_FIELD_NAME, key);
    *(struct text *)member = json_text(value);
    return true;
}

/* protobuf's JSON mapping writes numbers in quotes too. */
static bool read_number(const struct json *value, struct text key, void *member,
                        struct error *ret_error) {
    struct decimal decimal;
    if ((!json_is_number(value) && !json_is_string(value)) ||
        !decimal_read(json_text(value), &decimal) || json_text(value).at[0] == '-' ||
        !decimal_whole(&decimal, UINT32_MAX, (uint64_t *)member))
        return error_about(ret_error, ERROR_FIELD_NUMBER, key);
    return true;
}

static bool read_bool(const struct json *value, struct text key, void *member,
                      struct error *ret_error) {
    if (!json_is_true(value) && !json_is_false(value))
        return error_about(ret_error, ERROR_FIELD_BOOL, key);
    *(bool *)member = json_is_true(value);
    return true;
}

static bool read_value(const struct json *value, struct text key, enum json_field_type type,
                       void *member, struct error *ret_error) {
    if (type == JSON_FIELD_OBJECT && !json_is_object(value))
        return error_about(ret_error, ERROR_JSON_NOT_OBJECT, key);
    if (type == JSON_FIELD_ARRAY && !json_is_array(value))
        return error_set(ret_error, ERROR_FIELD_VALUE, "%.*s must be a JSON array", (int)key.len,
                         key.at);
    *(const struct json **)member = value;
    return true;
}

static bool field_read(const struct json *value, struct text key, enum json_field_type type,
                       void *member, struct error *ret_error) {
    switch (type) {
    case JSON_FIELD_TEXT:
        return read_text(value, key, member, ret_error);
    case JSON_FIELD_NAME:
        return read_name(value, key, member, ret_error);
    case JSON_FIELD_NUMBER:
        return read_number(value, key, member, ret_error);
    case JSON_FIELD_BOOL:
        return read_bool(value, key, member, ret_error);
    default:
        return read_value(value, key, type, member, ret_error);
    }
}

bool json_read_fields(const struct json *object, const struct json_field *fields, size_t count,
                      void *ret_struct, struct error *ret_error) {
    uint64_t seen = 0, given = 0;
    check(count <= 64);
    if (!json_is_object(object))
        return error_set(ret_error, ERROR_JSON_NOT_OBJECT, "the body");
    for (struct json_iter i = json_iter(object); json_next(&i);) {
        const struct json_field *field = field_find(fields, count, i.key);
        if (field == NULL)
            return error_about(ret_error, ERROR_FIELD_UNKNOWN, i.key);
        uint64_t bit = (uint64_t)1 << (field - fields);
        if ((seen & bit) != 0)
            return error_about(ret_error, ERROR_FIELD_TWICE, i.key);
        seen |= bit;
        if (json_is_null(i.value))
            continue;
        if (!field_read(i.value, i.key, field->type, (char *)ret_struct + field->offset, ret_error))
            return false;
        given |= bit;
    }
    *(uint64_t *)ret_struct = given;
    return true;
}
