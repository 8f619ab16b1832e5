/* projector/decode/format: each format of the settings has its row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "projector/decode/format.h"

static void each_format_of_the_settings_has_a_row(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STREAM_FORMATS_COUNT; i++) {
        const struct format *format = format_get((enum stream_format)i);
        assert_non_null(format->decode);
        assert_true(format->revision >= 1);
        for (unsigned k = 0; k < i; k++)
            assert_ptr_not_equal(format->decode, format_get((enum stream_format)k)->decode);
    }
}

static void each_name_is_found_and_no_other(void **state)
{
    (void)state;
    enum stream_format found = FORMAT_ENVELOPE;
    for (unsigned i = 0; i < STREAM_FORMATS_COUNT; i++) {
        assert_true(stream_format_of(stream_format_name((enum stream_format)i), &found));
        assert_int_equal(found, i);
    }
    assert_string_equal(stream_format_name(FORMAT_ENVELOPE), "envelope");
    assert_string_equal(stream_format_name(FORMAT_KV), "kv");
    assert_false(stream_format_of("KV", &found));
    assert_false(stream_format_of("kv ", &found));
    assert_false(stream_format_of("", &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_format_of_the_settings_has_a_row),
        cmocka_unit_test(each_name_is_found_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
