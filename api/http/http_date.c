/* Dates. */
#include "api/http/http_date.h"

#include <string.h>

#define DAY_SECONDS INT64_C(86400)
#define DAYS_BEFORE_1970 INT64_C(719468)  /* since 0000-03-01 */
#define SECONDS_MIN INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define SECONDS_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* Two digits as a number, or -1. */
static int two_digits(const char *text)
{
    unsigned tens = (unsigned)(text[0] - '0');
    unsigned ones = (unsigned)(text[1] - '0');
    return tens <= 9 && ones <= 9 ? (int)(tens * 10 + ones) : -1;
}

/* Days since 1970 of a date of the Gregorian calendar; years are counted from March, so that a leap day comes last. */
static int64_t days_from_date(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - DAYS_BEFORE_1970;
}

static bool parse_date(const char text[10], int64_t *days)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int century = two_digits(text);
    int year_of_century = two_digits(text + 2);
    int month = two_digits(text + 5);
    int day = two_digits(text + 8);
    int year = century * 100 + year_of_century;
    if (century < 0 || year_of_century < 0 || year < 1 || text[4] != '-' || text[7] != '-')
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] || (month == 2 && day == 29 && !leap))
        return false;
    *days = days_from_date(year, month, day);
    return true;
}

static bool parse_time(const char text[8], int64_t *seconds)
{
    int hour = two_digits(text);
    int minute = two_digits(text + 3);
    int second = two_digits(text + 6);
    if (hour < 0 || hour > 23 || text[2] != ':' || minute < 0 || minute > 59 || text[5] != ':' ||
        second < 0 || second > 60)
        return false;
    *seconds = hour * 3600 + minute * 60 + (second == 60 ? 59 : second); /* a leap second has no number of its own */
    return true;
}

/* A fraction, which is left out, and the offset. */
static bool parse_rest(struct slice rest, int64_t *offset_s)
{
    size_t at = 0;
    if (rest.bytes > 0 && rest.data[0] == '.') {
        for (at = 1; at < rest.bytes && rest.data[at] >= '0' && rest.data[at] <= '9'; at++) {
        }
        if (at == 1)
            return false;
    }
    rest = (struct slice){rest.data + at, rest.bytes - at};
    *offset_s = 0;
    if (rest.bytes == 1)
        return rest.data[0] == 'Z' || rest.data[0] == 'z';
    if (rest.bytes != 6 || (rest.data[0] != '+' && rest.data[0] != '-') || rest.data[3] != ':')
        return false;
    int hours = two_digits(rest.data + 1);
    int minutes = two_digits(rest.data + 4);
    *offset_s = (hours * 60 + minutes) * (rest.data[0] == '-' ? -60 : 60);
    return hours >= 0 && hours <= 23 && minutes >= 0 && minutes <= 59;
}

bool http_date_parse_rfc3339(struct slice text, int64_t *seconds)
{
    enum { DATE_BYTES = 10, TIME_BYTES = 8, FIXED_BYTES = DATE_BYTES + 1 + TIME_BYTES };
    int64_t days = 0;
    int64_t time_s = 0;
    int64_t offset_s = 0;
    if (text.bytes <= FIXED_BYTES)
        return false;
    char between = text.data[DATE_BYTES];
    if (!parse_date(text.data, &days) || (between != 'T' && between != 't' && between != ' ') ||
        !parse_time(text.data + DATE_BYTES + 1, &time_s) ||
        !parse_rest((struct slice){text.data + FIXED_BYTES, text.bytes - FIXED_BYTES}, &offset_s))
        return false;
    int64_t value = days * DAY_SECONDS + time_s - offset_s;
    if (value < SECONDS_MIN || value > SECONDS_MAX)
        return false;
    *seconds = value;
    return true;
}

static void put_two(char *out, unsigned value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    memcpy(out, pairs + (size_t)value * 2, 2);
}

void http_date_format(int64_t seconds, char out[HTTPDATE_BYTES])
{
    static const char week_days[] = "WedThuFriSatSunMonTue"; /* 0000-03-01 was a Wednesday */
    static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    uint64_t all = (uint64_t)(seconds + DAYS_BEFORE_1970 * DAY_SECONDS);
    unsigned since = (unsigned)(all / DAY_SECONDS); /* days since 0000-03-01: not before it, by SECONDS_MIN */
    unsigned time_of_day = (unsigned)(all - since * (uint64_t)DAY_SECONDS);
    unsigned week_day = since % 7;
    unsigned era = since / 146097;              /* of 400 years */
    unsigned day_of_era = since - era * 146097;
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month = (5 * day_of_year + 2) / 153; /* 0 = March */
    unsigned day = day_of_year - (153 * month + 2) / 5 + 1;
    unsigned year = year_of_era + era * 400 + (month >= 10);
    memcpy(out, "Thu, 00 Jan 0000 00:00:00 GMT", HTTPDATE_BYTES);
    memcpy(out, week_days + week_day * 3, 3);
    put_two(out + 5, day);
    memcpy(out + 8, months + month * 3, 3);
    put_two(out + 12, year / 100);
    put_two(out + 14, year % 100);
    put_two(out + 17, time_of_day / 3600);
    put_two(out + 20, time_of_day / 60 % 60);
    put_two(out + 23, time_of_day % 60);
}
