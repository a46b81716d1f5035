/* Which signer is used, and a word in the log when the faster one had to be switched off. */
#include "server/server.h"

bool signing_open(struct server *server, struct error *ret_error) {
    const struct signer_lanes *lanes = signer_multi_buffer();
    struct text wanted = server->settings->signer;
    bool must = text_equal(wanted, TEXT("multi-buffer"));
    if (text_equal(wanted, TEXT("libsodium")) || (lanes == NULL && !must))
        return signer_use(NULL);
    if (lanes == NULL)
        return error_set(ret_error, ERROR_SIGNER,
                         "this mintd was built without it (deps/install --multi-buffer builds it), "
                         "or the CPU has no AVX-512 IFMA");
    if (signer_use(lanes))
        return true;
    if (must)
        return error_set(ret_error, ERROR_SIGNER, "its signatures differ from libsodium's");
    log_event(server->log, LOG_ERROR, "signer",
              "the multi-buffer signer's signatures differ from libsodium's: libsodium signs");
    return true;
}

void signing_watch(struct server *server) {
    uint64_t differences = signer_differences();
    if (differences == server->signer_differences)
        return;
    server->signer_differences = differences;
    log_event(server->log, LOG_ERROR, "signer",
              "a signature of the multi-buffer signer was wrong: libsodium signs from now on; "
              "distrust this machine, and rotate the signing key");
}

static void counter_write(struct buffer *out, const char *name, const char *help, uint64_t value) {
    buffer_format(out, "# HELP %s %s\n# TYPE %s counter\n%s %llu\n", name, help, name, name,
                  (unsigned long long)value);
}

void signing_write_metrics(struct buffer *out) {
    counter_write(out, "mintd_signer_checks_total",
                  "Signatures of the multi-buffer signer made again by libsodium.",
                  signer_checks());
    counter_write(out, "mintd_signer_differences_total",
                  "Those that differed, after which libsodium signs.", signer_differences());
}
