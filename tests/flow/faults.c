/* Memory that runs out when a test says so: the linker puts these in the place of malloc. */
#include "faults.h"

#include <stdlib.h>

#include "base/check.h"

/* `-Wl,--wrap=malloc` sends each call here, and what is called here to the library. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

static struct {
    uint64_t calls;
    uint64_t first;
    bool is_armed;
    bool from_then_on;
    int64_t live;
} faults;

void faults_arm(uint64_t first, bool from_then_on) {
    faults.calls = 0;
    faults.first = first;
    faults.from_then_on = from_then_on;
    faults.is_armed = true;
}

uint64_t faults_disarm(void) {
    faults.is_armed = false;
    return faults.calls;
}

int64_t faults_live(void) {
    return faults.live;
}

static bool is_due(void) {
    if (!faults.is_armed)
        return false;
    faults.calls++;
    return faults.first != 0 &&
           (faults.calls == faults.first || (faults.from_then_on && faults.calls > faults.first));
}

static void *counted(void *memory) {
    check(memory != NULL);
    faults.live++;
    return memory;
}

void *faults_spare(size_t size) {
    return counted(__real_malloc(size));
}

void *__wrap_malloc(size_t size) {
    return is_due() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
    return is_due() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size) {
    if (is_due())
        return NULL;
    faults.live -= memory != NULL;
    return counted(__real_realloc(memory, size));
}

void __wrap_free(void *memory) {
    faults.live -= memory != NULL;
    __real_free(memory);
}
