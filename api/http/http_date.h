/* Dates of HTTP headers: written as IMF-fixdate, read in the three forms of RFC 9110, section 5.6.7. Pure. */
#ifndef STATEGATE_API_HTTP_HTTP_DATE_H
#define STATEGATE_API_HTTP_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

/* "Sat, 31 Jan 2026 12:00:00 GMT". `seconds`: since 1970 UTC. False outside the years 1 to 9999: there is none then,
 * and nothing is written. */
#define HTTPDATE_BYTES 30
bool http_date_format(int64_t seconds, char out[HTTPDATE_BYTES]);

/* False where the text is no such date. A year of two digits is not more than 50 years after `now_s`. */
bool http_date_parse(struct slice text, int64_t now_s, int64_t *seconds);

#endif
