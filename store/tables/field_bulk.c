/* The table `incoming_fields`, a virtual one that only the writer's connection has: a row for each new entity with the
 * values of its declared fields, or, of a many-valued field, a row for each element. Most of what a statement costs is
 * its beginning and its end. */
#include "store/tables/field_bulk.h"

#include <stdlib.h>

#define WHAT "write declared fields"
#define SQL_BYTES_MAX 4096

/* c<i> is the value of the declared field i. */
enum { BULK_NUMBER, BULK_ID, BULK_VALUE, BULK_FIELDS };

struct bulk_table {
    sqlite3_vtab base;
    struct store_field_bulk *bulk; /* borrowed; outlives the connection */
};

struct bulk_cursor {
    sqlite3_vtab_cursor base;
    struct store_field_bulk *bulk; /* borrowed */
};

static int bulk_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    struct bulk_table *table = calloc(1, sizeof *table);
    struct buffer sql;
    int rc = SQLITE_NOMEM;
    buffer_init(&sql, SQL_BYTES_MAX);
    buffer_append_text(&sql, "CREATE TABLE incoming_fields (number, id, value");
    for (unsigned i = 0; i < FIELDS_MAX; i++)
        buffer_append_format(&sql, ", c%u", i);
    buffer_append(&sql, ")", 2);
    if (table != NULL && !sql.failed)
        rc = sqlite3_declare_vtab(db, sql.data);
    buffer_free(&sql);
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

static size_t elements_count(const struct store_field_bulk *b)
{
    const struct field_value *value = &b->incoming[b->at].values[b->rows->columns[b->many].declared];
    return value->state == FIELD_ELEMENTS ? value->elements.count : 0;
}

/* Go on to the next row that there is, from where it stands. */
static void bulk_settle(struct store_field_bulk *b)
{
    while (b->at < b->count) {
        if (store_field_rows_hold(b->rows, b->incoming[b->at].number) &&
            (b->many == FIELDS_NONE || b->element < elements_count(b)))
            return;
        b->at++;
        b->element = 0;
    }
}

static int bulk_filter(sqlite3_vtab_cursor *cursor, int number, const char *text, int argc, sqlite3_value **argv)
{
    struct store_field_bulk *b = ((struct bulk_cursor *)cursor)->bulk;
    (void)number;
    (void)text;
    (void)argc;
    (void)argv;
    b->at = b->element = 0;
    bulk_settle(b);
    return SQLITE_OK;
}

static int bulk_next(sqlite3_vtab_cursor *cursor)
{
    struct store_field_bulk *b = ((struct bulk_cursor *)cursor)->bulk;
    if (b->many == FIELDS_NONE)
        b->at++;
    else
        b->element++;
    bulk_settle(b);
    return SQLITE_OK;
}

static int bulk_eof(sqlite3_vtab_cursor *cursor)
{
    const struct store_field_bulk *b = ((struct bulk_cursor *)cursor)->bulk;
    return b->at >= b->count;
}

static void result_text(sqlite3_context *context, struct slice text)
{
    sqlite3_result_text64(context, text.bytes > 0 ? text.data : "", text.bytes, SQLITE_STATIC, SQLITE_UTF8);
}

/* Nothing is NULL. */
static void result_value(sqlite3_context *context, enum field_type type, const struct field_value *value)
{
    if (value->state != FIELD_SET)
        return;
    if (type == FIELD_STRING)
        result_text(context, value->text);
    else if (type == FIELD_NUMBER)
        sqlite3_result_double(context, value->number);
    else
        sqlite3_result_int64(context, value->integer);
}

static int bulk_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int column)
{
    const struct store_field_bulk *b = ((struct bulk_cursor *)cursor)->bulk;
    const struct store_field_incoming *row = &b->incoming[b->at];
    if (column == BULK_NUMBER) {
        sqlite3_result_int64(context, row->number);
    } else if (column == BULK_ID) {
        result_text(context, row->id);
    } else if (column == BULK_VALUE && b->many != FIELDS_NONE) {
        const struct store_field_column *many = &b->rows->columns[b->many];
        result_value(context, many->type, &row->values[many->declared].elements.values[b->element]);
    } else if (column >= BULK_FIELDS) {
        unsigned declared = (unsigned)(column - BULK_FIELDS);
        result_value(context, b->rows->types[declared], &row->values[declared]);
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

/* OR FAIL: what fails rolls the transaction back anyway, so that no page need be kept for the statement's sake. */
static enum sg_status prepare_single(struct store_field_rows *rows, struct sg_error *err)
{
    struct buffer sql;
    buffer_init(&sql, SQL_BYTES_MAX);
    buffer_append_format(&sql, "INSERT OR FAIL INTO %s (number, id", store_fields_table(rows->set).text);
    store_field_rows_columns(rows, false, &sql);
    buffer_append_text(&sql, ") SELECT number, id");
    store_field_rows_columns(rows, true, &sql);
    buffer_append_text(&sql, " FROM incoming_fields");
    return store_field_rows_prepare(rows, &rows->insert_incoming, &sql, err);
}

static enum sg_status prepare_many(struct store_field_rows *rows, unsigned k, struct sg_error *err)
{
    struct buffer sql;
    buffer_init(&sql, SQL_BYTES_MAX);
    buffer_append_format(&sql,
                         "INSERT OR FAIL INTO %s (number, value, id) SELECT number, value, id FROM incoming_fields",
                         store_fields_many_table(rows->set, k).text);
    return store_field_rows_prepare(rows, &rows->many_insert_incoming[k], &sql, err);
}

static enum sg_status bulk_run(struct store_field_bulk *b, struct store_field_rows *rows, unsigned many,
                               struct sg_error *err)
{
    sqlite3_stmt **s = many == FIELDS_NONE ? &rows->insert_incoming : &rows->many_insert_incoming[many];
    enum sg_status status = SG_OK;
    if (*s == NULL)
        status = many == FIELDS_NONE ? prepare_single(rows, err) : prepare_many(rows, many, err);
    if (status != SG_OK)
        return status;
    b->many = many;
    return store_run(rows->c, *s, SQLITE_OK, WHAT, err);
}

enum sg_status store_field_bulk_insert(struct store_field_bulk *b, struct store_field_rows *rows,
                                       const struct store_field_incoming *incoming, size_t count, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && count < STORE_FIELD_BULK_MIN && i < count; i++)
        status = store_field_rows_insert(rows, incoming[i].number, incoming[i].id, incoming[i].values, err);
    if (count < STORE_FIELD_BULK_MIN)
        return status;
    if (b->db == NULL) {
        int rc = sqlite3_create_module(rows->c->db, "incoming_fields", &bulk_module, b);
        if (rc != SQLITE_OK)
            return store_fail(rows->c, rc, WHAT, err);
        b->db = rows->c->db;
    }
    b->rows = rows;
    b->incoming = incoming;
    b->count = count;
    status = bulk_run(b, rows, FIELDS_NONE, err);
    for (unsigned k = 0; status == SG_OK && rows->many && k < rows->columns_count; k++) {
        if (rows->columns[k].many && rows->columns[k].declared != FIELDS_NONE)
            status = bulk_run(b, rows, k, err);
    }
    b->rows = NULL;
    b->incoming = NULL;
    b->count = 0;
    return status;
}
