/* The signer in lanes that is compiled for AVX-512; of this layer only. */
#ifndef TOKEN_LANES_H
#define TOKEN_LANES_H

#include "token/signer.h"

/* As struct signer_lanes says. Call it only where the CPU has what deps/install names. */
void lanes_avx512_sign(const uint8_t secret_key[static SECRET_KEY_BYTES],
                       const struct sign_job jobs[static SIGNER_LANES]);

#endif
