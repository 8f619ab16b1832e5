/* Random queries and rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/time.h"
#include "query_generator.h"

static const struct {
    const char *name, *at;
    enum field_type type;
} fields[] = {
    {"status", "/status", FIELD_STRING},  {"total", "/total", FIELD_NUMBER}, {"placed", "/placedAt", FIELD_TIME},
    {"items", "/items", FIELD_INTEGER},   {"paid", "/paid", FIELD_BOOLEAN},  {"tag", "/tags/*", FIELD_STRING},
    {"code", "/codes/*", FIELD_INTEGER},
};
#define FIELDS_COUNT (sizeof fields / sizeof fields[0])

static const char *const indexes[] = {
    "status,placed.desc", "total", "tag", "items.desc.nullsfirst,total.nullslast", "paid,status,total,items", "code",
};

/* Neighbours of what a double holds exactly, and of both ends; empty text, prefixes of each other, and UTF-8. */
static const char *const texts[] = {"", "a", "ab", "abc", "b", "B", "\xC3\xBC", "a\xFF", "a'b", "a*"};
static const double numbers[] = {0, -1, 0.5, 0.1, 9007199254740993.0, 1e300, -1e-300};
static const int64_t integers[] = {0, 1, -1, 9007199254740992, 9007199254740993, INT64_MAX, INT64_MIN};
static const char *const times[] = {"2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", "2026-01-31T12:00:00.5Z",
                                    "1969-12-31T23:59:59.999999999Z", "1700-02-28T00:00:00Z"};
#define COUNT(array) ((unsigned)(sizeof(array) / sizeof(array)[0]))

void query_generator_init(struct query_generator *g, uint64_t seed)
{
    struct sg_error err;
    memset(g, 0, sizeof *g);
    g->state = seed * 2 + 1;
    for (size_t i = 0; i < FIELDS_COUNT; i++)
        assert_int_equal(fields_add(&g->fields, slice_of(fields[i].name), slice_of(fields[i].at), fields[i].type, &err),
                         SG_OK);
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++)
        assert_int_equal(fields_add_index(&g->fields, slice_of(indexes[i]), &err), SG_OK);
}

void query_generator_free(struct query_generator *g)
{
    fields_free(&g->fields);
}

/* xorshift64*, upper half. */
unsigned query_generator_below(struct query_generator *g, unsigned end)
{
    g->state ^= g->state >> 12;
    g->state ^= g->state << 25;
    g->state ^= g->state >> 27;
    return (unsigned)((g->state * UINT64_C(0x2545F4914F6CDD1D)) >> 32) % end;
}

static struct field_value random_value(struct query_generator *g, enum field_type type)
{
    struct field_value value = {.state = FIELD_SET};
    switch (type) {
    case FIELD_STRING: value.text = slice_of(texts[query_generator_below(g, COUNT(texts))]); break;
    case FIELD_NUMBER: value.number = numbers[query_generator_below(g, COUNT(numbers))]; break;
    case FIELD_INTEGER: value.integer = integers[query_generator_below(g, COUNT(integers))]; break;
    case FIELD_BOOLEAN: value.integer = query_generator_below(g, 2); break;
    case FIELD_TIME:
        assert_true(time_parse_rfc3339(slice_of(times[query_generator_below(g, COUNT(times))]), &value.integer));
        break;
    case FIELD_TYPES_COUNT: break;
    }
    return value;
}

/* Into `count` values, which are ascending, each once. Gives how many there are then. */
static size_t insert(enum field_type type, struct field_value *values, size_t count, struct field_value value)
{
    size_t at = 0;
    while (at < count && field_value_compare(type, &values[at], &value) < 0)
        at++;
    if (at < count && field_value_compare(type, &values[at], &value) == 0)
        return count;
    memmove(values + at + 1, values + at, (count - at) * sizeof *values);
    values[at] = value;
    return count + 1;
}

/* ---- rows ---- */

void query_generator_row(struct query_generator *g, unsigned number, struct query_row *out)
{
    for (unsigned i = 0; i < g->fields.fields_count; i++) {
        const struct field *field = &g->fields.fields[i];
        struct field_value *value = &g->row_values[i];
        if (field->many) {
            *value = (struct field_value){.state = FIELD_ELEMENTS, .elements = {.values = g->elements[i]}};
            for (unsigned n = query_generator_below(g, GENERATOR_ELEMENTS_MAX + 1); n > 0; n--)
                value->elements.count = insert(field->type, g->elements[i], value->elements.count,
                                               random_value(g, field->type));
            if (value->elements.count == 0)
                value->state = FIELD_NULL;
        } else if (query_generator_below(g, 3) == 0) {
            *value = (struct field_value){.state = FIELD_NULL};
        } else {
            *value = random_value(g, field->type);
        }
    }
    (void)snprintf(g->id, sizeof g->id, "%c%u", 'a' + (int)(number % 3), number);
    g->occurred_at[0] = '\0';
    if (query_generator_below(g, 3) > 0)
        (void)snprintf(g->occurred_at, sizeof g->occurred_at, "%s", times[query_generator_below(g, COUNT(times))]);
    *out = (struct query_row){.values = g->row_values,
                              .id = slice_of(g->id),
                              .version = 1 + query_generator_below(g, 4),
                              .sequence = number + 1,
                              .occurred_at = slice_of(g->occurred_at)};
}

/* ---- queries ---- */

static unsigned random_field(struct query_generator *g)
{
    unsigned field = query_generator_below(g, (unsigned)g->fields.fields_count * 2 + 4);
    return field >= (unsigned)g->fields.fields_count * 2 ? field - (unsigned)g->fields.fields_count * 2 + FIELDS_MAX
                                                         : field / 2;
}

static bool is_possible(enum query_operator operator, enum field_type type)
{
    switch (operator) {
    case QUERY_LIKE: return type == FIELD_STRING;
    case QUERY_IS_TRUE:
    case QUERY_IS_FALSE: return type == FIELD_BOOLEAN;
    default: return true;
    }
}

static struct field_value random_value_of(struct query_generator *g, unsigned field)
{
    static const char *const ids[] = {"a3", "b", "b4", "c", "c11", ""};
    if (field == QUERY_ID)
        return (struct field_value){.state = FIELD_SET, .text = slice_of(ids[query_generator_below(g, COUNT(ids))])};
    if (field == QUERY_VERSION || field == QUERY_SEQUENCE)
        return (struct field_value){.state = FIELD_SET, .integer = query_generator_below(g, 6)};
    return random_value(g, query_field_type(&g->fields, field));
}

static void add_test(struct query_generator *g, struct query *query)
{
    struct query_node *node = &query->nodes[query->nodes_count++];
    *node = (struct query_node){.kind = QUERY_TEST, .end = (unsigned)query->nodes_count, .field = random_field(g),
                                .negated = query_generator_below(g, 5) == 0};
    enum field_type type = query_field_type(&g->fields, node->field);
    do
        node->operator = query_generator_below(g, QUERY_OPERATORS_COUNT);
    while (!is_possible(node->operator, type));
    if (node->operator >= QUERY_IS_NULL)
        return;
    struct field_value *values = g->values + g->values_count;
    size_t wanted = node->operator == QUERY_IN ? 1 + query_generator_below(g, 4) : 1;
    for (size_t i = 0; i < wanted; i++)
        node->values_count = insert(type, values, node->values_count, random_value_of(g, node->field));
    node->values = values;
    g->values_count += node->values_count;
}

#define TERMS_MAX 6 /* of a query: more of them are hardly ever true */

static void add_term(struct query_generator *g, struct query *query, unsigned depth)
{
    if (depth == QUERY_DEPTH_MAX || query->nodes_count > TERMS_MAX || query_generator_below(g, 3) > 0) {
        add_test(g, query);
        return;
    }
    struct query_node *node = &query->nodes[query->nodes_count++];
    unsigned terms = 1 + query_generator_below(g, 3);
    *node = (struct query_node){.kind = query_generator_below(g, 2) == 0 ? QUERY_AND : QUERY_OR,
                                .negated = query_generator_below(g, 4) == 0};
    for (unsigned i = 0; i < terms; i++)
        add_term(g, query, depth + 1);
    node->end = (unsigned)query->nodes_count;
}

/* That of an index from some column on, or any. */
static void add_order(struct query_generator *g, struct query *query)
{
    const struct field_index *index =
        &g->fields.indexes[query_generator_below(g, (unsigned)g->fields.indexes_count)];
    query->ordered = true;
    if (g->fields.fields[index->columns[0].field].many)
        return;
    for (size_t i = query_generator_below(g, 2); i < index->columns_count; i++) {
        const struct field_index_column *column = &index->columns[i];
        query->order[query->order_count++] =
            (struct query_key){column->field, column->descending, column->nulls_last};
    }
    if (query->order_count > 0 && query_generator_below(g, 6) == 0)
        query->order[0].descending = !query->order[0].descending;
}

void query_generator_query(struct query_generator *g, struct query *out)
{
    *out = (struct query){.fields = &g->fields};
    g->values_count = 0;
    for (unsigned terms = query_generator_below(g, 4); terms > 0; terms--)
        add_term(g, out, 0);
    if (query_generator_below(g, 2) == 0)
        add_order(g, out);
}
