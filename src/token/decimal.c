/* Numbers by their spelling in JSON: their exact value, without a double in between. */
#include "token/decimal.h"

#define EXPONENT_MAX 1000000000000000

/* The index behind the decimal digits from `i` on. */
static size_t digits_end(struct text text, size_t i) {
    while (i < text.len && text.at[i] >= '0' && text.at[i] <= '9')
        i++;
    return i;
}

/* The exponent part from its e on, if there is one. */
static bool exponent_read(struct text text, size_t i, int64_t *ret_exponent) {
    int64_t exponent = 0;
    *ret_exponent = 0;
    if (i == text.len)
        return true;
    if ((text.at[i] | 0x20) != 'e' || ++i == text.len)
        return false;
    bool negative = text.at[i] == '-';
    if (negative || text.at[i] == '+')
        i++;
    size_t end = digits_end(text, i);
    if (end == i || end != text.len)
        return false;
    for (; i < end; i++)
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + (text.at[i] - '0');
    if (exponent > EXPONENT_MAX)
        exponent = EXPONENT_MAX;
    *ret_exponent = negative ? -exponent : exponent;
    return true;
}

static bool is_filler(char byte) {
    return byte == '0' || byte == '.';
}

bool decimal_read(struct text text, struct decimal *ret_decimal) {
    struct decimal decimal = {.negative = text.len > 0 && text.at[0] == '-'};
    size_t start = decimal.negative ? 1 : 0;
    size_t point = digits_end(text, start); /* where the point is, or would be */
    size_t end = point;
    if (point == start || (text.at[start] == '0' && point > start + 1))
        return false;
    if (point < text.len && text.at[point] == '.') {
        end = digits_end(text, point + 1);
        if (end == point + 1)
            return false;
    }
    if (!exponent_read(text, end, &decimal.exponent))
        return false;
    while (start < end && is_filler(text.at[start]))
        start++;
    while (end > start && is_filler(text.at[end - 1]))
        end--;
    if (start == end)
        decimal = (struct decimal){0};
    else
        decimal.exponent +=
            start < point ? (int64_t)(point - start) : -(int64_t)(start - point - 1);
    decimal.digits = (struct text){text.at + start, end - start};
    *ret_decimal = decimal;
    return true;
}

/* Takes the next digit off the front; -1 behind the last. */
static int digit_next(struct text *digits) {
    if (digits->len > 0 && digits->at[0] == '.')
        *digits = (struct text){digits->at + 1, digits->len - 1};
    if (digits->len == 0)
        return -1;
    int digit = digits->at[0] - '0';
    *digits = (struct text){digits->at + 1, digits->len - 1};
    return digit;
}

bool decimal_equal(const struct decimal *a, const struct decimal *b) {
    struct text left = a->digits, right = b->digits;
    if (a->negative != b->negative || a->exponent != b->exponent)
        return false;
    int digit;
    do {
        digit = digit_next(&left);
        if (digit != digit_next(&right))
            return false;
    } while (digit >= 0);
    return true;
}

bool decimal_whole(const struct decimal *decimal, uint64_t max, uint64_t *ret_number) {
    struct text digits = decimal->digits;
    uint64_t number = 0;
    /* 2^64 has 20 digits. */
    if (decimal->negative || decimal->exponent > 20)
        return false;
    for (int64_t left = decimal->exponent; left > 0; left--) {
        int digit = digit_next(&digits);
        if (__builtin_mul_overflow(number, 10U, &number) ||
            __builtin_add_overflow(number, digit < 0 ? 0U : (unsigned)digit, &number))
            return false;
    }
    if (digits.len > 0 || number > max)
        return false;
    *ret_number = number;
    return true;
}
