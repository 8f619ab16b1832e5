/* Numbers as decimal text, written (much cheaper than snprintf) and read. Pure functions. */
#ifndef STATEGATE_CORE_BASE_DECIMAL_H
#define STATEGATE_CORE_BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/slice.h"
#include "core/base/status.h"

#define DECIMAL_UINT_BYTES 21
/* Not terminated; returns the length. */
size_t decimal_uint(uint64_t value, char out[DECIMAL_UINT_BYTES]);

#define DECIMAL_SECONDS_BYTES 26
/* Nanoseconds (below 0 counts as 0) as seconds with 3 places, rounded up: "0.412". Returns the length. */
size_t decimal_seconds_up(int64_t ns, char out[DECIMAL_SECONDS_BYTES]);
/* The same as a JSON number. */
void decimal_json_seconds(struct buffer *out, int64_t ns);

/* Digits only, at least one, and the number is at most `max`. False, and nothing written, for anything else. */
SG_MUST_CHECK bool decimal_parse(struct slice text, uint64_t max, uint64_t *out);
/* The same, and spelled as decimal_uint() does: without leading zeros. */
SG_MUST_CHECK bool decimal_parse_canonical(struct slice text, uint64_t max, uint64_t *out);
/* Digits, perhaps after a minus sign. */
SG_MUST_CHECK bool decimal_parse_int(struct slice text, int64_t *out);

#endif
