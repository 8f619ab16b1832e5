/* Dates. */
#include "api/httpdate.h"

#include <string.h>

#define DAY_SECONDS INT64_C(86400)
#define SECONDS_MIN INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define SECONDS_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* The next `count` digits as a number, or -1. */
static int take_digits(struct slice *rest, size_t count)
{
    int value = 0;
    if (rest->bytes < count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (rest->data[i] < '0' || rest->data[i] > '9')
            return -1;
        value = value * 10 + (rest->data[i] - '0');
    }
    rest->data += count;
    rest->bytes -= count;
    return value;
}

static bool take_one_of(struct slice *rest, const char *characters)
{
    if (rest->bytes == 0 || rest->data[0] == '\0' || strchr(characters, rest->data[0]) == NULL)
        return false;
    rest->data++;
    rest->bytes--;
    return true;
}

/* Days since 1970 of a date of the Gregorian calendar; years are counted from March, so that a leap day comes last. */
static int64_t days_from_date(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

static bool take_offset(struct slice *rest, int64_t *offset_s)
{
    if (take_one_of(rest, "Zz")) {
        *offset_s = 0;
        return true;
    }
    bool negative = rest->bytes > 0 && rest->data[0] == '-';
    if (!take_one_of(rest, "+-"))
        return false;
    int hours = take_digits(rest, 2);
    if (hours < 0 || hours > 23 || !take_one_of(rest, ":"))
        return false;
    int minutes = take_digits(rest, 2);
    if (minutes < 0 || minutes > 59)
        return false;
    *offset_s = (hours * 60 + minutes) * (negative ? -60 : 60);
    return true;
}

static bool take_fraction(struct slice *rest)
{
    if (!take_one_of(rest, "."))
        return true;
    if (take_digits(rest, 1) < 0)
        return false;
    while (take_digits(rest, 1) >= 0) {
    }
    return true;
}

static bool take_date(struct slice *rest, int64_t *days)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = take_digits(rest, 4);
    if (year < 1 || !take_one_of(rest, "-"))
        return false;
    int month = take_digits(rest, 2);
    if (month < 1 || month > 12 || !take_one_of(rest, "-"))
        return false;
    int day = take_digits(rest, 2);
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day < 1 || day > month_days[month - 1] || (month == 2 && day == 29 && !leap))
        return false;
    *days = days_from_date(year, month, day);
    return true;
}

static bool take_time(struct slice *rest, int64_t *seconds)
{
    int hour = take_digits(rest, 2);
    if (hour < 0 || hour > 23 || !take_one_of(rest, ":"))
        return false;
    int minute = take_digits(rest, 2);
    if (minute < 0 || minute > 59 || !take_one_of(rest, ":"))
        return false;
    int second = take_digits(rest, 2);
    if (second < 0 || second > 60)
        return false;
    *seconds = hour * 3600 + minute * 60 + (second == 60 ? 59 : second); /* a leap second has no number of its own */
    return true;
}

bool httpdate_parse_rfc3339(struct slice text, int64_t *seconds)
{
    int64_t days = 0;
    int64_t time_s = 0;
    int64_t offset_s = 0;
    if (!take_date(&text, &days) || !take_one_of(&text, "Tt ") || !take_time(&text, &time_s) || !take_fraction(&text) ||
        !take_offset(&text, &offset_s) || text.bytes > 0)
        return false;
    int64_t value = days * DAY_SECONDS + time_s - offset_s;
    if (value < SECONDS_MIN || value > SECONDS_MAX)
        return false;
    *seconds = value;
    return true;
}

static void put_digits(char *out, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

void httpdate_format(int64_t seconds, char out[HTTPDATE_BYTES])
{
    static const char week_days[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
    static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    int64_t days = seconds / DAY_SECONDS - (seconds % DAY_SECONDS < 0);
    int64_t time_s = seconds - days * DAY_SECONDS;
    int64_t week_day = (days % 7 + 7) % 7;
    int64_t since = days + 719468; /* days since 0000-03-01 */
    int64_t era = since / 146097;  /* of 400 years */
    int64_t day_of_era = since - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 = March */
    int64_t day = day_of_year - (153 * month + 2) / 5 + 1;
    int64_t year = year_of_era + era * 400 + (month >= 10);
    memcpy(out, "Thu, 00 Jan 0000 00:00:00 GMT", HTTPDATE_BYTES);
    memcpy(out, week_days + week_day * 3, 3);
    put_digits(out + 5, day, 2);
    memcpy(out + 8, months + month * 3, 3);
    put_digits(out + 12, year, 4);
    put_digits(out + 17, time_s / 3600, 2);
    put_digits(out + 20, time_s / 60 % 60, 2);
    put_digits(out + 23, time_s % 60, 2);
}
