/* What a review of all entities promises: gaps of single entities, deletions at the version that is stored, tombstones
 * whose message is gone; and that an entity's next event ends its gap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

/* Ids that begin with `g` get a gap, with `x` are gone. */
static enum store_review_result by_first_letter(void *context, const struct store_reviewed *e)
{
    size_t *met = context;
    (*met)++;
    assert_true(slice_equal(e->collection, SLICE_LITERAL("customers")));
    return e->id.data[0] == 'g' ? REVIEW_GAP : e->id.data[0] == 'x' ? REVIEW_GONE : REVIEW_KEEP;
}

static struct store_review review_all(struct store_fixture *f, size_t rows_max, size_t *met)
{
    struct store_review review = {.review = by_first_letter, .context = met, .gap_last = 90, .head = 100};
    bool more = true;
    *met = 0;
    while (more)
        assert_int_equal(store_review(f->writer, f->stream.id, &review, rows_max, &more, NULL), SG_OK);
    return review;
}

static uint64_t keys(struct store_fixture *f)
{
    struct store_keys keys;
    assert_int_equal(store_keys_count(f->writer, f->stream.id, &keys, NULL), SG_OK);
    assert_int_equal(keys.rejected, 0);
    assert_false(keys.forgotten);
    return keys.count;
}

static void fill(struct store_fixture *f)
{
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{\"a\":1}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(2, "g", 2, "{\"g\":1}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(3, "x", 3, "{\"x\":1}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_tombstone(4, "gt", 4)), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_tombstone(5, "xt", 5)), RESULT_APPLIED);
}

static void each_row_is_met_once_however_small_the_chunks(void **state)
{
    struct store_fixture *f = *state;
    size_t met;
    fill(f);
    review_all(f, 1, &met);
    assert_int_equal(met, 6); /* the five, and what was deleted as a tombstone */
    review_all(f, 1000, &met);
    assert_int_equal(met, 5);
}

static void a_gap_is_shown_until_the_next_event_of_the_entity(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    size_t met;
    fill(f);
    assert_int_equal(review_all(f, 1000, &met).gaps_count, 2);
    assert_int_equal(fixture_entity(f, "g", &entity), SG_OK);
    assert_int_equal(entity.gap_last, 90);
    assert_int_equal(entity.sequence, 2);
    assert_int_equal(fixture_entity(f, "gt", &entity), SG_OK);
    assert_int_equal(entity.gap_last, 90);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_int_equal(entity.gap_last, 0);
    fixture_reopen(f);
    assert_int_equal(fixture_apply_one(f, event_state(91, "g", 1, "{}")), RESULT_STALE); /* not applied: still there */
    assert_int_equal(fixture_entity(f, "g", &entity), SG_OK);
    assert_int_equal(entity.gap_last, 90);
    assert_int_equal(fixture_apply_one(f, event_state(92, "g", 3, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(93, "gt", 5, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "g", &entity), SG_OK);
    assert_int_equal(entity.gap_last, 0);
    assert_int_equal(fixture_entity(f, "gt", &entity), SG_OK);
    assert_int_equal(entity.gap_last, 0);
}

static void one_without_a_later_event_is_at_its_own(void **state)
{
    struct store_fixture *f = *state;
    size_t met;
    struct store_review review = {.review = by_first_letter, .context = &met, .gap_last = 0, .head = 5};
    struct entity entity;
    bool more = true;
    fill(f);
    while (more)
        assert_int_equal(store_review(f->writer, f->stream.id, &review, 100, &more, NULL), SG_OK);
    assert_int_equal(fixture_entity(f, "g", &entity), SG_OK);
    assert_int_equal(entity.gap_last, 2);
    assert_int_equal(fixture_entity(f, "gt", &entity), SG_OK);
    assert_int_equal(entity.gap_last, 4);
}

static void a_row_with_a_gap_is_not_answered_from_the_cache(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    size_t met;
    fill(f);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fixture_entity(f, "g", &entity), SG_OK);
    assert_true(store_read_peek(f->reader));
    assert_true(store_read_cached(f->reader, SLICE_LITERAL("customers"), SLICE_LITERAL("g"), &entity));
    review_all(f, 1000, &met);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fixture_entity(f, "g", &entity), SG_OK);
    assert_true(store_read_peek(f->reader));
    assert_false(store_read_cached(f->reader, SLICE_LITERAL("customers"), SLICE_LITERAL("g"), &entity));
}

static void what_is_gone_is_deleted_at_the_version_it_has(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    size_t met;
    fill(f);
    assert_int_equal(keys(f), 5);
    assert_int_equal(review_all(f, 1000, &met).deleted_count, 1);
    assert_int_equal(keys(f), 3); /* neither x nor the tombstone xt has a message */
    assert_int_equal(fixture_entity(f, "x", &entity), SG_OK);
    assert_true(entity.deleted);
    assert_int_equal(entity.version, 3);
    assert_int_equal(entity.sequence, 100);
    assert_int_equal(fixture_entities(f), 2);
    assert_int_equal(review_all(f, 1000, &met).deleted_count, 0);
    assert_int_equal(keys(f), 3);
    fixture_reopen(f);
    assert_int_equal(keys(f), 3);
    assert_int_equal(fixture_apply_one(f, event_state(101, "x", 101, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_tombstone(102, "xt", 102)), RESULT_APPLIED);
    assert_int_equal(keys(f), 5);
}

static void a_page_tells_what_the_gaps_of_its_entities_span(void **state)
{
    struct store_fixture *f = *state;
    struct gap gap;
    size_t met;
    fill(f);
    assert_int_equal(store_read_gaps(fixture_begin(f), SLICE_LITERAL("customers"), (struct slice){0},
                                     SLICE_LITERAL("z"), &gap, NULL),
                     SG_OK);
    assert_int_equal(gap.first, 0);
    review_all(f, 1000, &met);
    assert_int_equal(store_read_gaps(fixture_begin(f), SLICE_LITERAL("customers"), (struct slice){0},
                                     SLICE_LITERAL("z"), &gap, NULL),
                     SG_OK);
    assert_int_equal(gap.first, 3);
    assert_int_equal(gap.last, 90);
    assert_int_equal(store_read_gaps(f->reader, SLICE_LITERAL("customers"), SLICE_LITERAL("g"), SLICE_LITERAL("z"),
                                     &gap, NULL),
                     SG_OK);
    assert_int_equal(gap.first, 0);
}

static void gaps_of_a_build_that_is_served_no_longer_are_swept(void **state)
{
    struct store_fixture *f = *state;
    struct epoch epoch = {"epoch2"};
    struct entity entity;
    size_t met;
    bool more = true;
    fill(f);
    review_all(f, 1000, &met);
    assert_int_equal(store_stream_begin_build(f->writer, f->stream.id, 2, &epoch, 1, NULL), SG_OK);
    assert_int_equal(fixture_apply_one(f, event_state(1, "g", 1, "{}")), RESULT_APPLIED);
    while (more)
        assert_int_equal(store_sweep(f->writer, 100, &more, NULL), SG_OK);
    assert_int_equal(fixture_entity(f, "g", &entity), SG_OK);
    assert_int_equal(entity.gap_last, 0);
    assert_int_equal(keys(f), 1);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(each_row_is_met_once_however_small_the_chunks),
        STORE_TEST(a_gap_is_shown_until_the_next_event_of_the_entity),
        STORE_TEST(one_without_a_later_event_is_at_its_own),
        STORE_TEST(a_row_with_a_gap_is_not_answered_from_the_cache),
        STORE_TEST(what_is_gone_is_deleted_at_the_version_it_has),
        STORE_TEST(a_page_tells_what_the_gaps_of_its_entities_span),
        STORE_TEST(gaps_of_a_build_that_is_served_no_longer_are_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
