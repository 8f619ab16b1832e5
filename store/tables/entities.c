/* Rows of entities and of tombstones. What is bound derives from the list of columns in store/sqlite/statements.h. */
#include "store/tables/entities.h"

#include "core/domain/event.h"

#define WHAT "apply events"

static int bind_id(sqlite3_stmt *s, int64_t collection, struct slice id)
{
    int bound = sqlite3_bind_int64(s, 1, collection);
    return bound | store_bind_slice(s, 2, id, SIZE_MAX);
}

static enum sg_status find_in(struct store_connection *c, enum store_sql which, int64_t collection, struct slice id,
                              struct entity_row *out, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, which);
    enum sg_status status = store_step(c, s, bind_id(s, collection, id), WHAT, err);
    if (status == SG_OK) {
        out->number = sqlite3_column_int64(s, 0);
        out->version = sqlite3_column_int64(s, 1);
        out->deleted = which == SQL_TOMBSTONE_FIND;
        out->sequence = (uint64_t)sqlite3_column_int64(s, 2);
        out->gone = out->deleted && sqlite3_column_int64(s, 3) != 0;
    }
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

enum sg_status store_entities_find(struct store_connection *c, int64_t collection, bool has_tombstones, struct slice id,
                             struct entity_row *out, struct sg_error *err)
{
    *out = (struct entity_row){0};
    enum sg_status status = find_in(c, SQL_ENTITY_FIND, collection, id, out, err);
    if (status == SG_OK && out->number == 0 && has_tombstones)
        status = find_in(c, SQL_TOMBSTONE_FIND, collection, id, out, err);
    return status;
}

enum sg_status store_entities_state(struct store_connection *c, int64_t number, struct slice *out,
                                    struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_STATE);
    enum sg_status status = store_step(c, s, sqlite3_bind_int64(s, 1, number), WHAT, err);
    if (status == SG_OK)
        *out = store_column_slice(s, 0);
    else if (status == SG_NOT_FOUND)
        status = store_fail(c, SQLITE_CORRUPT, WHAT, err); /* the index named a row that is not there */
    return status;
}

void store_entities_state_end(struct store_connection *c)
{
    (void)sqlite3_reset(c->statements[SQL_ENTITY_STATE]);
}

enum sg_status store_entities_same_state(struct store_connection *c, int64_t number, struct slice state, bool *out,
                                         struct sg_error *err)
{
    struct slice stored;
    enum sg_status status = store_entities_state(c, number, &stored, err);
    if (status == SG_OK)
        *out = slice_equal(stored, state);
    store_entities_state_end(c);
    return status;
}

/* ---- writing ---- */

#define BIND_NUMBER(at, name) sqlite3_bind_int64(s, at, v->name)
#define BIND_SEQUENCE(at, name) store_bind_uint(s, at, v->name)
#define BIND_OPTIONAL(at, name) (v->has_##name ? sqlite3_bind_int64(s, at, v->name) : sqlite3_bind_null(s, at))
#define BIND_TEXT(at, name) store_bind_slice(s, at, v->name, EVENT_TEXT_BYTES_MAX)
#define BIND_DOCUMENT(at, name) store_bind_slice(s, at, v->name, SIZE_MAX)
#define BIND(parameter, name, kind, reading) BIND_##kind(parameter, name)

/* What is bound to 1 and 2, and the values after it. */
static enum sg_status write_entity(struct store_connection *c, sqlite3_stmt *s, int bound,
                                   const struct entity_value *v, bool *written, struct sg_error *err)
{
    bound |= STORE_ENTITY_VALUES(BIND, |);
    enum sg_status status = store_run(c, s, bound, WHAT, err);
    *written = status == SG_OK && sqlite3_changes(c->db) == 1;
    return status;
}

static enum sg_status write_tombstone(struct store_connection *c, sqlite3_stmt *s, int bound,
                                      const struct entity_value *v, bool *written, struct sg_error *err)
{
    bound |= STORE_TOMBSTONE_VALUES(BIND, |);
    enum sg_status status = store_run(c, s, bound, WHAT, err);
    *written = status == SG_OK && sqlite3_changes(c->db) == 1;
    return status;
}

enum sg_status store_entities_insert(struct store_connection *c, int64_t collection, struct slice id,
                               const struct entity_value *v, bool *written, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_INSERT);
    return write_entity(c, s, bind_id(s, collection, id), v, written, err);
}

enum sg_status store_entities_replace(struct store_connection *c, int64_t collection, struct slice id,
                                const struct entity_value *v, bool *written, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_REPLACE);
    return write_entity(c, s, bind_id(s, collection, id), v, written, err);
}

static enum sg_status insert_tombstone(struct store_connection *c, int64_t collection, struct slice id,
                                       const struct entity_value *v, bool *written, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_TOMBSTONE_INSERT);
    return write_tombstone(c, s, bind_id(s, collection, id), v, written, err);
}

static enum sg_status update(struct store_connection *c, const struct entity_row *found, const struct entity_value *v,
                             bool *written, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, found->deleted ? SQL_TOMBSTONE_UPDATE : SQL_ENTITY_UPDATE);
    int bound = sqlite3_bind_int64(s, 1, found->number);
    return found->deleted ? write_tombstone(c, s, bound, v, written, err) : write_entity(c, s, bound, v, written, err);
}

static enum sg_status remove_row(struct store_connection *c, const struct entity_row *found, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, found->deleted ? SQL_TOMBSTONE_REMOVE : SQL_ENTITY_REMOVE);
    return store_run(c, s, sqlite3_bind_int64(s, 1, found->number), WHAT, err);
}

enum sg_status store_entities_write(struct store_connection *c, int64_t collection, struct slice id,
                              const struct entity_row *found, const struct entity_value *v, struct sg_error *err)
{
    bool written = false;
    enum sg_status status = SG_OK;
    if (found->number != 0 && found->deleted == v->deleted) {
        status = update(c, found, v, &written, err);
    } else {
        if (found->number != 0)
            status = remove_row(c, found, err);
        if (status == SG_OK)
            status = v->deleted ? insert_tombstone(c, collection, id, v, &written, err)
                                : store_entities_insert(c, collection, id, v, &written, err);
    }
    if (status == SG_OK && !written)
        status = store_fail(c, SQLITE_CORRUPT, WHAT, err); /* what was found a moment ago is not there */
    return status;
}

/* ---- what there is ---- */

enum sg_status store_entities_any(struct store_connection *c, int64_t collection, bool *out, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_ANY);
    enum sg_status status = store_step(c, s, sqlite3_bind_int64(s, 1, collection), WHAT, err);
    *out = status == SG_OK;
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

enum sg_status store_entities_number_max(struct store_connection *c, bool tombstones, int64_t *out,
                                         struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, tombstones ? SQL_TOMBSTONE_NUMBER_MAX : SQL_ENTITY_NUMBER_MAX);
    enum sg_status status = store_step(c, s, SQLITE_OK, "read the entities", err);
    if (status == SG_OK)
        *out = sqlite3_column_int64(s, 0);
    (void)sqlite3_reset(s);
    return status;
}

/* ---- sweeping ---- */

enum sg_status store_entities_sweep(struct store_connection *c, int64_t collection, bool *done, struct sg_error *err)
{
    static const enum store_sql tables[] = {SQL_ENTITY_SWEEP, SQL_TOMBSTONE_SWEEP, SQL_ENTITY_GAP_SWEEP,
                                           SQL_ENTITY_REJECTIONS_SWEEP};
    enum sg_status status = SG_OK;
    *done = true;
    for (size_t i = 0; status == SG_OK && *done && i < sizeof tables / sizeof tables[0]; i++) {
        sqlite3_stmt *s = store_statement(c, tables[i]);
        status = store_run(c, s, sqlite3_bind_int64(s, 1, collection), "sweep", err);
        *done = status == SG_OK && sqlite3_changes(c->db) == 0;
    }
    return status;
}
