/* Rows of declared fields: inserted, compared with what is stored, removed. */
#include "store/tables/field_rows.h"

#include <stdlib.h>

#define WHAT "write declared fields"
#define SQL_BYTES_MAX 4096

enum { FIND_NUMBER, FIND_ROW, FIND_FIRST };

bool store_field_rows_hold(const struct store_field_rows *rows, int64_t number)
{
    return rows->filled == STORE_FIELDS_FILLED || number <= rows->filled || number > rows->until;
}

/* A column of fields_<n> that is written. */
static bool is_single(const struct store_field_column *column)
{
    return !column->many && column->declared != FIELDS_NONE;
}

static bool is_many(const struct store_field_column *column)
{
    return column->many && column->declared != FIELDS_NONE;
}

enum sg_status store_field_rows_open(struct store_connection *c, const struct store_field_set_row *row,
                                     const struct field_set *declared, struct store_field_rows **out,
                                     struct sg_error *err)
{
    struct store_field_rows *rows = calloc(1, sizeof *rows);
    if (rows == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    rows->c = c;
    rows->set = row->number;
    rows->filled = row->filled;
    rows->until = row->until;
    enum sg_status status =
        store_field_set_columns(c, row->number, declared, rows->columns, &rows->columns_count, err);
    for (size_t i = 0; status == SG_OK && i < rows->columns_count; i++) {
        const struct store_field_column *column = &rows->columns[i];
        rows->many |= is_many(column);
        if (column->declared != FIELDS_NONE)
            rows->types[column->declared] = column->type;
    }
    if (status == SG_OK)
        *out = rows;
    else
        store_field_rows_close(rows);
    return status;
}

void store_field_rows_close(struct store_field_rows *rows)
{
    if (rows == NULL)
        return;
    (void)sqlite3_finalize(rows->find);
    (void)sqlite3_finalize(rows->insert);
    (void)sqlite3_finalize(rows->remove);
    (void)sqlite3_finalize(rows->insert_incoming);
    for (size_t i = 0; i < STORE_FIELD_UPDATES; i++)
        (void)sqlite3_finalize(rows->updates[i].statement);
    for (size_t i = 0; i < FIELDS_MAX; i++) {
        (void)sqlite3_finalize(rows->many_find[i]);
        (void)sqlite3_finalize(rows->many_insert[i]);
        (void)sqlite3_finalize(rows->many_remove[i]);
        (void)sqlite3_finalize(rows->many_insert_incoming[i]);
    }
    free(rows);
}

/* ---- statements ---- */

enum sg_status store_field_rows_prepare(struct store_field_rows *rows, sqlite3_stmt **s, struct buffer *sql,
                                        struct sg_error *err)
{
    int rc = SQLITE_NOMEM;
    buffer_append(sql, "", 1);
    if (!sql->failed)
        rc = sqlite3_prepare_v3(rows->c->db, sql->data, -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
    buffer_free(sql);
    return rc == SQLITE_OK ? SG_OK : store_fail(rows->c, rc, WHAT, err);
}

void store_field_rows_columns(const struct store_field_rows *rows, bool declared, struct buffer *out)
{
    for (unsigned k = 0; k < rows->columns_count; k++) {
        if (is_single(&rows->columns[k]))
            buffer_append_format(out, ", c%u", declared ? rows->columns[k].declared : k);
    }
}

static enum sg_status prepare_find(struct store_field_rows *rows, struct sg_error *err)
{
    struct buffer sql;
    buffer_init(&sql, SQL_BYTES_MAX);
    buffer_append_text(&sql, "SELECT e.number, f.number");
    store_field_rows_columns(rows, false, &sql);
    buffer_append_format(&sql, " FROM entities e LEFT JOIN %s f ON f.number = e.number "
                               "WHERE e.collection = ?1 AND e.id = ?2",
                         store_fields_table(rows->set).text);
    return store_field_rows_prepare(rows, &rows->find, &sql, err);
}

static enum sg_status prepare_insert(struct store_field_rows *rows, struct sg_error *err)
{
    struct buffer sql;
    buffer_init(&sql, SQL_BYTES_MAX);
    buffer_append_format(&sql, "INSERT INTO %s (number, id", store_fields_table(rows->set).text);
    store_field_rows_columns(rows, false, &sql);
    buffer_append_text(&sql, ") VALUES (?1, ?2");
    int parameter = 3;
    for (size_t k = 0; k < rows->columns_count; k++) {
        if (is_single(&rows->columns[k]))
            buffer_append_format(&sql, ", ?%d", parameter++);
    }
    buffer_append_text(&sql, ")");
    return store_field_rows_prepare(rows, &rows->insert, &sql, err);
}

/* Of a many-valued field: what stands before the table's name, and after it. */
static enum sg_status prepare_many(struct store_field_rows *rows, unsigned k, sqlite3_stmt **s, const char *before,
                                   const char *after, struct sg_error *err)
{
    struct buffer sql;
    if (*s != NULL)
        return SG_OK;
    buffer_init(&sql, SQL_BYTES_MAX);
    buffer_append_format(&sql, "%s %s %s", before, store_fields_many_table(rows->set, k).text, after);
    return store_field_rows_prepare(rows, s, &sql, err);
}

/* ---- values ---- */

static int bind_value(sqlite3_stmt *s, int at, enum field_type type, const struct field_value *value)
{
    if (value->state != FIELD_SET)
        return sqlite3_bind_null(s, at);
    if (type == FIELD_STRING) /* an empty one is a value */
        return sqlite3_bind_text64(s, at, value->text.bytes > 0 ? value->text.data : "", value->text.bytes,
                                   SQLITE_STATIC, SQLITE_UTF8);
    return type == FIELD_NUMBER ? sqlite3_bind_double(s, at, value->number)
                                : sqlite3_bind_int64(s, at, value->integer);
}

/* The value of a column, valid until the next step. */
static struct field_value column_value(sqlite3_stmt *s, int at, enum field_type type)
{
    struct field_value value = {.state = FIELD_SET};
    if (sqlite3_column_type(s, at) == SQLITE_NULL)
        value.state = FIELD_NULL;
    else if (type == FIELD_STRING)
        value.text = store_column_slice(s, at);
    else if (type == FIELD_NUMBER)
        value.number = sqlite3_column_double(s, at);
    else
        value.integer = sqlite3_column_int64(s, at);
    return value;
}

static bool same_value(enum field_type type, const struct field_value *a, const struct field_value *b)
{
    if (a->state != FIELD_SET || b->state != FIELD_SET)
        return (a->state == FIELD_SET) == (b->state == FIELD_SET);
    return field_value_compare(type, a, b) == 0;
}

/* ---- inserting ---- */

static enum sg_status insert_element(struct store_field_rows *rows, unsigned k, int64_t number, struct slice id,
                                     const struct field_value *element, struct sg_error *err)
{
    sqlite3_stmt **s = &rows->many_insert[k];
    enum sg_status status =
        prepare_many(rows, k, s, "INSERT INTO", "(number, value, id) VALUES (?1, ?2, ?3)", err);
    if (status != SG_OK)
        return status;
    int bound = sqlite3_bind_int64(*s, 1, number);
    bound |= bind_value(*s, 2, rows->columns[k].type, element);
    bound |= store_bind_slice(*s, 3, id, SIZE_MAX);
    return store_run(rows->c, *s, bound, WHAT, err);
}

static enum sg_status insert_many(struct store_field_rows *rows, int64_t number, struct slice id,
                                  const struct field_value *values, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (unsigned k = 0; status == SG_OK && k < rows->columns_count; k++) {
        if (!is_many(&rows->columns[k]))
            continue;
        const struct field_value *value = &values[rows->columns[k].declared];
        size_t count = value->state == FIELD_ELEMENTS ? value->elements.count : 0;
        for (size_t i = 0; status == SG_OK && i < count; i++)
            status = insert_element(rows, k, number, id, &value->elements.values[i], err);
    }
    return status;
}

enum sg_status store_field_rows_insert(struct store_field_rows *rows, int64_t number, struct slice id,
                                       const struct field_value *values, struct sg_error *err)
{
    if (!store_field_rows_hold(rows, number))
        return SG_OK;
    enum sg_status status = rows->insert == NULL ? prepare_insert(rows, err) : SG_OK;
    if (status != SG_OK)
        return status;
    int parameter = 3;
    int bound = sqlite3_bind_int64(rows->insert, 1, number);
    bound |= store_bind_slice(rows->insert, 2, id, SIZE_MAX);
    for (size_t k = 0; k < rows->columns_count; k++) {
        const struct store_field_column *column = &rows->columns[k];
        if (is_single(column))
            bound |= bind_value(rows->insert, parameter++, column->type, &values[column->declared]);
    }
    status = store_run(rows->c, rows->insert, bound, WHAT, err);
    return status == SG_OK && rows->many ? insert_many(rows, number, id, values, err) : status;
}

/* ---- updating ---- */

/* Which columns differ from what the row has. */
static uint32_t find_changes(const struct store_field_rows *rows, const struct field_value *values)
{
    uint32_t changed = 0;
    int at = FIND_FIRST;
    for (size_t k = 0; k < rows->columns_count; k++) {
        const struct store_field_column *column = &rows->columns[k];
        if (!is_single(column))
            continue;
        struct field_value stored = column_value(rows->find, at++, column->type);
        if (!same_value(column->type, &stored, &values[column->declared]))
            changed |= UINT32_C(1) << k;
    }
    return changed;
}

static enum sg_status prepare_update(struct store_field_rows *rows, uint32_t columns, sqlite3_stmt **out,
                                     struct sg_error *err)
{
    for (size_t i = 0; i < STORE_FIELD_UPDATES; i++) {
        if (rows->updates[i].columns == columns) {
            *out = rows->updates[i].statement;
            return SG_OK;
        }
    }
    struct store_field_update *update = &rows->updates[rows->updates_next];
    rows->updates_next = (rows->updates_next + 1) % STORE_FIELD_UPDATES;
    (void)sqlite3_finalize(update->statement);
    *update = (struct store_field_update){0};
    struct buffer sql;
    int parameter = 2;
    buffer_init(&sql, SQL_BYTES_MAX);
    buffer_append_format(&sql, "UPDATE %s SET ", store_fields_table(rows->set).text);
    for (unsigned k = 0; k < rows->columns_count; k++) {
        if ((columns >> k & 1) != 0) {
            buffer_append_format(&sql, "%sc%u = ?%d", parameter > 2 ? ", " : "", k, parameter);
            parameter++;
        }
    }
    buffer_append_text(&sql, " WHERE number = ?1");
    enum sg_status status = store_field_rows_prepare(rows, &update->statement, &sql, err);
    if (status == SG_OK)
        update->columns = columns;
    *out = update->statement;
    return status;
}

static enum sg_status write_changes(struct store_field_rows *rows, int64_t number, uint32_t changed,
                                    const struct field_value *values, struct sg_error *err)
{
    sqlite3_stmt *s = NULL;
    int parameter = 2;
    enum sg_status status = prepare_update(rows, changed, &s, err);
    if (status != SG_OK)
        return status;
    int bound = sqlite3_bind_int64(s, 1, number);
    for (size_t k = 0; k < rows->columns_count; k++) {
        const struct store_field_column *column = &rows->columns[k];
        if ((changed >> k & 1) != 0)
            bound |= bind_value(s, parameter++, column->type, &values[column->declared]);
    }
    return store_run(rows->c, s, bound, WHAT, err);
}

/* Are these the elements that are stored? */
static enum sg_status same_elements(struct store_field_rows *rows, unsigned k, int64_t number,
                                    const struct field_value *value, bool *out, struct sg_error *err)
{
    sqlite3_stmt **s = &rows->many_find[k];
    enum field_type type = rows->columns[k].type;
    size_t count = value->state == FIELD_ELEMENTS ? value->elements.count : 0;
    size_t at = 0;
    enum sg_status status = prepare_many(rows, k, s, "SELECT value FROM", "WHERE number = ?1 ORDER BY value", err);
    if (status != SG_OK)
        return status;
    int bound = sqlite3_bind_int64(*s, 1, number);
    *out = true;
    while (*out && (status = store_step(rows->c, *s, bound, WHAT, err)) == SG_OK) {
        struct field_value stored = column_value(*s, 0, type);
        *out = at < count && same_value(type, &stored, &value->elements.values[at]);
        at++;
    }
    (void)sqlite3_reset(*s);
    *out &= at == count;
    return status == SG_NOT_FOUND ? SG_OK : status;
}

static enum sg_status remove_many(struct store_field_rows *rows, unsigned k, int64_t number, struct sg_error *err)
{
    sqlite3_stmt **s = &rows->many_remove[k];
    enum sg_status status = prepare_many(rows, k, s, "DELETE FROM", "WHERE number = ?1", err);
    return status == SG_OK ? store_run(rows->c, *s, sqlite3_bind_int64(*s, 1, number), WHAT, err) : status;
}

/* Where one element differs, all are written: most changes of a list are of several. */
static enum sg_status update_many(struct store_field_rows *rows, int64_t number, struct slice id,
                                  const struct field_value *values, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (unsigned k = 0; status == SG_OK && k < rows->columns_count; k++) {
        if (!is_many(&rows->columns[k]))
            continue;
        const struct field_value *value = &values[rows->columns[k].declared];
        bool same = false;
        status = same_elements(rows, k, number, value, &same, err);
        if (status != SG_OK || same)
            continue;
        status = remove_many(rows, k, number, err);
        size_t count = value->state == FIELD_ELEMENTS ? value->elements.count : 0;
        for (size_t i = 0; status == SG_OK && i < count; i++)
            status = insert_element(rows, k, number, id, &value->elements.values[i], err);
    }
    return status;
}

enum sg_status store_field_rows_update(struct store_field_rows *rows, int64_t collection, struct slice id,
                                       const struct field_value *values, struct sg_error *err)
{
    enum sg_status status = rows->find == NULL ? prepare_find(rows, err) : SG_OK;
    if (status != SG_OK)
        return status;
    int bound = sqlite3_bind_int64(rows->find, 1, collection);
    bound |= store_bind_slice(rows->find, 2, id, SIZE_MAX);
    status = store_step(rows->c, rows->find, bound, WHAT, err);
    int64_t number = 0;
    bool stored = false;
    uint32_t changed = 0;
    if (status == SG_OK) {
        number = sqlite3_column_int64(rows->find, FIND_NUMBER);
        stored = sqlite3_column_type(rows->find, FIND_ROW) != SQLITE_NULL;
        changed = stored ? find_changes(rows, values) : 0;
    }
    (void)sqlite3_reset(rows->find);
    if (status == SG_NOT_FOUND || (status == SG_OK && stored != store_field_rows_hold(rows, number)))
        return store_fail(rows->c, SQLITE_CORRUPT, WHAT, err);
#ifdef SG_PLANT_QUERY_STALE_ENTRY /* one of the fields that changed is found by what it was */
    changed &= changed - 1;
#endif
    if (status == SG_OK && changed != 0)
        status = write_changes(rows, number, changed, values, err);
    return status == SG_OK && stored && rows->many ? update_many(rows, number, id, values, err) : status;
}

/* ---- removing ---- */

enum sg_status store_field_rows_remove(struct store_field_rows *rows, int64_t number, struct sg_error *err)
{
    if (!store_field_rows_hold(rows, number))
        return SG_OK;
    enum sg_status status = SG_OK;
    if (rows->remove == NULL) {
        struct buffer sql;
        buffer_init(&sql, SQL_BYTES_MAX);
        buffer_append_format(&sql, "DELETE FROM %s WHERE number = ?1", store_fields_table(rows->set).text);
        status = store_field_rows_prepare(rows, &rows->remove, &sql, err);
    }
    if (status == SG_OK)
        status = store_run(rows->c, rows->remove, sqlite3_bind_int64(rows->remove, 1, number), WHAT, err);
    if (status == SG_OK && sqlite3_changes(rows->c->db) != 1)
        status = store_fail(rows->c, SQLITE_CORRUPT, WHAT, err); /* it was to be there */
    for (unsigned k = 0; status == SG_OK && k < rows->columns_count; k++) {
        if (rows->columns[k].many) /* also what is not written any more */
            status = remove_many(rows, k, number, err);
    }
    return status;
}
