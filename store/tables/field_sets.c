/* Rows of field_sets. What a stored declaration says is read by SQLite's JSON functions. */
#include "store/tables/field_sets.h"

#include <inttypes.h>
#include <stdio.h>

#define WHAT "read the sets of fields"
#define WRITE "write a set of fields"

enum { COLUMN_NUMBER, COLUMN_FILLED, COLUMN_UNTIL, COLUMN_INDEXED, COLUMN_DECLARATION };
enum { FIELD_COLUMN_AT, FIELD_COLUMN_TYPE, FIELD_COLUMN_NAME };

/* ---- what a stored declaration says ---- */

static bool is_many(struct slice at)
{
    return at.bytes >= 2 && memcmp(at.data + at.bytes - 2, "/*", 2) == 0;
}

/* The value of the field is taken from the same place, and is of the same type. */
static bool same_meaning(sqlite3_stmt *s, const struct field *field)
{
    struct slice at = store_column_slice(s, FIELD_COLUMN_AT);
    if (!slice_equal(store_column_slice(s, FIELD_COLUMN_TYPE), slice_of(field_type_name(field->type))))
        return false;
    if (is_many(at) != field->many)
        return false;
    at.bytes -= field->many ? 2 : 0;
    return slice_equal(at, slice_of(field->at));
}

static enum sg_status find_places(struct store_connection *c, struct slice stored, const struct field_set *declared,
                                  unsigned places[FIELDS_MAX], struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_FIELDS);
    int bound = sqlite3_bind_text64(s, 1, stored.data, stored.bytes, SQLITE_STATIC, SQLITE_UTF8);
    unsigned place = 0;
    enum sg_status status;
    for (size_t i = 0; i < FIELDS_MAX; i++)
        places[i] = FIELDS_NONE;
    for (; (status = store_step(c, s, bound, WHAT, err)) == SG_OK && place < FIELDS_MAX; place++) {
        for (size_t i = 0; i < declared->fields_count; i++) {
            if (places[i] == FIELDS_NONE && same_meaning(s, &declared->fields[i]))
                places[i] = place;
        }
    }
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

enum sg_status store_field_set_columns(struct store_connection *c, int64_t set, const struct field_set *declared,
                                       struct store_field_column out[FIELDS_MAX], size_t *count, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_OWN_FIELDS);
    int bound = sqlite3_bind_int64(s, 1, set);
    enum sg_status status;
    for (*count = 0; (status = store_step(c, s, bound, WHAT, err)) == SG_OK && *count < FIELDS_MAX; (*count)++) {
        struct store_field_column *column = &out[*count];
        struct slice type = store_column_slice(s, FIELD_COLUMN_TYPE);
        *column = (struct store_field_column){.many = is_many(store_column_slice(s, FIELD_COLUMN_AT)),
                                              .declared = FIELDS_NONE};
        while (column->type + 1 < FIELD_TYPES_COUNT && !slice_equal(type, slice_of(field_type_name(column->type))))
            column->type++; /* that of a forgotten field does not matter */
        for (unsigned i = (unsigned)declared->fields_count; i-- > 0;) {
            if (same_meaning(s, &declared->fields[i]))
                column->declared = i;
        }
    }
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* Names, places and types are the same. */
static enum sg_status same_fields(struct store_connection *c, int64_t set, const struct field_set *declared, bool *out,
                                  struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_OWN_FIELDS);
    int bound = sqlite3_bind_int64(s, 1, set);
    size_t count = 0;
    enum sg_status status;
    *out = true;
    for (; (status = store_step(c, s, bound, WHAT, err)) == SG_OK && count < FIELDS_MAX; count++)
        *out &= count < declared->fields_count && same_meaning(s, &declared->fields[count]) &&
                slice_equal(store_column_slice(s, FIELD_COLUMN_NAME), slice_of(declared->fields[count].name));
    (void)sqlite3_reset(s);
    *out &= count == declared->fields_count;
    return status == SG_NOT_FOUND ? SG_OK : status;
}

static enum sg_status has_indexes(struct store_connection *c, int64_t set, const struct field_set *declared, bool *out,
                                  struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_OWN_INDEX);
    enum sg_status status = SG_OK;
    *out = true;
    for (size_t i = 0; status == SG_OK && *out && i < declared->indexes_count; i++) {
        int bound = sqlite3_bind_int64(s, 1, set);
        bound |= sqlite3_bind_text(s, 2, declared->indexes[i].text, -1, SQLITE_STATIC);
        status = store_step(c, s, bound, WHAT, err);
        *out = status == SG_OK;
        (void)sqlite3_reset(s);
    }
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* ---- what serves ---- */

enum sg_status store_index_exists(struct store_connection *c, const char *name, bool *out, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_INDEX_EXISTS);
    enum sg_status status = store_step(c, s, sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC), WHAT, err);
    (void)sqlite3_reset(s);
    *out = status == SG_OK;
    return status == SG_NOT_FOUND ? SG_OK : status;
}

static bool has_places(const struct field_index *index, const unsigned *places)
{
    for (size_t i = 0; i < index->columns_count; i++) {
        if (places[index->columns[i].field] == FIELDS_NONE)
            return false;
    }
    return true;
}

static enum sg_status find_indexes(struct store_connection *c, const struct field_set *declared,
                                   struct store_field_set *out, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < declared->indexes_count; i++) {
        const struct field_index *index = &declared->indexes[i];
        out->indexes[i] = false;
        if (has_places(index, out->places))
            status = store_index_exists(c, store_fields_index(out->number, out->places, declared, index).text,
                                        &out->indexes[i], err);
    }
    return status;
}

enum sg_status store_field_sets_serving(struct store_connection *c, int64_t collection,
                                        const struct store_declaration *declared, struct store_field_set *out,
                                        struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_SERVING);
    enum sg_status status = store_step(c, s, sqlite3_bind_int64(s, 1, collection), WHAT, err);
    bool known = false;
    *out = (struct store_field_set){0};
    for (unsigned i = 0; i < FIELDS_MAX; i++)
        out->places[i] = status == SG_OK ? i : FIELDS_NONE;
    if (status == SG_OK) {
        struct slice stored = store_column_slice(s, COLUMN_DECLARATION);
        out->number = sqlite3_column_int64(s, COLUMN_NUMBER);
        known = slice_equal(stored, declared->text);
        for (size_t i = 0; i < declared->fields->indexes_count; i++)
            out->indexes[i] = true;
        if (!known)
            status = find_places(c, stored, declared->fields, out->places, err);
        known &= sqlite3_column_int(s, COLUMN_INDEXED) != 0;
    }
    (void)sqlite3_reset(s);
    if (status == SG_OK && !known)
        status = find_indexes(c, declared->fields, out, err);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* ---- the writer's ---- */

static enum sg_status row_fits(struct store_connection *c, struct store_field_set_row *row,
                               const struct field_set *declared, struct sg_error *err)
{
    enum sg_status status = same_fields(c, row->number, declared, &row->fits, err);
    if (status == SG_OK && row->fits)
        status = has_indexes(c, row->number, declared, &row->fits, err);
    return status;
}

enum sg_status store_field_sets_load(struct store_connection *c, int64_t collection,
                                     const struct store_declaration *declared,
                                     struct store_field_set_row out[STORE_FIELD_SETS_MAX], size_t *count,
                                     struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SETS_LOAD);
    int bound = sqlite3_bind_int64(s, 1, collection);
    enum sg_status status;
    for (*count = 0; (status = store_step(c, s, bound, WHAT, err)) == SG_OK && *count < STORE_FIELD_SETS_MAX;) {
        out[(*count)++] = (struct store_field_set_row){
            .number = sqlite3_column_int64(s, COLUMN_NUMBER),
            .filled = sqlite3_column_int64(s, COLUMN_FILLED),
            .until = sqlite3_column_int64(s, COLUMN_UNTIL),
            .indexed = sqlite3_column_int(s, COLUMN_INDEXED) != 0,
            .declared = declared != NULL &&
                        slice_equal(store_column_slice(s, COLUMN_DECLARATION), declared->text)};
    }
    (void)sqlite3_reset(s);
    if (status == SG_OK)
        return store_fail(c, SQLITE_CORRUPT, WHAT, err); /* never more than that */
    status = status == SG_NOT_FOUND ? SG_OK : status;
    for (size_t i = 0; status == SG_OK && declared != NULL && i < *count; i++) {
        out[i].fits = out[i].declared;
        if (!out[i].fits)
            status = row_fits(c, &out[i], declared->fields, err);
    }
    return status;
}

static int bind_text(sqlite3_stmt *s, int at, struct slice text)
{
    return sqlite3_bind_text64(s, at, text.data, text.bytes, SQLITE_STATIC, SQLITE_UTF8);
}

enum sg_status store_field_set_insert(struct store_connection *c, int64_t collection,
                                      const struct store_declaration *declared, const struct store_field_set_row *row,
                                      int64_t *number, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_INSERT);
    int bound = sqlite3_bind_int64(s, 1, collection);
    bound |= bind_text(s, 2, declared->text);
    bound |= sqlite3_bind_int64(s, 3, row->filled);
    bound |= sqlite3_bind_int64(s, 4, row->until);
    bound |= sqlite3_bind_int(s, 5, row->indexed);
    enum sg_status status = store_run(c, s, bound, WRITE, err);
    if (status == SG_OK)
        *number = sqlite3_last_insert_rowid(c->db);
    return status;
}

enum sg_status store_field_set_filled(struct store_connection *c, int64_t set, int64_t filled, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_FILLED);
    int bound = sqlite3_bind_int64(s, 1, set);
    bound |= sqlite3_bind_int64(s, 2, filled);
    return store_run(c, s, bound, WRITE, err);
}

static enum sg_status run_of(struct store_connection *c, enum store_sql which, int64_t key, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, which);
    return store_run(c, s, sqlite3_bind_int64(s, 1, key), WRITE, err);
}

enum sg_status store_field_set_indexed(struct store_connection *c, int64_t set, struct sg_error *err)
{
    return run_of(c, SQL_FIELD_SET_INDEXED, set, err);
}

enum sg_status store_field_set_give_up(struct store_connection *c, int64_t set, struct sg_error *err)
{
    return run_of(c, SQL_FIELD_SET_GIVE_UP, set, err);
}

enum sg_status store_field_sets_give_up(struct store_connection *c, int64_t collection, struct sg_error *err)
{
    return run_of(c, SQL_FIELD_SETS_GIVE_UP, collection, err);
}

enum sg_status store_field_set_declare(struct store_connection *c, int64_t set,
                                       const struct store_declaration *declared, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_DECLARE);
    int bound = sqlite3_bind_int64(s, 1, set);
    bound |= bind_text(s, 2, declared->text);
    return store_run(c, s, bound, WRITE, err);
}

enum sg_status store_field_set_forget(struct store_connection *c, int64_t set, const struct field_set *declared,
                                      struct sg_error *err)
{
    struct store_field_column columns[FIELDS_MAX];
    size_t count = 0;
    enum sg_status status = store_field_set_columns(c, set, declared, columns, &count, err);
    for (size_t i = 0; status == SG_OK && i < count; i++) {
        if (columns[i].declared != FIELDS_NONE)
            continue;
        sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_FORGET);
        int bound = sqlite3_bind_int64(s, 1, set);
        bound |= sqlite3_bind_int64(s, 2, (sqlite3_int64)i);
        status = store_run(c, s, bound, WRITE, err);
    }
    return status;
}

enum sg_status store_field_sets_unready(struct store_connection *c, int64_t stream, int64_t build, bool *out,
                                        struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SETS_UNREADY);
    int bound = sqlite3_bind_int64(s, 1, stream);
    bound |= sqlite3_bind_int64(s, 2, build);
    enum sg_status status = store_step(c, s, bound, WHAT, err);
    (void)sqlite3_reset(s);
    *out = status == SG_OK;
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* ---- sweeping ---- */

/* One of its tables; false: it has none. */
static enum sg_status find_table(struct store_connection *c, int64_t set, struct store_fields_name *out, bool *found,
                                 struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_TABLE);
    enum sg_status status = store_step(c, s, sqlite3_bind_int64(s, 1, set), WHAT, err);
    *found = status == SG_OK;
    if (*found)
        (void)snprintf(out->text, sizeof out->text, "%s", (const char *)sqlite3_column_text(s, 0));
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

static enum sg_status find_given_up(struct store_connection *c, int64_t *set, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_GIVEN_UP);
    enum sg_status status = store_step(c, s, SQLITE_OK, WHAT, err);
    if (status == SG_OK)
        *set = sqlite3_column_int64(s, 0);
    (void)sqlite3_reset(s);
    return status;
}

static enum sg_status prepare_delete(struct store_connection *c, struct store_field_sweep *sweep, struct sg_error *err)
{
    char sql[4 * sizeof sweep->table.text];
    bool many = strcmp(sweep->table.text, store_fields_table(sweep->set).text) != 0;
    /* In the order of the table itself. */
    const char *key = many ? "number, value" : "number";
    (void)snprintf(sql, sizeof sql, "DELETE FROM %s WHERE (%s) = (SELECT %s FROM %s ORDER BY %s LIMIT 1)",
                   sweep->table.text, key, key, sweep->table.text, key);
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &sweep->delete_row, NULL);
    return rc == SQLITE_OK ? SG_OK : store_fail(c, rc, WRITE, err);
}

enum sg_status store_field_sweep_begin(struct store_connection *c, struct store_field_sweep *out, struct sg_error *err)
{
    bool found = false;
    enum sg_status status = SG_OK;
    out->delete_row = NULL;
    while (status == SG_OK && !found) {
        status = find_given_up(c, &out->set, err);
        if (status == SG_OK)
            status = find_table(c, out->set, &out->table, &found, err);
        if (status == SG_OK && !found)
            status = run_of(c, SQL_FIELD_SET_DELETE, out->set, err);
    }
    return status == SG_OK ? prepare_delete(c, out, err) : status;
}

enum sg_status store_field_sweep_end(struct store_connection *c, struct store_field_sweep *sweep, bool empty,
                                     struct sg_error *err)
{
    char sql[2 * sizeof sweep->table.text];
    (void)sqlite3_finalize(sweep->delete_row);
    sweep->delete_row = NULL;
    if (!empty)
        return SG_OK;
    (void)snprintf(sql, sizeof sql, "DROP TABLE %s", sweep->table.text);
    return store_exec(c, sql, WRITE, err);
}
