/* core/log: one line an event, whole, valid, and not to be forged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <yyjson.h>

#include "core/base/log.h"

#define CAPTURE_BYTES (4 * LOG_LINE_BYTES_MAX)
static char captured[CAPTURE_BYTES];
static size_t captured_bytes;
static FILE *capture_file;
static int capture_stderr;

static void capture_begin(void)
{
    capture_file = tmpfile();
    assert_non_null(capture_file);
    capture_stderr = dup(STDERR_FILENO);
    assert_true(capture_stderr >= 0);
    assert_int_equal(dup2(fileno(capture_file), STDERR_FILENO), STDERR_FILENO);
}

static void capture_end(void)
{
    assert_int_equal(dup2(capture_stderr, STDERR_FILENO), STDERR_FILENO);
    close(capture_stderr);
    rewind(capture_file);
    captured_bytes = fread(captured, 1, sizeof captured - 1, capture_file);
    captured[captured_bytes] = '\0';
    fclose(capture_file);
}

static void log_one_string(const char *value)
{
    capture_begin();
    log_event(LOG_INFO, "thing_happened", LOG_STR("text", value));
    capture_end();
}

/* One line, which is JSON, and its member `key` as text. */
static void assert_json_member(const char *key, const char *expected)
{
    assert_true(captured_bytes > 0 && captured_bytes <= LOG_LINE_BYTES_MAX);
    assert_ptr_equal(strchr(captured, '\n'), captured + captured_bytes - 1);
    yyjson_doc *document = yyjson_read(captured, captured_bytes, 0);
    assert_non_null(document);
    const char *text = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(document), key));
    assert_non_null(text);
    assert_string_equal(text, expected);
    yyjson_doc_free(document);
}

static void a_json_line_has_time_level_event_and_fields(void **state)
{
    (void)state;
    log_set_format(LOG_FORMAT_JSON);
    capture_begin();
    log_event(LOG_WARN, "stream_lost", LOG_STR("stream", "A"), LOG_INT("ms", -5), LOG_UINT("seq", UINT64_MAX));
    capture_end();
    assert_json_member("level", "warn");
    assert_json_member("event", "stream_lost");
    assert_non_null(strstr(captured, "\"stream\":\"A\",\"ms\":-5,\"seq\":18446744073709551615}\n"));
    assert_int_equal(strncmp(captured, "{\"time\":\"20", 11), 0);
    assert_null(strstr(captured, "truncated"));
}

static void a_text_line_quotes_only_what_it_must(void **state)
{
    (void)state;
    log_set_format(LOG_FORMAT_TEXT);
    capture_begin();
    log_event(LOG_ERROR, "stream_lost", LOG_STR("a", "plain"), LOG_STR("b", "two words"), LOG_STR("c", "x=y"),
              LOG_STR("d", "q\"q"), LOG_STR("e", ""), LOG_STR("f", NULL), LOG_INT("n", 7),
              LOG_STR("g", "\xc3\xbc"));
    capture_end();
    assert_non_null(strstr(captured, " level=error event=stream_lost a=plain b=\"two words\" c=\"x=y\" d=\"q\\\"q\" "
                                     "e=\"\" f=\"\" n=7 g=\"\xc3\xbc\"\n"));
    assert_int_equal(strncmp(captured, "time=20", 7), 0);
}

static void levels_below_the_setting_are_silent(void **state)
{
    (void)state;
    log_set_format(LOG_FORMAT_JSON);
    log_set_level(LOG_WARN);
    capture_begin();
    log_fields(LOG_INFO, "quiet", NULL, 0);
    log_fields(LOG_DEBUG, "quiet", NULL, 0);
    capture_end();
    assert_int_equal(captured_bytes, 0);
    capture_begin();
    log_fields(LOG_WARN, "loud", NULL, 0);
    capture_end();
    assert_json_member("event", "loud");
    log_set_level(LOG_INFO);
}

static void text_cannot_forge_a_line_or_steer_a_terminal(void **state)
{
    (void)state;
    static const char hostile[] = "x\"}\n{\"level\":\"error\"}\r\x1b[2J\x7f\xc2\x9b" "31m\xe2\x80\xa8\xe2\x80\xa9\\";
    static const char *const raw[] = {"\r", "\x1b", "\x7f", "\xc2\x9b", "\xe2\x80\xa8", "\xe2\x80\xa9"};
    for (int format = LOG_FORMAT_JSON; format <= LOG_FORMAT_TEXT; format++) {
        log_set_format((enum log_format)format);
        log_one_string(hostile);
        assert_ptr_equal(strchr(captured, '\n'), captured + captured_bytes - 1);
        for (size_t i = 0; i < sizeof raw / sizeof raw[0]; i++)
            assert_null(strstr(captured, raw[i]));
        if (format == LOG_FORMAT_JSON)
            assert_json_member("text", hostile);
    }
}

static void bytes_that_are_not_utf8_are_replaced(void **state)
{
    (void)state;
    log_set_format(LOG_FORMAT_JSON);
    log_one_string("a\xff\xc3");
    assert_json_member("text", "a\xef\xbf\xbd\xef\xbf\xbd");
}

/* Bytes of a line whose one text field has this many. */
static size_t line_bytes(size_t text_bytes, char fill)
{
    static char text[2 * LOG_LINE_BYTES_MAX];
    memset(text, fill, text_bytes);
    text[text_bytes] = '\0';
    log_one_string(text);
    return captured_bytes;
}

static void a_line_at_the_limit_is_whole_and_one_beyond_is_cut(void **state)
{
    (void)state;
    for (int format = LOG_FORMAT_JSON; format <= LOG_FORMAT_TEXT; format++) {
        log_set_format((enum log_format)format);
        const char *mark = format == LOG_FORMAT_JSON ? ",\"truncated\":true}\n" : " truncated=true\n";
        size_t around = line_bytes(10, 'x') - 10;
        size_t fits = LOG_LINE_BYTES_MAX - around;
        assert_int_equal(line_bytes(fits, 'x'), LOG_LINE_BYTES_MAX);
        assert_null(strstr(captured, "truncated"));
        assert_true(line_bytes(fits + 1, 'x') <= LOG_LINE_BYTES_MAX);
        assert_string_equal(captured + captured_bytes - strlen(mark), mark);
    }
}

static void a_cut_line_is_still_json(void **state)
{
    (void)state;
    log_set_format(LOG_FORMAT_JSON);
    for (size_t bytes = LOG_LINE_BYTES_MAX / 6 - 30; bytes < LOG_LINE_BYTES_MAX / 6 + 30; bytes++) {
        (void)line_bytes(bytes, '\x01'); /* six bytes each, and never half of one */
        assert_json_member("event", "thing_happened");
    }
    for (size_t bytes = LOG_LINE_BYTES_MAX - 150; bytes < LOG_LINE_BYTES_MAX + 10; bytes++) {
        char text[LOG_LINE_BYTES_MAX + 16];
        memset(text, 'x', bytes);
        text[bytes] = '\0';
        capture_begin();
        log_event(LOG_INFO, "thing_happened", LOG_STR("text", text), LOG_INT("number", 123456), LOG_STR("more", "y"));
        capture_end();
        assert_json_member("event", "thing_happened");
    }
}

/* ---- the ring: these run last, since it is opened once ---- */

static char taken[LOG_LINE_BYTES_MAX];

static void assert_taken(const char *expected)
{
    size_t bytes = log_ring_take(taken);
    assert_in_range(bytes, 1, LOG_LINE_BYTES_MAX - 1);
    taken[bytes] = '\0';
    assert_non_null(strstr(taken, expected));
    assert_int_equal(taken[bytes - 1], '\n');
    log_ring_written(true);
}

static void log_number(uint64_t number, size_t fill_bytes)
{
    static char fill[LOG_LINE_BYTES_MAX];
    memset(fill, 'x', fill_bytes);
    fill[fill_bytes] = '\0';
    log_event(LOG_INFO, "numbered", LOG_UINT("number", number), LOG_STR("fill", fill));
}

static void assert_taken_number(uint64_t number)
{
    char expected[64];
    (void)snprintf(expected, sizeof expected, "\"number\":%llu,", (unsigned long long)number);
    assert_taken(expected);
}

static void lines_leave_the_ring_whole_and_in_order_wherever_it_wraps(void **state)
{
    (void)state;
    log_set_format(LOG_FORMAT_JSON);
    log_ring_open();
    capture_begin();
    uint64_t out = 0;
    for (uint64_t in = 0; in < 5000; in++) {
        log_number(in, (size_t)(in * 7919 % 3000));
        if (in >= 20)
            assert_taken_number(out++);
    }
    while (out < 5000)
        assert_taken_number(out++);
    capture_end();
    assert_int_equal(captured_bytes, 0);
    assert_true(log_ring_flush(0));
    assert_int_equal(log_dropped(), 0);
}

/* Fills the ring with lines of one size; gives how many there are. */
static uint64_t fill_ring(void)
{
    uint64_t before = log_dropped();
    uint64_t lines = 0;
    while (log_dropped() == before)
        log_number(1000000 + lines++, 1000);
    return lines - 1;
}

static void a_full_ring_drops_the_newest_and_tells_how_many_afterwards(void **state)
{
    (void)state;
    uint64_t lines = fill_ring();
    assert_in_range(lines, LOG_RING_BYTES / 1200, LOG_RING_BYTES / 1000);
    log_number(5, 1000);
    assert_int_equal(log_dropped(), 2);
    assert_false(log_ring_flush(10));
    assert_taken_number(1000000); /* room for one */
    log_number(1000000 + lines, 1000);
    assert_int_equal(log_dropped(), 2);
    for (uint64_t i = 1; i <= lines; i++)
        assert_taken_number(1000000 + i);
    assert_taken("\"level\":\"warn\",\"event\":\"log_dropped\",\"lines\":2}");
    assert_true(log_ring_flush(0));
}

static void a_line_that_cannot_be_written_counts_as_dropped(void **state)
{
    (void)state;
    uint64_t before = log_dropped();
    log_number(1, 10);
    assert_true(log_ring_take(taken) > 0);
    assert_false(log_ring_flush(0));
    log_ring_written(false);
    assert_int_equal(log_dropped(), before + 1);
    assert_true(log_ring_flush(0));
}

static void a_process_that_dies_writes_what_is_in_the_ring(void **state)
{
    (void)state;
    log_number(1, 10);
    log_number(2, 10);
    capture_begin();
    log_ring_salvage();
    capture_end();
    const char *first = strstr(captured, "\"number\":1,");
    assert_non_null(first);
    assert_non_null(strstr(first, "\"number\":2,"));
    assert_true(log_ring_flush(0));
}

static void a_closed_ring_ends_when_it_is_empty(void **state)
{
    (void)state;
    uint64_t before = log_dropped();
    log_number(1, 10);
    log_ring_close();
    log_number(2, 10);
    assert_taken_number(1);
    assert_int_equal(log_ring_take(taken), 0);
    assert_int_equal(log_dropped(), before);
    assert_true(log_ring_flush(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_json_line_has_time_level_event_and_fields),
        cmocka_unit_test(a_text_line_quotes_only_what_it_must),
        cmocka_unit_test(levels_below_the_setting_are_silent),
        cmocka_unit_test(text_cannot_forge_a_line_or_steer_a_terminal),
        cmocka_unit_test(bytes_that_are_not_utf8_are_replaced),
        cmocka_unit_test(a_line_at_the_limit_is_whole_and_one_beyond_is_cut),
        cmocka_unit_test(a_cut_line_is_still_json),
        cmocka_unit_test(lines_leave_the_ring_whole_and_in_order_wherever_it_wraps),
        cmocka_unit_test(a_full_ring_drops_the_newest_and_tells_how_many_afterwards),
        cmocka_unit_test(a_line_that_cannot_be_written_counts_as_dropped),
        cmocka_unit_test(a_process_that_dies_writes_what_is_in_the_ring),
        cmocka_unit_test(a_closed_ring_ends_when_it_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
