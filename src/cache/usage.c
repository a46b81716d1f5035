/* When and from where each token was used last: noted in memory, written to the registry in bulk.
 * */
#include "cache/usage.h"

void usage_open(struct usage *usage) {
    slab_open(&usage->notes, sizeof(struct usage_note), USAGE_NOTES_MAX);
    queue_init(&usage->fresh);
}

static void note_drop(struct usage *usage, struct usage_note *note) {
    queue_remove(&note->link);
    if (note->grant != NULL)
        note->grant->usage = NULL;
    slab_put(&usage->notes, note);
}

void usage_close(struct usage *usage) {
    while (!queue_is_empty(&usage->fresh))
        note_drop(usage, container_of(usage->fresh.next, struct usage_note, link));
    slab_close(&usage->notes);
}

static struct usage_note *note_add(struct usage *usage, struct cached_grant *grant) {
    struct usage_note *note = slab_get(&usage->notes);
    if (note == NULL)
        return NULL;
    *note = (struct usage_note){.grant = grant, .use = {.id = grant->grant->token_id}};
    queue_init(&note->link);
    queue_push(&usage->fresh, &note->link);
    grant->usage = note;
    return note;
}

void usage_take(struct usage *usage, struct cached_grant *grant, int64_t now_s,
                const char *address) {
    struct usage_note *note = grant->usage;
    if (likely(note != NULL && note->use.at_s == now_s))
        return;
    if (note == NULL && (note = note_add(usage, grant)) == NULL)
        return;
    note->use.at_s = now_s;
    size_t len = strlen(address);
    check(len < sizeof(note->use.address));
    memcpy(note->use.address, address, len + 1);
}

void usage_forget(struct cached_grant *grant) {
    if (grant->usage != NULL)
        grant->usage->grant = NULL;
    grant->usage = NULL;
}

size_t usage_flush(struct usage *usage, struct token_use *ret_uses, size_t max) {
    size_t count = 0;
    while (count < max && !queue_is_empty(&usage->fresh)) {
        struct usage_note *note = container_of(usage->fresh.next, struct usage_note, link);
        ret_uses[count++] = note->use;
        note_drop(usage, note);
    }
    return count;
}
