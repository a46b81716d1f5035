/* Whether eight signatures can be made at once: built in, and the CPU can. */
#include "token/lanes.h"

#ifdef MINTD_MULTI_BUFFER

/* What src/CMakeLists.txt and deps/install let the compilers use. Also asks whether the kernel
 * saves these registers. */
static bool cpu_can(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512ifma") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
           __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

const struct signer_lanes *signer_multi_buffer(void) {
    static const struct signer_lanes lanes = {"multi-buffer", lanes_avx512_sign};
    return cpu_can() ? &lanes : NULL;
}

#else

const struct signer_lanes *signer_multi_buffer(void) {
    return NULL;
}

#endif
