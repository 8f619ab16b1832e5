/* core/decimal: numbers are read as they are written, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/decimal.h"

static void reads(const char *text, uint64_t max, uint64_t expected)
{
    uint64_t value = 0;
    if (!decimal_parse(slice_of(text), max, &value) || value != expected)
        fail_msg("'%s' is not read", text);
}

static void refuses(const char *text, uint64_t max)
{
    uint64_t value = 7;
    if (decimal_parse(slice_of(text), max, &value) || value != 7)
        fail_msg("'%s' is read", text);
}

static void numbers_up_to_the_limit_are_read(void **state)
{
    (void)state;
    reads("0", 0, 0);
    reads("65535", 65535, 65535);
    reads("0065535", 65535, 65535);
    reads("9223372036854775807", INT64_MAX, INT64_MAX);
    reads("18446744073709551615", UINT64_MAX, UINT64_MAX);
    reads("000000000000000000000018446744073709551615", UINT64_MAX, UINT64_MAX);
}

static void beyond_the_limit_and_other_text_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",   "-1", "+1",  " 1",  "1 ",  "1a",  "0x1", "1.0", "/",
                                        ":",  "\xb1", "65536", "18446744073709551616", "99999999999999999999"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        refuses(texts[i], i < 11 ? UINT64_MAX : 65535);
    refuses("18446744073709551616", UINT64_MAX);
    refuses("99999999999999999999", UINT64_MAX);
    refuses("9223372036854775808", INT64_MAX);
    refuses("1", 0);
}

static void the_canonical_spelling_has_no_leading_zeros(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_true(decimal_parse_canonical(SLICE_LITERAL("0"), UINT64_MAX, &value));
    assert_int_equal(value, 0);
    assert_true(decimal_parse_canonical(SLICE_LITERAL("10"), UINT64_MAX, &value));
    assert_int_equal(value, 10);
    assert_false(decimal_parse_canonical(SLICE_LITERAL("00"), UINT64_MAX, &value));
    assert_false(decimal_parse_canonical(SLICE_LITERAL("01"), UINT64_MAX, &value));
    assert_false(decimal_parse_canonical((struct slice){0}, UINT64_MAX, &value));
    assert_int_equal(value, 10);
}

static void signed_numbers_reach_both_ends(void **state)
{
    (void)state;
    int64_t value = 7;
    assert_true(decimal_parse_int(SLICE_LITERAL("9223372036854775807"), &value));
    assert_true(value == INT64_MAX);
    assert_true(decimal_parse_int(SLICE_LITERAL("-9223372036854775808"), &value));
    assert_true(value == INT64_MIN);
    assert_true(decimal_parse_int(SLICE_LITERAL("-0"), &value));
    assert_true(value == 0);
    assert_false(decimal_parse_int(SLICE_LITERAL("9223372036854775808"), &value));
    assert_false(decimal_parse_int(SLICE_LITERAL("-9223372036854775809"), &value));
    assert_false(decimal_parse_int(SLICE_LITERAL("-"), &value));
    assert_false(decimal_parse_int(SLICE_LITERAL("--1"), &value));
    assert_false(decimal_parse_int((struct slice){0}, &value));
    assert_true(value == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_up_to_the_limit_are_read),
        cmocka_unit_test(beyond_the_limit_and_other_text_is_refused),
        cmocka_unit_test(the_canonical_spelling_has_no_leading_zeros),
        cmocka_unit_test(signed_numbers_reach_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
