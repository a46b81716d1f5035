/* Log lines that never block a loop: a ring of the thread's own, which another drains. */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How often the drainer looks: a line is at most this late. */
#define DRAIN_MS 50

static const char *const level_names[] = {"debug", "info", "warning", "error"};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t stop_asked;
    pthread_t thread;
    struct log *first;
    int descriptor;
    enum log_format format;
    enum log_level level;
    bool running;
    bool stop;
} drainer = {.lock = PTHREAD_MUTEX_INITIALIZER, .stop_asked = PTHREAD_COND_INITIALIZER};

/* Writes all of it, waiting for a slow reader; gives up on a broken descriptor. */
static void descriptor_write(int descriptor, const char *at, size_t len) {
    while (len > 0) {
        ssize_t written = write(descriptor, at, len);
        if (written > 0) {
            at += written;
            len -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            (void)poll(&(struct pollfd){.fd = descriptor, .events = POLLOUT}, 1, 1000);
        } else if (written < 0 && errno != EINTR) {
            return;
        }
    }
}

static void log_drain(struct log *log, int descriptor) {
    uint32_t head = atomic_load_explicit(&log->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&log->tail, memory_order_relaxed);
    while (tail != head) {
        uint32_t start = tail % LOG_RING_BYTES;
        uint32_t len = head - tail;
        if (len > LOG_RING_BYTES - start)
            len = LOG_RING_BYTES - start;
        descriptor_write(descriptor, log->ring + start, len);
        tail += len;
        atomic_store_explicit(&log->tail, tail, memory_order_release);
    }
}

static void drain_all(void) {
    (void)pthread_mutex_lock(&drainer.lock);
    struct log *first = drainer.first;
    (void)pthread_mutex_unlock(&drainer.lock);
    /* Logs are only ever added in front, so the list from `first` on stands still. */
    for (struct log *log = first; log != NULL; log = log->next)
        log_drain(log, drainer.descriptor);
}

static void *drainer_run(void *unused) {
    (void)unused;
    for (bool stop = false; !stop;) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += DRAIN_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_mutex_lock(&drainer.lock);
        if (!drainer.stop)
            (void)pthread_cond_timedwait(&drainer.stop_asked, &drainer.lock, &until);
        stop = drainer.stop;
        (void)pthread_mutex_unlock(&drainer.lock);
        drain_all();
    }
    return NULL;
}

bool log_start(int descriptor, enum log_format format, enum log_level level) {
    check(!drainer.running);
    drainer.descriptor = descriptor;
    drainer.format = format;
    drainer.level = level;
    drainer.stop = false;
    drainer.running = pthread_create(&drainer.thread, NULL, drainer_run, NULL) == 0;
    return drainer.running;
}

void log_stop(void) {
    if (!drainer.running)
        return;
    (void)pthread_mutex_lock(&drainer.lock);
    drainer.stop = true;
    (void)pthread_cond_signal(&drainer.stop_asked);
    (void)pthread_mutex_unlock(&drainer.lock);
    (void)pthread_join(drainer.thread, NULL);
    drainer.running = false;
    while (drainer.first != NULL) {
        struct log *log = drainer.first;
        drainer.first = log->next;
        free(log);
    }
}

struct log *log_open(const struct clock *clock) {
    struct log *log = malloc(sizeof(*log));
    if (log == NULL)
        return NULL;
    atomic_init(&log->head, 0);
    atomic_init(&log->tail, 0);
    atomic_init(&log->dropped, 0);
    log->clock = clock;
    log->time_s = INT64_MIN;
    memset(log->time, '0', sizeof(log->time)); /* should the year have five digits */
    (void)pthread_mutex_lock(&drainer.lock);
    log->level = drainer.level;
    log->format = drainer.format;
    log->next = drainer.first;
    drainer.first = log;
    (void)pthread_mutex_unlock(&drainer.lock);
    return log;
}

/* The second is written out once for all its lines. */
static void line_time(struct log_line *line) {
    struct clock now = {0};
    struct log *log = line->log;
    const struct clock *clock = log->clock;
    if (clock == NULL) {
        clock_update(&now);
        clock = &now;
    }
    if (log->time_s != clock->wall_s) {
        struct buffer time = buffer_over(log->time, sizeof(log->time));
        buffer_time(&time, clock->wall_s);
        log->time_s = clock->wall_s;
    }
    buffer_add(&line->out, (struct text){log->time, sizeof(log->time) - 1}); /* without the Z */
    buffer_byte(&line->out, '.');
    buffer_digits(&line->out, clock->wall_us, 6);
    buffer_byte(&line->out, 'Z');
}

void log_begin(struct log_line *line, struct log *log, enum log_level level, const char *event) {
    line->log = log != NULL && level >= log->level ? log : NULL;
    if (line->log == NULL)
        return;
    /* Kept back: the end of the line. */
    line->out = buffer_over(line->memory, sizeof(line->memory) - 2);
    if (log->format == LOG_JSON) {
        buffer_put(&line->out, "{\"time\":\"");
        line_time(line);
        buffer_put(&line->out, "\",\"level\":\"");
        buffer_put(&line->out, level_names[level]);
        buffer_put(&line->out, "\",\"event\":\"");
        buffer_put(&line->out, event);
        buffer_byte(&line->out, '"');
    } else {
        line_time(line);
        buffer_format(&line->out, " %-7s %s", level_names[level], event);
    }
}

static void line_key(struct log_line *line, const char *key) {
    buffer_put(&line->out, line->log->format == LOG_JSON ? ",\"" : " ");
    buffer_put(&line->out, key);
    buffer_put(&line->out, line->log->format == LOG_JSON ? "\":" : "=");
}

/* A member that does not fit is left out whole, so that the line stays well-formed. */
static void line_settle(struct log_line *line, size_t len_before) {
    if (line->out.overflow) {
        line->out.len = len_before;
        line->out.overflow = false;
    }
}

void log_text(struct log_line *line, const char *key, struct text value) {
    if (line->log == NULL)
        return;
    size_t before = line->out.len;
    line_key(line, key);
    buffer_json(&line->out, value);
    line_settle(line, before);
}

void log_number(struct log_line *line, const char *key, uint64_t value) {
    if (line->log == NULL)
        return;
    size_t before = line->out.len;
    line_key(line, key);
    buffer_number(&line->out, value);
    line_settle(line, before);
}

void log_uuid(struct log_line *line, const char *key, const struct uuid *value) {
    char text[UUID_TEXT_BYTES];
    struct buffer out = buffer_over(text, sizeof(text));
    if (line->log == NULL)
        return;
    buffer_uuid(&out, value);
    log_text(line, key, buffer_text(&out));
}

static void ring_write(struct log *log, const char *at, uint32_t len) {
    uint32_t head = atomic_load_explicit(&log->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&log->tail, memory_order_acquire);
    if (LOG_RING_BYTES - (head - tail) < len) {
        (void)atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
        return;
    }
    uint32_t start = head % LOG_RING_BYTES;
    uint32_t first = len < LOG_RING_BYTES - start ? len : LOG_RING_BYTES - start;
    memcpy(log->ring + start, at, first);
    memcpy(log->ring, at + first, len - first);
    atomic_store_explicit(&log->head, head + len, memory_order_release);
}

void log_end(struct log_line *line) {
    if (line->log == NULL)
        return;
    line->out.size = sizeof(line->memory);
    if (line->log->format == LOG_JSON)
        buffer_byte(&line->out, '}');
    buffer_byte(&line->out, '\n');
    ring_write(line->log, line->out.at, (uint32_t)line->out.len);
    line->log = NULL;
}

void log_event(struct log *log, enum log_level level, const char *event, const char *format, ...) {
    struct log_line line;
    char message[1024];
    va_list arguments;
    log_begin(&line, log, level, event);
    if (line.log == NULL)
        return;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    log_text(&line, "message", text_of(message));
    log_end(&line);
}
