/* Data as people and programs see it: tables, details, times, JSON and CSV. */
#include "client/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "token/keyring.h"

static struct client client;

static int start(void **state) {
    (void)state;
    client = (struct client){.now_s = 1769853600}; /* 2026-01-31T10:00:00Z */
    client.out = pool_buffer(&client.pool, OUTPUT_BYTES);
    client.scratch = pool_buffer(&client.pool, OUTPUT_BYTES);
    return token_start() ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    pool_close(&client.pool);
    return 0;
}

static const struct json *json_of(const char *text) {
    struct error error = {0};
    const struct json *json = client_read_json(&client, text_of(text), &error);
    if (json == NULL)
        fail_msg("%s: %s", text, error.subject);
    return json;
}

/* What showing writes to standard output. */
static char shown[4096];
static int output_kept, output_taken;

static void output_take(void) {
    output_kept = dup(STDOUT_FILENO);
    output_taken = memfd_create("shown", MFD_CLOEXEC);
    assert_true(output_kept >= 0 && output_taken >= 0);
    assert_int_equal(dup2(output_taken, STDOUT_FILENO), STDOUT_FILENO);
}

static const char *output_give_back(void) {
    client_flush(&client);
    assert_int_equal(dup2(output_kept, STDOUT_FILENO), STDOUT_FILENO);
    ssize_t len = pread(output_taken, shown, sizeof(shown) - 1, 0);
    assert_true(len >= 0);
    shown[len] = '\0';
    (void)close(output_kept);
    (void)close(output_taken);
    return shown;
}

static const struct column columns[] = {
    {"NAME", "name", CELL_AUTO},
    {"ROLES", "roles", CELL_NAMES},
    {"MADE", "createdOn", CELL_TIME},
    {0},
};

static const char *list_shown(enum format format) {
    struct row rows[] = {
        {json_of("{\"name\":\"a,\\\"b\\\"\",\"roles\":{\"x\":\"admin\",\"y\":\"viewer\"},"
                 "\"createdOn\":\"2026-01-31T09:00:00Z\"}")},
        {json_of("{\"name\":\"Zo\xC3\xAB\",\"n\":1.50,\"roles\":{},\"createdOn\":null}")},
    };
    client.format = format;
    output_take();
    show_list(&client, rows, array_count(rows), columns);
    return output_give_back();
}

static void lists(void **state) {
    (void)state;
    assert_string_equal(list_shown(FORMAT_HUMAN), "NAME   ROLES  MADE\n"
                                                  "a,\"b\"  x, y   2026-01-31 09:00:00Z (1h ago)\n"
                                                  "Zo\xC3\xAB    -      -\n");
    assert_string_equal(list_shown(FORMAT_CSV),
                        "name,roles,createdOn,n\n"
                        "\"a,\"\"b\"\"\",\"{\"\"x\"\":\"\"admin\"\",\"\"y\"\":\"\"viewer\"\"}\","
                        "2026-01-31T09:00:00Z,\n"
                        "Zo\xC3\xAB,{},,1.50\n");
    assert_string_equal(list_shown(FORMAT_JSON),
                        "[{\"name\":\"a,\\\"b\\\"\",\"roles\":{\"x\":\"admin\",\"y\":\"viewer\"},"
                        "\"createdOn\":\"2026-01-31T09:00:00Z\"},\n"
                        " {\"name\":\"Zo\xC3\xAB\",\"n\":1.50,\"roles\":{},\"createdOn\":null}]\n");
}

static void empty_lists(void **state) {
    static const char *const is[] = {
        [FORMAT_HUMAN] = "NAME  ROLES  MADE\n", [FORMAT_JSON] = "[]\n", [FORMAT_CSV] = ""};
    (void)state;
    for (enum format format = FORMAT_HUMAN; format <= FORMAT_CSV; format++) {
        client.format = format;
        output_take();
        show_list(&client, NULL, 0, columns);
        assert_string_equal(output_give_back(), is[format]);
    }
}

static void objects(void **state) {
    const struct json *object = json_of("{\"name\":\"x\",\"createdOn\":\"2026-02-01T10:00:00Z\","
                                        "\"list\":[\"a\",\"b\"],\"mixed\":[1,\"b\"],\"no\":\"\"}");
    (void)state;
    client.format = FORMAT_HUMAN;
    output_take();
    show_object(&client, object);
    assert_string_equal(output_give_back(), "Name:       x\n"
                                            "Created on: 2026-02-01 10:00:00Z (in 1d)\n"
                                            "List:       a, b\n"
                                            "Mixed:      [1,\"b\"]\n"
                                            "No:         -\n");
}

static void disarms(void **state) {
    struct text text = TEXT("a\x1B[2J\nb\x7F\xC2\x9B"
                            "c\xC3\xA9");
    (void)state;
    struct text plain = show_plain(&client, text);
    assert_memory_equal(plain.at, "a?[2J?b??c\xC3\xA9", plain.len);
    assert_int_equal(plain.len, 12);
    /* JSON need not escape DEL and C1; a terminal must not see them all the same. */
    struct text cell = show_cell(&client, json_of("{\"a\":\"\x7F\xC2\x9B\"}"), CELL_AUTO);
    assert_string_equal(cell.at, "{\"a\":\"??\"}");
}

static void times(void **state) {
    static const struct {
        const char *text, *is;
    } rows[] = {
        {"2026-01-31T10:00:00Z", "2026-01-31 10:00:00Z (0s ago)"},
        {"2026-01-31T10:00:01Z", "2026-01-31 10:00:01Z (in 1s)"},
        {"2025-12-31T10:00:00Z", "2025-12-31 10:00:00Z (31d ago)"},
        {"1969-12-31T23:59:59Z", "1969-12-31 23:59:59Z (20484d10h ago)"},
        {"2026-01-31T10:00:00", NULL},
        {"2026-01-31 10:00:00Z", NULL},
        {"2026-13-31T10:00:00Z", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        char memory[80];
        struct buffer out = buffer_over(memory, sizeof(memory));
        bool is_time = show_time(&client, text_of(rows[i].text), &out);
        assert_int_equal(is_time, rows[i].is != NULL);
        if (is_time && !text_equal(buffer_text(&out), text_of(rows[i].is)))
            fail_msg("%.*s is not %s", (int)out.len, out.at, rows[i].is);
    }
}

static void titles(void **state) {
    static const struct {
        const char *key, *is;
    } rows[] = {{"name", "Name"},
                {"createdOn", "Created on"},
                {"nextPageToken", "Next page token"},
                {"Kid", "Kid"},
                {"x5t", "X5t"},
                {"", ""}};
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++)
        assert_true(text_equal(show_title(&client, text_of(rows[i].key)), text_of(rows[i].is)));
}

/* However many members there are, CSV leaves none out. */
static void csv_has_every_member(void **state) {
    char memory[4096];
    struct buffer json = buffer_over(memory, sizeof(memory));
    (void)state;
    buffer_byte(&json, '{');
    for (int i = 0; i < 200; i++)
        buffer_format(&json, "%s\"k%d\":%d", i > 0 ? "," : "", i, i);
    buffer_put(&json, "}");
    buffer_byte(&json, '\0');
    client.format = FORMAT_CSV;
    output_take();
    show_object(&client, json_of(memory));
    const char *csv = output_give_back();
    assert_non_null(strstr(csv, ",k199\n0,1,2,"));
    assert_non_null(strstr(csv, ",199\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(empty_lists),
        cmocka_unit_test(objects),
        cmocka_unit_test(disarms),
        cmocka_unit_test(times),
        cmocka_unit_test(titles),
        cmocka_unit_test(csv_has_every_member),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
