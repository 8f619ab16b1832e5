/* projector/shape: the order of the steps between decode and the store, and what ends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode_fixture.h"
#include "projector/shape/minimise.h"
#include "projector/shape/shape.h"

#define EVENT(state) "{\"version\":1,\"type\":\"T\",\"state\":" state "}"

static struct decode_fixture fixture;
static char *drop[] = {(char[]){"/secret"}};
static struct collection_settings orders = {.name = (char[]){"orders"}, .drop = drop, .drop_count = 1};

/* The steps that were taken, one letter each, and the state that each of them saw. */
static struct {
    char steps[8];
    char states[SHAPE_STEPS_COUNT][64];
    size_t count;
    char reject_at; /* the letter of a step that rejects; 0 = none */
    char fail_at;   /* the letter of one that runs out of memory */
} taken;

static struct shaper *shaper;

static int open_fixture(void **state)
{
    (void)state;
    memset(&taken, 0, sizeof taken);
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, "state.{collection}.{id}");
    shaper = calloc(1, sizeof *shaper + sizeof shaper->rules[0]);
    assert_non_null(shaper);
    shaper->rules_count = 1;
    assert_int_equal(names_create(1, &shaper->names, NULL), SG_OK);
    names_add(shaper->names, SLICE_LITERAL("orders"), 0);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    decode_fixture_close(&fixture);
    shaper_destroy(shaper);
    return 0;
}

/* `rules` is the letter of the step. */
static enum sg_status take(const void *rules, struct event *event, struct arena *arena, struct sg_error *err)
{
    char step = *(const char *)rules;
    assert_true(taken.count < SHAPE_STEPS_COUNT && event->state.bytes < sizeof taken.states[0]);
    assert_non_null(event->document);
    assert_non_null(arena);
    taken.steps[taken.count] = step;
    if (event->state.bytes > 0)
        memcpy(taken.states[taken.count], event->state.data, event->state.bytes);
    taken.count++;
    if (step == taken.reject_at)
        event_reject(event, REASON_BAD_TYPE, SLICE_LITERAL("as the test wants it"));
    return step == taken.fail_at ? sg_fail(err, SG_MEMORY, "as the test wants it") : SG_OK;
}

static void watch(enum shape_step_kind kind, const char *letter)
{
    shaper->rules[0].steps[kind] = (struct shape_step){take, letter};
}

/* All four, minimise by what is really there. */
static void watch_all(void)
{
    watch(SHAPE_FIELDS, "f");
    watch(SHAPE_VALIDATE, "v");
    watch(SHAPE_UPCAST, "u");
    if (shaper->rules[0].drops == NULL)
        assert_int_equal(drop_rules_create(&orders, &shaper->rules[0].drops, NULL), SG_OK);
    shaper->rules[0].steps[SHAPE_MINIMISE] = (struct shape_step){minimise_drop, shaper->rules[0].drops};
}

static enum sg_status shape(const char *subject, const char *payload)
{
    struct sg_error err = {0};
    fixture.message.subject = slice_of(subject);
    fixture.message.payload = slice_of(payload);
    arena_reset(fixture.arena);
    struct decode_stream stream = {.settings = &fixture.streams[0], .owns_rest = true};
    assert_int_equal(decode_message(&stream, &fixture.message, fixture.arena, &fixture.event, &err), SG_OK);
    return shape_event(shaper, &fixture.event, fixture.arena, &err);
}

static void upcast_minimise_validate_fields(void **state)
{
    (void)state;
    watch_all();
    assert_int_equal(shape("state.orders.1", EVENT("{\"a\": 1, \"secret\":2}")), SG_OK);
    assert_string_equal(taken.steps, "uvf");
    assert_string_equal(taken.states[0], "");          /* upcast sees the document, before any text */
    assert_string_equal(taken.states[1], "{\"a\":1}"); /* the rest see what will be served */
    assert_string_equal(taken.states[2], "{\"a\":1}");
    assert_slice(fixture.event.state, "{\"a\":1}");
    assert_null(fixture.event.document);
    watch(SHAPE_MINIMISE, "m");
    memset(&taken, 0, sizeof taken);
    assert_int_equal(shape("state.orders.1", EVENT("{\"a\":1}")), SG_OK);
    assert_string_equal(taken.steps, "umvf");
    assert_string_equal(taken.states[1], "");
    assert_string_equal(taken.states[2], "{\"a\":1}"); /* a step that writes nothing leaves all of it */
}

static void a_step_that_rejects_is_the_last(void **state)
{
    (void)state;
    static const struct {
        const char *at;
        const char *steps;
    } cases[] = {{"u", "u"}, {"m", "um"}, {"v", "umv"}, {"f", "umvf"}};
    watch_all();
    watch(SHAPE_MINIMISE, "m");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(&taken, 0, sizeof taken);
        taken.reject_at = cases[i].at[0];
        assert_int_equal(shape("state.orders.1", EVENT("{\"a\":1}")), SG_OK);
        assert_string_equal(taken.steps, cases[i].steps);
        assert_int_equal(fixture.event.kind, EVENT_REJECTED);
        assert_int_equal(fixture.event.reason, REASON_BAD_TYPE);
        assert_slice(fixture.event.id, "1");
        assert_int_equal(fixture.event.version, 1);
        assert_int_equal(fixture.event.state.bytes, 0);
        assert_int_equal(fixture.event.type.bytes, 0);
        assert_null(fixture.event.document);
    }
}

static void without_memory_no_further_step_is_taken(void **state)
{
    (void)state;
    static const char *const steps[] = {"u", "um", "umv", "umvf"};
    watch_all();
    watch(SHAPE_MINIMISE, "m");
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        memset(&taken, 0, sizeof taken);
        taken.fail_at = steps[i][i];
        assert_int_equal(shape("state.orders.1", EVENT("{\"a\":1}")), SG_MEMORY);
        assert_string_equal(taken.steps, steps[i]);
    }
}

/* Else a patch would bring back what was dropped of its base. What must fit, and give fields, is the merged state. */
static void a_patch_is_minimised_before_it_is_merged(void **state)
{
    (void)state;
    watch_all();
    shaper->rules[0].payload_private = true;
    fixture.message.subject = slice_of("state.orders.1");
    fixture.message.payload = slice_of(EVENT("{\"a\": null, \"secret\":2}"));
    struct decode_stream stream = {.settings = &fixture.streams[0], .owns_rest = true};
    struct sg_error err = {0};
    assert_int_equal(decode_message(&stream, &fixture.message, fixture.arena, &fixture.event, &err), SG_OK);
    fixture.event.kind = EVENT_PATCH; /* as a format that knows patches would leave it */
    assert_int_equal(shape_event(shaper, &fixture.event, fixture.arena, &err), SG_OK);
    assert_int_equal(fixture.event.kind, EVENT_PATCH);
    assert_string_equal(taken.steps, "u");
    assert_slice(fixture.event.state, "{\"a\":null}");
    assert_null(fixture.event.document);
    assert_true(fixture.event.payload_private);
}

static void nothing_but_a_state_is_shaped(void **state)
{
    (void)state;
    watch_all();
    assert_int_equal(shape("state.orders.1", ""), SG_OK);
    assert_int_equal(fixture.event.kind, EVENT_ERASE);
    assert_int_equal(shape("state.orders.1", "{\"version\":1,\"deleted\":true}"), SG_OK);
    assert_int_equal(fixture.event.kind, EVENT_TOMBSTONE);
    assert_int_equal(shape("state.orders.1", "{\"version\":1}"), SG_OK);
    assert_int_equal(fixture.event.kind, EVENT_REJECTED);
    assert_int_equal(shape("other", EVENT("{}")), SG_OK);
    assert_int_equal(fixture.event.kind, EVENT_IGNORED);
    assert_int_equal(shape("state.bills.1", EVENT("{\"secret\":1}")), SG_OK);
    assert_slice(fixture.event.state, "{\"secret\":1}"); /* the rules are of another collection */
    assert_int_equal(taken.count, 0);
}

/* What needs nothing is not copied: the state lies in the payload. */
static void a_state_without_rules_stays_in_the_payload(void **state)
{
    (void)state;
    const char *payload = EVENT("{\"a\":1,\"secret\":2}");
    struct shaper *made = shaper;
    shaper = NULL;
    assert_int_equal(shape("state.orders.1", payload), SG_OK);
    assert_ptr_equal(fixture.event.state.data, strstr(payload, "{\"a\""));
    assert_slice(fixture.event.state, "{\"a\":1,\"secret\":2}");
    assert_false(fixture.event.payload_private);
    shaper = made;
}

/* Rules are compiled for the stream that owns the collection, and for no other. */
static void a_shaper_holds_the_rules_of_its_stream(void **state)
{
    (void)state;
    struct sg_error err = {0};
    struct shaper *made = NULL;
    char *listed[] = {(char[]){"bills"}};
    struct collection_settings collections[] = {orders, {.name = (char[]){"bills"}, .drop = drop, .drop_count = 1},
                                                {.name = (char[]){"plain"}}};
    fixture.streams[1] = fixture.streams[0];
    fixture.streams[1].collections = listed;
    fixture.streams[1].collections_count = 1;
    fixture.settings.streams_count = 2;
    assert_int_equal(shaper_create(&fixture.settings, 0, &made, &err), SG_OK);
    assert_null(made); /* the settings say nothing of any collection */
    fixture.settings.collections = collections;
    fixture.settings.collections_count = 3;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(shaper_create(&fixture.settings, i, &made, &err), SG_OK);
        assert_int_equal(made->rules_count, 1);
        assert_int_equal(names_find(made->names, SLICE_LITERAL("orders")), i == 0 ? 0 : NAMES_NONE);
        assert_int_equal(names_find(made->names, SLICE_LITERAL("bills")), i == 0 ? NAMES_NONE : 0);
        assert_true(made->rules[0].payload_private);
        shaper_destroy(made);
    }
    fixture.settings.collections_count = 1;
    assert_int_equal(shaper_create(&fixture.settings, 1, &made, &err), SG_OK);
    assert_null(made);
}

#define shape_test(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        shape_test(upcast_minimise_validate_fields),
        shape_test(a_step_that_rejects_is_the_last),
        shape_test(without_memory_no_further_step_is_taken),
        shape_test(a_patch_is_minimised_before_it_is_merged),
        shape_test(nothing_but_a_state_is_shaped),
        shape_test(a_state_without_rules_stays_in_the_payload),
        shape_test(a_shaper_holds_the_rules_of_its_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
