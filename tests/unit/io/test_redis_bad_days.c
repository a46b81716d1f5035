/* The Redis client on bad days: killed, silent, a busy loop, servers that send what they like. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "redis_rig.h"

static bool is_refused_at_once(void) {
    return !ask_ping();
}

static void test_killed_and_started_again(void **state) {
    (void)state;
    rig_open(at_port(port));
    PLAY(is_up, kill_it, is_not_up, is_refused_at_once, start_again, is_up, ask_ping, is_pong,
         kill_it, is_not_up, start_again, is_up);
}

/* Each of three is answered by the deadline, then it rests; later answers find nobody. */
static void test_silent(void **state) {
    (void)state;
    rig_open(at_port(port));
    PLAY(is_up, ask_ping, is_pong, pause_it, ask_ping, is_away, ask_ping, is_away, ask_ping,
         is_away, is_resting, is_refused_at_once, go_on, is_up, ask_ping, is_pong);
}

static bool pause_with_one_under_way(void) {
    return pause_it() && ask_ping();
}

static void test_silent_for_long_it_is_connected_to_anew(void **state) {
    (void)state;
    rig_open(at_port(port));
    PLAY(is_up, pause_with_one_under_way, is_away, ask_ping, is_away, ask_ping, is_away, is_resting,
         is_not_up, kill_it, start_again, is_up, ask_ping, is_pong);
}

static void test_closed_with_one_under_way(void **state) {
    (void)state;
    rig_open(at_port(port));
    PLAY(is_up, pause_with_one_under_way);
    assert_true(is_away()); /* the loop's end has answered it */
    assert_true(go_on());
}

/* ---- slow, and who is to blame --------------------------------------------------------------- */

static bool ask_ten(void) {
    static struct redis_command commands[10];
    asked.done = 0;
    for (size_t i = 0; i < array_count(commands); i++) {
        commands[i] = (struct redis_command){.done = asked.command.done};
        assert_true(redis_send(client.redis, &commands[i], &TEXT("PING"), 1));
    }
    return true;
}
static bool pause_and_ask_ten(void) {
    return pause_it() && ask_ten();
}
static bool are_ten_away(void) {
    return asked.done == 10 && asked.last.answer == REDIS_AWAY;
}
static bool are_ten_answered(void) {
    return asked.done == 10 && asked.last.answer == REDIS_BYTES;
}

/* Many that are late together have one cause: not yet a reason to rest. */
static void test_one_hiccup(void **state) {
    (void)state;
    rig_open(at_port(port));
    PLAY(is_up, ask_ping, is_pong, pause_and_ask_ten, are_ten_away, is_up, go_on, ask_ping, is_pong,
         is_up);
}

static bool be_busy(void) {
    return usleep(3 * SLOW_MS * 1000) == 0;
}
static bool nothing_was_late(void) {
    assert_int_equal(redis_counts(client.redis)->late, 0);
    return true;
}

/* What came while this loop did something else is not Redis' fault. */
static void test_the_loop_is_busy(void **state) {
    (void)state;
    rig_open(at_port(port));
    PLAY(is_up, ask_ping, is_pong, ask_ten, be_busy, are_ten_answered, ask_ten, be_busy,
         are_ten_answered, is_up, nothing_was_late);
}

static bool pause_and_tell(void) {
    return pause_it() && redis_send(client.redis, NULL, &TEXT("PING"), 1);
}
static bool tell(void) {
    static uint64_t after_us;
    uint64_t now_us = clock_monotonic_us();
    if (now_us > after_us && redis_send(client.redis, NULL, &TEXT("PING"), 1))
        after_us = now_us + 20 * 1000;
    return is_resting();
}

/* Those that nobody waits for tell of a silent server too. */
static void test_silent_while_nobody_waits(void **state) {
    (void)state;
    rig_open(at_port(port));
    PLAY(is_up, pause_and_tell, tell, go_on, is_up);
}

static bool fill_the_socket(void) {
    size_t len = 256 * 1024, sent = 0;
    char *value = calloc(1, len);
    assert_non_null(value);
    const struct text words[] = {TEXT_INIT("SET"), TEXT_INIT("big"), {value, len}};
    assert_true(pause_it());
    while (redis_send(client.redis, NULL, words, 3))
        sent += len;
    free(value);
    assert_true(sent >= REDIS_UNSENT_BYTES_MAX);
    assert_true(sent <= REDIS_UNSENT_BYTES_MAX + len);
    assert_true(redis_is_usable(client.redis));
    return true;
}

static void test_only_so_much_waits_for_room(void **state) {
    (void)state;
    rig_open(at_port(port));
    PLAY(is_up, fill_the_socket, go_on, is_up, ask_ping, is_pong);
}

/* ---- nobody there ---------------------------------------------------------------------------- */

static bool (*const nothing[])(void) = {is_not_up, NULL};

static void test_nobody_there(void **state) {
    (void)state;
    stop(&server);
    rig_open(at_port(port));
    play(nothing);
    rig_open((struct redis_options){.url = TEXT("redis://no-such-host.invalid")});
    play(nothing);
}

/* ---- a server that sends what it likes ------------------------------------------------------- */

struct nasty {
    const char *words; /* its answer to the first command, and to every later one */
    size_t len;
    bool greets;
    bool splits; /* sends byte by byte */
    bool closes; /* after its first answer */
};

static void nasty_send(int peer, const struct nasty *nasty, const char *words, size_t len) {
    for (size_t sent = 0; sent < len;) {
        size_t most = nasty->splits ? 1 : len - sent;
        ssize_t some = send(peer, words + sent, most, MSG_NOSIGNAL);
        if (some <= 0)
            return;
        sent += (size_t)some;
        if (nasty->splits)
            (void)usleep(1000);
    }
}

static void nasty_serve(int peer, const struct nasty *nasty) {
    static const char greeting[] = "%1\r\n+server\r\n+redis\r\n+OK\r\n";
    char in[4096];
    int on = 1;
    (void)setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (nasty->greets && recv(peer, in, sizeof(in), 0) > 0)
        nasty_send(peer, nasty, greeting, sizeof(greeting) - 1);
    while (recv(peer, in, sizeof(in), 0) > 0) {
        nasty_send(peer, nasty, nasty->words, nasty->len);
        if (nasty->closes)
            return;
    }
}

/* Serves each connection in turn; the client finds it at other_port. */
static void nasty_start(struct nasty nasty) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (nasty.len == 0)
        nasty.len = strlen(nasty.words);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(other_port, sizeof(other_port), "%u", ntohs(address.sin_port));
    other_server = fork();
    if (other_server != 0) {
        (void)close(listener);
        return;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        nasty_serve(peer, &nasty);
        (void)close(peer);
    }
}

static bool is_connecting(void) {
    return redis_state(client.redis) == REDIS_CONNECTING;
}
static bool says(const char *word) {
    return is_connecting() && strstr(redis_why(client.redis), word) != NULL;
}
static bool says_nobody_asked(void) {
    return says("nobody asked");
}

/* Each breaks the connection, whether it comes as an answer or instead of the greeting. */
static void test_garbage(void **state) {
    (void)state;
    static const char *const garbage[] = {
        "hello\r\n", "$-7\r\n", "*99999999999\r\n",         ":\r\n",
        ":1x\r\n",   "\r\n",    "$99999999999999999999\r\n"};
    for (size_t i = 0; i < array_count(garbage); i++) {
        nasty_start((struct nasty){.words = garbage[i], .greets = true});
        rig_open(at_port(other_port));
        PLAY(is_up, ask_ping, is_away, is_connecting);
        stop(&other_server);
        nasty_start((struct nasty){.words = garbage[i]});
        rig_open(at_port(other_port));
        PLAY(is_connecting, be_busy, is_connecting);
        stop(&other_server);
    }
}

/* What hiredis' own async layer would end the process for. */
static void test_more_answers_than_questions(void **state) {
    (void)state;
    nasty_start((struct nasty){.words = "+PONG\r\n+PONG\r\n", .greets = true});
    rig_open(at_port(other_port));
    PLAY(is_up, ask_ping, is_pong, says_nobody_asked);
}

/* Pushes of any shape are taken or left alone; the answer behind them is the answer. */
static void test_odd_pushes(void **state) {
    (void)state;
    static const char *const pushes[] = {
        ">0\r\n",
        ">1\r\n+a\r\n",
        ">1\r\n+invalidate\r\n",
        ">2\r\n+invalidate\r\n:1\r\n",
        ">2\r\n+invalidate\r\n*2\r\n:1\r\n_\r\n",
        ">2\r\n:1\r\n*0\r\n",
        ">3\r\n+message\r\n_\r\n_\r\n",
        ">3\r\n+message\r\n+c\r\n*1\r\n+x\r\n",
        ">3\r\n+subscribe\r\n:1\r\n:2\r\n",
    };
    for (size_t i = 0; i < array_count(pushes); i++) {
        char words[64];
        (void)snprintf(words, sizeof(words), "%s+PONG\r\n", pushes[i]);
        nasty_start((struct nasty){.words = words, .greets = true});
        rig_open(at_port(other_port));
        PLAY(is_up, ask_ping, is_pong, is_up);
        stop(&other_server);
    }
}

static bool is_list(void) {
    return is_done() && asked.last.answer == REDIS_LIST && asked.last.count == 3 &&
           asked.last.list[0].len == 3 && asked.last.numbers[1] == 42 &&
           asked.last.list[2].len == 0;
}

static void test_split_at_every_byte(void **state) {
    (void)state;
    nasty_start((struct nasty){
        .words = ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n*3\r\n$3\r\n\r\n\r\r\n:42\r\n$-1\r\n",
        .greets = true,
        .splits = true});
    struct redis_options options = at_port(other_port);
    options.command_ms = 10000;
    rig_open(options);
    PLAY(is_up, ask_ping, is_list);
    assert_string_equal(client.invalidated, "k");
}

static void test_closed_in_the_middle(void **state) {
    (void)state;
    nasty_start((struct nasty){.words = "$5\r\nab", .greets = true, .closes = true});
    rig_open(at_port(other_port));
    PLAY(is_up, ask_ping, is_away, is_connecting, is_up);
}

static bool is_refused(void) {
    return is_done() && asked.last.answer == REDIS_REFUSED;
}

/* Refusals that tell of another server than was meant drop the connection and say why; those that
 * are about the command do not. */
static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *words;
        bool drops;
    } rows[] = {
        {"-LOADING Redis is loading the dataset in memory\r\n", true},
        {"-MOVED 3999 127.0.0.1:6381\r\n", true},
        {"-READONLY You can't write against a read only replica.\r\n", true},
        {"-MASTERDOWN Link with MASTER is down\r\n", true},
        {"-NOAUTH Authentication required.\r\n", true},
        {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", false},
        {"-NOPERM no permission\r\n", false},
        {"-\r\n", false},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        nasty_start((struct nasty){.words = rows[i].words, .greets = true});
        rig_open(at_port(other_port));
        if (rows[i].drops)
            PLAY(is_up, ask_ping, is_refused, is_connecting);
        else
            PLAY(is_up, ask_ping, is_refused, is_up);
        if (rows[i].drops)
            assert_memory_equal(asked.bytes, rows[i].words + 1, 4);
        stop(&other_server);
    }
}

static bool ask_whenever_up(void) {
    if (redis_is_usable(client.redis) && asked.command.redis == NULL)
        (void)ask_ping();
    return redis_counts(client.redis)->connects >= 5;
}

/* One that takes connections but nothing else is not hammered: 25 + 50 + 100 + 200 ms at least. */
static void test_backs_off_from_who_only_greets(void **state) {
    (void)state;
    nasty_start((struct nasty){.words = "-LOADING x\r\n", .greets = true, .closes = true});
    rig_open(at_port(other_port));
    uint64_t begun_us = clock_monotonic_us();
    PLAY(ask_whenever_up);
    assert_true(clock_monotonic_us() - begun_us >= 375 * 1000);
}

static bool says_too_much(void) {
    return says("more than anybody asked for");
}

static bool says_memory(void) {
    return says("memory");
}

static void flood(const struct buffer *words, bool (*says_why)(void)) {
    nasty_start((struct nasty){.words = words->at, .len = words->len, .greets = true});
    struct redis_options options = at_port(other_port);
    options.command_ms = 10000;
    rig_open(options);
    PLAY(is_up, ask_ping, is_away, says_why);
    stop(&other_server);
}

/* A long string, lists in lists of small numbers, lists within each other that are freed by
 * recursion: none may grow without bound. */
static void test_a_flood_is_cut(void **state) {
    (void)state;
    size_t size = 8u << 20;
    char *memory = malloc(size);
    assert_non_null(memory);
    struct buffer words = buffer_over(memory, size);
    buffer_put(&words, "$8000000\r\n");
    while (!words.overflow)
        buffer_byte(&words, 'x');
    flood(&words, says_too_much);
    words = buffer_over(memory, size);
    buffer_put(&words, "*4096\r\n");
    while (!words.overflow) {
        buffer_put(&words, "*4096\r\n");
        for (unsigned i = 0; i < 4096; i++)
            buffer_put(&words, ":1\r\n");
    }
    flood(&words, says_too_much);
    words = buffer_over(memory, REDIS_REPLY_BYTES_MAX - 4096);
    while (!words.overflow)
        buffer_put(&words, "*1\r\n");
    flood(&words, says_memory);
    free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED(test_killed_and_started_again),
        SERVED(test_silent),
        SERVED(test_silent_for_long_it_is_connected_to_anew),
        SERVED(test_silent_while_nobody_waits),
        SERVED(test_one_hiccup),
        SERVED(test_the_loop_is_busy),
        SERVED(test_only_so_much_waits_for_room),
        SERVED(test_closed_with_one_under_way),
        SERVED(test_nobody_there),
        SERVED(test_garbage),
        SERVED(test_more_answers_than_questions),
        SERVED(test_odd_pushes),
        SERVED(test_split_at_every_byte),
        SERVED(test_closed_in_the_middle),
        SERVED(test_refusals),
        SERVED(test_backs_off_from_who_only_greets),
        SERVED(test_a_flood_is_cut),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
