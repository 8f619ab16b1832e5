/* Single values of the configuration: durations, sizes, counts, and their text in a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/config/config_internal.h"

struct number {
    const char *text;
    int64_t value; /* -1 = malformed */
};

typedef bool parse_number(const char *text, int64_t *out);

static void expect_numbers(parse_number *parse, const struct number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = -1;
        bool good = parse(numbers[i].text, &value);
        if (good != (numbers[i].value >= 0) || value != numbers[i].value)
            fail_msg("'%s' gave %d, %lld", numbers[i].text, good, (long long)value);
    }
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void durations_need_a_unit(void **state)
{
    (void)state;
    static const struct number numbers[] = {
        {"0", 0},    {"0s", 0},   {"500ms", 500}, {"5s", 5000}, {"2m", 120000}, {"1h", 3600000}, {"007s", 7000},
        {"7d", 604800000}, {"1D", -1},  {"d", -1},    {"1.5d", -1},   {"106751991168d", INT64_MAX},
        {"5", -1},   {"", -1},    {"s", -1},      {"5 s", -1},  {"5S", -1},     {"1.5s", -1},    {"-5s", -1},
        {"+5s", -1}, {" 5s", -1}, {"5s ", -1},    {"1m30s", -1}, {"00", -1},    {"0x5s", -1},
        {"9223372036854775807ms", INT64_MAX}, {"9223372036854775808ms", INT64_MAX}, {"9223372036854776s", INT64_MAX},
        {"99999999999999999999999h", INT64_MAX}};
    expect_numbers(config_parse_duration_ms, numbers, COUNT(numbers));
}

static void sizes_may_have_a_unit(void **state)
{
    (void)state;
    static const struct number numbers[] = {
        {"0", 0},          {"4096", 4096},        {"7B", 7},
        {"1KiB", 1024},    {"64MiB", 64 << 20},   {"10GiB", INT64_C(10) << 30},
        {"1kB", 1000},     {"500MB", 500000000},  {"1TiB", INT64_C(1) << 40},
        {"3GB", 3000000000}, {"2TB", 2000000000000}, {"1K", -1},
        {"1mb", -1},       {"MiB", -1},           {"1 MiB", -1},
        {"", -1},          {"-1", -1},            {"9223372036854775808", INT64_MAX},
        {"8388608TiB", INT64_MAX}};
    expect_numbers(config_parse_bytes, numbers, COUNT(numbers));
}

static void counts_are_digits(void **state)
{
    (void)state;
    static const struct number numbers[] = {{"0", 0},   {"12", 12},  {"", -1},    {"-1", -1},
                                            {"1 ", -1}, {"1e3", -1}, {"0x1", -1}, {"99999999999999999999", INT64_MAX}};
    expect_numbers(config_parse_count, numbers, COUNT(numbers));
}

static void numbers_are_written_in_the_unit_that_divides_them(void **state)
{
    (void)state;
    static const struct number durations[] = {{"0", 0},     {"1ms", 1},     {"1500ms", 1500}, {"30s", 30000},
                                              {"2m", 120000}, {"90s", 90000}, {"1h", 3600000},
                                              {"7d", 604800000}, {"25h", 90000000}};
    static const struct number sizes[] = {{"0", 0}, {"1B", 1}, {"1KiB", 1024}, {"64MiB", 64 << 20},
                                          {"500MB", 500000000}, {"256TiB", INT64_C(1) << 48}};
    char out[CONFIG_NUMBER_BYTES];
    for (size_t i = 0; i < COUNT(durations); i++) {
        config_format_duration_ms(durations[i].value, out);
        assert_string_equal(out, durations[i].text);
    }
    for (size_t i = 0; i < COUNT(sizes); i++) {
        config_format_bytes(sizes[i].value, out);
        assert_string_equal(out, sizes[i].text);
    }
}

/* ---- messages ---- */

static void a_value_in_a_message_is_one_short_line(void **state)
{
    (void)state;
    char text[CONFIG_CLIP_BYTES + 1];
    assert_string_equal(config_clip("a\nb\x7F").text, "a?b?");
    memset(text, 'x', sizeof text);
    text[CONFIG_CLIP_BYTES - 1] = '\0';
    assert_string_equal(config_clip(text).text, text);
    memcpy(text + CONFIG_CLIP_BYTES - 1, "y", 2);
    assert_int_equal(strlen(config_clip(text).text), CONFIG_CLIP_BYTES - 1);
    assert_string_equal(config_clip(text).text + CONFIG_CLIP_BYTES - 4, "...");
    memcpy(text + CONFIG_CLIP_BYTES - 6, "\xE2\x82\xAC", 3); /* the cut would be within it */
    assert_string_equal(config_clip(text).text + CONFIG_CLIP_BYTES - 7, "x...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_need_a_unit),
        cmocka_unit_test(sizes_may_have_a_unit),
        cmocka_unit_test(counts_are_digits),
        cmocka_unit_test(numbers_are_written_in_the_unit_that_divides_them),
        cmocka_unit_test(a_value_in_a_message_is_one_short_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
