/* Durations and sizes as people write them: 250ms, 10s, 5m, 1h, 1d, 16KiB, 1MiB. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/text.h"

/* What a number counts. A bare number is in that unit. */
enum unit { UNIT_NONE, UNIT_MS, UNIT_S, UNIT_BYTES };

/* Reads a whole number with one suffix or none: ms (for UNIT_MS), s, m, h, d; B, KiB, MiB, GiB;
 * nothing for UNIT_NONE. False on anything else, or when the result is above `max`. */
must_check bool unit_read(struct text text, enum unit unit, uint64_t max, uint64_t *ret_number);
/* Writes the number so that unit_read reads it back: with the largest suffix that leaves it
 * whole. */
void unit_write(struct buffer *out, uint64_t number, enum unit unit);
/* Writes a duration in its two largest parts, for people: 59m58s, 29d, 1h. Not read back. */
void unit_write_rough(struct buffer *out, uint64_t seconds);

#endif
