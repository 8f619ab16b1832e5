/* Dates of HTTP headers. */
#include "api/http/http_date.h"

#include <stdio.h>
#include <string.h>

#include "core/base/time.h"

#define DAY_SECONDS INT64_C(86400)
#define DAYS_BEFORE_1970 INT64_C(719468)  /* since 0000-03-01 */
#define SECONDS_MIN INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define SECONDS_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static void put_two(char *out, unsigned value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    memcpy(out, pairs + (size_t)value * 2, 2);
}

bool http_date_format(int64_t seconds, char out[HTTPDATE_BYTES])
{
    static const char week_days[] = "WedThuFriSatSunMonTue"; /* 0000-03-01 was a Wednesday */
    static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    if (seconds < SECONDS_MIN || seconds > SECONDS_MAX)
        return false;
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
    return true;
}

/* ---- reading ---- */

#define DATE_READ_BYTES_MAX 34 /* "Wednesday, 31-Jan-26 12:00:00 GMT" */
#define YEAR_SECONDS INT64_C(31556952) /* on average */

/* Is the text of this form? 0 stands for a digit, _ for a digit or a space, a for a letter, all else for itself. */
static bool has_form(const char *text, const char *form)
{
    for (; *form != '\0'; text++, form++) {
        bool digit = *text >= '0' && *text <= '9';
        bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
        if (*form == '0' ? !digit : *form == '_' ? !digit && *text != ' ' : *form == 'a' ? !letter : *text != *form)
            return false;
    }
    return *text == '\0';
}

/* Is it the name of a day of the week, of three letters or in full? Which one is not compared with the date. */
static bool is_week_day(const char *name, size_t bytes, bool full)
{
    static const char *const names[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (bytes == (full ? strlen(names[i]) : 3) && memcmp(names[i], name, bytes) == 0)
            return true;
    }
    return false;
}

/* 1 to 12; 0 = it is none. */
static int month_number(const char *name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int month = 0; month < 12; month++) {
        if (memcmp(names + (size_t)month * 3, name, 3) == 0)
            return month + 1;
    }
    return 0;
}

static int two_digits(const char *at)
{
    return (at[0] == ' ' ? 0 : at[0] - '0') * 10 + at[1] - '0';
}

static int full_year(int two, int64_t now_s)
{
    int now = 1970 + (int)(now_s / YEAR_SECONDS);
    int year = now / 100 * 100 + two;
    return year > now + 50 ? year - 100 : year;
}

bool http_date_parse(struct slice text, int64_t now_s, int64_t *seconds)
{
    char date[DATE_READ_BYTES_MAX + 1] = {0};
    char rfc3339[64];
    const char *day;
    const char *month;
    const char *time;
    int year;
    bool full_name = false;
    if (text.bytes > DATE_READ_BYTES_MAX)
        return false;
    memcpy(date, text.data, text.bytes);
    const char *rest = date + strcspn(date, ", ");
    if (has_form(rest, ", 00 aaa 0000 00:00:00 GMT")) {
        day = rest + 2;
        month = rest + 5;
        year = two_digits(rest + 9) * 100 + two_digits(rest + 11);
        time = rest + 14;
    } else if (has_form(rest, ", 00-aaa-00 00:00:00 GMT")) {
        day = rest + 2;
        month = rest + 5;
        year = full_year(two_digits(rest + 9), now_s);
        full_name = true;
        time = rest + 12;
    } else if (has_form(rest, " aaa _0 00:00:00 0000")) { /* of C's asctime() */
        month = rest + 1;
        day = rest + 5;
        time = rest + 8;
        year = two_digits(rest + 17) * 100 + two_digits(rest + 19);
    } else {
        return false;
    }
    if (!is_week_day(date, (size_t)(rest - date), full_name))
        return false;
    int bytes = snprintf(rfc3339, sizeof rfc3339, "%04d-%02d-%02dT%.8sZ", year, month_number(month), two_digits(day),
                         time);
    return time_parse_rfc3339_s((struct slice){rfc3339, (size_t)bytes}, seconds);
}
