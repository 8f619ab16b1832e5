/* What is asked of the read model: entities, pages, collections, rejected events. */
#include <assert.h>

#include "store/read/reader_internal.h"

#define WHAT "read the database"

/* Like store_step, for the end of the rows of a list. */
static enum sg_status list_end(enum sg_status status)
{
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* ---- entities ---- */

/* SG_NOT_FOUND: no served collection has this name. */
static enum sg_status collection_resolve(struct store_reader *r, struct slice name, int64_t *id, struct sg_error *err)
{
    const struct collection_name *known = collection_names_find(&r->collections, 0, 0, name);
    if (known != NULL) {
        *id = known->id;
        return SG_OK;
    }
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_COLLECTION_ID);
    enum sg_status status = store_step(&r->c, s, store_bind_slice(s, 1, name, SIZE_MAX), WHAT, err);
    if (status == SG_NOT_FOUND)
        return sg_fail(err, SG_NOT_FOUND, "no event of this collection was applied");
    if (status != SG_OK)
        return status;
    *id = sqlite3_column_int64(s, 0);
    if (collection_names_add(&r->collections, 0, 0, name, *id) == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    return SG_OK;
}

enum { ENTITY_COLUMN_LAST = 5 }; /* the number of an entity by its id, or the id in a page */

static void entity_from_row(sqlite3_stmt *s, struct entity *out)
{
    out->version = sqlite3_column_int64(s, 0);
    out->deleted = sqlite3_column_int(s, 1) != 0;
    out->sequence = (uint64_t)sqlite3_column_int64(s, 2);
    out->occurred_at = store_column_slice(s, 3);
    out->state = store_column_slice(s, 4);
}

/* A row may be cached only while no event of the entity is recorded as rejected: such an answer says so, and what it
 * says changes without the row. */
static enum sg_status cacheable(struct store_reader *r, struct slice collection, struct slice id, bool *out,
                                struct sg_error *err)
{
    struct store_entity_rejections rejections = {0};
    *out = false;
    if (r->quiet == 0)
        return SG_OK;
    enum sg_status status = store_read_entity_rejections(r, collection, id, 0, 0, &rejections, err);
    *out = status == SG_OK && !rejections.any;
    return status;
}

static enum sg_status entity_step(struct store_reader *r, enum store_sql which, int64_t collection, struct slice id,
                                  int64_t place, struct entity *out, struct sg_error *err)
{
    sqlite3_stmt *s = store_read_statement(r, which);
    int bound = sqlite3_bind_int64(s, 1, collection);
    bound |= store_bind_slice(s, 2, id, SIZE_MAX);
    if (which == SQL_READ_ENTITY_AT)
        bound |= sqlite3_bind_int64(s, 3, place);
    enum sg_status status = store_step(&r->c, s, bound, WHAT, err);
    if (status == SG_OK) {
        entity_from_row(s, out);
        out->id = id;
    }
    return status;
}

/* With a cache: by the row's number, if that is known and still this entity's, which spares the way through the index;
 * and remembered for the next time. */
static enum sg_status entity_find(struct store_reader *r, const struct row_cache_key *key, struct entity *out,
                                  struct sg_error *err)
{
    struct row_cache *cache = r->shared->cache;
    int64_t place = row_cache_hint(cache, key);
    enum sg_status status = SG_NOT_FOUND;
    if (place != 0)
        status = entity_step(r, SQL_READ_ENTITY_AT, key->collection, key->id, place, out, err);
    if (status != SG_NOT_FOUND)
        return status;
    status = entity_step(r, SQL_READ_ENTITY, key->collection, key->id, 0, out, err);
    if (status == SG_OK)
        row_cache_hint_set(cache, key, sqlite3_column_int64(r->active, ENTITY_COLUMN_LAST));
    return status;
}

enum sg_status store_read_entity(struct store_reader *r, struct slice collection, struct slice id, struct entity *out,
                                 struct sg_error *err)
{
    int64_t collection_id = 0;
    bool fill = false;
    struct row_cache *cache = r->shared != NULL ? r->shared->cache : NULL;
    enum sg_status status = collection_resolve(r, collection, &collection_id, err);
    if (status == SG_OK && cache != NULL)
        status = cacheable(r, collection, id, &fill, err);
    if (status != SG_OK)
        return status;
    if (cache == NULL) {
        status = entity_step(r, SQL_READ_ENTITY, collection_id, id, 0, out, err);
    } else {
        struct row_cache_key key = row_cache_key(cache, collection_id, r->generation, id);
        status = entity_find(r, &key, out, err);
        if (status == SG_OK && fill)
            row_cache_fill(cache, &key, out, &r->shared->clock, r->quiet);
    }
    return status == SG_NOT_FOUND ? sg_fail(err, SG_NOT_FOUND, "no event of this entity was applied") : status;
}

enum sg_status store_read_page(struct store_reader *r, struct slice collection, struct slice after,
                               store_entity_visitor *visit, void *context, struct sg_error *err)
{
    int64_t collection_id = 0;
    enum sg_status status = collection_resolve(r, collection, &collection_id, err);
    if (status != SG_OK)
        return status;
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_PAGE);
    int bound = sqlite3_bind_int64(s, 1, collection_id);
    bound |= after.bytes == 0 ? sqlite3_bind_text(s, 2, "", 0, SQLITE_STATIC) /* ids are not empty */
                              : store_bind_slice(s, 2, after, SIZE_MAX);
    while ((status = store_step(&r->c, s, bound, WHAT, err)) == SG_OK) {
        struct entity entity;
        entity_from_row(s, &entity);
        entity.id = store_column_slice(s, ENTITY_COLUMN_LAST);
        if (!visit(context, &entity))
            break;
    }
    store_read_release(r);
    return list_end(status);
}

/* ---- rejected events of one entity ---- */

static enum sg_status rejected_any_load(struct store_reader *r, struct sg_error *err)
{
    if (r->rejected_any_known)
        return SG_OK;
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_REJECTED_ANY);
    enum sg_status status = store_step(&r->c, s, SQLITE_OK, WHAT, err);
    if (status == SG_OK || status == SG_NOT_FOUND) {
        r->rejected_any = status == SG_OK;
        r->rejected_any_known = true;
    }
    return list_end(status);
}

/* One of the two look-ups: SG_NOT_FOUND without a row, `*first` is the first column. */
static enum sg_status rejected_probe(struct store_reader *r, enum store_sql which, struct slice collection,
                                     struct slice id, int64_t above, int64_t *first, struct sg_error *err)
{
    sqlite3_stmt *s = store_read_statement(r, which);
    int bound = store_bind_slice(s, 1, collection, SIZE_MAX);
    bound |= store_bind_slice(s, 2, id, SIZE_MAX);
    bound |= sqlite3_bind_int64(s, 3, above);
    enum sg_status status = store_step(&r->c, s, bound, WHAT, err);
    if (status == SG_OK)
        *first = sqlite3_column_int64(s, 0);
    store_read_release(r);
    return status;
}

enum sg_status store_read_entity_rejections(struct store_reader *r, struct slice collection, struct slice id,
                                            int64_t shown_version, uint64_t shown_sequence,
                                            struct store_entity_rejections *out, struct sg_error *err)
{
    struct store_entity_rejections found = {0};
    int64_t ignored = 0;
    enum sg_status status = rejected_any_load(r, err);
    if (status == SG_OK && r->rejected_any) {
        status = list_end(rejected_probe(r, SQL_READ_REJECTED_VERSION, collection, id, shown_version,
                                         &found.version_max, err));
        if (status == SG_OK) {
            status = rejected_probe(r, SQL_READ_REJECTED_UNKNOWN, collection, id, (int64_t)shown_sequence, &ignored,
                                    err);
            found.unknown_version = status == SG_OK;
            status = list_end(status);
        }
    }
    if (status == SG_OK) {
        found.any = found.unknown_version || found.version_max != 0;
        *out = found;
    }
    return status;
}

enum sg_status store_read_version_rejected(struct store_reader *r, struct slice collection, struct slice id,
                                           int64_t version, bool *out, struct sg_error *err)
{
    int64_t ignored = 0;
    enum sg_status status = rejected_any_load(r, err);
    if (status != SG_OK)
        return status;
    *out = false;
    if (!r->rejected_any)
        return SG_OK;
    status = rejected_probe(r, SQL_READ_REJECTED_EXACT, collection, id, version, &ignored, err);
    *out = status == SG_OK;
    return list_end(status);
}

/* ---- collections ---- */

static void collection_from_row(sqlite3_stmt *s, struct store_collection *out)
{
    out->name = (const char *)sqlite3_column_text(s, 0);
    out->stream = (const char *)sqlite3_column_text(s, 1);
    out->entities = (uint64_t)sqlite3_column_int64(s, 2);
    out->position = (uint64_t)sqlite3_column_int64(s, 3);
}

enum sg_status store_read_collection(struct store_reader *r, struct slice collection, struct store_collection *out,
                                     struct sg_error *err)
{
    int64_t collection_id = 0;
    enum sg_status status = collection_resolve(r, collection, &collection_id, err);
    if (status != SG_OK)
        return status;
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_COLLECTION);
    status = store_step(&r->c, s, sqlite3_bind_int64(s, 1, collection_id), WHAT, err);
    if (status == SG_NOT_FOUND)
        return store_fail(&r->c, SQLITE_CORRUPT, WHAT, err); /* the generation promised that it is there */
    if (status == SG_OK)
        collection_from_row(s, out);
    return status;
}

enum sg_status store_read_collections(struct store_reader *r, store_collection_visitor *visit, void *context,
                                      struct sg_error *err)
{
    enum sg_status status;
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_COLLECTIONS);
    while ((status = store_step(&r->c, s, SQLITE_OK, WHAT, err)) == SG_OK) {
        struct store_collection collection;
        collection_from_row(s, &collection);
        if (!visit(context, &collection))
            break;
    }
    store_read_release(r);
    return list_end(status);
}

/* ---- rejected events ---- */

static void rejected_from_row(sqlite3_stmt *s, struct store_rejected *out)
{
    out->number = sqlite3_column_int64(s, 0);
    out->stream = (const char *)sqlite3_column_text(s, 1);
    out->sequence = (uint64_t)sqlite3_column_int64(s, 2);
    out->time_ns = sqlite3_column_int64(s, 3);
    out->subject = store_column_slice(s, 4);
    out->collection = store_column_slice(s, ENTITY_COLUMN_LAST);
    out->id = store_column_slice(s, 6);
    out->version = sqlite3_column_int64(s, 7);
    out->reason = (const char *)sqlite3_column_text(s, 8);
    out->detail = store_column_slice(s, 9);
    out->payload_bytes = (uint64_t)sqlite3_column_int64(s, 10);
    out->payload_sha256 = (const char *)sqlite3_column_text(s, 11);
    out->payload = store_column_slice(s, 12);
}

enum sg_status store_read_rejected(struct store_reader *r, const char *stream, struct slice collection, int64_t before,
                                   store_rejected_visitor *visit, void *context, struct sg_error *err)
{
    enum sg_status status;
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_REJECTED);
    int bound = sqlite3_bind_int64(s, 1, before == 0 ? INT64_MAX : before);
    bound |= store_bind_slice(s, 2, slice_of(stream), SIZE_MAX);
    bound |= store_bind_slice(s, 3, collection, SIZE_MAX);
    while ((status = store_step(&r->c, s, bound, WHAT, err)) == SG_OK) {
        struct store_rejected rejected;
        rejected_from_row(s, &rejected);
        if (!visit(context, &rejected))
            break;
    }
    store_read_release(r);
    return list_end(status);
}

enum sg_status store_read_rejected_count(struct store_reader *r, const char *stream, uint64_t *rejected,
                                         uint64_t *conflicts, struct sg_error *err)
{
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_REJECTED_COUNT);
    enum sg_status status = store_step(&r->c, s, store_bind_slice(s, 1, slice_of(stream), SIZE_MAX), WHAT, err);
    if (status == SG_OK) {
        *rejected = (uint64_t)sqlite3_column_int64(s, 0);
        *conflicts = (uint64_t)sqlite3_column_int64(s, 1);
    }
    store_read_release(r);
    return status;
}
