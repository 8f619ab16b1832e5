/* core/json: what is read, and what is wrong with it, at and beyond the limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/json/json.h"

static struct region memory;
static struct json_value value;

static int forget(void **state)
{
    (void)state;
    region_free(&memory);
    return 0;
}

static struct json_fault read_text(const char *text, size_t bytes_max, size_t depth_max)
{
    const struct json_limits limits = {bytes_max, depth_max};
    struct json_fault fault = {.kind = JSON_SOUND};
    struct sg_error err = {0};
    value = (struct json_value){0};
    assert_int_equal(json_read(slice_of(text), &limits, &memory, &value, &fault, &err), SG_OK);
    return fault;
}

static void a_sound_text_gives_its_root(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1.50,\"\\u00e9\"],\"b\":null}";
    assert_int_equal(read_text(text, strlen(text), 2).kind, JSON_SOUND);
    assert_ptr_equal(value.text.data, text);
    assert_true(unsafe_yyjson_is_obj(value.value));
    yyjson_val *list = yyjson_obj_get(value.value, "a");
    assert_true(slice_equal(json_text(yyjson_arr_get(list, 0)), SLICE_LITERAL("1.50")));
    assert_true(slice_equal(json_text(yyjson_arr_get(list, 1)), SLICE_LITERAL("\xc3\xa9")));
    assert_null(json_text(yyjson_obj_get(value.value, "b")).data);
}

static void a_text_beyond_its_bytes_is_not_read(void **state)
{
    (void)state;
    assert_int_equal(read_text("[1,2]", 5, 1).kind, JSON_SOUND);
    assert_int_equal(read_text("[1,2]", 4, 1).kind, JSON_TOO_LARGE);
    assert_null(value.value);
}

static void nesting_is_limited_at_and_beyond(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 3];
    assert_int_equal(read_text("1", 100, 0).kind, JSON_SOUND);
    assert_int_equal(read_text("[]", 100, 0).kind, JSON_TOO_DEEP);
    assert_non_null(value.value); /* it is there to be looked at */
    assert_int_equal(read_text("[[],[[]],{}]", 100, 3).kind, JSON_SOUND);
    assert_int_equal(read_text("[[],[[]],{}]", 100, 2).kind, JSON_TOO_DEEP);
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        assert_int_equal(read_text(text, sizeof text, JSON_DEPTH_MAX).kind,
                         depth == JSON_DEPTH_MAX ? JSON_SOUND : JSON_TOO_DEEP);
    }
}

static void a_member_twice_is_found_at_any_depth(void **state)
{
    (void)state;
    char text[4096];
    assert_int_equal(read_text("{\"a\":1,\"b\":{\"a\":2}}", 100, 9).kind, JSON_SOUND);
    assert_int_equal(read_text("{\"a\":1,\"a\":1}", 100, 9).kind, JSON_DUPLICATE_MEMBER);
    assert_non_null(value.value);
    assert_int_equal(read_text("[{},{\"b\":{\"x\":1,\"\\u0078\":2}}]", 100, 9).kind, JSON_DUPLICATE_MEMBER);
    for (int members = 2; members <= 100; members++) { /* compared one by one, then sorted */
        size_t used = (size_t)snprintf(text, sizeof text, "{");
        for (int i = 0; i < members; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "\"m%d\":%d,", i, i);
        (void)snprintf(text + used, sizeof text - used, "\"m\":0}");
        assert_int_equal(read_text(text, sizeof text, 9).kind, JSON_SOUND);
        (void)snprintf(text + used, sizeof text - used, "\"m%d\":0}", members - 1);
        assert_int_equal(read_text(text, sizeof text, 9).kind, JSON_DUPLICATE_MEMBER);
    }
}

static void what_is_no_json_is_placed_and_not_quoted(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "{\"secret\":x}", "[1,]", "\"\xff\"", "\"\\ud800\"", "01", "[1] 2", "nul"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct json_fault fault = read_text(texts[i], 100, 9);
        assert_int_equal(fault.kind, JSON_MALFORMED);
        assert_non_null(fault.message);
        assert_null(strstr(fault.message, "secret"));
        assert_null(value.value);
    }
    assert_int_equal(read_text("{\"secret\":x}", 100, 9).at, 10);
}

static void integers_are_written_as_such_and_fit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool integer, fits;
        int64_t value;
    } cases[] = {
        {"0", true, true, 0},
        {"-0", true, true, 0},
        {"9223372036854775807", true, true, INT64_MAX},
        {"9223372036854775808", true, false, 0},
        {"-9223372036854775808", true, true, INT64_MIN},
        {"-9223372036854775809", true, false, 0},
        {"1.0", false, false, 0},
        {"1e2", false, false, 0},
        {"\"1\"", false, false, 0},
        {"true", false, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t number = 7;
        assert_int_equal(read_text(cases[i].text, 100, 9).kind, JSON_SOUND);
        assert_int_equal(json_is_integer(value.value), cases[i].integer);
        assert_int_equal(json_integer(value.value, &number), cases[i].fits);
        assert_true(number == (cases[i].fits ? cases[i].value : 7));
    }
}

#define json_test(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        json_test(a_sound_text_gives_its_root),
        json_test(a_text_beyond_its_bytes_is_not_read),
        json_test(nesting_is_limited_at_and_beyond),
        json_test(a_member_twice_is_found_at_any_depth),
        json_test(what_is_no_json_is_placed_and_not_quoted),
        json_test(integers_are_written_as_such_and_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
