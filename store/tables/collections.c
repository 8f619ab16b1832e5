/* The writer's collections: found in memory or in their rows, created within the limit, counted once per batch. */
#include "store/write/write.h"

#define WHAT "apply events"

static int bind_key(sqlite3_stmt *s, const struct build *build, struct slice name)
{
    int bound = sqlite3_bind_int64(s, 1, build->stream);
    bound |= sqlite3_bind_int64(s, 2, build->build);
    return bound | store_bind_slice(s, 3, name, SIZE_MAX);
}

enum sg_status store_collection_find(struct store_writer *w, const struct build *build, struct slice name,
                                     struct collection_name **out, struct sg_error *err)
{
    *out = collection_names_find(&w->collections, build->stream, build->build, name);
    if (*out != NULL)
        return SG_OK;
    sqlite3_stmt *s = store_statement(&w->c, SQL_COLLECTION_FIND);
    enum sg_status status = store_step(&w->c, s, bind_key(s, build, name), WHAT, err);
    int64_t id = status == SG_OK ? sqlite3_column_int64(s, 0) : 0;
    (void)sqlite3_reset(s);
    if (status == SG_NOT_FOUND)
        return SG_OK;
    if (status != SG_OK)
        return status;
    *out = collection_names_add(&w->collections, build->stream, build->build, name, id);
    return *out != NULL ? SG_OK : sg_fail(err, SG_MEMORY, "out of memory");
}

static enum sg_status collections_count(struct store_writer *w, struct sg_error *err)
{
    if (w->collections_count >= 0)
        return SG_OK;
    sqlite3_stmt *s = store_statement(&w->c, SQL_COLLECTIONS_COUNT);
    enum sg_status status = store_step(&w->c, s, SQLITE_OK, WHAT, err);
    if (status == SG_OK)
        w->collections_count = sqlite3_column_int64(s, 0);
    (void)sqlite3_reset(s);
    return status;
}

enum sg_status store_collection_create(struct store_writer *w, const struct build *build, struct slice name,
                                       struct collection_name **out, struct sg_error *err)
{
    enum sg_status status = collections_count(w, err);
    if (status != SG_OK || (uint64_t)w->collections_count >= w->collections_max)
        return status;
    sqlite3_stmt *s = store_statement(&w->c, SQL_COLLECTION_INSERT);
    status = store_run(&w->c, s, bind_key(s, build, name), WHAT, err);
    int64_t id = sqlite3_last_insert_rowid(w->c.db);
    if (status == SG_OK)
        status = store_bump_generation(w, err);
    if (status != SG_OK)
        return status;
    *out = collection_names_add(&w->collections, build->stream, build->build, name, id);
    if (*out == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    w->collections_count++;
    return SG_OK;
}

enum sg_status store_collections_flush(struct store_writer *w, struct sg_error *err)
{
    struct collection_names *t = &w->collections;
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < t->slots_count; i++) {
        struct collection_name *k = t->slots[i];
        if (k == NULL || k->position == 0)
            continue;
        sqlite3_stmt *s = store_statement(&w->c, SQL_COLLECTION_UPDATE);
        int bound = sqlite3_bind_int64(s, 1, k->id);
        bound |= sqlite3_bind_int64(s, 2, k->entities_delta);
        bound |= store_bind_uint(s, 3, k->position);
        status = store_run(&w->c, s, bound, WHAT, err);
        k->entities_delta = 0;
        k->position = 0;
    }
    return status;
}
