/* L2's names and values: what is sealed opens for the same key, epoch and master key alone; forged,
 * mutated, moved and replayed entries are refused. CACHE_FORGERIES: how many of each (10000). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache/shared.h"
#include "entries.h"

#define NOW_S 1790000000
#define TTL_S 3600
#define EPOCH 77
#define PREFIX "mintd:"
#define MASTER "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER_MASTER "100102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

struct part {
    struct random random;
    struct master_key *master, *other_master;
    struct shared shared, other;
};

static int setup(void **state) {
    struct part *part = calloc(1, sizeof(*part));
    struct error error;
    check(part != NULL && token_start() && random_open(&part->random));
    check(master_key_read_text(TEXT(MASTER), &part->master, &error));
    check(master_key_read_text(TEXT(OTHER_MASTER), &part->other_master, &error));
    struct shared_options options = {TEXT(PREFIX), part->master, &part->random, TTL_S};
    check(shared_open(&part->shared, &options));
    options.master = part->other_master;
    check(shared_open(&part->other, &options));
    *state = part;
    return 0;
}

static int teardown(void **state) {
    struct part *part = *state;
    shared_close(&part->shared);
    shared_close(&part->other);
    master_key_close(part->master);
    master_key_close(part->other_master);
    random_close(&part->random);
    free(part);
    return 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

static struct text key_text(const struct shared_key *key) {
    return (struct text){key->at, key->len};
}

static void test_names(void **state) {
    struct part *part = *state;
    struct uuid id = id_of(0x04030201);
    struct shared_key key;
    struct shared_name name;
    shared_key_of_grant(&part->shared, &id, &key);
    assert_true(text_equal(key_text(&key), TEXT(PREFIX "g:01020304-0000-0000-0000-000000000000")));
    assert_true(shared_key_read(&part->shared, key_text(&key), &name));
    assert_true(!name.is_project && uuid_equal(&name.id, &id));
    shared_key_of_project(&part->shared, &id, TEXT("My_Shop-9"), &key);
    assert_true(text_equal(key_text(&key),
                           TEXT(PREFIX "p:01020304-0000-0000-0000-000000000000:my_shop-9")));
    assert_true(shared_key_read(&part->shared, key_text(&key), &name));
    assert_true(name.is_project && uuid_equal(&name.id, &id) &&
                text_equal(name.project, TEXT("my_shop-9")));
}

static void test_no_names(void **state) {
    struct part *part = *state;
#define ID "01020304-0000-0000-0000-000000000000"
    static const char *const bad[] = {
        "",
        PREFIX,
        PREFIX "g:",
        "other:g:" ID,
        PREFIX "q:" ID,
        PREFIX "g:" ID "x",
        PREFIX "g:" ID ":shop",
        PREFIX "p:" ID,
        PREFIX "p:" ID ":",
        PREFIX "p:" ID "/shop",
        PREFIX "g:0102030400000000-0000-0000-000000000000",
        PREFIX "p:" ID ":12345678901234567890123456789012345678901",
    };
    struct shared_name name;
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(shared_key_read(&part->shared, text_of(bad[i]), &name));
}

/* ---- values ---------------------------------------------------------------------------------- */

/* An entry as Redis holds it: of the token with the number, or of the project "shop" of the org. */
struct entry {
    struct shared_key key;
    size_t len;
    char value[512];
};

static struct grant grant_of(uint32_t number, uint64_t epoch, uint64_t s0) {
    return (struct grant){.epoch = epoch,
                          .s0 = s0,
                          .kind = TOKEN_SERVICE,
                          .token_id = id_of(number),
                          .service_id = id_of(number + 1000),
                          .org_id = id_of(5),
                          .org_name = TEXT("acme"),
                          .service_name = TEXT("gateway"),
                          .attributes = TEXT("{}"),
                          .policy = TEXT("{}")};
}

static struct entry grant_entry(struct shared *shared, uint32_t number, uint64_t epoch, uint64_t s0,
                                int64_t read_s) {
    struct entry entry;
    struct grant grant = grant_of(number, epoch, s0);
    shared_key_of_grant(shared, &grant.token_id, &entry.key);
    struct text value = shared_seal_grant(shared, &entry.key, &grant, read_s);
    assert_true(value.len > 0 && value.len <= sizeof(entry.value));
    memcpy(entry.value, value.at, value.len);
    entry.len = value.len;
    return entry;
}

static struct entry project_entry(struct shared *shared, uint32_t org) {
    struct entry entry;
    struct project_record *record = record_make(org, "shop");
    record->epoch = EPOCH;
    shared_key_of_project(shared, &record->project.org_id, record->project.name, &entry.key);
    struct text value = shared_seal_project(shared, &entry.key, record, NOW_S);
    assert_true(value.len > 0 && value.len <= sizeof(entry.value));
    memcpy(entry.value, value.at, value.len);
    entry.len = value.len;
    free(record);
    return entry;
}

static struct text value_of(const struct entry *entry) {
    return (struct text){entry->value, entry->len};
}

static bool opens(struct shared *shared, const struct shared_key *key, struct text value,
                  uint64_t epoch, int64_t now_s) {
    struct grant *grant;
    bool is_open = shared_unseal_grant(shared, key, value, epoch, now_s, &grant);
    if (is_open)
        free(grant);
    return is_open;
}

static bool opens_project(struct shared *shared, const struct shared_key *key, struct text value) {
    struct project_record *record;
    bool is_open = shared_unseal_project(shared, key, value, EPOCH, NOW_S, &record);
    if (is_open)
        free(record);
    return is_open;
}

static void test_round(void **state) {
    struct part *part = *state;
    struct entry entry = grant_entry(&part->shared, 1, EPOCH, 123, NOW_S);
    struct grant *grant;
    assert_true(
        shared_unseal_grant(&part->shared, &entry.key, value_of(&entry), EPOCH, NOW_S, &grant));
    assert_int_equal(grant->s0, 123);
    assert_true(text_equal(grant->service_name, TEXT("gateway")));
    free(grant);
    struct entry again = grant_entry(&part->shared, 1, EPOCH, 123, NOW_S);
    assert_memory_not_equal(entry.value + 1, again.value + 1, 24); /* a nonce of its own */
    struct entry project = project_entry(&part->shared, 3);
    struct project_record *record;
    assert_true(shared_unseal_project(&part->shared, &project.key, value_of(&project), EPOCH, NOW_S,
                                      &record));
    assert_true(text_equal(record->project.name, TEXT("shop")));
    free(record);
}

/* Nothing of the grant can be read in the value. */
static void test_secret(void **state) {
    struct part *part = *state;
    struct entry entry = grant_entry(&part->shared, 1, EPOCH, 123, NOW_S);
    assert_null(memmem(entry.value, entry.len, "gateway", 7));
    assert_null(memmem(entry.value, entry.len, "acme", 4));
}

static void test_age(void **state) {
    struct part *part = *state;
    struct entry entry = grant_entry(&part->shared, 1, EPOCH, 1, NOW_S);
    struct text value = value_of(&entry);
    assert_true(opens(&part->shared, &entry.key, value, EPOCH, NOW_S + TTL_S + SHARED_SKEW_S));
    assert_false(opens(&part->shared, &entry.key, value, EPOCH, NOW_S + TTL_S + SHARED_SKEW_S + 1));
    assert_true(opens(&part->shared, &entry.key, value, EPOCH, NOW_S - SHARED_SKEW_S));
    assert_false(opens(&part->shared, &entry.key, value, EPOCH, NOW_S - SHARED_SKEW_S - 1));
}

static void test_bound(void **state) {
    struct part *part = *state;
    struct entry one = grant_entry(&part->shared, 1, EPOCH, 1, NOW_S);
    struct entry two = grant_entry(&part->shared, 2, EPOCH, 1, NOW_S);
    struct entry forged = grant_entry(&part->other, 1, EPOCH, 1, NOW_S);
    struct entry project = project_entry(&part->shared, 3);
    struct shared_key elsewhere = project.key;
    elsewhere.at[elsewhere.len - 1] = 'q';
    assert_true(opens(&part->shared, &one.key, value_of(&one), EPOCH, NOW_S));
    assert_false(opens(&part->shared, &one.key, value_of(&two), EPOCH, NOW_S));
    assert_false(opens(&part->shared, &one.key, value_of(&project), EPOCH, NOW_S));
    assert_false(opens(&part->shared, &one.key, value_of(&forged), EPOCH, NOW_S));
    assert_false(opens(&part->shared, &one.key, value_of(&one), EPOCH + 1, NOW_S));
    assert_true(opens_project(&part->shared, &project.key, value_of(&project)));
    assert_false(opens_project(&part->shared, &elsewhere, value_of(&project)));
    assert_false(opens_project(&part->shared, &project.key, value_of(&one)));
    for (int format = 0; format < 256; format++) { /* the version is bound too */
        one.value[0] = (char)format;
        assert_int_equal(opens(&part->shared, &one.key, value_of(&one), EPOCH, NOW_S),
                         format == SHARED_FORMAT);
    }
}

static void test_large(void **state) {
    struct part *part = *state;
    struct grant grant = grant_of(1, EPOCH, 1);
    struct shared_key key;
    size_t largest = 0;
    char *attributes = malloc(SHARED_VALUE_BYTES);
    memset(attributes, 'a', SHARED_VALUE_BYTES);
    shared_key_of_grant(&part->shared, &grant.token_id, &key);
    for (size_t len = SHARED_VALUE_BYTES - 1024; len <= SHARED_VALUE_BYTES; len++) {
        grant.attributes = (struct text){attributes, len};
        struct text value = shared_seal_grant(&part->shared, &key, &grant, NOW_S);
        if (value.len == 0)
            continue;
        largest = value.len;
        assert_true(opens(&part->shared, &key, value, EPOCH, NOW_S));
    }
    assert_int_equal(largest, SHARED_VALUE_BYTES);
    free(attributes);
}

static void test_ttl(void **state) {
    struct part *part = *state;
    uint32_t least = UINT32_MAX, most = 0;
    for (int i = 0; i < 10000; i++) {
        uint32_t ttl_s = shared_ttl_s(&part->shared);
        least = ttl_s < least ? ttl_s : least;
        most = ttl_s > most ? ttl_s : most;
    }
    assert_true(least >= TTL_S * 3 / 4 && least < TTL_S * 4 / 5);
    assert_true(most <= TTL_S && most > TTL_S * 19 / 20);
}

/* ---- the hostile Redis ----------------------------------------------------------------------- */

static uint64_t forgeries(void) {
    const char *value = getenv("CACHE_FORGERIES");
    return value != NULL ? strtoull(value, NULL, 10) : 10000;
}

static uint32_t dice(struct part *part, uint32_t sides) {
    uint32_t number;
    check(sides > 0);
    random_bytes(&part->random, &number, sizeof(number));
    return number % sides;
}

static void judge(const char *what, uint64_t tried, uint64_t accepted) {
    print_message("%llu %s, %llu accepted\n", (unsigned long long)tried, what,
                  (unsigned long long)accepted);
    assert_true(tried >= forgeries() / 2);
    assert_int_equal(accepted, 0);
}

/* Whole and true in all but the key that it is sealed with. */
static void test_forged(void **state) {
    struct part *part = *state;
    uint64_t accepted = 0;
    for (uint64_t i = 0; i < forgeries(); i++) {
        struct entry entry = grant_entry(&part->other, (uint32_t)i, EPOCH, i, NOW_S);
        accepted += opens(&part->shared, &entry.key, value_of(&entry), EPOCH, NOW_S);
    }
    judge("forged", forgeries(), accepted);
}

/* One more way to do harm to a value; `other` is another one that was good once. */
static size_t mutate(struct part *part, const struct entry *entry, const struct entry *other,
                     char *value) {
    size_t len = entry->len;
    memcpy(value, entry->value, len);
    switch (dice(part, 6)) {
    case 0: /* a bit */
        value[dice(part, (uint32_t)len)] ^= (char)(1U << dice(part, 8));
        break;
    case 1: /* cut off */
        len = dice(part, (uint32_t)len);
        break;
    case 2: /* longer */
        value[len++] = (char)dice(part, 256);
        break;
    case 3: /* noise */
        random_bytes(&part->random, value + 1, len - 1);
        break;
    case 4: { /* the end of the other one's */
        size_t at = 1 + dice(part, (uint32_t)len - 1);
        memcpy(value + at, other->value + at, len - at);
        break;
    }
    default: /* bytes in other places */
        for (unsigned i = 0; i < 2; i++)
            memmove(value + 1 + dice(part, 20), value + 25 + dice(part, 20), 30);
    }
    return len;
}

static void test_mutated(void **state) {
    struct part *part = *state;
    struct entry entry = grant_entry(&part->shared, 1, EPOCH, 1, NOW_S);
    struct entry other = grant_entry(&part->shared, 1, EPOCH, 2, NOW_S);
    char value[sizeof(entry.value) + 64];
    uint64_t accepted = 0, tried = 0;
    assert_true(other.len == entry.len &&
                opens(&part->shared, &other.key, value_of(&other), EPOCH, NOW_S));
    for (uint64_t i = forgeries(); i > 0; i--) {
        size_t len = mutate(part, &entry, &other, value);
        bool is_same = (len == entry.len && memcmp(value, entry.value, len) == 0) ||
                       (len == other.len && memcmp(value, other.value, len) == 0);
        tried += !is_same;
        accepted +=
            !is_same && opens(&part->shared, &entry.key, (struct text){value, len}, EPOCH, NOW_S);
    }
    judge("mutated", tried, accepted);
}

static void test_every_bit(void **state) {
    struct part *part = *state;
    struct entry entry = grant_entry(&part->shared, 1, EPOCH, 1, NOW_S);
    for (size_t bit = 0; bit < entry.len * 8; bit++) {
        entry.value[bit / 8] ^= (char)(1U << bit % 8);
        assert_false(opens(&part->shared, &entry.key, value_of(&entry), EPOCH, NOW_S));
        entry.value[bit / 8] ^= (char)(1U << bit % 8);
    }
    for (size_t len = 0; len < entry.len; len++)
        assert_false(
            opens(&part->shared, &entry.key, (struct text){entry.value, len}, EPOCH, NOW_S));
}

/* Entries of many tokens, each put under all the others' keys. */
static void test_moved(void **state) {
    struct part *part = *state;
    struct entry entries[32];
    uint64_t accepted = 0, tried = 0;
    for (uint32_t i = 0; i < array_count(entries); i++)
        entries[i] = i % 4 == 3 ? project_entry(&part->shared, i)
                                : grant_entry(&part->shared, i, EPOCH + i % 2, i, NOW_S);
    for (uint64_t i = 0; i < forgeries(); i++) {
        const struct entry *from = &entries[dice(part, 32)], *to = &entries[dice(part, 32)];
        if (from == to)
            continue;
        tried++;
        accepted += opens(&part->shared, &to->key, value_of(from), EPOCH, NOW_S);
        accepted += opens_project(&part->shared, &to->key, value_of(from));
    }
    judge("moved", tried, accepted);
}

/* True entries of the past, put back: those from before a cut are refused, by the loop that has
 * applied it and by one that started later and knows the feed only from there. */
static void test_replayed(void **state) {
    struct part *part = *state;
    struct freshness loops[2];
    const struct hash_key key = {1, 2};
    const uint64_t cut = 50, us = 1000000;
    uint64_t accepted = 0, refused = 0, tried = 0;
    for (size_t i = 0; i < 2; i++) {
        struct feed start = {.epoch = EPOCH, .seq = i == 0 ? 10 : 60};
        assert_true(freshness_open(&loops[i], 30 * us, &key));
        assert_true(freshness_apply(&loops[i], &start, &(struct look){us, UINT64_MAX}));
    }
    struct feed feed = {.epoch = EPOCH, .seq = cut, .count = 1};
    feed.changes[0].seq = cut;
    feed.changes[0].scope = (struct scope){SCOPE_TOKEN, id_of(1)};
    assert_false(freshness_apply(&loops[0], &feed, &(struct look){us, UINT64_MAX}));
    for (uint64_t i = forgeries(); i > 0; i--) {
        uint64_t s0 = dice(part, 100);
        struct entry entry = grant_entry(&part->shared, 1, EPOCH, s0, NOW_S);
        assert_true(opens(&part->shared, &entry.key, value_of(&entry), EPOCH, NOW_S));
        for (size_t loop = 0; loop < 2; loop++) {
            struct stamp stamp = {.epoch = EPOCH, .s0 = s0, .generation = loops[loop].generation};
            struct scope scope = {SCOPE_TOKEN, id_of(1)};
            bool is_in = freshness_accepts(&loops[loop], &stamp, 2 * us, &scope, 1);
            tried += s0 < cut;
            accepted += is_in && s0 < cut;
            refused += !is_in && s0 >= 60;
            /* Once the loop's own lease is over nothing vouches for it. */
            accepted += freshness_accepts(&loops[loop], &stamp, 32 * us, &scope, 1);
        }
    }
    judge("replayed from before a cut", tried, accepted);
    assert_int_equal(refused, 0);
    for (size_t i = 0; i < 2; i++)
        freshness_close(&loops[i]);
}

/* A host that has just booted: its clock is younger than a lease. */
static void test_young_clock(void **state) {
    struct freshness freshness;
    const struct hash_key key = {1, 2};
    struct feed start = {.epoch = EPOCH, .seq = 10};
    struct stamp stamp = {.epoch = EPOCH, .s0 = 10};
    (void)state;
    assert_true(freshness_open(&freshness, 30000000, &key));
    assert_true(freshness_apply(&freshness, &start, &(struct look){1000000, UINT64_MAX}));
    freshness.fresh_until_us = 2000000; /* its lease is over */
    stamp.generation = freshness.generation;
    assert_false(freshness_accepts(&freshness, &stamp, 3000000, NULL, 0));
    freshness_close(&freshness);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_names),       TEST(test_no_names), TEST(test_round),    TEST(test_secret),
        TEST(test_age),         TEST(test_bound),    TEST(test_large),    TEST(test_ttl),
        TEST(test_moved),       TEST(test_mutated),  TEST(test_replayed), TEST(test_every_bit),
        TEST(test_young_clock), TEST(test_forged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
