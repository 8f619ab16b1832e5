/* Dates of HTTP headers: IMF-fixdate. Pure. */
#ifndef STATEGATE_API_HTTP_HTTP_DATE_H
#define STATEGATE_API_HTTP_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

/* "Sat, 31 Jan 2026 12:00:00 GMT". `seconds`: since 1970 UTC. False outside the years 1 to 9999: there is none then,
 * and nothing is written. */
#define HTTPDATE_BYTES 30
bool http_date_format(int64_t seconds, char out[HTTPDATE_BYTES]);

#endif
