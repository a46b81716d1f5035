/* Batches by lanes: the same signatures, and lanes that err are refused, or found and left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium/crypto_sign_ed25519.h>
#include <stdlib.h>

#include "token/keyring.h"

#define BATCH_MAX 20
#define NO_LANE SIGNER_LANES

static uint8_t public_key[32], secret_key[SECRET_KEY_BYTES];

static void sign_alone(const uint8_t *key, const struct sign_job *job, uint8_t *ret_signature) {
    (void)crypto_sign_ed25519_detached(ret_signature, NULL, (const uint8_t *)job->message,
                                       job->message_len, key);
}

/* Lanes made of libsodium, one of which can be told to err: from some length on, or always. */
static struct {
    size_t bad_lane;
    size_t bad_len; /* this one alone; 0: every one */
    size_t calls;
} fake;

static void fake_sign(const uint8_t key[static SECRET_KEY_BYTES],
                      const struct sign_job jobs[static SIGNER_LANES]) {
    /* What was signed last, since thousands of the same are asked for. */
    static struct sign_job last;
    static uint8_t made[SIGNATURE_BYTES], by[SECRET_KEY_BYTES];
    fake.calls++;
    for (size_t i = 0; i < SIGNER_LANES; i++) {
        if (jobs[i].message != last.message || jobs[i].message_len != last.message_len ||
            memcmp(by, key, sizeof(by)) != 0) {
            last = jobs[i];
            memcpy(by, key, sizeof(by));
            sign_alone(key, &jobs[i], made);
        }
        memcpy(jobs[i].signature, made, SIGNATURE_BYTES);
        if (i == fake.bad_lane && (fake.bad_len == 0 || jobs[i].message_len == fake.bad_len))
            jobs[i].signature[63] ^= 1;
    }
}

static const struct signer_lanes fake_lanes = {"fake", fake_sign};

static int setup(void **state) {
    (void)state;
    fake.bad_lane = NO_LANE;
    fake.bad_len = fake.calls = 0;
    return token_start() && crypto_sign_ed25519_keypair(public_key, secret_key) == 0 ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    return signer_use(NULL) ? 0 : -1;
}

/* Batches of every size, each signature as if made alone. */
static void assert_signs(void) {
    char text[BATCH_MAX * 40];
    uint8_t signatures[BATCH_MAX][SIGNATURE_BYTES], alone[SIGNATURE_BYTES];
    struct sign_job jobs[BATCH_MAX] = {0};
    memset(text, 'm', sizeof(text));
    for (size_t count = 0; count <= BATCH_MAX; count++) {
        for (size_t i = 0; i < count; i++)
            jobs[i] = (struct sign_job){text + i, i * 37, signatures[i]};
        memset(signatures, 0, sizeof(signatures));
        signer_sign(secret_key, jobs, count);
        for (size_t i = 0; i < count; i++) {
            sign_alone(secret_key, &jobs[i], alone);
            assert_memory_equal(alone, signatures[i], SIGNATURE_BYTES);
        }
    }
}

static void test_libsodium(void **state) {
    (void)state;
    assert_string_equal(signer_name(), "libsodium");
    assert_signs();
    assert_int_equal(fake.calls, 0);
}

static void test_lanes(void **state) {
    (void)state;
    assert_true(signer_use(&fake_lanes));
    assert_string_equal(signer_name(), "fake");
    fake.calls = 0;
    assert_signs();
    assert_true(fake.calls > BATCH_MAX);
    /* What libsodium is faster for does not go to the lanes. */
    fake.calls = 0;
    uint8_t signature[SIGNATURE_BYTES];
    signer_sign(secret_key, &(struct sign_job){"m", 1, signature}, 1);
    assert_int_equal(fake.calls, 0);
}

/* A lane that errs for one length only is never taken, and what was in use stays. */
static void test_lanes_that_err_are_refused(void **state) {
    (void)state;
    static const size_t lengths[] = {1, 31, 63, 64, 111, 127, 128, 239, 255, 299};
    for (size_t i = 0; i < array_count(lengths); i++) {
        fake.bad_lane = i % SIGNER_LANES;
        fake.bad_len = lengths[i];
        assert_false(signer_use(&fake_lanes));
        assert_string_equal(signer_name(), "libsodium");
    }
}

static void sign_same(size_t count, uint8_t (*signatures)[SIGNATURE_BYTES]) {
    static const char message[] = "the same for all";
    struct sign_job jobs[SIGNER_LANES];
    for (size_t i = 0; i < count; i++)
        jobs[i] = (struct sign_job){message, sizeof(message), signatures[i]};
    signer_sign(secret_key, jobs, count);
}

/* Whichever lane it is: within eight checks it is found, that batch is right, and it was the
 * last. */
static void test_lanes_that_come_to_err_are_switched_off(void **state) {
    (void)state;
    uint8_t signatures[SIGNER_LANES][SIGNATURE_BYTES];
    for (size_t lane = 0; lane < SIGNER_LANES; lane++) {
        uint64_t checks = signer_checks(), differences = signer_differences();
        fake.bad_lane = NO_LANE;
        assert_true(signer_use(&fake_lanes));
        sign_same(SIGNER_LANES, signatures);
        fake.bad_lane = lane;
        fake.bad_len = 0;
        size_t batches = 0;
        for (; signer_differences() == differences; batches++)
            sign_same(SIGNER_LANES, signatures);
        assert_true(batches * SIGNER_LANES <= SIGNER_LANES * SIGNER_CHECK_EVERY);
        assert_int_equal(signer_differences(), differences + 1);
        assert_true(signer_checks() > checks);
        for (size_t i = 1; i < SIGNER_LANES; i++)
            assert_memory_equal(signatures[i], signatures[0], SIGNATURE_BYTES);
        assert_string_equal(signer_name(), "libsodium");
        assert_signs();
    }
}

/* The real ones, where this build and CPU have them. */
static void test_multi_buffer(void **state) {
    (void)state;
    if (signer_multi_buffer() == NULL)
        skip();
    assert_true(signer_use(signer_multi_buffer()));
    assert_string_equal(signer_name(), "multi-buffer");
    for (size_t i = 0; i < 40; i++) {
        (void)crypto_sign_ed25519_keypair(public_key, secret_key);
        assert_signs();
    }
    assert_string_equal(signer_name(), "multi-buffer");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_libsodium, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lanes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lanes_that_err_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lanes_that_come_to_err_are_switched_off, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_multi_buffer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
