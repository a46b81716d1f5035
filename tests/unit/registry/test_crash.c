/* Processes that die or write at the same time: nothing acknowledged is lost or half done. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define ROUNDS 20
#define COMMITS 200

static bool create(struct store *store, uint32_t id, struct error *error) {
    char name[16];
    snprintf(name, sizeof(name), "org-%u", id);
    struct org made, org = {.id = id_of(id), .name = text_of(name)};
    uint64_t seq;
    return store_org_create(&store->writer, &tester, &org, &made, &seq, error);
}

/* In a process of its own: commits, and tells of each through the pipe. */
_Noreturn static void writer(struct store *store, uint32_t first, int told) {
    struct error error;
    store_open(store);
    for (uint32_t i = first; i < first + COMMITS; i++) {
        if (!create(store, i, &error) || write(told, &i, sizeof(i)) != sizeof(i))
            _exit(1);
        session_maintain(&store->writer);
    }
    store_close(store);
    _exit(0);
}

/* Everything is whole, and the orgs that were told of are there. */
static void assert_all(struct store *store, const uint32_t *told, size_t count) {
    struct error error;
    const struct folder *folder = &store->folder;
    uint64_t rows, bad;
    store_open(store);
    for (size_t i = 0; i < count; i++) {
        char name[16];
        struct org org;
        snprintf(name, sizeof(name), "org-%u", told[i]);
        assert_ok(store_org_get(&store->reader, text_of(name), &org, &error));
    }
    assert_ok(store_audit_verify(&store->reader, &rows, &bad, &error));
    assert_int_equal(bad, 0);
    assert_int_equal(rows, file_number(folder, "SELECT seq FROM rev_counter"));
    assert_int_equal(rows, file_number(folder, "SELECT count(*) FROM changes"));
    assert_int_equal(rows, file_number(folder, "SELECT count(*) FROM orgs"));
    assert_string_equal(file_text(folder, "PRAGMA integrity_check"), "ok");
    store_close(store);
}

static void test_killed_writers(void **state) {
    struct store store;
    static uint32_t told[ROUNDS * COMMITS];
    size_t count = 0;
    (void)state;
    folder_make(&store.folder);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0)
            writer(&store, round * COMMITS, pipes[1]);
        close(pipes[1]);
        /* Killed after so many were told, in the middle of whatever comes then. */
        uint32_t id, life = (round * 7919) % (COMMITS - 20) + 1;
        while (life-- > 0 && read(pipes[0], &id, sizeof(id)) == sizeof(id))
            told[count++] = id;
        usleep(round * 37);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(pipes[0], &id, sizeof(id)) == sizeof(id))
            told[count++] = id;
        close(pipes[0]);
        assert_all(&store, told, count);
    }
    assert_true(count > ROUNDS * 10);
    folder_remove(&store.folder);
}

/* Two processes write at once while this one follows the feed: each change is seen once, in
 * order. */
static void test_two_writers(void **state) {
    struct store store;
    static uint32_t told[2 * COMMITS];
    static struct feed feed;
    struct error error;
    int pipes[2];
    (void)state;
    store_make(&store);
    store_close(&store);
    assert_int_equal(pipe(pipes), 0);
    pid_t children[2];
    for (uint32_t i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0)
            writer(&store, i * COMMITS, pipes[1]);
    }
    store_open(&store);
    assert_ok(store_feed(&store.reader, &(struct place){0}, &feed, &error));
    uint64_t epoch = feed.epoch, cursor = feed.seq;
    while (cursor < 2 * COMMITS) {
        const struct place from = {epoch, cursor, feed.mark};
        assert_ok(store_feed(&store.reader, &from, &feed, &error));
        assert_false(feed.is_flush);
        for (size_t i = 0; i < feed.count; i++)
            assert_int_equal(feed.changes[i].seq, cursor + i + 1);
        cursor = feed.seq;
    }
    for (uint32_t i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(read(pipes[0], told, sizeof(told)), sizeof(told));
    store_close(&store);
    assert_all(&store, told, array_count(told));
    close(pipes[0]);
    close(pipes[1]);
    folder_remove(&store.folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_writers),
        cmocka_unit_test(test_two_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
