/* Names and DDL of the tables of declared fields. */
#include "store/tables/fields.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define WHAT "make the tables of fields"
#define DDL_BYTES_MAX 8192 /* 32 columns, and as many for nulls */

struct store_fields_name store_fields_table(int64_t set)
{
    struct store_fields_name name;
    (void)snprintf(name.text, sizeof name.text, "fields_%" PRId64, set);
    return name;
}

struct store_fields_name store_fields_many_table(int64_t set, unsigned field)
{
    struct store_fields_name name;
    (void)snprintf(name.text, sizeof name.text, "field_%" PRId64 "_%u", set, field);
    return name;
}

bool store_fields_other_nulls(const struct field_index_column *column)
{
    return column->nulls_last != column->descending;
}

static unsigned place(const unsigned *places, const struct field_index_column *column)
{
    return places != NULL ? places[column->field] : column->field;
}

struct store_fields_name store_fields_index(int64_t set, const unsigned *places, const struct field_set *fields,
                                            const struct field_index *index)
{
    struct store_fields_name name = store_fields_table(set);
    size_t bytes = strlen(name.text);
    if (fields->fields[index->columns[0].field].many) {
        (void)snprintf(name.text, sizeof name.text, "field_%" PRId64 "_%u_values", set,
                       place(places, &index->columns[0]));
        return name;
    }
    for (size_t i = 0; i < index->columns_count; i++) {
        const struct field_index_column *column = &index->columns[i];
        int more = snprintf(name.text + bytes, sizeof name.text - bytes, "_%u%s%s", place(places, column),
                            column->descending ? "d" : "", store_fields_other_nulls(column) ? "n" : "");
        assert(more > 0 && (size_t)more < sizeof name.text - bytes);
        bytes += (size_t)more;
    }
    return name;
}

const char *store_fields_type(enum field_type type)
{
    switch (type) {
    case FIELD_STRING:
        return "TEXT";
    case FIELD_NUMBER:
        return "REAL";
    default:
        return "INTEGER";
    }
}

/* ---- DDL ---- */

static enum sg_status run(struct store_connection *c, struct buffer *sql, struct sg_error *err)
{
    buffer_append(sql, "", 1);
    enum sg_status status = sql->failed ? sg_fail(err, SG_MEMORY, "cannot " WHAT ": out of memory")
                                        : store_exec(c, sql->data, WHAT, err);
    buffer_free(sql);
    return status;
}

/* Is there an index that wants n<k>? */
static bool wants_nulls(const struct field_set *fields, unsigned field)
{
    for (size_t i = 0; i < fields->indexes_count; i++) {
        const struct field_index *index = &fields->indexes[i];
        for (size_t k = 0; k < index->columns_count; k++) {
            if (index->columns[k].field == field && store_fields_other_nulls(&index->columns[k]))
                return true;
        }
    }
    return false;
}

static enum sg_status create_many(struct store_connection *c, int64_t set, const struct field_set *fields,
                                  unsigned field, struct sg_error *err)
{
    struct buffer sql;
    buffer_init(&sql, DDL_BYTES_MAX);
    buffer_append_format(&sql,
                         "CREATE TABLE %s (number INTEGER NOT NULL, value %s NOT NULL, id TEXT NOT NULL, "
                         "PRIMARY KEY (number, value)) WITHOUT ROWID",
                         store_fields_many_table(set, field).text, store_fields_type(fields->fields[field].type));
    return run(c, &sql, err);
}

enum sg_status store_fields_create(struct store_connection *c, int64_t set, const struct field_set *fields,
                                   struct sg_error *err)
{
    struct buffer sql;
    buffer_init(&sql, DDL_BYTES_MAX);
    buffer_append_format(&sql, "CREATE TABLE %s (number INTEGER PRIMARY KEY, id TEXT NOT NULL",
                         store_fields_table(set).text);
    for (unsigned k = 0; k < fields->fields_count; k++) {
        if (!fields->fields[k].many)
            buffer_append_format(&sql, ", c%u %s", k, store_fields_type(fields->fields[k].type));
    }
    for (unsigned k = 0; k < fields->fields_count; k++) {
        if (wants_nulls(fields, k))
            buffer_append_format(&sql, ", n%u INTEGER GENERATED ALWAYS AS (c%u IS NULL) VIRTUAL", k, k);
    }
    buffer_append_text(&sql, ")");
    enum sg_status status = run(c, &sql, err);
    for (unsigned k = 0; status == SG_OK && k < fields->fields_count; k++) {
        if (fields->fields[k].many)
            status = create_many(c, set, fields, k, err);
    }
    return status;
}

static void append_columns(struct buffer *sql, const struct field_index *index)
{
    for (size_t i = 0; i < index->columns_count; i++) {
        const struct field_index_column *column = &index->columns[i];
        const char *direction = column->descending ? " DESC" : "";
        if (store_fields_other_nulls(column))
            buffer_append_format(sql, "n%u%s, ", column->field, direction);
        buffer_append_format(sql, "c%u%s, ", column->field, direction);
    }
}

enum sg_status store_fields_create_index(struct store_connection *c, int64_t set, const struct field_set *fields,
                                         size_t at, struct sg_error *err)
{
    const struct field_index *index = &fields->indexes[at];
    unsigned first = index->columns[0].field;
    bool many = fields->fields[first].many;
    struct store_fields_name table = many ? store_fields_many_table(set, first) : store_fields_table(set);
    struct buffer sql;
    buffer_init(&sql, DDL_BYTES_MAX);
    buffer_append_format(&sql, "CREATE INDEX IF NOT EXISTS %s ON %s (",
                         store_fields_index(set, NULL, fields, index).text, table.text);
    if (many)
        buffer_append_text(&sql, "value, ");
    else
        append_columns(&sql, index);
    buffer_append_text(&sql, "id)");
    return run(c, &sql, err);
}
