/* Makes libsodium's memory run out, or its protection fail, at a chosen call. */
#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <sodium/utils.h>
#include <stdlib.h>

int faults_malloc_after = -1;
int faults_protect_after = -1;

static int is_due(int *after) {
    if (*after >= 0 && (*after)-- == 0) {
        errno = ENOMEM;
        return 1;
    }
    return 0;
}

void *sodium_malloc(const size_t size) {
    void *(*real)(size_t) = (void *(*)(size_t))dlsym(RTLD_NEXT, "sodium_malloc");
    return is_due(&faults_malloc_after) ? NULL : real(size);
}

int sodium_mprotect_readonly(void *memory) {
    int (*real)(void *) = (int (*)(void *))dlsym(RTLD_NEXT, "sodium_mprotect_readonly");
    return is_due(&faults_protect_after) ? -1 : real(memory);
}
