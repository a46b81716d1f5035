/* Claims: whatever a caller sends, the claims outside attr are those of the server. */
#include "token/claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char memory[1 << 22], written[1 << 18];
static const char *const names[] = {"iss", "iat", "nbf", "exp", "jti", "sub", "attr"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena = arena_over(memory, sizeof(memory));
    struct buffer out = buffer_over(written, sizeof(written));
    const struct json *value, *back = NULL;
    struct error error;
    if (size < 1 || size > 1 << 14)
        return 0;
    struct text sent = {(const char *)data + 1, size - 1};
    bool is_object = json_read(sent, 1, &arena, &value, &error) && json_is_object(value);
    const struct json *attributes = is_object && (data[0] & 1) == 0 ? value : NULL;
    struct claims_subject subject = {.attributes = attributes,
                                     .embed = (data[0] & 2) != 0,
                                     .pinned = is_object && (data[0] & 16) != 0 ? value : NULL,
                                     .service_attributes = is_object ? value : NULL};
    struct text *texts[] = {&subject.user_id, &subject.user_email, &subject.external_user_id};
    if (!is_object && (data[0] >> 2 & 3) < 3)
        *texts[data[0] >> 2 & 3] = sent;
    struct claims claims = {.project_part = TEXT("\"iss\":\"x\","), .subject = &subject};
    claims_write(&claims, &out);
    check(!out.overflow && json_read(buffer_text(&out), 1, &arena, &back, &error));
    size_t at = 0;
    for (struct json_iter i = json_iter(back); json_next(&i); at++) {
        at += at == 5 && text_equal(i.key, TEXT("attr")); /* no sub */
        check(at < array_count(names) && text_equal(i.key, text_of(names[at])));
    }
    check(at == array_count(names) && json_is_object(json_member(back, TEXT("attr"))));
    check(attributes == NULL || subject.embed ||
          json_equal(json_member(back, TEXT("attr")), value));
    return 0;
}
