/* When signing keys change their state: the plan of rotation, as pure code over given times. */
#include "token/rotation.h"

struct text key_state_name(enum key_state state) {
    static const struct text names[] = {
        [KEY_PENDING] = TEXT_INIT("pending"),
        [KEY_ACTIVE] = TEXT_INIT("active"),
        [KEY_RETIRED] = TEXT_INIT("retired"),
    };
    check((size_t)state < array_count(names));
    return names[state];
}

int64_t *key_since_s(struct key_record *key) {
    return key->state == KEY_PENDING  ? &key->created_s
           : key->state == KEY_ACTIVE ? &key->activated_s
                                      : &key->retired_s;
}

static int64_t since_s(const struct key_record *key) {
    struct key_record copy = *key;
    return *key_since_s(&copy);
}

size_t key_find(const struct key_record *keys, size_t count, enum key_state state) {
    size_t found = count;
    for (size_t i = 0; i < count; i++)
        if (keys[i].state == state && (found == count || since_s(&keys[i]) > since_s(&keys[found])))
            found = i;
    return found;
}

/* A time in the registry may be anything, if somebody edited it. */
static int64_t later_s(int64_t at_s, int64_t wait_s) {
    return at_s > KEY_NEVER_S - wait_s ? KEY_NEVER_S : at_s + wait_s;
}

/* A new key is made so early that it signs when the old one has reached its age. */
static int64_t create_s(const struct key_record *active, const struct key_times *times) {
    int64_t wait_s = times->rotate_s - times->publish_s;
    return later_s(active->activated_s, wait_s > 0 ? wait_s : 0);
}

int64_t key_due_s(const struct key_record *keys, size_t count, size_t index,
                  const struct key_times *times) {
    const struct key_record *key = &keys[index];
    size_t pending = key_find(keys, count, KEY_PENDING);
    if (key->state == KEY_PENDING)
        return later_s(key->created_s, times->publish_s);
    if (key->state == KEY_RETIRED)
        return later_s(key->retired_s, times->keep_s);
    if (pending < count)
        return later_s(keys[pending].created_s, times->publish_s);
    return times->rotate_s == 0 ? KEY_NEVER_S : later_s(create_s(key, times), times->publish_s);
}

static bool is_wrong(const struct key_record *key, int64_t now_s) {
    return since_s(key) <= 0 || since_s(key) > now_s + KEY_CLOCK_SLACK_S;
}

/* The step that is due for one key, and when it is where it is not yet. */
static enum key_step step_of(const struct key_record *keys, size_t count, size_t index,
                             const struct key_times *times, int64_t now_s, int64_t *ret_due_s) {
    const struct key_record *key = &keys[index];
    bool is_replaced =
        key->state == KEY_ACTIVE &&
        (times->rotate_s == 0 || count >= KEYRING_KEYS_MAX ||
         key_find(keys, count, KEY_PENDING) < count || key_find(keys, count, KEY_ACTIVE) != index);
    *ret_due_s =
        key->state == KEY_ACTIVE ? create_s(key, times) : key_due_s(keys, count, index, times);
    if (is_wrong(key, now_s))
        return KEY_STEP_CLOCK;
    if (is_replaced)
        *ret_due_s = KEY_NEVER_S;
    if (now_s < *ret_due_s)
        return KEY_STEP_NONE;
    return key->state == KEY_PENDING  ? KEY_STEP_ACTIVATE
           : key->state == KEY_ACTIVE ? KEY_STEP_CREATE
                                      : KEY_STEP_REMOVE;
}

struct key_plan key_plan(const struct key_record *keys, size_t count, const struct key_times *times,
                         int64_t now_s) {
    struct key_plan plan = {.next_s = KEY_NEVER_S};
    for (size_t i = 0; i < count; i++) {
        int64_t due_s;
        enum key_step step = step_of(keys, count, i, times, now_s, &due_s);
        if (step != KEY_STEP_NONE && (plan.step == KEY_STEP_NONE || step < plan.step)) {
            plan.step = step;
            plan.index = i;
        }
        if (due_s < plan.next_s)
            plan.next_s = due_s;
    }
    return plan;
}
