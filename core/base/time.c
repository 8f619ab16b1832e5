/* Time. */
#include "core/base/time.h"

#include <stdio.h>
#include <time.h>

static int64_t clock_read_ns(clockid_t id)
{
    struct timespec now = {0};
    /* Both clocks exist on every kernel that can run this program, so this cannot fail. */
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

#define RFC3339_SECONDS_BYTES (sizeof "2026-01-31T12:00:00" - 1)

/* Two digits at `at` that make a number from `low` to `high`. The caller has checked the length. */
static bool two_digits(struct slice text, size_t at, int low, int high)
{
    int tens = text.data[at] - '0';
    int ones = text.data[at + 1] - '0';
    int value = tens * 10 + ones;
    return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 && value >= low && value <= high;
}

static int two_digits_value(struct slice text, size_t at)
{
    return (text.data[at] - '0') * 10 + (text.data[at + 1] - '0');
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* "2026-01-31", the first ten bytes. */
static bool is_date(struct slice text)
{
    if (!two_digits(text, 0, 0, 99) || !two_digits(text, 2, 0, 99) || text.data[4] != '-' ||
        !two_digits(text, 5, 1, 12) || text.data[7] != '-')
        return false;
    int year = two_digits_value(text, 0) * 100 + two_digits_value(text, 2);
    return two_digits(text, 8, 1, days_of_month(year, two_digits_value(text, 5)));
}

/* "Z" or "+01:00", and nothing else. */
static bool is_offset(struct slice text, size_t at)
{
    if (at + 1 == text.bytes)
        return text.data[at] == 'Z' || text.data[at] == 'z';
    return at + 6 == text.bytes && (text.data[at] == '+' || text.data[at] == '-') &&
           two_digits(text, at + 1, 0, 23) && text.data[at + 3] == ':' && two_digits(text, at + 4, 0, 59);
}

bool time_is_rfc3339(struct slice text)
{
    size_t at = RFC3339_SECONDS_BYTES;
    if (text.bytes <= at || !is_date(text) || (text.data[10] != 'T' && text.data[10] != 't') ||
        !two_digits(text, 11, 0, 23) || text.data[13] != ':' || !two_digits(text, 14, 0, 59) ||
        text.data[16] != ':' || !two_digits(text, 17, 0, 60))
        return false;
    if (text.data[at] == '.') {
        size_t first = ++at;
        while (at < text.bytes && text.data[at] >= '0' && text.data[at] <= '9')
            at++;
        if (at == first)
            return false;
    }
    return is_offset(text, at);
}

/* The offset at `at`, in seconds east of UTC. */
static int64_t offset_seconds(struct slice text, size_t at)
{
    if (text.bytes - at == 1)
        return 0;
    int64_t minutes = two_digits_value(text, at + 1) * 60 + two_digits_value(text, at + 4);
    return minutes * 60 * (text.data[at] == '-' ? -1 : 1);
}

bool time_parse_rfc3339(struct slice text, int64_t *wall_ns)
{
    struct tm parts = {0};
    int64_t fraction_ns = 0;
    int64_t ns;
    size_t at = RFC3339_SECONDS_BYTES;
    if (!time_is_rfc3339(text))
        return false;
    parts.tm_year = two_digits_value(text, 0) * 100 + two_digits_value(text, 2) - 1900;
    parts.tm_mon = two_digits_value(text, 5) - 1;
    parts.tm_mday = two_digits_value(text, 8);
    parts.tm_hour = two_digits_value(text, 11);
    parts.tm_min = two_digits_value(text, 14);
    parts.tm_sec = two_digits_value(text, 17);
    if (text.data[at] == '.') {
        int64_t unit = NS_PER_S / 10;
        for (at++; text.data[at] >= '0' && text.data[at] <= '9'; at++, unit /= 10)
            fraction_ns += (text.data[at] - '0') * unit;
    }
    if (__builtin_mul_overflow((int64_t)timegm(&parts) - offset_seconds(text, at), NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, fraction_ns, &ns))
        return false;
    *wall_ns = ns;
    return true;
}
