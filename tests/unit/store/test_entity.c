/* What reading promises: one snapshot, pages in byte order, rejected events of an entity, newest first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "store_fixture.h"

#define IDS_MAX 16

struct page {
    size_t count;
    size_t take;
    char ids[IDS_MAX][32];
};

static bool see_entity(void *context, const struct entity *entity)
{
    struct page *page = context;
    assert_true(page->count < IDS_MAX);
    assert_false(entity->deleted);
    (void)snprintf(page->ids[page->count++], sizeof page->ids[0], "%.*s", SLICE_ARGS(entity->id));
    return page->count < page->take;
}

static struct page read_page(struct store_fixture *f, const char *after, size_t take)
{
    struct page page = {.take = take};
    assert_int_equal(
        store_read_page(fixture_begin(f), SLICE_LITERAL("customers"), slice_of(after), see_entity, &page, NULL), SG_OK);
    return page;
}

static void page_is_in_byte_order_after_an_id(void **state)
{
    struct store_fixture *f = *state;
    static const char *const ids[] = {"b", "\xc3\xa9", "a", "B", "a%b", "gone", "a b", "10", "9", "aa"};
    static const char *const sorted[] = {"10", "9", "B", "a", "a b", "a%b", "aa", "b", "\xc3\xa9"};
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(fixture_apply_one(f, event_state(i + 1, ids[i], 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_tombstone(11, "gone", 2)), RESULT_APPLIED);
    struct page page = read_page(f, "", IDS_MAX);
    assert_int_equal(page.count, 9);
    for (size_t i = 0; i < 9; i++)
        assert_string_equal(page.ids[i], sorted[i]);
    page = read_page(f, "", 3);
    assert_int_equal(page.count, 3);
    page = read_page(f, page.ids[2], 2);
    assert_string_equal(page.ids[0], "a");
    assert_string_equal(page.ids[1], "a b");
    page = read_page(f, "\xc3\xa9", IDS_MAX);
    assert_int_equal(page.count, 0);
    page = read_page(f, "ab", IDS_MAX); /* an id that is not there */
    assert_string_equal(page.ids[0], "b");
}

static void unknown_collection_is_not_found(void **state)
{
    struct store_fixture *f = *state;
    struct page page = {.take = 1};
    struct entity entity;
    assert_int_equal(fixture_entity(f, "a", &entity), SG_NOT_FOUND);
    assert_int_equal(
        store_read_page(fixture_begin(f), SLICE_LITERAL("customers"), (struct slice){NULL, 0}, see_entity, &page, NULL),
        SG_NOT_FOUND);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK); /* it was not remembered as absent */
}

static void reader_sees_nothing_of_later_commits(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    struct store_collection collection;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    struct store_reader *r = fixture_begin(f);
    assert_int_equal(fixture_apply_one(f, event_state(2, "a", 2, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(3, "b", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(store_read_entity(r, SLICE_LITERAL("customers"), SLICE_LITERAL("a"), &entity, NULL), SG_OK);
    assert_int_equal(entity.version, 1);
    assert_int_equal(store_read_entity(r, SLICE_LITERAL("customers"), SLICE_LITERAL("b"), &entity, NULL), SG_NOT_FOUND);
    assert_int_equal(store_read_stream(r, "ORDERS")->position, 1);
    assert_int_equal(store_read_collection(r, SLICE_LITERAL("customers"), &collection, NULL), SG_OK);
    assert_int_equal(collection.position, 1);
    assert_int_equal(collection.entities, 1);
    uint64_t snapshot = store_read_snapshot(r);
    assert_int_equal(store_read_begin(r, NULL), SG_OK); /* another one: something was committed */
    assert_int_not_equal(store_read_snapshot(r), snapshot);
    assert_int_equal(store_read_entity(r, SLICE_LITERAL("customers"), SLICE_LITERAL("a"), &entity, NULL), SG_OK);
    assert_int_equal(entity.version, 2);
    assert_int_equal(entity.sequence, 2);
    snapshot = store_read_snapshot(r);
    assert_int_equal(store_read_begin(r, NULL), SG_OK); /* the same: nothing was */
    assert_int_equal(store_read_snapshot(r), snapshot);
    assert_int_equal(store_read_stream(r, "ORDERS")->position, 3);
    assert_null(store_read_stream(r, "NONE"));
    assert_int_equal(store_read_collection(r, SLICE_LITERAL("customers"), &collection, NULL), SG_OK);
    assert_int_equal(collection.position, 3);
}

static void every_column_is_stored_and_absent_ones_are_empty(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    struct event event = event_state(1, "a", 1, "[1e400,0.10]");
    event.occurred_at = SLICE_LITERAL("2026-01-31T12:00:00Z");
    assert_int_equal(fixture_apply_one(f, event), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_true(slice_equal(entity.occurred_at, event.occurred_at));
    assert_true(slice_equal(entity.state, event.state));
    assert_true(slice_equal(entity.id, event.id));
    assert_int_equal(fixture_apply_one(f, event_state(2, "a", 2, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_int_equal(entity.occurred_at.bytes, 0);
}

struct names {
    size_t count;
    char names[4][16];
};

static bool see_collection(void *context, const struct store_collection *collection)
{
    struct names *names = context;
    assert_string_equal(collection->stream, "ORDERS");
    assert_int_equal(collection->entities, 1);
    (void)snprintf(names->names[names->count++], sizeof names->names[0], "%s", collection->name);
    return names->count < 4;
}

static void collections_are_listed_by_name(void **state)
{
    struct store_fixture *f = *state;
    static const char *const collections[] = {"zebras", "ants", "Bees"};
    struct names names = {0};
    for (uint64_t i = 0; i < 3; i++) {
        struct event event = event_state(i + 1, "a", 1, "{}");
        event.collection = slice_of(collections[i]);
        assert_int_equal(fixture_apply_one(f, event), RESULT_APPLIED);
    }
    assert_int_equal(store_read_collections(fixture_begin(f), see_collection, &names, NULL), SG_OK);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.names[0], "Bees");
    assert_string_equal(names.names[1], "ants");
    assert_string_equal(names.names[2], "zebras");
}

static struct store_entity_rejections rejections(struct store_fixture *f, const char *id, int64_t version,
                                                 uint64_t sequence)
{
    struct store_entity_rejections out;
    assert_int_equal(store_read_entity_rejections(fixture_begin(f), SLICE_LITERAL("customers"), slice_of(id), version,
                                                  sequence, &out, NULL),
                     SG_OK);
    return out;
}

static void rejections_of_an_entity_are_those_above_what_is_shown(void **state)
{
    struct store_fixture *f = *state;
    assert_false(rejections(f, "a", 0, 0).any);
    assert_int_equal(fixture_apply_one(f, event_rejected(1, "a", 7, REASON_BAD_TYPE)), RESULT_REJECTED);
    assert_int_equal(fixture_apply_one(f, event_rejected(2, "a", 9, REASON_BAD_TYPE)), RESULT_REJECTED);
    assert_int_equal(fixture_apply_one(f, event_rejected(3, "b", 0, REASON_BAD_VERSION)), RESULT_REJECTED);
    assert_int_equal(rejections(f, "a", 0, 0).version_max, 9);
    assert_int_equal(rejections(f, "a", 8, 0).version_max, 9);
    assert_true(rejections(f, "a", 8, 0).any);
    assert_false(rejections(f, "a", 8, 0).unknown_version);
    assert_false(rejections(f, "a", 9, 0).any);
    assert_true(rejections(f, "b", 5, 2).unknown_version);
    assert_true(rejections(f, "b", 5, 2).any);
    assert_false(rejections(f, "b", 5, 3).any); /* what is shown came later */
    assert_false(rejections(f, "c", 0, 0).any);
}

/* As many as drop the records of all others. */
static void drop_records(struct store_fixture *f, uint64_t from)
{
    for (uint64_t sequence = from; sequence < from + 2; sequence++)
        assert_int_equal(fixture_apply_one(f, event_rejected(sequence, "zzz", 1, REASON_BAD_JSON)), RESULT_REJECTED);
    assert_int_equal(fixture_rejected(f), 2);
}

static bool version_rejected(struct store_fixture *f, const char *id, int64_t version)
{
    bool rejected = false;
    assert_int_equal(store_read_version_rejected(fixture_begin(f), SLICE_LITERAL("customers"), slice_of(id), version,
                                                 &rejected, NULL),
                     SG_OK);
    return rejected;
}

static void rejections_outlive_their_record(void **state)
{
    struct store_fixture *f = *state;
    store_set_rejected_max(f->writer, 2);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 5, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(2, "b", 5, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_tombstone(3, "c", 5)), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_rejected(4, "a", 9, REASON_BAD_TYPE)), RESULT_REJECTED);
    assert_int_equal(fixture_apply_one(f, event_rejected(5, "a", 7, REASON_BAD_TYPE)), RESULT_REJECTED);
    assert_int_equal(fixture_apply_one(f, event_rejected(6, "b", 0, REASON_BAD_VERSION)), RESULT_REJECTED);
    assert_int_equal(fixture_apply_one(f, event_rejected(7, "c", 6, REASON_BAD_TYPE)), RESULT_REJECTED);
    assert_int_equal(fixture_apply_one(f, event_rejected(8, "a", 4, REASON_BAD_TYPE)), RESULT_REJECTED);
    assert_int_equal(fixture_apply_one(f, event_rejected(9, "never", 3, REASON_BAD_TYPE)), RESULT_REJECTED);
    drop_records(f, 10);
    for (int opened = 0; opened < 2; opened++) {
        assert_int_equal(rejections(f, "a", 5, 1).version_max, 9);
        assert_false(rejections(f, "a", 5, 1).unknown_version);
        assert_false(rejections(f, "a", 9, 20).any);
        assert_true(rejections(f, "b", 5, 2).unknown_version);
        assert_int_equal(rejections(f, "b", 5, 2).version_max, 0);
        assert_int_equal(rejections(f, "c", 5, 3).version_max, 6);
        assert_false(rejections(f, "never", 0, 0).any); /* nothing is stored of it that it could be kept with */
        assert_true(version_rejected(f, "a", 9));
        assert_false(version_rejected(f, "a", 8));
        assert_false(version_rejected(f, "never", 3));
        fixture_reopen(f);
        store_set_rejected_max(f->writer, 2);
    }
    assert_int_equal(fixture_apply_one(f, event_state(12, "a", 8, "{}")), RESULT_APPLIED);
    assert_int_equal(rejections(f, "a", 8, 12).version_max, 9); /* not high enough */
    assert_int_equal(fixture_apply_one(f, event_state(13, "a", 9, "{}")), RESULT_APPLIED);
    assert_false(rejections(f, "a", 0, 0).any);
    assert_int_equal(fixture_apply_one(f, event_state(14, "b", 6, "{}")), RESULT_APPLIED);
    assert_false(rejections(f, "b", 0, 0).any);
    assert_int_equal(fixture_apply_one(f, event_state(15, "c", 6, "{}")), RESULT_APPLIED);
    assert_false(rejections(f, "c", 0, 0).any);
}

/* One that is recorded and dropped in one batch, and one that is kept already: the higher counts. */
static void rejections_are_kept_once_for_each_entity(void **state)
{
    struct store_fixture *f = *state;
    store_set_rejected_max(f->writer, 2);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_rejected(2, "a", 5, REASON_BAD_TYPE)), RESULT_REJECTED);
    drop_records(f, 3);
    const struct event events[] = {
        event_rejected(5, "a", 3, REASON_BAD_TYPE), event_rejected(6, "a", 0, REASON_BAD_VERSION),
        event_rejected(7, "zzz", 1, REASON_BAD_JSON), event_rejected(8, "zzz", 1, REASON_BAD_JSON)};
    enum event_result results[4];
    enum event_reason reasons[4];
    fixture_apply(f, events, 4, results, reasons);
    assert_int_equal(fixture_rejected(f), 2);
    assert_int_equal(rejections(f, "a", 1, 1).version_max, 5);
    assert_true(rejections(f, "a", 1, 1).unknown_version);
    assert_false(rejections(f, "a", 1, 6).unknown_version); /* what is shown came later */
}

static void conflicts_are_no_rejections_of_the_entity(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 2, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(2, "a", 2, "{\"n\":1}")), RESULT_CONFLICT);
    assert_int_equal(fixture_rejected(f), 1);
    assert_false(rejections(f, "a", 0, 0).any);
}

static void id_that_was_cut_equals_no_valid_one(void **state)
{
    struct store_fixture *f = *state;
    char id[EVENT_ID_BYTES_MAX + 101];
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    assert_int_equal(fixture_apply_one(f, event_rejected(1, id, 7, REASON_BAD_ID)), RESULT_REJECTED);
    id[EVENT_ID_BYTES_MAX] = '\0';
    assert_false(rejections(f, id, 0, 0).any);
}

struct numbers {
    size_t count;
    size_t take;
    int64_t numbers[8];
};

static bool see_rejected(void *context, const struct store_rejected *rejected)
{
    struct numbers *numbers = context;
    numbers->numbers[numbers->count++] = rejected->number;
    return numbers->count < numbers->take;
}

static void rejected_events_are_paged_newest_first_and_filtered(void **state)
{
    struct store_fixture *f = *state;
    struct numbers numbers = {.take = 2};
    for (uint64_t i = 1; i <= 4; i++) {
        struct event event = event_rejected(i, "a", 1, REASON_BAD_JSON);
        if (i == 2)
            event.collection = SLICE_LITERAL("others");
        assert_int_equal(fixture_apply_one(f, event), RESULT_REJECTED);
    }
    struct store_reader *r = fixture_begin(f);
    struct slice all = {NULL, 0};
    assert_int_equal(store_read_rejected(r, NULL, all, 0, see_rejected, &numbers, NULL), SG_OK);
    assert_int_equal(numbers.count, 2);
    assert_true(numbers.numbers[0] > numbers.numbers[1]);
    int64_t before = numbers.numbers[1];
    numbers = (struct numbers){.take = 8};
    assert_int_equal(store_read_rejected(r, "ORDERS", all, before, see_rejected, &numbers, NULL), SG_OK);
    assert_int_equal(numbers.count, 2);
    assert_true(numbers.numbers[0] < before);
    numbers = (struct numbers){.take = 8};
    assert_int_equal(store_read_rejected(r, NULL, SLICE_LITERAL("others"), 0, see_rejected, &numbers, NULL), SG_OK);
    assert_int_equal(numbers.count, 1);
    numbers = (struct numbers){.take = 8};
    assert_int_equal(store_read_rejected(r, "NONE", all, 0, see_rejected, &numbers, NULL), SG_OK);
    assert_int_equal(numbers.count, 0);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

static int asked_before_stop;

static bool stop_later(void *context)
{
    size_t *asked = context;
    return ++*asked > (size_t)asked_before_stop;
}

/* A row that lies on many pages is read in one step of SQLite's machine: the pages are looked at. */
static void read_of_a_large_row_can_be_stopped(void **state)
{
    struct store_fixture *f = *state;
    static char text[2u << 20];
    const struct slice id = SLICE_LITERAL("a");
    struct entity entity;
    size_t asked = 0;
    memset(text, 'x', sizeof text - 1);
    text[0] = text[sizeof text - 2] = '"';
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, text)), RESULT_APPLIED);
    fixture_reopen(f); /* from the file, and from the WAL */
    for (int64_t version = 1; version <= 2; version++) {
        struct store_reader *r = fixture_begin(f);
        asked_before_stop = 2;
        asked = 0;
        store_read_stop_when(r, stop_later, &asked);
        assert_int_equal(store_read_entity(r, SLICE_LITERAL("customers"), id, &entity, NULL), SG_STOPPED);
        assert_int_equal(asked, asked_before_stop + 1);
        store_read_stop_when(r, NULL, NULL);
        assert_int_equal(store_read_entity(r, SLICE_LITERAL("customers"), id, &entity, NULL), SG_OK);
        assert_int_equal(entity.state.bytes, sizeof text - 1);
        text[1]++;
        struct event next = event_state((uint64_t)version + 1, "a", version + 1, text);
        assert_int_equal(fixture_apply_one(f, next), RESULT_APPLIED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(page_is_in_byte_order_after_an_id),
        STORE_TEST(read_of_a_large_row_can_be_stopped),
        STORE_TEST(unknown_collection_is_not_found),
        STORE_TEST(reader_sees_nothing_of_later_commits),
        STORE_TEST(every_column_is_stored_and_absent_ones_are_empty),
        STORE_TEST(collections_are_listed_by_name),
        STORE_TEST(rejections_of_an_entity_are_those_above_what_is_shown),
        STORE_TEST(rejections_outlive_their_record),
        STORE_TEST(rejections_are_kept_once_for_each_entity),
        STORE_TEST(conflicts_are_no_rejections_of_the_entity),
        STORE_TEST(id_that_was_cut_equals_no_valid_one),
        STORE_TEST(rejected_events_are_paged_newest_first_and_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
