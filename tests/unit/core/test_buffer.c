/* core/buffer: growth, its limit, JSON strings; and core/utf8, on which they rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buffer.h"
#include "core/base/utf8.h"

static void assert_content(const struct buffer *b, const char *expected)
{
    assert_false(b->failed);
    assert_int_equal(b->bytes, strlen(expected));
    assert_memory_equal(b->data, expected, b->bytes);
}

static void assert_json(struct slice input, const char *expected)
{
    struct buffer b;
    buffer_init(&b, 4096);
    buffer_append_json_string(&b, input);
    assert_content(&b, expected);
    buffer_free(&b);
}

static void content_up_to_the_limit_fits_and_one_byte_more_fails(void **state)
{
    (void)state;
    static const size_t limits[] = {1, 255, 256, 257, 1000, 1024};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct buffer b;
        buffer_init(&b, limits[i]);
        for (size_t n = 0; n < limits[i]; n++)
            buffer_append(&b, "x", 1);
        assert_false(b.failed);
        assert_int_equal(b.bytes, limits[i]);
        buffer_append(&b, "x", 1);
        assert_true(b.failed);
        assert_int_equal(b.bytes, limits[i]);
        buffer_free(&b);
    }
}

static void a_whole_run_at_the_limit_fits_and_one_beyond_fails(void **state)
{
    (void)state;
    char run[301];
    struct buffer b;
    memset(run, 'r', sizeof run);
    buffer_init(&b, 300);
    buffer_append(&b, run, 300);
    assert_false(b.failed);
    buffer_reset(&b);
    buffer_append(&b, run, 301);
    assert_true(b.failed);
    buffer_free(&b);
}

static void the_first_failure_sticks(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 4);
    buffer_append_text(&b, "12345");
    buffer_append_text(&b, "1");
    assert_true(b.failed);
    assert_int_equal(b.bytes, 0);
    buffer_reset(&b);
    buffer_append_text(&b, "1");
    assert_content(&b, "1");
    buffer_free(&b);
}

static void a_length_that_overflows_fails(void **state)
{
    (void)state;
    struct buffer b;
    volatile size_t most = SIZE_MAX; /* or the compiler refuses what no caller could mean */
    buffer_init(&b, SIZE_MAX);
    buffer_append_text(&b, "x");
    buffer_append(&b, "y", most);
    assert_true(b.failed);
    buffer_reset(&b);
    buffer_append(&b, "y", most); /* beyond any allocation */
    assert_true(b.failed);
    buffer_free(&b);
}

static void content_survives_growth(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 1u << 20);
    for (unsigned i = 0; i < 20000; i++)
        buffer_append_format(&b, "%05u,", i);
    assert_false(b.failed);
    assert_int_equal(b.bytes, 120000);
    for (unsigned i = 0; i < 20000; i++)
        assert_int_equal(strtoul(b.data + i * 6, NULL, 10), i);
    buffer_free(&b);
}

static void numbers_are_written_to_the_digit(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 4096);
    buffer_append_uint(&b, 0);
    buffer_append_text(&b, " ");
    buffer_append_uint(&b, UINT64_MAX);
    buffer_append_text(&b, " ");
    buffer_append_int(&b, INT64_MIN);
    buffer_append_text(&b, " ");
    buffer_append_int(&b, INT64_MAX);
    buffer_append_text(&b, " ");
    buffer_append_int(&b, -1);
    assert_content(&b, "0 18446744073709551615 -9223372036854775808 9223372036854775807 -1");
    buffer_free(&b);
}

static void a_format_at_the_limit_fits_and_one_beyond_fails(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 5);
    buffer_append_format(&b, "%d-%s", 12, "ab");
    assert_content(&b, "12-ab");
    buffer_reset(&b);
    buffer_append_format(&b, "%d-%s", 12, "abc");
    assert_true(b.failed);
    buffer_free(&b);
}

static void taken_memory_belongs_to_the_caller(void **state)
{
    (void)state;
    struct buffer b;
    size_t bytes = 99;
    buffer_init(&b, 100);
    assert_null(buffer_take(&b, &bytes));
    assert_int_equal(bytes, 0);
    buffer_append_text(&b, "mine");
    char *taken = buffer_take(&b, &bytes);
    assert_int_equal(bytes, 4);
    assert_memory_equal(taken, "mine", 4);
    assert_null(b.data);
    assert_int_equal(b.bytes, 0);
    free(taken);
    buffer_append_text(&b, "again");
    assert_content(&b, "again");
    buffer_free(&b);
}

static void a_failed_buffer_gives_nothing(void **state)
{
    (void)state;
    struct buffer b;
    size_t bytes = 99;
    buffer_init(&b, 4);
    buffer_append_text(&b, "1234");
    buffer_append_text(&b, "5");
    assert_null(buffer_take(&b, &bytes));
    assert_int_equal(bytes, 0);
    assert_true(b.failed);
}

static void json_strings_escape_what_they_must(void **state)
{
    (void)state;
    assert_json(SLICE_LITERAL(""), "\"\"");
    assert_json((struct slice){NULL, 0}, "\"\"");
    assert_json(SLICE_LITERAL("plain / text"), "\"plain / text\"");
    assert_json(SLICE_LITERAL("a\"b\\c"), "\"a\\\"b\\\\c\"");
    assert_json(SLICE_LITERAL("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    assert_json(SLICE_LITERAL("\x01\x1f\x00z"), "\"\\u0001\\u001f\\u0000z\"");
    assert_json(SLICE_LITERAL("\x7f"), "\"\x7f\"");
    assert_json(SLICE_LITERAL("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"), "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"");
}

/* Eight bytes are looked at together where nothing has to change. */
static void json_strings_escape_every_byte_at_every_place(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes <= 25; bytes++) {
        for (size_t at = 0; at < bytes; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                char input[25];
                char one[16];
                char expected[128];
                struct buffer alone;
                memset(input, 'x', sizeof input);
                input[at] = (char)byte;
                buffer_init(&alone, sizeof one);
                buffer_append_json_text(&alone, (struct slice){input + at, 1});
                (void)snprintf(one, sizeof one, "%.*s", (int)alone.bytes, alone.data);
                buffer_free(&alone);
                (void)snprintf(expected, sizeof expected, "\"%.*s%s%.*s\"", (int)at, "xxxxxxxxxxxxxxxxxxxxxxxxx", one,
                               (int)(bytes - at - 1), "xxxxxxxxxxxxxxxxxxxxxxxxx");
                assert_json((struct slice){input, bytes}, expected);
            }
        }
    }
}

/* Two that are next to each other: what one borrows in a subtraction hides nothing in the other. */
static void json_strings_escape_neighbours(void **state)
{
    static const char odd[] = {'\x01', '\x1f', '"', '\\', '!', '#', '[', ']', ' ', '\x7f', '\n'};
    (void)state;
    for (size_t i = 0; i < sizeof odd; i++) {
        for (size_t k = 0; k < sizeof odd; k++) {
            char input[8] = {'a', 'b', odd[i], odd[k], 'c', 'd', 'e', 'f'};
            struct buffer whole;
            struct buffer parts;
            buffer_init(&whole, 64);
            buffer_init(&parts, 64);
            buffer_append_json_text(&whole, (struct slice){input, sizeof input});
            for (size_t at = 0; at < sizeof input; at++)
                buffer_append_json_text(&parts, (struct slice){input + at, 1});
            assert_int_equal(whole.bytes, parts.bytes);
            assert_memory_equal(whole.data, parts.data, parts.bytes);
            buffer_free(&whole);
            buffer_free(&parts);
        }
    }
}

static void a_json_string_at_the_limit_fits_and_one_beyond_fails(void **state)
{
    (void)state;
    for (size_t limit = 17; limit <= 18; limit++) {
        struct buffer b;
        buffer_init(&b, limit);
        buffer_append_json_string(&b, SLICE_LITERAL("0123456789abcdef"));
        assert_int_equal(b.failed, limit == 17);
        buffer_free(&b);
    }
}

static void json_strings_replace_what_is_not_utf8(void **state)
{
    (void)state;
#define REPLACED "\xef\xbf\xbd"
    assert_json(SLICE_LITERAL("a\xff" "b"), "\"a" REPLACED "b\"");
    assert_json(SLICE_LITERAL("\xc3"), "\"" REPLACED "\"");
    assert_json(SLICE_LITERAL("\xc0\x80"), "\"" REPLACED REPLACED "\"");
    assert_json(SLICE_LITERAL("\xed\xa0\x80"), "\"" REPLACED REPLACED REPLACED "\"");
    assert_json(SLICE_LITERAL("\xc3\""), "\"" REPLACED "\\\"\"");
#undef REPLACED
}

static void utf8_is_told_from_other_bytes(void **state)
{
    (void)state;
    static const struct slice good[] = {
        SLICE_LITERAL(""),         SLICE_LITERAL("a"),            SLICE_LITERAL("\x00"),
        SLICE_LITERAL("\x7f"),     SLICE_LITERAL("\xc2\x80"),     SLICE_LITERAL("\xdf\xbf"),
        SLICE_LITERAL("\xe0\xa0\x80"), SLICE_LITERAL("\xed\x9f\xbf"), SLICE_LITERAL("\xee\x80\x80"),
        SLICE_LITERAL("\xef\xbf\xbf"), SLICE_LITERAL("\xf0\x90\x80\x80"), SLICE_LITERAL("\xf4\x8f\xbf\xbf"),
        SLICE_LITERAL("12345678\xc3\xbc" "12345678\xc3\xbc"),
    };
    static const struct slice bad[] = {
        SLICE_LITERAL("\x80"),         SLICE_LITERAL("\xbf"),         SLICE_LITERAL("\xc0\x80"),
        SLICE_LITERAL("\xc1\xbf"),     SLICE_LITERAL("\xc2"),         SLICE_LITERAL("\xc2\x41"),
        SLICE_LITERAL("\xe0\x9f\xbf"), SLICE_LITERAL("\xe1\x80"),     SLICE_LITERAL("\xe1\x80\x41"),
        SLICE_LITERAL("\xed\xa0\x80"), SLICE_LITERAL("\xed\xbf\xbf"), SLICE_LITERAL("\xf0\x8f\xbf\xbf"),
        SLICE_LITERAL("\xf0\x90\x80"), SLICE_LITERAL("\xf4\x90\x80\x80"), SLICE_LITERAL("\xf5\x80\x80\x80"),
        SLICE_LITERAL("\xff"),         SLICE_LITERAL("12345678abcdefg\xff"),
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(utf8_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(utf8_valid(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_up_to_the_limit_fits_and_one_byte_more_fails),
        cmocka_unit_test(a_whole_run_at_the_limit_fits_and_one_beyond_fails),
        cmocka_unit_test(the_first_failure_sticks),
        cmocka_unit_test(a_length_that_overflows_fails),
        cmocka_unit_test(content_survives_growth),
        cmocka_unit_test(numbers_are_written_to_the_digit),
        cmocka_unit_test(a_format_at_the_limit_fits_and_one_beyond_fails),
        cmocka_unit_test(taken_memory_belongs_to_the_caller),
        cmocka_unit_test(a_failed_buffer_gives_nothing),
        cmocka_unit_test(json_strings_escape_what_they_must),
        cmocka_unit_test(json_strings_escape_every_byte_at_every_place),
        cmocka_unit_test(json_strings_escape_neighbours),
        cmocka_unit_test(a_json_string_at_the_limit_fits_and_one_beyond_fails),
        cmocka_unit_test(json_strings_replace_what_is_not_utf8),
        cmocka_unit_test(utf8_is_told_from_other_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
