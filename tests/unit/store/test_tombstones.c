/* What bounds of tombstones promise: the oldest go, by number and by age; the floor is the highest that went; what is
 * counted stays right; an id that went is one never seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/hash.h"
#include "core/base/time.h"
#include "store/tables/tombstones.h"
#include "store_fixture.h"

#define HOUR_NS (3600 * NS_PER_S)
#define T0_NS (1000 * HOUR_NS) /* of the stream's clock */

static void apply(struct store_fixture *f, struct event event, int64_t time_ns)
{
    event.time_ns = time_ns;
    assert_int_equal(fixture_apply_one(f, event), RESULT_APPLIED);
}

/* Entities 1 to `count` that were deleted at 1001, 1002 ...; the stream's clock stood at `time_ns`. */
static void fill(struct store_fixture *f, uint64_t count, int64_t time_ns)
{
    char id[32];
    for (uint64_t i = 1; i <= count; i++) {
        (void)snprintf(id, sizeof id, "e%llu", (unsigned long long)i);
        apply(f, event_tombstone(1000 + i, id, 1), time_ns);
    }
}

static struct store_tombstone_bounds bounds(const struct store_fixture *f, int64_t keep_ns, uint64_t max,
                                            int64_t now_ns)
{
    return (struct store_tombstone_bounds){.stream = f->stream.id,
                                           .collection = SLICE_LITERAL("customers"),
                                           .keep_ns = keep_ns,
                                           .max = max,
                                           .now_ns = now_ns};
}

static void count_forgotten(void *context, struct slice id)
{
    size_t *count = context;
    assert_true(id.bytes > 0);
    (*count)++;
}

/* A pass; how many went. */
static uint64_t remove_all(struct store_fixture *f, struct store_tombstone_bounds b, size_t rows_max,
                           size_t *forgotten, bool *left)
{
    struct store_removal removal = {.more = true};
    struct sg_error err = {0};
    uint64_t removed = 0;
    size_t ignored = 0;
    while (removal.more) {
        if (store_remove_tombstones(f->writer, &b, rows_max, count_forgotten, forgotten != NULL ? forgotten : &ignored,
                                    &removal, &err) != SG_OK)
            fail_msg("store_remove_tombstones: %s", err.message);
        assert_true(removal.removed <= rows_max);
        removed += removal.removed;
    }
    if (left != NULL)
        *left = removal.left;
    return removed;
}

static uint64_t keep(struct store_fixture *f, int64_t keep_ns, int64_t now_ns)
{
    return remove_all(f, bounds(f, keep_ns, 0, now_ns), 100, NULL, NULL);
}

static struct store_collection collection(struct store_fixture *f)
{
    struct store_collection found;
    assert_int_equal(store_read_collection(fixture_begin(f), SLICE_LITERAL("customers"), &found, NULL), SG_OK);
    return found;
}

static int64_t asked(struct store_fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t found = sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
    return found;
}

static struct store_keys keys(struct store_fixture *f)
{
    struct store_keys found;
    assert_int_equal(store_keys_count(f->writer, f->stream.id, &found, NULL), SG_OK);
    return found;
}

/* Counted anew, in the file; and in memory, as a writer knows it that was opened a while ago. NULL = all is right. */
static const char *find_wrong(struct store_fixture *f)
{
    static const char *const wrong[] = {
        "SELECT count(*) FROM collections c WHERE c.tombstones <> (SELECT count(*) FROM tombstones t "
        "WHERE t.collection = c.id)",
        "SELECT count(*) FROM collections c WHERE c.gone <> (SELECT count(*) FROM tombstones t "
        "WHERE t.collection = c.id AND t.gone = 1)",
        "SELECT count(*) FROM collections c WHERE c.entities <> (SELECT count(*) FROM entities e "
        "WHERE e.collection = c.id)",
        "SELECT count(*) FROM collections c WHERE c.gaps <> (SELECT count(*) FROM entity_gaps g "
        "WHERE g.collection = c.id)",
        "SELECT count(*) FROM entity_gaps g WHERE NOT EXISTS (SELECT 1 FROM entities e WHERE e.collection = "
        "g.collection AND e.id = g.id UNION ALL SELECT 1 FROM tombstones t WHERE t.collection = g.collection AND "
        "t.id = g.id)",
        "SELECT count(*) FROM entity_rejections r WHERE NOT EXISTS (SELECT 1 FROM entities e WHERE e.collection = "
        "r.collection AND e.id = r.id UNION ALL SELECT 1 FROM tombstones t WHERE t.collection = r.collection AND "
        "t.id = r.id)",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (asked(f, wrong[i]) != 0)
            return wrong[i];
    }
    int64_t recount =
        asked(f, "SELECT (SELECT count(*) FROM entities JOIN collections c ON c.id = collection JOIN streams s ON "
                 "s.build = c.build) + (SELECT count(*) FROM tombstones JOIN collections c ON c.id = collection JOIN "
                 "streams s ON s.build = c.build WHERE tombstones.gone = 0)");
    return keys(f).count != (uint64_t)recount ? "the keys of the stream" : NULL;
}

static void assert_counts_hold(struct store_fixture *f)
{
    const char *wrong = find_wrong(f);
    if (wrong != NULL)
        fail_msg("%s", wrong);
}

static void run_sql(struct store_fixture *f, const char *sql)
{
    struct store_connection c = {0};
    struct sg_error err = {0};
    assert_int_equal(store_connection_open(&c, f->path, SQLITE_OPEN_READWRITE, NULL), SG_OK);
    assert_int_equal(sqlite3_db_config(c.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    if (store_exec(&c, sql, "plant", &err) != SG_OK)
        fail_msg("%s: %s", sql, err.message);
    store_connection_close(&c);
}

/* ---- a removal beside what was there before it ---- */

#define ROWS_MAX 512

struct rows {
    size_t count;
    uint64_t sequences[ROWS_MAX]; /* ascending */
    uint64_t floor;
};

static void look(struct store_fixture *f, struct rows *out)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    out->count = 0;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT sequence FROM tombstones ORDER BY sequence", -1, &s, NULL),
                     SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW && out->count < ROWS_MAX)
        out->sequences[out->count++] = (uint64_t)sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
    out->floor = (uint64_t)asked(f, "SELECT max(floor) FROM collections");
}

/* The oldest went, as many as it says; the floor is the last of them, or as it was. */
static const char *find_wrong_removal(const struct rows *before, const struct rows *after, uint64_t removed)
{
    if (after->count + removed != before->count)
        return "how many went";
    if (memcmp(after->sequences, before->sequences + removed, after->count * sizeof after->sequences[0]) != 0)
        return "which of them went";
    return after->floor != (removed > 0 ? before->sequences[removed - 1] : before->floor) ? "the floor" : NULL;
}

/* ---- by number ---- */

static void as_many_as_may_be_stay(void **state)
{
    struct store_fixture *f = *state;
    fill(f, 10, T0_NS);
    assert_int_equal(remove_all(f, bounds(f, 0, 10, 0), 100, NULL, NULL), 0);
    assert_int_equal(collection(f).tombstones, 10);
    assert_int_equal(collection(f).floor, 0);
    assert_counts_hold(f);
}

static void beyond_that_the_oldest_go_and_the_floor_is_the_last_of_them(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    fill(f, 10, T0_NS);
    assert_int_equal(remove_all(f, bounds(f, 0, 9, 0), 100, NULL, NULL), 1);
    assert_int_equal(collection(f).floor, 1001);
    assert_int_equal(remove_all(f, bounds(f, 0, 4, 0), 2, NULL, NULL), 5);
    assert_int_equal(collection(f).floor, 1006);
    assert_int_equal(collection(f).tombstones, 4);
    assert_int_equal(collection(f).position, 1010); /* no event changed anything */
    assert_int_equal(fixture_entity(f, "e6", &entity), SG_NOT_FOUND);
    assert_int_equal(fixture_entity(f, "e7", &entity), SG_OK);
    assert_true(entity.deleted);
    assert_counts_hold(f);
    fixture_reopen(f);
    assert_int_equal(collection(f).floor, 1006);
    assert_int_equal(collection(f).tombstones, 4);
}

static void what_is_alive_does_not_count(void **state)
{
    struct store_fixture *f = *state;
    fill(f, 3, T0_NS);
    for (uint64_t i = 0; i < 50; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "a%llu", (unsigned long long)i);
        apply(f, event_state(2000 + i, id, 1, "{}"), T0_NS);
    }
    apply(f, event_state(3000, "e1", 2, "{}"), T0_NS); /* is back */
    assert_int_equal(remove_all(f, bounds(f, 0, 2, 0), 100, NULL, NULL), 0);
    assert_int_equal(remove_all(f, bounds(f, 0, 1, 0), 100, NULL, NULL), 1);
    assert_int_equal(collection(f).entities, 51);
    assert_int_equal(collection(f).floor, 1002);
    assert_counts_hold(f);
}

/* ---- what an id is afterwards ---- */

static void an_id_that_went_is_one_never_seen(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    apply(f, event_tombstone(1, "a", 7), T0_NS);
    apply(f, event_tombstone(2, "b", 7), T0_NS);
    for (int i = 0; i < 3; i++) /* it is in the cache by now */
        assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_true(store_read_peek(f->reader));
    assert_true(store_read_cached(f->reader, SLICE_LITERAL("customers"), SLICE_LITERAL("a"), &entity));
    assert_int_equal(remove_all(f, bounds(f, 0, 1, 0), 100, NULL, NULL), 1);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_NOT_FOUND);
    store_read_end(f->reader);
    assert_true(store_read_peek(f->reader));
    assert_false(store_read_cached(f->reader, SLICE_LITERAL("customers"), SLICE_LITERAL("a"), &entity));
    assert_int_equal(fixture_apply_one(f, event_tombstone(2, "b", 7)), RESULT_REDELIVERED);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 6, "{}")), RESULT_REDELIVERED); /* still */
    assert_int_equal(fixture_apply_one(f, event_state(3, "b", 6, "{}")), RESULT_STALE);
    assert_int_equal(fixture_apply_one(f, event_erase(4, "a")), RESULT_IGNORED);
    assert_int_equal(fixture_apply_one(f, event_state(5, "a", 3, "{}")), RESULT_APPLIED); /* which docs/promises.md says */
    assert_int_equal(fixture_entities(f), 1);
    assert_counts_hold(f);
}

static void the_last_one_leaves_nothing_to_look_for(void **state)
{
    struct store_fixture *f = *state;
    apply(f, event_tombstone(1, "a", 7), T0_NS);
    apply(f, event_tombstone(2, "b", 7), T0_NS);
    assert_int_equal(keep(f, HOUR_NS, T0_NS), 0);
    assert_int_equal(keep(f, HOUR_NS, T0_NS + HOUR_NS), 2);
    assert_int_equal(collection(f).tombstones, 0);
    assert_int_equal(collection(f).floor, 2);
    apply(f, event_state(3, "a", 1, "{}"), T0_NS);
    apply(f, event_tombstone(4, "a", 2), T0_NS);
    assert_int_equal(collection(f).tombstones, 1);
    assert_counts_hold(f);
    fixture_reopen(f); /* whose checks look at such counts */
    assert_string_equal(f->report.moved_aside, "");
}

/* ---- by age ---- */

static void as_old_as_may_be_stays_and_older_goes(void **state)
{
    struct store_fixture *f = *state;
    fill(f, 5, T0_NS);
    assert_int_equal(keep(f, HOUR_NS, T0_NS + 1), 0);
    assert_int_equal(keep(f, HOUR_NS, T0_NS + HOUR_NS - 1), 0);
    assert_int_equal(keep(f, HOUR_NS, T0_NS + HOUR_NS), 5);
    assert_int_equal(collection(f).floor, 1005);
    assert_counts_hold(f);
}

static void an_unknown_clock_removes_nothing(void **state)
{
    struct store_fixture *f = *state;
    bool left = false;
    fill(f, 5, T0_NS);
    assert_int_equal(remove_all(f, bounds(f, HOUR_NS, 0, 0), 100, NULL, &left), 0);
    assert_true(left);
    assert_int_equal(keep(f, HOUR_NS, T0_NS), 0); /* it is known now */
    assert_int_equal(remove_all(f, bounds(f, HOUR_NS, 0, 0), 100, NULL, &left), 0); /* and not any more */
    assert_int_equal(remove_all(f, bounds(f, HOUR_NS, 3, 0), 100, NULL, &left), 2); /* a number needs none */
    assert_int_equal(remove_all(f, bounds(f, HOUR_NS, 0, T0_NS + HOUR_NS), 100, NULL, &left), 3);
    assert_false(left);
}

/* Deletions go on for days, with a pass every few minutes: none goes before its time, and none stays for an eighth
 * longer, but for a pass. */
static void ages_are_right_to_an_eighth(void **state)
{
    struct store_fixture *f = *state;
    const int64_t keep_ns = 16 * HOUR_NS;
    const int64_t step_ns = HOUR_NS / 5;
    char id[32];
    uint64_t latest = 0;
    for (uint64_t i = 1; i <= 1500; i++) {
        int64_t now_ns = T0_NS + (int64_t)i * step_ns;
        (void)snprintf(id, sizeof id, "e%llu", (unsigned long long)i);
        apply(f, event_tombstone(i, id, 1), now_ns);
        (void)keep(f, keep_ns, now_ns);
        uint64_t floor = collection(f).floor;
        assert_true(floor == 0 || now_ns - (T0_NS + (int64_t)floor * step_ns) >= keep_ns);
        uint64_t oldest = floor + 1;
        int64_t oldest_ns = now_ns - (T0_NS + (int64_t)oldest * step_ns);
        latest = oldest_ns > (int64_t)latest ? (uint64_t)oldest_ns : latest;
        if (i % 400 == 0)
            fixture_reopen(f);
    }
    if (latest >= (uint64_t)(keep_ns + keep_ns / 8 + step_ns))
        fail_msg("one stayed for %.3f of its time", (double)latest / (double)keep_ns);
    assert_true(latest >= (uint64_t)keep_ns);
    /* The stream rests: what came last goes as well. */
    int64_t end_ns = T0_NS + 1500 * step_ns;
    for (int64_t at_ns = end_ns; at_ns < end_ns + 2 * keep_ns; at_ns += keep_ns / 32)
        (void)keep(f, keep_ns, at_ns);
    assert_int_equal(collection(f).tombstones, 0);
    assert_int_equal(collection(f).floor, 1500);
    assert_counts_hold(f);
}

/* A build reads events that are older than what is kept. */
static void what_was_old_when_it_was_read_goes_at_once(void **state)
{
    struct store_fixture *f = *state;
    fill(f, 20, T0_NS - 100 * HOUR_NS);
    assert_int_equal(keep(f, HOUR_NS, T0_NS), 20);
    assert_int_equal(collection(f).floor, 1020);
}

/* With a bound of the age first, and then with another. */
static void a_longer_or_shorter_time_holds_for_what_is_there(void **state)
{
    struct store_fixture *f = *state;
    fill(f, 4, T0_NS);
    assert_int_equal(keep(f, 100 * HOUR_NS, T0_NS + HOUR_NS), 0);
    assert_int_equal(keep(f, 2 * HOUR_NS, T0_NS + HOUR_NS), 0);
    fixture_reopen(f);
    assert_int_equal(keep(f, HOUR_NS, T0_NS + HOUR_NS), 4);
}

/* The clock of a broker may be set back. */
static void a_clock_that_is_set_back_removes_nothing_early(void **state)
{
    struct store_fixture *f = *state;
    fill(f, 2, T0_NS);
    assert_int_equal(keep(f, HOUR_NS, T0_NS), 0);
    apply(f, event_tombstone(2000, "later", 1), T0_NS - 10 * HOUR_NS);
    assert_int_equal(keep(f, HOUR_NS, T0_NS - 10 * HOUR_NS), 0);
    assert_int_equal(keep(f, HOUR_NS, T0_NS + HOUR_NS / 2), 0);
    assert_int_equal(keep(f, HOUR_NS, T0_NS + HOUR_NS), 3);
}

/* ---- of entities that left the stream without a message ---- */

static enum store_review_result gone_but_a(void *context, const struct store_reviewed *e)
{
    (void)context;
    return e->id.data[0] == 'a' ? REVIEW_GAP : REVIEW_GONE;
}

static void review(struct store_fixture *f, uint64_t head)
{
    struct store_review review = {.review = gone_but_a, .gap_last = head, .head = head};
    bool more = true;
    while (more)
        assert_int_equal(store_review(f->writer, f->stream.id, &review, 100, &more, NULL), SG_OK);
}

/* Its tombstone has the sequence of a message that may be old. */
static void what_was_noticed_to_be_gone_counts_from_then_on(void **state)
{
    struct store_fixture *f = *state;
    size_t forgotten = 0;
    struct entity entity;
    apply(f, event_state(1, "x1", 1, "{}"), T0_NS);
    apply(f, event_state(2, "a", 1, "{}"), T0_NS);
    apply(f, event_tombstone(3, "b", 1), T0_NS);
    assert_int_equal(keep(f, HOUR_NS, T0_NS), 0); /* b: from T0 on */
    review(f, 3);                                 /* hours later: x1 is gone, and so is the message of b */
    assert_int_equal(fixture_entity(f, "x1", &entity), SG_OK);
    assert_true(entity.deleted && entity.sequence == 3);
    assert_int_equal(keys(f).count, 1);
    assert_int_equal(keep(f, HOUR_NS, T0_NS + 9 * HOUR_NS), 0); /* x1: from now on */
    assert_int_equal(keep(f, HOUR_NS, T0_NS + 10 * HOUR_NS - 1), 0);
    assert_counts_hold(f);
    assert_int_equal(remove_all(f, bounds(f, HOUR_NS, 0, T0_NS + 10 * HOUR_NS), 1, &forgotten, NULL), 2);
    assert_int_equal(forgotten, 0); /* the stream had no message of them */
    assert_int_equal(keys(f).count, 1);
    assert_true(keys(f).forgotten);
    assert_int_equal(collection(f).gone, 0);
    assert_counts_hold(f);
}

static void what_has_a_message_is_handed_over(void **state)
{
    struct store_fixture *f = *state;
    size_t forgotten = 0;
    fill(f, 5, T0_NS);
    assert_int_equal(keys(f).count, 5);
    assert_false(keys(f).forgotten);
    assert_int_equal(remove_all(f, bounds(f, 0, 2, 0), 2, &forgotten, NULL), 3);
    assert_int_equal(forgotten, 3);
    assert_int_equal(keys(f).count, 2);
    assert_true(keys(f).forgotten);
    fixture_reopen(f);
    assert_int_equal(keys(f).count, 2);
    assert_true(keys(f).forgotten);
    apply(f, event_state(5000, "e1", 1, "{}"), T0_NS);
    assert_int_equal(keys(f).count, 3);
    assert_counts_hold(f);
}

/* ---- what goes with it ---- */

static void its_gap_and_what_was_rejected_of_it_go_too(void **state)
{
    struct store_fixture *f = *state;
    struct store_entity_rejections rejections;
    enum event_result result;
    f->options.rejected_max = 1;
    fixture_reopen(f);
    apply(f, event_tombstone(1, "a1", 5), T0_NS);
    apply(f, event_tombstone(2, "a2", 5), T0_NS);
    review(f, 2); /* both have a gap */
    struct event poison = event_rejected(3, "a1", 9, REASON_BAD_VERSION);
    fixture_apply(f, &poison, 1, &result, NULL);
    poison = event_rejected(4, "a2", 9, REASON_BAD_VERSION);
    fixture_apply(f, &poison, 1, &result, NULL); /* drops the record of the first, which is kept with its entity */
    assert_int_equal(asked(f, "SELECT count(*) FROM entity_rejections"), 1);
    assert_int_equal(asked(f, "SELECT gaps FROM collections"), 2);
    assert_int_equal(remove_all(f, bounds(f, 0, 1, 0), 100, NULL, NULL), 1);
    assert_int_equal(asked(f, "SELECT count(*) FROM entity_rejections"), 0);
    assert_int_equal(asked(f, "SELECT gaps FROM collections"), 1);
    assert_counts_hold(f);
    assert_int_equal(store_read_entity_rejections(fixture_begin(f), SLICE_LITERAL("customers"), SLICE_LITERAL("a1"), 0,
                                                  0, &rejections, NULL),
                     SG_OK);
    assert_false(rejections.any);
    apply(f, event_state(5, "a1", 1, "{}"), T0_NS);
    apply(f, event_state(6, "a2", 6, "{}"), T0_NS);
    assert_int_equal(asked(f, "SELECT gaps FROM collections"), 0);
    assert_counts_hold(f);
}

/* ---- builds ---- */

static void the_next_build_has_the_same_bounds_and_a_floor_of_its_own(void **state)
{
    struct store_fixture *f = *state;
    struct epoch epoch = {.text = "e222222"};
    size_t forgotten = 0;
    fill(f, 10, T0_NS);
    assert_int_equal(store_stream_begin_build(f->writer, f->stream.id, 2, &epoch, 2000, NULL), SG_OK);
    fixture_reload(f);
    assert_true(f->build.is_next);
    for (uint64_t i = 1; i <= 6; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "n%llu", (unsigned long long)i);
        apply(f, event_tombstone(i, id, 1), T0_NS);
    }
    assert_int_equal(remove_all(f, bounds(f, 0, 4, 0), 3, &forgotten, NULL), 8);
    assert_int_equal(forgotten, 2); /* of the one that is written */
    assert_int_equal(collection(f).floor, 1006);
    assert_int_equal(asked(f, "SELECT floor FROM collections WHERE build = 2"), 2);
    assert_int_equal(keys(f).count, 4);
    apply(f, event_tombstone(2000, "n7", 1), T0_NS);
    fixture_reload(f);
    assert_false(f->stream.rebuilding);
    assert_int_equal(collection(f).floor, 2);
    assert_int_equal(collection(f).tombstones, 5);
    bool more = true;
    while (more)
        assert_int_equal(store_sweep(f->writer, 100, &more, NULL), SG_OK);
    assert_counts_hold(f);
    assert_int_equal(remove_all(f, bounds(f, 0, 4, 0), 3, NULL, NULL), 1);
    assert_counts_hold(f);
}

static void a_collection_that_is_not_there_has_none(void **state)
{
    struct store_fixture *f = *state;
    struct store_tombstone_bounds b = bounds(f, HOUR_NS, 1, T0_NS);
    bool left = true;
    b.collection = SLICE_LITERAL("nowhere");
    assert_int_equal(remove_all(f, b, 100, NULL, &left), 0);
    assert_false(left);
    struct store_removal removal;
    assert_int_equal(store_remove_tombstones(f->writer, &b, 0, NULL, NULL, &removal, NULL), SG_INVALID);
}

/* ---- ages ---- */

static void ages_keep_their_order_and_the_last_one(void **state)
{
    struct store_ages ages = {.count = 0};
    uint64_t chance = 1;
    (void)state;
    int64_t time_ns = 0;
    for (uint64_t i = 1; i <= 1000; i++) {
        time_ns += (int64_t)(chance % 1000);
        chance = chance * 6364136223846793005u + 1442695040888963407u;
        store_ages_add(&ages, i * 10, time_ns);
        assert_true(ages.count <= STORE_AGES_MAX);
        assert_int_equal(ages.ages[ages.count - 1].sequence, i * 10);
        for (size_t k = 1; k < ages.count; k++)
            assert_true(ages.ages[k].sequence > ages.ages[k - 1].sequence &&
                        ages.ages[k].time_ns >= ages.ages[k - 1].time_ns);
    }
    assert_int_equal(store_ages_before(&ages, time_ns), 10000);
    assert_int_equal(store_ages_before(&ages, -1), 0);
    store_ages_drop(&ages, 9999);
    assert_int_equal(ages.count, 1);
    store_ages_drop(&ages, 10000);
    assert_int_equal(ages.count, 0);
    assert_int_equal(store_ages_before(&ages, INT64_MAX), 0);
}

static void ages_that_are_not_ours_are_damage(void **state)
{
    struct store_fixture *f = *state;
    static const char *const texts[] = {"x", "1:", "1:2 3", "1:2,3:4", "1:2 3:4x"};
    struct store_removal removal;
    fill(f, 1, T0_NS);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char sql[128];
        (void)snprintf(sql, sizeof sql, "UPDATE collections SET tombstone_ages = '%s'", texts[i]);
        run_sql(f, sql);
        struct store_tombstone_bounds b = bounds(f, HOUR_NS, 0, T0_NS);
        assert_int_equal(store_remove_tombstones(f->writer, &b, 10, NULL, NULL, &removal, NULL), SG_CORRUPT);
    }
}

/* ---- anything, in any order ---- */

static struct event any_event(uint64_t sequence, uint64_t chance, const char *id)
{
    int64_t version = 1 + (int64_t)(chance / 7 % 6);
    switch (chance % 10) {
    case 0: case 1: case 2: return event_state(sequence, id, version, "{}");
    case 3: return event_erase(sequence, id);
    case 4: return event_rejected(sequence, id, version, REASON_BAD_VERSION);
    default: return event_tombstone(sequence, id, version);
    }
}

static uint64_t next_chance(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void counts_equal_a_recount_after_anything(void **state)
{
    struct store_fixture *f = *state;
    uint64_t seed = 20261128;
    uint64_t sequence = 0;
    uint64_t removals = 0;
    struct rows before;
    struct rows after;
    int64_t now_ns = T0_NS;
    f->options.rejected_max = 5;
    fixture_reopen(f);
    for (int round = 0; round < 150; round++) {
        enum event_result results[40];
        struct event events[40];
        char ids[40][8];
        size_t count = 1 + next_chance(&seed) % 40;
        for (size_t i = 0; i < count; i++) {
            (void)snprintf(ids[i], sizeof ids[i], "%c%llu", "agx"[next_chance(&seed) % 3],
                           (unsigned long long)(next_chance(&seed) % 40));
            events[i] = any_event(++sequence, next_chance(&seed), ids[i]);
            events[i].time_ns = now_ns;
        }
        fixture_apply(f, events, count, results, NULL);
        now_ns += (int64_t)(next_chance(&seed) % (uint64_t)HOUR_NS);
        if (next_chance(&seed) % 8 == 0)
            review(f, sequence);
        struct store_tombstone_bounds b =
            bounds(f, next_chance(&seed) % 2 ? 3 * HOUR_NS : 0, next_chance(&seed) % 3 ? 0 : 5 + next_chance(&seed) % 30,
                   now_ns);
        look(f, &before);
        uint64_t removed = remove_all(f, b, 1 + next_chance(&seed) % 20, NULL, NULL);
        look(f, &after);
        const char *wrong = find_wrong_removal(&before, &after, removed);
        if (wrong != NULL)
            fail_msg("round %d: %s", round, wrong);
        assert_true(b.max == 0 || after.count <= b.max);
        assert_counts_hold(f);
        removals += removed;
        if (next_chance(&seed) % 16 == 0)
            fixture_reopen(f);
    }
    assert_true(removals > 500);
}

/* What a removal that forgets something would leave is found by the checks above. */
static void planted_faults_are_found(void **state)
{
    struct store_fixture *f = *state;
    static const char *const plants[] = {
        "UPDATE collections SET tombstones = tombstones + 1", "UPDATE collections SET gone = gone + 1",
        "UPDATE collections SET gaps = gaps + 1", "UPDATE collections SET entities = entities - 1",
        "INSERT INTO entity_gaps VALUES (1, 'e1', 7)", "INSERT INTO entity_rejections VALUES (1, 'e1', 7, 7)",
        "INSERT INTO tombstones (collection, id, version, sequence) VALUES (1, 'e1', 1, 1)"};
    struct rows before;
    struct rows after;
    fill(f, 20, T0_NS);
    look(f, &before);
    assert_int_equal(remove_all(f, bounds(f, 0, 8, 0), 100, NULL, NULL), 12);
    look(f, &after);
    assert_null(find_wrong_removal(&before, &after, 12));
    assert_non_null(find_wrong_removal(&before, &after, 11));
    after.floor--;
    assert_string_equal(find_wrong_removal(&before, &after, 12), "the floor");
    after.floor = 0;
    assert_string_equal(find_wrong_removal(&before, &after, 12), "the floor");
    for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++) {
        char undone[512];
        assert_null(find_wrong(f));
        fixture_close(f);
        (void)snprintf(undone, sizeof undone, "cp '%s' '%s.kept'", f->path, f->path);
        assert_int_equal(system(undone), 0);
        run_sql(f, plants[i]);
        fixture_open(f);
        if (find_wrong(f) == NULL)
            fail_msg("not found: %s", plants[i]);
        fixture_close(f);
        (void)snprintf(undone, sizeof undone, "mv '%s.kept' '%s'", f->path, f->path);
        assert_int_equal(system(undone), 0);
        fixture_open(f);
    }
}

/* The process ends in the middle, without a word: what is there afterwards holds, and the work goes on. */
static void a_kill_in_between_leaves_floor_and_counts_right(void **state)
{
    struct store_fixture *f = *state;
    for (int round = 0; round < 20; round++) {
        uint64_t sequence = 1 + (uint64_t)round * 1000;
        for (uint64_t i = 0; i < 30; i++) {
            char id[32];
            (void)snprintf(id, sizeof id, "r%d-%llu", round, (unsigned long long)i);
            apply(f, event_tombstone(sequence + i, id, 1), T0_NS);
        }
        fixture_close(f);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct store_removal removal;
            fixture_open(f);
            struct store_tombstone_bounds b = bounds(f, 0, 10, 0);
            for (int i = 0; i <= round % 7; i++)
                (void)!store_remove_tombstones(f->writer, &b, 3, NULL, NULL, &removal, NULL);
            _exit(0); /* the file is not closed */
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        fixture_open(f);
        assert_string_equal(f->report.moved_aside, "");
        assert_counts_hold(f);
        uint64_t floor = collection(f).floor;
        assert_int_equal(asked(f, "SELECT (SELECT min(sequence) FROM tombstones) > (SELECT floor FROM collections)"), 1);
        assert_true(floor > 0 || round == 0);
        (void)remove_all(f, bounds(f, 0, 10, 0), 100, NULL, NULL);
        assert_int_equal(collection(f).tombstones, 10);
        assert_int_equal(collection(f).floor, sequence + 19);
    }
}

/* ---- pages ---- */

static bool count_steps(void *context)
{
    uint64_t *calls = context; /* each STORE_STOP_STEPS steps of SQLite's machine */
    (*calls)++;
    return false;
}

static bool take_500(void *context, const struct entity *entity)
{
    size_t *taken = context;
    assert_false(entity->deleted);
    return ++*taken < 500;
}

/* What a page of 500 and the collection's own row cost, 20 times. */
static uint64_t page_steps(struct store_fixture *f)
{
    uint64_t calls = 0;
    struct store_collection found;
    for (int i = 0; i < 20; i++) {
        size_t taken = 0;
        struct store_reader *r = fixture_begin(f);
        store_read_stop_when(r, count_steps, &calls);
        assert_int_equal(store_read_collection(r, SLICE_LITERAL("customers"), &found, NULL), SG_OK);
        assert_int_equal(store_read_page(r, SLICE_LITERAL("customers"), (struct slice){0}, take_500, &taken, NULL),
                         SG_OK);
        assert_int_equal(taken, 500);
        store_read_stop_when(r, NULL, NULL);
    }
    return calls;
}

static void a_page_costs_the_same_beside_300000_tombstones(void **state)
{
    struct store_fixture *f = *state;
    struct store_collection found;
    for (uint64_t i = 0; i < 600; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "e%05llu", (unsigned long long)i * 7);
        apply(f, event_state(1 + i, id, 1, "{}"), T0_NS);
    }
    uint64_t without = page_steps(f);
    fixture_close(f);
    run_sql(f, "INSERT INTO tombstones (collection, id, version, sequence) "
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
               "SELECT c.id, printf('e%05d.%d', i % 4200, i), 1, 1000 + i FROM n, collections c ORDER BY 2;"
               "UPDATE collections SET tombstones = 300000, position = 301000;");
    fixture_open(f);
    uint64_t beside = page_steps(f);
    found = collection(f);
    assert_int_equal(found.tombstones, 300000);
    assert_true(without >= 20 && beside == without);
    /* And none of those are walked over to find the oldest. */
    struct store_removal removal;
    struct store_tombstone_bounds b = bounds(f, 0, 299990, 0);
    assert_int_equal(store_remove_tombstones(f->writer, &b, 1000, NULL, NULL, &removal, NULL), SG_OK);
    assert_true(removal.removed > 0);
    (void)remove_all(f, b, 1000, NULL, NULL);
    assert_int_equal(collection(f).floor, 1010);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(as_many_as_may_be_stay),
        STORE_TEST(beyond_that_the_oldest_go_and_the_floor_is_the_last_of_them),
        STORE_TEST(what_is_alive_does_not_count),
        STORE_TEST(an_id_that_went_is_one_never_seen),
        STORE_TEST(the_last_one_leaves_nothing_to_look_for),
        STORE_TEST(as_old_as_may_be_stays_and_older_goes),
        STORE_TEST(an_unknown_clock_removes_nothing),
        STORE_TEST(ages_are_right_to_an_eighth),
        STORE_TEST(what_was_old_when_it_was_read_goes_at_once),
        STORE_TEST(a_longer_or_shorter_time_holds_for_what_is_there),
        STORE_TEST(a_clock_that_is_set_back_removes_nothing_early),
        STORE_TEST(what_was_noticed_to_be_gone_counts_from_then_on),
        STORE_TEST(what_has_a_message_is_handed_over),
        STORE_TEST(its_gap_and_what_was_rejected_of_it_go_too),
        STORE_TEST(the_next_build_has_the_same_bounds_and_a_floor_of_its_own),
        STORE_TEST(a_collection_that_is_not_there_has_none),
        STORE_TEST(ages_keep_their_order_and_the_last_one),
        STORE_TEST(ages_that_are_not_ours_are_damage),
        STORE_TEST(counts_equal_a_recount_after_anything),
        STORE_TEST(planted_faults_are_found),
        STORE_TEST(a_page_costs_the_same_beside_300000_tombstones),
        STORE_TEST(a_kill_in_between_leaves_floor_and_counts_right),
    };
    return cmocka_run_group_tests_name("tombstones", tests, NULL, NULL);
}
