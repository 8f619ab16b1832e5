/* Rows of entities. The columns that are bound derive from the list in store/sqlite/statements.h. */
#include "store/tables/entities.h"

#include "core/domain/event.h"

#define WHAT "apply events"

enum sg_status store_entities_find(struct store_connection *c, int64_t collection, struct slice id, struct entity_row *out,
                             struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_FIND);
    int bound = sqlite3_bind_int64(s, 1, collection);
    bound |= store_bind_slice(s, 2, id, SIZE_MAX);
    *out = (struct entity_row){0};
    enum sg_status status = store_step(c, s, bound, WHAT, err);
    if (status == SG_OK) {
        out->number = sqlite3_column_int64(s, 0);
        out->version = sqlite3_column_int64(s, 1);
        out->deleted = sqlite3_column_int(s, 2) != 0;
        out->sequence = (uint64_t)sqlite3_column_int64(s, 3);
    }
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

enum sg_status store_entities_same_state(struct store_connection *c, int64_t number, struct slice state, bool *out,
                                   struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_STATE);
    enum sg_status status = store_step(c, s, sqlite3_bind_int64(s, 1, number), WHAT, err);
    if (status == SG_OK)
        *out = slice_equal(store_column_slice(s, 0), state);
    else if (status == SG_NOT_FOUND)
        status = store_fail(c, SQLITE_CORRUPT, WHAT, err); /* the index named a row that is not there */
    (void)sqlite3_reset(s);
    return status;
}

#define BIND_NUMBER(at, name) sqlite3_bind_int64(s, at, v->name)
#define BIND_SEQUENCE(at, name) store_bind_uint(s, at, v->name)
#define BIND_FLAG(at, name) sqlite3_bind_int(s, at, v->name)
#define BIND_OPTIONAL(at, name) (v->has_##name ? sqlite3_bind_int64(s, at, v->name) : sqlite3_bind_null(s, at))
#define BIND_TEXT(at, name) store_bind_slice(s, at, v->name, EVENT_TEXT_BYTES_MAX)
#define BIND_DOCUMENT(at, name) store_bind_slice(s, at, v->name, SIZE_MAX)
#define BIND(parameter, name, kind, reading) BIND_##kind(parameter, name)

static enum sg_status write_values(struct store_connection *c, sqlite3_stmt *s, int bound,
                                   const struct entity_value *v, bool *written, struct sg_error *err)
{
    bound |= STORE_ENTITY_VALUES(BIND, |);
    enum sg_status status = store_run(c, s, bound, WHAT, err);
    *written = status == SG_OK && sqlite3_changes(c->db) == 1;
    return status;
}

static enum sg_status write_by_id(struct store_connection *c, enum store_sql which, int64_t collection,
                                  struct slice id, const struct entity_value *v, bool *written, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, which);
    int bound = sqlite3_bind_int64(s, 1, collection);
    bound |= store_bind_slice(s, 2, id, SIZE_MAX);
    return write_values(c, s, bound, v, written, err);
}

enum sg_status store_entities_insert(struct store_connection *c, int64_t collection, struct slice id,
                               const struct entity_value *v, bool *written, struct sg_error *err)
{
    return write_by_id(c, SQL_ENTITY_INSERT, collection, id, v, written, err);
}

enum sg_status store_entities_replace(struct store_connection *c, int64_t collection, struct slice id,
                                const struct entity_value *v, bool *written, struct sg_error *err)
{
    return write_by_id(c, SQL_ENTITY_REPLACE, collection, id, v, written, err);
}

enum sg_status store_entities_update(struct store_connection *c, int64_t number, const struct entity_value *v, bool *written,
                               struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_UPDATE);
    return write_values(c, s, sqlite3_bind_int64(s, 1, number), v, written, err);
}
