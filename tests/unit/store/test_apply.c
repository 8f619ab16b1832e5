/* What applying a batch promises: the outcomes, the counts, the records, and that failures change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/digest.h"
#include "core/base/utf8.h"
#include "store_fixture.h"

static void assert_slice(struct slice found, const char *expected)
{
    assert_int_equal(found.bytes, strlen(expected));
    if (found.bytes > 0)
        assert_memory_equal(found.data, expected, found.bytes);
}

static void assert_entity(struct store_fixture *f, const char *id, int64_t version, const char *state)
{
    struct entity entity;
    assert_int_equal(fixture_entity(f, id, &entity), SG_OK);
    assert_int_equal(entity.version, version);
    assert_int_equal(entity.deleted, state == NULL);
    assert_slice(entity.state, state != NULL ? state : "");
}

static void higher_version_is_applied(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{\"n\":1}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(2, "a", 7, "{\"n\":7}")), RESULT_APPLIED);
    assert_entity(f, "a", 7, "{\"n\":7}");
    assert_int_equal(f->stream.position, 2);
    assert_int_equal(f->build.position_time_ns, 2000);
    assert_string_equal(f->build.position_subject, "state.customers.x");
    assert_int_equal(fixture_entities(f), 1);
}

static void redelivered_event_changes_nothing(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(fixture_apply_one(f, event_state(5, "a", 1, "{\"n\":1}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(5, "a", 9, "{\"n\":9}")), RESULT_REDELIVERED);
    assert_int_equal(fixture_apply_one(f, event_state(4, "b", 1, "{}")), RESULT_REDELIVERED);
    assert_int_equal(fixture_apply_one(f, event_rejected(3, "b", 1, REASON_BAD_JSON)), RESULT_REDELIVERED);
    assert_entity(f, "a", 1, "{\"n\":1}");
    assert_int_equal(f->stream.position, 5);
    assert_int_equal(fixture_entities(f), 1);
    assert_int_equal(fixture_rejected(f), 0);
}

static void lower_version_is_stale_also_below_a_tombstone(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 5, "{\"n\":5}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(2, "a", 4, "{\"n\":4}")), RESULT_STALE);
    assert_int_equal(fixture_apply_one(f, event_tombstone(3, "a", 3)), RESULT_STALE);
    assert_entity(f, "a", 5, "{\"n\":5}");
    assert_int_equal(fixture_apply_one(f, event_tombstone(4, "a", 6)), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(5, "a", 5, "{\"n\":5}")), RESULT_STALE);
    assert_entity(f, "a", 6, NULL);
    assert_int_equal(f->stream.position, 5);
}

static void tombstone_keeps_its_version_and_a_higher_one_revives(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(fixture_apply_one(f, event_tombstone(1, "a", 3)), RESULT_APPLIED);
    assert_int_equal(fixture_entities(f), 0);
    assert_entity(f, "a", 3, NULL);
    assert_int_equal(fixture_apply_one(f, event_tombstone(2, "a", 3)), RESULT_DUPLICATE);
    assert_int_equal(fixture_apply_one(f, event_state(3, "a", 4, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entities(f), 1);
    assert_entity(f, "a", 4, "{}");
}

struct seen_rejected {
    size_t count;
    struct store_rejected last; /* plain values only */
    char detail[256];
    char reason[32];
    char sha256[80];
    char payload[64];
    uint64_t sequences[128];
};

static bool see_rejected(void *context, const struct store_rejected *rejected)
{
    struct seen_rejected *seen = context;
    if (seen->count < 128)
        seen->sequences[seen->count] = rejected->sequence;
    seen->count++;
    seen->last = *rejected;
    (void)snprintf(seen->detail, sizeof seen->detail, "%.*s", SLICE_ARGS(rejected->detail));
    (void)snprintf(seen->payload, sizeof seen->payload, "%.*s", SLICE_ARGS(rejected->payload));
    (void)snprintf(seen->reason, sizeof seen->reason, "%s", rejected->reason);
    (void)snprintf(seen->sha256, sizeof seen->sha256, "%s", rejected->payload_sha256);
    return true;
}

static struct seen_rejected read_rejected(struct store_fixture *f)
{
    struct seen_rejected seen = {0};
    assert_int_equal(store_read_rejected(fixture_begin(f), NULL, (struct slice){NULL, 0}, 0, see_rejected, &seen, NULL),
                     SG_OK);
    return seen;
}

struct details {
    size_t count;
    char details[8][1024];
};

static bool on_detail(void *context, const struct store_rejected *rejected)
{
    struct details *seen = context;
    assert_true(seen->count < 8);
    (void)snprintf(seen->details[seen->count++], 1024, "%.*s", SLICE_ARGS(rejected->detail));
    return true;
}

/* Oldest first, where reading gives the newest first. */
static void assert_details(struct store_fixture *f, const char *const *details, size_t count)
{
    static struct details seen;
    seen.count = 0;
    assert_int_equal(store_read_rejected(fixture_begin(f), NULL, (struct slice){NULL, 0}, 0, on_detail, &seen, NULL),
                     SG_OK);
    assert_int_equal(seen.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(seen.details[count - 1 - i], details[i]);
}

static void same_version_is_a_duplicate_or_a_recorded_conflict(void **state)
{
    struct store_fixture *f = *state;
    enum event_result result;
    enum event_reason reason;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 2, "{\"n\":2}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(2, "a", 2, "{\"n\":2}")), RESULT_DUPLICATE);
    assert_int_equal(fixture_rejected(f), 0);
    struct event conflict = event_state(3, "a", 2, "{\"n\":3}");
    fixture_apply(f, &conflict, 1, &result, &reason);
    assert_int_equal(result, RESULT_CONFLICT);
    assert_int_equal(reason, REASON_CONFLICT);
    assert_int_equal(fixture_apply_one(f, event_tombstone(4, "a", 2)), RESULT_CONFLICT);
    assert_entity(f, "a", 2, "{\"n\":2}");
    struct seen_rejected seen = read_rejected(f);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.last.sequence, 3);
    assert_int_equal(seen.last.version, 2);
    assert_string_equal(seen.reason, "conflict");
    assert_non_null(strstr(seen.detail, "version 2 stored from sequence 1"));
    uint64_t rejected = 0;
    uint64_t conflicts = 0;
    assert_int_equal(store_read_rejected_count(fixture_begin(f), "ORDERS", &rejected, &conflicts, NULL), SG_OK);
    assert_int_equal(rejected, 2);
    assert_int_equal(conflicts, 2);
}

static void state_against_a_tombstone_of_its_version_is_a_conflict(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(fixture_apply_one(f, event_tombstone(1, "a", 2)), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(2, "a", 2, "{}")), RESULT_CONFLICT);
    assert_entity(f, "a", 2, NULL);
}

static void erase_keeps_the_stored_version(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(fixture_apply_one(f, event_erase(1, "a")), RESULT_IGNORED);
    assert_int_equal(fixture_entities(f), UINT64_MAX); /* nor does it make a collection */
    assert_int_equal(fixture_apply_one(f, event_state(2, "a", 4, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_erase(3, "b")), RESULT_IGNORED);
    assert_int_equal(fixture_apply_one(f, event_erase(4, "a")), RESULT_APPLIED);
    assert_entity(f, "a", 4, NULL);
    assert_int_equal(fixture_entities(f), 0);
    assert_int_equal(fixture_apply_one(f, event_erase(5, "a")), RESULT_DUPLICATE);
    assert_int_equal(fixture_apply_one(f, event_state(6, "a", 4, "{}")), RESULT_CONFLICT);
    assert_int_equal(fixture_apply_one(f, event_state(7, "a", 5, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entities(f), 1);
}

static void ignored_event_only_moves_the_position(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(fixture_apply_one(f, event_ignored(9)), RESULT_IGNORED);
    assert_int_equal(f->stream.position, 9);
    assert_int_equal(f->build.position_time_ns, 9000);
    assert_int_equal(fixture_rejected(f), 0);
}

static void rejected_event_is_recorded_without_its_payload(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(fixture_apply_one(f, event_rejected(3, "a", 8, REASON_BAD_TYPE)), RESULT_REJECTED);
    struct seen_rejected seen = read_rejected(f);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.sequence, 3);
    assert_int_equal(seen.last.time_ns, 3000);
    assert_int_equal(seen.last.version, 8);
    assert_int_equal(seen.last.payload_bytes, 7);
    assert_string_equal(seen.reason, "bad-type");
    assert_string_equal(seen.detail, "what is wrong with it");
    assert_string_equal(seen.payload, "");
    /* printf payload | sha256sum */
    assert_string_equal(seen.sha256, "239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5");
    assert_int_equal(f->stream.position, 3);
}

static void payload_of_a_rejected_event_is_kept_where_asked_for(void **state)
{
    struct store_fixture *f = *state;
    f->options.rejected_payload = true;
    fixture_reopen(f);
    assert_int_equal(fixture_apply_one(f, event_rejected(1, "a", 0, REASON_BAD_TYPE)), RESULT_REJECTED);
    assert_string_equal(read_rejected(f).payload, "payload");
}

static void rejected_rows_are_bounded_and_the_oldest_go(void **state)
{
    struct store_fixture *f = *state;
    struct event events[6];
    enum event_result results[6];
    f->options.rejected_max = 4;
    fixture_reopen(f);
    for (uint64_t i = 0; i < 4; i++)
        events[i] = event_rejected(i + 1, "a", 0, REASON_BAD_JSON);
    fixture_apply(f, events, 4, results, NULL);
    assert_int_equal(fixture_rejected(f), 4);
    assert_int_equal(fixture_apply_one(f, event_rejected(5, "a", 0, REASON_BAD_JSON)), RESULT_REJECTED);
    assert_int_equal(fixture_rejected(f), 4);
    for (uint64_t i = 0; i < 6; i++)
        events[i] = event_rejected(i + 6, "a", 0, REASON_BAD_JSON);
    fixture_apply(f, events, 6, results, NULL);
    struct seen_rejected seen = read_rejected(f);
    assert_int_equal(seen.count, 4);
    assert_int_equal(seen.sequences[0], 11);
    assert_int_equal(seen.sequences[3], 8);
}

static struct event in_collection(struct event event, const char *collection)
{
    event.collection = slice_of(collection);
    return event;
}

static void collection_beyond_the_limit_is_rejected(void **state)
{
    struct store_fixture *f = *state;
    f->options.collections_max = 2;
    fixture_reopen(f);
    struct event events[] = {
        in_collection(event_state(1, "a", 1, "{}"), "one"),   in_collection(event_state(2, "a", 1, "{}"), "two"),
        in_collection(event_state(3, "a", 1, "{}"), "three"), in_collection(event_state(4, "b", 1, "{}"), "one"),
        in_collection(event_erase(5, "a"), "four"),
    };
    enum event_result results[5];
    enum event_reason reasons[5];
    fixture_apply(f, events, 5, results, reasons);
    assert_int_equal(results[1], RESULT_APPLIED);
    assert_int_equal(results[2], RESULT_REJECTED);
    assert_int_equal(reasons[2], REASON_TOO_MANY_COLLECTIONS);
    assert_int_equal(results[3], RESULT_APPLIED);
    assert_int_equal(results[4], RESULT_IGNORED);
    assert_string_equal(read_rejected(f).reason, "too-many-collections");
    fixture_reopen(f); /* and the count is not only in memory */
    assert_int_equal(fixture_apply_one(f, in_collection(event_state(6, "a", 1, "{}"), "three")), RESULT_REJECTED);
    f->options.collections_max = 3;
    fixture_reopen(f);
    assert_int_equal(fixture_apply_one(f, in_collection(event_state(7, "a", 1, "{}"), "three")), RESULT_APPLIED);
}

static void one_id_many_times_in_a_batch_is_folded_in_order(void **state)
{
    struct store_fixture *f = *state;
    struct event events[] = {
        event_state(1, "b", 1, "{\"n\":1}"), event_erase(2, "a"),
        event_state(3, "a", 5, "{\"n\":5}"), event_state(4, "a", 4, "{\"n\":4}"),
        event_state(5, "a", 5, "{\"n\":5}"), event_state(6, "a", 5, "{\"n\":6}"),
        event_tombstone(7, "a", 6),          event_state(8, "a", 7, "{\"n\":7}"),
        event_erase(9, "a"),                 event_state(10, "ab", 1, "{}"),
        event_rejected(11, "z", 1, REASON_BAD_JSON),
    };
    static const enum event_result expected[] = {
        RESULT_APPLIED,   RESULT_IGNORED, RESULT_APPLIED, RESULT_STALE,   RESULT_DUPLICATE, RESULT_CONFLICT,
        RESULT_APPLIED,   RESULT_APPLIED, RESULT_APPLIED, RESULT_APPLIED, RESULT_REJECTED,
    };
    enum event_result results[11];
    fixture_apply(f, events, 11, results, NULL);
    for (size_t i = 0; i < 11; i++)
        assert_int_equal(results[i], expected[i]);
    assert_entity(f, "a", 7, NULL);
    assert_entity(f, "ab", 1, "{}");
    assert_int_equal(fixture_entities(f), 2);
    struct seen_rejected seen = read_rejected(f);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.sequences[0], 11); /* recorded in the order of the stream, shown newest first */
    assert_int_equal(seen.sequences[1], 6);
}

/* An independent fold of the same events, one by one, in plain C. */
struct oracle {
    int64_t version;
    bool deleted;
    uint64_t sequence;
    char state[32];
};

static enum event_result oracle_fold(struct oracle *o, const struct event *e)
{
    bool same;
    if (e->kind == EVENT_ERASE) {
        if (o->version == 0)
            return RESULT_IGNORED;
        if (o->deleted)
            return RESULT_DUPLICATE;
    } else {
        if (e->version < o->version)
            return RESULT_STALE;
        if (e->version == o->version) {
            same = e->kind == EVENT_TOMBSTONE ? o->deleted
                                              : !o->deleted && slice_equal(e->state, slice_of(o->state));
            return same ? RESULT_DUPLICATE : RESULT_CONFLICT;
        }
        o->version = e->version;
    }
    o->deleted = e->kind != EVENT_STATE;
    o->sequence = e->sequence;
    (void)snprintf(o->state, sizeof o->state, "%.*s", SLICE_ARGS(e->state));
    return RESULT_APPLIED;
}

#define RANDOM_IDS 40
#define RANDOM_BATCHES 60
#define RANDOM_BATCH_MAX 50

static struct event random_event(unsigned *seed, uint64_t sequence, char ids[][24], char states[][16])
{
    size_t id = (size_t)rand_r(seed) % RANDOM_IDS;
    size_t kind = (size_t)rand_r(seed) % 10;
    int64_t version = 1 + rand_r(seed) % 30;
    if (kind == 0)
        return event_erase(sequence, ids[id]);
    if (kind <= 2)
        return event_tombstone(sequence, ids[id], version);
    return event_state(sequence, ids[id], version, states[rand_r(seed) % 2]);
}

static void random_batches_give_what_a_plain_fold_gives(void **state)
{
    struct store_fixture *f = *state;
    static struct oracle oracles[RANDOM_IDS];
    char ids[RANDOM_IDS][24];
    char states[2][16] = {"{\"n\":1}", "{\"n\":2}"};
    unsigned seed = 20260131;
    uint64_t sequence = 0;
    memset(oracles, 0, sizeof oracles);
    for (size_t i = 0; i < RANDOM_IDS; i++)
        (void)snprintf(ids[i], sizeof ids[i], i % 2 == 0 ? "customer-%zu" : "%zu", i);
    for (size_t batch = 0; batch < RANDOM_BATCHES; batch++) {
        struct event events[RANDOM_BATCH_MAX];
        enum event_result results[RANDOM_BATCH_MAX];
        size_t count = 1 + (size_t)rand_r(&seed) % RANDOM_BATCH_MAX;
        for (size_t i = 0; i < count; i++)
            events[i] = random_event(&seed, sequence += 1 + (uint64_t)rand_r(&seed) % 3, ids, states);
        fixture_apply(f, events, count, results, NULL);
        for (size_t i = 0; i < count; i++) {
            size_t id = (size_t)strtoul(events[i].id.data + (events[i].id.data[0] == 'c' ? 9 : 0), NULL, 10);
            assert_int_equal(results[i], oracle_fold(&oracles[id], &events[i]));
        }
    }
    uint64_t alive = 0;
    for (size_t i = 0; i < RANDOM_IDS; i++) {
        struct entity entity;
        enum sg_status status = fixture_entity(f, ids[i], &entity);
        assert_int_equal(status, oracles[i].version == 0 ? SG_NOT_FOUND : SG_OK);
        if (status != SG_OK)
            continue;
        assert_int_equal(entity.version, oracles[i].version);
        assert_int_equal(entity.sequence, oracles[i].sequence);
        assert_int_equal(entity.deleted, oracles[i].deleted);
        assert_slice(entity.state, oracles[i].deleted ? "" : oracles[i].state);
        alive += !oracles[i].deleted;
    }
    assert_int_equal(fixture_entities(f), alive);
}

static void failed_batch_changes_nothing(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    struct event events[] = {
        event_state(2, "a", 2, "{}"), in_collection(event_state(3, "a", 1, "{}"), "new"),
        event_rejected(4, "a", 1, REASON_BAD_JSON), event_state(5, "", 1, "{}"), /* a bug: decoded without id */
    };
    enum event_result results[4] = {RESULT_STALE, RESULT_STALE, RESULT_STALE, RESULT_STALE};
    enum event_reason reasons[4];
    uint64_t position = 77;
    enum sg_status status = store_apply(f->writer, f->stream.id, events, 4, NULL, results, reasons, &position, NULL);
    assert_int_equal(status, SG_INVALID);
    assert_int_equal(results[0], RESULT_STALE);
    assert_int_equal(position, 77);
    fixture_reload(f);
    assert_int_equal(f->stream.position, 1);
    assert_entity(f, "a", 1, "{}");
    assert_int_equal(fixture_rejected(f), 0);
    fixture_apply(f, events, 3, results, reasons); /* and what it had in memory is gone as well */
    assert_int_equal(results[1], RESULT_APPLIED);
    assert_int_equal(fixture_rejected(f), 1);
    struct entity entity;
    assert_int_equal(store_read_entity(fixture_begin(f), SLICE_LITERAL("new"), SLICE_LITERAL("a"), &entity, NULL),
                     SG_OK);
}

static void sequence_beyond_the_limit_is_refused(void **state)
{
    struct store_fixture *f = *state;
    struct event event = event_state((uint64_t)INT64_MAX + 1, "a", 1, "{}");
    enum event_result result;
    enum event_reason reason;
    uint64_t position = 0;
    enum sg_status status = store_apply(f->writer, f->stream.id, &event, 1, NULL, &result, &reason, &position, NULL);
    assert_int_equal(status, SG_INVALID);
    event.sequence = INT64_MAX;
    fixture_apply(f, &event, 1, &result, &reason);
    assert_true(f->stream.position == INT64_MAX);
}

static void long_subject_is_not_kept_for_comparison(void **state)
{
    struct store_fixture *f = *state;
    char subject[STREAM_SUBJECT_KEPT_BYTES + 2];
    memset(subject, 's', sizeof subject);
    struct event event = event_state(1, "a", 1, "{}");
    event.subject = (struct slice){subject, STREAM_SUBJECT_KEPT_BYTES};
    assert_int_equal(fixture_apply_one(f, event), RESULT_APPLIED);
    assert_int_equal(strlen(f->build.position_subject), STREAM_SUBJECT_KEPT_BYTES);
    event.sequence = 2;
    event.subject.bytes++;
    assert_int_equal(fixture_apply_one(f, event), RESULT_DUPLICATE);
    assert_string_equal(f->build.position_subject, "");
}

static void sha256_of_nothing_is_known(void **state)
{
    (void)state;
    unsigned char digest[DIGEST_BYTES];
    assert_int_equal(digest_sha256((struct slice){NULL, 0}, digest, NULL), SG_OK);
    static const unsigned char expected[] = {0xe3, 0xb0, 0xc4, 0x42};
    assert_memory_equal(digest, expected, sizeof expected);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

/* ---- patches: what a merge function is given, and may do ---- */

struct merger {
    size_t calls;
    char made[64];
    char base[64];
};

/* Base and patch, joined; a patch of "bad" cannot be applied. */
static enum sg_status join(void *context, struct slice base, const struct event *patch, struct entity_value *out,
                           enum event_reason *reason, struct slice *detail, struct sg_error *err)
{
    struct merger *m = context;
    m->calls++;
    (void)snprintf(m->base, sizeof m->base, "%.*s", SLICE_ARGS(base));
    if (slice_equal(patch->state, SLICE_LITERAL("bad"))) {
        *reason = REASON_TOO_DEEP;
        *detail = SLICE_LITERAL("as a whole it is too deep");
        return sg_fail(err, SG_INVALID, "too deep");
    }
    (void)snprintf(m->made, sizeof m->made, "%s%.*s", m->base, SLICE_ARGS(patch->state));
    out->state = slice_of(m->made);
    return SG_OK;
}

static struct event event_patch(uint64_t sequence, const char *id, int64_t version, const char *patch)
{
    struct event e = event_state(sequence, id, version, patch);
    e.kind = EVENT_PATCH;
    return e;
}

static void assert_state(struct store_fixture *f, const char *id, int64_t version, const char *state)
{
    struct entity entity;
    assert_int_equal(fixture_entity(f, id, &entity), SG_OK);
    assert_int_equal(entity.version, version);
    assert_true(slice_equal(entity.state, slice_of(state)));
}

static void patch_is_merged_into_the_version_before(void **state)
{
    struct store_fixture *f = *state;
    struct merger merger = {0};
    struct store_merge merge = {join, &merger};
    enum event_result results[4];
    enum event_reason reasons[4];
    uint64_t position = 0;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "A")), RESULT_APPLIED);
    struct event one = event_patch(2, "a", 2, "+b");
    assert_int_equal(store_apply(f->writer, f->stream.id, &one, 1, &merge, results, reasons, &position, NULL), SG_OK);
    assert_int_equal(results[0], RESULT_APPLIED);
    assert_string_equal(merger.base, "A"); /* as stored */
    assert_state(f, "a", 2, "A+b");
    const struct event batch[] = {event_state(3, "a", 3, "C"), event_patch(4, "a", 4, "+d"),
                                  event_patch(5, "a", 5, "bad"), event_patch(6, "a", 4, "+x")};
    assert_int_equal(store_apply(f->writer, f->stream.id, batch, 4, &merge, results, reasons, &position, NULL), SG_OK);
    assert_int_equal(results[0], RESULT_APPLIED);
    assert_int_equal(results[1], RESULT_APPLIED);
    assert_int_equal(results[2], RESULT_REJECTED);
    assert_int_equal(reasons[2], REASON_TOO_DEEP);
    assert_int_equal(results[3], RESULT_DUPLICATE);
    assert_int_equal(merger.calls, 3);
    assert_state(f, "a", 4, "C+d"); /* the base was of the same batch */
    assert_int_equal(fixture_rejected(f), 1);
}

static void patch_without_its_base_is_rejected(void **state)
{
    struct store_fixture *f = *state;
    struct merger merger = {0};
    struct store_merge merge = {join, &merger};
    enum event_result results[12];
    enum event_reason reasons[12];
    uint64_t position = 0;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 3, "A")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_state(2, "dead", 1, "D")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_tombstone(3, "dead", 2)), RESULT_APPLIED);
    struct event batch[] = {event_patch(4, "a", 5, "+"), event_patch(5, "new", 2, "+"), event_patch(6, "dead", 3, "+"),
                            event_patch(7, "a", 2, "+"), event_patch(8, "a", 4, "+")};
    batch[4].collection = SLICE_LITERAL("nowhere");
    assert_int_equal(store_apply(f->writer, f->stream.id, batch, 5, &merge, results, reasons, &position, NULL), SG_OK);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(results[i], i == 3 ? RESULT_STALE : RESULT_REJECTED);
        assert_int_equal(reasons[i], i == 3 ? REASON_NONE : REASON_MISSING_BASE);
    }
    assert_int_equal(merger.calls, 0);
    assert_int_equal(position, 8);
    static const char *const details[] = {"version 4 of customers/a, which it patches, is not stored",
                                          "version 1 of customers/new, which it patches, is not stored",
                                          "version 2 of customers/dead, which it patches, is not stored",
                                          "version 3 of nowhere/a, which it patches, is not stored"};
    assert_details(f, details, 4);
    assert_int_equal(fixture_rejected(f), 4);
    struct store_collection nowhere;
    assert_int_equal(store_read_collection(fixture_begin(f), SLICE_LITERAL("nowhere"), &nowhere, NULL), SG_NOT_FOUND);
}

/* A name and an id of the largest size, of two bytes a character: the detail is cut, between characters. */
static void detail_of_a_missing_base_is_bounded(void **state)
{
    struct store_fixture *f = *state;
    struct merger merger = {0};
    struct store_merge merge = {join, &merger};
    char id[EVENT_ID_BYTES_MAX];
    char collection[EVENT_COLLECTION_BYTES_MAX];
    enum event_result results[2];
    enum event_reason reasons[2];
    uint64_t position = 0;
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = i % 2 == 0 ? '\xc3' : '\xa4';
    memcpy(collection, id, sizeof collection);
    struct event batch[] = {event_patch(1, "a", INT64_MAX, "+"), event_patch(2, "a", 1, "+")};
    batch[0].id = batch[1].id = (struct slice){id, sizeof id};
    batch[0].collection = batch[1].collection = (struct slice){collection, sizeof collection};
    assert_int_equal(store_apply(f->writer, f->stream.id, batch, 2, &merge, results, reasons, &position, NULL), SG_OK);
    struct details seen = {0};
    assert_int_equal(store_read_rejected(fixture_begin(f), NULL, (struct slice){NULL, 0}, 0, on_detail, &seen, NULL),
                     SG_OK);
    assert_int_equal(seen.count, 2);
    for (size_t i = 0; i < seen.count; i++) {
        assert_in_range(strlen(seen.details[i]), EVENT_TEXT_BYTES_MAX - 1, EVENT_TEXT_BYTES_MAX);
        assert_true(utf8_valid(slice_of(seen.details[i])));
    }
}

/* A tombstone's content is known: a patch at its version has other. */
static void patch_at_a_tombstones_version_is_a_conflict(void **state)
{
    struct store_fixture *f = *state;
    struct merger merger = {0};
    struct store_merge merge = {join, &merger};
    enum event_result results[3];
    enum event_reason reasons[3];
    uint64_t position = 0;
    assert_int_equal(fixture_apply_one(f, event_state(1, "dead", 1, "D")), RESULT_APPLIED);
    assert_int_equal(fixture_apply_one(f, event_tombstone(2, "dead", 2)), RESULT_APPLIED);
    const struct event batch[] = {event_patch(3, "dead", 2, "+"), event_patch(4, "dead", 1, "+"),
                                  event_tombstone(5, "dead", 2)};
    assert_int_equal(store_apply(f->writer, f->stream.id, batch, 3, &merge, results, reasons, &position, NULL), SG_OK);
    assert_int_equal(results[0], RESULT_CONFLICT);
    assert_int_equal(reasons[0], REASON_CONFLICT);
    assert_int_equal(results[1], RESULT_STALE);
    assert_int_equal(results[2], RESULT_DUPLICATE);
    assert_int_equal(merger.calls, 0);
    static const char *const details[] = {"version 2 stored from sequence 2 has other content"};
    assert_details(f, details, 1);
    struct entity entity;
    assert_int_equal(fixture_entity(f, "dead", &entity), SG_OK);
    assert_true(entity.deleted);
}

static void patch_is_unsupported_without_a_merge_function(void **state)
{
    struct store_fixture *f = *state;
    enum event_result result;
    enum event_reason reason;
    uint64_t position = 0;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "A")), RESULT_APPLIED);
    struct event patch = event_patch(2, "a", 2, "+");
    assert_int_equal(store_apply(f->writer, f->stream.id, &patch, 1, NULL, &result, &reason, &position, NULL), SG_OK);
    assert_int_equal(result, RESULT_REJECTED);
    assert_int_equal(reason, REASON_UNSUPPORTED);
    assert_state(f, "a", 1, "A");
    patch = event_patch(3, "a", 1, "+");
    patch.collection = SLICE_LITERAL("nowhere");
    assert_int_equal(store_apply(f->writer, f->stream.id, &patch, 1, NULL, &result, &reason, &position, NULL), SG_OK);
    assert_int_equal(reason, REASON_UNSUPPORTED);
    static const char *const details[] = {"patches are not merged on this stream",
                                          "patches are not merged on this stream"};
    assert_details(f, details, 2);
}

/* A merge function that fails otherwise ends the batch, and nothing has changed. */
static enum sg_status merge_fails(void *context, struct slice base, const struct event *patch,
                                  struct entity_value *out, enum event_reason *reason, struct slice *detail,
                                  struct sg_error *err)
{
    (void)context;
    (void)base;
    (void)patch;
    (void)out;
    (void)reason;
    (void)detail;
    return sg_fail(err, SG_MEMORY, "out of memory");
}

static void failed_merge_changes_nothing(void **state)
{
    struct store_fixture *f = *state;
    struct store_merge merge = {merge_fails, NULL};
    enum event_result results[2];
    enum event_reason reasons[2];
    uint64_t position = 0;
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "A")), RESULT_APPLIED);
    const struct event batch[] = {event_state(2, "b", 1, "B"), event_patch(3, "a", 2, "+")};
    enum sg_status status = store_apply(f->writer, f->stream.id, batch, 2, &merge, results, reasons, &position, NULL);
    assert_int_equal(status, SG_MEMORY);
    assert_state(f, "a", 1, "A");
    assert_int_equal(fixture_apply_one(f, event_state(2, "b", 1, "B")), RESULT_APPLIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(patch_is_merged_into_the_version_before),
        STORE_TEST(patch_without_its_base_is_rejected),
        STORE_TEST(detail_of_a_missing_base_is_bounded),
        STORE_TEST(patch_at_a_tombstones_version_is_a_conflict),
        STORE_TEST(patch_is_unsupported_without_a_merge_function),
        STORE_TEST(failed_merge_changes_nothing),
        STORE_TEST(higher_version_is_applied),
        STORE_TEST(redelivered_event_changes_nothing),
        STORE_TEST(lower_version_is_stale_also_below_a_tombstone),
        STORE_TEST(tombstone_keeps_its_version_and_a_higher_one_revives),
        STORE_TEST(same_version_is_a_duplicate_or_a_recorded_conflict),
        STORE_TEST(state_against_a_tombstone_of_its_version_is_a_conflict),
        STORE_TEST(erase_keeps_the_stored_version),
        STORE_TEST(ignored_event_only_moves_the_position),
        STORE_TEST(rejected_event_is_recorded_without_its_payload),
        STORE_TEST(payload_of_a_rejected_event_is_kept_where_asked_for),
        STORE_TEST(rejected_rows_are_bounded_and_the_oldest_go),
        STORE_TEST(collection_beyond_the_limit_is_rejected),
        STORE_TEST(one_id_many_times_in_a_batch_is_folded_in_order),
        STORE_TEST(random_batches_give_what_a_plain_fold_gives),
        STORE_TEST(failed_batch_changes_nothing),
        STORE_TEST(sequence_beyond_the_limit_is_refused),
        STORE_TEST(long_subject_is_not_kept_for_comparison),
        cmocka_unit_test(sha256_of_nothing_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
