/* api/request/demands: what a request demands, read from its headers and parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/request/demands.h"
#include "core/base/time.h"

static struct stream_settings streams[] = {
    {.name = (char[]){"ORDERS"}},
    {.name = (char[]){"2024-orders"}},
    {.name = (char[]){"gr\xc3\xbc\xc3\x9f"}},
};
static const struct settings settings = {
    .streams = streams,
    .streams_count = 3,
};
static const struct tunables tunables = {.wait_default_ms = 5000, .wait_max_ms = 30000};

/* A request in the making. */
static struct http_fields fields;
static struct target target;
static bool entity_route;
static struct demands demands;
static struct sg_error error;

static int begin(void **state)
{
    (void)state;
    memset(&fields, 0, sizeof fields);
    memset(&target, 0, sizeof target);
    entity_route = true;
    return 0;
}

/* As the loop collects them: those beyond the array are counted only. */
static void header(struct http_lines *line, const char *value)
{
    if (line->count < HTTP_LINES_MAX)
        line->values[line->count] = slice_of(value);
    line->count++;
}

static void param(const char *name, const char *value)
{
    assert_true(target.params_count < TARGET_PARAMS_MAX);
    target.params[target.params_count++] = (struct param){slice_of(name), slice_of(value)};
}

static enum sg_status parse(void)
{
    demands_free(&demands);
    error.message[0] = '\0';
    return demands_parse(&fields, &target, entity_route, &settings, &tunables, &demands, &error);
}

static void assert_accepted(void)
{
    if (parse() != SG_OK)
        fail_msg("refused: %s", error.message);
}

static void assert_refused(enum sg_status expected, const char *why)
{
    if (parse() != expected)
        fail_msg("not refused as %s: %s", sg_status_name(expected), error.message);
    if (strstr(error.message, why) == NULL)
        fail_msg("'%s' does not say '%s'", error.message, why);
}

static void assert_position(size_t i, size_t stream, uint64_t sequence, const char *epoch)
{
    assert_true(i < demands.positions_count);
    assert_int_equal(demands.positions[i].stream, stream);
    assert_true(demands.positions[i].sequence == sequence);
    assert_string_equal(demands.positions[i].epoch.text, epoch);
}

/* ---- what each demand says ---- */

static void a_request_without_demands_waits_the_default(void **state)
{
    (void)state;
    assert_accepted();
    assert_false(demands_any(&demands));
    assert_false(demands.wait_given);
    assert_true(demands.wait_ns == 5 * NS_PER_S);
    assert_null(demands.positions);
}

static void headers_and_parameters_say_the_same(void **state)
{
    for (int i = 0; i < 2; i++) {
        begin(state);
        if (i == 0) {
            header(&fields.min_version, "42");
            header(&fields.min_position, "ORDERS:10482;epoch=k3fq1z, \"2024-orders:77\"");
            header(&fields.max_staleness, "0.5");
            header(&fields.prefer, "wait=2.5");
        } else {
            param("min_version", "42");
            param("min_position", "ORDERS:10482;epoch=k3fq1z, \"2024-orders:77\"");
            param("max_staleness", "0.5");
            param("wait", "2.5");
        }
        assert_accepted();
        assert_true(demands_any(&demands));
        assert_true(demands.min_version == 42);
        assert_int_equal(demands.positions_count, 2);
        assert_position(0, 0, 10482, "k3fq1z");
        assert_position(1, 1, 77, "");
        assert_true(demands.has_max_staleness);
        assert_true(demands.max_staleness_ns == 500 * NS_PER_MS);
        assert_true(demands.wait_given);
        assert_true(demands.wait_ns == 2500 * NS_PER_MS);
    }
}

static void a_parameter_wins_over_its_header(void **state)
{
    (void)state;
    header(&fields.min_version, "42");
    header(&fields.min_position, "ORDERS:1, no list");
    header(&fields.max_staleness, "7");
    header(&fields.prefer, "wait=7");
    param("min_version", "43");
    param("min_position", "2024-orders:1");
    assert_refused(SG_INVALID, "min_position: '2024-orders:1' does not begin like a token");
    target.params[1].value = slice_of("\"2024-orders:1\"");
    param("max_staleness", "0");
    param("wait", "0");
    assert_accepted();
    assert_true(demands.min_version == 43);
    assert_int_equal(demands.positions_count, 1);
    assert_position(0, 1, 1, "");
    assert_true(demands.has_max_staleness && demands.max_staleness_ns == 0);
    assert_true(demands.wait_given && demands.wait_ns == 0);
}

static void a_written_position_is_accepted_verbatim(void **state)
{
    struct buffer text;
    struct epoch epoch = {"k3fq1z"};
    (void)state;
    buffer_init(&text, 4096);
    for (size_t i = 0; i < 3; i++) {
        buffer_append_text(&text, i > 0 ? ", " : "");
        position_append(&text, streams[i].name, i + 7, &epoch);
    }
    buffer_append(&text, "", 1);
    header(&fields.min_position, text.data);
    assert_accepted();
    assert_int_equal(demands.positions_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_position(i, i, i + 7, "k3fq1z");
    buffer_free(&text);
}

/* ---- versions ---- */

static void versions_are_plain_numbers_from_1(void **state)
{
    static const char *const bad[] = {
        "",     "0",   "-1",  "+1",   "01",    " 1", "1 ",
        "1.0",  "1e3", "0x1", "1, 2", "\"1\"", "x",  "9223372036854775808",
        "99999999999999999999",
    };
    header(&fields.min_version, "9223372036854775807");
    assert_accepted();
    assert_true(demands.min_version == INT64_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin(state);
        header(&fields.min_version, bad[i]);
        assert_refused(SG_INVALID, "'Min-Version' is not a version");
        begin(state);
        param("min_version", bad[i]);
        assert_refused(SG_INVALID, "'min_version' is not a version");
    }
}

static void a_version_means_nothing_but_for_one_entity(void **state)
{
    entity_route = false;
    header(&fields.min_version, "1");
    assert_refused(SG_INVALID, "'Min-Version' has no meaning here");
    begin(state);
    entity_route = false;
    param("min_version", "1");
    assert_refused(SG_INVALID, "'min_version' has no meaning here");
    begin(state);
    entity_route = false;
    header(&fields.min_position, "ORDERS:1");
    header(&fields.max_staleness, "1");
    assert_accepted();
}

/* ---- repeated and malformed headers ---- */

static void a_repeated_header_is_refused_by_name(void **state)
{
    header(&fields.min_version, "1");
    header(&fields.min_version, "1");
    assert_refused(SG_INVALID, "'Min-Version' is repeated");
    param("min_version", "1"); /* nor does a parameter heal it */
    assert_refused(SG_INVALID, "'Min-Version' is repeated");
    begin(state);
    header(&fields.max_staleness, "1");
    header(&fields.max_staleness, "1");
    assert_refused(SG_INVALID, "'Max-Staleness' is repeated");
}

static void staleness_has_at_most_three_places(void **state)
{
    static const char *const bad[] = {"", "-1", "1.2345", "1s", ".5", "1.", "1e3", "inf"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin(state);
        header(&fields.max_staleness, bad[i]);
        assert_refused(SG_INVALID, "'Max-Staleness' is not");
        begin(state);
        param("max_staleness", bad[i]);
        assert_refused(SG_INVALID, "'max_staleness' is not");
        begin(state);
        param("wait", bad[i]);
        assert_refused(SG_INVALID, "'wait' is not");
    }
    begin(state);
    header(&fields.max_staleness, "0");
    assert_accepted();
    assert_true(demands.has_max_staleness && demands.max_staleness_ns == 0);
    assert_true(demands_any(&demands));
}

/* ---- positions ---- */

static void several_lines_are_one_list(void **state)
{
    (void)state;
    header(&fields.min_position, "ORDERS:1;epoch=abcdef");
    header(&fields.min_position, "\"2024-orders:2\"");
    header(&fields.min_position, "%\"gr%c3%bc%c3%9f:3\"");
    assert_accepted();
    assert_int_equal(demands.positions_count, 3);
    assert_position(0, 0, 1, "abcdef");
    assert_position(1, 1, 2, "");
    assert_position(2, 2, 3, "");
    header(&fields.min_position, "ORDERS:2");
    assert_refused(SG_INVALID, "Min-Position: the stream 'ORDERS' is named twice");
    fields.min_position.values[3] = slice_of("");
    assert_refused(SG_INVALID, "empty");
}

static void a_string_that_goes_on_in_the_next_line_names_no_stream(void **state)
{
    (void)state;
    header(&fields.min_position, "\"ORDERS:1");
    header(&fields.min_position, "ORDERS:1\"");
    assert_refused(SG_NOT_FOUND, "'ORDERS:1, ORDERS'"); /* as RFC 9651 joins them: one string, of no stream */
    fields.min_position.values[1] = slice_of("\"2024-orders:1\"");
    assert_refused(SG_INVALID, "Min-Position: ");
}

static void more_lines_than_are_kept_are_refused(void **state)
{
    for (int i = 0; i < HTTP_LINES_MAX + 1; i++)
        header(&fields.min_position, "ORDERS:1");
    assert_refused(SG_INVALID, "'Min-Position' has more than 4 lines");
    begin(state);
    for (int i = 0; i < HTTP_LINES_MAX; i++)
        header(&fields.prefer, "wait=1");
    assert_accepted();
    header(&fields.prefer, "wait=1");
    assert_refused(SG_INVALID, "'Prefer' has more than 4 lines");
}

static void a_list_longer_than_a_request_is_refused(void **state)
{
    static char longest[HTTP_HEAD_COST_MAX + 2];
    (void)state;
    memset(longest, ' ', sizeof longest - 1);
    memcpy(longest, "ORDERS:1", 8);
    header(&fields.min_position, longest);
    assert_refused(SG_INVALID, "'Min-Position' is longer than");
    longest[sizeof longest - 2] = '\0';
    fields.min_position.values[0] = slice_of(longest);
    assert_accepted();
    header(&fields.min_position, "");
    assert_refused(SG_INVALID, "'Min-Position' is longer than");
}

static void an_unknown_stream_is_named(void **state)
{
    (void)state;
    header(&fields.min_position, "ORDERS:1, BILLING:77");
    assert_refused(SG_NOT_FOUND, "Min-Position: the stream 'BILLING' is not configured");
    fields.min_position.values[0] = slice_of("orders:1");
    assert_refused(SG_NOT_FOUND, "'orders'");
    fields.min_position.values[0] = slice_of("ORDERSX:1");
    assert_refused(SG_NOT_FOUND, "'ORDERSX'");
    fields.min_position.values[0] = slice_of("ORDER:1");
    assert_refused(SG_NOT_FOUND, "'ORDER'");
}

static void what_is_malformed_is_said_before_an_unknown_stream(void **state)
{
    header(&fields.min_position, "BILLING:77, ORDERS:x");
    assert_refused(SG_INVALID, "sequence");
    fields.min_position.values[0] = slice_of("BILLING:77, BILLING:78");
    assert_refused(SG_INVALID, "'BILLING' is named twice");
    begin(state);
    header(&fields.min_position, "BILLING:77");
    header(&fields.max_staleness, "x");
    assert_refused(SG_INVALID, "'Max-Staleness'");
    begin(state);
    header(&fields.min_position, "BILLING:77");
    param("wait", "x");
    assert_refused(SG_INVALID, "'wait'");
    begin(state);
    header(&fields.min_position, "BILLING:77");
    header(&fields.min_version, "x");
    assert_refused(SG_INVALID, "'Min-Version'");
}

/* ---- how long to wait ---- */

static void a_wait_beyond_the_maximum_is_the_maximum(void **state)
{
    header(&fields.prefer, "wait=31");
    assert_accepted();
    assert_true(demands.wait_given && demands.wait_ns == 30 * NS_PER_S);
    begin(state);
    param("wait", "1000000000");
    assert_accepted();
    assert_true(demands.wait_given && demands.wait_ns == 30 * NS_PER_S);
    begin(state);
    param("wait", "30");
    assert_accepted();
    assert_true(demands.wait_ns == 30 * NS_PER_S);
}

static void a_preference_is_read_in_all_its_forms(void **state)
{
    static const struct {
        const char *line;
        int64_t ms;
    } good[] = {
        {"wait=0", 0},
        {"wait=5", 5000},
        {"wait=2.25", 2250},
        {"WAIT=5", 5000},
        {"wait = 5", 5000},
        {"wait\t=\t\"5\"", 5000},
        {"wait=\"\\5\"", 5000},
        {"respond-async, wait=5", 5000},
        {"wait=5, wait=6", 5000},
        {"return=minimal; foo=\"a, wait=9; \\\" b\", wait=5;x=y;z", 5000},
        {"wait=5;wait=6", 5000},
        {"a;wait=6, wait=5;", 5000},
        {", ,wait=5,,", 5000},
        {"waiter=6, xwait=7, wait=5", 5000},
        {"foo=\"\x80\xff\", wait=5", 5000},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        begin(state);
        header(&fields.prefer, good[i].line);
        assert_accepted();
        if (!demands.wait_given || demands.wait_ns != good[i].ms * NS_PER_MS)
            fail_msg("not understood: %s", good[i].line);
    }
}

static void a_preference_that_is_not_understood_is_ignored(void **state)
{
    static const char *const bad[] = {
        "", ",", "respond-async", "wait", "wait=", "wait=\"\"", "wait=abc", "wait=-1", "wait=1.2345", "wait=5s",
        "wait=5 6", "wait=\"5", "wait=\"5\\", "wait=\"5\"6", "wait==5", "=5", "wait=5;;=", "wait=5, (",
        "wait=5, a=\"", "wait=5; a=", "wait=5, wait=\x01", "wait:5", "wait=5\n", "foo bar, wait=5",
        "wait=\"\x7f\"", "a;wait=5", "a=\"wait=5\"", "wait=abc, wait=5",
        /* the longest value that is kept, and one more digit */
        "wait=00000000000000000000000000000005", "wait=000000000000000000000000000000005",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0] - 2; i++) {
        begin(state);
        header(&fields.prefer, bad[i]);
        assert_accepted();
        if (demands.wait_given || demands.wait_ns != 5 * NS_PER_S)
            fail_msg("understood: %s", bad[i]);
    }
    fields.prefer.values[0] = slice_of(bad[sizeof bad / sizeof bad[0] - 2]);
    assert_accepted();
    assert_true(demands.wait_given);
    fields.prefer.values[0] = slice_of(bad[sizeof bad / sizeof bad[0] - 1]);
    assert_accepted();
    assert_false(demands.wait_given);
}

static void of_several_lines_a_malformed_one_is_skipped_and_the_first_wait_counts(void **state)
{
    (void)state;
    header(&fields.prefer, "wait=1, \"");
    header(&fields.prefer, "respond-async");
    header(&fields.prefer, "wait=2");
    header(&fields.prefer, "wait=3");
    assert_accepted();
    assert_true(demands.wait_given && demands.wait_ns == 2 * NS_PER_S);
    fields.prefer.values[2] = slice_of("wait=soon");
    assert_accepted();
    assert_false(demands.wait_given);
}

static void every_cut_of_a_preference_is_read_within_its_bytes(void **state)
{
    static const char text[] = "a = \"b\\\"\" ; c=d;, wait = \"\\5\" ; e";
    (void)state;
    for (size_t bytes = 0; bytes < sizeof text; bytes++) {
        char copy[sizeof text];
        memset(copy, '7', sizeof copy); /* what follows would be taken as more of the number */
        memcpy(copy, text, bytes);
        fields.prefer = (struct http_lines){.count = 1, .values = {{copy, bytes}}};
        assert_accepted();
        assert_true(!demands.wait_given || demands.wait_ns == 5 * NS_PER_S);
    }
    fields.prefer = (struct http_lines){.count = 1, .values = {{NULL, 0}}};
    assert_accepted();
}

static int end(void **state)
{
    (void)state;
    demands_free(&demands);
    demands_free(&demands); /* nothing is left to free */
    return 0;
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(a_request_without_demands_waits_the_default),
        PROMISE(headers_and_parameters_say_the_same),
        PROMISE(a_parameter_wins_over_its_header),
        PROMISE(a_written_position_is_accepted_verbatim),
        PROMISE(versions_are_plain_numbers_from_1),
        PROMISE(a_version_means_nothing_but_for_one_entity),
        PROMISE(a_repeated_header_is_refused_by_name),
        PROMISE(staleness_has_at_most_three_places),
        PROMISE(several_lines_are_one_list),
        PROMISE(a_string_that_goes_on_in_the_next_line_names_no_stream),
        PROMISE(more_lines_than_are_kept_are_refused),
        PROMISE(a_list_longer_than_a_request_is_refused),
        PROMISE(an_unknown_stream_is_named),
        PROMISE(what_is_malformed_is_said_before_an_unknown_stream),
        PROMISE(a_wait_beyond_the_maximum_is_the_maximum),
        PROMISE(a_preference_is_read_in_all_its_forms),
        PROMISE(a_preference_that_is_not_understood_is_ignored),
        PROMISE(of_several_lines_a_malformed_one_is_skipped_and_the_first_wait_counts),
        PROMISE(every_cut_of_a_preference_is_read_within_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
