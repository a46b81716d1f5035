/* The Redis client over TLS. */
#include "redis_rig.h"

static void certificates_make(void) {
    run((const char *const[]){"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                              "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                              "/CN=redis.test", "-addext", "subjectAltName=DNS:redis.test",
                              "-keyout", "key.pem", "-out", "cert.pem", NULL});
}

static bool says_certificate(void) {
    const char *why = redis_why(client.redis);
    return strstr(why, "mismatch") != NULL || strstr(why, "certificate") != NULL;
}

/* More than a record of TLS, and than the socket takes at once. */
#define BIG_BYTES (600 * 1024)

static bool set_big(void) {
    char *value = malloc(BIG_BYTES);
    assert_non_null(value);
    memset(value, 'x', BIG_BYTES);
    bool is_sent = ASK(TEXT("SET"), TEXT("big"), ((struct text){value, BIG_BYTES}));
    free(value);
    return is_sent;
}
static bool get_big(void) {
    return ASK(TEXT("GET"), TEXT("big"));
}
static bool is_big(void) {
    return is_done() && asked.last.answer == REDIS_BYTES && asked.last.bytes.len == BIG_BYTES;
}

static void test_tls(void **state) {
    (void)state;
    char url[64], ca[96], key[96];
    certificates_make();
    (void)snprintf(other_port, sizeof(other_port), "%u", free_port());
    other_server = spawn((const char *const[]){
        "redis-server", "--port", "0", "--tls-port", other_port, "--tls-cert-file", "cert.pem",
        "--tls-key-file", "key.pem", "--tls-ca-cert-file", "cert.pem", "--save", "", NULL});
    (void)snprintf(url, sizeof(url), "rediss://127.0.0.1:%s", other_port);
    (void)snprintf(ca, sizeof(ca), "%s/cert.pem", folder);
    (void)snprintf(key, sizeof(key), "%s/key.pem", folder);
    struct redis_options options = {.url = text_of(url),
                                    .tls_ca = text_of(ca),
                                    .tls_cert = text_of(ca),
                                    .tls_key = text_of(key),
                                    .tls_name = TEXT("redis.test"),
                                    .command_ms = 5000};
    rig_open(options);
    PLAY(is_up, set_big, is_done, get_big, is_big, ask_ping, is_pong);
    options.tls_name = TEXT("other.test"); /* not the certificate's */
    rig_open(options);
    PLAY(says_certificate, is_not_up);
    options.tls_name = (struct text){0}; /* nor is the address */
    rig_open(options);
    PLAY(says_certificate, is_not_up);
    options.tls_name = TEXT("redis.test");
    options.tls_ca = (struct text){0}; /* nobody vouches for it */
    rig_open(options);
    PLAY(says_certificate, is_not_up);
}

static void test_tls_files_that_cannot_be_used(void **state) {
    (void)state;
    struct loop *loop;
    struct redis *redis;
    struct error error;
    static const struct redis_handler handler = {0};
    struct redis_options options = {.url = TEXT("rediss://127.0.0.1:1"), .command_ms = 20};
    assert_true(loop_open(&loop, &error));
    options.tls_ca = TEXT("/nowhere");
    assert_false(redis_open(loop, &options, &handler, &redis, &error));
    assert_non_null(strstr(error.subject, "redis-tls-ca"));
    options.tls_ca = (struct text){0};
    options.tls_cert = TEXT("/nowhere");
    assert_false(redis_open(loop, &options, &handler, &redis, &error));
    assert_non_null(strstr(error.subject, "together"));
    options.tls_key = TEXT("/nowhere");
    assert_false(redis_open(loop, &options, &handler, &redis, &error));
    assert_non_null(strstr(error.subject, "redis-tls-cert"));
    loop_close(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED(test_tls),
        cmocka_unit_test(test_tls_files_that_cannot_be_used),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
