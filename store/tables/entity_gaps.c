/* Gaps of single entities; their number is kept with the collection. */
#include "store/tables/entity_gaps.h"

#define WHAT "write the gap of an entity"

static int bind_key(sqlite3_stmt *s, const struct collection_name *collection, struct slice id)
{
    int bound = sqlite3_bind_int64(s, 1, collection->id);
    return bound | store_bind_slice(s, 2, id, SIZE_MAX);
}

static enum sg_status write_last(struct store_connection *c, enum store_sql which,
                                 const struct collection_name *collection, struct slice id, uint64_t last,
                                 struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, which);
    int bound = bind_key(s, collection, id);
    bound |= store_bind_uint(s, 3, last);
    return store_run(c, s, bound, WHAT, err);
}

enum sg_status store_entity_gap_add(struct store_connection *c, struct collection_name *collection, struct slice id,
                                    uint64_t last, struct sg_error *err)
{
    enum sg_status status = write_last(c, SQL_ENTITY_GAP_INSERT, collection, id, last, err);
    if (status == SG_OK && sqlite3_changes(c->db) == 0)
        return write_last(c, SQL_ENTITY_GAP_EXTEND, collection, id, last, err);
    if (status == SG_OK) {
        collection->gaps++;
        collection->counted = true;
    }
    return status;
}

enum sg_status store_entity_gap_end(struct store_connection *c, struct collection_name *collection, struct slice id,
                                    struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_GAP_DELETE);
    enum sg_status status = store_run(c, s, bind_key(s, collection, id), WHAT, err);
    if (status == SG_OK && sqlite3_changes(c->db) > 0) {
        collection->gaps--;
        collection->counted = true;
    }
    return status;
}
