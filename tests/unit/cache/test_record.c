/* Records: what is written is read, by earlier and later versions too, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache/record.h"
#include "entries.h"

static char memory[65536];

static struct grant_project two_projects[2];

static struct record grant_record(void) {
    struct record record = {
        .kind = RECORD_GRANT,
        .read_s = 1790000000,
        .grant = {.epoch = UINT64_MAX,
                  .s0 = 1234567890123,
                  .kind = TOKEN_SERVICE,
                  .token_id = id_of(1),
                  .service_id = id_of(2),
                  .org_id = id_of(3),
                  .secret_hash = {1, 2, 3, 0xFF},
                  .expires_s = 1800000000,
                  .org_permissions = 0xC0000001,
                  .org_name = TEXT("acme"),
                  .org_role = TEXT("issuer"),
                  .service_name = TEXT("gateway"),
                  .attributes = TEXT("{\"a\":[1.0,\"\\u00e4\"]}"),
                  .policy = TEXT("{}"),
                  .project_count = 2,
                  .projects = two_projects},
    };
    two_projects[0] = (struct grant_project){id_of(7), 0x80000001};
    two_projects[1] = (struct grant_project){id_of(8), 32};
    return record;
}

static struct record project_record(void) {
    return (struct record){
        .kind = RECORD_PROJECT,
        .read_s = -5,
        .project = {.epoch = 7,
                    .s0 = 9,
                    .project = {.id = id_of(4),
                                .org_id = id_of(3),
                                .instance_id = id_of(5),
                                .org_name = TEXT("acme"),
                                .name = TEXT("Shop"),
                                .description = TEXT("of \xC3\xA4"),
                                .runtime_host = TEXT("https://host.example"),
                                .audience = TEXT("a"),
                                .frontend_url = TEXT("https://ui.example"),
                                .primary_branch = TEXT("main"),
                                .default_ttl_s = 60,
                                .max_ttl_s = UINT32_MAX,
                                .max_token_bytes = 4096,
                                .jwt_alg_rfc9864 = true,
                                .created_s = 1,
                                .updated_s = 2}},
    };
}

static struct text written(const struct record *record) {
    struct buffer out = buffer_over(memory, sizeof(memory));
    record_write(record, &out);
    assert_false(out.overflow);
    return buffer_text(&out);
}

static void assert_text(struct text is, struct text wanted) {
    assert_int_equal(is.len, wanted.len);
    if (is.len > 0)
        assert_memory_equal(is.at, wanted.at, is.len);
}

static void test_grant(void **state) {
    struct record record = grant_record(), read;
    (void)state;
    assert_true(record_read(written(&record), RECORD_GRANT, &read));
    struct grant *grant = record_grant(&read);
    memset(memory, 0, sizeof(memory)); /* the block stands for itself */
    assert_non_null(grant);
    assert_int_equal(read.read_s, record.read_s);
    assert_true(grant->epoch == record.grant.epoch && grant->s0 == record.grant.s0);
    assert_int_equal(grant->kind, TOKEN_SERVICE);
    assert_memory_equal(&grant->token_id, &record.grant.token_id, UUID_BYTES);
    assert_memory_equal(&grant->service_id, &record.grant.service_id, UUID_BYTES);
    assert_memory_equal(&grant->org_id, &record.grant.org_id, UUID_BYTES);
    assert_memory_equal(grant->secret_hash, record.grant.secret_hash, TOKEN_HASH_BYTES);
    assert_int_equal(grant->expires_s, 1800000000);
    assert_int_equal(grant->revoked_s, 0);
    assert_int_equal(grant->org_permissions, 0xC0000001);
    assert_text(grant->org_name, TEXT("acme"));
    assert_text(grant->org_role, TEXT("issuer"));
    assert_text(grant->service_name, TEXT("gateway"));
    assert_text(grant->attributes, TEXT("{\"a\":[1.0,\"\\u00e4\"]}"));
    assert_text(grant->policy, TEXT("{}"));
    assert_int_equal(grant->project_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_memory_equal(&grant->projects[i].id, &two_projects[i].id, UUID_BYTES);
        assert_int_equal(grant->projects[i].permissions, two_projects[i].permissions);
    }
    free(grant);
}

static void test_project(void **state) {
    struct record record = project_record(), read;
    (void)state;
    assert_true(record_read(written(&record), RECORD_PROJECT, &read));
    const struct project *is = &read.project.project, *wanted = &record.project.project;
    assert_int_equal(read.read_s, -5);
    assert_true(read.project.epoch == 7 && read.project.s0 == 9);
    assert_memory_equal(&is->id, &wanted->id, UUID_BYTES);
    assert_memory_equal(&is->org_id, &wanted->org_id, UUID_BYTES);
    assert_memory_equal(&is->instance_id, &wanted->instance_id, UUID_BYTES);
    assert_text(is->org_name, wanted->org_name);
    assert_text(is->name, wanted->name);
    assert_text(is->description, wanted->description);
    assert_text(is->runtime_host, wanted->runtime_host);
    assert_text(is->audience, wanted->audience);
    assert_text(is->frontend_url, wanted->frontend_url);
    assert_text(is->primary_branch, wanted->primary_branch);
    assert_int_equal(is->default_ttl_s, 60);
    assert_int_equal(is->max_ttl_s, UINT32_MAX);
    assert_int_equal(is->max_token_bytes, 4096);
    assert_true(is->jwt_alg_rfc9864);
    assert_true(is->created_s == 1 && is->updated_s == 2);
}

static void test_kinds_apart(void **state) {
    struct record grant = grant_record(), project = project_record(), read;
    (void)state;
    assert_false(record_read(written(&grant), RECORD_PROJECT, &read));
    assert_false(record_read(written(&project), RECORD_GRANT, &read));
    grant.grant.kind = TOKEN_OPERATOR; /* those are not shared */
    assert_false(record_read(written(&grant), RECORD_GRANT, &read));
}

static void test_no_room(void **state) {
    struct record record = grant_record();
    size_t len = written(&record).len;
    (void)state;
    for (size_t size = 0; size < len; size++) {
        struct buffer out = buffer_over(memory, size);
        record_write(&record, &out);
        assert_true(out.overflow);
    }
}

static void test_cut_off(void **state) {
    struct record record = grant_record(), read;
    struct text whole = written(&record);
    (void)state;
    for (size_t len = 0; len < whole.len; len++) {
        char *exact = malloc(len + !len); /* so that a sanitizer sees a look beyond it */
        memcpy(exact, whole.at, len);
        assert_false(record_read((struct text){exact, len}, RECORD_GRANT, &read));
        free(exact);
    }
    memory[whole.len] = 1;
    assert_false(record_read((struct text){memory, whole.len + 1}, RECORD_GRANT, &read));
}

/* A record with more pairs at its end. The map of a grant has 18 and a head of 3 bytes. */
static struct text with_more(struct text pairs, unsigned count) {
    struct record record = grant_record();
    struct text whole = written(&record);
    assert_int_equal((unsigned char)memory[0], 0xDE);
    memmove(memory + whole.len, pairs.at, pairs.len);
    memory[2] = (char)((unsigned char)memory[2] + count);
    return (struct text){memory, whole.len + pairs.len};
}

static void test_later_version(void **state) {
    struct record read;
    (void)state;
    /* 100: "hi", 0x1234: -1, 101: true, 102: 1.0, 103: bytes, 104: nil */
    assert_true(record_read(with_more(TEXT("\x64\xa2hi\xcd\x12\x34\xff\x65\xc3"
                                           "\x66\xcb\x3f\xf0\0\0\0\0\0\0\x67\xc4\x01x\x68\xc0"),
                                      6),
                            RECORD_GRANT, &read));
    assert_true(uuid_equal(&read.grant.token_id, &(struct uuid){{1}}));
}

static void test_no_record(void **state) {
    struct record read;
    (void)state;
    static const struct {
        struct text pairs;
        unsigned count;
    } bad[] = {
        {TEXT_INIT("\x64\x91\x01"), 1},             /* an array */
        {TEXT_INIT("\x64\x81\x01\x01"), 1},         /* a map */
        {TEXT_INIT("\x64\xdd\xff\xff\xff\xff"), 1}, /* an array without end */
        {TEXT_INIT("\x64\xdf\xff\xff\xff\xff"), 1},
        {TEXT_INIT("\x64\xd4\x01\x01"), 1}, /* an extension */
        {TEXT_INIT("\x64\xc7\x01\x01\x01"), 1},
        {TEXT_INIT("\x64\xc6\xff\xff\xff\xff"), 1}, /* bytes that are not there */
        {TEXT_INIT("\x64\xc1"), 1},                 /* what MessagePack never uses */
        {TEXT_INIT("\xa1k\x01"), 1},                /* a key that is a text */
        {TEXT_INIT("\xff\x01"), 1},                 /* or negative */
        {TEXT_INIT("\x0b\x01"), 1},                 /* a key twice */
        {TEXT_INIT("\x64\x01"), 2},                 /* fewer than said */
        {TEXT_INIT("\x64\x01"), 0},                 /* more */
    };
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(record_read(with_more(bad[i].pairs, bad[i].count), RECORD_GRANT, &read));
    assert_false(record_read(TEXT("\x80"), RECORD_GRANT, &read));
    assert_false(record_read(TEXT("\x81\x00\x01"), RECORD_GRANT, &read));
    assert_false(record_read(TEXT("\xdf\0\0\0\x01\x00\x01"), RECORD_GRANT, &read));
}

static void test_unsound(void **state) {
    struct record read;
    (void)state;
    struct record records[] = {grant_record(), grant_record(), grant_record(), project_record(),
                               project_record()};
    records[0].grant.org_name = TEXT("no name");
    records[1].grant.service_name = TEXT("");
    records[2].grant.attributes = TEXT("\xff");
    records[3].project.project.name = TEXT("a/b/c");
    records[4].project.project.audience = TEXT("\xc0\x80");
    for (size_t i = 0; i < array_count(records); i++)
        assert_false(record_read(written(&records[i]), records[i].kind, &read));
}

/* What every version must be able to read, as this one first wrote it. */
static void test_format_stands(void **state) {
    struct record record = project_record();
    char hex[1024];
    (void)state;
    struct buffer out = buffer_over(hex, sizeof(hex) - 1);
    struct text bytes = written(&record);
    buffer_hex(&out, (const uint8_t *)bytes.at, bytes.len);
    hex[out.len] = '\0';
    assert_string_equal(hex,
                        "de001400020107020903fb04c4100400000000000000000000000000000005c4100300"
                        "000000000000000000000000000006c4100500000000000000000000000000000007c4"
                        "0461636d6508c40453686f7009c4056f6620c3a40ac41468747470733a2f2f686f7374"
                        "2e6578616d706c650bc401610cc41268747470733a2f2f75692e6578616d706c650dc4"
                        "046d61696e0e3c0fceffffffff10cd1000110112011302");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grant),         cmocka_unit_test(test_project),
        cmocka_unit_test(test_kinds_apart),   cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_cut_off),       cmocka_unit_test(test_later_version),
        cmocka_unit_test(test_no_record),     cmocka_unit_test(test_unsound),
        cmocka_unit_test(test_format_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
