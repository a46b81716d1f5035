/* Durations and sizes: read, refused, and written so that they read back. */
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void reads(void **state) {
    static const struct {
        const char *text;
        enum unit unit;
        uint64_t number;
    } rows[] = {
        {"0", UNIT_NONE, 0},
        {"17", UNIT_NONE, 17},
        {"250ms", UNIT_MS, 250},
        {"250", UNIT_MS, 250},
        {"10s", UNIT_MS, 10000},
        {"2m", UNIT_MS, 120000},
        {"1h", UNIT_MS, 3600000},
        {"1d", UNIT_MS, 86400000},
        {"10", UNIT_S, 10},
        {"30m", UNIT_S, 1800},
        {"1h", UNIT_S, 3600},
        {"7d", UNIT_S, 604800},
        {"16384", UNIT_BYTES, 16384},
        {"16KiB", UNIT_BYTES, 16384},
        {"1MiB", UNIT_BYTES, 1048576},
        {"2GiB", UNIT_BYTES, 2147483648},
        {"5B", UNIT_BYTES, 5},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        uint64_t number = 99;
        assert_true(unit_read(text_of(rows[i].text), rows[i].unit, UINT64_MAX, &number));
        assert_int_equal(number, rows[i].number);
    }
}

static void refuses(void **state) {
    static const struct {
        const char *text;
        enum unit unit;
    } rows[] = {
        {"", UNIT_S},      {"s", UNIT_S},       {"-1s", UNIT_S},    {"1.5h", UNIT_S},
        {"1 h", UNIT_S},   {"1H", UNIT_S},      {"5ms", UNIT_S},    {"1h30m", UNIT_S},
        {"1s", UNIT_NONE}, {"1KB", UNIT_BYTES}, {"1s", UNIT_BYTES}, {"0x10", UNIT_NONE},
        {"1KiB", UNIT_MS}, {" 1", UNIT_S},      {"1s ", UNIT_S},
    };
    uint64_t number = 99;
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++)
        assert_false(unit_read(text_of(rows[i].text), rows[i].unit, UINT64_MAX, &number));
    assert_int_equal(number, 99);
}

static void keeps_the_limit(void **state) {
    uint64_t number = 99;
    (void)state;
    assert_true(unit_read(TEXT("1h"), UNIT_S, 3600, &number));
    assert_false(unit_read(TEXT("1h"), UNIT_S, 3599, &number));
    assert_false(unit_read(TEXT("3601"), UNIT_S, 3600, &number));
    assert_false(unit_read(TEXT("213503982335d"), UNIT_MS, UINT64_MAX, &number));
    assert_true(unit_read(TEXT("213503982334d"), UNIT_MS, UINT64_MAX, &number));
}

static void writes_what_it_reads(void **state) {
    static const struct {
        uint64_t number;
        enum unit unit;
        const char *text;
    } rows[] = {
        {0, UNIT_MS, "0ms"},           {250, UNIT_MS, "250ms"},
        {30000, UNIT_MS, "30s"},       {86400000, UNIT_MS, "1d"},
        {86401000, UNIT_MS, "86401s"}, {3600, UNIT_S, "1h"},
        {5400, UNIT_S, "90m"},         {0, UNIT_S, "0s"},
        {4096, UNIT_BYTES, "4KiB"},    {1048576, UNIT_BYTES, "1MiB"},
        {1000, UNIT_BYTES, "1000B"},   {0, UNIT_NONE, "0"},
        {20000, UNIT_NONE, "20000"},
    };
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        char memory[32];
        struct buffer out = buffer_over(memory, sizeof(memory));
        uint64_t number = 99;
        unit_write(&out, rows[i].number, rows[i].unit);
        assert_true(text_equal(buffer_text(&out), text_of(rows[i].text)));
        assert_true(unit_read(buffer_text(&out), rows[i].unit, UINT64_MAX, &number));
        assert_int_equal(number, rows[i].number);
    }
}

static void writes_roughly(void **state) {
    static const struct {
        uint64_t seconds;
        const char *text;
    } rows[] = {{0, "0s"},     {59, "59s"},     {60, "1m"},       {3599, "59m59s"},
                {3600, "1h"},  {3660, "1h1m"},  {3605, "1h"},     {86399, "23h59m"},
                {86400, "1d"}, {93600, "1d2h"}, {2592000, "30d"}, {2592059, "30d"}};
    (void)state;
    for (size_t i = 0; i < array_count(rows); i++) {
        char memory[32];
        struct buffer out = buffer_over(memory, sizeof(memory));
        unit_write_rough(&out, rows[i].seconds);
        assert_true(text_equal(buffer_text(&out), text_of(rows[i].text)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),           cmocka_unit_test(refuses),
        cmocka_unit_test(keeps_the_limit), cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(writes_roughly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
