/* Lets sanitizers refuse an absurd size as malloc does, instead of ending the program. */
#ifndef TESTS_ABSURD_SIZES_H
#define TESTS_ABSURD_SIZES_H

const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void) {
    return "allocator_may_return_null=1";
}

#endif
