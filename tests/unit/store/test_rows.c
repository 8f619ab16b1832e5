/* The row cache: what it answers without a transaction is what the last commit left, whoever commits meanwhile.
 * ctest-threads: */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/cache/commit_clock.h"
#include "store_fixture.h"

#define CUSTOMERS SLICE_LITERAL("customers")

/* By the cache alone: the version, 0 = it is not there. */
static int64_t cached_version(struct store_reader *r, const char *id)
{
    struct entity entity;
    if (!store_read_peek(r) || !store_read_cached(r, CUSTOMERS, slice_of(id), &entity))
        return 0;
    return entity.version;
}

/* Called once between this thread's look at the cache and its second look at the clock; the linker wraps the first
 * (CMakeLists.txt). */
static _Thread_local void (*between)(void *context);
static _Thread_local void *between_context;

struct cached_row *__real_row_cache_find(struct row_cache *cache, const struct row_cache_key *key, struct entity *out);
struct cached_row *__wrap_row_cache_find(struct row_cache *cache, const struct row_cache_key *key, struct entity *out);
struct cached_row *__wrap_row_cache_find(struct row_cache *cache, const struct row_cache_key *key, struct entity *out)
{
    void (*hook)(void *context) = between;
    struct cached_row *row = __real_row_cache_find(cache, key, out);
    between = NULL;
    if (hook != NULL)
        hook(between_context);
    return row;
}

static struct row_cache_facts facts_of(struct store_fixture *f)
{
    struct row_cache_facts facts;
    commit_clock_cache_facts(f->shared, &facts);
    return facts;
}

static void row_that_was_read_is_cached(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    struct event event = event_state(1, "a", 7, "{\"n\":1}");
    event.occurred_at = SLICE_LITERAL("2026-01-31T12:00:00Z");
    assert_int_equal(fixture_apply_one(f, event), RESULT_APPLIED);
    struct store_reader *r = fixture_begin(f);
    assert_int_equal(cached_version(r, "a"), 0);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    store_read_end(r);
    assert_true(store_read_peek(r));
    assert_true(store_read_cached(r, CUSTOMERS, SLICE_LITERAL("a"), &entity));
    assert_int_equal(entity.version, 7);
    assert_int_equal(entity.sequence, 1);
    assert_false(entity.deleted);
    assert_true(slice_equal(entity.id, event.id));
    assert_true(slice_equal(entity.state, event.state));
    assert_true(slice_equal(entity.occurred_at, event.occurred_at));
    assert_int_equal(store_read_stream(r, "ORDERS")->position, 1);
    assert_false(store_read_cached(r, CUSTOMERS, SLICE_LITERAL("b"), &entity));
    assert_false(store_read_cached(r, SLICE_LITERAL("others"), SLICE_LITERAL("a"), &entity));
}

static void apply_another(void *context)
{
    assert_int_equal(fixture_apply_one(context, event_state(2, "b", 1, "{}")), RESULT_APPLIED);
}

/* Who is told that there is no such row must not be left with what it was: the answer would rest on it. */
static void row_overtaken_by_a_commit_is_not_handed_out(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity = {0};
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 7, "{\"n\":1}")), RESULT_APPLIED);
    struct store_reader *r = fixture_begin(f);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    store_read_end(r);
    entity = (struct entity){0};
    assert_true(store_read_peek(r));
    between = apply_another;
    between_context = f;
    assert_false(store_read_cached(r, CUSTOMERS, SLICE_LITERAL("a"), &entity));
    assert_int_equal(entity.version, 0);
    assert_int_equal(entity.sequence, 0);
    assert_int_equal(cached_version(r, "a"), 7);
}

static void row_that_changes_leaves_the_cache(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(2, "b", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_int_equal(fixture_entity(f, "b", &entity), SG_OK);
    struct store_reader *r = f->reader;
    assert_int_equal(cached_version(r, "a"), 1);
    assert_int_equal(fixture_apply_one(f, event_tombstone(3, "a", 2)), RESULT_APPLIED);
    assert_int_equal(cached_version(r, "a"), 0);
    assert_int_equal(cached_version(r, "b"), 1);
    assert_int_equal(store_read_stream(r, "ORDERS")->position, 3); /* b is shown as of now */
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_true(store_read_peek(r));
    assert_true(store_read_cached(r, CUSTOMERS, SLICE_LITERAL("a"), &entity));
    assert_true(entity.deleted);
    assert_int_equal(entity.version, 2);
}

static void event_that_changes_nothing_leaves_the_row_cached(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 5, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_int_equal(fixture_apply_one(f, event_state(2, "a", 4, "{}")), RESULT_STALE);
    assert_int_equal(cached_version(f->reader, "a"), 5);
    assert_int_equal(store_read_stream(f->reader, "ORDERS")->position, 2);
}

static void row_read_from_an_older_snapshot_is_not_cached(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(2, "b", 1, "{}")), RESULT_APPLIED);
    struct store_reader *r = fixture_begin(f);
    assert_int_equal(fixture_apply_one(f, event_state(3, "a", 2, "{}")), RESULT_APPLIED);
    assert_int_equal(store_read_entity(r, CUSTOMERS, SLICE_LITERAL("a"), &entity, NULL), SG_OK);
    assert_int_equal(entity.version, 1); /* as of its snapshot */
    assert_int_equal(store_read_entity(r, CUSTOMERS, SLICE_LITERAL("b"), &entity, NULL), SG_OK);
    assert_int_equal(cached_version(r, "a"), 0);
    assert_int_equal(cached_version(r, "b"), 0); /* it did not change, but who knows */
    assert_int_equal(facts_of(f).rows, 0);
}

static void entity_with_a_rejected_event_is_not_cached(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(2, "b", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_int_equal(cached_version(f->reader, "a"), 1);
    assert_int_equal(fixture_apply_one(f, event_rejected(3, "a", 2, REASON_BAD_TYPE)), RESULT_REJECTED);
    assert_int_equal(cached_version(f->reader, "a"), 0); /* taken out */
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_int_equal(cached_version(f->reader, "a"), 0); /* and not taken in */
    assert_int_equal(fixture_entity(f, "b", &entity), SG_OK);
    assert_int_equal(cached_version(f->reader, "b"), 1); /* others are */
    /* Also if the writer knows nothing of the collection any more, as after a failure. */
    enum event_result result;
    enum event_reason reason;
    uint64_t position = 0;
    struct event beyond = event_state(UINT64_MAX, "c", 1, "{}");
    assert_int_equal(store_apply(f->writer, f->stream.id, &beyond, 1, NULL, &result, &reason, &position, NULL),
                     SG_INVALID);
    assert_int_equal(fixture_apply_one(f, event_rejected(4, "b", 2, REASON_BAD_TYPE)), RESULT_REJECTED);
    assert_int_equal(cached_version(f->reader, "b"), 0);
}

static void build_that_is_whole_is_told_so(void **state)
{
    struct store_fixture *f = *state;
    struct epoch epoch = {"other1"};
    assert_int_equal(store_stream_begin_build(f->writer, f->stream.id, 5, &epoch, 2, NULL), SG_OK); /* served at once */
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    struct store_reader *r = fixture_begin(f);
    assert_true(store_read_peek(r));
    assert_true(store_read_stream(r, "ORDERS")->rebuilding);
    assert_int_equal(fixture_apply_one(f, event_state(2, "a", 2, "{}")), RESULT_APPLIED);
    assert_true(store_read_peek(r));
    assert_false(store_read_stream(r, "ORDERS")->rebuilding);
    assert_int_equal(fixture_apply_one(f, event_state(3, "a", 3, "{}")), RESULT_APPLIED);
    assert_true(store_read_peek(r));
    assert_int_equal(store_read_stream(r, "ORDERS")->position, 3);
}

static void swap_empties_the_cache(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    struct epoch epoch = {"other1"};
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_int_equal(store_stream_begin_build(f->writer, f->stream.id, 5, &epoch, 2, NULL), SG_OK);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_int_equal(fixture_apply_one(f, event_state(1, "b", 9, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_int_equal(cached_version(f->reader, "a"), 1); /* the old build is served on */
    assert_int_equal(fixture_apply_one(f, event_state(2, "c", 9, "{}")), RESULT_APPLIED);
    assert_int_equal(cached_version(f->reader, "a"), 0);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_NOT_FOUND);
    assert_int_equal(fixture_entity(f, "b", &entity), SG_OK);
    assert_int_equal(cached_version(f->reader, "b"), 9);
    assert_string_equal(store_read_stream(f->reader, "ORDERS")->epoch.text, epoch.text);
}

/* An event of another stream. */
static void apply_to(struct store_fixture *f, const struct stream *stream, struct event event, const char *collection)
{
    enum event_result result;
    enum event_reason reason;
    uint64_t position = 0;
    event.collection = slice_of(collection);
    assert_int_equal(store_apply(f->writer, stream->id, &event, 1, NULL, &result, &reason, &position, NULL), SG_OK);
    assert_int_equal(result, RESULT_APPLIED);
}

static struct stream attach_other(struct store_fixture *f)
{
    struct stream other;
    bool reshaped = false;
    assert_int_equal(store_stream_attach(f->writer, "OTHER", STREAM_FINGERPRINT("x"), &other, &reshaped, NULL), SG_OK);
    return other;
}

static void new_collection_leaves_others_cached(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    struct stream other = attach_other(f);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_int_equal(cached_version(f->reader, "a"), 1);
    apply_to(f, &f->stream, event_state(2, "b", 1, "{}"), "orders");
    assert_int_equal(cached_version(f->reader, "a"), 1);
    apply_to(f, &other, event_state(1, "c", 1, "{}"), "others");
    assert_int_equal(cached_version(f->reader, "a"), 1);
}

static void swap_and_gap_of_a_stream_leave_another_cached(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    struct epoch epoch = {"other1"};
    struct stream other = attach_other(f);
    apply_to(f, &other, event_state(1, "x", 1, "{}"), "others");
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_int_equal(store_stream_add_gap(f->writer, other.id, 5, 9, NULL), SG_OK);
    assert_int_equal(cached_version(f->reader, "a"), 1);
    assert_int_equal(store_stream_begin_build(f->writer, other.id, 5, &epoch, 2, NULL), SG_OK);
    apply_to(f, &other, event_state(2, "y", 1, "{}"), "others");
    assert_int_equal(cached_version(f->reader, "a"), 1);
    assert_string_equal(store_read_stream(f->reader, "OTHER")->epoch.text, epoch.text); /* it was swapped to */
    /* A gap of its own does not change its rows, and is shown beside them. */
    assert_int_equal(store_stream_add_gap(f->writer, f->stream.id, 2, 4, NULL), SG_OK);
    assert_int_equal(cached_version(f->reader, "a"), 1);
    assert_int_equal(store_read_stream(f->reader, "ORDERS")->gaps_count, 1);
}

/* The number of a collection that is gone must not be that of another: its rows would be taken for the other's. */
static void rows_of_a_swept_collection_are_nobodys(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    struct epoch epoch = {"other1"};
    bool more = true;
    f->options.rebuild_empty_swap = true;
    fixture_reopen(f);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    assert_int_equal(cached_version(f->reader, "a"), 1);
    assert_int_equal(store_stream_begin_build(f->writer, f->stream.id, 5, &epoch, 0, NULL), SG_OK); /* served at once */
    while (more)
        assert_int_equal(store_sweep(f->writer, 1000, &more, NULL), SG_OK);
    assert_int_equal(fixture_apply_one(f, event_state(1, "b", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "b", &entity), SG_OK);
    assert_int_equal(cached_version(f->reader, "a"), 0);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_NOT_FOUND);
}

static enum store_review_result gone_and_gap(void *context, const struct store_reviewed *e)
{
    (void)context;
    return e->id.data[0] == 'x' ? REVIEW_GONE : e->id.data[0] == 'g' ? REVIEW_GAP : REVIEW_KEEP;
}

static void row_that_a_review_changes_leaves_the_cache(void **state)
{
    struct store_fixture *f = *state;
    struct store_review review = {.review = gone_and_gap, .gap_last = 9, .head = 10};
    static const char *const ids[] = {"a", "g", "x"};
    struct entity entity;
    bool more = true;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(fixture_apply_one(f, event_state(i + 1, ids[i], 1, "{}")), RESULT_APPLIED);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(fixture_entity(f, ids[i], &entity), SG_OK);
        assert_int_equal(cached_version(f->reader, ids[i]), 1);
    }
    while (more)
        assert_int_equal(store_review(f->writer, f->stream.id, &review, 100, &more, NULL), SG_OK);
    assert_int_equal(cached_version(f->reader, "a"), 1);
    assert_int_equal(cached_version(f->reader, "g"), 0);
    assert_int_equal(cached_version(f->reader, "x"), 0);
}

static void without_a_cache_there_is_no_peek(void **state)
{
    struct commit_clock *shared = NULL;
    (void)state;
    assert_int_equal(commit_clock_create(0, &shared, NULL), SG_OK);
    struct row_cache_facts facts;
    commit_clock_cache_facts(shared, &facts);
    assert_int_equal(facts.bytes, 0);
    commit_clock_destroy(shared);
}

/* ---- the cache alone ---- */

static atomic_uint_fast64_t quiet = 2;

static struct row_cache_key key_of(struct row_cache *cache, int64_t number, int64_t collection)
{
    static char id[24];
    (void)snprintf(id, sizeof id, "id-%lld", (long long)number);
    return row_cache_key(cache, collection, slice_of(id));
}

/* Another one for numbers that are near. */
static char mark_of(int64_t number)
{
    return (char)('0' + number % 71);
}

static void put(struct row_cache *cache, int64_t number, size_t state_bytes)
{
    static char text[4096];
    struct entity entity = {.version = number, .state = {text, state_bytes}};
    struct row_cache_key key = key_of(cache, number, 1);
    assert_true(state_bytes <= sizeof text);
    memset(text, mark_of(number), state_bytes);
    row_cache_fill(cache, &key, &entity, &quiet, 2);
}

static bool is_whole(const struct entity *entity, int64_t number)
{
    for (size_t i = 0; i < entity->state.bytes; i++) {
        if (entity->state.data[i] != mark_of(number))
            return false;
    }
    return entity->version == number;
}

static bool has(struct row_cache *cache, int64_t number)
{
    struct entity entity;
    struct row_cache_key key = key_of(cache, number, 1);
    struct cached_row *row = row_cache_find(cache, &key, &entity);
    bool found = row != NULL;
    assert_true(!found || is_whole(&entity, number));
    cached_row_release(row);
    return found;
}

static void memory_is_bounded(void **state)
{
    struct row_cache *cache = NULL;
    struct row_cache_facts facts;
    (void)state;
    assert_int_equal(row_cache_create(1 << 20, &cache, NULL), SG_OK);
    for (int64_t i = 0; i < 20000; i++)
        put(cache, i, (size_t)(i * 37 % 900));
    row_cache_facts(cache, &facts);
    assert_true(facts.bytes <= 1 << 20);
    assert_true(facts.bytes > (1 << 20) * 3 / 4); /* and made use of */
    assert_true(facts.rows > 1000);
    row_cache_destroy(cache);
}

static void row_too_large_is_not_kept(void **state)
{
    struct row_cache *cache = NULL;
    struct row_cache_facts facts;
    (void)state;
    /* So small that a row of 4 KB is more than its part, and one of 1 KB is not. */
    assert_int_equal(row_cache_create(20 << 10, &cache, NULL), SG_OK);
    put(cache, 1, 4096);
    row_cache_facts(cache, &facts);
    assert_int_equal(facts.rows, 0);
    put(cache, 2, 1024);
    assert_true(has(cache, 2));
    row_cache_destroy(cache);
    assert_int_equal(row_cache_create(1, &cache, NULL), SG_OK); /* the smallest of all keeps nothing */
    put(cache, 3, 1);
    assert_false(has(cache, 3));
    row_cache_destroy(cache);
}

static void what_is_read_again_outlives_a_scan(void **state)
{
    struct row_cache *cache = NULL;
    size_t kept = 0;
    (void)state;
    assert_int_equal(row_cache_create(1 << 20, &cache, NULL), SG_OK);
    for (int64_t i = 0; i < 100; i++)
        put(cache, i, 300);
    for (int64_t i = 100; i < 20000; i++) {
        (void)has(cache, i % 100);
        put(cache, i, 300);
    }
    for (int64_t i = 0; i < 100; i++)
        kept += has(cache, i);
    assert_true(kept >= 95);
    row_cache_destroy(cache);
}

static void row_that_is_held_outlives_its_place(void **state)
{
    struct row_cache *cache = NULL;
    struct entity entity;
    (void)state;
    assert_int_equal(row_cache_create(1 << 20, &cache, NULL), SG_OK);
    struct row_cache_key key = key_of(cache, 5, 1);
    put(cache, 5, 300);
    struct cached_row *row = row_cache_find(cache, &key, &entity);
    assert_non_null(row);
    row_cache_forget(cache, 1, key.id);
    assert_false(has(cache, 5));
    assert_true(is_whole(&entity, 5)); /* still there */
    cached_row_release(row);
    put(cache, 5, 10);
    key = key_of(cache, 5, 2); /* of another collection: not this row */
    assert_null(row_cache_find(cache, &key, &entity));
    row_cache_destroy(cache);
}

#define HELD(k) ((int64_t)(k) * 400 + 5) /* while there is still room */

/* Held, forgotten, and all around it put in anew many times: what the reader sees does not change. */
static void row_that_is_held_is_not_written_over(void **state)
{
    struct row_cache *cache = NULL;
    struct entity shown[3];
    struct cached_row *held[3];
    (void)state;
    assert_int_equal(row_cache_create(1 << 20, &cache, NULL), SG_OK);
    for (int64_t i = 0; i < 20000; i++) {
        put(cache, i, (size_t)(i * 37 % 900));
        for (size_t k = 0; k < 3; k++) {
            if (i != HELD(k))
                continue;
            struct row_cache_key key = key_of(cache, i, 1);
            held[k] = row_cache_find(cache, &key, &shown[k]);
            assert_non_null(held[k]);
            if (k != 1)
                row_cache_forget(cache, 1, key.id);
        }
    }
    for (size_t k = 0; k < 3; k++) {
        assert_true(is_whole(&shown[k], HELD(k)));
        cached_row_release(held[k]);
    }
    for (int64_t i = 20000; i < 40000; i++) /* and then it makes room like others */
        put(cache, i, (size_t)(i * 37 % 900));
    assert_false(has(cache, HELD(1)));
    row_cache_destroy(cache);
}

/* Rows that change leave chunks that are free: memory is taken for about as many more as live, and not for each. */
static void what_is_free_is_used_again(void **state)
{
    struct row_cache *cache = NULL;
    struct row_cache_facts before;
    struct row_cache_facts after;
    (void)state;
    assert_int_equal(row_cache_create(8 << 20, &cache, NULL), SG_OK);
    row_cache_facts(cache, &before);
    for (int64_t i = 0; i < 100000; i++) {
        put(cache, i % 1000, 300);
        row_cache_forget(cache, 1, key_of(cache, (i * 7 + 500) % 1000, 1).id);
    }
    row_cache_facts(cache, &after);
    assert_in_range(after.rows, 1, 1000);
    assert_in_range(after.bytes - before.bytes, 1, 1000 * 400 * 3);
    row_cache_destroy(cache);
}

static void no_row_goes_while_there_is_memory(void **state)
{
    struct row_cache *cache = NULL;
    (void)state;
    assert_int_equal(row_cache_create(8 << 20, &cache, NULL), SG_OK);
    for (int64_t i = 0; i < 1000; i++)
        put(cache, i, 300);
    for (int64_t i = 0; i < 1000; i++) {
        if (i % 4 != 0)
            row_cache_forget(cache, 1, key_of(cache, i, 1).id);
    }
    for (int64_t i = 1000; i < 1500; i++) /* most find room between the others */
        put(cache, i, 300);
    for (int64_t i = 0; i < 1500; i++)
        assert_int_equal(has(cache, i), i >= 1000 || i % 4 == 0);
    row_cache_destroy(cache);
}

/* What is free lies far behind rows that live: new ones take other memory while there is some. */
static void no_row_waits_while_there_is_memory(void **state)
{
    struct row_cache *cache = NULL;
    (void)state;
    assert_int_equal(row_cache_create(8 << 20, &cache, NULL), SG_OK);
    for (int64_t i = 0; i < 10000; i++)
        put(cache, i, 250);
    for (int64_t i = 4000; i < 10000; i++)
        row_cache_forget(cache, 1, key_of(cache, i, 1).id);
    for (int64_t i = 10000; i < 10800; i++) {
        put(cache, i, i % 2 == 0 ? 4000 : 250);
        assert_true(has(cache, i));
    }
    row_cache_destroy(cache);
}

/* Seven of eight rows are spared, so that room for a large one takes more steps than one row is given. */
static void steps_go_on_where_the_last_ones_ended(void **state)
{
    struct row_cache *cache = NULL;
    size_t tries = 0;
    (void)state;
    assert_int_equal(row_cache_create(1 << 20, &cache, NULL), SG_OK);
    for (int64_t i = 0; i < 20000; i++)
        put(cache, i, 200);
    for (int64_t i = 0; i < 20000; i++) {
        if (i / 4 % 8 != 0)
            (void)has(cache, i);
    }
    for (; !has(cache, 20000); tries++)
        put(cache, 20000, 4000);
    assert_in_range(tries, 2, 16);
    row_cache_destroy(cache);
}

/* The memory that rows and their overhead of 64 bytes take, in chunks of 16 bytes. */
static size_t chunk_bytes(int64_t number, size_t state_bytes)
{
    char id[24];
    size_t id_bytes = (size_t)snprintf(id, sizeof id, "id-%lld", (long long)number);
    return (64 + id_bytes + state_bytes + 15) / 16 * 16;
}

/* Some are read again and stay, others go, and what is free between them is not lost. */
static void rows_of_all_sizes_fill_the_memory(void **state)
{
    struct row_cache *cache = NULL;
    struct row_cache_facts empty;
    struct row_cache_facts full;
    size_t used = 0;
    (void)state;
    assert_int_equal(row_cache_create(2 << 20, &cache, NULL), SG_OK);
    row_cache_facts(cache, &empty);
    for (int64_t i = 0; i < 40000; i++) {
        put(cache, i, (size_t)(200 + i * 37 % 400));
        (void)has(cache, i / 2 * 7919 % (i + 1));
    }
    row_cache_facts(cache, &full);
    for (int64_t i = 0; i < 40000; i++)
        used += has(cache, i) ? chunk_bytes(i, (size_t)(200 + i * 37 % 400)) : 0;
    assert_true(used > (full.bytes - empty.bytes) * 95 / 100);
    row_cache_destroy(cache);
}

/* Of a full cache one of four rows is kept; of one with much that is free, all. */
static void full_cache_takes_one_of_four(void **state)
{
    struct row_cache *cache = NULL;
    size_t kept = 0;
    (void)state;
    assert_int_equal(row_cache_create(1 << 20, &cache, NULL), SG_OK);
    for (int64_t i = 0; i < 20000; i++)
        put(cache, i, 300);
    for (int64_t i = 20000; i < 20400; i++) {
        put(cache, i, 300);
        kept += has(cache, i);
    }
    assert_int_equal(kept, 100);
    for (int64_t i = 0; i < 20400; i++) {
        if (i % 8 < 4) /* every second of them */
            row_cache_forget(cache, 1, key_of(cache, i, 1).id);
    }
    for (int64_t i = 20400; i < 20600; i++) {
        put(cache, i, 300);
        kept += has(cache, i);
    }
    assert_in_range(kept, 290, 300);
    row_cache_destroy(cache);
}

/* All rows are spared once: a row finds room after some, and none looks through all of them. */
static void room_is_looked_for_step_by_step(void **state)
{
    struct row_cache *cache = NULL;
    struct row_cache_facts facts;
    size_t tries = 0;
    (void)state;
    assert_int_equal(row_cache_create(1 << 20, &cache, NULL), SG_OK);
    for (int64_t i = 0; i < 20000; i++) /* so few that no set is full */
        put(cache, i, 1000);
    for (int64_t i = 0; i < 20000; i++)
        (void)has(cache, i);
    row_cache_facts(cache, &facts);
    for (int64_t i = 20000; i < 20008; i++) { /* two of them might be kept */
        put(cache, i, 1000);
        assert_false(has(cache, i));
    }
    for (; !has(cache, 20000); tries++)
        put(cache, 20000, 1000);
    assert_in_range(tries, 2, facts.rows / 8);
    row_cache_destroy(cache);
}

/* Small ones, all gone, make room for large ones, and those for small ones: what is free is joined. */
static void rows_of_another_size_find_room(void **state)
{
    struct row_cache *cache = NULL;
    struct row_cache_facts facts;
    static const size_t sizes[] = {50, 4096, 50, 2000, 700};
    (void)state;
    assert_int_equal(row_cache_create(1 << 20, &cache, NULL), SG_OK);
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        int64_t first = (int64_t)k * 100000;
        for (int64_t i = 0; i < 40000; i++)
            put(cache, first + i, sizes[k]);
        row_cache_facts(cache, &facts);
        size_t kept = 0;
        for (int64_t i = 0; i < 40000; i++)
            kept += has(cache, first + i);
        assert_int_equal(kept, facts.rows); /* none of the former size is left */
        assert_true(kept * (sizes[k] + 90) > (1 << 19));
    }
    row_cache_destroy(cache);
}

/* Rows so small that the table has too few places for as many as the bytes would hold. */
static void set_that_is_full_gives_up_a_row(void **state)
{
    struct row_cache *cache = NULL;
    struct row_cache_facts facts;
    size_t kept = 0;
    (void)state;
    assert_int_equal(row_cache_create(1 << 20, &cache, NULL), SG_OK);
    for (int64_t i = 0; i < 100; i++)
        put(cache, i, 0);
    for (int64_t i = 100; i < 20000; i++) {
        (void)has(cache, i % 100);
        put(cache, i, 0);
        assert_true(i % 1000 != 0 || has(cache, i));
    }
    for (int64_t i = 0; i < 100; i++)
        kept += has(cache, i);
    assert_true(kept >= 80);
    row_cache_facts(cache, &facts);
    assert_in_range(facts.rows, 4500, 6146);
    assert_true(facts.bytes <= 1 << 20);
    row_cache_destroy(cache);
}

/* Some in sets with others, all among rows that nobody asks for: none is to drive out the other for ever. */
static void rows_that_are_read_by_turns_stay(void **state)
{
    struct row_cache *cache = NULL;
    size_t hits = 0;
    (void)state;
    assert_int_equal(row_cache_create(1 << 20, &cache, NULL), SG_OK);
    for (int64_t i = 0; i < 20000; i++)
        put(cache, i, 0);
    for (int round = 0; round < 50; round++) {
        hits = 0;
        for (int64_t i = 30000; i < 31500; i++) {
            bool hit = has(cache, i);
            hits += hit;
            if (!hit)
                put(cache, i, 0);
        }
    }
    assert_true(hits > 1350);
    row_cache_destroy(cache);
}

#define PLACES 20000 /* six for ten that there is room for: with one place for a hash a quarter would be lost */

static void place_is_a_guess_under_its_own_name(void **state)
{
    struct row_cache *cache = NULL;
    (void)state;
    assert_int_equal(row_cache_create(1 << 20, &cache, NULL), SG_OK);
    size_t known = 0;
    size_t wrong = 0;
    for (int64_t i = 1; i <= PLACES; i++) {
        struct row_cache_key key = key_of(cache, i, 1);
        row_cache_hint_set(cache, &key, i + PLACES);
        row_cache_hint_set(cache, &key, i);
    }
    for (int64_t i = 1; i <= PLACES; i++) {
        struct row_cache_key key = key_of(cache, i, 1);
        int64_t place = row_cache_hint(cache, &key);
        known += place == i;
        wrong += place != i && place != 0; /* another's, whose hash is alike */
    }
    assert_true(known > PLACES * 95 / 100);
    assert_true(wrong < 5);
    struct row_cache_key key = key_of(cache, 1, 1);
    row_cache_hint_set(cache, &key, INT64_MAX); /* too large to be kept */
    assert_true(row_cache_hint(cache, &key) <= PLACES);
    struct row_cache_key unknown = key_of(cache, PLACES + 1, 1);
    row_cache_hint_set(cache, &unknown, 0);
    row_cache_hint_set(cache, &unknown, -1);
    assert_int_equal(row_cache_hint(cache, &unknown), 0);
    row_cache_destroy(cache);
}

static void wrong_place_is_noticed(void **state)
{
    struct store_fixture *f = *state;
    struct row_cache *cache = f->shared->cache;
    struct entity entity;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(2, "b", 2, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
    struct row_cache_key key = row_cache_key(cache, 1, SLICE_LITERAL("a"));
    int64_t place = row_cache_hint(cache, &key);
    assert_true(place > 0);
    static const int64_t off[] = {1, 1000}; /* that of b, and that of nobody */
    for (size_t i = 0; i < 2; i++) {
        row_cache_hint_set(cache, &key, place + off[i]);
        row_cache_forget(cache, 1, key.id);
        assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
        assert_int_equal(entity.version, 1);
        assert_int_equal(row_cache_hint(cache, &key), place); /* and set right */
    }
}

/* ---- readers beside a writer ---- */

#define IDS 8
#define BATCHES 600
#define READERS 2

struct race {
    struct store_fixture *f;
    atomic_bool done;
    atomic_int wrong;
    atomic_uint_fast64_t hits;
};

/* Batch n brings every id to version n, at positions n * IDS - IDS + 1 .. n * IDS: so the position tells the
 * version. */
static void read_one(struct race *race, struct store_reader *r, unsigned *seed, uint64_t *shown)
{
    char id[16];
    struct entity entity = {0};
    (void)snprintf(id, sizeof id, "e%d", rand_r(seed) % IDS);
    bool hit = store_read_peek(r) && store_read_cached(r, CUSTOMERS, slice_of(id), &entity);
    if (!hit &&
        (store_read_begin(r, NULL) != SG_OK || store_read_entity(r, CUSTOMERS, slice_of(id), &entity, NULL) != SG_OK)) {
        atomic_fetch_add(&race->wrong, 1);
        return;
    }
    uint64_t position = store_read_stream(r, "ORDERS")->position;
    if ((uint64_t)entity.version != position / IDS || position < *shown)
        atomic_fetch_add(&race->wrong, 1);
    *shown = position;
    atomic_fetch_add(&race->hits, hit);
    if (rand_r(seed) % 8 == 0)
        store_read_end(r);
}

static void *read_on(void *context)
{
    struct race *race = context;
    struct store_reader *r = NULL;
    unsigned seed = 1;
    uint64_t shown = 0;
    if (store_reader_open(race->f->path, race->f->shared, &r, NULL) != SG_OK) {
        atomic_fetch_add(&race->wrong, 1);
        return NULL;
    }
    while (!atomic_load(&race->done))
        read_one(race, r, &seed, &shown);
    store_reader_close(r);
    return NULL;
}

static void write_batch(struct store_fixture *f, int64_t version)
{
    struct event events[IDS];
    enum event_result results[IDS];
    char ids[IDS][16];
    for (int i = 0; i < IDS; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "e%d", i);
        events[i] = event_state((uint64_t)((version - 1) * IDS + i + 1), ids[i], version, "{}");
    }
    fixture_apply(f, events, IDS, results, NULL);
}

static void every_answer_is_that_of_its_position(void **state)
{
    struct race race = {.f = *state};
    pthread_t threads[READERS];
    write_batch(race.f, 1);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &race), 0);
    for (int64_t version = 2; version <= BATCHES; version++)
        write_batch(race.f, version);
    /* What is cached is found at last, now that nobody writes. */
    while (atomic_load(&race.hits) < 1000 && atomic_load(&race.wrong) == 0)
        (void)sched_yield();
    atomic_store(&race.done, true);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&race.wrong), 0);
}

#define NUMBERS 2000 /* some twenty times as many as the cache holds */
#define HOLDS 20000

struct hold {
    struct row_cache *cache;
    unsigned seed;
    size_t hits;
    size_t wrong;
};

static bool is_only(const char *data, size_t bytes, char mark)
{
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] != mark)
            return false;
    }
    return true;
}

/* Find a row and look at it for a while; put it in if it is not there; now and then let it be forgotten. */
static void hold_one(struct hold *h)
{
    char id[24];
    char text[600];
    struct entity entity;
    int64_t number = rand_r(&h->seed) % NUMBERS;
    (void)snprintf(id, sizeof id, "id-%lld", (long long)number);
    struct row_cache_key key = row_cache_key(h->cache, 1, slice_of(id));
    struct cached_row *row = row_cache_find(h->cache, &key, &entity);
    if (row == NULL) {
        entity = (struct entity){.version = number, .state = {text, (size_t)(rand_r(&h->seed) % 600)}};
        memset(text, mark_of(number), sizeof text);
        row_cache_fill(h->cache, &key, &entity, &quiet, 2);
        return;
    }
    h->hits++;
    if (rand_r(&h->seed) % 8 == 0)
        row_cache_forget(h->cache, 1, key.id);
    for (int look = 0; look < 2; look++) {
        h->wrong += entity.version != number || !is_only(entity.state.data, entity.state.bytes, mark_of(number));
        (void)sched_yield();
    }
    cached_row_release(row);
}

static void *hold_on(void *context)
{
    for (int i = 0; i < HOLDS; i++)
        hold_one(context);
    return NULL;
}

static void row_that_is_held_stays_whole_among_threads(void **state)
{
    struct row_cache *cache = NULL;
    struct hold holds[READERS + 1];
    pthread_t threads[READERS + 1];
    size_t hits = 0;
    (void)state;
    assert_int_equal(row_cache_create(64 << 10, &cache, NULL), SG_OK);
    for (unsigned i = 0; i <= READERS; i++) {
        holds[i] = (struct hold){.cache = cache, .seed = i};
        assert_int_equal(pthread_create(&threads[i], NULL, hold_on, &holds[i]), 0);
    }
    for (int i = 0; i <= READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(holds[i].wrong, 0);
        hits += holds[i].hits;
    }
    assert_true(hits > 100);
    row_cache_destroy(cache);
}

int main(void)
{
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(row_that_was_read_is_cached),
        STORE_TEST(row_overtaken_by_a_commit_is_not_handed_out),
        STORE_TEST(row_that_changes_leaves_the_cache),
        STORE_TEST(event_that_changes_nothing_leaves_the_row_cached),
        STORE_TEST(row_read_from_an_older_snapshot_is_not_cached),
        STORE_TEST(entity_with_a_rejected_event_is_not_cached),
        STORE_TEST(swap_empties_the_cache),
        STORE_TEST(new_collection_leaves_others_cached),
        STORE_TEST(swap_and_gap_of_a_stream_leave_another_cached),
        STORE_TEST(rows_of_a_swept_collection_are_nobodys),
        STORE_TEST(row_that_a_review_changes_leaves_the_cache),
        STORE_TEST(build_that_is_whole_is_told_so),
        STORE_TEST(every_answer_is_that_of_its_position),
        cmocka_unit_test(row_that_is_held_stays_whole_among_threads),
        cmocka_unit_test(without_a_cache_there_is_no_peek),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(row_too_large_is_not_kept),
        cmocka_unit_test(what_is_read_again_outlives_a_scan),
        cmocka_unit_test(row_that_is_held_outlives_its_place),
        cmocka_unit_test(row_that_is_held_is_not_written_over),
        cmocka_unit_test(what_is_free_is_used_again),
        cmocka_unit_test(no_row_goes_while_there_is_memory),
        cmocka_unit_test(no_row_waits_while_there_is_memory),
        cmocka_unit_test(steps_go_on_where_the_last_ones_ended),
        cmocka_unit_test(rows_of_all_sizes_fill_the_memory),
        cmocka_unit_test(full_cache_takes_one_of_four),
        cmocka_unit_test(room_is_looked_for_step_by_step),
        cmocka_unit_test(rows_of_another_size_find_room),
        cmocka_unit_test(set_that_is_full_gives_up_a_row),
        cmocka_unit_test(rows_that_are_read_by_turns_stay),
        cmocka_unit_test(place_is_a_guess_under_its_own_name),
        STORE_TEST(wrong_place_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
