/* A real redis-server and a client that plays a script of steps. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "redis_rig.h"

/* ---- servers --------------------------------------------------------------------------------- */

char folder[64];

uint16_t free_port(void) {
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
pid_t spawn(const char *const *words) {
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int log = chdir(folder) == 0 ? open("log", O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (log >= 0 && dup2(log, 1) == 1 && dup2(log, 2) == 2)
        (void)execvp(words[0], (char *const *)(uintptr_t)words);
    _exit(127);
}

void run(const char *const *words) {
    int status = -1;
    pid_t pid = spawn(words);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

void stop(pid_t *pid) {
    if (*pid <= 0)
        return;
    (void)kill(*pid, SIGKILL);
    (void)waitpid(*pid, NULL, 0);
    *pid = 0;
}

void cli(const char *to, const char *const *words) {
    const char *all[16] = {"redis-cli", "-p", to};
    for (size_t i = 0; words[i] != NULL; i++)
        all[3 + i] = words[i];
    run(all);
}

/* ---- a client -------------------------------------------------------------------------------- */

struct client client;

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

void rig_open(struct redis_options options) {
    struct error error;
    static const struct redis_handler handler = {.invalidated = on_invalidated,
                                                 .message = on_message};
    memset(&client, 0, sizeof(client));
    if (options.command_ms == 0)
        options.command_ms = SLOW_MS;
    assert_true(loop_open(&client.loop, &error));
    assert_true(redis_open(client.loop, &options, &handler, &client.redis, &error));
}

struct redis_options at_port(const char *to) {
    static char url[64];
    (void)snprintf(url, sizeof(url), "redis://127.0.0.1:%s", to);
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
void play(bool (*const *steps)(void)) {
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

/* ---- commands -------------------------------------------------------------------------------- */

struct asked asked;

static void on_done(struct redis_command *command, const struct redis_reply *reply) {
    (void)command;
    asked.done++;
    asked.last = *reply;
    (void)snprintf(asked.bytes, sizeof(asked.bytes), "%.*s", (int)reply->bytes.len,
                   reply->bytes.at != NULL ? reply->bytes.at : "");
}

bool ask(const struct text *words, size_t count) {
    asked.command = (struct redis_command){.done = on_done};
    asked.done = 0;
    bool is_sent = redis_send(client.redis, &asked.command, words, count);
    assert_int_equal(asked.done, 0); /* never from inside */
    return is_sent;
}

bool is_up(void) {
    return redis_state(client.redis) == REDIS_UP && redis_why(client.redis)[0] == '\0';
}
bool is_not_up(void) {
    return redis_state(client.redis) != REDIS_UP;
}
bool is_resting(void) {
    return redis_state(client.redis) == REDIS_RESTING && !redis_is_usable(client.redis);
}
bool is_done(void) {
    return asked.done == 1;
}
bool ask_ping(void) {
    return ASK(TEXT("PING"));
}
bool is_pong(void) {
    return is_done() && asked.last.answer == REDIS_BYTES && strcmp(asked.bytes, "PONG") == 0;
}
bool is_away(void) {
    return is_done() && asked.last.answer == REDIS_AWAY;
}

char port[8], other_port[8];
pid_t server, other_server;

int setup(void **state) {
    (void)state;
    (void)snprintf(port, sizeof(port), "%u", free_port());
    server = SERVER(port, "--unixsocket", "socket", NULL);
    return server > 0 ? 0 : -1;
}

int teardown(void **state) {
    (void)state;
    stop(&server);
    stop(&other_server);
    return 0;
}
bool kill_it(void) {
    stop(&server);
    return true;
}
bool start_again(void) {
    server = SERVER(port, NULL);
    return true;
}
bool pause_it(void) {
    return kill(server, SIGSTOP) == 0;
}
bool go_on(void) {
    return kill(server, SIGCONT) == 0;
}

int folder_make(void **state) {
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/mintd-redis-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

int folder_remove(void **state) {
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof(command), "%s", folder);
    const char *const words[] = {"rm", "-rf", command, NULL};
    (void)snprintf(folder, sizeof(folder), "/tmp");
    pid_t pid = spawn(words);
    return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}
