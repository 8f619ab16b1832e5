/* A query's SQL: the walk, what it gives, and what is bound. */
#include "store/read/query_sql.h"

#include "store/read/query_filter.h"
#include "store/tables/fields.h"

#define put writing_put

/* ---- columns of the walk's index ---- */

/* NULL: the id, which is the last one. */
static const struct field_index_column *column_at(const struct writing *w, size_t at)
{
    return w->index != NULL && at < w->index->columns_count ? &w->index->columns[at] : NULL;
}

static struct operand operand_of(const struct writing *w, const struct field_index_column *column)
{
    if (column == NULL)
        return (struct operand){"w.id", FIELDS_NONE};
    if (w->many)
        return (struct operand){"w.value", FIELDS_NONE};
    return (struct operand){"w.c", w->serving->places[column->field]};
}

static enum field_type type_of(const struct writing *w, const struct field_index_column *column)
{
    return column != NULL ? w->query->fields->fields[column->field].type : FIELD_STRING;
}

/* Some columns have one before them that says whether they are null: where nulls do not stand on SQLite's own side. */
static bool has_nulls_column(const struct writing *w, const struct field_index_column *column)
{
    return column != NULL && !w->many && store_fields_other_nulls(column);
}

static struct operand nulls_operand(const struct writing *w, const struct field_index_column *column)
{
    return (struct operand){"w.n", w->serving->places[column->field]};
}

/* ---- the walk ---- */

/* Does a test that is left read a field that the walk does not give? */
static bool needs_fields(const struct writing *w)
{
    for (size_t i = 0; i < w->query->nodes_count && !w->has_fields; i++) {
        const struct query_node *node = &w->query->nodes[i];
        if (node->kind == QUERY_TEST && !w->access->served[i] && node->field < FIELDS_MAX &&
            !query_field_many(w->query->fields, node->field))
            return true;
    }
    return false;
}

/* INDEXED BY: what cannot be walked so fails, and does not scan. */
static void put_walk(struct writing *w)
{
    if (w->index == NULL) {
        put(w, " FROM entities w INDEXED BY sqlite_autoindex_entities_1");
        return;
    }
    unsigned place = w->serving->places[w->index->columns[0].field];
    put(w, " FROM ");
    put(w, w->many ? store_fields_many_table(w->serving->number, place).text
                   : store_fields_table(w->serving->number).text);
    put(w, " w INDEXED BY ");
    put(w, store_fields_index(w->serving->number, w->serving->places, w->query->fields, w->index).text);
}

static void put_fields(struct writing *w)
{
    if (!needs_fields(w))
        return;
    put(w, " LEFT JOIN ");
    put(w, store_fields_table(w->serving->number).text);
    put(w, " f ON f.number = w.number");
}

/* Where every row is looked up CROSS costs less than LEFT; it too leaves the walk outside. */
static void put_entities(struct writing *w)
{
    put(w, query_filter_has_early(w) ? " LEFT" : " CROSS");
    put(w, " JOIN entities e ON e.number = ");
    query_filter_early(w);
}

static void put_is_null(struct writing *w, const struct field_index_column *column, bool is_null)
{
    writing_put_operand(w, nulls_operand(w, column));
    put(w, " = ");
    writing_put_integer(w, is_null);
}

static void put_fixed(struct writing *w, const struct field_index_column *column, const struct field_value *value)
{
    if (has_nulls_column(w, column)) {
        put_is_null(w, column, value->state == FIELD_NULL);
        put(w, " AND ");
    }
    writing_put_operand(w, operand_of(w, column));
    put(w, " IS "); /* is = that knows null as a value */
    writing_put_value(w, type_of(w, column), *value);
}

static const char *put_bound(struct writing *w, const struct field_index_column *column, const char *separator,
                             const char *operator, const struct query_bound *bound)
{
    if (!bound->given)
        return separator;
    put(w, separator);
    writing_put_operand(w, operand_of(w, column));
    put(w, operator);
    put(w, bound->inclusive ? "= " : " ");
    writing_put_value(w, type_of(w, column), bound->value);
    return " AND ";
}

static void put_segment(struct writing *w, int64_t collection, const struct query_segment *segment)
{
    const char *separator = " WHERE ";
    const struct field_index_column *next = column_at(w, segment->fixed_count);
    if (w->index == NULL) {
        put(w, " WHERE w.collection = ");
        writing_put_integer(w, collection);
        separator = " AND ";
    }
    for (size_t i = 0; i < segment->fixed_count; i++) {
        put(w, separator);
        put_fixed(w, column_at(w, i), &segment->fixed[i]);
        separator = " AND ";
    }
    if ((segment->low.given || segment->high.given) && has_nulls_column(w, next)) {
        put(w, separator);
        put_is_null(w, next, false);
        separator = " AND ";
    }
    separator = put_bound(w, next, separator, " >", &segment->low);
    (void)put_bound(w, next, separator, " <", &segment->high);
}

static void put_ordered(struct writing *w, const char *separator, struct operand operand, bool descending)
{
    put(w, separator);
    writing_put_operand(w, operand);
    put(w, descending ? " DESC" : "");
}

/* The index's own order, so that nothing is sorted, and nothing depends on how SQLite would walk it. */
static void put_order(struct writing *w, const struct query_segment *segment)
{
    const struct field_index_column *column;
    const char *separator = " ORDER BY ";
    for (size_t i = segment->fixed_count; (column = column_at(w, i)) != NULL; i++) {
        if (has_nulls_column(w, column)) {
            put_ordered(w, separator, nulls_operand(w, column), column->descending);
            separator = ", ";
        }
        put_ordered(w, separator, operand_of(w, column), column->descending);
        separator = ", ";
    }
    put_ordered(w, separator, operand_of(w, NULL), false);
}

/* ---- all together ---- */

static void put_rows(struct writing *w, int64_t collection, const struct query_segment *segment)
{
    put(w, "SELECT ");
    query_filter_late(w);
    put(w, ", w.id, e.version, e.sequence, e.occurred_at, e.state");
    for (size_t i = 0; i < w->access->keys_count; i++) {
        put(w, ", ");
        writing_put_operand(w, operand_of(w, column_at(w, w->access->equal_count + i)));
    }
    put_walk(w);
    put_fields(w);
    put_entities(w);
    put_segment(w, collection, segment);
    put_order(w, segment);
}

static void put_count(struct writing *w, int64_t collection, const struct query_segment *segment)
{
    bool late = query_filter_has_late(w);
    put(w, "SELECT tally(");
    if (late)
        query_filter_late(w);
    else if (query_filter_has_early(w))
        query_filter_early(w);
    put(w, ")");
    put_walk(w);
    put_fields(w);
    if (late)
        put_entities(w);
    put_segment(w, collection, segment);
}

enum sg_status query_sql_make(struct query_text *out, enum query_sql_kind kind, const struct query *query,
                              const struct query_access *access, const struct store_field_set *serving,
                              int64_t collection, const struct query_segment *segment, struct sg_error *err)
{
    struct writing w = {.out = out, .query = query, .access = access, .serving = serving};
    if (access->index != QUERY_BY_ID) {
        w.index = &query->fields->indexes[access->index];
        w.many = query_field_many(query->fields, w.index->columns[0].field);
        w.has_fields = !w.many;
    }
    buffer_reset(&out->text);
    out->binds_count = 0;
    if (kind == QUERY_SQL_ROWS)
        put_rows(&w, collection, segment);
    else
        put_count(&w, collection, segment);
    return out->text.failed ? sg_fail(err, SG_MEMORY, "out of memory for a query") : SG_OK;
}
