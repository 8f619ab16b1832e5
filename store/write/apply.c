/* Applying a batch: each event's outcome, the rows, what was rejected, and the position, in one transaction.
 *
 *   1. classify, in order of sequence: redelivered, ignored, rejected, or an event of a row in a collection
 *   2. sort the events of rows by (collection, id): outcomes of one id do not depend on another, and neighbours in the
 *      index are then visited one after the other
 *   3. fold the events of each id over its stored row, and write what it came to once
 *   4. record, in order of sequence, what was rejected; then the collections' counts and the stream's position
 *   5. take what changes out of the cache, commit, and publish to the readers */
#include "store/write/apply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/tables/collections.h"
#include "store/tables/entity_gaps.h"
#include "store/tables/entity_rejections.h"
#include "store/tables/rejected.h"
#include "store/write/build.h"
#include "store/write/bulk.h"
#include "store/write/fields.h"
#include "store/write/fold.h"
#include "store/write/transaction.h"

#define WHAT "apply events"
#define BULK_GROUPS_MIN 8 /* for fewer ids a statement each costs less */
/* A sentence with a collection and an id; what is stored of it is cut to EVENT_TEXT_BYTES_MAX. */
#define DETAIL_BYTES (EVENT_COLLECTION_BYTES_MAX + EVENT_ID_BYTES_MAX + 128)

/* One event of a row, to be sorted. */
struct work {
    struct collection_name *collection;
    uint64_t prefix; /* first bytes of the id, so that most comparisons end here */
    size_t index;    /* into events and outcomes */
};

struct store_scratch {
    struct fold_outcome *outcomes; /* owned */
    struct work *works;            /* owned */
    struct store_group *groups;    /* owned */
    size_t capacity;
    struct store_bulk bulk;
    bool rows_expected; /* the id before was stored: group_apply's guess */
};

struct batch {
    struct store_writer *w;
    const struct event *events;
    size_t events_count;
    struct fold_outcome *outcomes;
    struct work *works;
    size_t works_count;
    struct store_group *groups;
    size_t groups_count;
    struct build build;
    uint64_t position;
    const struct event *last; /* the event at the position; NULL = all were redelivered */
    const struct store_merge *merge; /* borrowed; NULL = none */
    bool patched;             /* there are patches, for which nothing may be guessed */
    bool recorded;            /* something is to be recorded as rejected */
    bool rows_changed;
    bool passed;              /* sequences were passed over */
};

/* ---- memory, kept from batch to batch ---- */

void store_scratch_free(struct store_scratch *scratch)
{
    if (scratch == NULL)
        return;
    free(scratch->outcomes);
    free(scratch->works);
    free(scratch->groups);
    free(scratch);
}

/* Room for a batch of so many events: that of the largest one so far is kept. */
static enum sg_status scratch_reserve(struct store_writer *w, size_t count, struct sg_error *err)
{
    if (w->scratch == NULL)
        w->scratch = calloc(1, sizeof *w->scratch);
    struct store_scratch *scratch = w->scratch;
    if (scratch == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    if (scratch->capacity >= count)
        return SG_OK;
    struct fold_outcome *outcomes = calloc(count, sizeof *outcomes);
    struct work *works = calloc(count, sizeof *works);
    struct store_group *groups = calloc(count, sizeof *groups);
    if (outcomes == NULL || works == NULL || groups == NULL) {
        free(outcomes);
        free(works);
        free(groups);
        return sg_fail(err, SG_MEMORY, "out of memory");
    }
    free(scratch->outcomes);
    free(scratch->works);
    free(scratch->groups);
    scratch->outcomes = outcomes;
    scratch->works = works;
    scratch->groups = groups;
    scratch->capacity = count;
    return SG_OK;
}

/* ---- 1. classify ---- */

static uint64_t id_prefix(struct slice id)
{
    uint64_t prefix = 0;
    for (size_t i = 0; i < sizeof prefix; i++)
        prefix = prefix << 8 | (i < id.bytes ? (unsigned char)id.data[i] : 0u);
    return prefix;
}

/* Within the limit; `*out` stays NULL where there are as many as there may be. */
static enum sg_status collection_create(struct batch *b, struct slice name, struct collection_name **out,
                                        struct sg_error *err)
{
    struct store_writer *w = b->w;
    enum sg_status status = SG_OK;
    if (w->collections_count < 0)
        status = store_collections_count(&w->c, &w->collections_count, err);
    if (status != SG_OK || (uint64_t)w->collections_count >= w->collections_max)
        return status;
    status = store_collections_create(&w->c, &w->collections, &b->build, w->collections_last + 1, name, out, err);
    if (status != SG_OK)
        return status;
    w->collections_last++; /* also where it is rolled back */
    w->collections_count++;
    return store_fields_open(w, &b->build, *out, err);
}

static enum sg_status classify_row(struct batch *b, size_t index, struct sg_error *err)
{
    const struct event *e = &b->events[index];
    struct fold_outcome *o = &b->outcomes[index];
    struct collection_name *collection = NULL;
    if (e->collection.bytes == 0 || e->id.bytes == 0 || (e->kind != EVENT_ERASE && e->version <= 0))
        return sg_fail(err, SG_INVALID, "event %" PRIu64 " was decoded without collection, id or version", e->sequence);
    enum sg_status status = store_fields_find(b->w, &b->build, e->collection, &collection, err);
    b->patched |= e->kind == EVENT_PATCH;
    if (status == SG_OK && collection == NULL && e->kind != EVENT_ERASE && e->kind != EVENT_PATCH)
        status = collection_create(b, e->collection, &collection, err);
    if (status != SG_OK)
        return status;
    if (collection != NULL) {
        b->works[b->works_count++] = (struct work){collection, id_prefix(e->id), index};
    } else if (e->kind == EVENT_ERASE) {
        o->result = RESULT_IGNORED; /* nothing to erase */
    } else if (e->kind == EVENT_PATCH) {
        o->result = RESULT_REJECTED; /* nothing to patch */
        o->reason = b->merge != NULL ? REASON_MISSING_BASE : REASON_UNSUPPORTED;
        o->detail = b->merge != NULL ? (struct slice){0} : SLICE_LITERAL(FOLD_UNSUPPORTED);
        b->recorded = true;
    } else {
        o->result = RESULT_REJECTED;
        o->reason = REASON_TOO_MANY_COLLECTIONS;
        b->recorded = true;
    }
    return SG_OK;
}

/* So that forget_rejected finds it. */
static enum sg_status know_collection(struct batch *b, const struct event *e, struct sg_error *err)
{
    struct collection_name *ignored = NULL;
    if (e->collection.bytes == 0 || e->id.bytes == 0)
        return SG_OK;
    return store_fields_find(b->w, &b->build, e->collection, &ignored, err);
}

static enum sg_status classify(struct batch *b, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < b->events_count; i++) {
        const struct event *e = &b->events[i];
        struct fold_outcome *o = &b->outcomes[i];
        *o = (struct fold_outcome){.result = RESULT_REDELIVERED, .reason = REASON_NONE};
        if (e->sequence > INT64_MAX)
            return sg_fail(err, SG_INVALID, "sequence %" PRIu64 " is beyond 2^63-1", e->sequence);
        if (e->sequence <= b->position)
            continue;
        if (e->sequence != b->position + 1) {
            build_pass(&b->build, b->position + 1, e->sequence - 1);
            b->passed = true;
        }
        b->position = e->sequence;
        b->last = e;
        switch (e->kind) {
        case EVENT_IGNORED:
            o->result = RESULT_IGNORED;
            break;
        case EVENT_REJECTED:
            o->result = RESULT_REJECTED;
            o->reason = e->reason;
            b->recorded = true;
            status = know_collection(b, e, err);
            break;
        case EVENT_STATE:
        case EVENT_PATCH:
        case EVENT_TOMBSTONE:
        case EVENT_ERASE:
            status = classify_row(b, i, err);
            break;
        }
    }
    return status;
}

/* ---- 2. sort ---- */

static int id_compare(struct slice a, struct slice b)
{
    size_t common = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order = memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int work_compare(const void *left, const void *right, void *context)
{
    const struct work *a = left;
    const struct work *b = right;
    const struct event *events = context;
    if (a->collection != b->collection)
        return a->collection->id < b->collection->id ? -1 : 1;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    int order = id_compare(events[a->index].id, events[b->index].id);
    if (order != 0)
        return order;
    return (a->index > b->index) - (a->index < b->index);
}

static void works_sort(struct batch *b)
{
    void *events = (void *)(uintptr_t)b->events; /* only read */
    for (size_t i = 1; i < b->works_count; i++) {
        if (work_compare(&b->works[i - 1], &b->works[i], events) > 0) {
            qsort_r(b->works, b->works_count, sizeof b->works[0], work_compare, events);
            return;
        }
    }
}

/* ---- 3. fold and write ---- */

/* Fold a group's events over its row. */
static enum sg_status group_fold(struct batch *b, struct store_group *g, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    g->row.changed = false;
    for (size_t i = g->first; status == SG_OK && i < g->end; i++) {
        struct fold_outcome *o = &b->outcomes[b->works[i].index];
        status = fold_event(&b->w->c, &g->row, &b->events[b->works[i].index], b->merge, o, err);
        if (o->result == RESULT_CONFLICT || o->result == RESULT_REJECTED)
            b->recorded = true;
    }
    return status;
}

/* What was kept of rejected events of the id ends, unless it is above what is stored now. Nothing is looked for while
 * nothing is kept at all. */
static enum sg_status end_rejections(struct store_writer *w, const struct store_group *g, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    bool any = false;
    bool ended = false;
    if (w->rejections_kept == REJECTIONS_KEPT_UNKNOWN) {
        status = store_entity_rejections_any(&w->c, &any, err);
        if (status == SG_OK)
            w->rejections_kept = any ? REJECTIONS_KEPT_SOME : REJECTIONS_KEPT_NONE;
    }
    if (status == SG_OK && w->rejections_kept == REJECTIONS_KEPT_SOME)
        status = store_entity_rejections_end(&w->c, g->collection->id, g->id, g->row.value.version, &ended, err);
    if (ended)
        w->rejections_kept = REJECTIONS_KEPT_UNKNOWN; /* it may have been the last one */
    return status;
}

/* What is stored now, in the place of what was. */
static enum sg_status group_count(struct batch *b, const struct store_group *g, bool was_alive, bool was_tombstone,
                                  struct sg_error *err)
{
    b->rows_changed = true;
    collection_names_change(&b->w->collections, g->collection);
    g->collection->counted |= g->row.value.deleted || !was_alive;
    g->collection->entities_delta += (g->row.value.deleted ? 0 : 1) - (was_alive ? 1 : 0);
    g->collection->tombstones += (g->row.value.deleted ? 1 : 0) - (was_tombstone ? 1 : 0);
    if (g->row.value.sequence > g->collection->position)
        g->collection->position = g->row.value.sequence;
    enum sg_status status = end_rejections(b->w, g, err);
    if (status == SG_OK && g->collection->gaps > 0)
        status = store_entity_gap_end(&b->w->c, g->collection, g->id, err);
    return status;
}

/* The declared fields of what is stored now. `number`: of the row that was deleted or inserted; of one that was updated
 * it need not be known. */
static enum sg_status group_fields(const struct store_group *g, bool was_alive, int64_t number, struct sg_error *err)
{
    const struct entity_value *v = &g->row.value;
    if (v->deleted)
        return was_alive ? store_fields_remove(g->collection, number, err) : SG_OK;
    return was_alive ? store_fields_update(g->collection, g->id, v->fields, err)
                     : store_fields_insert(g->collection, number, g->id, v->fields, err);
}

static enum sg_status group_look_up(struct batch *b, struct store_group *g, struct sg_error *err)
{
    struct store_connection *c = &b->w->c;
    bool has_tombstones = g->collection->tombstones > 0;
    enum sg_status status = store_entities_find(c, g->collection->id, has_tombstones, g->id, &g->row.stored, err);
    struct entity_row found = g->row.stored;
    bool was_alive = found.number != 0 && !found.deleted;
    b->w->scratch->rows_expected = was_alive;
    if (status == SG_OK)
        status = group_fold(b, g, err);
    if (status == SG_OK && g->row.changed)
        status = store_entities_write(c, g->collection->id, g->id, &found, &g->row.value, err);
    if (status == SG_OK && g->row.changed && g->collection->fields != NULL)
        status = group_fields(g, was_alive, was_alive ? found.number : sqlite3_last_insert_rowid(c->db), err);
    if (status != SG_OK || !g->row.changed)
        return status;
    g->collection->gone -= found.gone ? 1 : 0;
    return group_count(b, g, was_alive, found.deleted, err);
}

/* May the guess be made? Of what is deleted, or may be, more is to be known. */
static bool group_guess(const struct batch *b, const struct store_group *g, bool alive)
{
    const struct event *e = &b->events[b->works[g->first].index];
    return g->end - g->first == 1 && e->kind == EVENT_STATE && (alive || g->collection->tombstones == 0);
}

/* First a guess, by what the id before turned out to be, that takes one statement: the id is new (while the store is
 * filled), or it is stored, alive and older (afterwards). The statement itself refuses where the guess is wrong; then
 * the row is looked up. */
static enum sg_status group_apply(struct batch *b, struct store_group *g, struct sg_error *err)
{
    struct store_connection *c = &b->w->c;
    bool alive = b->w->scratch->rows_expected;
    enum sg_status status = SG_OK;
    if (group_guess(b, g, alive))
        status = group_fold(b, g, err);
    if (status == SG_OK && g->row.changed)
        status = alive ? store_entities_replace(c, g->collection->id, g->id, &g->row.value, &g->written, err)
                       : store_entities_insert(c, g->collection->id, g->id, &g->row.value, &g->written, err);
    if (status == SG_OK && g->written && g->collection->fields != NULL)
        status = group_fields(g, alive, sqlite3_last_insert_rowid(c->db), err);
    if (status == SG_OK && g->written)
        status = group_count(b, g, alive, false, err);
    else if (status == SG_OK)
        status = group_look_up(b, g, err);
    return status;
}

/* The guess that all ids are new, made for the whole batch: one statement inserts those for which it is right. */
static enum sg_status groups_insert(struct batch *b, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < b->groups_count; i++)
        status = group_fold(b, &b->groups[i], err);
    if (status == SG_OK)
        status = store_bulk_insert(&b->w->c, &b->w->scratch->bulk, b->groups, b->groups_count, err);
    if (status == SG_OK && b->w->fields.open != NULL)
        status = store_fields_insert_groups(b->w, b->groups, b->groups_count, err);
    for (size_t i = 0; status == SG_OK && i < b->groups_count; i++) {
        if (b->groups[i].written)
            status = group_count(b, &b->groups[i], false, false, err);
        else
            status = group_look_up(b, &b->groups[i], err);
    }
    return status;
}

static bool works_same_id(const struct batch *b, const struct work *x, const struct work *y)
{
    return x->collection == y->collection && x->prefix == y->prefix &&
           slice_equal(b->events[x->index].id, b->events[y->index].id);
}

static void groups_find(struct batch *b)
{
    for (size_t first = 0, end; first < b->works_count; first = end) {
        for (end = first + 1; end < b->works_count && works_same_id(b, &b->works[first], &b->works[end]);)
            end++;
        struct store_group *g = &b->groups[b->groups_count++];
        g->collection = b->works[first].collection;
        g->id = b->events[b->works[first].index].id;
        g->first = first;
        g->end = end;
        g->written = false;
        g->row.changed = false;
        g->row.stored = (struct entity_row){0};
    }
}

static enum sg_status apply_rows(struct batch *b, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    works_sort(b);
    groups_find(b);
    if (b->groups_count >= BULK_GROUPS_MIN && !b->w->scratch->rows_expected && !b->patched)
        return groups_insert(b, err);
    for (size_t i = 0; status == SG_OK && i < b->groups_count; i++)
        status = group_apply(b, &b->groups[i], err);
    return status;
}

/* ---- 4. record ---- */

void store_set_rejected_max(struct store_writer *w, size_t rows)
{
    w->rejected_max = rows;
}

/* Delete the oldest beyond the limit; what an answer says of their entities stays. */
static enum sg_status trim_rejected(struct store_writer *w, struct sg_error *err)
{
    enum sg_status status = w->rejected_count < 0 ? store_rejected_count(&w->c, &w->rejected_count, err) : SG_OK;
    int64_t excess = w->rejected_count - (int64_t)w->rejected_max;
    if (status != SG_OK || excess <= 0)
        return status;
    bool kept = false;
    status = store_entity_rejections_keep(&w->c, excess, &kept, err);
    if (kept)
        w->rejections_kept = REJECTIONS_KEPT_SOME;
    if (status == SG_OK)
        status = store_rejected_trim(&w->c, excess, err);
    if (status == SG_OK)
        w->rejected_count -= excess;
    return status;
}

/* What was met is said here, as the fold does not know the names. The bytes of `text` are those of the result. */
static struct slice detail_of(const struct batch *b, const struct event *e, const struct fold_outcome *o,
                              char text[DETAIL_BYTES])
{
    text[0] = '\0';
    if (o->reason == REASON_CONFLICT)
        (void)snprintf(text, DETAIL_BYTES, "version %" PRId64 " stored from sequence %" PRIu64 " has other content",
                       e->version, o->stored_sequence);
    else if (o->reason == REASON_TOO_MANY_COLLECTIONS)
        (void)snprintf(text, DETAIL_BYTES, "there are %zu collections already, as many as may be",
                       b->w->collections_max);
    else if (o->reason == REASON_MISSING_BASE && e->version > 1)
        (void)snprintf(text, DETAIL_BYTES, "version %" PRId64 " of %.*s/%.*s, which it patches, is not stored",
                       e->version - 1, SLICE_ARGS(e->collection), SLICE_ARGS(e->id));
    else if (o->reason == REASON_MISSING_BASE)
        (void)snprintf(text, DETAIL_BYTES, "a patch cannot be version 1 of %.*s/%.*s", SLICE_ARGS(e->collection),
                       SLICE_ARGS(e->id));
    if (text[0] != '\0')
        return slice_of(text);
    return e->kind == EVENT_PATCH ? o->detail : e->detail;
}

static enum sg_status record_rejected(struct batch *b, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < b->events_count; i++) {
        const struct event *e = &b->events[i];
        const struct fold_outcome *o = &b->outcomes[i];
        char text[DETAIL_BYTES];
        if (o->result != RESULT_REJECTED && o->result != RESULT_CONFLICT)
            continue;
        status = store_rejected_insert(&b->w->c, &b->build, e, o->reason, detail_of(b, e, o, text),
                                       b->w->rejected_payload, err);
        if (b->w->rejected_count >= 0)
            b->w->rejected_count++;
    }
    return status == SG_OK ? trim_rejected(b->w, err) : status;
}

static enum sg_status write_position(struct batch *b, struct sg_error *err)
{
    bool keep_subject = b->last->subject.bytes <= STREAM_SUBJECT_KEPT_BYTES && b->last->subject.bytes > 0;
    if (b->build.is_next || b->build.position < b->build.target) {
        b->w->changes = SERVED_ANYTHING; /* how far it has come, and whether it is whole */
    } else if (b->w->changes == SERVED_NOTHING) {
        b->w->changes = SERVED_POSITION;
        b->w->moved_stream = b->build.stream;
        b->w->moved_position = b->position;
        b->w->moved_settled = position_settled(b->position, &b->build.hole);
    }
    if (b->passed) {
        enum sg_status status = store_build_write_hole(b->w, &b->build, err);
        if (status != SG_OK)
            return status;
    }
    return store_build_move(b->w, &b->build, b->position, b->last->time_ns,
                            keep_subject ? b->last->subject : (struct slice){NULL, 0}, b->rows_changed, err);
}

/* Everything between BEGIN and COMMIT. */
static enum sg_status batch_run(struct batch *b, int64_t stream_id, struct sg_error *err)
{
    enum sg_status status = store_build_load(b->w, stream_id, &b->build, err);
    if (status != SG_OK)
        return status;
    b->position = b->build.position;
    status = store_fields_settle(b->w, err);
    if (status == SG_OK)
        status = classify(b, err);
    if (status == SG_OK)
        status = apply_rows(b, err);
    if (status == SG_OK && b->recorded)
        status = record_rejected(b, err);
    if (status == SG_OK)
        status = store_build_write_counts(b->w, &b->build, err);
    if (status == SG_OK && b->last != NULL)
        status = write_position(b, err);
    return status;
}

/* ---- 5. publish ---- */

static void forget_rejected(const struct batch *b, const struct event *e)
{
    const struct collection_name *collection =
        collection_names_find(&b->w->collections, b->build.stream, b->build.build, e->collection);
    if (collection != NULL && e->id.bytes > 0)
        row_cache_forget(b->w->shared->cache, collection->id, e->id);
}

/* Rows that change, or of which an event was rejected, leave the cache; those of the next build are not in it. */
static void forget_changed(const struct batch *b)
{
    struct store_writer *w = b->w;
    if (w->shared == NULL || w->shared->cache == NULL || b->build.is_next)
        return;
    commit_clock_begin(w->shared); /* first: no fill follows */
    for (size_t i = 0; i < b->works_count; i++) {
        const struct work *work = &b->works[i];
        if (b->outcomes[work->index].result == RESULT_APPLIED)
            row_cache_forget(w->shared->cache, work->collection->id, b->events[work->index].id);
    }
    for (size_t i = 0; b->recorded && i < b->events_count; i++) {
        if (b->outcomes[i].result == RESULT_REJECTED)
            forget_rejected(b, &b->events[i]);
    }
}

enum sg_status store_apply(struct store_writer *w, int64_t stream_id, const struct event *events, size_t events_count,
                           const struct store_merge *merge, enum event_result *results, enum event_reason *reasons,
                           uint64_t *position, struct sg_error *err)
{
    enum sg_status status = scratch_reserve(w, events_count, err);
    if (status == SG_OK)
        status = store_room(w, err);
    store_pages_for(w, events_count);
    if (status == SG_OK)
        status = store_begin(w, err);
    if (status != SG_OK)
        return status;
    struct batch b = {.w = w, .events = events, .events_count = events_count, .merge = merge,
                      .outcomes = w->scratch->outcomes, .works = w->scratch->works,
                      .groups = w->scratch->groups};
    w->changes = SERVED_NOTHING;
    status = batch_run(&b, stream_id, err);
    if (status == SG_OK)
        forget_changed(&b);
    status = store_end(w, status, err);
    if (status != SG_OK)
        return status;
    for (size_t i = 0; i < events_count; i++) {
        results[i] = b.outcomes[i].result;
        reasons[i] = b.outcomes[i].reason;
    }
    *position = b.position;
    w->applied_hole = b.build.hole;
    return SG_OK;
}

struct hole store_applied_hole(const struct store_writer *w)
{
    return w->applied_hole;
}
