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

static void each_format_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(stream_format_name(FORMAT_ENVELOPE), "envelope");
    assert_string_equal(stream_format_name(FORMAT_KV), "kv");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_format_of_the_settings_has_a_row),
        cmocka_unit_test(each_format_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
