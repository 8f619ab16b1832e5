/* What the rows of streams promise: identity, settings that shape them, gaps, positions. Builds: test_rebuild.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "store_fixture.h"

static const struct epoch FIRST = {"k3fq1z"};
static const struct epoch SECOND = {"z9y8x7"};

static void new_stream_begins_at_nothing(void **state)
{
    struct store_fixture *f = *state;
    assert_string_equal(f->stream.name, "ORDERS");
    assert_int_equal(f->stream.position, 0);
    assert_int_equal(f->build.created_ns, 0);
    assert_int_equal(f->stream.build, 1);
    assert_string_equal(f->stream.epoch.text, "");
    assert_int_equal(f->stream.gaps_count, 0);
}

static void stream_name_has_a_limit(void **state)
{
    struct store_fixture *f = *state;
    struct stream stream;
    bool reshaped = false;
    char name[257];
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    assert_int_equal(store_stream_attach(f->writer, name, STREAM_FINGERPRINT("shape"), &stream, &reshaped, NULL),
                     SG_INVALID);
    assert_int_equal(store_stream_attach(f->writer, "", STREAM_FINGERPRINT("shape"), &stream, &reshaped, NULL),
                     SG_INVALID);
    name[255] = '\0';
    assert_int_equal(store_stream_attach(f->writer, name, STREAM_FINGERPRINT("shape"), &stream, &reshaped, NULL),
                     SG_OK);
    assert_string_equal(stream.name, name);
}

static void identity_is_given_once(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(store_stream_identify(f->writer, f->stream.id, 12345, &FIRST, NULL), SG_OK);
    assert_int_equal(store_stream_identify(f->writer, f->stream.id, 999, &SECOND, NULL), SG_INVALID);
    assert_int_equal(store_stream_identify(f->writer, 77, 12345, &FIRST, NULL), SG_NOT_FOUND);
    fixture_reopen(f);
    assert_int_equal(f->build.created_ns, 12345);
    assert_string_equal(f->stream.epoch.text, "k3fq1z");
}

static void other_fingerprint_begins_a_build_once_something_was_applied(void **state)
{
    struct store_fixture *f = *state;
    struct stream stream;
    bool reshaped = true;
    assert_int_equal(store_stream_identify(f->writer, f->stream.id, 12345, &FIRST, NULL), SG_OK);
    assert_int_equal(store_stream_attach(f->writer, "ORDERS", STREAM_FINGERPRINT("other"), &stream, &reshaped, NULL),
                     SG_OK);
    assert_false(reshaped);
    assert_int_equal(stream.build, 1);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(store_stream_attach(f->writer, "ORDERS", STREAM_FINGERPRINT("other"), &stream, &reshaped, NULL),
                     SG_OK);
    assert_false(reshaped);
    assert_int_equal(stream.position, 1);
    assert_int_equal(store_stream_attach(f->writer, "ORDERS", STREAM_FINGERPRINT("third"), &stream, &reshaped, NULL),
                     SG_OK);
    assert_true(reshaped);
    assert_int_equal(stream.build, 2);
    assert_int_equal(stream.position, 0);
    assert_true(stream.rebuilding);
    assert_true(stream.rebuild.target == TARGET_UNKNOWN);
    assert_string_equal(stream.epoch.text, "k3fq1z"); /* it is the same incarnation */
    fixture_reload(f);
    assert_int_equal(f->build.created_ns, 12345);
    assert_false(f->build.is_next);
    struct entity entity;
    assert_int_equal(fixture_entity(f, "a", &entity), SG_NOT_FOUND);
    assert_int_equal(store_stream_set_target(f->writer, stream.id, 10, NULL), SG_OK);
    fixture_reload(f);
    assert_int_equal(f->stream.rebuild.target, 10);
    assert_int_equal(fixture_apply_one(f, event_state(10, "a", 1, "{}")), RESULT_APPLIED);
    assert_false(f->stream.rebuilding);
}

static void assert_gaps(struct store_fixture *f, size_t count, const uint64_t *expected)
{
    fixture_reload(f);
    assert_int_equal(f->stream.gaps_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(f->stream.gaps[i].first, expected[2 * i]);
        assert_int_equal(f->stream.gaps[i].last, expected[2 * i + 1]);
    }
}

static void add_gap(struct store_fixture *f, uint64_t first, uint64_t last)
{
    assert_int_equal(store_stream_add_gap(f->writer, f->stream.id, first, last, NULL), SG_OK);
}

static void gaps_that_touch_are_joined(void **state)
{
    struct store_fixture *f = *state;
    add_gap(f, 10, 20);
    add_gap(f, 40, 50);
    assert_gaps(f, 2, (const uint64_t[]){10, 20, 40, 50});
    add_gap(f, 22, 30); /* 21 arrived */
    assert_gaps(f, 3, (const uint64_t[]){10, 20, 22, 30, 40, 50});
    add_gap(f, 21, 21);
    assert_gaps(f, 2, (const uint64_t[]){10, 30, 40, 50});
    add_gap(f, 1, 100);
    assert_gaps(f, 1, (const uint64_t[]){1, 100});
    add_gap(f, 50, 60); /* within */
    assert_gaps(f, 1, (const uint64_t[]){1, 100});
    add_gap(f, 200, INT64_MAX);
    assert_gaps(f, 2, (const uint64_t[]){1, 100, 200, INT64_MAX});
    assert_int_equal(store_stream_add_gap(f->writer, f->stream.id, 5, 4, NULL), SG_INVALID);
    assert_int_equal(store_stream_add_gap(f->writer, f->stream.id, 0, 4, NULL), SG_INVALID);
    fixture_reopen(f);
    assert_gaps(f, 2, (const uint64_t[]){1, 100, 200, INT64_MAX});
}

static void beyond_the_limit_the_nearest_gaps_are_joined(void **state)
{
    struct store_fixture *f = *state;
    for (uint64_t i = 0; i < STREAM_GAPS_MAX; i++)
        add_gap(f, 100 * (i + 1), 100 * (i + 1) + 10);
    fixture_reload(f);
    assert_int_equal(f->stream.gaps_count, STREAM_GAPS_MAX);
    add_gap(f, 330, 340); /* nearest to 300-310 */
    fixture_reload(f);
    assert_int_equal(f->stream.gaps_count, STREAM_GAPS_MAX);
    assert_int_equal(f->stream.gaps[2].first, 300);
    assert_int_equal(f->stream.gaps[2].last, 340);
    assert_int_equal(f->stream.gaps[3].first, 400);
}

static void advance_moves_forward_only(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(fixture_apply_one(f, event_state(5, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(store_stream_advance(f->writer, f->stream.id, 4, true, NULL), SG_OK);
    fixture_reload(f);
    assert_int_equal(f->stream.position, 5);
    assert_string_equal(f->build.position_subject, "state.customers.x"); /* still known */
    assert_int_equal(store_stream_advance(f->writer, f->stream.id, 9, true, NULL), SG_OK);
    fixture_reload(f);
    assert_int_equal(f->stream.position, 9);
    assert_int_equal(f->build.position_time_ns, 0);
    assert_string_equal(f->build.position_subject, "");
    assert_int_equal(fixture_apply_one(f, event_state(9, "b", 1, "{}")), RESULT_REDELIVERED);
    assert_int_equal(store_stream_advance(f->writer, f->stream.id, (uint64_t)INT64_MAX + 1, true, NULL), SG_INVALID);
}

static void stream_that_is_not_attached_is_not_served(void **state)
{
    struct store_fixture *f = *state;
    struct stream other;
    struct entity entity;
    bool reshaped = false;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{\"mine\":1}")), RESULT_APPLIED);
    fixture_close(f);
    assert_int_equal(store_open(&f->options, &f->writer, NULL, NULL), SG_OK);
    assert_int_equal(store_stream_attach(f->writer, "BILLING", STREAM_FINGERPRINT("shape"), &other, &reshaped, NULL),
                     SG_OK);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_NOT_FOUND);
    assert_null(store_read_stream(f->reader, "ORDERS"));
    assert_non_null(store_read_stream(f->reader, "BILLING"));
    /* The same collection comes from another stream now. */
    struct event event = event_state(1, "a", 1, "{\"theirs\":1}");
    enum event_result result;
    enum event_reason reason;
    uint64_t position = 0;
    assert_int_equal(store_apply(f->writer, other.id, &event, 1, NULL, &result, &reason, &position, NULL), SG_OK);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_memory_equal(entity.state.data, "{\"theirs\":1}", entity.state.bytes);
    fixture_reopen(f);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_memory_equal(entity.state.data, "{\"mine\":1}", entity.state.bytes);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(new_stream_begins_at_nothing),
        STORE_TEST(stream_name_has_a_limit),
        STORE_TEST(identity_is_given_once),
        STORE_TEST(other_fingerprint_begins_a_build_once_something_was_applied),
        STORE_TEST(gaps_that_touch_are_joined),
        STORE_TEST(beyond_the_limit_the_nearest_gaps_are_joined),
        STORE_TEST(advance_moves_forward_only),
        STORE_TEST(stream_that_is_not_attached_is_not_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
