/* Is this an RFC 3339 time? Only asked, never converted: it is kept as it is written. */
#include "projector/decode/decoder.h"

/* Two digits at `at` that make a number from `low` to `high`. The caller has checked the length. */
static bool time_two_digits(struct slice text, size_t at, int low, int high)
{
    int tens = text.data[at] - '0';
    int ones = text.data[at + 1] - '0';
    int value = tens * 10 + ones;
    return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 && value >= low && value <= high;
}

static int time_value(struct slice text, size_t at)
{
    return (text.data[at] - '0') * 10 + (text.data[at + 1] - '0');
}

static int time_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* "2026-01-31", the first ten bytes. */
static bool time_is_date(struct slice text)
{
    if (!time_two_digits(text, 0, 0, 99) || !time_two_digits(text, 2, 0, 99) || text.data[4] != '-' ||
        !time_two_digits(text, 5, 1, 12) || text.data[7] != '-')
        return false;
    int year = time_value(text, 0) * 100 + time_value(text, 2);
    return time_two_digits(text, 8, 1, time_days(year, time_value(text, 5)));
}

/* "Z" or "+01:00", and nothing else. */
static bool time_is_offset(struct slice text, size_t at)
{
    if (at + 1 == text.bytes)
        return text.data[at] == 'Z' || text.data[at] == 'z';
    return at + 6 == text.bytes && (text.data[at] == '+' || text.data[at] == '-') &&
           time_two_digits(text, at + 1, 0, 23) && text.data[at + 3] == ':' && time_two_digits(text, at + 4, 0, 59);
}

bool decode_is_rfc3339(struct slice text)
{
    size_t at = sizeof "2026-01-31T12:00:00" - 1;
    if (text.bytes <= at || !time_is_date(text) || (text.data[10] != 'T' && text.data[10] != 't') ||
        !time_two_digits(text, 11, 0, 23) || text.data[13] != ':' || !time_two_digits(text, 14, 0, 59) ||
        text.data[16] != ':' || !time_two_digits(text, 17, 0, 60))
        return false;
    if (text.data[at] == '.') {
        size_t first = ++at;
        while (at < text.bytes && text.data[at] >= '0' && text.data[at] <= '9')
            at++;
        if (at == first)
            return false;
    }
    return time_is_offset(text, at);
}
