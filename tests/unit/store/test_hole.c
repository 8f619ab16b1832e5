/* What holes promise: what was passed over is stored with the position, by the same commit; nothing beyond it counts
 * until it is settled; and what is settled never falls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

static void apply(struct store_fixture *f, uint64_t sequence, const char *id)
{
    assert_int_equal(fixture_apply_one(f, event_state(sequence, id, (int64_t)sequence, "{}")), RESULT_APPLIED);
}

/* The store, a reader in a transaction, and the next peek without one, agree. */
static void assert_settled(struct store_fixture *f, uint64_t settled, uint64_t applied)
{
    fixture_reload(f);
    assert_int_equal(f->stream.settled, settled);
    assert_int_equal(f->stream.position, applied);
    assert_int_equal(f->build.position, applied);
    const struct stream *read = store_read_stream(fixture_begin(f), "ORDERS");
    assert_int_equal(read->settled, settled);
    assert_int_equal(read->position, applied);
}

static void assert_hole(const struct store_fixture *f, uint64_t first, uint64_t last)
{
    assert_int_equal(f->build.hole.first, first);
    assert_int_equal(f->build.hole.last, last);
}

static void settle(struct store_fixture *f, uint64_t through)
{
    assert_int_equal(store_stream_settle(f->writer, f->stream.id, through, NULL, 0, NULL), SG_OK);
}

static void a_build_begins_at_the_first_message_there_is(void **state)
{
    struct store_fixture *f = *state;
    apply(f, 7, "a");
    assert_settled(f, 7, 7);
    assert_hole(f, 0, 0);
}

static void what_is_passed_over_is_not_settled_before_that_is_known(void **state)
{
    struct store_fixture *f = *state;
    apply(f, 1, "a");
    apply(f, 2, "a");
    assert_settled(f, 2, 2);
    apply(f, 5, "b");
    assert_settled(f, 2, 5);
    assert_hole(f, 3, 4);
    apply(f, 6, "c");
    assert_settled(f, 2, 6);
    apply(f, 9, "d"); /* one hole spans both */
    assert_settled(f, 2, 9);
    assert_hole(f, 3, 8);
    settle(f, 8);
    assert_settled(f, 9, 9);
    assert_hole(f, 0, 0);
}

static void a_hole_is_found_within_a_batch_and_survives_the_process(void **state)
{
    struct store_fixture *f = *state;
    struct event events[4] = {event_state(1, "a", 1, "{}"), event_rejected(3, "a", 2, REASON_BAD_JSON),
                              event_state(4, "b", 1, "{}"), event_ignored(8)};
    enum event_result results[4];
    enum event_reason reasons[4];
    fixture_apply(f, events, 4, results, reasons);
    assert_int_equal(store_applied_hole(f->writer).first, 2);
    assert_int_equal(store_applied_hole(f->writer).last, 7);
    assert_settled(f, 1, 8);
    fixture_reopen(f);
    assert_settled(f, 1, 8);
    assert_hole(f, 2, 7);
}

static void only_what_was_known_is_settled(void **state)
{
    struct store_fixture *f = *state;
    apply(f, 1, "a");
    apply(f, 3, "b");
    apply(f, 6, "c");
    settle(f, 2); /* 4-5 came meanwhile */
    assert_settled(f, 2, 6);
    assert_hole(f, 3, 5);
    settle(f, 1); /* nothing of it */
    assert_hole(f, 3, 5);
}

static void gaps_are_recorded_by_the_commit_that_settles(void **state)
{
    struct store_fixture *f = *state;
    const struct gap gaps[2] = {{3, 3}, {6, 8}};
    const struct gap none = {5, 4};
    apply(f, 2, "a");
    apply(f, 9, "b");
    assert_int_equal(store_stream_settle(f->writer, f->stream.id, 8, &none, 1, NULL), SG_INVALID);
    assert_int_equal(store_stream_settle(f->writer, f->stream.id, 8, gaps, 2, NULL), SG_OK);
    assert_settled(f, 9, 9);
    assert_int_equal(f->stream.gaps_count, 2);
    assert_int_equal(f->stream.gaps[0].first, 3);
    assert_int_equal(f->stream.gaps[1].last, 8);
}

static void redelivery_leaves_no_hole(void **state)
{
    struct store_fixture *f = *state;
    struct event events[3] = {event_state(2, "a", 1, "{}"), event_state(3, "b", 1, "{}"), event_state(4, "c", 1, "{}")};
    enum event_result results[3];
    enum event_reason reasons[3];
    apply(f, 1, "x");
    fixture_apply(f, events, 2, results, reasons);
    fixture_apply(f, events, 3, results, reasons);
    assert_settled(f, 4, 4);
    assert_hole(f, 0, 0);
}

static void an_advance_leaves_a_hole_unless_nothing_was_removed(void **state)
{
    struct store_fixture *f = *state;
    apply(f, 1, "a");
    assert_int_equal(store_stream_advance(f->writer, f->stream.id, 3, true, NULL), SG_OK);
    assert_settled(f, 3, 3);
    assert_int_equal(store_stream_advance(f->writer, f->stream.id, 5, false, NULL), SG_OK);
    assert_settled(f, 3, 5);
    assert_hole(f, 4, 5);
}

static void a_build_counts_what_it_passes_of_what_was_missing_when_it_began(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(store_stream_begun(f->writer, f->stream.id, 4, 5, 5, NULL), SG_INVALID);
    assert_int_equal(store_stream_begun(f->writer, f->stream.id, 10, 3, 5, NULL), SG_OK);
    apply(f, 3, "a"); /* 1-2 */
    apply(f, 6, "b"); /* 4-5 */
    fixture_reopen(f);
    assert_int_equal(f->build.begun_missing, 1);
    assert_int_equal(f->build.begun_removed, 3);
    apply(f, 9, "c"); /* 7-8: one more than was missing */
    fixture_reload(f);
    assert_int_equal(f->build.begun_missing, -1);
    apply(f, 20, "d"); /* 10, and what was not there yet */
    fixture_reload(f);
    assert_int_equal(f->build.begun_missing, -2);
    assert_int_equal(f->build.begun_last, 10);
    assert_hole(f, 4, 19);
    assert_int_equal(store_stream_begun(f->writer, f->stream.id, 30, 0, 0, NULL), SG_INVALID); /* it has a position */
    settle(f, 19);
    fixture_reload(f);
    assert_int_equal(f->build.begun_last, 0);
}

static void another_build_has_no_hole(void **state)
{
    struct store_fixture *f = *state;
    struct epoch epoch = {"epoch2"};
    apply(f, 1, "a");
    apply(f, 5, "b");
    assert_int_equal(store_stream_begin_build(f->writer, f->stream.id, 2, &epoch, 7, NULL), SG_OK);
    fixture_reload(f);
    assert_hole(f, 0, 0);
    assert_int_equal(f->stream.settled, 1); /* what is served stands as before */
    apply(f, 3, "c");
    apply(f, 5, "d");
    fixture_reload(f);
    assert_hole(f, 4, 4);
    apply(f, 7, "e"); /* whole: its hole goes with it */
    assert_settled(f, 3, 7);
    assert_hole(f, 4, 6);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_build_begins_at_the_first_message_there_is),
        STORE_TEST(what_is_passed_over_is_not_settled_before_that_is_known),
        STORE_TEST(a_hole_is_found_within_a_batch_and_survives_the_process),
        STORE_TEST(only_what_was_known_is_settled),
        STORE_TEST(gaps_are_recorded_by_the_commit_that_settles),
        STORE_TEST(redelivery_leaves_no_hole),
        STORE_TEST(an_advance_leaves_a_hole_unless_nothing_was_removed),
        STORE_TEST(a_build_counts_what_it_passes_of_what_was_missing_when_it_began),
        STORE_TEST(another_build_has_no_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
