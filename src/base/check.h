/* Assertions that stay on in release, magic numbers, and the attributes used everywhere. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stdint.h>

/* Ends the process with file, line and condition when `condition` is false. For programming errors
 * only: what a peer, a disk or a user can cause is an error code, never a check. */
#define check(condition) \
    (__builtin_expect(!!(condition), 1) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

_Noreturn void check_failed(const char *file, int line, const char *condition);

/* Long-lived objects carry a magic number as their first member `magic`: a stale or foreign
 * pointer is caught at the next call instead of corrupting something. */
#define magic_check(object, number) check((object) != NULL && (object)->magic == (number))

#define must_check __attribute__((warn_unused_result))
#define printf_like(text, first) __attribute__((format(printf, text, first)))
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#define array_count(array) (sizeof(array) / sizeof((array)[0]))

/* The object that holds `member` at `pointer`. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

#endif
