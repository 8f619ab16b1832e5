/* Time. */
#include "core/base/time.h"

#include <stdio.h>
#include <time.h>

static int64_t clock_read_ns(clockid_t id)
{
    struct timespec now = {0};
    /* These clocks exist on every kernel that can run this program, so this cannot fail. */
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t time_boot_ns(void)
{
    return clock_read_ns(CLOCK_BOOTTIME);
}

int64_t time_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

int64_t time_thread_ns(void)
{
    return clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void time_rfc3339(int64_t wall_ns, char out[TIME_RFC3339_BYTES])
{
    struct tm parts = {0};
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    int64_t rest_ns = wall_ns % NS_PER_S;
    if (rest_ns < 0) {
        rest_ns += NS_PER_S;
        seconds -= 1;
    }
    if (gmtime_r(&seconds, &parts) == NULL) {
        (void)snprintf(out, TIME_RFC3339_BYTES, "1970-01-01T00:00:00.000Z");
        return;
    }
    char date[24];
    (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(out, TIME_RFC3339_BYTES, "%s.%03dZ", date, (int)(rest_ns / NS_PER_MS) % 1000);
}

/* ---- RFC 3339, read ---- */

#define DATE_BYTES (sizeof "2026-01-31" - 1)
#define FIXED_BYTES (sizeof "2026-01-31T12:00:00" - 1)
#define DAY_SECONDS INT64_C(86400)
#define DAYS_BEFORE_1970 INT64_C(719468) /* since 0000-03-01 */
#define ERA_YEARS 400
#define ERA_DAYS INT64_C(146097)

/* A date-time as it is written. */
struct parts {
    int year, month, day;
    int second;            /* of the day: a leap second has no number of its own, and is the next minute's first */
    struct slice fraction; /* with its point; empty = none */
    int offset_s;          /* east of UTC */
};

/* Two digits as a number, or -1. */
static inline int two_digits(const char *text)
{
    unsigned tens = (unsigned)(text[0] - '0');
    unsigned ones = (unsigned)(text[1] - '0');
    return tens <= 9 && ones <= 9 ? (int)(tens * 10 + ones) : -1;
}

static inline bool parse_date(const char *text, struct parts *out)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int century = two_digits(text);
    int year_of_century = two_digits(text + 2);
    out->year = century * 100 + year_of_century;
    out->month = two_digits(text + 5);
    out->day = two_digits(text + 8);
    if (century < 0 || year_of_century < 0 || text[4] != '-' || text[7] != '-' || out->month < 1 || out->month > 12 ||
        out->day < 1 || out->day > month_days[out->month - 1])
        return false;
    bool leap = out->year % 4 == 0 && (out->year % 100 != 0 || out->year % 400 == 0);
    return leap || out->month != 2 || out->day != 29;
}

static inline bool parse_time(const char *text, struct parts *out)
{
    int hour = two_digits(text);
    int minute = two_digits(text + 3);
    int second = two_digits(text + 6);
    out->second = hour * 3600 + minute * 60 + second;
    return hour >= 0 && hour <= 23 && text[2] == ':' && minute >= 0 && minute <= 59 && text[5] == ':' &&
           second >= 0 && second <= 60;
}

/* "Z" or "+01:00", and nothing else. */
static inline bool parse_offset(struct slice text, struct parts *out)
{
    out->offset_s = 0;
    if (text.bytes == 1)
        return text.data[0] == 'Z' || text.data[0] == 'z';
    if (text.bytes != 6 || (text.data[0] != '+' && text.data[0] != '-') || text.data[3] != ':')
        return false;
    int hours = two_digits(text.data + 1);
    int minutes = two_digits(text.data + 4);
    out->offset_s = (hours * 60 + minutes) * (text.data[0] == '-' ? -60 : 60);
    return hours >= 0 && hours <= 23 && minutes >= 0 && minutes <= 59;
}

static inline bool parse(struct slice text, struct parts *out)
{
    size_t at = FIXED_BYTES;
    if (text.bytes <= at || (text.data[DATE_BYTES] != 'T' && text.data[DATE_BYTES] != 't') ||
        !parse_date(text.data, out) || !parse_time(text.data + DATE_BYTES + 1, out))
        return false;
    if (text.data[at] == '.') {
        size_t first = ++at;
        while (at < text.bytes && text.data[at] >= '0' && text.data[at] <= '9')
            at++;
        if (at == first)
            return false;
    }
    out->fraction = (struct slice){text.data + FIXED_BYTES, at - FIXED_BYTES};
    return parse_offset((struct slice){text.data + at, text.bytes - at}, out);
}

/* Seconds since 1970 UTC, in the Gregorian calendar. Years are counted from March, so that a leap day comes last, and
 * begin an era earlier, so that none is below 0. */
static inline int64_t seconds_of(const struct parts *parts)
{
    int64_t year = (parts->month <= 2 ? parts->year - 1 : parts->year) + ERA_YEARS;
    int64_t month = parts->month > 2 ? parts->month - 3 : parts->month + 9;
    int64_t day_of_year = (153 * month + 2) / 5 + parts->day - 1;
    int64_t days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - DAYS_BEFORE_1970 - ERA_DAYS;
    return days * DAY_SECONDS + parts->second - parts->offset_s;
}

static int64_t fraction_ns_of(const struct parts *parts)
{
    int64_t ns = 0;
    int64_t unit = NS_PER_S / 10;
    for (size_t i = 1; i < parts->fraction.bytes; i++, unit /= 10) /* after the point */
        ns += (parts->fraction.data[i] - '0') * unit;
    return ns;
}

bool time_is_rfc3339(struct slice text)
{
    struct parts parts;
    return parse(text, &parts);
}

bool time_parse_rfc3339_s(struct slice text, int64_t *wall_s)
{
    struct parts parts;
    if (!parse(text, &parts))
        return false;
    *wall_s = seconds_of(&parts);
    return true;
}

bool time_parse_rfc3339(struct slice text, int64_t *wall_ns)
{
    struct parts parts;
    int64_t ns = 0;
    if (!parse(text, &parts))
        return false;
    int64_t seconds = seconds_of(&parts);
    int64_t rest_ns = fraction_ns_of(&parts);
    if (seconds < 0) { /* towards 0, since the seconds of the earliest instants alone do not fit */
        seconds += 1;
        rest_ns -= NS_PER_S;
    }
    if (__builtin_mul_overflow(seconds, NS_PER_S, &ns) || __builtin_add_overflow(ns, rest_ns, &ns))
        return false;
    *wall_ns = ns;
    return true;
}
