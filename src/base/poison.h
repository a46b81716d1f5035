/* Memory that nobody may touch until it is handed out: where the address sanitizer watches. */
#ifndef BASE_POISON_H
#define BASE_POISON_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif

#ifdef ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

static inline void memory_poison(const void *memory, size_t size) {
    ASAN_POISON_MEMORY_REGION(memory, size);
}
static inline void memory_unpoison(const void *memory, size_t size) {
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
}

#endif
