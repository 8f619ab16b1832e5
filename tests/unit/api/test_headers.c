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

static void etag_names_epoch_settings_and_event(void **state)
{
    struct stream row = {.epoch = {"k3fq1z"}, .build = 2};
    struct rows_hash rows = {"r7f3a92c4"};
    const struct revision revision = {.sequence = 10482};
    char text[HEADERS_ETAG_BYTES];
    (void)state;
    assert_int_equal(headers_etag(&row, &rows, &revision, text), 24);
    assert_string_equal(text, "\"k3fq1z.r7f3a92c4.10482\"");
    rows.text[0] = '\0';
    assert_int_equal(headers_etag(&row, &rows, &revision, text), 0);
    rows.text[0] = 'r';
    row.epoch.text[0] = '\0';
    assert_int_equal(headers_etag(&row, &rows, &revision, text), 0);
}

static void etag_of_a_page_is_weak(void **state)
{
    struct stream row = {.epoch = {"k3fq1z"}};
    struct stream longest = {.epoch = {"abcdefghijkl"}};
    struct rows_hash rows = {"r7f3a92c4"};
    struct revision revision = {.sequence = 10482, .page = true, .entities = 7, .query = 0x0badcafe};
    struct revision largest = {UINT64_MAX, true, UINT64_MAX, UINT64_MAX, UINT32_MAX};
    char text[HEADERS_ETAG_BYTES];
    (void)state;
    size_t bytes = headers_etag(&row, &rows, &revision, text);
    assert_int_equal(bytes, strlen(text));
    assert_string_equal(text, "W/\"k3fq1z.r7f3a92c4.10482.7.0.q0badcafe\"");
    assert_true(headers_etag(&longest, &rows, &largest, text) < sizeof text);
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

static void dates_are_read_in_three_forms(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1 = it is none */
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Thu, 29 Feb 2024 00:00:00 GMT", 1709164800},
        {"Wednesday, 01-Jan-76 00:00:00 GMT", 3345062400}, /* 50 years after 2026 */
        {"Saturday, 01-Jan-77 00:00:00 GMT", 220924800},
        {"Thu, 29 Feb 2023 00:00:00 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 UTC", -1},
        {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
        {"Sun, 06 Nox 1994 08:49:37 GMT", -1},
        {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT, ", -1},
        {"Sun, 06 Nov 1994 08:49:37", -1},
        {"Wednesday, 06-Nov-94 08:49:37 GMTGMT", -1},
        {"Suo, 06 Nov 1994 08:49:37 GMT", -1},
        {"Sun\xf4, 06 Nov 1994 08:49:37 GMT", -1},
        {"Sunday, 06 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06-Nov-94 08:49:37 GMT", -1},
        {"Sunda, 06-Nov-94 08:49:37 GMT", -1},
        {"Sunday Nov  6 08:49:37 1994", -1},
        {", 06 Nov 1994 08:49:37 GMT", -1},
        {"1994-11-06T08:49:37Z", -1},
        {", ", -1},
        {"", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t seconds = -1;
        if (http_date_parse(slice_of(rows[i].text), INT64_C(1769860800), &seconds) != (rows[i].seconds >= 0) ||
            seconds != rows[i].seconds)
            fail_msg("%s was read as %lld", rows[i].text, (long long)seconds);
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
    assert_ptr_equal(response_room(&r, RESPONSE_TEXT_BYTES), r.text);
    response_room_used(&r, 1);
    assert_ptr_equal(response_room(&r, RESPONSE_TEXT_BYTES - 1), r.text + 1);
    assert_false(r.failed);
    assert_null(response_room(&r, RESPONSE_TEXT_BYTES));
    assert_true(r.failed);
    response_init(&r);
    for (int i = 0; i < RESPONSE_HEADERS_MAX; i++)
        response_header(&r, "A", "b");
    assert_false(r.failed);
    response_header(&r, "A", "b");
    assert_true(r.failed);
}

/* What a request with one line of each field is answered; NULL = without it. */
struct asked {
    const char *if_match;
    const char *if_none_match;
    const char *if_modified_since;
    const char *if_unmodified_since;
};

#define MODIFIED INT64_C(784111777) /* Sun, 06 Nov 1994 08:49:37 GMT */
#define NOW INT64_C(1769860800)     /* 2026 */

static void set_line(struct http_lines *lines, const char *value)
{
    lines->count = value != NULL ? 1 : 0;
    if (value != NULL)
        lines->values[0] = slice_of(value);
}

static enum sg_status ask(const struct asked *asked, const char *etag, const int64_t *modified_s,
                          enum condition_result *result)
{
    struct http_fields fields = {0};
    struct conditions conditions;
    struct sg_error err;
    set_line(&fields.if_match, asked->if_match);
    set_line(&fields.if_none_match, asked->if_none_match);
    if (asked->if_modified_since != NULL)
        fields.if_modified_since = (struct http_line){1, slice_of(asked->if_modified_since)};
    if (asked->if_unmodified_since != NULL)
        fields.if_unmodified_since = (struct http_line){1, slice_of(asked->if_unmodified_since)};
    enum sg_status status = conditions_parse(&fields, &conditions, &err);
    if (status == SG_OK)
        *result = conditions_check(&conditions, etag, modified_s, NOW);
    return status;
}

static enum condition_result answered(struct asked asked, const char *etag, bool modified_known)
{
    int64_t modified_s = MODIFIED;
    enum condition_result result = CONDITIONS_MET;
    assert_int_equal(ask(&asked, etag, modified_known ? &modified_s : NULL, &result), SG_OK);
    return result;
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
    static const char *const tags[] = {"\"a.b1.2\"", "W/\"a.b1.2\""};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t k = 0; k < 2; k++) {
            if ((answered((struct asked){.if_none_match = rows[i].list}, tags[k], true) == CONDITIONS_UNCHANGED) !=
                rows[i].unchanged)
                fail_msg("wrong: %s, %s", rows[i].list, tags[k]);
        }
    }
    assert_int_equal(answered((struct asked){.if_none_match = "\"a\""}, NULL, true), CONDITIONS_MET);
}

static void if_match_compares_strongly(void **state)
{
    static const struct {
        const char *list;
        const char *etag;
        enum condition_result result;
    } rows[] = {
        {"\"a\"", "\"a\"", CONDITIONS_MET},          {"\"x\", \"a\"", "\"a\"", CONDITIONS_MET},
        {"*", "\"a\"", CONDITIONS_MET},               {"*", "W/\"a\"", CONDITIONS_MET},
        {"*", NULL, CONDITIONS_MET},                   {"W/\"a\", \"a\"", "\"a\"", CONDITIONS_MET},
        {"\"b\"", "\"a\"", CONDITIONS_FAILED},       {"W/\"a\"", "\"a\"", CONDITIONS_FAILED},
        {"\"a\"", "W/\"a\"", CONDITIONS_FAILED},     {"W/\"a\"", "W/\"a\"", CONDITIONS_FAILED},
        {"\"a\"", NULL, CONDITIONS_FAILED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (answered((struct asked){.if_match = rows[i].list}, rows[i].etag, true) != rows[i].result)
            fail_msg("wrong: %s, %s", rows[i].list, rows[i].etag);
    }
}

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define SAME "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

static void dates_count_where_no_tag_does(void **state)
{
    static const struct {
        struct asked asked;
        enum condition_result result;
    } rows[] = {
        {{.if_modified_since = BEFORE}, CONDITIONS_MET},
        {{.if_modified_since = SAME}, CONDITIONS_UNCHANGED},
        {{.if_modified_since = AFTER}, CONDITIONS_UNCHANGED},
        {{.if_modified_since = "yesterday"}, CONDITIONS_MET},
        {{.if_modified_since = SAME, .if_none_match = "\"b\""}, CONDITIONS_MET},
        {{.if_modified_since = BEFORE, .if_none_match = "\"a\""}, CONDITIONS_UNCHANGED},
        {{.if_unmodified_since = BEFORE}, CONDITIONS_FAILED},
        {{.if_unmodified_since = SAME}, CONDITIONS_MET},
        {{.if_unmodified_since = AFTER}, CONDITIONS_MET},
        {{.if_unmodified_since = ""}, CONDITIONS_MET},
        {{.if_unmodified_since = BEFORE, .if_match = "\"a\""}, CONDITIONS_MET},
        {{.if_unmodified_since = AFTER, .if_match = "\"b\""}, CONDITIONS_FAILED},
        {{.if_unmodified_since = BEFORE, .if_none_match = "\"a\""}, CONDITIONS_FAILED},
        {{.if_match = "\"a\"", .if_none_match = "\"a\""}, CONDITIONS_UNCHANGED},
        {{.if_unmodified_since = SAME, .if_modified_since = SAME}, CONDITIONS_UNCHANGED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (answered(rows[i].asked, "\"a\"", true) != rows[i].result)
            fail_msg("wrong: row %zu", i);
    }
    assert_int_equal(answered((struct asked){.if_modified_since = AFTER}, "\"a\"", false), CONDITIONS_MET);
    assert_int_equal(answered((struct asked){.if_unmodified_since = BEFORE}, "\"a\"", false), CONDITIONS_MET);
    assert_int_equal(answered((struct asked){0}, "\"a\"", true), CONDITIONS_MET);
}

static void malformed_conditions_are_refused(void **state)
{
    static const char *const bad[] = {"",        ",",         "a",      "\"a",         "a\"",
                                      "w/\"a\"", "W/",        "W\"a\"", "\"a\" \"b\"", "*, \"a\"",
                                      "\"a b\"", "\"a\x7f\"", "**",     "\"a\";",      "'a'"};
    enum condition_result result;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (ask(&(struct asked){.if_none_match = bad[i]}, "\"a\"", NULL, &result) != SG_INVALID ||
            ask(&(struct asked){.if_match = bad[i]}, "\"a\"", NULL, &result) != SG_INVALID)
            fail_msg("accepted: %s", bad[i]);
    }
}

static void conditions_may_stand_on_several_lines(void **state)
{
    struct http_fields fields = {.if_none_match.count = 2};
    struct conditions conditions;
    struct sg_error err;
    (void)state;
    fields.if_none_match.values[0] = SLICE_LITERAL("\"x\"");
    fields.if_none_match.values[1] = SLICE_LITERAL("\"a\"");
    assert_int_equal(conditions_parse(&fields, &conditions, &err), SG_OK);
    assert_int_equal(conditions_check(&conditions, "\"a\"", NULL, NOW), CONDITIONS_UNCHANGED);
    assert_int_equal(conditions_check(&conditions, "\"x\"", NULL, NOW), CONDITIONS_UNCHANGED);
    assert_int_equal(conditions_check(&conditions, NULL, NULL, NOW), CONDITIONS_MET); /* while the epoch is unknown */
    fields.if_none_match.count = HTTP_LINES_MAX + 1;
    assert_int_equal(conditions_parse(&fields, &conditions, &err), SG_INVALID);
    fields = (struct http_fields){.if_match.count = HTTP_LINES_MAX + 1};
    assert_int_equal(conditions_parse(&fields, &conditions, &err), SG_INVALID);
    fields = (struct http_fields){.if_modified_since.count = 2};
    assert_int_equal(conditions_parse(&fields, &conditions, &err), SG_INVALID);
    fields = (struct http_fields){.if_unmodified_since.count = 2};
    assert_int_equal(conditions_parse(&fields, &conditions, &err), SG_INVALID);
    assert_non_null(strstr(err.message, "'If-Unmodified-Since' is repeated"));
    fields = (struct http_fields){0};
    assert_int_equal(conditions_parse(&fields, &conditions, &err), SG_OK);
    assert_false(conditions.given);
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
        cmocka_unit_test(etag_names_epoch_settings_and_event),
        cmocka_unit_test(etag_of_a_page_is_weak),
        cmocka_unit_test(dates_become_imf_fixdates),
        cmocka_unit_test(a_year_of_other_than_four_digits_has_no_date),
        cmocka_unit_test(every_day_of_four_centuries_has_its_date),
        cmocka_unit_test(dates_are_read_in_three_forms),
        cmocka_unit_test(last_modified_does_not_lie_in_the_future),
        cmocka_unit_test(problems_are_json_whatever_they_quote),
        cmocka_unit_test(a_response_begins_with_nothing_set),
        cmocka_unit_test(a_503_says_when_to_come_again),
        cmocka_unit_test(a_response_without_room_is_not_sent),
        cmocka_unit_test(if_none_match_compares_weakly_over_a_list),
        cmocka_unit_test(if_match_compares_strongly),
        cmocka_unit_test(dates_count_where_no_tag_does),
        cmocka_unit_test(malformed_conditions_are_refused),
        cmocka_unit_test(conditions_may_stand_on_several_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
