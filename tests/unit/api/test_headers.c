/* Headers, dates, numbers, problems and conditions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api/request/conditions.h"
#include "core/base/decimal.h"
#include "api/http/http_date.h"
#include "api/http/problem.h"
#include "api/answer/headers.h"
#include "core/base/time.h"

static const char *header(const struct response *r, const char *name)
{
    for (size_t i = 0; i < r->headers_count; i++) {
        if (strcmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    }
    return NULL;
}

static void assert_header(const struct response *r, const char *name, const char *value)
{
    const char *actual = header(r, name);
    if (value == NULL) {
        assert_null(actual);
        return;
    }
    assert_non_null(actual);
    assert_string_equal(actual, value);
}

static void seconds_are_rounded_up(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {-5, "0.000"}, {0, "0.000"}, {1, "0.001"}, {1000000, "0.001"}, {1000001, "0.002"}, {412000000, "0.412"},
        {999000001, "1.000"}, {1000000000, "1.000"}, {61000000000, "61.000"}, {INT64_MAX, "9223372036.855"},
    };
    char text[DECIMAL_SECONDS_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t bytes = decimal_seconds_up(rows[i].ns, text);
        assert_int_equal(bytes, strlen(rows[i].text));
        assert_memory_equal(text, rows[i].text, bytes);
    }
}

static void numbers_are_exact_at_their_ends(void **state)
{
    char text[DECIMAL_UINT_BYTES];
    (void)state;
    assert_int_equal(decimal_uint(0, text), 1);
    assert_int_equal(text[0], '0');
    assert_int_equal(decimal_uint(UINT64_MAX, text), 20);
    assert_memory_equal(text, "18446744073709551615", 20);
}

static void only_what_is_known_is_said(void **state)
{
    struct response r;
    struct stream_facts facts = {.position = "A:1", .status = STREAM_STARTING};
    (void)state;
    response_init(&r);
    headers_facts(&r, &facts, 100 * NS_PER_S);
    assert_header(&r, "State-Position", "A:1");
    assert_header(&r, "State-Status", "starting");
    assert_header(&r, "State-Staleness", NULL);
    assert_header(&r, "Age", NULL);
    assert_header(&r, "State-Lag", NULL);
}

static void staleness_grows_until_the_answer_is_made(void **state)
{
    struct response r;
    struct stream_facts facts = {
        .position = "A:1", .lag = "7", .status = STREAM_LIVE, .staleness_known = true, .proof_ns = 100 * NS_PER_S};
    (void)state;
    response_init(&r);
    headers_facts(&r, &facts, 101 * NS_PER_S + 1);
    assert_header(&r, "State-Staleness", "1.001");
    assert_header(&r, "Age", "2");
    assert_header(&r, "State-Lag", "7");
    response_init(&r);
    headers_facts(&r, &facts, 99 * NS_PER_S);
    assert_header(&r, "State-Staleness", "0.000");
    assert_header(&r, "Age", "0");
}

static void gaps_are_shown_where_they_lie_after_the_entity(void **state)
{
    struct stream row = {.gaps_count = 2, .gaps = {{10, 20}, {30, 30}}};
    struct response r;
    (void)state;
    response_init(&r);
    headers_gaps_with(&r, &row, 9, (struct gap){0});
    assert_header(&r, "State-Gap", "10-20, 30-30");
    response_init(&r);
    headers_gaps_with(&r, &row, 21, (struct gap){0});
    assert_header(&r, "State-Gap", "30-30");
    response_init(&r);
    headers_gaps_with(&r, &row, 31, (struct gap){0});
    assert_header(&r, "State-Gap", NULL);
}

static void the_most_and_longest_gaps_have_room(void **state)
{
    struct stream row = {.gaps_count = STREAM_GAPS_MAX};
    struct response r;
    (void)state;
    for (size_t i = 0; i < STREAM_GAPS_MAX; i++)
        row.gaps[i] = (struct gap){UINT64_MAX, UINT64_MAX};
    response_init(&r);
    headers_gaps_with(&r, &row, 0, (struct gap){0});
    assert_false(r.failed);
    assert_int_equal(strlen(header(&r, "State-Gap")), STREAM_GAPS_MAX * 43 - 2);
}

static void etag_names_epoch_build_and_version(void **state)
{
    struct stream row = {.epoch = {"k3fq1z"}, .build = 2};
    struct stream longest = {.epoch = {"abcdefghijkl"}, .build = INT64_MAX};
    char text[HEADERS_ETAG_BYTES];
    (void)state;
    assert_string_equal(headers_etag(&row, 42, 0, text), "\"k3fq1z.b2.42\"");
    assert_non_null(headers_etag(&longest, UINT64_MAX, 0, text));
    assert_true(strlen(text) < sizeof text);
    row.epoch.text[0] = '\0';
    assert_null(headers_etag(&row, 42, 0, text));
}

static void dates_become_imf_fixdates(void **state)
{
    static const struct {
        const char *rfc3339;
        const char *imf;
    } rows[] = {
        {"2026-01-31T12:00:00Z", "Sat, 31 Jan 2026 12:00:00 GMT"},
        {"2026-01-31T12:00:00.987654321Z", "Sat, 31 Jan 2026 12:00:00 GMT"},
        {"2026-01-31t12:00:00z", "Sat, 31 Jan 2026 12:00:00 GMT"},
        {"2026-03-01T00:30:00+01:00", "Sat, 28 Feb 2026 23:30:00 GMT"},
        {"2024-02-29T23:59:60Z", "Fri, 01 Mar 2024 00:00:00 GMT"},
        {"2000-02-29T00:00:00-00:00", "Tue, 29 Feb 2000 00:00:00 GMT"},
        {"1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59 GMT"},
        {"0001-01-01T00:00:00Z", "Mon, 01 Jan 0001 00:00:00 GMT"},
        {"9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    char text[HTTPDATE_BYTES];
    int64_t seconds = 0;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(time_parse_rfc3339_s(slice_of(rows[i].rfc3339), &seconds));
        assert_true(http_date_format(seconds, text));
        assert_string_equal(text, rows[i].imf);
    }
}

static void a_year_of_other_than_four_digits_has_no_date(void **state)
{
    static const char *const beyond[] = {
        "0000-12-31T23:59:59Z", "9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:60Z",
    };
    char text[HTTPDATE_BYTES] = "as before";
    int64_t seconds = 0;
    (void)state;
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        assert_true(time_parse_rfc3339_s(slice_of(beyond[i]), &seconds));
        if (http_date_format(seconds, text))
            fail_msg("it has one: %s", beyond[i]);
        assert_string_equal(text, "as before");
    }
}

static void every_day_of_four_centuries_has_its_date(void **state)
{
    char text[HTTPDATE_BYTES];
    (void)state;
    for (int64_t day = -146097; day < 146097; day++) {
        time_t seconds = (time_t)(day * 86400 + 86399);
        struct tm parts;
        char expected[64];
        (void)gmtime_r(&seconds, &parts);
        (void)strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        assert_true(http_date_format(seconds, text));
        assert_string_equal(text, expected);
    }
}

static void last_modified_does_not_lie_in_the_future(void **state)
{
    struct response r;
    (void)state;
    response_init(&r);
    headers_last_modified(&r, slice_of("1970-01-01T00:01:40Z"), 100);
    assert_header(&r, "Last-Modified", "Thu, 01 Jan 1970 00:01:40 GMT");
    response_init(&r);
    headers_last_modified(&r, slice_of("1970-01-01T00:01:41Z"), 100);
    headers_last_modified(&r, slice_of("1970-01-01T00:00:00Z"), 100); /* a clock that was never set */
    headers_last_modified(&r, slice_of("0001-01-01T00:00:00Z"), 100); /* what some languages write for no time */
    headers_last_modified(&r, slice_of("1969-12-31T23:59:59.999Z"), 100);
    headers_last_modified(&r, slice_of("yesterday"), 100);
    headers_last_modified(&r, (struct slice){0}, 100);
    assert_int_equal(r.headers_count, 0);
}

static void problems_are_json_whatever_they_quote(void **state)
{
    struct response r;
    static const char expected[] =
        "{\"type\":\"urn:stategate:problem:bad-request\",\"title\":\"The request is malformed\",\"status\":400,"
        "\"detail\":\"The parameter '\\\"\\u001b' is bad.\"}\n";
    (void)state;
    response_init(&r);
    problem_answer(&r, PROBLEM_BAD_REQUEST, "The parameter '%s' is bad.", "\"\x1b");
    assert_int_equal(r.status, 400);
    assert_header(&r, "Content-Type", "application/problem+json");
    assert_header(&r, "Cache-Control", "no-store");
    assert_header(&r, "Retry-After", NULL);
    assert_int_equal(r.body_bytes, strlen(expected));
    assert_memory_equal(r.body, expected, r.body_bytes);
    response_free(&r);
}

static void a_response_begins_with_nothing_set(void **state)
{
    struct response r;
    (void)state;
    memset(&r, 0xff, sizeof r);
    response_init(&r);
    assert_int_equal(r.status, 200);
    assert_false(r.close);
    assert_false(r.failed);
    assert_int_equal(r.headers_count, 0);
    assert_null(r.body);
    assert_null(r.body_end);
}

static void a_503_says_when_to_come_again(void **state)
{
    struct response r;
    (void)state;
    response_init(&r);
    problem_answer_at(&r, PROBLEM_STORAGE, "A:1", 7, "x");
    assert_int_equal(r.status, 503);
    assert_header(&r, "Retry-After", "1");
    const char *expected = "\"current\":7,\"position\":\"A:1\"";
    assert_non_null(memmem(r.body, r.body_bytes, expected, strlen(expected)));
    response_free(&r);
}

static void a_response_without_room_is_not_sent(void **state)
{
    struct response r;
    char text[RESPONSE_TEXT_BYTES];
    (void)state;
    memset(text, 'x', sizeof text);
    response_init(&r);
    response_header_bytes(&r, "A", text, RESPONSE_TEXT_BYTES - 1);
    assert_false(r.failed);
    response_header_bytes(&r, "B", text, 0);
    assert_true(r.failed);
    response_init(&r);
    for (int i = 0; i < RESPONSE_HEADERS_MAX; i++)
        response_header(&r, "A", "b");
    assert_false(r.failed);
    response_header(&r, "A", "b");
    assert_true(r.failed);
}

static enum sg_status unchanged_by(const char *list, const char *etag, bool *unchanged)
{
    struct http_lines lines = {.count = 1};
    struct conditions conditions;
    struct sg_error err;
    lines.values[0] = slice_of(list);
    enum sg_status status = conditions_parse(&lines, &conditions, &err);
    *unchanged = status == SG_OK && conditions_unchanged(&conditions, etag);
    return status;
}

static void if_none_match_compares_weakly_over_a_list(void **state)
{
    static const struct {
        const char *list;
        bool unchanged;
    } rows[] = {
        {"\"a.b1.2\"", true}, {"W/\"a.b1.2\"", true}, {"\"x\", \"a.b1.2\"", true}, {"\"x\",W/\"a.b1.2\" ,\"y\"", true},
        {" , \"a.b1.2\",", true}, {"*", true}, {"\"x,y\", \"a.b1.2\"", true},
        {"\"x\"", false}, {"\"A.B1.2\"", false}, {"\"a.b1.22\"", false}, {"\"\"", false},
        {"\"a.b1.2x\", \"xa.b1.2\"", false},
    };
    bool unchanged = false;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(unchanged_by(rows[i].list, "\"a.b1.2\"", &unchanged), SG_OK);
        if (unchanged != rows[i].unchanged)
            fail_msg("wrong: %s", rows[i].list);
    }
}

static void malformed_conditions_are_refused(void **state)
{
    static const char *const bad[] = {"",        ",",         "a",      "\"a",         "a\"",
                                      "w/\"a\"", "W/",        "W\"a\"", "\"a\" \"b\"", "*, \"a\"",
                                      "\"a b\"", "\"a\x7f\"", "**",     "\"a\";",      "'a'"};
    bool unchanged = false;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (unchanged_by(bad[i], "\"a\"", &unchanged) != SG_INVALID)
            fail_msg("accepted: %s", bad[i]);
    }
}

static void conditions_may_stand_on_several_lines(void **state)
{
    struct http_lines lines = {.count = 2};
    struct conditions conditions;
    struct sg_error err;
    (void)state;
    lines.values[0] = SLICE_LITERAL("\"x\"");
    lines.values[1] = SLICE_LITERAL("\"a\"");
    assert_int_equal(conditions_parse(&lines, &conditions, &err), SG_OK);
    assert_true(conditions_unchanged(&conditions, "\"a\""));
    assert_true(conditions_unchanged(&conditions, "\"x\""));
    assert_false(conditions_unchanged(&conditions, NULL)); /* there is no tag while the epoch is unknown */
    lines.count = HTTP_LINES_MAX + 1;
    assert_int_equal(conditions_parse(&lines, &conditions, &err), SG_INVALID);
    lines.count = 0;
    assert_int_equal(conditions_parse(&lines, &conditions, &err), SG_OK);
    assert_false(conditions_unchanged(&conditions, "\"a\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seconds_are_rounded_up),
        cmocka_unit_test(numbers_are_exact_at_their_ends),
        cmocka_unit_test(only_what_is_known_is_said),
        cmocka_unit_test(staleness_grows_until_the_answer_is_made),
        cmocka_unit_test(gaps_are_shown_where_they_lie_after_the_entity),
        cmocka_unit_test(the_most_and_longest_gaps_have_room),
        cmocka_unit_test(etag_names_epoch_build_and_version),
        cmocka_unit_test(dates_become_imf_fixdates),
        cmocka_unit_test(a_year_of_other_than_four_digits_has_no_date),
        cmocka_unit_test(every_day_of_four_centuries_has_its_date),
        cmocka_unit_test(last_modified_does_not_lie_in_the_future),
        cmocka_unit_test(problems_are_json_whatever_they_quote),
        cmocka_unit_test(a_response_begins_with_nothing_set),
        cmocka_unit_test(a_503_says_when_to_come_again),
        cmocka_unit_test(a_response_without_room_is_not_sent),
        cmocka_unit_test(if_none_match_compares_weakly_over_a_list),
        cmocka_unit_test(malformed_conditions_are_refused),
        cmocka_unit_test(conditions_may_stand_on_several_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
