/* core/time: RFC 3339, read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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
    time_of("2262-04-11T23:47:16.854775807Z", INT64_MAX);
    assert_false(time_parse_rfc3339(SLICE_LITERAL("2262-04-11T23:47:16.854775808Z"), &ns));
    assert_false(time_parse_rfc3339(SLICE_LITERAL("0001-01-01T00:00:00Z"), &ns));
    assert_false(time_parse_rfc3339(SLICE_LITERAL("9999-12-31T23:59:59Z"), &ns));
    assert_int_equal(ns, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_to_the_nanosecond),
        cmocka_unit_test(times_at_and_beyond_the_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
