/* The master key: what files are taken, what is made, and what sealing keeps. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"
#include "token/keyring.h"
#include "token/seal.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

static char folder[] = "/tmp/mintd-master-key-XXXXXX";
static char path[128];
static struct random random_source;
static struct error error;

static int setup(void **state) {
    (void)state;
    return mkdtemp(folder) != NULL && token_start() && random_open(&random_source) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    return rmdir(folder);
}

/* Names a file in the folder; there is none. */
static int setup_path(void **state) {
    (void)state;
    error = (struct error){0};
    (void)snprintf(path, sizeof(path), "%s/master.key", folder);
    (void)unlink(path);
    return 0;
}

static int teardown_path(void **state) {
    (void)state;
    (void)unlink(path);
    return 0;
}

static void write_file(const char *content, mode_t mode) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void assert_refused(const char *why) {
    struct master_key *key = NULL;
    assert_false(master_key_read_file(path, &key, &error));
    assert_null(key);
    assert_int_equal(error.code, ERROR_MASTER_KEY);
    assert_non_null(strstr(error.subject, why));
}

static struct seal seal_under(const struct master_key *key) {
    return (struct seal){key, SEAL_SEED, TEXT("whose")};
}

/* Whether two keys are the same: what one seals, the other opens. */
static bool same(const struct master_key *a, const struct master_key *b) {
    uint8_t sealed[4 + SEAL_BYTES], opened[4];
    struct seal one = seal_under(a), other = seal_under(b);
    seal_close(&one, &random_source, (const uint8_t *)"text", 4, sealed);
    return seal_open(&other, sealed, sizeof(sealed), opened) && memcmp(opened, "text", 4) == 0;
}

static struct master_key *key_of(const char *hex) {
    struct master_key *key = NULL;
    assert_true(master_key_read_text(text_of(hex), &key, &error));
    return key;
}

static void test_text_form(void **state) {
    (void)state;
    static const char *const good[] = {
        HEX, HEX "\n", HEX " \t\r\n\n",
        "000102030405060708090A0B0c0d0e0f101112131415161718191a1b1c1d1e1f"};
    static const char *const bad[] = {
        "",
        " " HEX,
        HEX "0",
        HEX "00",
        "x" HEX,
        "\n",
        "0001020304050607 8090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"};
    struct master_key *first = key_of(HEX), *none = NULL;
    for (size_t i = 0; i < array_count(good); i++) {
        struct master_key *key = key_of(good[i]);
        assert_true(same(first, key));
        master_key_close(key);
    }
    for (size_t i = 0; i < array_count(bad); i++) {
        assert_false(master_key_read_text(text_of(bad[i]), &none, &error));
        assert_null(none);
        assert_string_equal(error.subject, "it must be 64 hex digits");
    }
    master_key_close(first);
    master_key_close(NULL);
}

static void test_file_is_read(void **state) {
    (void)state;
    struct master_key *key = NULL, *expected = key_of(HEX);
    static const mode_t modes[] = {0600, 0400};
    for (size_t i = 0; i < array_count(modes); i++) {
        write_file(HEX "\n", modes[i]);
        assert_true(master_key_read_file(path, &key, &error));
        assert_true(same(key, expected));
        master_key_close(key);
        (void)unlink(path);
    }
    master_key_close(expected);
}

/* Secrets mounted by an orchestrator are symbolic links. */
static void test_link_is_followed(void **state) {
    (void)state;
    struct master_key *key = NULL;
    char target[160];
    write_file(HEX, 0600);
    (void)snprintf(target, sizeof(target), "%s.target", path);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
    assert_true(master_key_read_file(path, &key, &error));
    master_key_close(key);
    assert_int_equal(unlink(target), 0);
    assert_refused("No such file");
}

static void test_file_of_others_is_refused(void **state) {
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0620, 0601, 0777};
    for (size_t i = 0; i < array_count(modes); i++) {
        write_file(HEX, modes[i]);
        assert_refused("make its mode 0600");
    }
}

static void test_what_is_no_key_file_is_refused(void **state) {
    (void)state;
    assert_refused("No such file");
    write_file("", 0600);
    assert_refused("64 hex digits");
    write_file(HEX "                                ", 0600);
    assert_refused("too long");
    write_file("x" HEX, 0600);
    assert_refused("64 hex digits");
    (void)unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused("not a regular file");
    (void)unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused("not a regular file");
    assert_int_equal(rmdir(path), 0);
}

static void test_created_file_is_private_and_reads_back(void **state) {
    (void)state;
    struct master_key *made = NULL, *key = NULL, *again = NULL;
    struct stat status;
    mode_t mask = umask(0);
    assert_true(master_key_create_file(path, &made, &error));
    (void)umask(mask);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, 65);
    assert_true(master_key_read_file(path, &key, &error));
    assert_true(same(made, key));
    /* A key that is there is never overwritten. */
    assert_false(master_key_create_file(path, &again, &error));
    assert_null(again);
    assert_non_null(strstr(error.subject, "File exists"));
    master_key_close(key);
    assert_true(master_key_read_file(path, &key, &error));
    assert_true(same(made, key));
    master_key_close(key);
    (void)unlink(path);
    assert_true(master_key_create_file(path, &key, &error));
    assert_false(same(made, key));
    master_key_close(key);
    master_key_close(made);
}

static void test_path_without_a_folder(void **state) {
    (void)state;
    struct master_key *key = NULL;
    int here = open(".", O_RDONLY | O_DIRECTORY);
    assert_int_equal(chdir(folder), 0);
    assert_true(master_key_create_file("master.key", &key, &error));
    master_key_close(key);
    assert_int_equal(fchdir(here), 0);
    (void)close(here);
    assert_false(master_key_create_file("/nonexistent/folder/master.key", &key, &error));
    assert_false(master_key_create_file("/", &key, &error));
}

/* A disk that takes only some of it keeps nothing of it. */
static void test_failed_write_leaves_no_file(void **state) {
    (void)state;
    struct master_key *key = NULL;
    struct rlimit limit, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = (struct rlimit){.rlim_cur = 10, .rlim_max = limit.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool created = master_key_create_file(path, &key, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_false(created);
    assert_non_null(strstr(error.subject, "File too large"));
    assert_int_equal(access(path, F_OK), -1);
}

static void test_without_locked_memory_there_is_no_key(void **state) {
    (void)state;
    struct master_key *key = NULL;
    for (int protect = 0; protect < 2; protect++) {
        int *after = protect ? &faults_protect_after : &faults_malloc_after;
        const char *why = protect ? "cannot be protected" : "no memory";
        *after = 0;
        assert_false(master_key_read_text(TEXT(HEX), &key, &error));
        assert_non_null(strstr(error.subject, why));
        *after = 0;
        assert_false(master_key_create_file(path, &key, &error));
        assert_non_null(strstr(error.subject, why));
        assert_null(key);
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void test_sealing(void **state) {
    (void)state;
    struct master_key *key = key_of(HEX);
    struct master_key *other = key_of("ff0102030405060708090a0b0c0d0e0f"
                                      "101112131415161718191a1b1c1d1e1f");
    uint8_t sealed[5 + SEAL_BYTES], again[5 + SEAL_BYTES], opened[5] = {0};
    struct seal seal = seal_under(key);
    seal_close(&seal, &random_source, (const uint8_t *)"hello", 5, sealed);
    seal_close(&seal, &random_source, (const uint8_t *)"hello", 5, again);
    assert_memory_not_equal(sealed, again, sizeof(sealed)); /* a nonce each */
    assert_true(seal_open(&seal, sealed, sizeof(sealed), opened));
    assert_memory_equal(opened, "hello", 5);
    for (size_t i = 0; i < sizeof(sealed); i++) {
        sealed[i] ^= 1;
        assert_false(seal_open(&seal, sealed, sizeof(sealed), opened));
        sealed[i] ^= 1;
        assert_false(seal_open(&seal, sealed, i, opened));
    }
    struct seal wrong = {key, SEAL_SEED, TEXT("other")};
    assert_false(seal_open(&wrong, sealed, sizeof(sealed), opened));
    wrong = (struct seal){key, SEAL_SEED + 1, TEXT("whose")};
    assert_false(seal_open(&wrong, sealed, sizeof(sealed), opened));
    wrong = (struct seal){other, SEAL_SEED, TEXT("whose")};
    assert_false(seal_open(&wrong, sealed, sizeof(sealed), opened));
    assert_true(seal_open(&seal, sealed, sizeof(sealed), opened));
    master_key_close(key);
    master_key_close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text_form, setup_path, teardown_path),
        cmocka_unit_test_setup_teardown(test_file_is_read, setup_path, teardown_path),
        cmocka_unit_test_setup_teardown(test_link_is_followed, setup_path, teardown_path),
        cmocka_unit_test_setup_teardown(test_file_of_others_is_refused, setup_path, teardown_path),
        cmocka_unit_test_setup_teardown(test_what_is_no_key_file_is_refused, setup_path,
                                        teardown_path),
        cmocka_unit_test_setup_teardown(test_created_file_is_private_and_reads_back, setup_path,
                                        teardown_path),
        cmocka_unit_test_setup_teardown(test_path_without_a_folder, setup_path, teardown_path),
        cmocka_unit_test_setup_teardown(test_failed_write_leaves_no_file, setup_path,
                                        teardown_path),
        cmocka_unit_test_setup_teardown(test_without_locked_memory_there_is_no_key, setup_path,
                                        teardown_path),
        cmocka_unit_test_setup_teardown(test_sealing, setup_path, teardown_path),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
