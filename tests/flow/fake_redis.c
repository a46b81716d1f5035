/* Redis as flow tests have it: it keeps all that was set, and answers when and as they say. */
#include "fake_redis.h"

#include <stdlib.h>

#include "faults.h"

static struct text text_keep(struct text text) {
    char *copy = faults_spare(text.len + 1);
    memcpy(copy, text.at, text.len);
    return (struct text){copy, text.len};
}

static struct fake_entry *entry_at(const struct fake_redis *redis, uint64_t number) {
    return (struct fake_entry *)&redis->entries[number % FAKE_ENTRIES_MAX];
}

void fake_redis_close(struct fake_redis *redis) {
    for (size_t i = 0; i < FAKE_ENTRIES_MAX; i++)
        free((char *)redis->entries[i].value.at);
    *redis = (struct fake_redis){0};
}

const struct fake_entry *fake_redis_find(const struct fake_redis *redis,
                                         const struct shared_key *key) {
    for (uint64_t left = redis->count; left > 0 && redis->count - left < FAKE_ENTRIES_MAX; left--) {
        const struct fake_entry *entry = entry_at(redis, left - 1);
        if (entry->key.len == key->len && memcmp(entry->key.at, key->at, key->len) == 0)
            return entry;
    }
    return NULL;
}

bool fake_link_ask(struct fake_link *link, const struct fake_question *question) {
    if (link->is_away || link->count == FAKE_QUESTIONS_MAX)
        return false;
    link->questions[link->count++] = *question;
    return true;
}

void fake_link_tell(struct fake_link *link, const struct shared_key *key, struct text value) {
    struct fake_redis *redis = link->redis;
    struct fake_entry *entry = entry_at(redis, redis->count);
    if (link->is_away || redis->is_full)
        return;
    free((char *)entry->value.at);
    *entry = (struct fake_entry){*key, text_keep(value)};
    redis->count++;
}

/* The answer's bytes are gone when it has been read. */
void fake_link_answer(struct fake_link *link, size_t index, const struct redis_reply *reply) {
    struct fake_question question = link->questions[index];
    struct redis_reply given = *reply;
    given.bytes = text_keep(reply->bytes.at != NULL ? reply->bytes : TEXT(""));
    link->questions[index] = link->questions[--link->count];
    question.command->done(question.command, &given);
    free((char *)given.bytes.at);
}

void fake_link_answer_well(struct fake_link *link, size_t index) {
    const struct fake_question *question = &link->questions[index];
    const struct fake_entry *entry = fake_redis_find(link->redis, &question->key);
    struct redis_reply reply = {.answer = REDIS_NIL};
    if (question->quota != NULL)
        reply = (struct redis_reply){.answer = REDIS_LIST, .count = 3, .numbers = {0, 0, 1000}};
    else if (entry != NULL)
        reply = (struct redis_reply){.answer = REDIS_BYTES, .bytes = entry->value};
    fake_link_answer(link, index, &reply);
}

size_t fake_link_answer_all(struct fake_link *link) {
    size_t count = 0;
    for (; link->count > 0; count++)
        fake_link_answer_well(link, 0);
    return count;
}
