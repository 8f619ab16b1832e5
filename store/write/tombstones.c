/* Removing the tombstones of a collection that are beyond its bounds: the oldest first, a row at a time, until the
 * budget of the call is used up. With a tombstone goes what is kept of its id: its gap, and what was rejected of it.
 *
 *   note how old the newest are ── remove what is too old, or too many ── counts and floor in the same transaction */
#include <assert.h>
#include <stdlib.h>

#include "core/base/buffer.h"
#include "core/base/time.h"
#include "store/tables/collections.h"
#include "store/tables/entity_gaps.h"
#include "store/tables/entity_rejections.h"
#include "store/tables/tombstones.h"
#include "store/write/transaction.h"

#define IDS_BYTES_MAX (64u << 20) /* of a call: far more than its ids can have */

/* One that is removed. Its id is in the removal's buffer. */
struct removed {
    int64_t collection;
    bool served;
    bool forgotten; /* it was of the written build, and the stream has its message */
    size_t id_at, id_bytes;
};

struct removal {
    struct store_writer *w;
    const struct store_tombstone_bounds *bounds;
    int64_t written_build;
    size_t rows; /* that may still be removed */
    int64_t until_ns;
    struct removed *removed; /* owned; room for one per row */
    size_t removed_count;
    struct buffer ids;
    bool wrote;
    bool left; /* of those whose age is bounded */
};

static struct slice removed_id(const struct removal *r, const struct removed *one)
{
    return (struct slice){r->ids.data + one->id_at, one->id_bytes};
}

/* ---- ages ---- */

/* By when had all of them been there? By the time of the build's last message; but what left the stream without one had
 * its tombstone made when that was noticed. */
static enum sg_status note_age(const struct removal *r, struct store_bounded *k, bool *noted, struct sg_error *err)
{
    const struct store_age *last = k->ages.count > 0 ? &k->ages.ages[k->ages.count - 1] : NULL;
    int64_t now_ns = r->bounds->now_ns;
    uint64_t newest = 0;
    bool gone = false;
    *noted = false;
    if (now_ns == 0 || (last != NULL && now_ns - last->time_ns < r->bounds->keep_ns / STORE_AGES_MAX))
        return SG_OK;
    enum sg_status status = store_tombstones_newest(&r->w->c, k->id, &newest, &gone, err);
    if (status != SG_OK || (last != NULL && newest <= last->sequence))
        return status == SG_NOT_FOUND ? SG_OK : status;
    int64_t time_ns = gone || k->position_time_ns == 0 ? now_ns : k->position_time_ns;
    if (last != NULL && time_ns < last->time_ns)
        time_ns = last->time_ns;
    store_ages_add(&k->ages, newest, time_ns);
    *noted = true;
    return SG_OK;
}

/* ---- rows ---- */

static enum sg_status end_rejections(struct store_writer *w, int64_t collection, struct slice id, struct sg_error *err)
{
    bool ended = false;
    if (w->rejections_kept == REJECTIONS_KEPT_NONE)
        return SG_OK;
    enum sg_status status = store_entity_rejections_end(&w->c, collection, id, INT64_MAX, &ended, err);
    if (ended)
        w->rejections_kept = REJECTIONS_KEPT_UNKNOWN; /* it may have been the last one */
    return status;
}

static enum sg_status remove_one(struct removal *r, const struct store_bounded *k, struct collection_name *name,
                                 const struct store_tombstone *tombstone, struct store_tombstones_fewer *fewer,
                                 struct sg_error *err)
{
    struct removed *one = &r->removed[r->removed_count];
    *one = (struct removed){.collection = k->id,
                            .served = k->served,
                            .forgotten = k->build == r->written_build && !tombstone->gone,
                            .id_at = r->ids.bytes,
                            .id_bytes = tombstone->id.bytes};
    buffer_append_slice(&r->ids, tombstone->id);
    store_tombstones_read_end(&r->w->c);
    if (r->ids.failed)
        return sg_fail(err, SG_MEMORY, "out of memory to remove tombstones");
    enum sg_status status = store_tombstones_remove(&r->w->c, tombstone->number, err);
    if (status == SG_OK)
        status = end_rejections(r->w, k->id, removed_id(r, one), err);
    if (status == SG_OK && name->gaps > 0)
        status = store_entity_gap_end(&r->w->c, name, removed_id(r, one), err);
    r->removed_count++;
    fewer->tombstones++;
    fewer->gone += tombstone->gone ? 1 : 0;
    fewer->floor = tombstone->sequence;
    r->rows = time_boot_ns() < r->until_ns ? r->rows - 1 : 0;
    return status;
}

/* The oldest, as long as they are beyond a bound. `*all`: none of those is left. */
static enum sg_status remove_rows(struct removal *r, const struct store_bounded *k, struct collection_name *name,
                                  struct store_tombstones_fewer *fewer, bool *all, struct sg_error *err)
{
    const struct store_tombstone_bounds *b = r->bounds;
    bool by_age = b->keep_ns > 0 && b->now_ns != 0;
    uint64_t old = by_age ? store_ages_before(&k->ages, b->now_ns - b->keep_ns) : 0;
    int64_t excess = b->max > 0 ? k->tombstones - (int64_t)b->max : 0;
    enum sg_status status = SG_OK;
    *all = false;
    while (status == SG_OK && r->rows > 0 && !*all) {
        struct store_tombstone tombstone;
        status = store_tombstones_oldest(&r->w->c, k->id, &tombstone, err);
        *all = status == SG_NOT_FOUND ||
               (status == SG_OK && tombstone.sequence > old && fewer->tombstones >= excess);
        if (status == SG_OK && !*all)
            status = remove_one(r, k, name, &tombstone, fewer, err);
        store_tombstones_read_end(&r->w->c);
    }
    return *all ? SG_OK : status;
}

/* What memory knows of the collection, and of the keys of its stream. */
static void note_fewer(struct store_writer *w, const struct store_bounded *k, struct collection_name *name,
                       const struct store_tombstones_fewer *fewer)
{
    size_t slot = (size_t)name->stream % STORE_BUILDS_KNOWN;
    name->tombstones -= fewer->tombstones;
    name->gone -= fewer->gone;
    name->uncounted = name->tombstones - name->gone;
    name->counted = false; /* its gaps are written as well */
    if (w->builds[slot].stream != name->stream || w->builds[slot].build != k->build || w->keys[slot] < 0)
        return;
    w->keys[slot] -= fewer->tombstones - fewer->gone;
    w->keys_forgotten[slot] |= fewer->tombstones > 0;
}

static enum sg_status trim(struct removal *r, struct store_bounded *k, struct sg_error *err)
{
    struct store_writer *w = r->w;
    struct build build = {.stream = r->bounds->stream, .build = k->build};
    struct collection_name *name = NULL;
    struct store_tombstones_fewer fewer = {0};
    bool noted = false;
    bool all = true;
    if (k->tombstones == 0)
        return SG_OK;
    enum sg_status status = store_collections_find(&w->c, &w->collections, &build, r->bounds->collection, &name, err);
    if (status == SG_OK && name == NULL)
        status = store_fail(&w->c, SQLITE_CORRUPT, "remove tombstones", err); /* its row was read a moment ago */
    if (status != SG_OK)
        return status;
    assert(!name->changed);
    int64_t gaps = name->gaps;
    if (r->bounds->keep_ns > 0)
        status = note_age(r, k, &noted, err);
    if (status == SG_OK)
        status = remove_rows(r, k, name, &fewer, &all, err);
    r->left |= r->bounds->keep_ns > 0 && fewer.tombstones < k->tombstones;
    if (status != SG_OK || (!noted && fewer.tombstones == 0))
        return status;
    r->wrote = true;
    fewer.gaps = gaps - name->gaps;
    if (all)
        store_ages_drop(&k->ages, fewer.floor);
    note_fewer(w, k, name, &fewer);
    return store_tombstones_write(&w->c, k->id, &fewer, &k->ages, err);
}

/* ---- a call ---- */

/* Everything between BEGIN and COMMIT. */
static enum sg_status trim_builds(struct removal *r, struct sg_error *err)
{
    struct store_bounded builds[2];
    struct build written;
    size_t count = 0;
    enum sg_status status = store_build_load(r->w, r->bounds->stream, &written, err);
    if (status == SG_OK)
        status = store_tombstones_bounded(&r->w->c, r->bounds->stream, r->bounds->collection, builds, &count, err);
    r->written_build = written.build;
    for (size_t i = 0; status == SG_OK && i < count && r->rows > 0; i++)
        status = trim(r, &builds[i], err);
    return status;
}

/* What is removed leaves the cache. Before the commit; what is not served is not in it. */
static void forget_removed(const struct removal *r)
{
    const struct commit_clock *shared = r->w->shared;
    if (shared == NULL || shared->cache == NULL)
        return;
    commit_clock_begin(r->w->shared); /* first: no fill follows */
    for (size_t i = 0; i < r->removed_count; i++) {
        if (r->removed[i].served)
            row_cache_forget(shared->cache, r->removed[i].collection, removed_id(r, &r->removed[i]));
    }
}

static enum sg_status run(struct removal *r, struct sg_error *err)
{
    enum sg_status status = store_begin(r->w, err);
    if (status != SG_OK)
        return status;
    r->w->changes = SERVED_NOTHING;
    status = trim_builds(r, err);
    if (status == SG_OK && !r->wrote) {
        store_abandon(r->w);
        return SG_OK;
    }
    if (status == SG_OK)
        forget_removed(r);
    return store_end(r->w, status, err);
}

enum sg_status store_remove_tombstones(struct store_writer *w, const struct store_tombstone_bounds *bounds,
                                       size_t rows_max, store_forgotten_visitor *forgotten, void *context,
                                       struct store_removal *out, struct sg_error *err)
{
    struct removal r = {.w = w, .bounds = bounds, .rows = rows_max, .until_ns = time_boot_ns() + STORE_SWEEP_NS};
    if (rows_max == 0)
        return sg_fail(err, SG_INVALID, "a removal takes at least one row");
    *out = (struct store_removal){.more = true, .left = true};
    if (store_checkpoint_swept(w))
        return SG_OK; /* that was enough for one call */
    r.removed = calloc(rows_max, sizeof *r.removed);
    if (r.removed == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory to remove tombstones");
    buffer_init(&r.ids, IDS_BYTES_MAX);
    enum sg_status status = run(&r, err);
    for (size_t i = 0; status == SG_OK && forgotten != NULL && i < r.removed_count; i++) {
        if (r.removed[i].forgotten)
            forgotten(context, removed_id(&r, &r.removed[i]));
    }
    *out = (struct store_removal){.removed = r.removed_count, .more = r.rows == 0, .left = r.left};
    buffer_free(&r.ids);
    free(r.removed);
    return status;
}
