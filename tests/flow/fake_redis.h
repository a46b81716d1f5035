/* Redis as flow tests have it: it keeps all that was set, and answers when and as they say. */
#ifndef FLOW_FAKE_REDIS_H
#define FLOW_FAKE_REDIS_H

#include "cache/shared.h"
#include "io/redis.h"
#include "mint/quota.h"

/* The newest of each key is what a Redis would have; the others are for replays. */
#define FAKE_ENTRIES_MAX 512
struct fake_entry {
    struct shared_key key;
    struct text value;
};
struct fake_redis {
    struct fake_entry entries[FAKE_ENTRIES_MAX]; /* the oldest goes for a new one */
    uint64_t count;
    bool is_full; /* takes nothing */
};
void fake_redis_close(struct fake_redis *redis);
/* The newest of the key, or NULL. */
const struct fake_entry *fake_redis_find(const struct fake_redis *redis,
                                         const struct shared_key *key);

/* One worker's connection, and what it has asked. */
#define FAKE_QUESTIONS_MAX 64
struct fake_question {
    struct redis_command *command;
    struct shared_key key; /* empty: a slice of `quota` */
    struct quota *quota;
};
struct fake_link {
    struct fake_redis *redis;
    bool is_away; /* nothing can be asked: as with the breaker open */
    struct fake_question questions[FAKE_QUESTIONS_MAX];
    size_t count;
};
must_check bool fake_link_ask(struct fake_link *link, const struct fake_question *question);
void fake_link_tell(struct fake_link *link, const struct shared_key *key, struct text value);
/* The question, of those that wait, gets this answer. */
void fake_link_answer(struct fake_link *link, size_t index, const struct redis_reply *reply);
/* ... or the honest one: what the key has, or nothing. Of slices there is none. */
void fake_link_answer_well(struct fake_link *link, size_t index);
/* All of them, and those that they lead to; returns how many. */
size_t fake_link_answer_all(struct fake_link *link);

#endif
