/* Numbers by their spelling in JSON: their exact value, without a double in between. */
#ifndef TOKEN_DECIMAL_H
#define TOKEN_DECIMAL_H

#include "base/text.h"

/* The value 0.d₁d₂…dₙ × 10^exponent, d₁ and dₙ not 0; zero has no digits. */
struct decimal {
    struct text digits; /* d₁ to dₙ as they were spelled, perhaps with the point among them */
    int64_t exponent;
    bool negative;
};

/* Reads a number as RFC 8259 §6 spells it; false on anything else. An exponent that is spelled
 * beyond ±10^15 counts as that. */
must_check bool decimal_read(struct text text, struct decimal *ret_decimal);
/* Whether two are the same number. */
bool decimal_equal(const struct decimal *a, const struct decimal *b);
/* The value if it is whole and from 0 to `max`; false otherwise. */
must_check bool decimal_whole(const struct decimal *decimal, uint64_t max, uint64_t *ret_number);

#endif
