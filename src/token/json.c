/* Reading JSON strictly and writing it back exactly; yyjson is known here alone. */
#include "token/json.h"

#include <yyjson.h>

#include "base/map.h"
#include "token/decimal.h"
#include "token/random.h"

#define DEPTH_MAX (JSON_DEPTH_MAX + JSON_DEPTH_EXTRA_MAX)
/* Up to so many members, comparing each key with each is faster than a table. */
#define PAIRWISE_MAX 16
/* Numbers below 10^308 are held by a double; the largest one is 1.8 × 10^308. */
#define EXPONENT_SURE 308

static struct hash_key table_key;

void json_start(struct random *random) {
    random_bytes(random, &table_key, sizeof(table_key));
}

/* yyjson's values stand in one array in the order of the text, each key before its value and each
 * container before its members. Its functions take them without const. */
static yyjson_val *val_of(const struct json *value) {
    return (yyjson_val *)(uintptr_t)value;
}

static const struct json *json_of(const yyjson_val *val) {
    return (const struct json *)val;
}

/* The text of a string or the spelling of a number. */
static struct text val_text(const yyjson_val *val) {
    return (struct text){val->uni.str, (size_t)(val->tag >> YYJSON_TAG_BIT)};
}

static void *memory_take(void *arena, size_t size) {
    return arena_take(arena, size);
}

/* The library grows what it took last. */
static void *memory_resize(void *arena, void *piece, size_t old_size, size_t size) {
    return arena_resize(arena, piece, old_size, size) ? piece : NULL;
}

/* The arena ends as a whole. */
static void memory_keep(void *arena, void *piece) {
    (void)arena;
    (void)piece;
}

/* Whether brackets open deeper than `depth_max` in a text that may be malformed elsewhere. */
static bool text_is_deep(struct text text, unsigned depth_max) {
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len && depth <= depth_max; i++) {
        char byte = text.at[i];
        if (byte == '"')
            in_string = !in_string;
        else if (in_string)
            i += byte == '\\';
        else if (byte == '[' || byte == '{')
            depth++;
        else if ((byte == ']' || byte == '}') && depth > 0)
            depth--;
    }
    return depth > depth_max;
}

static bool error_deep(struct error *error, unsigned depth_max) {
    return error_set(error, ERROR_JSON_DEEP, "%u", depth_max);
}

static bool error_memory(struct error *error) {
    return error_set(error, ERROR_OVERLOADED, "memory for JSON");
}

/* A deep text is refused as deep even if memory ran out first or its end is missing. */
static bool parse_failed(struct text text, unsigned depth_max, const yyjson_read_err *problem,
                         struct error *ret_error) {
    if (text_is_deep(text, depth_max))
        return error_deep(ret_error, depth_max);
    if (problem->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return error_memory(ret_error);
    return error_set(ret_error, ERROR_JSON_MALFORMED, "%s at byte %zu", problem->msg, problem->pos);
}

/* Finds a key that stands twice by comparing each with each. */
static bool keys_differ_pairwise(const yyjson_val *object, size_t count, struct error *ret_error) {
    struct text keys[PAIRWISE_MAX];
    const yyjson_val *key = object + 1;
    for (size_t i = 0; i < count; i++, key = unsafe_yyjson_get_next((yyjson_val *)key + 1)) {
        keys[i] = val_text(key);
        for (size_t j = 0; j < i; j++)
            if (keys[j].len == keys[i].len && text_equal(keys[j], keys[i]))
                return error_about(ret_error, ERROR_JSON_TWICE, keys[i]);
    }
    return true;
}

/* The same by a table of keys, hashed so that a caller cannot choose collisions. */
static bool keys_differ_hashed(const yyjson_val *object, size_t count, struct arena *arena,
                               struct error *ret_error) {
    size_t mask = ((size_t)2 << (63 - __builtin_clzll(count))) * 2 - 1;
    size_t bytes = (mask + 1) * sizeof(const yyjson_val *);
    const yyjson_val **slots = arena_take(arena, bytes);
    const yyjson_val *key = object + 1, *twice = NULL;
    if (slots == NULL)
        return error_memory(ret_error);
    memset(slots, 0, bytes);
    for (size_t i = 0; i < count && twice == NULL; i++) {
        struct text text = val_text(key);
        size_t slot = hash_bytes(&table_key, text.at, text.len) & mask;
        for (; slots[slot] != NULL && twice == NULL; slot = (slot + 1) & mask)
            if (text_equal(val_text(slots[slot]), text))
                twice = key;
        slots[slot] = key;
        key = unsafe_yyjson_get_next((yyjson_val *)key + 1);
    }
    check(arena_resize(arena, slots, bytes, 0));
    return twice == NULL || error_about(ret_error, ERROR_JSON_TWICE, val_text(twice));
}

static bool number_check(const yyjson_val *val, struct error *ret_error) {
    struct text text = val_text(val);
    struct decimal decimal;
    yyjson_val parsed;
    check(decimal_read(text, &decimal));
    if (decimal.exponent <= EXPONENT_SURE)
        return true;
    /* Near the largest double the library decides; it leaves a NUL behind each number. */
    if (decimal.exponent == EXPONENT_SURE + 1 &&
        yyjson_read_number(text.at, &parsed, YYJSON_READ_NOFLAG, NULL, NULL) != NULL)
        return true;
    return error_about(ret_error, ERROR_JSON_NUMBER, text);
}

/* What yyjson leaves to be checked: depth, keys that stand twice, numbers too large. One pass. */
static bool tree_check(const yyjson_val *root, size_t count, unsigned depth_max,
                       struct arena *arena, struct error *ret_error) {
    const yyjson_val *ends[DEPTH_MAX];
    unsigned depth = 0;
    for (const yyjson_val *val = root; val < root + count; val++) {
        while (depth > 0 && val == ends[depth - 1])
            depth--;
        yyjson_type type = unsafe_yyjson_get_type((yyjson_val *)val);
        if (type == YYJSON_TYPE_RAW) {
            if (!number_check(val, ret_error))
                return false;
        } else if (type == YYJSON_TYPE_OBJ || type == YYJSON_TYPE_ARR) {
            size_t members = val_text(val).len;
            if (depth == depth_max)
                return error_deep(ret_error, depth_max);
            ends[depth++] = unsafe_yyjson_get_next((yyjson_val *)val);
            if (type == YYJSON_TYPE_ARR)
                continue;
            if (!(members <= PAIRWISE_MAX ? keys_differ_pairwise(val, members, ret_error)
                                          : keys_differ_hashed(val, members, arena, ret_error)))
                return false;
        }
    }
    return true;
}

/* The library takes memory for the values by the text's length, behind its copy of the text. What
 * they do not need goes back. */
static void doc_trim(yyjson_doc *doc, struct arena *arena) {
    uint8_t *start = (uint8_t *)doc, *end = (uint8_t *)(doc->root + doc->val_read);
    size_t taken = (size_t)(arena->at + arena->used - start);
    check((uint8_t *)doc->str_pool < start);
    check(arena_resize(arena, doc, taken, (size_t)(end - start)));
}

bool json_read(struct text text, unsigned depth_extra, struct arena *arena,
               const struct json **ret_value, struct error *ret_error) {
    yyjson_alc allocator = {memory_take, memory_resize, memory_keep, arena};
    yyjson_read_err problem;
    unsigned depth_max = JSON_DEPTH_MAX + depth_extra;
    size_t used_before = arena->used;
    check(depth_extra <= JSON_DEPTH_EXTRA_MAX);
    if (text.len == 0)
        return error_set(ret_error, ERROR_JSON_MALFORMED, "it is empty");
    /* Not changed: the library works on a copy of its own. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.at, text.len,
                                       YYJSON_READ_NUMBER_AS_RAW, &allocator, &problem);
    if (doc == NULL) {
        arena->used = used_before;
        return parse_failed(text, depth_max, &problem, ret_error);
    }
    doc_trim(doc, arena);
    if (!tree_check(doc->root, doc->val_read, depth_max, arena, ret_error)) {
        arena->used = used_before;
        return false;
    }
    *ret_value = json_of(doc->root);
    return true;
}

bool json_is_object(const struct json *value) {
    return yyjson_is_obj(val_of(value));
}

bool json_is_array(const struct json *value) {
    return yyjson_is_arr(val_of(value));
}

bool json_is_string(const struct json *value) {
    return yyjson_is_str(val_of(value));
}

bool json_is_null(const struct json *value) {
    return yyjson_is_null(val_of(value));
}

bool json_is_true(const struct json *value) {
    return yyjson_is_true(val_of(value));
}

bool json_is_false(const struct json *value) {
    return yyjson_is_false(val_of(value));
}

bool json_is_number(const struct json *value) {
    return yyjson_is_raw(val_of(value));
}

struct text json_text(const struct json *value) {
    check(json_is_string(value) || json_is_number(value));
    return val_text(val_of(value));
}

bool json_number(const struct json *value, uint64_t max, uint64_t *ret_number) {
    struct decimal decimal;
    return json_is_number(value) && decimal_read(json_text(value), &decimal) &&
           decimal_whole(&decimal, max, ret_number);
}

size_t json_count(const struct json *value) {
    check(yyjson_is_ctn(val_of(value)));
    return unsafe_yyjson_get_len(val_of(value));
}

struct json_iter json_iter(const struct json *value) {
    return (struct json_iter){.at = json_of(val_of(value) + 1),
                              .left = json_count(value),
                              .in_object = json_is_object(value)};
}

bool json_next(struct json_iter *iter) {
    yyjson_val *val = val_of(iter->at);
    if (iter->left == 0)
        return false;
    iter->left--;
    if (iter->in_object)
        iter->key = val_text(val++);
    iter->value = json_of(val);
    iter->at = json_of(unsafe_yyjson_get_next(val));
    return true;
}

const struct json *json_member(const struct json *object, struct text key) {
    check(json_is_object(object));
    for (struct json_iter i = json_iter(object); json_next(&i);)
        if (text_equal(i.key, key))
            return i.value;
    return NULL;
}

/* A container that is being written. */
struct level {
    const yyjson_val *end; /* of its members */
    size_t written;        /* keys and values */
    bool is_object;
};

static void level_separate(struct level *level, struct buffer *out) {
    if (level->written > 0)
        buffer_byte(out, level->is_object && level->written % 2 == 1 ? ':' : ',');
    level->written++;
}

static void scalar_write(const yyjson_val *val, struct buffer *out) {
    switch (unsafe_yyjson_get_type((yyjson_val *)val)) {
    case YYJSON_TYPE_STR:
        buffer_json(out, val_text(val));
        break;
    case YYJSON_TYPE_RAW:
        buffer_add(out, val_text(val));
        break;
    case YYJSON_TYPE_BOOL:
        buffer_add(out, yyjson_is_true((yyjson_val *)val) ? TEXT("true") : TEXT("false"));
        break;
    default:
        buffer_add(out, TEXT("null"));
    }
}

void json_write(const struct json *value, struct buffer *out) {
    struct level levels[DEPTH_MAX + 1]; /* the value itself stands at level 0 */
    struct level *level = levels;
    const yyjson_val *val = val_of(value), *end = unsafe_yyjson_get_next(val_of(value));
    *level = (struct level){.end = end};
    for (;; val++) {
        for (; level > levels && val == level->end; level--)
            buffer_byte(out, level->is_object ? '}' : ']');
        if (val == end)
            return;
        level_separate(level, out);
        if (!unsafe_yyjson_is_ctn((yyjson_val *)val)) {
            scalar_write(val, out);
            continue;
        }
        check(level < levels + DEPTH_MAX);
        *++level = (struct level){.end = unsafe_yyjson_get_next((yyjson_val *)val),
                                  .is_object = unsafe_yyjson_is_obj((yyjson_val *)val)};
        buffer_byte(out, level->is_object ? '{' : '[');
    }
}

static bool number_equal(const struct json *a, const struct json *b) {
    struct decimal left, right;
    check(decimal_read(json_text(a), &left) && decimal_read(json_text(b), &right));
    return decimal_equal(&left, &right);
}

static bool array_equal(const struct json *a, const struct json *b) {
    struct json_iter i = json_iter(a), j = json_iter(b);
    if (i.left != j.left)
        return false;
    while (json_next(&i) && json_next(&j))
        if (!json_equal(i.value, j.value))
            return false;
    return true;
}

/* Keys are unique, so it is enough that each of `a` is in `b` and that they are as many. */
static bool object_equal(const struct json *a, const struct json *b) {
    if (json_count(a) != json_count(b))
        return false;
    for (struct json_iter i = json_iter(a); json_next(&i);) {
        const struct json *other = json_member(b, i.key);
        if (other == NULL || !json_equal(i.value, other))
            return false;
    }
    return true;
}

bool json_equal(const struct json *a, const struct json *b) {
    yyjson_type type = yyjson_get_type(val_of(a));
    if (type != yyjson_get_type(val_of(b)))
        return false;
    switch (type) {
    case YYJSON_TYPE_OBJ:
        return object_equal(a, b);
    case YYJSON_TYPE_ARR:
        return array_equal(a, b);
    case YYJSON_TYPE_RAW:
        return number_equal(a, b);
    case YYJSON_TYPE_STR:
        return text_equal(json_text(a), json_text(b));
    default:
        return json_is_true(a) == json_is_true(b);
    }
}
