/* Grants and projects as bytes that this version, the one before and the next one understand. */
#include "cache/record.h"

#include <msgpack.h>

enum field_type { TYPE_U64, TYPE_I64, TYPE_U32, TYPE_BOOL, TYPE_UUID, TYPE_HASH, TYPE_TEXT };

struct field {
    uint8_t key;
    enum field_type type;
    bool is_required; /* its default would give more than was meant, or name nobody */
    size_t offset;
};

#define FIELD(key, type, member) \
    { key, TYPE_##type, false, offsetof(struct record, member) }
#define REQUIRED(key, type, member) \
    { key, TYPE_##type, true, offsetof(struct record, member) }

/* Keys are never used again for something else. The kind of record is a field like the others. */
static const struct field grant_fields[] = {
    REQUIRED(0, U32, kind),
    REQUIRED(1, U64, grant.epoch),
    REQUIRED(2, U64, grant.s0),
    REQUIRED(3, I64, read_s),
    REQUIRED(4, U32, grant.kind),
    REQUIRED(5, UUID, grant.token_id),
    REQUIRED(6, UUID, grant.service_id),
    REQUIRED(7, UUID, grant.org_id),
    REQUIRED(8, HASH, grant.secret_hash),
    REQUIRED(9, I64, grant.expires_s),
    REQUIRED(10, I64, grant.revoked_s),
    FIELD(11, U32, grant.org_permissions),
    REQUIRED(12, TEXT, grant.org_name),
    FIELD(13, TEXT, grant.org_role),
    REQUIRED(14, TEXT, grant.service_name),
    REQUIRED(15, TEXT, grant.attributes),
    REQUIRED(16, TEXT, grant.policy),
    FIELD(17, TEXT, projects),
};
static const struct field project_fields[] = {
    REQUIRED(0, U32, kind),
    REQUIRED(1, U64, project.epoch),
    REQUIRED(2, U64, project.s0),
    REQUIRED(3, I64, read_s),
    REQUIRED(4, UUID, project.project.id),
    REQUIRED(5, UUID, project.project.org_id),
    REQUIRED(6, UUID, project.project.instance_id),
    REQUIRED(7, TEXT, project.project.org_name),
    REQUIRED(8, TEXT, project.project.name),
    FIELD(9, TEXT, project.project.description),
    FIELD(10, TEXT, project.project.runtime_host),
    FIELD(11, TEXT, project.project.audience),
    FIELD(12, TEXT, project.project.frontend_url),
    FIELD(13, TEXT, project.project.primary_branch),
    REQUIRED(14, U32, project.project.default_ttl_s),
    REQUIRED(15, U32, project.project.max_ttl_s),
    FIELD(16, U32, project.project.max_token_bytes),
    FIELD(17, BOOL, project.project.jwt_alg_rfc9864),
    FIELD(18, I64, project.project.created_s),
    FIELD(19, I64, project.project.updated_s),
};

_Static_assert(sizeof(enum token_kind) == sizeof(uint32_t), "kinds are read and written as U32");
_Static_assert(array_count(grant_fields) <= 32 && array_count(project_fields) <= 32,
               "fields are counted by the bits of a number");

static const struct field *fields_of(enum record_kind kind, size_t *ret_count) {
    *ret_count = kind == RECORD_GRANT ? array_count(grant_fields) : array_count(project_fields);
    return kind == RECORD_GRANT ? grant_fields : project_fields;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int out_add(void *out, const char *bytes, size_t len) {
    buffer_add(out, (struct text){bytes, len});
    return 0;
}

static void bytes_write(msgpack_packer *packer, const void *bytes, size_t len) {
    (void)msgpack_pack_bin(packer, len);
    (void)msgpack_pack_bin_body(packer, bytes, len);
}

static void field_write(msgpack_packer *packer, const struct record *record,
                        const struct field *field) {
    union {
        uint64_t u64;
        int64_t i64;
        uint32_t u32;
        bool is_set;
        struct text text;
    } value;
    const char *at = (const char *)record + field->offset;
    (void)msgpack_pack_uint8(packer, field->key);
    switch (field->type) {
    case TYPE_U64:
        memcpy(&value.u64, at, sizeof(value.u64));
        (void)msgpack_pack_uint64(packer, value.u64);
        break;
    case TYPE_I64:
        memcpy(&value.i64, at, sizeof(value.i64));
        (void)msgpack_pack_int64(packer, value.i64);
        break;
    case TYPE_U32:
        memcpy(&value.u32, at, sizeof(value.u32));
        (void)msgpack_pack_uint32(packer, value.u32);
        break;
    case TYPE_BOOL:
        memcpy(&value.is_set, at, sizeof(value.is_set));
        (void)msgpack_pack_uint8(packer, value.is_set);
        break;
    case TYPE_UUID:
        bytes_write(packer, at, UUID_BYTES);
        break;
    case TYPE_HASH:
        bytes_write(packer, at, TOKEN_HASH_BYTES);
        break;
    case TYPE_TEXT:
        memcpy(&value.text, at, sizeof(value.text));
        bytes_write(packer, value.text.at, value.text.len);
        break;
    }
}

#define PROJECT_BYTES (UUID_BYTES + 4)

/* id and permissions (big-endian) one behind the other, as the value of one field. */
static void projects_write(const struct grant *grant, msgpack_packer *packer, uint8_t key) {
    (void)msgpack_pack_uint8(packer, key);
    (void)msgpack_pack_bin(packer, grant->project_count * PROJECT_BYTES);
    for (size_t i = 0; i < grant->project_count; i++) {
        const struct grant_project *project = &grant->projects[i];
        uint32_t bits = project->permissions;
        char bytes[4] = {(char)(bits >> 24), (char)(bits >> 16), (char)(bits >> 8), (char)bits};
        (void)msgpack_pack_bin_body(packer, project->id.bytes, UUID_BYTES);
        (void)msgpack_pack_bin_body(packer, bytes, sizeof(bytes));
    }
}

void record_write(const struct record *record, struct buffer *out) {
    size_t count;
    const struct field *fields = fields_of(record->kind, &count);
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, out_add);
    (void)msgpack_pack_map(&packer, count);
    for (size_t i = 0; i < count; i++)
        if (fields[i].offset == offsetof(struct record, projects))
            projects_write(&record->grant, &packer, fields[i].key);
        else
            field_write(&packer, record, &fields[i]);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The head of a map, at most 65535 long. */
static bool map_read(struct text bytes, size_t *ret_count, size_t *ret_used) {
    const uint8_t *at = (const uint8_t *)bytes.at;
    if (bytes.len >= 1 && (at[0] & 0xF0) == 0x80) {
        *ret_count = at[0] & 0x0F;
        *ret_used = 1;
        return true;
    }
    if (bytes.len < 3 || at[0] != 0xDE)
        return false;
    *ret_count = (size_t)at[1] << 8 | at[2];
    *ret_used = 3;
    return true;
}

/* Maps, arrays and extensions by their first byte: nothing is nested here, and to look inside them
 * msgpack-c would take memory by what the bytes claim. */
static bool is_nested(uint8_t first) {
    return (first >= 0x80 && first <= 0x9F) || (first >= 0xC7 && first <= 0xC9) ||
           (first >= 0xD4 && first <= 0xD8) || (first >= 0xDC && first <= 0xDF);
}

/* The next number, text or bytes. */
static bool scalar_read(struct text bytes, size_t *used, msgpack_object *ret_object) {
    msgpack_unpacked unpacked;
    if (*used >= bytes.len || is_nested((uint8_t)bytes.at[*used]))
        return false;
    msgpack_unpacked_init(&unpacked);
    bool is_read =
        msgpack_unpack_next(&unpacked, bytes.at, bytes.len, used) == MSGPACK_UNPACK_SUCCESS;
    *ret_object = unpacked.data; /* points into `bytes` at most */
    msgpack_unpacked_destroy(&unpacked);
    return is_read;
}

static bool number_take(const msgpack_object *object, uint64_t max, void *at, size_t size) {
    if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER || object->via.u64 > max)
        return false;
    uint64_t u64 = object->via.u64;
    uint32_t u32 = (uint32_t)u64;
    bool is_set = u64 != 0;
    const void *from = size == sizeof(u64)   ? (const void *)&u64
                       : size == sizeof(u32) ? (const void *)&u32
                                             : (const void *)&is_set;
    memcpy(at, from, size);
    return true;
}

static bool bytes_take(const msgpack_object *object, void *at, size_t size) {
    if (object->type != MSGPACK_OBJECT_BIN || object->via.bin.size != size)
        return false;
    memcpy(at, object->via.bin.ptr, size);
    return true;
}

static bool text_take(const msgpack_object *object, void *at) {
    if (object->type != MSGPACK_OBJECT_BIN)
        return false;
    struct text text = {object->via.bin.ptr, object->via.bin.size};
    memcpy(at, &text, sizeof(text));
    return true;
}

static bool field_take(const struct field *field, const msgpack_object *object,
                       struct record *record) {
    char *at = (char *)record + field->offset;
    int64_t i64;
    switch (field->type) {
    case TYPE_U64:
        return number_take(object, UINT64_MAX, at, sizeof(uint64_t));
    case TYPE_I64:
        if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
            i64 = object->via.i64;
            memcpy(at, &i64, sizeof(i64));
            return true;
        }
        return number_take(object, INT64_MAX, at, sizeof(uint64_t));
    case TYPE_U32:
        return number_take(object, UINT32_MAX, at, sizeof(uint32_t));
    case TYPE_BOOL:
        return number_take(object, 1, at, sizeof(bool));
    case TYPE_UUID:
        return bytes_take(object, at, UUID_BYTES);
    case TYPE_HASH:
        return bytes_take(object, at, TOKEN_HASH_BYTES);
    case TYPE_TEXT:
        return text_take(object, at);
    }
    return false;
}

/* Reads a key and its value; false if they are no such pair, or the key stands twice. */
static bool pair_read(struct text bytes, size_t *used, struct record *record, uint32_t *seen) {
    msgpack_object key, value;
    size_t count;
    const struct field *fields = fields_of(record->kind, &count);
    if (!scalar_read(bytes, used, &key) || key.type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
        !scalar_read(bytes, used, &value))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].key != key.via.u64)
            continue;
        uint32_t bit = 1U << i;
        bool is_twice = *seen & bit;
        *seen |= bit;
        return !is_twice && field_take(&fields[i], &value, record);
    }
    return true; /* of a later version */
}

static bool is_sound_grant(const struct record *record) {
    const struct grant *grant = &record->grant;
    return grant->kind == TOKEN_SERVICE && text_is_name(grant->org_name) &&
           text_is_name(grant->service_name) && text_is_utf8(grant->org_role) &&
           text_is_utf8(grant->attributes) && text_is_utf8(grant->policy) &&
           record->projects.len % PROJECT_BYTES == 0;
}

static bool is_sound_project(const struct project *project) {
    return text_is_name(project->org_name) && text_is_name(project->name) &&
           text_is_utf8(project->description) && text_is_utf8(project->runtime_host) &&
           text_is_utf8(project->audience) && text_is_utf8(project->frontend_url) &&
           text_is_utf8(project->primary_branch);
}

bool record_read(struct text bytes, enum record_kind kind, struct record *ret_record) {
    size_t pairs, used, count;
    uint32_t seen = 0;
    const struct field *fields = fields_of(kind, &count);
    struct record record = {.kind = kind};
    if (!map_read(bytes, &pairs, &used))
        return false;
    for (size_t i = 0; i < pairs; i++)
        if (!pair_read(bytes, &used, &record, &seen) || record.kind != kind)
            return false;
    for (size_t i = 0; i < count; i++)
        if (fields[i].is_required && !(seen & 1U << i))
            return false;
    if (used != bytes.len || !(kind == RECORD_GRANT ? is_sound_grant(&record)
                                                    : is_sound_project(&record.project.project)))
        return false;
    if (kind == RECORD_GRANT)
        record.grant.project_count = record.projects.len / PROJECT_BYTES;
    *ret_record = record;
    return true;
}

struct grant *record_grant(const struct record *record) {
    const uint8_t *at = (const uint8_t *)record->projects.at;
    check(record->kind == RECORD_GRANT && record->grant.projects == NULL);
    struct grant *grant = grant_copy(&record->grant);
    if (grant == NULL)
        return NULL;
    for (size_t i = 0; i < grant->project_count; i++, at += PROJECT_BYTES) {
        struct grant_project *project = &grant->projects[i];
        const uint8_t *bits = at + UUID_BYTES;
        memcpy(project->id.bytes, at, UUID_BYTES);
        project->permissions =
            (uint32_t)bits[0] << 24 | (uint32_t)bits[1] << 16 | (uint32_t)bits[2] << 8 | bits[3];
    }
    return grant;
}
