/* Decimal text. */
#include "core/base/decimal.h"

#include <string.h>

#include "core/base/time.h"

size_t decimal_uint(uint64_t value, char out[DIGITS_UINT_BYTES])
{
    char reversed[DIGITS_UINT_BYTES];
    size_t count = 0;
    do {
        reversed[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < count; i++)
        out[i] = reversed[count - 1 - i];
    return count;
}

size_t decimal_seconds_up(int64_t ns, char out[DIGITS_SECONDS_BYTES])
{
    uint64_t ms = ns > 0 ? ((uint64_t)ns + (uint64_t)NS_PER_MS - 1) / (uint64_t)NS_PER_MS : 0;
    size_t used = decimal_uint(ms / 1000, out);
    out[used++] = '.';
    out[used++] = (char)('0' + ms % 1000 / 100);
    out[used++] = (char)('0' + ms % 100 / 10);
    out[used++] = (char)('0' + ms % 10);
    return used;
}
