/* Dates of HTTP headers: from RFC 3339 to IMF-fixdate. Pure functions. */
#ifndef STATEGATE_API_HTTP_HTTP_DATE_H
#define STATEGATE_API_HTTP_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

/* Seconds since 1970 UTC of an RFC 3339 date-time, its fraction dropped. False if it is none, or before the year 1. */
bool http_date_parse_rfc3339(struct slice text, int64_t *seconds);

/* "Sat, 31 Jan 2026 12:00:00 GMT". `seconds` lies in the years 1..9999. */
#define HTTPDATE_BYTES 30
void http_date_format(int64_t seconds, char out[HTTPDATE_BYTES]);

#endif
