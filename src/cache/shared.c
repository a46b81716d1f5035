/* L2: the names and values under which grants and projects are kept in Redis, sealed. */
#include "cache/shared.h"

#include <stdlib.h>

bool shared_open(struct shared *shared, const struct shared_options *options) {
    check(options->prefix.len <= SHARED_PREFIX_BYTES && options->ttl_s > 0);
    *shared = (struct shared){.options = *options,
                              .plain = malloc(SHARED_VALUE_BYTES),
                              .sealed = malloc(SHARED_VALUE_BYTES)};
    return shared->plain != NULL && shared->sealed != NULL;
}

void shared_close(struct shared *shared) {
    free(shared->plain);
    free(shared->sealed);
    shared->plain = shared->sealed = NULL;
}

/* ---- names ----------------------------------------------------------------------------------- */

static struct buffer key_begin(const struct shared *shared, const char *kind, const struct uuid *id,
                               struct shared_key *key) {
    struct buffer out = buffer_over(key->at, sizeof(key->at));
    buffer_add(&out, shared->options.prefix);
    buffer_put(&out, kind);
    buffer_uuid(&out, id);
    return out;
}

static void key_end(const struct buffer *out, struct shared_key *ret_key) {
    check(!out->overflow);
    ret_key->len = out->len;
}

void shared_key_of_grant(const struct shared *shared, const struct uuid *token_id,
                         struct shared_key *ret_key) {
    struct buffer out = key_begin(shared, "g:", token_id, ret_key);
    key_end(&out, ret_key);
}

void shared_key_of_project(const struct shared *shared, const struct uuid *org_id,
                           struct text project, struct shared_key *ret_key) {
    struct buffer out = key_begin(shared, "p:", org_id, ret_key);
    check(project.len <= NAME_BYTES_MAX);
    buffer_byte(&out, ':');
    for (size_t i = 0; i < project.len; i++) {
        char byte = project.at[i];
        buffer_byte(&out, byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte);
    }
    key_end(&out, ret_key);
}

bool shared_key_read(const struct shared *shared, struct text key, struct shared_name *ret_name) {
    size_t head = shared->options.prefix.len + 2;
    struct shared_name name = {0};
    if (!text_starts(key, shared->options.prefix) || key.len < head + UUID_TEXT_BYTES)
        return false;
    struct text kind = {key.at + head - 2, 2};
    struct text rest = {key.at + head + UUID_TEXT_BYTES, key.len - head - UUID_TEXT_BYTES};
    if (!text_uuid((struct text){key.at + head, UUID_TEXT_BYTES}, &name.id))
        return false;
    name.is_project = text_equal(kind, TEXT("p:"));
    if (name.is_project) {
        if (rest.len < 2 || rest.at[0] != ':' || rest.len - 1 > NAME_BYTES_MAX)
            return false;
        name.project = (struct text){rest.at + 1, rest.len - 1};
    } else if (!text_equal(kind, TEXT("g:")) || rest.len > 0) {
        return false;
    }
    *ret_name = name;
    return true;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* What a value is bound to: the version, the epoch (big-endian) and the key. */
struct binding {
    size_t len;
    char at[1 + 8 + SHARED_KEY_BYTES];
};

static struct seal seal_for(const struct shared *shared, uint8_t format, uint64_t epoch,
                            const struct shared_key *key, struct binding *binding) {
    binding->at[0] = (char)format;
    for (unsigned i = 0; i < 8; i++)
        binding->at[1 + i] = (char)(epoch >> (56 - 8 * i));
    memcpy(binding->at + 9, key->at, key->len);
    binding->len = 9 + key->len;
    return (struct seal){shared->options.master, SEAL_CACHE, {binding->at, binding->len}};
}

static struct text record_seal(struct shared *shared, const struct shared_key *key, uint64_t epoch,
                               const struct record *record) {
    struct binding binding;
    struct buffer out = buffer_over((char *)shared->plain, SHARED_VALUE_BYTES - SEAL_BYTES - 1);
    record_write(record, &out);
    if (out.overflow)
        return (struct text){0};
    struct seal seal = seal_for(shared, SHARED_FORMAT, epoch, key, &binding);
    shared->sealed[0] = SHARED_FORMAT;
    seal_close(&seal, shared->options.random, shared->plain, out.len, shared->sealed + 1);
    return (struct text){(const char *)shared->sealed, out.len + SEAL_BYTES + 1};
}

struct text shared_seal_grant(struct shared *shared, const struct shared_key *key,
                              const struct grant *grant, int64_t now_s) {
    struct record record = {.kind = RECORD_GRANT, .read_s = now_s, .grant = *grant};
    return record_seal(shared, key, grant->epoch, &record);
}

struct text shared_seal_project(struct shared *shared, const struct shared_key *key,
                                const struct project_record *project, int64_t now_s) {
    struct record record = {.kind = RECORD_PROJECT, .read_s = now_s, .project = *project};
    return record_seal(shared, key, project->epoch, &record);
}

uint32_t shared_ttl_s(const struct shared *shared) {
    uint32_t ttl_s = shared->options.ttl_s, random;
    random_bytes(shared->options.random, &random, sizeof(random));
    return ttl_s - random % (ttl_s / 4 + 1);
}

static bool is_of_age(const struct shared *shared, int64_t read_s, int64_t now_s) {
    return read_s >= now_s - (int64_t)shared->options.ttl_s - SHARED_SKEW_S &&
           read_s <= now_s + SHARED_SKEW_S;
}

/* The record points into shared->plain. */
static bool record_unseal(struct shared *shared, const struct shared_key *key, struct text value,
                          uint64_t epoch, int64_t now_s, enum record_kind kind,
                          struct record *ret_record) {
    struct binding binding;
    const uint8_t *bytes = (const uint8_t *)value.at;
    if (value.len <= 1 + SEAL_BYTES || value.len > SHARED_VALUE_BYTES ||
        abs(bytes[0] - SHARED_FORMAT) > 1)
        return false;
    struct seal seal = seal_for(shared, bytes[0], epoch, key, &binding);
    if (!seal_open(&seal, bytes + 1, value.len - 1, shared->plain))
        return false;
    struct text plain = {(const char *)shared->plain, value.len - 1 - SEAL_BYTES};
    return record_read(plain, kind, ret_record) && is_of_age(shared, ret_record->read_s, now_s);
}

bool shared_unseal_grant(struct shared *shared, const struct shared_key *key, struct text value,
                         uint64_t epoch, int64_t now_s, struct grant **ret_grant) {
    struct record record;
    struct shared_name name;
    if (!record_unseal(shared, key, value, epoch, now_s, RECORD_GRANT, &record) ||
        !shared_key_read(shared, (struct text){key->at, key->len}, &name) ||
        !uuid_equal(&record.grant.token_id, &name.id) || record.grant.epoch != epoch)
        return false;
    struct grant *grant = record_grant(&record);
    if (grant == NULL)
        return false;
    *ret_grant = grant;
    return true;
}

bool shared_unseal_project(struct shared *shared, const struct shared_key *key, struct text value,
                           uint64_t epoch, int64_t now_s, struct project_record **ret_record) {
    struct record record;
    struct shared_name name;
    if (!record_unseal(shared, key, value, epoch, now_s, RECORD_PROJECT, &record) ||
        !shared_key_read(shared, (struct text){key->at, key->len}, &name) ||
        !uuid_equal(&record.project.project.org_id, &name.id) ||
        !text_equal_nocase(record.project.project.name, name.project) ||
        record.project.epoch != epoch)
        return false;
    struct project_record *project = project_record_copy(&record.project);
    if (project == NULL)
        return false;
    *ret_record = project;
    return true;
}
