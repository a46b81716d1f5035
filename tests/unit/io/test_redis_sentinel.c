/* The Redis client with sentinels: who is the master, and who is it now. */
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "redis_rig.h"

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
                  "port %s\nbind 127.0.0.1\nrequirepass pw\nsentinel monitor main 127.0.0.1 %s 2\n"
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
    rig_open(options);
    PLAY(is_up, set_mark, wait_for_replica, is_replicated);
    for (size_t i = 0; i < 3; i++)
        sentinel_start(i);
    (void)snprintf(url, sizeof(url),
                   "redis-sentinel://:pw@127.0.0.1:1,127.0.0.1:%s,127.0.0.1:%s/main",
                   sentinel_ports[0], sentinel_ports[1]);
    options.url = text_of(url);
    rig_open(options);
    PLAY(is_up, set_mark, is_done, sentinels_know_each_other, kill_it, is_not_up, is_up,
         forget_answer, set_works);
    for (size_t i = 0; i < 3; i++)
        stop(&sentinels[i]);
}

/* ---- a sentinel of ours ---------------------------------------------------------------------- */

/* Names the first server, says after the question that the second is it now, and names that. It
 * speaks of another master before. */
static void sentinel_serve(int peer, const char *first, const char *second) {
    char in[1024], out[256];
    static const char greeting[] =
        "%1\r\n+server\r\n+redis\r\n>3\r\n+subscribe\r\n+switch-master\r\n:1\r\n";
    if (recv(peer, in, sizeof(in), 0) <= 0 ||
        send(peer, greeting, sizeof(greeting) - 1, MSG_NOSIGNAL) <= 0)
        return;
    for (unsigned i = 0; recv(peer, in, sizeof(in), 0) > 0; i++) {
        int len = snprintf(out, sizeof(out), "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n",
                           strlen(i == 0 ? first : second), i == 0 ? first : second);
        (void)send(peer, out, (size_t)len, MSG_NOSIGNAL);
        static const char *const names[] = {"mainly", "main"};
        for (size_t j = 0; i == 0 && j < 2; j++) {
            char news[128];
            int news_len = snprintf(news, sizeof(news), "%s 127.0.0.1 %s 127.0.0.1 %s", names[j],
                                    first, second);
            len = snprintf(out, sizeof(out), ">3\r\n+message\r\n+switch-master\r\n$%d\r\n%s\r\n",
                           news_len, news);
            (void)usleep(300 * 1000);
            (void)send(peer, out, (size_t)len, MSG_NOSIGNAL);
        }
    }
}

static uint16_t sentinel_of_ours(const char *first, const char *second, pid_t *ret_pid) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    *ret_pid = fork();
    if (*ret_pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int peer;; (void)close(peer)) {
            peer = accept(listener, NULL, NULL);
            sentinel_serve(peer, first, second);
        }
    }
    (void)close(listener);
    return ntohs(address.sin_port);
}

static bool mark_both(void) {
    CLI(port, "SET", "who", "first");
    CLI(other_port, "SET", "who", "second");
    return true;
}
static bool ask_who(void) {
    return redis_is_usable(client.redis) && ASK(TEXT("GET"), TEXT("who"));
}
static bool is_first(void) {
    return is_done() && strcmp(asked.bytes, "first") == 0;
}
static bool is_second(void) {
    if (is_done() && strcmp(asked.bytes, "second") == 0)
        return true;
    if (asked.command.redis == NULL)
        (void)ask_who();
    return false;
}

/* Both servers stay as they are: only the sentinel's word moves the client, and only its own
 * master's. */
static void test_switched(void **state) {
    (void)state;
    char url[96];
    pid_t sentinel;
    (void)snprintf(other_port, sizeof(other_port), "%u", free_port());
    other_server = SERVER(other_port, NULL);
    struct redis_options options = at_port(other_port);
    options.command_ms = 1000;
    rig_open(options);
    PLAY(is_up, mark_both);
    (void)snprintf(url, sizeof(url), "redis-sentinel://127.0.0.1:%u/main",
                   sentinel_of_ours(port, other_port, &sentinel));
    options.url = text_of(url);
    rig_open(options);
    PLAY(is_up, ask_who, is_first, is_second, is_up);
    stop(&sentinel);
}

static bool says_replica(void) {
    return strstr(redis_why(client.redis), "replica") != NULL;
}

/* A sentinel that is behind the times names a replica. */
static void test_not_the_master(void **state) {
    (void)state;
    char url[96];
    pid_t sentinel;
    (void)snprintf(other_port, sizeof(other_port), "%u", free_port());
    other_server = SERVER(other_port, "--replicaof", "127.0.0.1", port, NULL);
    struct redis_options options = at_port(other_port);
    rig_open(options);
    PLAY(is_up);
    (void)snprintf(url, sizeof(url), "redis-sentinel://127.0.0.1:%u/main",
                   sentinel_of_ours(other_port, port, &sentinel));
    options.url = text_of(url);
    rig_open(options);
    PLAY(says_replica, is_up);
    stop(&sentinel);
}

static bool says_sentinel(void) {
    return redis_state(client.redis) == REDIS_CONNECTING &&
           strstr(redis_why(client.redis), "sentinel 127.0.0.1:1: ") != NULL;
}

static void test_no_sentinel_there(void **state) {
    (void)state;
    rig_open((struct redis_options){.url = TEXT("redis-sentinel://127.0.0.1:1/main")});
    PLAY(says_sentinel);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED(test_sentinel),
        SERVED(test_switched),
        SERVED(test_not_the_master),
        SERVED(test_no_sentinel_there),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
