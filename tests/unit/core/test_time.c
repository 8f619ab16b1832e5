/* core/time: RFC 3339, read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/time.h"

static void time_of(const char *text, int64_t expected)
{
    int64_t ns = 0;
    assert_true(time_parse_rfc3339(slice_of(text), &ns));
    assert_int_equal(ns, expected);
}

static void times_are_read_to_the_nanosecond(void **state)
{
    (void)state;
    int64_t ns = 0;
    time_of("1970-01-01T00:00:00Z", 0);
    time_of("1970-01-01T00:00:01.5Z", 1500000000);
    time_of("1970-01-01T01:00:00.000000001+01:00", 1);
    time_of("1969-12-31T23:30:00-00:30", 0);
    assert_false(time_parse_rfc3339(slice_of("1970-01-01"), &ns));
    assert_false(time_parse_rfc3339(slice_of("1970-01-01T00:00:00"), &ns));
    assert_false(time_parse_rfc3339(slice_of("1970-01-01T00:00:00.5"), &ns));
    assert_false(time_parse_rfc3339(slice_of("1970-01-01T00:00:00+1:00"), &ns));
    assert_false(time_parse_rfc3339((struct slice){0}, &ns));
}

/* A leap second is one beyond the minute's last; what does not fit into 64 bits is no time of ours. */
static void times_at_and_beyond_the_ends(void **state)
{
    (void)state;
    int64_t ns = 7;
    time_of("1969-12-31T23:59:60Z", 0);
    time_of("1969-12-31T23:59:59.999999999Z", -1);
    time_of("1970-01-01t00:00:00.0000000009z", 0);
    time_of("1969-12-31T23:59:58Z", -2000000000);
    time_of("1969-12-31T23:59:58.25Z", -1750000000);
    time_of("2262-04-11T23:47:16.854775807Z", INT64_MAX);
    time_of("1677-09-21T00:12:43.145224192Z", INT64_MIN);
    time_of("1677-09-21T00:12:43.145224193Z", INT64_MIN + 1);
    assert_false(time_parse_rfc3339(SLICE_LITERAL("1677-09-21T00:12:43.145224191Z"), &ns));
    assert_false(time_parse_rfc3339(SLICE_LITERAL("2262-04-11T23:47:16.854775808Z"), &ns));
    assert_false(time_parse_rfc3339(SLICE_LITERAL("0001-01-01T00:00:00Z"), &ns));
    assert_false(time_parse_rfc3339(SLICE_LITERAL("9999-12-31T23:59:59Z"), &ns));
    assert_int_equal(ns, 7);
}

static void what_is_no_date_time_is_none(void **state)
{
    static const char *const bad[] = {
        "", "2026", "2026-01-31", "2026-01-31T12:00:00", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+1:00",
        "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00Zx", "26-01-01T00:00:00Z", "+2026-01-01T00:00:00Z",
        "2026-01-31 12:00:00Z", "2026-01-01T00:00:00+00:60", "2026-01-01T00:00:00.5", "2026-01-01T00-00-00Z",
    };
    int64_t value = 7;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (time_is_rfc3339(slice_of(bad[i])) || time_parse_rfc3339(slice_of(bad[i]), &value) ||
            time_parse_rfc3339_s(slice_of(bad[i]), &value))
            fail_msg("accepted: %s", bad[i]);
    }
    assert_int_equal(value, 7);
}

/* One text, one instant, whoever asks: seconds and nanoseconds come from one parser. */
static void seconds_and_nanoseconds_are_of_one_instant(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"1969-12-31T23:59:60Z", 0},         {"2016-12-31T23:59:60Z", 1483228800}, {"2017-01-01T00:00:00Z", 1483228800},
        {"2016-12-31T23:59:60.9Z", 1483228800}, {"1969-12-31T23:59:59.9Z", -1},
        {"2026-03-01T00:30:00+01:00", 1772321400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t seconds = 0;
        int64_t ns = 0;
        assert_true(time_is_rfc3339(slice_of(cases[i].text)));
        assert_true(time_parse_rfc3339_s(slice_of(cases[i].text), &seconds));
        assert_true(time_parse_rfc3339(slice_of(cases[i].text), &ns));
        assert_int_equal(seconds, cases[i].seconds);
        assert_true(ns >= seconds * NS_PER_S && ns - seconds * NS_PER_S < NS_PER_S);
    }
}

/* Every day that can be written, beside the C library's calendar. */
static void every_day_of_ten_thousand_years_has_its_number(void **state)
{
    const time_t first = -62167219200; /* 0000-01-01 */
    (void)state;
    for (time_t at = first; at < 253402300800; at += 86400) {
        struct tm parts;
        char text[64];
        int64_t seconds = 0;
        assert_non_null(gmtime_r(&at, &parts));
        (void)snprintf(text, sizeof text, "%04d-%02d-%02dT00:00:00Z", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday);
        if (!time_parse_rfc3339_s(slice_of(text), &seconds) || seconds != (int64_t)at)
            fail_msg("%s: %lld", text, (long long)seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_to_the_nanosecond),
        cmocka_unit_test(times_at_and_beyond_the_ends),
        cmocka_unit_test(what_is_no_date_time_is_none),
        cmocka_unit_test(seconds_and_nanoseconds_are_of_one_instant),
        cmocka_unit_test(every_day_of_ten_thousand_years_has_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
