/* The Redis client against real servers: commands, pushes, TLS, Sentinel, and every bad day. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/redis.h"
#include "io/redis_parts.h"

#define WAIT_MS 30000 /* for anything; a loaded machine needs some of it */
#define SLOW_MS 250   /* deadlines that a loaded machine keeps */

/* ---- servers --------------------------------------------------------------------------------- */

static char folder[64];

static uint16_t free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int socket_ = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(socket_, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(socket_, (struct sockaddr *)&address, &len), 0);
    (void)close(socket_);
    return ntohs(address.sin_port);
}

/* Runs a program in the folder, its output to a file; the words end with NULL. */
static pid_t spawn(const char *const *words) {
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int log = chdir(folder) == 0 ? open("log", O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (log >= 0 && dup2(log, 1) == 1 && dup2(log, 2) == 2)
        (void)execvp(words[0], (char *const *)(uintptr_t)words);
    _exit(127);
}

static void run(const char *const *words) {
    int status = -1;
    pid_t pid = spawn(words);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void stop(pid_t pid) {
    (void)kill(pid, SIGKILL);
    (void)kill(pid, SIGCONT);
    (void)waitpid(pid, NULL, 0);
}

#define REDIS_WORDS(port) \
    "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"
#define SERVER(port, ...) spawn((const char *const[]){REDIS_WORDS(port), __VA_ARGS__})

/* Talks to a server as redis-cli does; the reply is not read. */
static void cli(const char *port, const char *const *words) {
    const char *all[16] = {"redis-cli", "-p", port};
    for (size_t i = 0; words[i] != NULL; i++)
        all[3 + i] = words[i];
    run(all);
}
#define CLI(port, ...) cli(port, (const char *const[]){__VA_ARGS__, NULL})

/* ---- a client -------------------------------------------------------------------------------- */

static struct {
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
    char why[160];
} client;

static void on_invalidated(void *self, struct text key) {
    (void)self;
    client.flushed |= key.at == NULL;
    (void)snprintf(client.invalidated, sizeof(client.invalidated), "%.*s", (int)key.len,
                   key.at != NULL ? key.at : "");
}

static void on_message(void *self, struct text payload) {
    (void)self;
    client.messages++;
    (void)snprintf(client.message, sizeof(client.message), "%.*s", (int)payload.len, payload.at);
}

static void look(struct loop_timer *timer) {
    (void)timer;
    client.has_timed_out = clock_monotonic_us() > client.until_us;
    if (client.has_timed_out)
        (void)snprintf(client.why, sizeof(client.why), "%s", redis_why(client.redis));
    if (client.has_timed_out || client.is_there())
        loop_stop(client.loop);
}

static void client_open(struct redis_options options) {
    struct error error;
    static const struct redis_handler handler = {.invalidated = on_invalidated,
                                                 .message = on_message};
    memset(&client, 0, sizeof(client));
    if (options.command_ms == 0)
        options.command_ms = SLOW_MS;
    assert_true(loop_open(&client.loop, &error));
    assert_true(redis_open(client.loop, &options, &handler, &client.redis, &error));
}

static struct redis_options at_port(const char *port) {
    static char url[64];
    (void)snprintf(url, sizeof(url), "redis://127.0.0.1:%s", port);
    return (struct redis_options){.url = text_of(url)};
}

/* What runs inside of the loop, since it cannot be run twice. */
static bool (*const *script)(void);

static bool script_run(void) {
    while (*script != NULL && (*script)()) {
        script++;
        client.until_us = clock_monotonic_us() + WAIT_MS * 1000;
    }
    return *script == NULL;
}

/* Each step is asked again and again until it is true. */
static void play(bool (*const *steps)(void)) {
    script = steps;
    client.is_there = script_run;
    client.timer.fire = look;
    client.until_us = clock_monotonic_us() + WAIT_MS * 1000;
    assert_true(loop_timer_start(client.loop, &client.timer, 1, 2));
    loop_run(client.loop);
    if (client.has_timed_out)
        fail_msg("step %zu: %s", (size_t)(script - steps), client.why);
    redis_close(client.redis);
    loop_close(client.loop);
}
#define PLAY(...) play((bool (*const[])(void)){__VA_ARGS__, NULL})

/* ---- commands -------------------------------------------------------------------------------- */

static struct {
    struct redis_command command;
    unsigned done;
    struct redis_reply last; /* without its texts */
    char bytes[128];
} asked;

static void on_done(struct redis_command *command, const struct redis_reply *reply) {
    (void)command;
    asked.done++;
    asked.last = *reply;
    (void)snprintf(asked.bytes, sizeof(asked.bytes), "%.*s", (int)reply->bytes.len,
                   reply->bytes.at != NULL ? reply->bytes.at : "");
}

static bool ask(const struct text *words, size_t count) {
    asked.command = (struct redis_command){.done = on_done};
    asked.done = 0;
    bool is_sent = redis_send(client.redis, &asked.command, words, count);
    assert_int_equal(asked.done, 0); /* never from inside */
    return is_sent;
}
#define ASK(...) \
    ask((const struct text[]){__VA_ARGS__}, \
        sizeof((const struct text[]){__VA_ARGS__}) / sizeof(struct text))

static bool is_up(void) {
    return redis_state(client.redis) == REDIS_UP && redis_why(client.redis)[0] == '\0';
}
static bool is_not_up(void) {
    return redis_state(client.redis) != REDIS_UP;
}
static bool is_resting(void) {
    return redis_state(client.redis) == REDIS_RESTING && !redis_is_usable(client.redis);
}
static bool is_done(void) {
    return asked.done == 1;
}
static bool ask_ping(void) {
    return ASK(TEXT("PING"));
}
static bool is_pong(void) {
    return is_done() && asked.last.answer == REDIS_BYTES && strcmp(asked.bytes, "PONG") == 0;
}
static bool is_away(void) {
    return is_done() && asked.last.answer == REDIS_AWAY;
}

static char port[8], other_port[8];
static pid_t server, other_server;

static int setup(void **state) {
    (void)state;
    (void)snprintf(port, sizeof(port), "%u", free_port());
    server = SERVER(port, "--unixsocket", "socket", NULL);
    return server > 0 ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    stop(server);
    if (other_server > 0)
        stop(other_server);
    other_server = 0;
    return 0;
}

static bool set_binary(void) {
    return ASK(TEXT("SET"), ((struct text){"k\0y", 3}), ((struct text){"a\r\n\0b", 5}));
}
static bool get_binary(void) {
    return asked.last.answer == REDIS_BYTES && is_done() &&
           ASK(TEXT("GET"), ((struct text){"k\0y", 3}));
}
static bool is_binary(void) {
    return is_done() && asked.last.answer == REDIS_BYTES && asked.last.bytes.len == 5;
}
static bool get_nothing(void) {
    return ASK(TEXT("GET"), TEXT("none"));
}
static bool is_nil(void) {
    return is_done() && asked.last.answer == REDIS_NIL;
}
static bool count_up(void) {
    return ASK(TEXT("INCRBY"), TEXT("n"), TEXT("-7"));
}
static bool is_counted(void) {
    return is_done() && asked.last.answer == REDIS_NUMBER && asked.last.number == -7;
}
static bool ask_list(void) {
    return ASK(TEXT("MGET"), TEXT("n"), TEXT("none"), TEXT("n"));
}
static bool is_list(void) {
    return is_done() && asked.last.answer == REDIS_LIST && asked.last.count == 3 &&
           asked.last.list[0].len == 2 && asked.last.list[1].len == 0;
}
static bool ask_nonsense(void) {
    return ASK(TEXT("NONSENSE"));
}
static bool is_refused(void) {
    return is_done() && asked.last.answer == REDIS_REFUSED && strncmp(asked.bytes, "ERR", 3) == 0;
}
static bool ask_and_forget(void) {
    assert_true(ask_ping());
    redis_forget(&asked.command);
    redis_forget(&asked.command);
    return redis_send(client.redis, NULL, &TEXT("PING"), 1); /* nobody waits for it either */
}
static bool is_forgotten(void) {
    return asked.done == 0;
}

static void test_commands(void **state) {
    (void)state;
    client_open(at_port(port));
    assert_false(redis_is_usable(client.redis));
    assert_false(ask_ping());
    PLAY(is_up, set_binary, get_binary, is_binary, get_nothing, is_nil, count_up, is_counted,
         ask_list, is_list, ask_nonsense, is_refused, is_up, ask_and_forget, is_forgotten, ask_ping,
         is_pong);
}

static bool fill_up(void) {
    unsigned sent = 0;
    while (redis_send(client.redis, NULL, &TEXT("PING"), 1))
        sent++;
    assert_int_equal(sent, REDIS_UNDER_WAY_MAX);
    assert_false(redis_is_usable(client.redis));
    return true;
}
static bool is_usable(void) {
    return redis_is_usable(client.redis);
}

static void test_only_so_many_are_under_way(void **state) {
    (void)state;
    client_open(at_port(port));
    PLAY(is_up, fill_up, is_usable, ask_ping, is_pong);
}

static void test_unix_socket_and_database(void **state) {
    (void)state;
    char url[128];
    client_open(at_port(port));
    PLAY(is_up, count_up, is_counted);
    (void)snprintf(url, sizeof(url), "unix:%s/socket?db=3", folder);
    client_open((struct redis_options){.url = text_of(url)});
    PLAY(is_up, count_up, is_counted); /* another n */
}

/* ---- pushes ---------------------------------------------------------------------------------- */

static bool set_by_another(void) {
    CLI(port, "SET", "ours:x", "1");
    return true;
}
static bool is_told(void) {
    return strcmp(client.invalidated, "ours:x") == 0;
}
static bool set_foreign(void) {
    client.invalidated[0] = '\0';
    CLI(port, "SET", "theirs:x", "1");
    CLI(port, "PUBLISH", "news", "42");
    return true;
}
static bool has_news(void) {
    return strcmp(client.message, "42") == 0 && client.messages == 1;
}
static bool was_not_told(void) {
    return client.invalidated[0] == '\0';
}
static bool set_by_us(void) {
    return ASK(TEXT("SET"), TEXT("ours:x"), TEXT("2"));
}
static bool flush_all(void) {
    CLI(port, "FLUSHALL");
    return true;
}
static bool is_flushed(void) {
    return client.flushed;
}

static void test_pushes(void **state) {
    (void)state;
    struct redis_options options = at_port(port);
    options.track_prefix = TEXT("ours:");
    options.channel = TEXT("news");
    client_open(options);
    PLAY(is_up, set_by_another, is_told, set_foreign, has_news, was_not_told, set_by_us, is_done,
         was_not_told, flush_all, is_flushed, ask_ping, is_pong);
}

/* ---- bad days -------------------------------------------------------------------------------- */

static bool kill_it(void) {
    stop(server);
    return true;
}
static bool start_again(void) {
    server = SERVER(port, NULL);
    return true;
}
static bool is_refused_at_once(void) {
    return !ask_ping();
}

static void test_killed_and_started_again(void **state) {
    (void)state;
    client_open(at_port(port));
    PLAY(is_up, kill_it, is_not_up, is_refused_at_once, start_again, is_up, ask_ping, is_pong,
         kill_it, is_not_up, start_again, is_up);
}

static bool pause_it(void) {
    return kill(server, SIGSTOP) == 0;
}
static bool go_on(void) {
    return kill(server, SIGCONT) == 0;
}

/* Each of three is answered by the deadline, then it rests; later answers find nobody. */
static void test_silent(void **state) {
    (void)state;
    client_open(at_port(port));
    PLAY(is_up, ask_ping, is_pong, pause_it, ask_ping, is_away, ask_ping, is_away, ask_ping,
         is_away, is_resting, is_refused_at_once, go_on, is_up, ask_ping, is_pong);
}

static bool pause_with_one_under_way(void) {
    return pause_it() && ask_ping();
}

static void test_silent_for_long_it_is_connected_to_anew(void **state) {
    (void)state;
    client_open(at_port(port));
    PLAY(is_up, pause_with_one_under_way, is_away, ask_ping, is_away, ask_ping, is_away, is_resting,
         is_not_up, kill_it, start_again, is_up, ask_ping, is_pong);
}

static void test_closed_with_one_under_way(void **state) {
    (void)state;
    client_open(at_port(port));
    PLAY(is_up, pause_with_one_under_way);
    assert_true(is_away()); /* the loop's end has answered it */
    assert_true(go_on());
}

static bool says_wrong_password(void) {
    return strstr(redis_why(client.redis), "WRONGPASS") != NULL;
}
static bool allow(void) {
    CLI(port, "ACL", "SETUSER", "mint", "on", ">p:w", "~*", "&*", "+@all");
    return true;
}

static void test_login(void **state) {
    (void)state;
    char url[128];
    (void)snprintf(url, sizeof(url), "redis://mint:p%%3Aw@127.0.0.1:%s/1", port);
    client_open((struct redis_options){.url = text_of(url)});
    PLAY(says_wrong_password, allow, is_up, ask_ping, is_pong);
}

static bool (*const nothing[])(void) = {is_not_up, NULL};

static void test_nobody_there(void **state) {
    (void)state;
    stop(server);
    client_open(at_port(port));
    play(nothing);
    client_open((struct redis_options){.url = TEXT("redis://no-such-host.invalid")});
    play(nothing);
}

/* ---- a server that sends what it likes ------------------------------------------------------- */

static const char *nasty_words;
static size_t nasty_len;
static int nasty_listener = -1;

/* Serves each connection: greets properly, or not; answers the first command with the words. */
static pid_t nasty_start(const char *words, size_t len, bool greets) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    nasty_words = words;
    nasty_len = len;
    nasty_listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(nasty_listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(nasty_listener, 8), 0);
    assert_int_equal(getsockname(nasty_listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(other_port, sizeof(other_port), "%u", ntohs(address.sin_port));
    pid_t pid = fork();
    if (pid != 0) {
        (void)close(nasty_listener);
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        char in[4096];
        int peer = accept(nasty_listener, NULL, NULL);
        static const char greeting[] = "%1\r\n+server\r\n+redis\r\n+OK\r\n";
        if (greets && recv(peer, in, sizeof(in), 0) > 0)
            (void)send(peer, greeting, sizeof(greeting) - 1, MSG_NOSIGNAL);
        if (recv(peer, in, sizeof(in), 0) > 0)
            for (size_t sent = 0; sent < nasty_len;) {
                ssize_t some = send(peer, nasty_words + sent, nasty_len - sent, MSG_NOSIGNAL);
                if (some <= 0)
                    break;
                sent += (size_t)some;
            }
        while (recv(peer, in, sizeof(in), 0) > 0)
            ;
        (void)close(peer);
    }
}

static bool has_counted_connects(void) {
    return redis_counts(client.redis)->connects >= 1;
}

static void test_garbage(void **state) {
    (void)state;
    static const char *const garbage[] = {"hello\r\n",
                                          "$-7\r\n",
                                          "*99999999999\r\n",
                                          "$5\r\nabc",
                                          ":\r\n",
                                          "+",
                                          "\r\n",
                                          "-READONLY\r\n",
                                          "-NOAUTH x\r\n",
                                          ">1\r\n+a\r\n+b\r\n",
                                          "$99999999999999999999\r\n"};
    for (size_t i = 0; i < array_count(garbage); i++) {
        other_server = nasty_start(garbage[i], strlen(garbage[i]), true);
        client_open(at_port(other_port));
        PLAY(is_up, has_counted_connects, ask_ping, is_done);
        stop(other_server);
        other_server = nasty_start(garbage[i], strlen(garbage[i]), false);
        client_open(at_port(other_port));
        play(nothing);
        stop(other_server);
        other_server = 0;
    }
}

static void test_a_flood_is_cut(void **state) {
    (void)state;
    size_t len = 8u << 20;
    char *flood = malloc(len);
    assert_non_null(flood);
    memset(flood, 'x', len);
    memcpy(flood, "$8000000\r\n", 10);
    other_server = nasty_start(flood, len, true);
    struct redis_options options = at_port(other_port);
    options.command_ms = 5000;
    client_open(options);
    PLAY(is_up, ask_ping, is_away, is_not_up);
    free(flood);
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static void certificates_make(void) {
    run((const char *const[]){"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                              "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                              "/CN=redis.test", "-addext", "subjectAltName=DNS:redis.test",
                              "-keyout", "key.pem", "-out", "cert.pem", NULL});
}

static bool says_certificate(void) {
    const char *why = redis_why(client.redis);
    return strstr(why, "mismatch") != NULL || strstr(why, "certificate") != NULL;
}

static void test_tls(void **state) {
    (void)state;
    char url[64], ca[96], key[96];
    certificates_make();
    (void)snprintf(other_port, sizeof(other_port), "%u", free_port());
    other_server = spawn((const char *const[]){
        "redis-server", "--port", "0", "--tls-port", other_port, "--tls-cert-file", "cert.pem",
        "--tls-key-file", "key.pem", "--tls-ca-cert-file", "cert.pem", "--save", "", NULL});
    (void)snprintf(url, sizeof(url), "rediss://127.0.0.1:%s", other_port);
    (void)snprintf(ca, sizeof(ca), "%s/cert.pem", folder);
    (void)snprintf(key, sizeof(key), "%s/key.pem", folder);
    struct redis_options options = {.url = text_of(url),
                                    .tls_ca = text_of(ca),
                                    .tls_cert = text_of(ca),
                                    .tls_key = text_of(key),
                                    .tls_name = TEXT("redis.test")};
    client_open(options);
    PLAY(is_up, set_binary, get_binary, is_binary, ask_ping, is_pong);
    options.tls_name = TEXT("other.test"); /* not the certificate's */
    client_open(options);
    PLAY(says_certificate, is_not_up);
    options.tls_name = (struct text){0}; /* nor is the address */
    client_open(options);
    PLAY(says_certificate, is_not_up);
    options.tls_name = TEXT("redis.test");
    options.tls_ca = (struct text){0}; /* nobody vouches for it */
    client_open(options);
    PLAY(says_certificate, is_not_up);
}

static void test_tls_files_that_cannot_be_used(void **state) {
    (void)state;
    struct loop *loop;
    struct redis *redis;
    struct error error;
    static const struct redis_handler handler = {0};
    struct redis_options options = {.url = TEXT("rediss://127.0.0.1:1"), .command_ms = 20};
    assert_true(loop_open(&loop, &error));
    options.tls_ca = TEXT("/nowhere");
    assert_false(redis_open(loop, &options, &handler, &redis, &error));
    assert_non_null(strstr(error.subject, "redis-tls-ca"));
    options.tls_ca = (struct text){0};
    options.tls_cert = TEXT("/nowhere");
    assert_false(redis_open(loop, &options, &handler, &redis, &error));
    assert_non_null(strstr(error.subject, "together"));
    options.tls_key = TEXT("/nowhere");
    assert_false(redis_open(loop, &options, &handler, &redis, &error));
    assert_non_null(strstr(error.subject, "redis-tls-cert"));
    loop_close(loop);
}

/* ---- Sentinel -------------------------------------------------------------------------------- */

static char sentinel_ports[3][8];
static pid_t sentinels[3];

static void sentinel_start(size_t i) {
    char path[128], name[32];
    (void)snprintf(name, sizeof(name), "sentinel%zu.conf", i);
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)snprintf(sentinel_ports[i], sizeof(sentinel_ports[i]), "%u", free_port());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file,
                  "port %s\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 %s 2\n"
                  "sentinel down-after-milliseconds main 500\n"
                  "sentinel failover-timeout main 3000\n",
                  sentinel_ports[i], port);
    (void)fclose(file);
    sentinels[i] = spawn((const char *const[]){"redis-server", name, "--sentinel", NULL});
}

static bool set_mark(void) {
    return ASK(TEXT("SET"), TEXT("mark"), TEXT("1"));
}
/* The replica has it, so that it may follow. */
static bool wait_for_replica(void) {
    return is_done() && ASK(TEXT("WAIT"), TEXT("1"), TEXT("100"));
}
static bool is_replicated(void) {
    if (is_done() && asked.last.answer == REDIS_NUMBER && asked.last.number >= 1)
        return true;
    if (is_done())
        (void)ASK(TEXT("WAIT"), TEXT("1"), TEXT("100"));
    return false;
}
static bool set_works(void) {
    if (is_done() && asked.last.answer == REDIS_BYTES && strcmp(asked.bytes, "OK") == 0)
        return true;
    if (asked.done > 0 || asked.command.redis == NULL)
        (void)set_mark();
    return false;
}
static bool sentinels_know_each_other(void) {
    static uint64_t since_us;
    if (since_us == 0)
        since_us = clock_monotonic_us();
    return clock_monotonic_us() - since_us > 4500 * 1000;
}
static bool forget_answer(void) {
    asked.done = 0;
    return true;
}

static void test_sentinel(void **state) {
    (void)state;
    char url[128];
    (void)snprintf(other_port, sizeof(other_port), "%u", free_port());
    other_server = SERVER(other_port, "--replicaof", "127.0.0.1", port, NULL);
    /* They ask for replicas every ten seconds only: it has to be there when they begin. */
    struct redis_options options = at_port(port);
    options.command_ms = 1000;
    client_open(options);
    PLAY(is_up, set_mark, wait_for_replica, is_replicated);
    for (size_t i = 0; i < 3; i++)
        sentinel_start(i);
    (void)snprintf(url, sizeof(url), "redis-sentinel://127.0.0.1:1,127.0.0.1:%s,127.0.0.1:%s/main",
                   sentinel_ports[0], sentinel_ports[1]);
    options.url = text_of(url);
    client_open(options);
    PLAY(is_up, set_mark, is_done, sentinels_know_each_other, kill_it, is_not_up, is_up,
         forget_answer, set_works);
    for (size_t i = 0; i < 3; i++)
        stop(sentinels[i]);
}

/* ---- URLs ------------------------------------------------------------------------------------ */

static void test_urls(void **state) {
    (void)state;
    static const char *const good[] = {"redis://h",
                                       "redis://h:1",
                                       "redis://h:1/5",
                                       "redis://h/",
                                       "redis://u:p@h",
                                       "redis://:p@h:1/0",
                                       "redis://u:p%40@h",
                                       "rediss://[::1]:1/2",
                                       "unix:/a",
                                       "unix:/a?db=1",
                                       "redis-sentinel://a/m",
                                       "redis-sentinel://u:p@a:1,b,[::1]:3/m/2",
                                       "rediss-sentinel://a/m"};
    static const char *const bad[] = {"",
                                      "http://h",
                                      "redis://",
                                      "redis://:1",
                                      "redis://h:0",
                                      "redis://h:65536",
                                      "redis://h:",
                                      "redis://h/x",
                                      "redis://h/99999",
                                      "redis://u:%zz@h",
                                      "redis://[::1",
                                      "redis://[::1]x",
                                      "unix:",
                                      "unix:/a?x=1",
                                      "unix:/a?db=x",
                                      "redis-sentinel://a",
                                      "redis-sentinel:///m",
                                      "redis-sentinel://a,/m",
                                      "redis://%00:x@h"};
    struct error error;
    for (size_t i = 0; i < array_count(good); i++)
        assert_true(redis_check_url(text_of(good[i]), &error));
    for (size_t i = 0; i < array_count(bad); i++) {
        assert_false(redis_check_url(text_of(bad[i]), &error));
        assert_int_equal(error.code, ERROR_FIELD_VALUE);
    }
    struct redis_url url;
    assert_true(redis_url_read(TEXT("redis-sentinel://u:p%40w@a:1,b,[::1]:3/m/2"), &url, &error));
    assert_string_equal(url.user, "u");
    assert_string_equal(url.password, "p@w");
    assert_string_equal(url.master, "m");
    assert_int_equal(url.database, 2);
    assert_int_equal(url.place_count, 3);
    assert_string_equal(url.places[2].host, "::1");
    assert_int_equal(url.places[1].port, 26379);
    assert_false(redis_check_url(TEXT("redis://u:secret@h:x"), &error));
    assert_null(strstr(error.subject, "secret"));
}

static int folder_make(void **state) {
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/mintd-redis-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int folder_remove(void **state) {
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof(command), "%s", folder);
    const char *const words[] = {"rm", "-rf", command, NULL};
    (void)snprintf(folder, sizeof(folder), "/tmp");
    pid_t pid = spawn(words);
    return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        SERVED(test_commands),
        SERVED(test_only_so_many_are_under_way),
        SERVED(test_unix_socket_and_database),
        SERVED(test_pushes),
        SERVED(test_killed_and_started_again),
        SERVED(test_silent),
        SERVED(test_silent_for_long_it_is_connected_to_anew),
        SERVED(test_closed_with_one_under_way),
        SERVED(test_login),
        SERVED(test_nobody_there),
        SERVED(test_garbage),
        SERVED(test_a_flood_is_cut),
        SERVED(test_tls),
        cmocka_unit_test(test_tls_files_that_cannot_be_used),
        SERVED(test_sentinel),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
