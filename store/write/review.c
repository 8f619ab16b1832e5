/* Looking at all entities of a build: which of them have a gap, and which are gone.
 *
 * A chunk is a range of the rows' numbers, read as the table lies in the file. What is to be written is noted while it
 * is read, and written afterwards in the same transaction; one without results writes nothing. */
#include <stdlib.h>

#include "core/base/buffer.h"
#include "store/tables/collections.h"
#include "store/tables/entities.h"
#include "store/tables/entity_gaps.h"
#include "store/tables/rejected.h"
#include "store/tables/tombstones.h"
#include "store/write/build.h"
#include "store/write/fields.h"
#include "store/write/transaction.h"

#define WHAT "review the entities"
#define IDS_BYTES_MAX (64u << 20) /* of a chunk: far more than its ids can have */

enum { COLUMN_COLLECTION, COLUMN_NAME, COLUMN_ID, COLUMN_NUMBER, COLUMN_VERSION, COLUMN_SEQUENCE, COLUMN_GONE };

/* One row with a result. Its texts are in the chunk's buffer. */
struct noted {
    enum store_review_result result;
    struct entity_row row;
    size_t name_at, name_bytes;
    size_t id_at, id_bytes;
};

struct chunk {
    struct store_writer *w;
    struct store_review *review;
    struct build build;
    struct noted *noted; /* owned; room for one per row */
    size_t noted_count;
    int64_t made_in; /* the collection that had its last tombstone made here; 0 = none */
    struct buffer texts;
};

static struct slice chunk_text(const struct chunk *k, size_t at, size_t bytes)
{
    return (struct slice){k->texts.data + at, bytes};
}

/* ---- reading ---- */

static void note(struct chunk *k, const struct store_reviewed *entity, const struct entity_row *row,
                 enum store_review_result result)
{
    struct noted *n = &k->noted[k->noted_count++];
    *n = (struct noted){.result = result, .row = *row, .name_at = k->texts.bytes,
                        .name_bytes = entity->collection.bytes};
    buffer_append_slice(&k->texts, entity->collection);
    n->id_at = k->texts.bytes;
    n->id_bytes = entity->id.bytes;
    buffer_append_slice(&k->texts, entity->id);
}

static void review_row(struct chunk *k, sqlite3_stmt *s)
{
    struct entity_row row = {.number = sqlite3_column_int64(s, COLUMN_NUMBER),
                             .version = sqlite3_column_int64(s, COLUMN_VERSION),
                             .sequence = (uint64_t)sqlite3_column_int64(s, COLUMN_SEQUENCE),
                             .deleted = k->review->tombstones,
                             .gone = sqlite3_column_int64(s, COLUMN_GONE) != 0};
    struct store_reviewed entity = {.collection = store_column_slice(s, COLUMN_NAME),
                                    .id = store_column_slice(s, COLUMN_ID),
                                    .sequence = row.sequence,
                                    .deleted = row.deleted};
    enum store_review_result result = k->review->review(k->review->context, &entity);
    if (result == REVIEW_GAP || (result == REVIEW_GONE && !row.gone))
        note(k, &entity, &row, result);
}

static enum sg_status read_rows(struct chunk *k, int64_t last, struct sg_error *err)
{
    struct store_connection *c = &k->w->c;
    sqlite3_stmt *s = store_statement(c, k->review->tombstones ? SQL_TOMBSTONE_REVIEW : SQL_ENTITY_REVIEW);
    int bound = sqlite3_bind_int64(s, 1, k->build.stream);
    bound |= sqlite3_bind_int64(s, 2, k->build.build);
    bound |= sqlite3_bind_int64(s, 3, k->review->number);
    bound |= sqlite3_bind_int64(s, 4, last);
    enum sg_status status;
    while ((status = store_step(c, s, bound, WHAT, err)) == SG_OK)
        review_row(k, s);
    (void)sqlite3_reset(s);
    if (status == SG_NOT_FOUND)
        status = k->texts.failed ? sg_fail(err, SG_MEMORY, "out of memory to review the entities") : SG_OK;
    return status;
}

/* ---- writing ---- */

static enum sg_status set_gone(struct store_connection *c, struct collection_name *collection, struct slice id,
                               struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_TOMBSTONE_SET_GONE);
    int bound = sqlite3_bind_int64(s, 1, collection->id);
    bound |= store_bind_slice(s, 2, id, SIZE_MAX);
    enum sg_status status = store_run(c, s, bound, WHAT, err);
    if (status == SG_OK)
        collection->gone += sqlite3_changes(c->db);
    return status;
}

/* A tombstone in the place of what is alive, at the version that it has. */
static enum sg_status delete_alive(struct chunk *k, const struct noted *n, struct collection_name *collection,
                                   struct slice id, struct sg_error *err)
{
    struct entity_value value = {.version = n->row.version, .deleted = true, .sequence = k->review->head};
    enum sg_status status = store_entities_write(&k->w->c, collection->id, id, &n->row, &value, err);
    if (status == SG_OK && collection->fields != NULL)
        status = store_fields_remove(collection, n->row.number, err);
    if (status != SG_OK)
        return status;
    collection->entities_delta--;
    collection->tombstones++;
    k->review->deleted_count++;
    if (k->made_in == collection->id)
        return SG_OK;
    k->made_in = collection->id;
    return store_tombstones_made(&k->w->c, collection->id, k->review->head, err);
}

static enum sg_status write_one(struct chunk *k, const struct noted *n, struct sg_error *err)
{
    struct collection_name *collection = NULL;
    struct slice id = chunk_text(k, n->id_at, n->id_bytes);
    enum sg_status status =
        store_fields_find(k->w, &k->build, chunk_text(k, n->name_at, n->name_bytes), &collection, err);
    if (status == SG_OK && collection == NULL)
        status = store_fail(&k->w->c, SQLITE_CORRUPT, WHAT, err); /* the row was joined to it */
    if (status != SG_OK)
        return status;
    /* So that what changed of the collection is written, and pages of it are seen to be others. */
    collection_names_change(&k->w->collections, collection);
    collection->counted = true;
    if (k->review->head > collection->position)
        collection->position = k->review->head;
    if (n->result == REVIEW_GAP) {
        k->review->gaps_count++;
        uint64_t last = k->review->gap_last > n->row.sequence ? k->review->gap_last : n->row.sequence;
        return store_entity_gap_add(&k->w->c, collection, id, last, err);
    }
    if (!n->row.deleted)
        status = delete_alive(k, n, collection, id, err);
    if (status == SG_OK && !n->row.deleted && collection->gaps > 0)
        status = store_entity_gap_end(&k->w->c, collection, id, err);
    return status == SG_OK ? set_gone(&k->w->c, collection, id, err) : status;
}

static enum sg_status write_noted(struct chunk *k, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < k->noted_count; i++)
        status = write_one(k, &k->noted[i], err);
    return status == SG_OK ? store_build_write_counts(k->w, &k->build, err) : status;
}

/* What is written leaves the cache. Before the commit; what grows unseen is not in it. */
static void forget_noted(const struct chunk *k)
{
    const struct store_writer *w = k->w;
    if (w->shared == NULL || w->shared->cache == NULL || k->build.is_next)
        return;
    commit_clock_begin(w->shared); /* first: no fill follows */
    for (size_t i = 0; i < k->noted_count; i++) {
        const struct noted *n = &k->noted[i];
        const struct collection_name *collection =
            collection_names_find(&w->collections, k->build.stream, k->build.build,
                                  chunk_text(k, n->name_at, n->name_bytes));
        if (collection != NULL)
            row_cache_forget(w->shared->cache, collection->id, chunk_text(k, n->id_at, n->id_bytes));
    }
}

/* ---- a chunk ---- */

/* Everything between BEGIN and COMMIT. */
static enum sg_status review_chunk(struct chunk *k, int64_t stream_id, int64_t last, bool *end, struct sg_error *err)
{
    int64_t max = 0;
    enum sg_status status = store_build_load(k->w, stream_id, &k->build, err);
    if (status == SG_OK)
        status = store_entities_number_max(&k->w->c, k->review->tombstones, &max, err);
    if (status == SG_OK)
        status = read_rows(k, last, err);
    *end = last >= max;
    return status == SG_OK && k->noted_count > 0 ? write_noted(k, err) : status;
}

static void review_move(struct store_review *review, int64_t last, bool end, bool *more)
{
    *more = !end || !review->tombstones;
    review->number = end ? 0 : last;
    review->tombstones = end || review->tombstones;
}

enum sg_status store_review(struct store_writer *w, int64_t stream_id, struct store_review *review, size_t rows_max,
                            bool *more, struct sg_error *err)
{
    struct store_review before = *review;
    struct chunk k = {.w = w, .review = review, .noted = calloc(rows_max, sizeof *k.noted)};
    int64_t last = review->number + (int64_t)rows_max;
    bool end = false;
    buffer_init(&k.texts, IDS_BYTES_MAX);
    enum sg_status status = k.noted != NULL ? store_begin(w, err)
                                            : sg_fail(err, SG_MEMORY, "out of memory to review the entities");
    if (status == SG_OK) {
        w->changes = SERVED_NOTHING;
        status = review_chunk(&k, stream_id, last, &end, err);
        if (status == SG_OK && k.noted_count == 0)
            store_abandon(w); /* nothing to write */
        else if (status == SG_OK)
            forget_noted(&k);
        if (status != SG_OK || k.noted_count > 0)
            status = store_end(w, status, err);
    }
    if (status == SG_OK)
        review_move(review, last, end, more);
    else
        *review = before;
    buffer_free(&k.texts);
    free(k.noted);
    return status;
}

enum sg_status store_keys_count(struct store_writer *w, int64_t stream_id, struct store_keys *out,
                                struct sg_error *err)
{
    struct build build;
    enum sg_status status = store_build_load(w, stream_id, &build, err);
    size_t slot = (size_t)stream_id % STORE_BUILDS_KNOWN;
    int64_t *keys = &w->keys[slot];
    if (status == SG_OK && w->rejected_count < 0)
        status = store_rejected_count(&w->c, &w->rejected_count, err);
    if (status == SG_OK && *keys < 0)
        status = store_collections_keys(&w->c, stream_id, build.build, keys, &w->keys_forgotten[slot], err);
    if (status != SG_OK)
        return status;
    *out = (struct store_keys){
        .count = (uint64_t)*keys, .forgotten = w->keys_forgotten[slot], .rejected = w->rejected_count};
    return SG_OK;
}
