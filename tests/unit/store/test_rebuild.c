/* What a rebuild promises: the next build is written unseen beside the served one, with a position, epoch and gaps of
 * its own; it is swapped to when it is whole; what is of neither is swept away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/time.h"
#include "store_fixture.h"

static const struct epoch FIRST = {"k3fq1z"};
static const struct epoch SECOND = {"z9y8x7"};
static const struct epoch THIRD = {"m5n6o7"};

#define OLD_ROWS 20

/* Rows 00..18 at version 5, one rejected event, a gap; the position is 20. */
static void serve_first_build(struct store_fixture *f)
{
    struct event events[OLD_ROWS];
    enum event_result results[OLD_ROWS];
    char ids[OLD_ROWS][8];
    assert_int_equal(store_stream_identify(f->writer, f->stream.id, 12345, &FIRST, NULL), SG_OK);
    for (uint64_t i = 0; i < OLD_ROWS; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "%02d", (int)i);
        events[i] = event_state(i + 1, ids[i], 5, "{\"old\":1}");
    }
    events[OLD_ROWS - 1] = event_rejected(OLD_ROWS, "00", 9, REASON_BAD_JSON);
    fixture_apply(f, events, OLD_ROWS, results, NULL);
    assert_int_equal(store_stream_add_gap(f->writer, f->stream.id, 3, 4, NULL), SG_OK);
    fixture_reload(f);
}

static void begin(struct store_fixture *f, int64_t created_ns, const struct epoch *epoch, uint64_t target)
{
    assert_int_equal(store_stream_begin_build(f->writer, f->stream.id, created_ns, epoch, target, NULL), SG_OK);
    fixture_reload(f);
}

static bool count_collection(void *context, const struct store_collection *collection)
{
    (void)collection;
    (*(size_t *)context)++;
    return true;
}

/* Everything a reader sees is that of the first build. */
static void assert_first_build_served(struct store_fixture *f)
{
    struct entity entity;
    struct store_reader *r = fixture_begin(f);
    const struct stream *stream = store_read_stream(r, "ORDERS");
    assert_non_null(stream);
    assert_int_equal(stream->build, 1);
    assert_string_equal(stream->epoch.text, FIRST.text);
    assert_int_equal(stream->position, OLD_ROWS);
    assert_int_equal(stream->gaps_count, 1);
    assert_true(stream->rebuilding);
    assert_int_equal(fixture_entity(f, "00", &entity), SG_OK);
    assert_int_equal(entity.version, 5);
    assert_int_equal(fixture_entity(f, "new", &entity), SG_NOT_FOUND);
    assert_int_equal(fixture_entities(f), OLD_ROWS - 1);
    assert_int_equal(fixture_rejected(f), 1);
    size_t collections = 0;
    assert_int_equal(store_read_collections(fixture_begin(f), count_collection, &collections, NULL), SG_OK);
    assert_int_equal(collections, 1);
}

/* The number of sweeps until nothing is left. */
static size_t sweep_all(struct store_fixture *f, size_t rows)
{
    size_t sweeps = 0;
    bool more = true;
    for (; more && sweeps < 1000; sweeps++)
        assert_int_equal(store_sweep(f->writer, rows, &more, NULL), SG_OK);
    return sweeps;
}

static void next_build_is_not_seen_before_its_target(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    serve_first_build(f);
    begin(f, 999, &SECOND, 3);
    assert_true(f->build.is_next);
    assert_int_equal(f->build.position, 0);
    assert_int_equal(f->build.created_ns, 999);
    assert_int_equal(f->build.gaps_count, 0);
    assert_string_equal(f->build.served_epoch.text, FIRST.text);
    assert_first_build_served(f);
    /* Lower versions and sequences than those served: another incarnation. */
    assert_int_equal(fixture_apply_one(f, event_state(1, "00", 1, "{\"new\":1}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_rejected(2, "new", 9, REASON_BAD_JSON)), RESULT_REJECTED);
    assert_first_build_served(f);
    assert_int_equal(f->stream.rebuild.build, 2);
    assert_int_equal(f->stream.rebuild.position, 2);
    assert_int_equal(f->stream.rebuild.target, 3);
    assert_string_equal(f->stream.rebuild.epoch.text, SECOND.text);
    assert_int_equal(fixture_apply_one(f, event_state(3, "new", 1, "{}")), RESULT_APPLIED);
    assert_false(f->stream.rebuilding);
    assert_false(f->build.is_next);
    assert_int_equal(f->stream.build, 2);
    assert_int_equal(f->stream.position, 3);
    assert_string_equal(f->stream.epoch.text, SECOND.text);
    assert_int_equal(f->stream.gaps_count, 0);
    assert_int_equal(fixture_entity(f, "00", &entity), SG_OK);
    assert_int_equal(entity.version, 1);
    assert_int_equal(fixture_entities(f), 2);
    assert_int_equal(fixture_rejected(f), 1);
    assert_int_equal(fixture_entity(f, "01", &entity), SG_NOT_FOUND);
}

static void reader_of_an_older_snapshot_sees_the_old_rows_whole_after_swap_and_sweep(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    struct store_collection collection;
    serve_first_build(f);
    begin(f, 999, &SECOND, 1);
    struct store_reader *r = fixture_begin(f);
    assert_int_equal(store_read_stream(r, "ORDERS")->build, 1);
    assert_int_equal(fixture_apply_one(f, event_state(1, "new", 1, "{}")), RESULT_APPLIED);
    assert_true(sweep_all(f, 5) > 1);
    assert_int_equal(store_read_entity(r, SLICE_LITERAL("customers"), SLICE_LITERAL("18"), &entity, NULL), SG_OK);
    assert_int_equal(store_read_collection(r, SLICE_LITERAL("customers"), &collection, NULL), SG_OK);
    assert_int_equal(collection.entities, OLD_ROWS - 1);
}

static void advance_to_the_target_swaps_although_nothing_matched(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    serve_first_build(f);
    begin(f, 999, &SECOND, 50);
    assert_int_equal(store_stream_advance(f->writer, f->stream.id, 49, true, NULL), SG_OK);
    assert_first_build_served(f);
    assert_int_equal(store_stream_advance(f->writer, f->stream.id, 50, true, NULL), SG_OK);
    fixture_reload(f);
    assert_int_equal(f->stream.build, 2);
    assert_int_equal(f->stream.position, 50);
    assert_int_equal(fixture_entity(f, "00", &entity), SG_NOT_FOUND);
}

static void empty_stream_is_not_swapped_to_before_its_first_event_is_applied(void **state)
{
    struct store_fixture *f = *state;
    serve_first_build(f);
    begin(f, 999, &SECOND, 0);
    assert_first_build_served(f);
    assert_int_equal(store_stream_advance(f->writer, f->stream.id, 4, true, NULL), SG_OK); /* nothing that matches */
    assert_int_equal(fixture_apply_one(f, event_rejected(5, "x", 1, REASON_BAD_JSON)), RESULT_REJECTED);
    fixture_reopen(f);
    assert_first_build_served(f);
    assert_int_equal(f->build.position, 5);
    assert_int_equal(fixture_apply_one(f, event_state(6, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(f->stream.build, 2);
    assert_int_equal(fixture_entities(f), 1);
}

static void empty_stream_is_swapped_to_at_once_where_the_settings_ask_for_it(void **state)
{
    struct store_fixture *f = *state;
    serve_first_build(f);
    f->options.rebuild_empty_swap = true;
    fixture_reopen(f);
    begin(f, 999, &SECOND, 0);
    assert_int_equal(f->stream.build, 2);
    assert_false(f->stream.rebuilding);
    assert_int_equal(fixture_entities(f), UINT64_MAX);
}

static void build_that_waits_for_its_first_event_is_swapped_to_when_the_settings_change(void **state)
{
    struct store_fixture *f = *state;
    serve_first_build(f);
    begin(f, 999, &SECOND, 0);
    f->options.rebuild_empty_swap = true;
    fixture_reopen(f);
    assert_int_equal(f->stream.build, 2);
    assert_false(f->build.is_next);
}

static void first_build_is_served_while_it_is_written(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(store_stream_identify(f->writer, f->stream.id, 12345, &FIRST, NULL), SG_OK);
    begin(f, 999, &SECOND, 10); /* recreated before anything was applied */
    assert_false(f->build.is_next);
    assert_int_equal(f->stream.build, 2);
    assert_true(f->stream.rebuilding);
    assert_int_equal(f->stream.rebuild.build, 2);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entities(f), 1);
    assert_true(f->stream.rebuilding);
    assert_int_equal(fixture_apply_one(f, event_state(10, "b", 1, "{}")), RESULT_APPLIED);
    assert_false(f->stream.rebuilding);
}

static void restart_continues_the_next_build(void **state)
{
    struct store_fixture *f = *state;
    serve_first_build(f);
    begin(f, 999, &SECOND, 3);
    assert_int_equal(fixture_apply_one(f, event_state(2, "new", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(store_stream_add_gap(f->writer, f->stream.id, 1, 1, NULL), SG_OK);
    fixture_reopen(f);
    assert_first_build_served(f);
    assert_int_equal(f->build.position, 2);
    assert_int_equal(f->build.gaps_count, 1);
    assert_string_equal(f->build.epoch.text, SECOND.text);
    assert_int_equal(fixture_apply_one(f, event_state(2, "new", 9, "{}")), RESULT_REDELIVERED);
    assert_int_equal(fixture_apply_one(f, event_state(3, "b", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(f->stream.build, 2);
    assert_int_equal(fixture_entities(f), 2);
    assert_int_equal(f->stream.gaps[0].first, 1);
}

static void another_incarnation_throws_the_next_build_away_and_keeps_the_served_one(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    serve_first_build(f);
    begin(f, 999, &SECOND, 10);
    assert_int_equal(fixture_apply_one(f, event_state(1, "second", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_rejected(2, "second", 9, REASON_BAD_JSON)), RESULT_REJECTED);
    begin(f, 1999, &THIRD, 1);
    assert_first_build_served(f);
    assert_int_equal(f->build.build, 3);
    assert_int_equal(f->build.position, 0);
    /* What was thrown away is swept although a higher build is written, and nothing else is. */
    assert_int_equal(sweep_all(f, 1), 4); /* a rejected event, an entity, a collection; and one to find no more */
    assert_first_build_served(f);
    assert_int_equal(fixture_apply_one(f, event_state(1, "third", 1, "{}")), RESULT_APPLIED);
    assert_string_equal(f->stream.epoch.text, THIRD.text);
    assert_int_equal(fixture_entities(f), 1);
    assert_int_equal(fixture_entity(f, "second", &entity), SG_NOT_FOUND);
}

static void other_settings_end_the_old_rows_and_the_next_build_at_once(void **state)
{
    struct store_fixture *f = *state;
    struct stream stream;
    struct entity entity;
    bool reshaped = false;
    serve_first_build(f);
    begin(f, 999, &SECOND, 10);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{\"secret\":1}")), RESULT_APPLIED);
    assert_int_equal(
        store_stream_attach(f->writer, "ORDERS", STREAM_FINGERPRINT("drops the secret"), &stream, &reshaped, NULL),
        SG_OK);
    assert_true(reshaped);
    assert_int_equal(stream.build, 3);
    assert_string_equal(stream.epoch.text, SECOND.text); /* the incarnation that the broker showed last */
    fixture_reload(f);
    assert_false(f->build.is_next);
    assert_int_equal(f->build.created_ns, 999);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_NOT_FOUND);
    assert_int_equal(fixture_entity(f, "00", &entity), SG_NOT_FOUND);
}

static void unknown_target_is_not_reached_until_it_is_known(void **state)
{
    struct store_fixture *f = *state;
    serve_first_build(f);
    begin(f, 999, &SECOND, TARGET_UNKNOWN);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_true(f->build.is_next);
    assert_int_equal(store_stream_set_target(f->writer, f->stream.id, 1, NULL), SG_OK);
    fixture_reload(f);
    assert_int_equal(f->stream.build, 2);
}

static void served_build_and_next_build_have_each_their_own_limits(void **state)
{
    struct store_fixture *f = *state;
    enum event_result result = EVENT_RESULTS_COUNT;
    enum event_reason reason = REASON_NONE;
    char name[16];
    serve_first_build(f);
    f->options.collections_max = 2;
    f->options.rejected_max = 1;
    fixture_reopen(f);
    begin(f, 999, &SECOND, 100);
    for (uint64_t i = 1; i <= 3; i++) {
        struct event event = event_state(i, "a", 1, "{}");
        (void)snprintf(name, sizeof name, "kind-%d", (int)i);
        event.collection = slice_of(name);
        fixture_apply(f, &event, 1, &result, &reason);
        assert_int_equal(result, i <= 2 ? RESULT_APPLIED : RESULT_REJECTED);
    }
    assert_int_equal(reason, REASON_TOO_MANY_COLLECTIONS);
    assert_int_equal(fixture_apply_one(f, event_rejected(4, "x", 1, REASON_BAD_JSON)), RESULT_REJECTED);
    assert_int_equal(fixture_rejected(f), 1); /* the served one is not pushed out by those of the next build */
    assert_first_build_served(f);
    assert_int_equal(fixture_apply_one(f, event_rejected(100, "y", 1, REASON_BAD_JSON)), RESULT_REJECTED);
    assert_int_equal(f->stream.build, 2);
    assert_int_equal(fixture_rejected(f), 1);
}

static void sweep_removes_what_is_not_served_and_nothing_else(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    bool more = false;
    serve_first_build(f);
    assert_int_equal(sweep_all(f, 10), 1);
    begin(f, 999, &SECOND, 2);
    assert_int_equal(fixture_apply_one(f, event_state(1, "00", 1, "{\"new\":1}")), RESULT_APPLIED);
    assert_int_equal(sweep_all(f, 10), 1); /* nor anything of the next build */
    assert_first_build_served(f);
    assert_int_equal(fixture_apply_one(f, event_state(2, "00", 1, "{\"new\":1}")), RESULT_DUPLICATE);
    /* A crash (a reopen) between the sweeps. */
    assert_int_equal(store_sweep(f->writer, 10, &more, NULL), SG_OK);
    assert_true(more);
    fixture_reopen(f);
    assert_int_equal(sweep_all(f, 10), 2); /* of 19 entities, one collection, one rejected event, 10 are gone */
    assert_int_equal(fixture_entity(f, "00", &entity), SG_OK);
    assert_int_equal(entity.version, 1);
    assert_int_equal(fixture_entities(f), 1);
}

static void reader_that_knew_a_collection_follows_it_to_the_next_build(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    serve_first_build(f);
    assert_int_equal(fixture_entity(f, "00", &entity), SG_OK);
    begin(f, 999, &SECOND, 1);
    struct event event = event_state(1, "00", 1, "{\"wrong\":1}");
    event.collection = SLICE_LITERAL("others");
    assert_int_equal(fixture_apply_one(f, event), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "00", &entity), SG_NOT_FOUND);
    (void)sweep_all(f, 100);
    /* The number of the swept collection's row is free again, and another collection takes it. */
    event = event_state(2, "00", 1, "{\"wrong\":1}");
    event.collection = SLICE_LITERAL("more");
    assert_int_equal(fixture_apply_one(f, event), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "00", &entity), SG_NOT_FOUND);
}

#define LARGE_ROWS 100
#define LARGE_BYTES (1u << 20)
#define SWEEP_LIMIT_NS (50 * NS_PER_MS)

static int64_t thread_ns(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* Rows of a megabyte, 256 pages each: a fixed number of rows would stall commits for seconds. Compared is the median of
 * the time that this thread has run, which does not depend on what else the machine does. */
static void sweep_of_large_rows_is_bounded_in_time(void **state)
{
    struct store_fixture *f = *state;
    static int64_t taken_ns[LARGE_ROWS * 2];
    char id[16];
    char *body = malloc(LARGE_BYTES + 1);
    size_t sweeps = 0;
    size_t within = 0;
    bool more = true;
    assert_non_null(body);
    memset(body, 'x', LARGE_BYTES);
    body[0] = body[LARGE_BYTES - 1] = '"';
    body[LARGE_BYTES] = '\0';
    for (uint64_t i = 1; i <= LARGE_ROWS; i++) {
        (void)snprintf(id, sizeof id, "%03d", (int)i);
        assert_int_equal(fixture_apply_one(f, event_state(i, id, 1, body)), RESULT_APPLIED);
    }
    free(body);
    begin(f, 999, &SECOND, 1);
    assert_int_equal(fixture_apply_one(f, event_state(1, "new", 1, "{}")), RESULT_APPLIED);
    while (more && sweeps < LARGE_ROWS * 2) {
        int64_t began_ns = thread_ns();
        assert_int_equal(store_sweep(f->writer, 1000, &more, NULL), SG_OK);
        taken_ns[sweeps++] = thread_ns() - began_ns;
    }
    assert_false(more);
    for (size_t i = 0; i < sweeps; i++)
        within += taken_ns[i] <= SWEEP_LIMIT_NS;
    assert_true(sweeps > 1);
    assert_true(within * 2 > sweeps);
    assert_int_equal(fixture_entities(f), 1);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(next_build_is_not_seen_before_its_target),
        STORE_TEST(reader_of_an_older_snapshot_sees_the_old_rows_whole_after_swap_and_sweep),
        STORE_TEST(advance_to_the_target_swaps_although_nothing_matched),
        STORE_TEST(empty_stream_is_not_swapped_to_before_its_first_event_is_applied),
        STORE_TEST(empty_stream_is_swapped_to_at_once_where_the_settings_ask_for_it),
        STORE_TEST(build_that_waits_for_its_first_event_is_swapped_to_when_the_settings_change),
        STORE_TEST(first_build_is_served_while_it_is_written),
        STORE_TEST(restart_continues_the_next_build),
        STORE_TEST(another_incarnation_throws_the_next_build_away_and_keeps_the_served_one),
        STORE_TEST(other_settings_end_the_old_rows_and_the_next_build_at_once),
        STORE_TEST(unknown_target_is_not_reached_until_it_is_known),
        STORE_TEST(served_build_and_next_build_have_each_their_own_limits),
        STORE_TEST(sweep_removes_what_is_not_served_and_nothing_else),
        STORE_TEST(reader_that_knew_a_collection_follows_it_to_the_next_build),
        STORE_TEST(sweep_of_large_rows_is_bounded_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
