/* Rejections that outlive their record. */
#include "store/tables/entity_rejections.h"

#define WHAT "keep what was rejected of an entity"

enum sg_status store_entity_rejections_keep(struct store_connection *c, int64_t count, bool *kept,
                                            struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_REJECTIONS_KEEP);
    enum sg_status status = store_run(c, s, sqlite3_bind_int64(s, 1, count), WHAT, err);
    if (status == SG_OK && sqlite3_changes(c->db) > 0)
        *kept = true;
    return status;
}

enum sg_status store_entity_rejections_any(struct store_connection *c, bool *any, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_REJECTIONS_ANY);
    enum sg_status status = store_step(c, s, SQLITE_OK, WHAT, err);
    (void)sqlite3_reset(s);
    *any = status == SG_OK;
    return status == SG_NOT_FOUND ? SG_OK : status;
}

enum sg_status store_entity_rejections_end(struct store_connection *c, int64_t collection, struct slice id,
                                           int64_t version, bool *ended, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_REJECTIONS_END);
    int bound = sqlite3_bind_int64(s, 1, collection);
    bound |= store_bind_slice(s, 2, id, SIZE_MAX);
    bound |= sqlite3_bind_int64(s, 3, version);
    enum sg_status status = store_run(c, s, bound, WHAT, err);
    *ended = status == SG_OK && sqlite3_changes(c->db) > 0;
    return status;
}
