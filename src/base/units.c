/* Durations and sizes as people write them: the suffixes of each unit. */
#include "base/units.h"

struct suffix {
    const char *text;
    enum unit unit;
    uint64_t factor;
};

/* Of each unit the largest first, as unit_write tries them. */
static const struct suffix suffixes[] = {
    {"d", UNIT_MS, 86400000},
    {"h", UNIT_MS, 3600000},
    {"m", UNIT_MS, 60000},
    {"s", UNIT_MS, 1000},
    {"ms", UNIT_MS, 1},
    {"d", UNIT_S, 86400},
    {"h", UNIT_S, 3600},
    {"m", UNIT_S, 60},
    {"s", UNIT_S, 1},
    {"GiB", UNIT_BYTES, 1 << 30},
    {"MiB", UNIT_BYTES, 1 << 20},
    {"KiB", UNIT_BYTES, 1 << 10},
    {"B", UNIT_BYTES, 1},
};

static bool factor_find(struct text suffix, enum unit unit, uint64_t *ret_factor) {
    if (suffix.len == 0) {
        *ret_factor = 1;
        return true;
    }
    for (size_t i = 0; i < array_count(suffixes); i++)
        if (suffixes[i].unit == unit && text_equal(suffix, text_of(suffixes[i].text))) {
            *ret_factor = suffixes[i].factor;
            return true;
        }
    return false;
}

bool unit_read(struct text text, enum unit unit, uint64_t max, uint64_t *ret_number) {
    size_t digits = 0;
    while (digits < text.len && text.at[digits] >= '0' && text.at[digits] <= '9')
        digits++;
    uint64_t factor, number;
    if (!factor_find((struct text){text.at + digits, text.len - digits}, unit, &factor) ||
        !text_number((struct text){text.at, digits}, max / factor, &number))
        return false;
    *ret_number = number * factor;
    return true;
}

void unit_write(struct buffer *out, uint64_t number, enum unit unit) {
    for (size_t i = 0; i < array_count(suffixes); i++) {
        const struct suffix *suffix = &suffixes[i];
        bool is_smallest = suffix->factor == 1;
        if (suffix->unit == unit && number % suffix->factor == 0 && (number > 0 || is_smallest)) {
            buffer_number(out, number / suffix->factor);
            buffer_put(out, suffix->text);
            return;
        }
    }
    buffer_number(out, number);
}

void unit_write_rough(struct buffer *out, uint64_t seconds) {
    static const struct {
        const char *text;
        uint64_t seconds;
    } parts[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
    size_t i = 0;
    while (seconds < parts[i].seconds && i + 1 < array_count(parts))
        i++;
    buffer_format(out, "%llu%s", (unsigned long long)(seconds / parts[i].seconds), parts[i].text);
    if (i + 1 == array_count(parts))
        return;
    uint64_t rest = seconds % parts[i].seconds / parts[i + 1].seconds;
    if (rest > 0)
        buffer_format(out, "%llu%s", (unsigned long long)rest, parts[i + 1].text);
}
