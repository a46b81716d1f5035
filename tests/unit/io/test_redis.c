/* The Redis client against a real server: URLs, commands, pushes, logins. */
#include "io/redis_parts.h"
#include "redis_rig.h"

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
                                       "redis+unix:///a/b?db=1",
                                       "redis+unix://u:p@/a",
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
                                      "redis://%00:x@h",
                                      "redis://u@h",
                                      "redis://h?db=1",
                                      "redis://h h",
                                      "redis://h,g",
                                      "redis://[]:1",
                                      "redis://[::1",
                                      "redis://h:1/-1",
                                      "unix:a",
                                      "redis+unix://u:p/a",
                                      "redis+unix://u@/a"};
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

/* ---- commands -------------------------------------------------------------------------------- */

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
    rig_open(at_port(port));
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
    rig_open(at_port(port));
    PLAY(is_up, fill_up, is_usable, ask_ping, is_pong);
}

static void test_unix_socket_and_database(void **state) {
    (void)state;
    char url[128];
    rig_open(at_port(port));
    PLAY(is_up, count_up, is_counted);
    (void)snprintf(url, sizeof(url), "unix:%s/socket?db=3", folder);
    rig_open((struct redis_options){.url = text_of(url)});
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
    rig_open(options);
    PLAY(is_up, set_by_another, is_told, set_foreign, has_news, was_not_told, set_by_us, is_done,
         was_not_told, flush_all, is_flushed, ask_ping, is_pong);
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
    rig_open((struct redis_options){.url = text_of(url)});
    PLAY(says_wrong_password, allow, is_up, ask_ping, is_pong);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        SERVED(test_commands),
        SERVED(test_only_so_many_are_under_way),
        SERVED(test_unix_socket_and_database),
        SERVED(test_pushes),
        SERVED(test_login),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
