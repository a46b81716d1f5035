/* Writing answers: commas, times, and pages with the token for the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "asked.h"
#include "server/answer.h"

static void assert_text(struct text text, const char *expected) {
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.at, expected, text.len);
}

static void test_members(void **state) {
    char memory[1024];
    struct buffer out = buffer_over(memory, sizeof(memory));
    struct uuid id = {{0x12, 0x34}};
    (void)state;
    buffer_byte(&out, '{');
    answer_text(&out, "a", TEXT("x\"y"));
    answer_uuid(&out, "b", &id);
    answer_number(&out, "c", UINT64_MAX);
    answer_bool(&out, "d", true);
    answer_bool(&out, "e", false);
    answer_time(&out, "f", 0);
    answer_time(&out, "g", 1700000000);
    answer_raw(&out, "h", TEXT("["));
    answer_text(&out, NULL, TEXT("1"));
    answer_text(&out, NULL, TEXT(""));
    buffer_byte(&out, ']');
    answer_raw(&out, "i", TEXT("{"));
    answer_bool(&out, "j", true);
    buffer_put(&out, "}}");
    assert_text(buffer_text(&out),
                "{\"a\":\"x\\\"y\",\"b\":\"12340000-0000-0000-0000-000000000000\","
                "\"c\":18446744073709551615,\"d\":true,\"e\":false,\"f\":null,"
                "\"g\":\"2023-11-14T22:13:20Z\",\"h\":[\"1\",\"\"],\"i\":{\"j\":true}}");
}

/* At the very start there is nothing to set a comma behind. */
static void test_first(void **state) {
    char memory[64];
    struct buffer out = buffer_over(memory, sizeof(memory));
    (void)state;
    answer_number(&out, "a", 1);
    assert_text(buffer_text(&out), "\"a\":1");
}

static void test_room(void **state) {
    const struct text texts[] = {TEXT_INIT("\1\2\3"), TEXT_INIT(""), TEXT_INIT("abc")};
    (void)state;
    assert_int_equal(answer_room(texts, 3), ANSWER_ROW_BYTES + 36);
    assert_int_equal(answer_room(texts, 0), ANSWER_ROW_BYTES);
}

static void test_empty(void **state) {
    struct asked *asked = *state;
    assert_true(answer_empty(asked->request));
    assert_text(asked_out(asked), "{}");
}

/* ---- pages ----------------------------------------------------------------------------------- */

static const struct text names[] = {TEXT_INIT("alpha"), TEXT_INIT("beta"), TEXT_INIT("gamma"),
                                    TEXT_INIT("delta")};

/* A list of so many rows, as a handler writes it. */
static bool list(struct asked *asked, struct page *page, size_t count) {
    if (!page_open(page, asked->request) || !page_begin(page, "rows"))
        return false;
    for (size_t i = 0; i < count && page_takes(page, names[i]); i++)
        answer_text(request_out(asked->request, ANSWER_ROW_BYTES), NULL, names[i]);
    return page_end(page);
}

static void assert_page(struct asked *asked, uint32_t size, size_t count, const char *expected) {
    struct page page;
    asked_reset(asked);
    asked->request->page_size = size;
    assert_true(list(asked, &page, count));
    assert_text(asked_out(asked), expected);
}

static void test_pages(void **state) {
    assert_page(*state, 2, 0, "{\"rows\":[],\"nextPageToken\":\"\"}");
    assert_page(*state, 2, 1, "{\"rows\":[\"alpha\"],\"nextPageToken\":\"\"}");
    assert_page(*state, 2, 2, "{\"rows\":[\"alpha\",\"beta\"],\"nextPageToken\":\"\"}");
    assert_page(*state, 2, 3, "{\"rows\":[\"alpha\",\"beta\"],\"nextPageToken\":\"YmV0YQ\"}");
    assert_page(*state, 0, 4,
                "{\"rows\":[\"alpha\",\"beta\",\"gamma\",\"delta\"],\"nextPageToken\":\"\"}");
}

static void test_page_size(void **state) {
    struct asked *asked = *state;
    struct page page;
    asked->request->page_size = 0;
    assert_true(page_open(&page, asked->request));
    assert_int_equal(page.limit, PAGE_SIZE_DEFAULT);
    asked->request->page_size = 1000;
    assert_true(page_open(&page, asked->request));
    assert_int_equal(page.limit, 1000);
}

/* The token of one page is where the next begins. */
static void test_page_token(void **state) {
    struct asked *asked = *state;
    struct page page;
    assert_true(page_open(&page, asked->request));
    assert_int_equal(page.after.len, 0);
    asked->request->page_token = TEXT("YmV0YQ");
    assert_true(page_open(&page, asked->request));
    assert_text(page.after, "beta");
    static const char *const bad[] = {
        "YmV0YQ==", "!",      "YQ",
        "L2V0Yw",   "YmV0YR", "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ"};
    for (size_t i = 0; i < array_count(bad); i++) {
        asked_reset(asked);
        asked->request->page_token = text_of(bad[i]);
        assert_false(page_open(&page, asked->request));
        assert_int_equal(asked->request->work_error.code, ERROR_QUERY_VALUE);
        assert_string_equal(asked->request->work_error.subject, "page_token");
    }
}

/* A row that failed makes the whole list fail, though the list itself came to its end. */
static void test_page_with_an_error(void **state) {
    struct asked *asked = *state;
    struct page page;
    assert_true(page_open(&page, asked->request));
    assert_true(page_begin(&page, "rows"));
    (void)error_set(&asked->request->work_error, ERROR_OVERLOADED, "memory");
    assert_false(page_end(&page));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, asked_setup, asked_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_room),
        TEST(test_empty),
        TEST(test_pages),
        TEST(test_page_size),
        TEST(test_page_token),
        TEST(test_page_with_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
