/* Applying in large batches, which insert new rows by one statement, comes to what applying one event after the other
 * comes to: the same results, rows and counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "store_fixture.h"

#define EVENTS 4000
#define BATCH_MAX 200
#define ID_BYTES 24
#define STATE_BYTES 48

static char ids[EVENTS][ID_BYTES];
static char states[EVENTS][STATE_BYTES];
static struct event events[EVENTS];

static unsigned chance(uint64_t *random, unsigned below)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(*random >> 33) % below;
}

/* New ids come all the time, more than old ones at first; versions repeat, fall, and rise. */
static void make_events(uint64_t random)
{
    for (size_t i = 0; i < EVENTS; i++) {
        unsigned id = chance(&random, 3) == 0 ? chance(&random, 20) : chance(&random, 10 + (unsigned)i / 2);
        int64_t version = 1 + chance(&random, 6);
        (void)snprintf(ids[i], sizeof ids[i], "id-of-some-length-%u", id);
        (void)snprintf(states[i], sizeof states[i], "{\"n\":%u}", chance(&random, 3));
        switch (chance(&random, 12)) {
        case 0: events[i] = event_tombstone(i + 1, ids[i], version); break;
        case 1: events[i] = event_erase(i + 1, ids[i]); break;
        case 2: events[i] = event_ignored(i + 1); break;
        case 3: events[i] = event_rejected(i + 1, ids[i], version, REASON_BAD_TYPE); break;
        default: events[i] = event_state(i + 1, ids[i], version, states[i]); break;
        }
    }
}

static void assert_same_entity(struct store_fixture *a, struct store_fixture *b, const char *id)
{
    struct entity left = {0};
    struct entity right = {0};
    enum sg_status status = fixture_entity(a, id, &left);
    assert_int_equal(fixture_entity(b, id, &right), status);
    if (status != SG_OK)
        return;
    assert_int_equal(left.version, right.version);
    assert_int_equal(left.deleted, right.deleted);
    assert_int_equal(left.sequence, right.sequence);
    assert_int_equal(left.state.bytes, right.state.bytes);
    if (left.state.bytes > 0)
        assert_memory_equal(left.state.data, right.state.data, left.state.bytes);
}

/* The number of rows that are where they must not be, or are not counted. */
static int misplaced(const struct store_fixture *f)
{
    static const char sql[] =
        "SELECT (SELECT count(*) FROM entities e JOIN tombstones t ON t.collection = e.collection AND t.id = e.id) + "
        "(SELECT count(*) FROM entities WHERE deleted <> 0 OR state IS NULL) + (SELECT count(*) FROM collections c "
        "WHERE c.tombstones <> (SELECT count(*) FROM tombstones t WHERE t.collection = c.id) OR "
        "c.entities <> (SELECT count(*) FROM entities e WHERE e.collection = c.id)), (SELECT count(*) FROM tombstones)";
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int found = sqlite3_column_int(s, 0);
    assert_true(sqlite3_column_int(s, 1) > 100); /* there are tombstones at all */
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
    return found;
}

static void apply_both(struct store_fixture *batches, struct store_fixture *single, uint64_t random)
{
    static enum event_result results[BATCH_MAX];
    static enum event_reason reasons[BATCH_MAX];
    for (size_t at = 0, count; at < EVENTS; at += count) {
        count = 1 + chance(&random, BATCH_MAX);
        if (count > EVENTS - at)
            count = EVENTS - at;
        fixture_apply(batches, &events[at], count, results, reasons);
        for (size_t i = 0; i < count; i++) {
            enum event_result result = RESULT_APPLIED;
            enum event_reason reason = REASON_NONE;
            fixture_apply(single, &events[at + i], 1, &result, &reason);
            assert_int_equal(results[i], result);
            assert_int_equal(reasons[i], reason);
        }
        assert_int_equal(fixture_entities(batches), fixture_entities(single));
    }
}

static void batches_come_to_what_single_events_come_to(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        void *batches = NULL;
        void *single = NULL;
        assert_int_equal(store_fixture_setup(&batches), 0);
        assert_int_equal(store_fixture_setup(&single), 0);
        make_events(seed);
        apply_both(batches, single, seed);
        for (size_t i = 0; i < EVENTS; i++)
            assert_same_entity(batches, single, ids[i]);
        assert_int_equal(fixture_rejected(batches), fixture_rejected(single));
        assert_int_equal(misplaced(batches), 0);
        assert_int_equal(misplaced(single), 0);
        assert_int_equal(store_fixture_teardown(&single), 0);
        assert_int_equal(store_fixture_teardown(&batches), 0);
    }
}

/* A text that is longer than what is kept of it, and members that are absent, through the statement for many rows. */
static void a_row_of_a_large_batch_has_all_its_members(void **state)
{
    struct store_fixture *f = *state;
    static enum event_result results[BATCH_MAX];
    static enum event_reason reasons[BATCH_MAX];
    char text[EVENT_TEXT_BYTES_MAX + 2];
    struct entity entity = {0};
    memset(text, 'x', sizeof text);
    memcpy(text + EVENT_TEXT_BYTES_MAX - 1, "\xc3\xbc", 2); /* the limit falls into this character */
    for (size_t i = 0; i < BATCH_MAX; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "%zu", i);
        events[i] = event_state(i + 1, ids[i], (int64_t)i + 1, "{}");
        events[i].occurred_at = i % 2 == 0 ? SLICE_LITERAL("2026-01-31T12:00:00Z") : (struct slice){NULL, 0};
        events[i].type = (struct slice){text, sizeof text};
    }
    fixture_apply(f, events, BATCH_MAX, results, reasons);
    for (size_t i = 0; i < BATCH_MAX; i++) {
        assert_int_equal(results[i], RESULT_APPLIED);
        assert_int_equal(fixture_entity(f, ids[i], &entity), SG_OK);
        assert_int_equal(entity.version, i + 1);
        assert_int_equal(entity.sequence, i + 1);
        assert_int_equal(entity.occurred_at.bytes, i % 2 == 0 ? 20 : 0);
    }
    assert_int_equal(fixture_entities(f), BATCH_MAX);
}

/* What is given back at rest is taken again by the next large batch. */
static void after_a_rest_everything_is_as_before(void **state)
{
    struct store_fixture *f = *state;
    static enum event_result results[EVENTS];
    static enum event_reason reasons[EVENTS];
    struct entity entity = {0};
    for (size_t i = 0; i < EVENTS; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "%zu", i);
        events[i] = event_state(i + 1, ids[i], 1, "{}");
    }
    fixture_apply(f, events, EVENTS, results, reasons);
    store_trim(f->writer);
    store_trim(f->writer);
    assert_int_equal(fixture_apply_one(f, event_state(EVENTS + 1, "7", 2, "{\"n\":1}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(EVENTS + 2, "new", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "7", &entity), SG_OK);
    assert_int_equal(entity.version, 2);
    assert_int_equal(fixture_entities(f), EVENTS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_to_what_single_events_come_to),
        cmocka_unit_test_setup_teardown(a_row_of_a_large_batch_has_all_its_members, store_fixture_setup,
                                        store_fixture_teardown),
        cmocka_unit_test_setup_teardown(after_a_rest_everything_is_as_before, store_fixture_setup,
                                        store_fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
