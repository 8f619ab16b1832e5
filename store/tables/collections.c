/* The writer's collections. */
#include "store/tables/collections.h"

#include <assert.h>

#define WHAT "apply events"

static int bind_key(sqlite3_stmt *s, const struct build *build, struct slice name)
{
    int bound = sqlite3_bind_int64(s, 1, build->stream);
    bound |= sqlite3_bind_int64(s, 2, build->build);
    return bound | store_bind_slice(s, 3, name, SIZE_MAX);
}

enum sg_status store_collections_find(struct store_connection *c, struct collection_names *names,
                                      const struct build *build, struct slice name, struct collection_name **out,
                                      struct sg_error *err)
{
    *out = collection_names_find(names, build->stream, build->build, name);
    if (*out != NULL)
        return SG_OK;
    sqlite3_stmt *s = store_statement(c, SQL_COLLECTION_FIND);
    enum sg_status status = store_step(c, s, bind_key(s, build, name), WHAT, err);
    int64_t id = status == SG_OK ? sqlite3_column_int64(s, 0) : 0;
    int64_t tombstones = status == SG_OK ? sqlite3_column_int64(s, 1) : 0;
    int64_t gaps = status == SG_OK ? sqlite3_column_int64(s, 2) : 0;
    int64_t gone = status == SG_OK ? sqlite3_column_int64(s, 3) : 0;
    (void)sqlite3_reset(s);
    if (status == SG_NOT_FOUND)
        return SG_OK;
    if (status != SG_OK)
        return status;
    *out = collection_names_add(names, build->stream, build->build, name, id);
    if (*out == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    (*out)->tombstones = tombstones;
    (*out)->gaps = gaps;
    (*out)->gone = gone;
    (*out)->uncounted = tombstones - gone;
    return SG_OK;
}

enum sg_status store_collections_id(struct store_connection *c, const struct build *build, struct slice name,
                                    int64_t *out, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_COLLECTION_FIND);
    enum sg_status status = store_step(c, s, bind_key(s, build, name), WHAT, err);
    *out = status == SG_OK ? sqlite3_column_int64(s, 0) : 0;
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

enum sg_status store_collections_any(struct store_connection *c, const struct build *build, bool *out,
                                     struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_COLLECTION_ANY);
    int bound = sqlite3_bind_int64(s, 1, build->stream);
    bound |= sqlite3_bind_int64(s, 2, build->build);
    enum sg_status status = store_step(c, s, bound, WHAT, err);
    *out = status == SG_OK;
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

enum sg_status store_collections_count(struct store_connection *c, int64_t *out, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_COLLECTIONS_COUNT);
    enum sg_status status = store_step(c, s, SQLITE_OK, WHAT, err);
    if (status == SG_OK)
        *out = sqlite3_column_int64(s, 0);
    (void)sqlite3_reset(s);
    return status;
}

enum sg_status store_collections_create(struct store_connection *c, struct collection_names *names,
                                        const struct build *build, int64_t id, struct slice name,
                                        struct collection_name **out, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_COLLECTION_INSERT);
    int bound = bind_key(s, build, name);
    bound |= sqlite3_bind_int64(s, 4, id);
    enum sg_status status = store_run(c, s, bound, WHAT, err);
    if (status != SG_OK)
        return status;
    *out = collection_names_add(names, build->stream, build->build, name, id);
    return *out != NULL ? SG_OK : sg_fail(err, SG_MEMORY, "out of memory");
}

static enum sg_status write_counts(struct store_connection *c, const struct collection_name *k, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_COLLECTION_UPDATE);
    int bound = sqlite3_bind_int64(s, 1, k->id);
    bound |= sqlite3_bind_int64(s, 2, k->entities_delta);
    bound |= store_bind_uint(s, 3, k->position);
    bound |= sqlite3_bind_int64(s, 4, k->tombstones);
    bound |= sqlite3_bind_int64(s, 5, k->gaps);
    bound |= sqlite3_bind_int64(s, 6, k->gone);
    return store_run(c, s, bound, WHAT, err);
}

enum sg_status store_collections_flush(struct store_connection *c, struct collection_names *names, int64_t *keys,
                                       struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (struct collection_name *k = names->changed; status == SG_OK && k != NULL; k = k->next_changed) {
        assert(k->position > 0); /* whatever changes it has a sequence */
        if (k->counted)
            status = write_counts(c, k, err);
        *keys += k->entities_delta + k->tombstones - k->gone - k->uncounted;
        k->uncounted = k->tombstones - k->gone;
        k->entities_delta = 0;
        k->position = 0;
        k->counted = false;
        k->changed = false;
    }
    names->changed = NULL;
    return status;
}

enum sg_status store_collections_keys(struct store_connection *c, int64_t stream, int64_t build, int64_t *out,
                                      bool *forgotten, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_KEYS_COUNT);
    int bound = sqlite3_bind_int64(s, 1, stream);
    bound |= sqlite3_bind_int64(s, 2, build);
    enum sg_status status = store_step(c, s, bound, "count the keys of a stream", err);
    if (status == SG_OK) {
        *out = sqlite3_column_int64(s, 0);
        *forgotten = sqlite3_column_int64(s, 1) != 0;
    }
    (void)sqlite3_reset(s);
    return status;
}

enum sg_status store_collections_stale(struct store_connection *c, struct collection_names *names, int64_t *id,
                                       struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_COLLECTION_STALE);
    enum sg_status status = store_step(c, s, SQLITE_OK, "sweep", err);
    if (status == SG_OK) {
        *id = sqlite3_column_int64(s, 0);
        collection_names_remove(names, sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2),
                                store_column_slice(s, 3));
    }
    (void)sqlite3_reset(s);
    return status;
}

enum sg_status store_collections_delete(struct store_connection *c, int64_t id, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_COLLECTION_DELETE);
    return store_run(c, s, sqlite3_bind_int64(s, 1, id), "sweep", err);
}
