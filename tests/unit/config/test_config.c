/* The settings: each source, their order, what is refused and what the message says, reload. */
#include "config/config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/table.h"

/* A folder of the test's own, with the file that --config names in it. */
static char folder[64];
static char path[96];

static int folder_make(void **state) {
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/test_config_XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/mintd.conf", folder);
    return 0;
}

static int folder_remove(void **state) {
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void file_write(struct text text, mode_t mode) {
    (void)unlink(path);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text.at, text.len), (ssize_t)text.len);
    assert_int_equal(fchmod(descriptor, mode), 0);
    assert_int_equal(close(descriptor), 0);
}

/* Lists of strings as main gets them. */
#define LIST(...) ((char *const *)(uintptr_t)(const char *const[]){__VA_ARGS__, NULL})
static int list_count(char *const *list) {
    int count = 0;
    while (list[count] != NULL)
        count++;
    return count;
}

static struct config *read_fine(char *const *arguments, char *const *environment) {
    struct config *config = NULL;
    struct error error = {0};
    bool is_read =
        config_read(list_count(arguments), arguments, environment, NULL, NULL, &config, &error);
    if (!is_read)
        fail_msg("%s", error.subject);
    return config;
}

static struct text value_of(const struct config *config, const char *name) {
    static char memory[SETTING_TEXT_BYTES_MAX];
    struct buffer out = buffer_over(memory, sizeof(memory));
    setting_write(setting_find(text_of(name)), config_settings(config), &out);
    return buffer_text(&out);
}

static void assert_value(const struct config *config, const char *name, const char *value) {
    struct text is = value_of(config, name);
    if (!text_equal(is, text_of(value)))
        fail_msg("%s is %.*s, not %s", name, (int)is.len, is.at, value);
}

static void assert_refused(char *const *arguments, char *const *environment, const char *message) {
    struct config *config = NULL;
    struct error error = {0};
    assert_false(
        config_read(list_count(arguments), arguments, environment, NULL, NULL, &config, &error));
    assert_null(config);
    assert_int_equal(error.code, ERROR_FIELD_VALUE);
    assert_string_equal(error.subject, message);
}

static void has_defaults(void **state) {
    struct config *config = read_fine(LIST(NULL), NULL);
    const struct settings *settings = config_settings(config);
    (void)state;
    assert_true(text_equal(settings->listen, TEXT("127.0.0.1:8080")));
    assert_int_equal(settings->lease_ms, 30000);
    assert_true(settings->log_requests);
    assert_int_equal(settings->issuer.len, 0);
    config_free(config);
    config_free(NULL);
}

static void takes_flags(void **state) {
    struct config *config = read_fine(
        LIST("--listen", ":80", "--lease=5s", "--no-log-requests", "--workers", "3"), NULL);
    (void)state;
    assert_value(config, "listen", ":80");
    assert_value(config, "lease", "5s");
    assert_value(config, "log-requests", "false");
    assert_value(config, "workers", "3");
    config_free(config);
}

static void takes_each_spelling_of_a_bool(void **state) {
    static const struct {
        const char *flag, *value, *is;
    } rows[] = {{"--log-requests", NULL, "true"},     {"--no-log-requests", NULL, "false"},
                {"--log-requests", "off", "false"},   {"--log-requests", "no", "false"},
                {"--log-requests=0", NULL, "false"},  {"--log-requests", "1", "true"},
                {"--log-requests=yes", NULL, "true"}, {"--log-requests", "on", "true"},
                {"--log-requests", "false", "false"}};
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct config *config = read_fine(LIST(rows[i].flag, rows[i].value), NULL);
        assert_value(config, "log-requests", rows[i].is);
        config_free(config);
    }
}

static void the_last_flag_counts(void **state) {
    struct config *config = read_fine(LIST("--poll", "1s", "--poll", "20ms"), NULL);
    (void)state;
    assert_value(config, "poll", "20ms");
    config_free(config);
}

static void takes_variables(void **state) {
    char *const *environment =
        LIST("HOME=/root", "MINTD_OPS_LISTEN=", "MINTD_MAX_TTL=2d", "MINTD=x",
             "MINTD_PORT=tcp://10.0.0.1:80", "MINTD_PORT_80_TCP=x", "MINTD_SERVICE_HOST=10.0.0.1",
             "MINTD_NOTHING");
    struct config *config = read_fine(LIST(NULL), environment);
    (void)state;
    assert_value(config, "ops-listen", "");
    assert_value(config, "max-ttl", "2d");
    config_free(config);
}

static void takes_a_file(void **state) {
    (void)state;
    file_write(TEXT("# mintd\n\n  listen = unix:/run/mintd.sock  # for the proxy\r\n"
                    "brand=rill\ncors-origins = https://a.example,http://b.example:81\n"
                    "data-dir = \" /a #b \" # odd\nlog-requests = no"),
               0644);
    struct config *config = read_fine(LIST("--config", path), NULL);
    assert_value(config, "listen", "unix:/run/mintd.sock");
    assert_value(config, "brand", "rill");
    assert_value(config, "cors-origins", "https://a.example,http://b.example:81");
    assert_value(config, "data-dir", " /a #b ");
    assert_value(config, "log-requests", "false");
    config_free(config);
}

static void later_sources_win(void **state) {
    char variable[128];
    (void)state;
    (void)snprintf(variable, sizeof(variable), "MINTD_CONFIG=%s", path);
    file_write(TEXT("poll = 1s\nbrand = filed\nidle-timeout = 1m\n"), 0644);
    struct config *config =
        read_fine(LIST("--poll", "3s"), LIST(variable, "MINTD_POLL=2s", "MINTD_BRAND=varied"));
    assert_value(config, "poll", "3s");
    assert_value(config, "brand", "varied");
    assert_value(config, "idle-timeout", "1m");
    assert_value(config, "write-timeout", "10s");
    config_free(config);
    config = read_fine(LIST("--config=/dev/null"), LIST(variable));
    assert_value(config, "poll", "250ms");
    config_free(config);
}

static int other_counted;
static int other(void *self, int count, char *const *arguments) {
    (void)self;
    if (strcmp(arguments[0], "--init") == 0 || strcmp(arguments[0], "operand") == 0)
        return ++other_counted, 1;
    return strcmp(arguments[0], "--pair") == 0 && count > 1 ? 2 : 0;
}

static void hands_on_what_is_not_its_own(void **state) {
    struct config *config = NULL;
    struct error error;
    char *const *arguments = LIST("operand", "--pair", "--poll", "--init", "--poll", "1s");
    (void)state;
    assert_true(config_read(6, arguments, NULL, other, NULL, &config, &error));
    assert_int_equal(other_counted, 2);
    assert_value(config, "poll", "1s");
    config_free(config);
    config = NULL;
    assert_false(config_read(1, LIST("--unit"), NULL, other, NULL, &config, &error));
    assert_string_equal(error.subject, "there is no flag --unit");
}

static void refuses_flags(void **state) {
    (void)state;
    assert_refused(LIST("--leese", "5s"), NULL, "there is no flag --leese; did you mean --lease?");
    assert_refused(LIST("--confg=x"), NULL, "there is no flag --confg; did you mean --config?");
    assert_refused(LIST("--no-lease"), NULL, "there is no flag --no-lease");
    assert_refused(LIST("--no-log-requests=1"), NULL,
                   "there is no flag --no-log-requests; did you mean --log-requests?");
    assert_refused(LIST("--no-what"), NULL, "there is no flag --no-what");
    assert_refused(LIST("serve"), NULL, "there is no use here for 'serve'");
    assert_refused(LIST("--"), NULL, "there is no use here for '--'");
    assert_refused(LIST("-l"), NULL, "there is no use here for '-l'");
    assert_refused(LIST("--poll"), NULL, "--poll needs a value");
    assert_refused(LIST("--config"), NULL, "--config needs a value");
    assert_refused(LIST("--workers", "257"), NULL,
                   "--workers must be a whole number from 0 to 256, not '257'");
    assert_refused(LIST("--lease=1"), NULL,
                   "--lease must be a duration such as 250ms, 10s, 5m, 1h or 1d, from 1s to 10m, "
                   "not '1'");
    assert_refused(LIST("--log-requests=maybe"), NULL,
                   "--log-requests must be true or false, not 'maybe'");
    assert_refused(LIST("--log-level", "a-level-that-is-longer-than-is-shown"), NULL,
                   "--log-level must be debug, info, warning or error, not "
                   "'a-level-that-is-longer-t...'");
    assert_refused(LIST("--config", "/nowhere/at/all"), NULL,
                   "/nowhere/at/all cannot be opened: No such file or directory");
    assert_refused(LIST("--config", "/"), NULL, "/ cannot be read: Is a directory");
}

static void refuses_variables(void **state) {
    (void)state;
    assert_refused(LIST(NULL), LIST("MINTD_LISTN=:80"),
                   "there is no setting for the variable MINTD_LISTN; did you mean MINTD_LISTEN?");
    assert_refused(LIST(NULL), LIST("MINTD_WHATEVER=1"),
                   "there is no setting for the variable MINTD_WHATEVER");
    assert_refused(
        LIST(NULL), LIST("MINTD_BODY_BYTES=12"),
        "MINTD_BODY_BYTES must be a size such as 16384, 16KiB or 1MiB, from 1KiB to 1MiB, "
        "not '12'");
    assert_refused(LIST(NULL), LIST("MINTD_MASTER_KEY=abc"),
                   "MINTD_MASTER_KEY must be 64 hex digits");
}

static void refuses_what_does_not_agree(void **state) {
    (void)state;
    assert_refused(LIST("--default-ttl", "2d"), NULL,
                   "default-ttl (2d) must not be above max-ttl (1d)");
    assert_refused(LIST("--body-bytes", "8KiB"), NULL,
                   "attributes-bytes (16KiB) must not be above body-bytes (8KiB)");
    assert_refused(LIST("--lease", "1s", "--poll", "2s"), NULL,
                   "poll (2s) must not be above lease (1s)");
    char key[96];
    (void)snprintf(key, sizeof(key), "MINTD_MASTER_KEY=%064d", 7);
    assert_refused(LIST("--master-key-file", "/k"), LIST(key),
                   "give only one of master-key and master-key-file");
}

static void refuses_files(void **state) {
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"\nlisten\n", "f.conf:2: there is no '=': write name = value"},
        {"data-dir = \"a\n", "f.conf:1: the quotes are not closed, or something follows them"},
        {"data-dir = \"a\" b\n", "f.conf:1: the quotes are not closed, or something follows them"},
        {"# x\n\nlissten = :80", "f.conf:3: there is no setting 'lissten'; did you mean listen?"},
        {"= 1", "f.conf:1: there is no setting ''"},
        {"poll = 1s\n\npoll = 2s\n", "f.conf:3: poll stands already in line 1"},
        {"workers = 1 2", "f.conf:1: workers must be a whole number from 0 to 256, not '1 2'"},
        {"brand = Mint", "f.conf:1: brand must be 1 to 16 of a-z and 0-9, not 'Mint'"},
        {"data-dir =", "f.conf:1: data-dir must be a path, not ''"},
        {"data-dir = a\x01", "f.conf:1: data-dir must be a path, not 'a\x01'"},
        {"data-dir = \xff", "f.conf:1: data-dir must be a path, not '\xff'"},
        {"default-ttl = 2d", "default-ttl (2d) must not be above max-ttl (1d)"},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct config *config = NULL;
        struct error error = {0};
        assert_false(config_read_text(text_of(rows[i].text), "f.conf", &config, &error));
        assert_null(config);
        assert_string_equal(error.subject, rows[i].message);
    }
}

static void names_the_end_of_a_long_path(void **state) {
    struct config *config = NULL;
    struct error error = {0};
    (void)state;
    assert_false(config_read_text(
        TEXT("x"), "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/etc/mintd.conf", &config,
        &error));
    assert_string_equal(error.subject, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/etc/mintd.conf:1: "
                                       "there is no '=': write name = value");
}

static void keeps_secrets_private(void **state) {
    char text[128];
    (void)state;
    (void)snprintf(text, sizeof(text), "master-key = %064d\n", 7);
    file_write(text_of(text), 0640);
    struct config *config = NULL;
    struct error error = {0};
    assert_false(config_read(2, LIST("--config", path), NULL, NULL, NULL, &config, &error));
    assert_non_null(strstr(error.subject, ":1: the file holds a secret, but others may read it"));
    file_write(text_of(text), 0600);
    config = read_fine(LIST("--config", path), NULL);
    char memory[8192];
    struct buffer out = buffer_over(memory, sizeof(memory));
    config_print(config, &out);
    assert_non_null(memmem(out.at, out.len, "\nmaster-key = ********", 22));
    assert_null(memmem(out.at, out.len, "0000000000000007", 16));
    config_free(config);
}

/* The password in the URL of Redis is no more to be seen than one in that of the registry. */
static void hides_passwords_in_urls(void **state) {
    static const struct {
        const char *url;
        const char *shown;
    } rows[] = {
        {"redis://u:geheim@h:1/2", "redis://u:********@h:1/2"},
        {"rediss://:geheim@h", "rediss://:********@h"},
        {"redis-sentinel://u:geheim@a,b:1/m", "redis-sentinel://u:********@a,b:1/m"},
        {"redis+unix://u:geheim@/a?db=1", "redis+unix://u:********@/a?db=1"},
        {"unix:/a?db=1", "unix:/a?db=1"},
        {"redis://h:1/2", "redis://h:1/2"},
    };
    const struct setting *row = setting_find(TEXT("redis"));
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        char slot[SETTING_TEXT_BYTES_MAX + 1], memory[128];
        struct settings settings = {0};
        struct buffer out = buffer_over(memory, sizeof(memory));
        assert_true(setting_read(row, text_of(rows[i].url), slot, &settings));
        setting_show(row, &settings, &out);
        buffer_byte(&out, '\0');
        assert_string_equal(memory, rows[i].shown);
        assert_int_equal(setting_is_secret(row, text_of(rows[i].url)),
                         strstr(rows[i].url, "geheim") != NULL);
    }
}

/* A path is no URL: it is shown as it is. */
static void shows_paths_whole(void **state) {
    const struct setting *row = setting_find(TEXT("registry"));
    struct text file = TEXT("sqlite:/a://b:c@d/r.db?password=e");
    char slot[SETTING_TEXT_BYTES_MAX + 1], memory[128];
    struct settings settings = {0};
    struct buffer out = buffer_over(memory, sizeof(memory));
    (void)state;
    assert_true(setting_read(row, file, slot, &settings));
    setting_show(row, &settings, &out);
    assert_true(text_equal(buffer_text(&out), file));
    assert_false(setting_is_secret(row, file));
}

/* The file's limit, less one, exactly, and one more. */
static void keeps_the_limit_of_the_file(void **state) {
    char *memory = malloc(65537);
    (void)state;
    assert_non_null(memory);
    memset(memory, '#', 65537);
    for (size_t len = 65535; len <= 65537; len++) {
        struct config *config = NULL;
        struct error error = {0};
        file_write((struct text){memory, len}, 0644);
        bool is_read = config_read(2, LIST("--config", path), NULL, NULL, NULL, &config, &error);
        assert_int_equal(is_read, len <= 65536);
        if (!is_read)
            assert_non_null(strstr(error.subject, "is larger than 64 KiB"));
        config_free(config);
    }
    free(memory);
}

static void keeps_the_limit_of_texts(void **state) {
    char value[SETTING_TEXT_BYTES_MAX + 2];
    char slot[SETTING_TEXT_BYTES_MAX + 1];
    struct settings settings = {0};
    const struct setting *row = setting_find(TEXT("cors-origins"));
    (void)state;
    memset(value, 'a', sizeof(value));
    memcpy(value, "http://", 7);
    for (size_t len = SETTING_TEXT_BYTES_MAX - 1; len <= SETTING_TEXT_BYTES_MAX + 1; len++)
        assert_int_equal(setting_read(row, (struct text){value, len}, slot, &settings),
                         len <= SETTING_TEXT_BYTES_MAX);
    row = setting_find(TEXT("data-dir"));
    for (size_t len = SETTING_TEXT_BYTES_MAX - 101; len <= SETTING_TEXT_BYTES_MAX - 99; len++)
        assert_int_equal(setting_read(row, (struct text){value, len}, slot, &settings),
                         len <= SETTING_TEXT_BYTES_MAX - 100);
    value[SETTING_TEXT_BYTES_MAX + 1] = '\0';
    assert_refused(LIST("--config", value), NULL, "the path of --config is too long");
}

static void settles(void **state) {
    static const struct {
        const char *listen, *issuer;
    } rows[] = {{"127.0.0.1:8080", "http://127.0.0.1:8080"},
                {":80", "http://localhost:80"},
                {"[::1]:80", "http://[::1]:80"},
                {"unix:/run/x", "http://localhost"}};
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct config *config =
            read_fine(LIST("--listen", rows[i].listen, "--data-dir", "/d"), NULL);
        config_settle(config);
        assert_value(config, "issuer", rows[i].issuer);
        assert_value(config, "registry", "sqlite:/d/registry.db");
        assert_value(config, "master-key-file", "/d/master.key");
        config_free(config);
    }
}

static void settles_only_what_is_empty(void **state) {
    char key[96];
    (void)state;
    (void)snprintf(key, sizeof(key), "MINTD_MASTER_KEY=%064d", 7);
    struct config *config = read_fine(
        LIST("--issuer", "https://mint.example", "--registry", "postgres://db/mint"), LIST(key));
    config_settle(config);
    assert_value(config, "issuer", "https://mint.example");
    assert_value(config, "registry", "postgres://db/mint");
    assert_value(config, "master-key-file", "");
    config_free(config);
}

static const char *reload(struct config *config) {
    static char memory[256];
    struct buffer ignored = buffer_over(memory, sizeof(memory) - 1);
    struct error error = {0};
    if (!config_reload(config, &ignored, &error))
        (void)snprintf(memory, sizeof(memory), "refused: %s", error.subject);
    else
        memory[ignored.len] = '\0';
    return memory;
}

static void reloads(void **state) {
    (void)state;
    file_write(TEXT("in-flight = 10\npoll = 1s\nbrand = one\ncors-origins = http://a\n"
                    "drain-timeout = 1s\n"),
               0644);
    struct config *config =
        read_fine(LIST("--config", path, "--drain-timeout", "7s"), LIST("MINTD_MAX_TTL=2d"));
    config_settle(config);
    const struct settings *settings = config_settings(config);
    struct text origins = settings->cors_origins;
    assert_string_equal(reload(config), "");
    assert_true(settings->cors_origins.at == origins.at);

    file_write(TEXT("drain-timeout = 2s\nin-flight = 20\npoll = 2s\nbrand = two\n"
                    "cors-origins = http://bb\n"),
               0644);
    assert_string_equal(reload(config), "brand, poll");
    assert_int_equal(settings->in_flight_max, 20);
    assert_int_equal(settings->drain_ms, 7000);
    assert_value(config, "brand", "one");
    assert_value(config, "poll", "1s");
    assert_value(config, "max-ttl", "2d");
    assert_value(config, "cors-origins", "http://bb");
    assert_true(text_equal(origins, TEXT("http://a"))); /* somebody may still hold it */

    file_write(TEXT("in-flight = 30\nlease = soon\n"), 0644);
    assert_non_null(strstr(reload(config), "refused: "));
    file_write(TEXT("in-flight = 30\ndefault-ttl = 3d\n"), 0644);
    assert_string_equal(reload(config), "refused: default-ttl (3d) must not be above max-ttl (2d)");
    assert_int_equal(settings->in_flight_max, 20);
    (void)unlink(path);
    assert_non_null(strstr(reload(config), "cannot be opened"));
    config_free(config);
}

/* Both the new settings and what they make of those that stay must agree. */
static void reload_minds_what_stays(void **state) {
    (void)state;
    file_write(TEXT("body-bytes = 32KiB\n"), 0644);
    struct config *config = read_fine(LIST("--config", path), NULL);
    file_write(TEXT("body-bytes = 64KiB\nattributes-bytes = 48KiB\n"), 0644);
    assert_string_equal(reload(config),
                        "refused: attributes-bytes (48KiB) must not be above body-bytes (32KiB)");
    config_free(config);
}

/* What `mintd config` prints is a file that means the same. */
static void prints_what_it_reads(void **state) {
    char memory[16384];
    struct buffer out = buffer_over(memory, sizeof(memory));
    struct config *again = NULL;
    struct error error = {0};
    (void)state;
    file_write(TEXT("data-dir = \"#a #b\"\npoll = 1s\n"), 0644);
    struct config *config = read_fine(LIST("--config", path, "--lease=1m", "--no-log-requests"),
                                      LIST("MINTD_BRAND=rill"));
    config_print(config, &out);
    char line[160];
    (void)snprintf(line, sizeof(line), "poll = 1s                                       # %s:2\n",
                   path);
    assert_non_null(memmem(out.at, out.len, line, strlen(line)));
    assert_non_null(memmem(out.at, out.len, "# --lease\n", 10));
    assert_non_null(memmem(out.at, out.len, "# MINTD_BRAND\n", 14));
    assert_non_null(memmem(out.at, out.len, "# default\n", 10));
    assert_true(config_read_text(buffer_text(&out), "printed", &again, &error));
    for (size_t i = 0; i < SETTINGS; i++)
        assert_true(
            setting_equal(&setting_rows[i], config_settings(config), config_settings(again)));
    config_free(again);
    config_free(config);
}

/* Every row can be given as a flag, a variable and a line, each with its default. */
static void every_row_is_everywhere(void **state) {
    char memory[32768];
    struct buffer help = buffer_over(memory, 16384);
    struct buffer table = buffer_over(memory + 16384, 16384);
    (void)state;
    config_help(&help);
    config_markdown(&table);
    assert_false(help.overflow || table.overflow);
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *row = &setting_rows[i];
        char flag[SETTING_TEXT_BYTES_MAX], variable[SETTING_TEXT_BYTES_MAX];
        struct settings defaults = {0};
        struct buffer out = buffer_over(flag, sizeof(flag));
        setting_default(row, &defaults);
        buffer_format(&out, "--%s=", row->name);
        setting_write(row, &defaults, &out);
        buffer_byte(&out, '\0');
        out = buffer_over(variable, sizeof(variable));
        setting_variable(row, &out);
        buffer_byte(&out, '=');
        setting_write(row, &defaults, &out);
        buffer_byte(&out, '\0');
        config_free(read_fine(LIST(flag), NULL));
        config_free(read_fine(LIST(NULL), LIST(variable)));
        assert_non_null(memmem(help.at, help.len, row->name, strlen(row->name)));
        assert_non_null(memmem(table.at, table.len, row->name, strlen(row->name)));
    }
}

static void help_fits_the_screen(void **state) {
    char memory[16384];
    struct buffer help = buffer_over(memory, sizeof(memory));
    (void)state;
    config_help(&help);
    for (size_t i = 0, start = 0; i < help.len; i++) {
        if (help.at[i] != '\n')
            continue;
        assert_true(i - start <= 100);
        start = i + 1;
    }
    assert_non_null(memmem(help.at, help.len, "(default 10s; SIGHUP)", 21));
    assert_non_null(memmem(help.at, help.len, "empty: none (SIGHUP)", 20));
}

static void forms(void **state) {
    static const struct {
        const char *name;
        const char *good[8];
        const char *bad[12];
    } rows[] = {
        {"listen",
         {"127.0.0.1:0", ":65535", "[::]:80", "[fe80::1%eth0]:1", "a-b.example:1", "unix:/x"},
         {"", "127.0.0.1", "x:", ":65536", "[]:80", "[::1:80", "a b:80", "unix:", "unix:x",
          "::1:80"}},
        {"ops-listen", {"", ":1"}, {"x"}},
        {"registry",
         {"", "sqlite:/a", "postgres://u@h/db"},
         {"sqlite", "sqlite:", ":x", "/path", "Sqlite:/x"}},
        {"issuer",
         {"", "http://h", "https://h.example/mint", "https://h:1"},
         {"h", "ftp://h", "http://", "http:///x", "https://h/", "https://h?x", "https://h#x",
          "http://a b", "http://\xc3\xa9"}},
        {"cors-origins",
         {"", "*", "http://a", "https://a.example:8443,http://[::1]:80"},
         {"a", "http://a,", ",http://a", "http://a, http://b", "http://a/", "*,http://a"}},
        {"redis",
         {"", "redis://h", "rediss://u:p@[::1]:1/2", "redis-sentinel://a,b:1/m",
          "rediss-sentinel://a/m", "unix:/a?db=1", "redis+unix:///a"},
         {"h:6379", "redis://", "redis:", "Redis://h", "http://h", "unix:", "redis://h h"}},
        {"redis-tls-name", {"", "redis.example", "10.0.0.1", "::1"}, {"a b", "a/b", "a,b"}},
        {"redis-prefix", {"mintd:", "a", "eu/prod:"}, {"", "a b", "\xc3\xa9"}},
        {"log-format", {"json", "text", "auto"}, {"", "JSON", "xml"}},
        {"log-level", {"debug", "warning"}, {"warn"}},
        {"brand", {"a", "rill0", "abcdefghijklmnop"}, {"", "a-b", "abcdefghijklmnopq"}},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        const struct setting *row = setting_find(text_of(rows[i].name));
        char slot[SETTING_TEXT_BYTES_MAX + 1];
        struct settings settings = {0};
        for (const char *const *at = rows[i].good; *at != NULL; at++)
            if (!setting_read(row, text_of(*at), slot, &settings))
                fail_msg("%s refuses '%s'", row->name, *at);
        for (const char *const *at = rows[i].bad; *at != NULL; at++)
            if (setting_read(row, text_of(*at), slot, &settings))
                fail_msg("%s takes '%s'", row->name, *at);
    }
}

static void keeps_the_limit_of_addresses(void **state) {
    char value[300];
    char slot[SETTING_TEXT_BYTES_MAX + 1];
    struct settings settings = {0};
    const struct setting *row = setting_find(TEXT("listen"));
    (void)state;
    memset(value, 'a', sizeof(value));
    for (size_t len = 258; len <= 260; len++) {
        memcpy(value + len - 3, ":80", 3);
        assert_int_equal(setting_read(row, (struct text){value, len}, slot, &settings), len <= 259);
        memset(value, 'a', sizeof(value));
    }
    memcpy(value, "unix:/", 6);
    for (size_t len = 111; len <= 113; len++)
        assert_int_equal(setting_read(row, (struct text){value, len}, slot, &settings), len <= 112);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_defaults),
        cmocka_unit_test(takes_flags),
        cmocka_unit_test(takes_each_spelling_of_a_bool),
        cmocka_unit_test(the_last_flag_counts),
        cmocka_unit_test(takes_variables),
        cmocka_unit_test(takes_a_file),
        cmocka_unit_test(later_sources_win),
        cmocka_unit_test(hands_on_what_is_not_its_own),
        cmocka_unit_test(refuses_flags),
        cmocka_unit_test(refuses_variables),
        cmocka_unit_test(refuses_what_does_not_agree),
        cmocka_unit_test(refuses_files),
        cmocka_unit_test(names_the_end_of_a_long_path),
        cmocka_unit_test(keeps_secrets_private),
        cmocka_unit_test(hides_passwords_in_urls),
        cmocka_unit_test(shows_paths_whole),
        cmocka_unit_test(keeps_the_limit_of_the_file),
        cmocka_unit_test(keeps_the_limit_of_texts),
        cmocka_unit_test(settles),
        cmocka_unit_test(settles_only_what_is_empty),
        cmocka_unit_test(reloads),
        cmocka_unit_test(reload_minds_what_stays),
        cmocka_unit_test(prints_what_it_reads),
        cmocka_unit_test(every_row_is_everywhere),
        cmocka_unit_test(help_fits_the_screen),
        cmocka_unit_test(forms),
        cmocka_unit_test(keeps_the_limit_of_addresses),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
