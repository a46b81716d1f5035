/* Eight Ed25519 signatures at once by Intel's crypto_mb, where it is built in and the CPU can. */
#include "token/signer.h"

#ifdef MINTD_MULTI_BUFFER

#include <crypto_mb/ed25519.h>

#define PUBLIC_KEY_AT 32 /* in a secret key */

static void eight_sign(const uint8_t secret_key[static SECRET_KEY_BYTES],
                       const struct sign_job jobs[static SIGNER_LANES]) {
    ed25519_sign_component r[SIGNER_LANES], s[SIGNER_LANES];
    ed25519_sign_component *r_at[SIGNER_LANES], *s_at[SIGNER_LANES];
    const int8u *messages[SIGNER_LANES];
    int32u lengths[SIGNER_LANES];
    const ed25519_private_key *seeds[SIGNER_LANES];
    const ed25519_public_key *public_keys[SIGNER_LANES];
    for (size_t i = 0; i < SIGNER_LANES; i++) {
        check(jobs[i].message_len <= INT32_MAX);
        r_at[i] = &r[i];
        s_at[i] = &s[i];
        messages[i] = (const int8u *)jobs[i].message;
        lengths[i] = (int32u)jobs[i].message_len;
        seeds[i] = (const ed25519_private_key *)secret_key;
        public_keys[i] = (const ed25519_public_key *)(secret_key + PUBLIC_KEY_AT);
    }
    /* It fails for null pointers only. */
    check(mbx_ed25519_sign_mb8(r_at, s_at, messages, lengths, seeds, public_keys) == 0);
    for (size_t i = 0; i < SIGNER_LANES; i++) {
        memcpy(jobs[i].signature, r[i], sizeof(r[i]));
        memcpy(jobs[i].signature + sizeof(r[i]), s[i], sizeof(s[i]));
    }
}

/* What deps/install lets the compiler use. Also asks whether the kernel saves these registers. */
static bool cpu_can(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512ifma") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
           __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

const struct signer_lanes *signer_multi_buffer(void) {
    static const struct signer_lanes lanes = {"multi-buffer", eight_sign};
    return cpu_can() ? &lanes : NULL;
}

#else

const struct signer_lanes *signer_multi_buffer(void) {
    return NULL;
}

#endif
