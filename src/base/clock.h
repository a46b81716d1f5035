/* The time as a loop sees it: read once a turn, so that the hot path asks no clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#include "base/text.h"

/* IMF-fixdate of RFC 9110 §5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". */
#define CLOCK_DATE_BYTES 29

/* A cached time. `monotonic_us` never goes back, goes on while the machine is suspended (no lease
 * may sleep through a cut) and knows nothing of the calendar (leases, deadlines, durations);
 * `wall_s` is the calendar (iat, exp, logs) and may jump. Tests set the members. */
struct clock {
    uint64_t monotonic_us;
    int64_t wall_s;
    uint32_t wall_us; /* the part below the second, for logs */
    char date[CLOCK_DATE_BYTES + 1];
};

/* Reads the system's clocks; once a turn of a loop. */
void clock_update(struct clock *clock);
/* The monotonic time now, in µs or ns, from the system: CLOCK_BOOTTIME. */
uint64_t clock_monotonic_us(void);
uint64_t clock_monotonic_ns(void);
/* The calendar time now, in seconds since 1970. */
int64_t clock_wall_s(void);
void clock_date(int64_t wall_s, char ret_date[static CLOCK_DATE_BYTES + 1]);

#endif
