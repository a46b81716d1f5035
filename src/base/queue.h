/* Intrusive doubly linked lists: the links live in the members, so nothing is allocated. */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/* A member's links, or a list's head. A member in no list points to itself once initialised. */
struct queue {
    struct queue *next;
    struct queue *prev;
};

static inline void queue_init(struct queue *queue) {
    queue->next = queue->prev = queue;
}
static inline bool queue_is_empty(const struct queue *queue) {
    return queue->next == queue;
}
/* Puts the member (in no list) at the end. */
static inline void queue_push(struct queue *queue, struct queue *member) {
    member->prev = queue->prev;
    member->next = queue;
    queue->prev->next = member;
    queue->prev = member;
}
/* Takes the member out of its list, if it is in one. */
static inline void queue_remove(struct queue *member) {
    member->prev->next = member->next;
    member->next->prev = member->prev;
    queue_init(member);
}
static inline struct queue *queue_first(const struct queue *queue) {
    return queue->next == queue ? NULL : queue->next;
}
/* Takes the first member out; NULL if there is none. */
static inline struct queue *queue_pop(struct queue *queue) {
    struct queue *member = queue_first(queue);
    if (member != NULL)
        queue_remove(member);
    return member;
}
/* Moves all members of `from` to the end of `queue`. */
static inline void queue_move(struct queue *queue, struct queue *from) {
    if (queue_is_empty(from))
        return;
    from->next->prev = queue->prev;
    queue->prev->next = from->next;
    from->prev->next = queue;
    queue->prev = from->prev;
    queue_init(from);
}

#endif
