/* "Did you mean …?": what is near enough, and what is not. */
#include "base/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* What is suggested for a typed word among some flags, as it is written. */
static const char *suggested(const char *typed) {
    static const char *const words[] = {"org", "org-role", "project", "attributes", "ttl", "url"};
    static char memory[80];
    struct buffer out = buffer_over(memory, sizeof(memory));
    struct suggestion suggestion = suggest_for(text_of(typed));
    for (size_t i = 0; i < array_count(words); i++)
        suggest_try(&suggestion, text_of(words[i]));
    suggest_write(&suggestion, "--", &out);
    buffer_byte(&out, '\0');
    return memory;
}

static void finds_the_near(void **state) {
    (void)state;
    assert_string_equal(suggested("orgg"), "; did you mean --org?");
    assert_string_equal(suggested("og"), "; did you mean --org?");
    assert_string_equal(suggested("rog"), "; did you mean --org?");
    assert_string_equal(suggested("orgrole"), "; did you mean --org-role?");
    assert_string_equal(suggested("projcet"), "; did you mean --project?");
    assert_string_equal(suggested("atributtes"), "; did you mean --attributes?");
    assert_string_equal(suggested("tttl"), "; did you mean --ttl?");
    assert_string_equal(suggested("ttl"), "; did you mean --ttl?");
}

static void keeps_quiet_about_the_far(void **state) {
    (void)state;
    assert_string_equal(suggested(""), "");
    assert_string_equal(suggested("x"), "");
    assert_string_equal(suggested("verbose"), "");
    assert_string_equal(suggested("gro"), "");
    assert_string_equal(suggested("a-word-that-is-longer-than-any-name-in-a-table"), "");
}

static void never_suggests_a_long_word(void **state) {
    struct suggestion suggestion = suggest_for(TEXT("a234567890123456789012345678901234567890"));
    (void)state;
    suggest_try(&suggestion, TEXT("a2345678901234567890123456789012345678901"));
    assert_null(suggestion.best.at);
    suggest_try(&suggestion, TEXT("b234567890123456789012345678901234567890"));
    assert_int_equal(suggestion.best_distance, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_near),
        cmocka_unit_test(keeps_quiet_about_the_far),
        cmocka_unit_test(never_suggests_a_long_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
