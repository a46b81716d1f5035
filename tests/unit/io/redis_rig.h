/* A real redis-server and a client that plays a script of steps: what the tests of Redis share. */
#ifndef REDIS_RIG_H
#define REDIS_RIG_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "io/redis.h"

#define WAIT_MS 30000 /* for anything; a loaded machine needs some of it */
#define SLOW_MS 250   /* deadlines that a loaded machine keeps */

/* ---- servers --------------------------------------------------------------------------------- */

extern char folder[64]; /* of this program's servers */
int folder_make(void **state);
int folder_remove(void **state);

/* `server` at `port` is made by setup; a test may start the other. teardown ends both. */
extern char port[8], other_port[8];
extern pid_t server, other_server;
int setup(void **state);
int teardown(void **state);
#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

uint16_t free_port(void);
/* Runs a program in the folder, its output to a file; the words end with NULL. */
pid_t spawn(const char *const *words);
void run(const char *const *words); /* to its end, which must be good */
void stop(pid_t *pid);              /* nothing if it is 0, which it is after it */
#define REDIS_WORDS(port) \
    "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"
#define SERVER(port, ...) spawn((const char *const[]){REDIS_WORDS(port), __VA_ARGS__})

/* Talks to a server as redis-cli does; the reply is not read. */
void cli(const char *to, const char *const *words);
#define CLI(port, ...) cli(port, (const char *const[]){__VA_ARGS__, NULL})

/* ---- a client -------------------------------------------------------------------------------- */

struct client {
    struct loop *loop;
    struct redis *redis;
    struct loop_timer timer; /* looks whether what is waited for is there */
    bool (*is_there)(void);
    bool has_timed_out;
    uint64_t until_us;
    char invalidated[128];
    char message[128];
    unsigned messages;
    bool flushed;
    char why[200];
};
extern struct client client;

struct redis_options at_port(const char *to);
void rig_open(struct redis_options options);
/* Each step is asked again and again until it is true. Then the client is closed. */
void play(bool (*const *steps)(void));
#define PLAY(...) play((bool (*const[])(void)){__VA_ARGS__, NULL})

/* ---- commands -------------------------------------------------------------------------------- */

struct asked {
    struct redis_command command;
    unsigned done;
    struct redis_reply last; /* without its texts */
    char bytes[128];
};
extern struct asked asked;

bool ask(const struct text *words, size_t count);
#define ASK(...) \
    ask((const struct text[]){__VA_ARGS__}, \
        sizeof((const struct text[]){__VA_ARGS__}) / sizeof(struct text))

/* Steps. */
bool is_up(void);
bool is_not_up(void);
bool is_resting(void);
bool is_done(void);
bool ask_ping(void);
bool is_pong(void);
bool is_away(void);
bool kill_it(void);
bool start_again(void);
bool pause_it(void);
bool go_on(void);

#endif
