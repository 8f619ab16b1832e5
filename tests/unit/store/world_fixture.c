/* A collection with declared fields. */
#include "world_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/write/transaction.h"

#define CUSTOMERS SLICE_LITERAL("customers")
#define SQL_BYTES_MAX 4096

struct world *world_create(void)
{
    struct world *w = calloc(1, sizeof *w);
    void *store = NULL;
    assert_non_null(w);
    assert_int_equal(store_fixture_setup(&store), 0);
    w->store = store;
    return w;
}

void world_destroy(struct world *w)
{
    void *store = w->store;
    (void)store_fixture_teardown(&store);
    fields_free(&w->fields);
    free(w);
}

void world_field(struct world *w, const char *text)
{
    struct sg_error err = {0};
    const char *at = strchr(text, ':');
    const char *type = at != NULL ? strchr(at + 1, ':') : NULL;
    assert_non_null(type);
    for (unsigned i = 0; i < FIELD_TYPES_COUNT; i++) {
        if (strcmp(field_type_name(i), type + 1) != 0)
            continue;
        if (fields_add(&w->fields, (struct slice){text, (size_t)(at - text)},
                       (struct slice){at + 1, (size_t)(type - at - 1)}, i, &err) != SG_OK)
            fail_msg("fields_add: %s", err.message);
        return;
    }
    fail_msg("%s is no type", type + 1);
}

void world_index(struct world *w, const char *text)
{
    struct sg_error err = {0};
    if (fields_add_index(&w->fields, slice_of(text), &err) != SG_OK)
        fail_msg("fields_add_index: %s", err.message);
}

struct world_row *world_row(struct world *w, const char *id, int64_t version)
{
    assert_true(w->rows_count < WORLD_ROWS_MAX);
    struct world_row *row = &w->rows[w->rows_count++];
    (void)snprintf(row->id, sizeof row->id, "%s", id);
    row->version = version;
    row->sequence = w->rows_count;
    row->occurred_at = "";
    return row;
}

static enum field_type sorted_type;

static int compare_values(const void *a, const void *b)
{
    return field_value_compare(sorted_type, a, b);
}

void world_elements(struct world *w, struct world_row *row, unsigned field, const struct field_value *values,
                    size_t count)
{
    struct field_value *elements = row->elements[field];
    size_t kept = 0;
    assert_true(count <= WORLD_ELEMENTS_MAX);
    memcpy(elements, values, count * sizeof *values);
    sorted_type = w->fields.fields[field].type;
    qsort(elements, count, sizeof *elements, compare_values);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || compare_values(&elements[kept - 1], &elements[i]) != 0)
            elements[kept++] = elements[i];
    }
    row->values[field] = (struct field_value){.state = FIELD_NULL};
    if (kept == 0)
        return;
    row->values[field].state = FIELD_ELEMENTS;
    row->values[field].elements.values = elements;
    row->values[field].elements.count = kept;
}

/* Elements are of the row's own memory. */
static void world_forget(struct world *w, size_t at)
{
    w->rows[at] = w->rows[--w->rows_count];
    for (unsigned k = 0; k < w->fields.fields_count; k++) {
        if (w->rows[at].values[k].state == FIELD_ELEMENTS)
            w->rows[at].values[k].elements.values = w->rows[at].elements[k];
    }
}

static const char *state_of(const struct world_row *row)
{
    static char state[64];
    (void)snprintf(state, sizeof state, "{\"n\":%llu}", (unsigned long long)row->sequence);
    return state;
}

/* What the projector takes from a state, which here names the row by its sequence. */
static enum sg_status extract(void *context, struct slice collection, struct slice state,
                              const struct field_value **out, struct sg_error *err)
{
    const struct world *w = context;
    (void)collection;
    (void)err;
    for (size_t i = 0; i < w->rows_count; i++) {
        if (!slice_equal(state, slice_of(state_of(&w->rows[i]))))
            continue;
        *out = w->rows[i].values;
        return SG_OK;
    }
    fail_msg("%.*s is no state", SLICE_ARGS(state));
    return SG_INVALID;
}

static void declare(struct world *w)
{
    assert_int_equal(store_set_fields(w->store->writer, w->store->stream.id, CUSTOMERS, &w->fields, NULL), SG_OK);
}

bool world_step(struct world *w, size_t rows)
{
    const struct store_extract by = {extract, w};
    struct store_fields_done done;
    struct sg_error err = {0};
    struct store_writer *writer = w->store->writer;
    if (!store_fields_wanted(writer))
        return false;
    if (store_fields_step(writer, &by, rows, &done, &err) != SG_OK)
        fail_msg("store_fields_step: %s", err.message);
    return true;
}

void world_settle(struct world *w)
{
    struct sg_error err = {0};
    while (world_step(w, 100)) {
    }
    if (store_query_int(&w->store->writer->c, "SELECT max(number) FROM field_sets WHERE collection <> 0", &w->set,
                        &err) != SG_OK)
        fail_msg("%s", err.message);
}

static void apply(struct world *w, const struct world_row *row)
{
    struct event event = event_state(row->sequence, row->id, row->version, state_of(row));
    event.occurred_at = slice_of(row->occurred_at);
    event.fields = row->values;
    assert_int_equal(fixture_apply_one(w->store, event), RESULT_APPLIED);
}

void world_store(struct world *w)
{
    declare(w);
    for (size_t i = 0; i < w->rows_count; i++)
        apply(w, &w->rows[i]);
    w->sequence = w->rows_count;
    world_settle(w);
}

void world_update(struct world *w, struct world_row *row)
{
    row->version++;
    row->sequence = ++w->sequence;
    apply(w, row);
}

void world_delete(struct world *w, size_t at)
{
    const struct world_row *row = &w->rows[at];
    assert_int_equal(fixture_apply_one(w->store, event_tombstone(++w->sequence, row->id, row->version + 1)),
                     RESULT_APPLIED);
    world_forget(w, at);
}

void world_redeclare(struct world *w)
{
    fixture_reopen(w->store);
    declare(w);
}

void world_sql(struct world *w, const char *format, ...)
{
    char sql[SQL_BYTES_MAX];
    struct sg_error err = {0};
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    assert_true(bytes > 0 && (size_t)bytes < sizeof sql);
    if (store_exec(&w->store->writer->c, sql, "change what is stored", &err) != SG_OK)
        fail_msg("%s: %s: %s", sql, err.message, sqlite3_errmsg(w->store->writer->c.db));
}

struct field_value value_text(const char *text)
{
    return (struct field_value){.state = FIELD_SET, .text = slice_of(text)};
}

struct field_value value_integer(int64_t integer)
{
    return (struct field_value){.state = FIELD_SET, .integer = integer};
}

struct field_value value_number(double number)
{
    return (struct field_value){.state = FIELD_SET, .number = number};
}

struct query_node *query_add(struct query *query, unsigned field, enum query_operator operator,
                             const struct field_value *values, size_t count)
{
    struct query_node *node = &query->nodes[query->nodes_count++];
    assert_true(query->nodes_count <= QUERY_NODES_MAX);
    *node = (struct query_node){.kind = QUERY_TEST,
                                .end = (unsigned)query->nodes_count,
                                .field = field,
                                .operator = operator,
                                .values = values,
                                .values_count = count};
    return node;
}

/* ---- walks ---- */

struct visiting {
    struct world *world;
    struct walked *walked;
    size_t items;
};

static bool see(void *context, const struct entity *entity)
{
    struct visiting *v = context;
    for (size_t i = 0; i < v->world->rows_count; i++) {
        const struct world_row *row = &v->world->rows[i];
        if (!slice_equal(slice_of(row->id), entity->id))
            continue;
        assert_int_equal(entity->version, row->version);
        assert_int_equal(entity->sequence, row->sequence);
        assert_true(slice_equal(entity->occurred_at, slice_of(row->occurred_at)));
        assert_true(slice_equal(entity->state, slice_of(state_of(row))));
        v->items++;
        if (v->walked->ids_count < WALKED_MAX) /* which says that rows came too often */
            v->walked->rows[v->walked->ids_count++] = row;
        return true;
    }
    fail_msg("%.*s is no entity", SLICE_ARGS(entity->id));
    return false;
}

/* The cursor: what it points to is of the reader, and the next page asks that again. */
struct cursor {
    struct store_query_end end;
    char text[QUERY_ORDER_MAX + 1][EVENT_ID_BYTES_MAX + FIELDS_TEXT_BYTES_MAX];
};

static void copy(struct slice *text, char *to)
{
    memcpy(to, text->data, text->bytes);
    text->data = to;
}

static void keep(struct cursor *cursor, const struct query *query, const struct query_access *access,
                 const struct store_query_end *end)
{
    cursor->end = *end;
    copy(&cursor->end.after_id, cursor->text[QUERY_ORDER_MAX]);
    for (size_t i = 0; i < access->keys_count; i++) {
        if (query_field_type(query->fields, access->keys[i].field) == FIELD_STRING &&
            end->after[i].state == FIELD_SET)
            copy(&cursor->end.after[i].text, cursor->text[i]);
    }
}

static void plant(enum walk_fault fault, const struct world *w, const struct query *query,
                  const struct query_access *access, struct store_query_end *end)
{
    static char number[24];
    for (size_t i = 0; fault == WALK_NULL_BOUNDARY && i < access->keys_count; i++) {
        enum field_type type = query_field_type(query->fields, access->keys[i].field);
        if (end->after[i].state != FIELD_NULL)
            continue;
        end->after[i] = type == FIELD_STRING   ? value_text("")
                        : type == FIELD_NUMBER ? value_number(0)
                                               : value_integer(0);
    }
    if (fault == WALK_TIE_WITHOUT_ID && access->keys_count > 0)
        end->after_id = SLICE_LITERAL("\xf4\x8f\xbf\xbf");
    for (size_t i = 0; fault == WALK_BY_ROW_NUMBER && i < w->rows_count; i++) {
        if (!slice_equal(end->after_id, slice_of(w->rows[i].id)))
            continue;
        (void)snprintf(number, sizeof number, "%zu", i);
        end->after_id = slice_of(number);
        return;
    }
}

void world_walk(struct world *w, struct query *query, const struct query_access *access, size_t items_max,
                uint64_t rows_max, enum walk_fault fault, struct walked *out)
{
    static struct cursor cursor;
    struct store_query_end end = {.more = true};
    struct sg_error err = {0};
    *out = (struct walked){0};
    while (end.more) {
        struct visiting v = {.world = w, .walked = out};
        struct store_query_budget budget = {.items_max = items_max, .rows_max = rows_max, .bytes_max = SIZE_MAX};
        struct store_reader *r = fixture_begin(w->store);
        if (store_read_query(r, CUSTOMERS, query, access, &budget, see, &v, &end, &err) != SG_OK)
            fail_msg("store_read_query: %s", err.message);
        out->pages++;
        out->examined += budget.examined;
        assert_true(v.items <= items_max);
        assert_true(budget.examined <= rows_max);
        assert_true(!end.more || budget.examined > 0);
        if (!end.more || (fault != WALK_RIGHT && out->pages > WORLD_ROWS_MAX))
            break;
        plant(fault, w, query, access, &end);
        keep(&cursor, query, access, &end);
        memcpy(query->after, cursor.end.after, sizeof query->after);
        query->after_id = cursor.end.after_id;
    }
    query->after_id = (struct slice){0};
}
