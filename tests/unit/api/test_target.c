/* Request targets, parameters and cursors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/request/cursor.h"
#include "api/request/target.h"
#include "core/base/time.h"
#include "core/domain/event.h"

/* Parses a copy, since the text is decoded in place; the copy is valid until the next call. */
static enum sg_status parse_bytes(const char *text, size_t bytes, struct target *target)
{
    static char *copy;
    struct sg_error err;
    free(copy);
    copy = malloc(bytes > 0 ? bytes : 1); /* of exactly this size: reading beyond it is noticed */
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    enum sg_status status = target_parse(copy, bytes, target, &err);
    if (bytes == 0) {
        free(copy);
        copy = NULL;
    }
    return status;
}

static enum sg_status parse(const char *text, struct target *target)
{
    return parse_bytes(text, strlen(text), target);
}

static void assert_slice(struct slice actual, const char *expected)
{
    assert_int_equal(actual.bytes, strlen(expected));
    assert_memory_equal(actual.data, expected, actual.bytes);
}

static void segments_are_decoded_one_by_one(void **state)
{
    struct target target;
    (void)state;
    assert_int_equal(parse("/v1/state/a%2Fb/%C3%BC%25", &target), SG_OK);
    assert_int_equal(target.segments_count, 4);
    assert_slice(target.segments[0], "v1");
    assert_slice(target.segments[2], "a/b");
    assert_slice(target.segments[3], "\xC3\xBC%");
}

static void empty_segments_are_kept(void **state)
{
    struct target target;
    (void)state;
    assert_int_equal(parse("/a//b/", &target), SG_OK);
    assert_int_equal(target.segments_count, 4);
    assert_slice(target.segments[1], "");
    assert_slice(target.segments[3], "");
    assert_int_equal(parse("/", &target), SG_OK);
    assert_int_equal(target.segments_count, 1);
}

static void segments_beyond_the_array_are_counted(void **state)
{
    struct target target;
    char text[2 * (TARGET_SEGMENTS_MAX + 1) + 1] = "";
    (void)state;
    for (int i = 0; i < TARGET_SEGMENTS_MAX + 1; i++)
        memcpy(text + 2 * i, "/x", 3);
    assert_int_equal(parse(text, &target), SG_OK);
    assert_int_equal(target.segments_count, TARGET_SEGMENTS_MAX + 1);
}

static void absolute_form_loses_scheme_and_authority(void **state)
{
    struct target target;
    (void)state;
    assert_int_equal(parse("http://example:80/livez?x=1", &target), SG_OK);
    assert_int_equal(target.segments_count, 1);
    assert_slice(target.segments[0], "livez");
    assert_int_equal(target.params_count, 1);
    assert_int_equal(parse("HTTPS://[::1]/", &target), SG_OK);
    assert_int_equal(parse("http://example?x=1", &target), SG_OK);
    assert_int_equal(target.segments_count, 0);
}

static void malformed_targets_are_refused(void **state)
{
    static const char *const malformed[] = {
        "",          "*",         "livez",        "?x=1",          "http://",   "http:///x",
        "http:/x",   "ftp://a/x", "http://a@b/x", "/a#b",          "/#",        "/a b",
        "/a%",       "/a%4",      "/a%zz",        "/a%4g",         "/a%+1",     "/%00",
        "/%ff",      "/%c0%af",   "/%ed%a0%80",   "/%f4%90%80%80", "/%e2%82",   "/%c3/%bc",
        "/\xC3\xBC", "/a\"b",     "/a<b",         "/a\\b",         "/a^b",      "/a{b",
        "/a|b",      "/a[b",      "/a\x7F",       "/a\x01",        "/?x",       "/?=1",
        "/?&",       "/?x=1&",    "/?&x=1",       "/?x=1&&y=2",    "/?x=%4",
        "/?x=%00",   "/?%ff=1",   "/?x=a[b",      "/?x=\"",
    };
    struct target target;
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        if (parse(malformed[i], &target) != SG_INVALID)
            fail_msg("accepted: %s", malformed[i]);
    }
    assert_int_equal(parse_bytes("/a\0b", 4, &target), SG_INVALID);
}

static void parameters_are_decoded_and_plus_is_a_space(void **state)
{
    struct target target;
    struct slice value;
    (void)state;
    assert_int_equal(parse("/x?a=1+2&b%3D=%26/?&c=", &target), SG_OK);
    assert_int_equal(target.params_count, 3);
    assert_true(target_param(&target, "a", &value));
    assert_slice(value, "1 2");
    assert_true(target_param(&target, "b=", &value));
    assert_slice(value, "&/?");
    assert_true(target_param(&target, "c", &value));
    assert_int_equal(value.bytes, 0);
    assert_false(target_param(&target, "A", &value));
    assert_int_equal(parse("/x+y", &target), SG_OK);
    assert_slice(target.segments[0], "x+y");
}

static void parameters_are_as_many_as_there_is_room_for(void **state)
{
    struct target target;
    static const char names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char text[2 + 3 * (TARGET_PARAMS_MAX + 1)] = "/?";
    (void)state;
    for (int i = 0; i <= TARGET_PARAMS_MAX; i++) {
        const char param[] = {names[i], '=', i < TARGET_PARAMS_MAX ? '&' : '\0'};
        memcpy(text + 2 + 3 * i, param, sizeof param);
    }
    assert_int_equal(parse(text, &target), SG_INVALID);
    text[2 + 3 * TARGET_PARAMS_MAX - 1] = '\0';
    assert_int_equal(parse(text, &target), SG_OK);
    assert_int_equal(target.params_count, TARGET_PARAMS_MAX);
}

static void a_parameter_is_repeated_only_if_it_is_a_field(void **state)
{
    static char name[] = "x";
    static struct field field = {.name = name};
    static const struct field_set fields = {.fields = &field, .fields_count = 1};
    static const char *const repeated[] = {"/?x=1&x=2", "/?x=1&%78=2", "/?y=1&x=1&z=1&x=1"};
    struct target target;
    struct sg_error err;
    (void)state;
    for (size_t i = 0; i < sizeof repeated / sizeof repeated[0]; i++) {
        assert_int_equal(parse(repeated[i], &target), SG_OK);
        assert_int_equal(target_check_repeats(&target, NULL, &err), SG_INVALID);
        assert_string_equal(err.message, "the parameter 'x' is repeated");
        assert_int_equal(target_check_repeats(&target, &fields, &err), SG_OK);
    }
    assert_int_equal(parse("/?id=1&id=2", &target), SG_OK);
    assert_int_equal(target_check_repeats(&target, &fields, &err), SG_OK);
    assert_int_equal(target_check_repeats(&target, NULL, &err), SG_INVALID);
    assert_int_equal(parse("/?x=1&x=2&y=1&y=2", &target), SG_OK);
    assert_int_equal(target_check_repeats(&target, &fields, &err), SG_INVALID);
    assert_string_equal(err.message, "the parameter 'y' is repeated");
    assert_int_equal(parse("/?x=1&y=2&X=1", &target), SG_OK);
    assert_int_equal(target_check_repeats(&target, NULL, &err), SG_OK);
}

static void every_cut_of_a_target_is_parsed_or_refused(void **state)
{
    static const char text[] = "http://a:1/v1/%C3%BC/%F0%9F%98%80?limit=1%20&cursor=%41+";
    struct target target;
    (void)state;
    for (size_t bytes = 0; bytes < sizeof text; bytes++)
        (void)parse_bytes(text, bytes, &target);
}

static void ids_have_a_limit_and_are_no_dots(void **state)
{
    char id[EVENT_ID_BYTES_MAX + 1];
    struct sg_error err;
    (void)state;
    memset(id, 'x', sizeof id);
    assert_int_equal(segment_check((struct slice){id, EVENT_ID_BYTES_MAX}, EVENT_ID_BYTES_MAX, "id", &err), SG_OK);
    assert_int_equal(segment_check((struct slice){id, sizeof id}, EVENT_ID_BYTES_MAX, "id", &err), SG_INVALID);
    assert_non_null(strstr(err.message, "512"));
    assert_int_equal(segment_check((struct slice){"", 0}, 10, "id", &err), SG_INVALID);
    assert_int_equal(segment_check(slice_of("."), 10, "id", &err), SG_INVALID);
    assert_int_equal(segment_check(slice_of(".."), 10, "id", &err), SG_INVALID);
    assert_int_equal(segment_check(slice_of("..."), 10, "id", &err), SG_OK);
}

static enum sg_status limit_of(const char *text, size_t *limit)
{
    struct target target = {.params_count = 1, .params = {{SLICE_LITERAL("limit"), slice_of(text)}}};
    struct sg_error err;
    return param_limit(&target, limit, &err);
}

static void limit_is_one_to_a_thousand(void **state)
{
    static const char *const bad[] = {"", "0", "1001", "01", "+1", "-1", " 1", "1 ", "1.0", "1e2", "0x1", "x",
                                      "18446744073709551617", "99999999999999999999999"};
    struct target none = {0};
    struct sg_error err;
    size_t limit = 0;
    (void)state;
    assert_int_equal(param_limit(&none, &limit, &err), SG_OK);
    assert_int_equal(limit, PARAM_LIMIT_DEFAULT);
    assert_int_equal(limit_of("1", &limit), SG_OK);
    assert_int_equal(limit, 1);
    assert_int_equal(limit_of("1000", &limit), SG_OK);
    assert_int_equal(limit, 1000);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (limit_of(bad[i], &limit) != SG_INVALID)
            fail_msg("accepted: %s", bad[i]);
    }
}

static void seconds_have_at_most_three_places(void **state)
{
    static const char *const bad[] = {"",
                                      ".",
                                      "1.",
                                      ".5",
                                      "1.2345",
                                      "-1",
                                      "+1",
                                      "1e3",
                                      "inf",
                                      "nan",
                                      " 1",
                                      "1 ",
                                      "1,5",
                                      "1.2.3",
                                      "1000000001",
                                      "1000000000.001",
                                      "99999999999999999999"};
    struct sg_error err;
    int64_t ns = 0;
    (void)state;
    assert_int_equal(param_seconds(slice_of("0"), "x", &ns, &err), SG_OK);
    assert_int_equal(ns, 0);
    assert_int_equal(param_seconds(slice_of("2.5"), "x", &ns, &err), SG_OK);
    assert_int_equal(ns, 2500 * NS_PER_MS);
    assert_int_equal(param_seconds(slice_of("0.001"), "x", &ns, &err), SG_OK);
    assert_int_equal(ns, NS_PER_MS);
    assert_int_equal(param_seconds(slice_of("1000000000"), "x", &ns, &err), SG_OK);
    assert_int_equal(ns, INT64_C(1000000000) * NS_PER_S);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (param_seconds(slice_of(bad[i]), "x", &ns, &err) != SG_INVALID)
            fail_msg("accepted: %s", bad[i]);
    }
}

static void cursor_comes_back_for_every_length(void **state)
{
    char payload[CURSOR_PAYLOAD_BYTES_MAX];
    char text[CURSOR_TEXT_BYTES];
    char decoded[CURSOR_PAYLOAD_BYTES_MAX];
    struct sg_error err;
    size_t bytes = 0;
    (void)state;
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (char)(i * 37 + 251);
    for (size_t length = 1; length <= sizeof payload; length++) {
        size_t chars = cursor_encode(CURSOR_REJECTED, (struct slice){payload, length}, text);
        assert_int_equal(chars, strlen(text));
        assert_true(chars < CURSOR_TEXT_BYTES);
        assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), chars);
        assert_int_equal(cursor_decode(CURSOR_REJECTED, (struct slice){text, chars}, decoded, &bytes, &err), SG_OK);
        assert_int_equal(bytes, length);
        assert_memory_equal(decoded, payload, length);
    }
}

static void cursors_of_others_are_refused(void **state)
{
    static const char *const bad[] = {"",  "A",    "Ag",    "Ag==", "AkE=", "AkE\n", "AkF",
                                      "!", "AkE ", "A k E", "AAE",  "////", "AUFB"};
    char text[CURSOR_TEXT_BYTES];
    char longest[CURSOR_TEXT_BYTES + 8];
    char decoded[CURSOR_PAYLOAD_BYTES_MAX];
    struct sg_error err;
    size_t bytes = 0;
    (void)state;
    (void)cursor_encode(CURSOR_LIST, SLICE_LITERAL("42"), text);
    assert_int_equal(cursor_decode(CURSOR_REJECTED, slice_of(text), decoded, &bytes, &err), SG_INVALID);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (cursor_decode(CURSOR_REJECTED, slice_of(bad[i]), decoded, &bytes, &err) != SG_INVALID)
            fail_msg("accepted: %s", bad[i]);
    }
    memset(longest, 'A', sizeof longest);
    memcpy(longest, "Ag", 2);
    assert_int_equal(cursor_decode(CURSOR_REJECTED, (struct slice){longest, sizeof longest}, decoded, &bytes, &err),
                     SG_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_are_decoded_one_by_one),
        cmocka_unit_test(empty_segments_are_kept),
        cmocka_unit_test(segments_beyond_the_array_are_counted),
        cmocka_unit_test(absolute_form_loses_scheme_and_authority),
        cmocka_unit_test(malformed_targets_are_refused),
        cmocka_unit_test(parameters_are_decoded_and_plus_is_a_space),
        cmocka_unit_test(parameters_are_as_many_as_there_is_room_for),
        cmocka_unit_test(a_parameter_is_repeated_only_if_it_is_a_field),
        cmocka_unit_test(every_cut_of_a_target_is_parsed_or_refused),
        cmocka_unit_test(ids_have_a_limit_and_are_no_dots),
        cmocka_unit_test(limit_is_one_to_a_thousand),
        cmocka_unit_test(seconds_have_at_most_three_places),
        cmocka_unit_test(cursor_comes_back_for_every_length),
        cmocka_unit_test(cursors_of_others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
