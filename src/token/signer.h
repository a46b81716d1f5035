/* Ed25519 signatures in batches: by libsodium one after the other, or by lanes, eight at once. */
#ifndef TOKEN_SIGNER_H
#define TOKEN_SIGNER_H

#include "base/text.h"

#define SIGNATURE_BYTES 64
#define SECRET_KEY_BYTES 64 /* the seed and behind it the public key, as libsodium keeps them */

struct sign_job {
    const char *message;
    size_t message_len;
    uint8_t *signature; /* SIGNATURE_BYTES, set by the signer */
};

/* Something that makes eight signatures by one key in one go. Ed25519 is deterministic (RFC 8032
 * §5.1.6), so they are bit for bit what libsodium makes, or they are wrong. */
#define SIGNER_LANES 8
struct signer_lanes {
    const char *name;
    void (*sign)(const uint8_t secret_key[static SECRET_KEY_BYTES],
                 const struct sign_job jobs[static SIGNER_LANES]);
};

/* Intel's crypto_mb ("multi-buffer"); NULL where it was not built in (deps/install --multi-buffer)
 * or the CPU has no AVX-512 IFMA. */
const struct signer_lanes *signer_multi_buffer(void);

/* From now on batches are signed by `lanes`, in the whole process. False, and nothing changes, if
 * they do not agree with libsodium: compared are all lanes, with messages of many lengths and
 * several keys. NULL goes back to libsodium. Takes some milliseconds. */
must_check bool signer_use(const struct signer_lanes *lanes);

/* What is in use: "libsodium", or the lanes' name. */
const char *signer_name(void);

/* Sets the signature of each job. Few jobs go to libsodium, which is the faster for them. From any
 * thread.
 *
 * One signature in SIGNER_CHECK_EVERY of each thread is made again by libsodium, and another lane
 * is looked at each time. A difference switches the lanes off for good, the batch is signed anew,
 * and signer_differences counts it: a processor or compiler that errs must not go on, since a
 * wrong signature can give the key away. */
#define SIGNER_CHECK_EVERY 4096
void signer_sign(const uint8_t secret_key[static SECRET_KEY_BYTES], const struct sign_job *jobs,
                 size_t count);
uint64_t signer_checks(void);
uint64_t signer_differences(void);

#endif
