/* Records of the shared cache, as they are once their seal is open: what is read is written
 * back and means the same. */
#include <stdlib.h>

#include "cache/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char memory[1 << 18];

static void record_try(struct text bytes, enum record_kind kind) {
    struct record record, again;
    struct buffer out = buffer_over(memory, sizeof(memory));
    if (!record_read(bytes, kind, &record))
        return;
    if (kind == RECORD_GRANT) {
        struct grant *grant = record_grant(&record);
        check(grant != NULL);
        record.grant = *grant;
        record_write(&record, &out);
        check(record_read(buffer_text(&out), kind, &again));
        check(again.projects.len == record.projects.len &&
              text_equal(again.grant.policy, record.grant.policy));
        free(grant);
    } else {
        record_write(&record, &out);
        check(record_read(buffer_text(&out), kind, &again) && again.read_s == record.read_s);
        check(text_equal(again.project.project.name, record.project.project.name));
    }
    check(!out.overflow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct text bytes = {(const char *)data, size};
    record_try(bytes, RECORD_GRANT);
    record_try(bytes, RECORD_PROJECT);
    return 0;
}
