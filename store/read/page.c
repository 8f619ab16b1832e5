/* Lists: pages of entities, collections, rejected events. */
#include "store/read/reader_internal.h"

#define WHAT "read the database"

enum sg_status store_read_page(struct store_reader *r, struct slice collection, struct slice after,
                               store_entity_visitor *visit, void *context, struct sg_error *err)
{
    int64_t collection_id = 0;
    enum sg_status status = store_read_resolve(r, collection, &collection_id, err);
    if (status != SG_OK)
        return status;
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_PAGE);
    int bound = sqlite3_bind_int64(s, 1, collection_id);
    bound |= after.bytes == 0 ? sqlite3_bind_text(s, 2, "", 0, SQLITE_STATIC) /* ids are not empty */
                              : store_bind_slice(s, 2, after, SIZE_MAX);
    while ((status = store_step(&r->c, s, bound, WHAT, err)) == SG_OK) {
        struct entity entity = {.version = sqlite3_column_int64(s, 0),
                                .id = store_read_text(s, 1),
                                .occurred_at = store_read_text(s, 2),
                                .state = store_read_text(s, 3)};
        if (!visit(context, &entity))
            break;
    }
    store_read_release(r);
    return list_end(status);
}

/* ---- collections ---- */

static void collection_from_row(sqlite3_stmt *s, struct store_collection *out)
{
    out->name = (const char *)sqlite3_column_text(s, 0);
    out->stream = (const char *)sqlite3_column_text(s, 1);
    out->entities = (uint64_t)sqlite3_column_int64(s, 2);
    out->position = (uint64_t)sqlite3_column_int64(s, 3);
    out->tombstones = (uint64_t)sqlite3_column_int64(s, 4);
    out->floor = (uint64_t)sqlite3_column_int64(s, 5);
    out->gone = (uint64_t)sqlite3_column_int64(s, 6);
}

enum sg_status store_read_collection(struct store_reader *r, struct slice collection, struct store_collection *out,
                                     struct sg_error *err)
{
    int64_t collection_id = 0;
    enum sg_status status = store_read_resolve(r, collection, &collection_id, err);
    if (status != SG_OK)
        return status;
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_COLLECTION);
    status = store_step(&r->c, s, sqlite3_bind_int64(s, 1, collection_id), WHAT, err);
    if (status == SG_NOT_FOUND)
        return store_fail(&r->c, SQLITE_CORRUPT, WHAT, err); /* its build is served */
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

enum sg_status store_read_entity_counts(struct store_reader *r, store_entities_visitor *visit, void *context,
                                        struct sg_error *err)
{
    enum sg_status status;
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_ENTITY_COUNTS);
    while ((status = store_step(&r->c, s, SQLITE_OK, WHAT, err)) == SG_OK)
        visit(context, (const char *)sqlite3_column_text(s, 0), (const char *)sqlite3_column_text(s, 1),
              (uint64_t)sqlite3_column_int64(s, 2));
    store_read_release(r);
    return list_end(status);
}

enum sg_status store_read_building(struct store_reader *r, const char *stream, store_building_visitor *visit,
                                   void *context, struct sg_error *err)
{
    enum sg_status status;
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_BUILDING);
    int bound = sqlite3_bind_text(s, 1, stream, -1, SQLITE_STATIC);
    while ((status = store_step(&r->c, s, bound, WHAT, err)) == SG_OK) {
        struct store_building building = {.collection = (const char *)sqlite3_column_text(s, 0),
                                          .build = sqlite3_column_int64(s, 1),
                                          .index = (const char *)sqlite3_column_text(s, 2),
                                          .rows_done = (uint64_t)sqlite3_column_int64(s, 3),
                                          .rows = (uint64_t)sqlite3_column_int64(s, 4)};
        visit(context, &building);
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
    out->collection = store_column_slice(s, 5);
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
    sqlite3_stmt *s = store_read_statement(r, collection.bytes > 0 ? SQL_READ_REJECTED_OF_COLLECTION
                                              : stream != NULL     ? SQL_READ_REJECTED_OF_STREAM
                                                                   : SQL_READ_REJECTED);
    int bound = sqlite3_bind_int64(s, 1, before == 0 ? INT64_MAX : before);
    if (stream != NULL || collection.bytes > 0)
        bound |= store_bind_slice(s, 2, slice_of(stream), SIZE_MAX);
    if (collection.bytes > 0)
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
