/* Signing keys in the store, and the first rows of a fresh one. */
#include "fixture.h"

static struct key_record key_make(char letter, enum key_state state) {
    struct key_record key = {.state = state, .created_s = 10 + letter};
    memset(key.kid, letter, KEY_ID_CHARS);
    memset(key.public_key, letter + 1, sizeof(key.public_key));
    memset(key.sealed_seed, letter + 2, sizeof(key.sealed_seed));
    return key;
}

static struct key_set list(struct store *store) {
    struct error error;
    struct key_set set;
    assert_ok(store_key_list(&store->reader, &set, &error));
    return set;
}

static void test_put_and_list(void **state) {
    struct store *store = *state;
    struct error error;
    uint64_t seq;
    struct key_record b = key_make('b', KEY_PENDING), a = key_make('a', KEY_ACTIVE);
    assert_int_equal(list(store).count, 0);
    assert_ok(store_key_put(&store->writer, &tester, &b, &seq, &error));
    assert_ok(store_key_put(&store->writer, &tester, &a, &seq, &error));
    struct key_set keys = list(store);
    assert_int_equal(keys.count, 2);
    assert_memory_equal(&keys.keys[0], &a, sizeof(a));
    assert_memory_equal(&keys.keys[1], &b, sizeof(b));
    b.state = KEY_RETIRED;
    b.activated_s = 20;
    b.retired_s = 30;
    assert_ok(store_key_put(&store->writer, &tester, &b, &seq, &error));
    keys = list(store);
    assert_int_equal(keys.count, 2);
    assert_memory_equal(&keys.keys[1], &b, sizeof(b));
    assert_int_equal(file_number(&store->folder, "SELECT scope_kind FROM changes WHERE seq = 3"),
                     SCOPE_KEYS);
    const char *before = file_text(&store->folder, "SELECT before_json FROM audit WHERE seq = 3");
    assert_non_null(strstr(before, "\"state\":\"pending\""));
    assert_null(strstr(before, "ccc")); /* the public key is there by its id; the seed is not */
    assert_null(strstr(before, "ddd"));
}

static void test_unknown_state_signs_nothing(void **state) {
    struct store *store = *state;
    struct error error;
    uint64_t seq;
    struct key_record key = key_make('a', KEY_ACTIVE);
    assert_ok(store_key_put(&store->writer, &tester, &key, &seq, &error));
    file_change(&store->folder, "UPDATE keys SET state = 'Active'");
    assert_int_equal(list(store).keys[0].state, KEY_RETIRED);
}

static void test_delete(void **state) {
    struct store *store = *state;
    struct error error;
    uint64_t seq;
    struct key_record key = key_make('a', KEY_RETIRED);
    assert_error(store_key_delete(&store->writer, &tester, text_of(key.kid), &seq, &error),
                 NOT_FOUND);
    assert_ok(store_key_put(&store->writer, &tester, &key, &seq, &error));
    assert_ok(store_key_delete(&store->writer, &tester, text_of(key.kid), &seq, &error));
    assert_int_equal(seq, 2);
    assert_int_equal(list(store).count, 0);
}

static void test_initialise_once(void **state) {
    struct store *store = *state;
    struct error error;
    struct key_record key = key_make('a', KEY_ACTIVE);
    struct uuid id = id_of(1), other = id_of(2);
    uint8_t hash[TOKEN_HASH_BYTES] = {1, 2, 3};
    bool is_initialised = true;
    assert_ok(store_is_initialised(&store->reader, &is_initialised, &error));
    assert_false(is_initialised);
    assert_ok(store_initialise(&store->writer, &tester, &id, hash, &key, &error));
    assert_ok(store_is_initialised(&store->reader, &is_initialised, &error));
    assert_true(is_initialised);
    struct grant *grant;
    assert_ok(store_grant(&store->reader, &id, &grant, &error));
    assert_int_equal(grant->kind, TOKEN_OPERATOR);
    assert_memory_equal(grant->secret_hash, hash, sizeof(hash));
    free(grant);
    assert_int_equal(list(store).count, 1);
    assert_error(store_initialise(&store->writer, &tester, &other, hash, &key, &error), NAME_TAKEN);
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM tokens"), 1);
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM audit"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_and_list, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_unknown_state_signs_nothing, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_delete, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_initialise_once, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
