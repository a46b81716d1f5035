/* Rotation in the store: each step one transaction by the registry's clock, whoever tries it. */
#include <pthread.h>
#include <time.h>

#include "fixture.h"

static const struct key_times times = {.publish_s = 600, .keep_s = 86400, .rotate_s = 1000};
static const struct key_times by_hand = {.publish_s = 600, .keep_s = 86400};
static struct error error;
static uint64_t seq;

static struct key_record spare_of(char letter) {
    struct key_record key = {.state = KEY_PENDING, .created_s = 12};
    memset(key.kid, letter, KEY_ID_CHARS);
    return key;
}

/* One key that signs since now. */
static void found(struct store *store) {
    struct key_record first = spare_of('a');
    first.state = KEY_ACTIVE;
    first.activated_s = time(NULL);
    assert_ok(store_key_put(&store->writer, &tester, &first, &seq, &error));
}

static struct key_change advance(struct store *store, char letter) {
    struct key_record spare = spare_of(letter);
    struct key_change change;
    assert_ok(store_key_advance(&store->writer, &tester, &times, &spare, &change, &seq, &error));
    return change;
}

/* So many seconds pass for every key. */
static void pass(struct store *store, int seconds) {
    char sql[256];
    snprintf(sql, sizeof(sql),
             "UPDATE keys SET created = max(created - %d, 1),"
             " activated = max(activated - %d, 0), retired = max(retired - %d, 0)",
             seconds, seconds, seconds);
    file_change(&store->folder, sql);
}

static const char *states(struct store *store) {
    return file_text(&store->folder, "SELECT group_concat(substr(kid, 1, 1) || ' ' || state) FROM"
                                     " (SELECT * FROM keys ORDER BY kid)");
}

static void test_a_whole_life(void **state) {
    struct store *store = *state;
    found(store);
    struct key_change change = advance(store, 'b');
    assert_int_equal(change.step, KEY_STEP_NONE);
    assert_in_range(change.next_s - change.now_s, 398, 400); /* a second may have passed */
    pass(store, 401);
    change = advance(store, 'b');
    assert_int_equal(change.step, KEY_STEP_CREATE);
    assert_int_equal(change.key.created_s, change.now_s); /* not the spare's own */
    assert_true(labs((long)(change.now_s - time(NULL))) <= 2);
    assert_int_equal(change.next_s, change.now_s + 600);
    assert_string_equal(states(store), "a active,b pending");
    assert_int_equal(advance(store, 'c').step, KEY_STEP_NONE);
    pass(store, 601);
    change = advance(store, 'c');
    assert_int_equal(change.step, KEY_STEP_ACTIVATE);
    assert_int_equal(change.key.kid[0], 'b');
    assert_string_equal(states(store), "a retired,b active");
    pass(store, 300);
    assert_int_equal(advance(store, 'c').step, KEY_STEP_NONE);
    pass(store, 86400);
    assert_int_equal(advance(store, 'c').step, KEY_STEP_REMOVE);
    assert_string_equal(states(store), "b active");
    assert_int_equal(advance(store, 'c').step, KEY_STEP_CREATE);
    assert_string_equal(file_text(&store->folder,
                                  "SELECT group_concat(action) FROM (SELECT action FROM audit"
                                  " WHERE seq > 1 ORDER BY id)"),
                        "keys.create,keys.activate,keys.remove,keys.create");
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM changes WHERE scope_kind = "
                                                 "5"),
                     5);
    const char *before =
        file_text(&store->folder, "SELECT before_json FROM audit WHERE action = 'keys.activate'");
    assert_non_null(strstr(before, "\"active\":\"aaa"));
}

static void test_nothing_to_do_changes_nothing(void **state) {
    struct store *store = *state;
    found(store);
    for (int i = 0; i < 3; i++)
        assert_int_equal(advance(store, 'b').step, KEY_STEP_NONE);
    assert_int_equal(file_number(&store->folder, "SELECT seq FROM rev_counter"), 1);
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM audit"), 1);
}

/* The clock was far ahead when the key was published, and is right again. */
static void test_a_clock_set_back(void **state) {
    struct store *store = *state;
    struct key_record spare = spare_of('b');
    struct key_change change;
    found(store);
    assert_ok(
        store_key_rotate(&store->writer, &tester, &by_hand, &spare, false, &change, &seq, &error));
    file_change(&store->folder, "UPDATE keys SET created = 4291747200 WHERE state = 'pending'");
    assert_int_equal(advance(store, 'c').step, KEY_STEP_CLOCK);
    assert_int_equal(advance(store, 'c').step, KEY_STEP_NONE);
    pass(store, 599);
    assert_int_equal(advance(store, 'c').step, KEY_STEP_NONE);
    pass(store, 2);
    assert_int_equal(advance(store, 'c').step, KEY_STEP_ACTIVATE);
}

static void test_rotate(void **state) {
    struct store *store = *state;
    struct key_record spare = spare_of('b');
    struct key_change change;
    found(store);
    assert_ok(
        store_key_rotate(&store->writer, &tester, &by_hand, &spare, false, &change, &seq, &error));
    assert_int_equal(change.step, KEY_STEP_CREATE);
    assert_int_equal(change.next_s, change.now_s + 600);
    assert_string_equal(states(store), "a active,b pending");
    spare = spare_of('c');
    assert_error(
        store_key_rotate(&store->writer, &tester, &by_hand, &spare, false, &change, &seq, &error),
        KEY_STATE);
    assert_non_null(strstr(error.subject, "signs from 20"));
    assert_string_equal(states(store), "a active,b pending");
    /* At once: the one that verifiers may know already. */
    assert_ok(
        store_key_rotate(&store->writer, &tester, &by_hand, &spare, true, &change, &seq, &error));
    assert_int_equal(change.step, KEY_STEP_ACTIVATE);
    assert_int_equal(change.next_s, KEY_NEVER_S);
    assert_string_equal(states(store), "a retired,b active");
    assert_ok(
        store_key_rotate(&store->writer, &tester, &by_hand, &spare, true, &change, &seq, &error));
    assert_string_equal(states(store), "a retired,b retired,c active");
}

static void test_no_more_than_there_may_be(void **state) {
    struct store *store = *state;
    struct key_change change;
    found(store);
    for (int i = 1; i < KEYRING_KEYS_MAX; i++) {
        struct key_record spare = spare_of((char)('!' + i));
        assert_ok(store_key_rotate(&store->writer, &tester, &by_hand, &spare, true, &change, &seq,
                                   &error));
    }
    struct key_record spare = spare_of('0');
    assert_error(
        store_key_rotate(&store->writer, &tester, &by_hand, &spare, true, &change, &seq, &error),
        KEY_STATE);
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM keys"), KEYRING_KEYS_MAX);
    pass(store, 90000);
    assert_int_equal(advance(store, '0').step, KEY_STEP_REMOVE);
}

static void test_delete(void **state) {
    struct store *store = *state;
    struct key_record spare = spare_of('b');
    struct key_change change;
    char kid[KEY_ID_CHARS + 1];
    found(store);
    memcpy(kid, spare_of('a').kid, sizeof(kid));
    assert_error(store_key_delete(&store->writer, &tester, text_of(kid), &seq, &error), KEY_STATE);
    assert_error(store_key_delete(&store->writer, &tester, TEXT("x"), &seq, &error), NOT_FOUND);
    assert_ok(
        store_key_rotate(&store->writer, &tester, &by_hand, &spare, true, &change, &seq, &error));
    assert_ok(store_key_delete(&store->writer, &tester, text_of(kid), &seq, &error));
    assert_string_equal(states(store), "b active");
}

/* ---- ten replicas at once -------------------------------------------------------------------- */

#define RACERS 10

struct racer {
    pthread_t thread;
    struct session session;
    char letter; /* of its spare */
    enum key_step made;
};

static void *racer_run(void *self) {
    struct racer *racer = self;
    struct key_record spare = spare_of('b');
    struct key_change change;
    struct error why;
    uint64_t own_seq;
    spare.kid[0] = racer->letter;
    if (!store_key_advance(&racer->session, &tester, &times, &spare, &change, &own_seq, &why))
        abort();
    racer->made = change.step;
    return NULL;
}

/* How many of them made the step. */
static size_t race(struct store *store, enum key_step step) {
    static struct racer racers[RACERS];
    size_t made = 0;
    for (size_t i = 0; i < RACERS; i++) {
        struct engine_options options = {.address = store->folder.file, .is_writer = true};
        racers[i].letter = (char)('0' + i);
        assert_ok(
            session_open(&racers[i].session, &engine_sqlite, &options, &store->shared, &error));
    }
    for (size_t i = 0; i < RACERS; i++)
        assert_int_equal(pthread_create(&racers[i].thread, NULL, racer_run, &racers[i]), 0);
    for (size_t i = 0; i < RACERS; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
        session_close(&racers[i].session);
        made += racers[i].made == step;
        assert_true(racers[i].made == step || racers[i].made == KEY_STEP_NONE);
    }
    return made;
}

static void test_of_ten_replicas_one_makes_each_step(void **state) {
    struct store *store = *state;
    found(store);
    pass(store, 500);
    assert_int_equal(race(store, KEY_STEP_CREATE), 1);
    pass(store, 601);
    assert_int_equal(race(store, KEY_STEP_ACTIVATE), 1);
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM keys"), 2);
    file_change(&store->folder, "UPDATE keys SET retired = retired - 86400 WHERE retired > 0");
    assert_int_equal(race(store, KEY_STEP_REMOVE), 1);
    assert_int_equal(file_number(&store->folder, "SELECT count(*) FROM audit"), 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_whole_life, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_to_do_changes_nothing, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_a_clock_set_back, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_rotate, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_no_more_than_there_may_be, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_delete, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_of_ten_replicas_one_makes_each_step, store_setup,
                                        store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
