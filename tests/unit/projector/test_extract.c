/* shape/fields and shape/extract: what of a state becomes a value, what null, and what a mismatch; and the same of the
 * state as it is stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode_fixture.h"
#include "projector/shape/extract.h"
#include "projector/shape/fields.h"
#include "projector/shape/shape.h"

static struct decode_fixture fixture;
static struct shaper *shaper;
static struct extractor *extractor;
static char name[] = "orders";
static char *drop[2];

static void add(const char *field, const char *at, enum field_type type)
{
    struct sg_error err = {0};
    if (fields_add(&fixture.rules.fields, slice_of(field), slice_of(at), type, &err) != SG_OK)
        fail_msg("%s", err.message);
}

static int open_fixture(void **state)
{
    (void)state;
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, "state.{collection}.{id}");
    fixture.rules = (struct collection_settings){.name = name, .drop = drop};
    fixture.settings.collections = &fixture.rules;
    fixture.settings.collections_count = 1;
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    shaper_destroy(shaper);
    shaper = NULL;
    extractor_destroy(extractor);
    extractor = NULL;
    fields_free(&fixture.rules.fields);
    decode_fixture_close(&fixture);
    return 0;
}

/* Once all is declared. */
static void compile(void)
{
    struct sg_error err = {0};
    assert_int_equal(shaper_create(&fixture.settings, 0, &shaper, &err), SG_OK);
    assert_int_equal(extractor_create(&fixture.settings, &extractor, &err), SG_OK);
}

/* ---- values as text ---- */

static void append_value(enum field_type type, const struct field_value *value, struct buffer *out)
{
    if (value->state == FIELD_NULL) {
        buffer_append_text(out, "null");
    } else if (value->state == FIELD_SET) {
        field_value_append(type, value, out);
    } else {
        for (size_t i = 0; i < value->elements.count; i++) {
            assert_int_equal(value->elements.values[i].state, FIELD_SET);
            buffer_append_text(out, i == 0 ? "[" : ",");
            field_value_append(type, &value->elements.values[i], out);
        }
        buffer_append_text(out, "]");
    }
}

/* All values with a space between, each that is a mismatch followed by an '!'. */
static void expect_values(const struct field_value *values, uint32_t mismatches, const char *expected, const char *of)
{
    struct buffer out;
    buffer_init(&out, 1u << 20);
    for (size_t i = 0; i < fixture.rules.fields.fields_count; i++) {
        if (i > 0)
            buffer_append_text(&out, " ");
        append_value(fixture.rules.fields.fields[i].type, &values[i], &out);
        if (mismatches >> i & 1)
            buffer_append_text(&out, "!");
    }
    buffer_append(&out, "", 1);
    assert_false(out.failed);
    if (strcmp(out.data, expected) != 0)
        fail_msg("of %s:\n%s\ninstead of\n%s", of, out.data, expected);
    buffer_free(&out);
}

static const struct event *shaped(const char *payload)
{
    struct sg_error err = {0};
    struct decode_stream stream = {.settings = &fixture.streams[0], .owns_rest = true};
    fixture.message.subject = SLICE_LITERAL("state.orders.1");
    fixture.message.payload = slice_of(payload);
    arena_reset(fixture.arena);
    assert_int_equal(decode_message(&stream, &fixture.message, fixture.arena, &fixture.event, &err), SG_OK);
    assert_int_equal(shape_event(shaper, &fixture.event, fixture.arena, &err), SG_OK);
    arena_reset_scratch(fixture.arena); /* no value lies there */
    return &fixture.event;
}

/* The values of a state as it is stored. */
static void expect_stored(struct slice state, uint32_t mismatches, const char *expected)
{
    struct sg_error err = {0};
    const struct field_value *values = NULL;
    struct store_extract call = extractor_callback(extractor);
    assert_int_equal(call.extract(call.context, SLICE_LITERAL("orders"), state, &values, &err), SG_OK);
    expect_values(values, mismatches, expected, state.data);
}

/* The values of an event with this state, and those of the state as it is stored then. */
static void expect_taken(const char *state, const char *expected)
{
    char *payload = NULL;
    assert_true(asprintf(&payload, "{\"version\":1,\"state\":%s}", state) > 0);
    const struct event *event = shaped(payload);
    if (event->kind != EVENT_STATE)
        fail_msg("%s: %.*s", state, SLICE_ARGS(event->detail));
    assert_non_null(event->fields);
    expect_values(event->fields, event->mismatches, expected, state);
    expect_stored(event->state, event->mismatches, expected);
    free(payload);
}

/* ---- single values ---- */

static void each_type_takes_its_own_and_nothing_else(void **state)
{
    (void)state;
    add("s", "/v", FIELD_STRING);
    add("i", "/v", FIELD_INTEGER);
    add("n", "/v", FIELD_NUMBER);
    add("b", "/v", FIELD_BOOLEAN);
    add("t", "/v", FIELD_TIME);
    compile();
    expect_taken("{}", "null null null null null");
    expect_taken("{\"v\":null}", "null null null null null");
    expect_taken("{\"v\":\"a\"}", "a null! null! null! null!");
    expect_taken("{\"v\":\"\"}", " null! null! null! null!");
    expect_taken("{\"v\":\"7\"}", "7 null! null! null! null!");
    expect_taken("{\"v\":7}", "null! 7 7 null! null!");
    expect_taken("{\"v\":-0}", "null! 0 0 null! null!");
    expect_taken("{\"v\":5.0}", "null! null! 5 null! null!");
    expect_taken("{\"v\":1e3}", "null! null! 1000 null! null!");
    expect_taken("{\"v\":9007199254740993}", "null! 9007199254740993 9007199254740992 null! null!");
    expect_taken("{\"v\":9223372036854775807}", "null! 9223372036854775807 9.2233720368547758e+18 null! null!");
    expect_taken("{\"v\":9223372036854775808}", "null! null! 9.2233720368547758e+18 null! null!");
    expect_taken("{\"v\":-9223372036854775808}", "null! -9223372036854775808 -9.2233720368547758e+18 null! null!");
    expect_taken("{\"v\":-9223372036854775809}", "null! null! -9.2233720368547758e+18 null! null!");
    expect_taken("{\"v\":1e309}", "null! null! null! null! null!");
    expect_taken("{\"v\":-1e309}", "null! null! null! null! null!");
    expect_taken("{\"v\":true}", "null! null! null! true null!");
    expect_taken("{\"v\":false}", "null! null! null! false null!");
    expect_taken("{\"v\":[]}", "null! null! null! null! null!");
    expect_taken("{\"v\":{}}", "null! null! null! null! null!");
    expect_taken("{\"v\":\"2026-01-31T12:00:00.5+02:00\"}",
                 "2026-01-31T12:00:00.5+02:00 null! null! null! 2026-01-31T10:00:00.500000000Z");
    expect_taken("{\"v\":\"2026-01-31T12:00:00 02:00\"}", "2026-01-31T12:00:00 02:00 null! null! null! null!");
    expect_taken("{\"v\":\"2026-01-31T12:00:00.1234567890Z\"}",
                 "2026-01-31T12:00:00.1234567890Z null! null! null! null!");
    expect_taken("{\"v\":\"2262-04-11T23:47:16.854775807Z\"}",
                 "2262-04-11T23:47:16.854775807Z null! null! null! 2262-04-11T23:47:16.854775807Z");
    expect_taken("{\"v\":\"2262-04-11T23:47:16.854775808Z\"}",
                 "2262-04-11T23:47:16.854775808Z null! null! null! null!");
    expect_taken("{\"v\":\"1677-09-21T00:12:43.145224192Z\"}",
                 "1677-09-21T00:12:43.145224192Z null! null! null! 1677-09-21T00:12:43.145224192Z");
    expect_taken("{\"v\":\"1677-09-21T00:12:43.145224191Z\"}",
                 "1677-09-21T00:12:43.145224191Z null! null! null! null!");
    expect_taken("{\"v\":\"\\u00e4\\n\\\"\"}", "\xc3\xa4\n\" null! null! null! null!");
}

static void a_pointer_leads_into_objects_and_arrays(void **state)
{
    (void)state;
    add("a", "/a~1b/0/c", FIELD_INTEGER);
    add("b", "/list/1", FIELD_STRING);
    add("c", "/", FIELD_BOOLEAN);
    compile();
    expect_taken("{ \"a/b\": [ {\"c\": 1} ], \"list\": [0, \"x\"], \"\": true }", "1 x true");
    expect_taken("{\"a/b\":{\"0\":{\"c\":2}},\"list\":{\"1\":\"y\"}}", "2 y null");
    expect_taken("{\"a/b\":[[]],\"list\":[\"x\"]}", "null null null");
    expect_taken("{\"a/b\":7,\"list\":null}", "null null null");
    expect_stored(SLICE_LITERAL("[0,1]"), 0, "null null null");
    expect_stored(SLICE_LITERAL("7"), 0, "null null null");
}

/* A bucket's values may be anything. */
static void the_whole_state_may_be_the_value(void **state)
{
    (void)state;
    add("whole", "", FIELD_INTEGER);
    add("each", "/*", FIELD_INTEGER);
    compile();
    expect_stored(SLICE_LITERAL("7"), 0, "7 null");
    expect_stored(SLICE_LITERAL("[3,1,2]"), 0, "null [1,2,3]");
    expect_stored(SLICE_LITERAL("\"x\""), 0, "null null");
    expect_taken("{}", "null! null!");
}

static void expect_string_of(size_t bytes, bool fits)
{
    char state[2 * FIELDS_TEXT_BYTES_MAX];
    char expected[2 * FIELDS_TEXT_BYTES_MAX];
    (void)snprintf(state, sizeof state, "{\"v\":\"%0*d\",\"n\":%0*d}", (int)bytes, 0, 1, 1);
    (void)snprintf(expected, sizeof expected, "%0*d", fits ? (int)bytes : 1, 0);
    expect_taken(state, fits ? expected : "null!");
}

static void strings_hold_at_their_limit_and_not_beyond(void **state)
{
    (void)state;
    add("v", "/v", FIELD_STRING);
    compile();
    expect_string_of(FIELDS_TEXT_BYTES_MAX, true);
    expect_string_of(FIELDS_TEXT_BYTES_MAX + 1, false);
}

/* ---- many values ---- */

static void elements_come_once_and_ascending(void **state)
{
    (void)state;
    add("s", "/v/*", FIELD_STRING);
    add("i", "/v/*", FIELD_INTEGER);
    add("n", "/v/*", FIELD_NUMBER);
    add("b", "/v/*", FIELD_BOOLEAN);
    add("t", "/v/*", FIELD_TIME);
    compile();
    expect_taken("{}", "null null null null null");
    expect_taken("{\"v\":null}", "null null null null null");
    expect_taken("{\"v\":[]}", "null null null null null");
    expect_taken("{\"v\":[null,null]}", "null null null null null");
    expect_taken("{\"v\":\"a\"}", "null! null! null! null! null!");
    expect_taken("{\"v\":{\"0\":1}}", "null! null! null! null! null!");
    expect_taken("{\"v\":[\"b\",\"a\",null,\"b\",\"\"]}", "[,a,b] null! null! null! null!");
    expect_taken("{\"v\":[10,9,-1,10]}", "null! [-1,9,10] [-1,9,10] null! null!");
    expect_taken("{\"v\":[1,1.0,1e0,0.5,-0.0,0]}", "null! [0,1]! [0,0.5,1] null! null!");
    expect_taken("{\"v\":[true,false,true]}", "null! null! null! [false,true] null!");
    expect_taken("{\"v\":[1,\"a\",true,[2],{}]}", "[a]! [1]! [1]! [true]! null!");
    expect_taken("{\"v\":[\"2026-01-31T12:00:00+01:00\",\"2026-01-31T11:00:00Z\"]}",
                 "[2026-01-31T11:00:00Z,2026-01-31T12:00:00+01:00] null! null! null! [2026-01-31T11:00:00.000000000Z]");
}

/* `count` elements, all different. */
static char *list_of(const char *before, unsigned count, const char *after)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    assert_non_null(to);
    (void)fputs(before, to);
    for (unsigned i = 0; i < count; i++)
        (void)fprintf(to, "%s%u", i == 0 ? "[" : ",", 1000 + i);
    (void)fprintf(to, "]%s", after);
    assert_int_equal(fclose(to), 0);
    return text;
}

static void elements_hold_at_their_limit_and_not_beyond(void **state)
{
    (void)state;
    add("i", "/v/*", FIELD_INTEGER);
    compile();
    char *most = list_of("{\"v\":", FIELDS_ELEMENTS_MAX, "}");
    char *expected = list_of("", FIELDS_ELEMENTS_MAX, "");
    char *beyond = list_of("{\"v\":", FIELDS_ELEMENTS_MAX + 1, "}");
    expect_taken(most, expected);
    expect_taken(beyond, "null!");
    free(most);
    free(expected);
    free(beyond);
}

/* ---- beside the other steps ---- */

/* The state as it is stored counts: what follows a removed element has another place there. */
static void what_is_dropped_is_no_value(void **state)
{
    (void)state;
    drop[0] = (char[]){"/list/0"};
    drop[1] = (char[]){"/secret"};
    fixture.rules.drop_count = 2;
    add("first", "/list/0", FIELD_INTEGER);
    add("second", "/list/1", FIELD_INTEGER);
    add("each", "/list/*", FIELD_INTEGER);
    add("secret", "/secret", FIELD_INTEGER);
    add("within", "/secret/x", FIELD_INTEGER);
    compile();
    expect_taken("{\"list\":[1,2,3],\"secret\":4}", "2 3 [2,3] null null");
    expect_taken("{\"list\":[1],\"secret\":{\"x\":5}}", "null null null null null");
    expect_taken("{\"list\":{\"0\":1,\"1\":2}}", "null 2 null! null null");
    assert_true(fixture.event.payload_private);
}

static void what_is_dropped_elsewhere_moves_nothing(void **state)
{
    (void)state;
    drop[0] = (char[]){"/secret"};
    fixture.rules.drop_count = 1;
    add("i", "/list/1", FIELD_INTEGER);
    compile();
    expect_taken("{\"list\":[1,2],\"secret\":4}", "2");
    expect_taken("{ \"list\": [1, 3]}", "3");
}

static void only_a_state_has_values(void **state)
{
    (void)state;
    add("a", "/a", FIELD_INTEGER);
    compile();
    expect_taken("{\"a\":\"x\"}", "null!");
    assert_false(fixture.event.payload_private);
    const struct event *event = shaped("{\"version\":2,\"deleted\":true}");
    assert_int_equal(event->kind, EVENT_TOMBSTONE);
    assert_null(event->fields);
    assert_int_equal(event->mismatches, 0);
    assert_int_equal(shaped("")->kind, EVENT_ERASE);
    assert_null(fixture.event.fields);
    assert_int_equal(shaped("{\"version\":0,\"state\":{\"a\":\"x\"}}")->kind, EVENT_REJECTED);
    assert_null(fixture.event.fields);
    assert_int_equal(fixture.event.mismatches, 0);
}

static void a_collection_that_declares_nothing_pays_nothing(void **state)
{
    (void)state;
    struct sg_error err = {0};
    const struct field_value *values = (const struct field_value *)&fixture;
    assert_int_equal(shaper_create(&fixture.settings, 0, &shaper, &err), SG_OK);
    assert_null(shaper);
    assert_null(shaped("{\"version\":1,\"state\":{}}")->fields);
    assert_int_equal(extractor_create(&fixture.settings, &extractor, &err), SG_OK);
    struct store_extract call = extractor_callback(extractor);
    assert_int_equal(call.extract(call.context, SLICE_LITERAL("orders"), SLICE_LITERAL("{}"), &values, &err), SG_OK);
    assert_null(values);
}

static void a_state_that_is_no_json_is_refused(void **state)
{
    (void)state;
    struct sg_error err = {0};
    const struct field_value *values = NULL;
    add("a", "/a", FIELD_INTEGER);
    compile();
    struct store_extract call = extractor_callback(extractor);
    assert_int_equal(call.extract(call.context, SLICE_LITERAL("orders"), SLICE_LITERAL("{\"a\""), &values, &err),
                     SG_INVALID);
    assert_int_equal(strncmp(err.message, "the state is no JSON: ", 22), 0);
    assert_null(values);
    assert_int_equal(call.extract(call.context, SLICE_LITERAL("others"), SLICE_LITERAL("{\"a\""), &values, &err), SG_OK);
    assert_null(values);
}

#define test(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(each_type_takes_its_own_and_nothing_else),
        test(a_pointer_leads_into_objects_and_arrays),
        test(the_whole_state_may_be_the_value),
        test(strings_hold_at_their_limit_and_not_beyond),
        test(elements_come_once_and_ascending),
        test(elements_hold_at_their_limit_and_not_beyond),
        test(what_is_dropped_is_no_value),
        test(what_is_dropped_elsewhere_moves_nothing),
        test(only_a_state_has_values),
        test(a_collection_that_declares_nothing_pays_nothing),
        test(a_state_that_is_no_json_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
