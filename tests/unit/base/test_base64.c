/* base64url: RFC 4648's vectors, every length, and all that no encoder makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"

/* RFC 4648 §10, without padding. */
static const struct {
    const char *bytes;
    const char *chars;
} vectors[] = {{"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
               {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};

static void test_vectors(void **state) {
    (void)state;
    for (size_t i = 0; i < array_count(vectors); i++) {
        char memory[16];
        struct text bytes = text_of(vectors[i].bytes), chars = text_of(vectors[i].chars);
        struct buffer out = buffer_over(memory, chars.len); /* it fits exactly */
        size_t len;
        buffer_base64(&out, bytes.at, bytes.len);
        assert_false(out.overflow);
        assert_true(text_equal(buffer_text(&out), chars));
        assert_true(base64_read(chars, memory, bytes.len, &len));
        assert_int_equal(len, bytes.len);
        assert_memory_equal(memory, bytes.at, len);
    }
}

/* The two digits in which base64url differs from base64 (RFC 4648 §5). */
static void test_alphabet(void **state) {
    (void)state;
    char chars[4];
    assert_int_equal(base64_write(chars, "\xFB\xEF\xFF", 3), 4);
    assert_memory_equal(chars, "--__", 4);
}

static void test_every_length_comes_back(void **state) {
    (void)state;
    uint8_t bytes[200], back[200];
    char chars[BASE64_LEN(sizeof(bytes))];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 151 + 13);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        size_t count = base64_write(chars, bytes, len), back_len;
        assert_int_equal(count, BASE64_LEN(len));
        assert_int_equal(BASE64_BYTES(count), len);
        assert_true(base64_read((struct text){chars, count}, back, len, &back_len));
        assert_int_equal(back_len, len);
        assert_memory_equal(back, bytes, len);
    }
}

static void test_what_no_encoder_makes_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"Z",      "Zm9vY", "Zg==", "Zm+v", "Zm/v",      "Zm 9v",
                                      "Zm9v\n", "Zh",    "Zm9",  "Zm9=", "\xC3\xA9gg"};
    char bytes[16];
    size_t len = 7;
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(base64_read(text_of(bad[i]), bytes, sizeof(bytes), &len));
    assert_int_equal(len, 7);
}

static void test_only_the_alphabet_is_read(void **state) {
    (void)state;
    unsigned good = 0;
    for (unsigned byte = 0; byte < 256; byte++) {
        char chars[4] = {'A', 'A', 'A', (char)byte}, bytes[3];
        size_t len;
        good += base64_read((struct text){chars, 4}, bytes, sizeof(bytes), &len);
    }
    assert_int_equal(good, 64);
}

static void test_too_little_room_is_refused(void **state) {
    (void)state;
    char bytes[5];
    size_t len;
    assert_false(base64_read(TEXT("Zm9vYmFy"), bytes, sizeof(bytes), &len));
    struct buffer out = buffer_over(bytes, sizeof(bytes));
    buffer_base64(&out, "foob", 4);
    assert_true(out.overflow && out.len == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_alphabet),
        cmocka_unit_test(test_every_length_comes_back),
        cmocka_unit_test(test_what_no_encoder_makes_is_refused),
        cmocka_unit_test(test_only_the_alphabet_is_read),
        cmocka_unit_test(test_too_little_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
