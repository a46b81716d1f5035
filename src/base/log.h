/* Log lines that never block a loop: a ring of the thread's own, which another drains. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>

#include "base/clock.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_JSON, LOG_TEXT };

/* One writer thread, one drainer. A line that has no room is dropped and counted. */
#define LOG_RING_BYTES (1U << 18) /* a second of requests at full speed is drained in tens of ms */
struct log {
    _Atomic uint32_t head; /* bytes written, by the writer */
    _Atomic uint32_t tail; /* bytes drained, by the drainer */
    _Atomic uint64_t dropped;
    enum log_level level;
    enum log_format format;
    const struct clock *clock; /* the writer's; NULL: the system's is asked */
    int64_t time_s;            /* the second that `time` names */
    char time[TIME_TEXT_BYTES];
    struct log *next;
    char ring[LOG_RING_BYTES];
};

/* The drainer: one thread for all logs of the process, writing to `descriptor`. */
must_check bool log_start(int descriptor, enum log_format format, enum log_level level);
/* Drains what is there, ends the thread and frees every log: no line may be begun after it. */
void log_stop(void);
/* A log of the calling thread's own, kept until log_stop; NULL when memory is out. */
struct log *log_open(const struct clock *clock);

/* A line is begun, given members and ended; between them nothing else is logged by this thread.
 * Keys are literals without anything to escape; values are escaped. Secrets have types of their own
 * that no function here takes. */
struct log_line {
    struct log *log; /* NULL: below the level, or no log: every call does nothing */
    struct buffer out;
    char memory[2048];
};
void log_begin(struct log_line *line, struct log *log, enum log_level level, const char *event);
void log_text(struct log_line *line, const char *key, struct text value);
void log_number(struct log_line *line, const char *key, uint64_t value);
void log_uuid(struct log_line *line, const char *key, const struct uuid *value);
void log_end(struct log_line *line);

/* One event with a formatted message. `log` may be NULL: nothing is logged. */
void log_event(struct log *log, enum log_level level, const char *event, const char *format, ...)
    printf_like(4, 5);

#endif
