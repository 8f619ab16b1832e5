/* New rows of a batch, inserted by a statement for many of them: most of what a statement costs is its beginning and
 * its end.
 *
 * The rows are the table `incoming`, a virtual one that only the writer's connection has: SQLite takes each row from it
 * and inserts it before it asks for the next. A row whose id is stored already is passed over; which ones were inserted
 * shows in the last inserted rowid, row by row, and their number must be what SQLite says that it changed. */
#include "store/write/bulk.h"

#include <stdlib.h>

#define WHAT "apply events"

struct bulk_cursor {
    sqlite3_vtab_cursor base;
    struct store_bulk *bulk; /* borrowed */
};

/* The columns, in the order in which the statement inserts them. */
#define BULK_COLUMN(parameter, name, kind, reading) BULK_##name,
enum bulk_column { BULK_COLLECTION, BULK_ID, STORE_ENTITY_VALUES(BULK_COLUMN, ) };

struct bulk_table {
    sqlite3_vtab base;
    struct store_bulk *bulk; /* borrowed; outlives the connection */
};

static int bulk_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    struct bulk_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return SQLITE_NOMEM;
    int rc = sqlite3_declare_vtab(db, "CREATE TABLE incoming (" STORE_ENTITY_COLUMNS ")");
    if (rc != SQLITE_OK) {
        free(table);
        return rc;
    }
    table->bulk = context;
    *out = &table->base;
    return SQLITE_OK;
}

static int bulk_disconnect(sqlite3_vtab *table)
{
    free(table);
    return SQLITE_OK;
}

static int bulk_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedCost = 1; /* there is one way only: all rows in their order */
    return SQLITE_OK;
}

static int bulk_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    struct bulk_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return SQLITE_NOMEM;
    cursor->bulk = ((struct bulk_table *)table)->bulk;
    *out = &cursor->base;
    return SQLITE_OK;
}

static int bulk_close(sqlite3_vtab_cursor *cursor)
{
    free(cursor);
    return SQLITE_OK;
}

/* Is there something to insert of it, into the table at hand? */
static bool bulk_wants(const struct store_bulk *b, const struct store_group *g)
{
    return g->row.changed && g->row.value.deleted == b->deleted;
}

static void bulk_skip(struct store_bulk *b)
{
    while (b->at < b->count && !bulk_wants(b, &b->groups[b->at]))
        b->at++;
}

static int bulk_filter(sqlite3_vtab_cursor *cursor, int number, const char *text, int argc, sqlite3_value **argv)
{
    struct store_bulk *b = ((struct bulk_cursor *)cursor)->bulk;
    (void)number;
    (void)text;
    (void)argc;
    (void)argv;
    b->at = 0;
    bulk_skip(b);
    return SQLITE_OK;
}

/* The row before was inserted if that moved the last rowid: new rows get one each. */
static int bulk_next(sqlite3_vtab_cursor *cursor)
{
    struct store_bulk *b = ((struct bulk_cursor *)cursor)->bulk;
    int64_t rowid = sqlite3_last_insert_rowid(b->db);
    if (rowid != b->rowid) {
        b->rowid = rowid;
        b->groups[b->at].written = true;
        b->groups[b->at].number = rowid;
        b->written++;
    }
    b->at++;
    bulk_skip(b);
    return SQLITE_OK;
}

static int bulk_eof(sqlite3_vtab_cursor *cursor)
{
    const struct store_bulk *b = ((struct bulk_cursor *)cursor)->bulk;
    return b->at >= b->count;
}

/* Bytes that outlive the statement; none: NULL. */
static void bulk_text(sqlite3_context *context, struct slice text)
{
    if (text.bytes > 0)
        sqlite3_result_text64(context, text.data, text.bytes, SQLITE_STATIC, SQLITE_UTF8);
}

#define EMIT_NUMBER(name) sqlite3_result_int64(context, v->name)
#define EMIT_SEQUENCE(name) sqlite3_result_int64(context, (sqlite3_int64)v->name)
#define EMIT_OPTIONAL(name) bulk_optional(context, v->has_##name, v->name)
#define EMIT_TEXT(name) bulk_text(context, store_slice_cut(v->name, EVENT_TEXT_BYTES_MAX))
#define EMIT_DOCUMENT(name) bulk_text(context, v->name)
#define BULK_CASE(parameter, name, kind, reading) case BULK_##name: EMIT_##kind(name); break;

static void bulk_optional(sqlite3_context *context, bool has, int64_t value)
{
    if (has)
        sqlite3_result_int64(context, value);
}

static int bulk_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int column)
{
    const struct store_bulk *b = ((struct bulk_cursor *)cursor)->bulk;
    const struct store_group *group = &b->groups[b->at];
    const struct entity_value *v = &group->row.value;
    switch ((enum bulk_column)column) {
    case BULK_COLLECTION: sqlite3_result_int64(context, group->collection->id); break;
    case BULK_ID: bulk_text(context, group->id); break;
    STORE_ENTITY_VALUES(BULK_CASE, )
    }
    return SQLITE_OK;
}

static int bulk_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)((struct bulk_cursor *)cursor)->bulk->at;
    return SQLITE_OK;
}

/* Without xCreate: there as soon as the connection knows the module, and never in the schema. */
static const sqlite3_module bulk_module = {
    .xConnect = bulk_connect,
    .xBestIndex = bulk_best_index,
    .xDisconnect = bulk_disconnect,
    .xOpen = bulk_open,
    .xClose = bulk_close,
    .xFilter = bulk_filter,
    .xNext = bulk_next,
    .xEof = bulk_eof,
    .xColumn = bulk_column,
    .xRowid = bulk_rowid,
};

/* The first time: the table and its statements, which store_connection_close ends. */
static enum sg_status bulk_prepare(struct store_connection *c, struct store_bulk *b, struct sg_error *err)
{
    if (b->db != NULL)
        return SG_OK;
    int rc = sqlite3_create_module(c->db, "incoming", &bulk_module, b);
    enum sg_status status = rc == SQLITE_OK ? SG_OK : store_fail(c, rc, "prepare a statement", err);
    if (status == SG_OK)
        status = store_prepare(c, SQL_BULK_FIRST, SQL_BULK_LAST, err);
    if (status == SG_OK)
        b->db = c->db;
    return status;
}

/* One statement over these groups. */
static enum sg_status bulk_run(struct store_connection *c, struct store_bulk *b, enum store_sql which,
                               struct store_group *groups, size_t count, struct sg_error *err)
{
    b->groups = groups;
    b->count = count;
    b->at = 0;
    b->deleted = which == SQL_TOMBSTONE_INSERT_INCOMING;
    b->written = 0;
    b->rowid = 0;
    sqlite3_set_last_insert_rowid(c->db, 0);
    enum sg_status status = store_run(c, store_statement(c, which), SQLITE_OK, WHAT, err);
    b->groups = NULL;
    b->count = 0;
    if (status == SG_OK && sqlite3_changes64(c->db) != b->written)
        status = sg_fail(err, SG_INVALID, "SQLite inserted %lld rows and showed %lld of them",
                         (long long)sqlite3_changes64(c->db), (long long)b->written);
    return status;
}

/* Where a collection has no tombstones, nothing looks for one. */
static bool guarded(const struct store_group *g)
{
    return g->collection->tombstones > 0;
}

enum sg_status store_bulk_insert(struct store_connection *c, struct store_bulk *b, struct store_group *groups,
                                 size_t groups_count, struct sg_error *err)
{
    bool deleted = false;
    enum sg_status status = bulk_prepare(c, b, err);
    for (size_t first = 0, end; status == SG_OK && first < groups_count; first = end) {
        for (end = first; end < groups_count && guarded(&groups[end]) == guarded(&groups[first]); end++)
            deleted |= groups[end].row.changed && groups[end].row.value.deleted;
        status = bulk_run(c, b, guarded(&groups[first]) ? SQL_ENTITY_INSERT_INCOMING_GUARDED
                                                        : SQL_ENTITY_INSERT_INCOMING,
                          &groups[first], end - first, err);
    }
    if (status == SG_OK && deleted)
        status = bulk_run(c, b, SQL_TOMBSTONE_INSERT_INCOMING, groups, groups_count, err);
    return status;
}
