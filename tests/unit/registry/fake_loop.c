/* A loop that does nothing but run the tasks posted to it. */
#include "fake_loop.h"

#include <pthread.h>
#include <stdlib.h>

struct loop {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct loop_task *first;
    struct loop_task **end;
};

struct loop *fake_loop_open(void) {
    struct loop *loop = calloc(1, sizeof(*loop));
    check(loop != NULL);
    pthread_mutex_init(&loop->lock, NULL);
    pthread_cond_init(&loop->wake, NULL);
    loop->end = &loop->first;
    return loop;
}

void loop_post(struct loop *loop, struct loop_task *task) {
    pthread_mutex_lock(&loop->lock);
    task->next = NULL;
    *loop->end = task;
    loop->end = &task->next;
    pthread_cond_signal(&loop->wake);
    pthread_mutex_unlock(&loop->lock);
}

void fake_loop_turn(struct loop *loop) {
    pthread_mutex_lock(&loop->lock);
    while (loop->first == NULL)
        pthread_cond_wait(&loop->wake, &loop->lock);
    struct loop_task *task = loop->first;
    loop->first = task->next;
    if (loop->first == NULL)
        loop->end = &loop->first;
    pthread_mutex_unlock(&loop->lock);
    task->run(task);
}

void fake_loop_close(struct loop *loop) {
    check(loop->first == NULL);
    pthread_mutex_destroy(&loop->lock);
    pthread_cond_destroy(&loop->wake);
    free(loop);
}
