/* The rotation of the signing keys, each step of it one transaction. */
#include "registry/find.h"
#include "registry/store.h"

/* Every key of the store, in memory of the session; the change's transaction has begun. */
static struct key_set *set_read(struct change *change, struct error *ret_error) {
    struct key_set *set = arena_take(&change->session->arena, sizeof(*set));
    if (set == NULL)
        (void)error_set(ret_error, ERROR_INTERNAL, "the keys have no room");
    return set != NULL && key_set_read(change->session, set, ret_error) ? set : NULL;
}

/* The key signs from now on, and what signed until now is retired. */
static bool activate(struct change *change, struct key_set *set, struct key_record *key,
                     struct error *ret_error) {
    for (size_t i = 0; i < set->count; i++) {
        struct key_record *other = &set->keys[i];
        if (other->state != KEY_ACTIVE || other == key)
            continue;
        other->state = KEY_RETIRED;
        other->retired_s = set->now_s;
        if (!key_row_save(change->session, other, ret_error))
            return false;
        change_text(&change->before, "active", text_of(other->kid));
    }
    key->state = KEY_ACTIVE;
    key->activated_s = set->now_s;
    return key_row_put(change, key, ret_error);
}

/* The key is published from now on; NULL when there are too many. */
static struct key_record *publish(struct key_set *set, const struct key_record *spare,
                                  struct error *ret_error) {
    if (set->count == KEYRING_KEYS_MAX) {
        (void)error_set(ret_error, ERROR_KEY_STATE,
                        "there are %d keys, which is the most; wait until one has ended, or "
                        "delete a retired one",
                        KEYRING_KEYS_MAX);
        return NULL;
    }
    struct key_record *key = &set->keys[set->count++];
    *key = *spare;
    key->state = KEY_PENDING;
    key->created_s = set->now_s;
    return key;
}

static bool step_make(struct change *change, struct key_set *set, enum key_step step,
                      struct key_record *key, struct error *ret_error) {
    if (step == KEY_STEP_ACTIVATE)
        return activate(change, set, key, ret_error);
    if (step == KEY_STEP_REMOVE)
        return key_row_delete(change, text_of(key->kid), ret_error);
    *key_since_s(key) = set->now_s; /* of a new one too */
    return key_row_put(change, key, ret_error);
}

static const char *step_action(enum key_step step) {
    static const char *const actions[] = {
        [KEY_STEP_NONE] = "",
        [KEY_STEP_CLOCK] = "keys.clock",
        [KEY_STEP_ACTIVATE] = "keys.activate",
        [KEY_STEP_REMOVE] = "keys.remove",
        [KEY_STEP_CREATE] = "keys.create",
    };
    return actions[step];
}

static void change_fill(struct key_change *change, const struct key_set *set,
                        const struct key_record *key, const struct key_times *times) {
    change->key = *key;
    change->next_s = key_due_s(set->keys, set->count, (size_t)(key - set->keys), times);
}

static bool advance(struct change *change, struct actor *actor, const struct key_times *times,
                    const struct key_record *spare, struct key_change *ret_change,
                    struct error *ret_error) {
    struct key_set *set = set_read(change, ret_error);
    if (set == NULL)
        return false;
    struct key_plan plan = key_plan(set->keys, set->count, times, set->now_s);
    *ret_change =
        (struct key_change){.step = plan.step, .now_s = set->now_s, .next_s = plan.next_s};
    actor->action = text_of(step_action(plan.step));
    if (plan.step == KEY_STEP_NONE)
        return true;
    struct key_record *key =
        plan.step == KEY_STEP_CREATE ? publish(set, spare, ret_error) : &set->keys[plan.index];
    if (key == NULL || !step_make(change, set, plan.step, key, ret_error))
        return false;
    change_fill(ret_change, set, key, times);
    return true;
}

bool store_key_advance(struct session *session, const struct actor *actor,
                       const struct key_times *times, const struct key_record *spare,
                       struct key_change *ret_change, uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    struct actor own = *actor;
    struct key_change made;
    bool ok = change_begin(&change, session, &own, ret_error) &&
              advance(&change, &own, times, spare, &made, ret_error);
    if (ok && made.step == KEY_STEP_NONE)
        (void)session_end(session, true); /* not even the counter is moved */
    else if (!change_end(&change, ok, ret_seq, ret_error))
        return false;
    *ret_change = made;
    return true;
}

static bool refuse_pending(const struct key_set *set, size_t pending, const struct key_times *times,
                           struct error *ret_error) {
    char memory[TIME_TEXT_BYTES];
    struct buffer time = buffer_over(memory, sizeof(memory));
    buffer_time(&time, key_due_s(set->keys, set->count, pending, times));
    return error_set(ret_error, ERROR_KEY_STATE,
                     "the key %s is published already and signs from %.*s on, when every verifier "
                     "has it; only a rotation that is asked for as immediate does not wait",
                     set->keys[pending].kid, (int)time.len, time.at);
}

static bool rotate(struct change *change, const struct key_times *times,
                   const struct key_record *spare, bool is_immediate, struct key_change *ret_change,
                   struct error *ret_error) {
    struct key_set *set = set_read(change, ret_error);
    if (set == NULL)
        return false;
    size_t pending = key_find(set->keys, set->count, KEY_PENDING);
    bool is_pending = pending < set->count;
    if (is_pending && !is_immediate)
        return refuse_pending(set, pending, times, ret_error);
    struct key_record *key = is_pending ? &set->keys[pending] : publish(set, spare, ret_error);
    if (key == NULL || !(is_immediate ? activate(change, set, key, ret_error)
                                      : key_row_put(change, key, ret_error)))
        return false;
    *ret_change = (struct key_change){.step = is_immediate ? KEY_STEP_ACTIVATE : KEY_STEP_CREATE,
                                      .now_s = set->now_s};
    change_fill(ret_change, set, key, times);
    return true;
}

bool store_key_rotate(struct session *session, const struct actor *actor,
                      const struct key_times *times, const struct key_record *spare,
                      bool is_immediate, struct key_change *ret_change, uint64_t *ret_seq,
                      struct error *ret_error) {
    struct change change;
    struct key_change made;
    bool ok = change_begin(&change, session, actor, ret_error) &&
              rotate(&change, times, spare, is_immediate, &made, ret_error);
    if (!change_end(&change, ok, ret_seq, ret_error))
        return false;
    *ret_change = made;
    return true;
}

/* A key that signs cannot go: nothing could be minted. */
static bool delete_idle(struct change *change, struct text kid, struct error *ret_error) {
    struct key_set *set = set_read(change, ret_error);
    if (set == NULL)
        return false;
    for (size_t i = 0; i < set->count; i++)
        if (set->keys[i].state == KEY_ACTIVE && text_equal(text_of(set->keys[i].kid), kid))
            return error_set(ret_error, ERROR_KEY_STATE,
                             "the key %s signs; retire it by an immediate rotation, then delete it",
                             set->keys[i].kid);
    return key_row_delete(change, kid, ret_error);
}

bool store_key_delete(struct session *session, const struct actor *actor, struct text kid,
                      uint64_t *ret_seq, struct error *ret_error) {
    struct change change;
    bool ok =
        change_begin(&change, session, actor, ret_error) && delete_idle(&change, kid, ret_error);
    return change_end(&change, ok, ret_seq, ret_error);
}
