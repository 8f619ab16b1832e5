/* Numbers as decimal text, for headers of every answer: much cheaper than snprintf. Pure functions. */
#ifndef STATEGATE_CORE_BASE_DECIMAL_H
#define STATEGATE_CORE_BASE_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

#define DIGITS_UINT_BYTES 21
/* Not terminated; returns the length. */
size_t decimal_uint(uint64_t value, char out[DIGITS_UINT_BYTES]);

#define DIGITS_SECONDS_BYTES 26
/* Nanoseconds (below 0 counts as 0) as seconds with 3 places, rounded up: "0.412". Returns the length. */
size_t decimal_seconds_up(int64_t ns, char out[DIGITS_SECONDS_BYTES]);

#endif
