/* Time. Ages and deadlines are measured on a clock that neither jumps nor stops in suspend (CLOCK_BOOTTIME);
 * the wall clock is only for what people and other systems read. */
#ifndef STATEGATE_CORE_BASE_TIME_H
#define STATEGATE_CORE_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* Nanoseconds since boot, suspend included. Any thread, never blocks, never fails. */
int64_t time_boot_ns(void);

/* Nanoseconds since 1970 UTC. May jump: never subtract two of these to get an age. */
int64_t time_wall_ns(void);

/* Processor time of the calling thread. A system call. */
int64_t time_thread_ns(void);

/* RFC 3339 with milliseconds, e.g. "2026-01-31T12:00:00.123Z", into `out`. */
#define TIME_RFC3339_BYTES 32
void time_rfc3339(int64_t wall_ns, char out[TIME_RFC3339_BYTES]);

/* Is it a date-time of RFC 3339, section 5.6? Syntax and ranges, lower-case letters included. A leap second (:60) is
 * allowed in any minute, and read as the first second of the next one. Pure, as are the next two. */
bool time_is_rfc3339(struct slice text);
/* The same, as nanoseconds since 1970 UTC, digits beyond them cut off. False, and nothing written, also where that does
 * not fit (before 1677, after 2262). */
bool time_parse_rfc3339(struct slice text, int64_t *wall_ns);
/* The same, as seconds since 1970 UTC, its fraction dropped: of any year that can be written. */
bool time_parse_rfc3339_s(struct slice text, int64_t *wall_s);

#endif
