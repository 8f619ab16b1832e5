/* Decimal text. */
#include "core/base/decimal.h"

#include <string.h>

#include "core/base/time.h"

size_t decimal_uint(uint64_t value, char out[DECIMAL_UINT_BYTES])
{
    char reversed[DECIMAL_UINT_BYTES];
    size_t count = 0;
    do {
        reversed[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < count; i++)
        out[i] = reversed[count - 1 - i];
    return count;
}

size_t decimal_seconds_up(int64_t ns, char out[DECIMAL_SECONDS_BYTES])
{
    uint64_t ms = ns > 0 ? ((uint64_t)ns + (uint64_t)NS_PER_MS - 1) / (uint64_t)NS_PER_MS : 0;
    size_t used = decimal_uint(ms / 1000, out);
    out[used++] = '.';
    out[used++] = (char)('0' + ms % 1000 / 100);
    out[used++] = (char)('0' + ms % 100 / 10);
    out[used++] = (char)('0' + ms % 10);
    return used;
}

void decimal_json_seconds(struct buffer *out, int64_t ns)
{
    char digits[DECIMAL_SECONDS_BYTES];
    buffer_append(out, digits, decimal_seconds_up(ns, digits));
}

#define DIGITS_SAFE 19 /* so many never overflow */

bool decimal_parse(struct slice text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (text.bytes == 0)
        return false;
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';
        if (digit > 9)
            return false;
        if (i < DIGITS_SAFE)
            value = value * 10 + digit;
        else if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
                 __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    if (value > max)
        return false;
    *out = value;
    return true;
}

bool decimal_parse_canonical(struct slice text, uint64_t max, uint64_t *out)
{
    if (text.bytes > 1 && text.data[0] == '0')
        return false;
    return decimal_parse(text, max, out);
}

bool decimal_parse_int(struct slice text, int64_t *out)
{
    bool negative = text.bytes > 0 && text.data[0] == '-';
    struct slice digits = negative ? (struct slice){text.data + 1, text.bytes - 1} : text;
    uint64_t magnitude = 0;
    if (!decimal_parse(digits, (uint64_t)INT64_MAX + negative, &magnitude))
        return false;
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}
