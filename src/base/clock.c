/* The time as a loop sees it: read once a turn, so that the hot path asks no clock. */
#include "base/clock.h"

#include <time.h>

void clock_date(int64_t wall_s, char ret_date[static CLOCK_DATE_BYTES + 1]) {
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm parts = {0};
    time_t time = (time_t)wall_s;
    struct buffer out = buffer_over(ret_date, CLOCK_DATE_BYTES + 1);
    check(gmtime_r(&time, &parts) != NULL);
    buffer_format(&out, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[parts.tm_wday], parts.tm_mday,
                  months[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                  parts.tm_sec);
    check(!out.overflow);
}

uint64_t clock_monotonic_ns(void) {
    struct timespec now;
    check(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_us(void) {
    return clock_monotonic_ns() / 1000;
}

int64_t clock_wall_s(void) {
    struct timespec now;
    check(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return now.tv_sec;
}

void clock_update(struct clock *clock) {
    struct timespec now;
    check(clock_gettime(CLOCK_REALTIME, &now) == 0);
    clock->monotonic_us = clock_monotonic_us();
    clock->wall_us = (uint32_t)(now.tv_nsec / 1000);
    if (clock->wall_s != now.tv_sec || clock->date[0] == '\0') {
        clock->wall_s = now.tv_sec;
        clock_date(clock->wall_s, clock->date);
    }
}
