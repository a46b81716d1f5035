/* The generator: its key stream, erasure, forks, and a kernel that gives nothing. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "token/keyring.h"
#include "token/random.h"

/* The kernel's bytes come through here: as they are, none, zeros, or in bits with interruptions. */
static enum { KERNEL, NOTHING, ZEROS, BIT_BY_BIT } source;
static unsigned calls;

ssize_t getrandom(void *bytes, size_t len, unsigned flags) {
    calls++;
    switch (source) {
    case NOTHING:
        errno = ENOSYS;
        return -1;
    case ZEROS:
        memset(bytes, 0, len);
        return (ssize_t)len;
    case BIT_BY_BIT:
        errno = EINTR;
        if (calls % 2 == 0)
            return -1;
        *(char *)bytes = 0;
        return 1;
    default:
        return syscall(SYS_getrandom, bytes, len, flags);
    }
}

static int setup(void **state) {
    (void)state;
    source = KERNEL;
    return 0;
}

/* RFC 8439 appendix A.1, test vector 1: the first 32 bytes of this stream become the next key. */
static void test_stream_is_chacha20_with_the_key_erased(void **state) {
    (void)state;
    static const uint8_t stream[64] = {
        0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53,
        0x86, 0xbd, 0x28, 0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36,
        0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7, 0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48,
        0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37, 0x6a, 0x43, 0xb8, 0xf4,
        0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86};
    static const uint8_t zeros[32];
    struct random random;
    uint8_t bytes[32];
    source = ZEROS;
    assert_true(random_open(&random));
    assert_memory_equal(random.block, stream, 32);
    random_bytes(&random, bytes, sizeof(bytes));
    assert_memory_equal(bytes, stream + 32, 32);
    assert_memory_equal(random.block + 32, zeros, 32); /* handed out, so gone */
    random_close(&random);
    assert_memory_equal(random.block, zeros, 32);

    source = BIT_BY_BIT;
    assert_true(random_open(&random));
    random_bytes(&random, bytes, sizeof(bytes));
    assert_memory_equal(bytes, stream + 32, 32);
    random_close(&random);
}

/* However the bytes are asked for, they are the same stream, and the kernel is asked once. */
static void test_pieces_are_the_stream(void **state) {
    (void)state;
    static uint8_t whole[5000], pieces[5000];
    struct random random;
    source = ZEROS;
    assert_true(random_open(&random));
    random_bytes(&random, whole, sizeof(whole));
    assert_true(random_open(&random));
    calls = 0;
    for (size_t at = 0, len = 0; at < sizeof(pieces); at += len, len = (len + 7) % 1500) {
        len = len < sizeof(pieces) - at ? len : sizeof(pieces) - at;
        random_bytes(&random, pieces + at, len);
    }
    assert_int_equal(calls, 0);
    assert_memory_equal(whole, pieces, sizeof(whole));
}

static void test_uuid_is_version_4(void **state) {
    (void)state;
    struct random random;
    struct uuid first, second;
    assert_true(random_open(&random));
    random_uuid(&random, &first);
    random_uuid(&random, &second);
    assert_false(uuid_equal(&first, &second));
    assert_int_equal(first.bytes[6] >> 4, 4);
    assert_int_equal(first.bytes[8] >> 6, 2);
    random_close(&random);
}

enum { FORK_IDS = 100000 };
static struct uuid *ids;

static int compare(const void *a, const void *b) {
    return memcmp(a, b, UUID_BYTES);
}

static void draw(struct random *random, size_t part) {
    for (size_t i = 0; i < FORK_IDS; i++)
        random_uuid(random, &ids[part * FORK_IDS + i]);
}

/* Two children, a grandchild and the parent go on from one generator; no id comes twice. */
static void test_forks_draw_different_bytes(void **state) {
    (void)state;
    enum { PARTS = 4 };
    size_t size = PARTS * FORK_IDS * sizeof(*ids);
    struct random random;
    ids = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(ids != MAP_FAILED);
    assert_true(random_open(&random));
    for (size_t child = 0; child < 2; child++)
        if (fork() == 0) {
            if (child == 1 && fork() == 0)
                child = 2;
            draw(&random, child);
            while (wait(NULL) > 0)
                ;
            exit(0);
        }
    draw(&random, 3);
    while (wait(NULL) > 0)
        ;
    qsort(ids, PARTS * FORK_IDS, sizeof(*ids), compare);
    assert_true(ids[0].bytes[6] != 0); /* all have drawn */
    for (size_t i = 1; i < PARTS * FORK_IDS; i++)
        assert_false(uuid_equal(&ids[i - 1], &ids[i]));
    (void)munmap(ids, size);
}

static void test_without_entropy_nothing_opens(void **state) {
    (void)state;
    struct random random;
    struct error error = {0};
    struct key_record record;
    struct master_key *master = NULL;
    source = NOTHING;
    assert_false(random_open(&random));
    assert_false(token_start());
    source = KERNEL;
    assert_true(token_start());
    source = NOTHING;
    assert_false(master_key_create_file("/nonexistent/master.key", &master, &error));
    assert_string_equal(error.subject, "the kernel gives no random bytes");
    assert_true(master_key_read_text(
        TEXT("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), &master, &error));
    assert_false(key_create(master, KEY_ACTIVE, 0, &record, &error));
    assert_string_equal(error.subject, "the kernel gives no random bytes");
    master_key_close(master);
}

/* A child that cannot seed anew must not go on with its parent's stream. */
static void test_fork_without_entropy_ends_the_child(void **state) {
    (void)state;
    struct random random;
    int status;
    assert_true(random_open(&random));
    pid_t child = fork();
    if (child == 0) {
        struct uuid id;
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        source = NOTHING;
        random_uuid(&random, &id);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_stream_is_chacha20_with_the_key_erased, setup),
        cmocka_unit_test_setup(test_pieces_are_the_stream, setup),
        cmocka_unit_test_setup(test_uuid_is_version_4, setup),
        cmocka_unit_test_setup(test_forks_draw_different_bytes, setup),
        cmocka_unit_test_setup(test_without_entropy_nothing_opens, setup),
        cmocka_unit_test_setup(test_fork_without_entropy_ends_the_child, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
