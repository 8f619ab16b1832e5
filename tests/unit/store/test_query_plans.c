/* The plan of every statement that a query may take: all shapes of an access, for all directions and sides for nulls of
 * an index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/hash.h"
#include "plan_fixture.h"
#include "store/read/query_sql.h"
#include "store/read/query_walk.h"
#include "store/read/reader_internal.h"
#include "world_fixture.h"

#define COLUMNS_MAX 3
#define KINDS 4          /* of a column: two directions, two sides */
#define SEEN_MAX 65536   /* texts: a power of two, of which a quarter is used */

/* Fields: three that are indexed, one that is not, one that is many-valued. */
enum { A, B, C, OTHER, MANY };
static const char *const fields[] = {"a:/a:string", "b:/b:number", "c:/c:time", "other:/other:boolean",
                                     "many:/many/*:string"};

static uint64_t seen[SEEN_MAX]; /* hashes of the texts that were looked at */
static size_t seen_count;

static bool is_new(const struct query_text *text)
{
    uint64_t hash = hash_bytes(1, (struct slice){text->text.data, text->text.bytes}) | 1;
    size_t at = hash % SEEN_MAX;
    while (seen[at] != 0 && seen[at] != hash)
        at = (at + 1) % SEEN_MAX;
    if (seen[at] == hash)
        return false;
    seen[at] = hash;
    seen_count++;
    assert_true(seen_count < SEEN_MAX / 2);
    return true;
}

/* What is asked at the moment. */
struct asking {
    struct world *world;
    struct store_field_set serving;
    struct query query;
    struct query_access access;
    struct query_text text;
};

static void look(struct asking *q)
{
    struct store_reader *r = q->world->store->reader;
    struct query_walk walk;
    struct query_segment segment;
    for (int resumed = 0; resumed < 2; resumed++) {
        query_walk_begin(&walk, &q->query, &q->access, resumed == 1);
        while (query_walk_next(&walk, &segment)) {
            for (enum query_sql_kind kind = QUERY_SQL_ROWS; kind <= QUERY_SQL_COUNT; kind++) {
                assert_int_equal(query_sql_make(&q->text, kind, &q->query, &q->access, &q->serving, 1, &segment, NULL),
                                 SG_OK);
                if (!is_new(&q->text))
                    continue;
                buffer_append(&q->text.text, "", 1);
                r->functions.running = &q->query;
                plan_check(r->c.db, q->text.text.data);
                r->functions.running = NULL;
            }
        }
    }
}

static struct field_value value_of(enum field_type type)
{
    return type == FIELD_STRING   ? value_text("m")
           : type == FIELD_NUMBER ? value_number(1.5)
                                  : value_integer(1);
}

/* Cursors: each key null or not. */
static void with_cursors(struct asking *q)
{
    q->query.after_id = SLICE_LITERAL("id");
    for (unsigned nulls = 0; nulls < 1u << q->access.keys_count; nulls++) {
        for (size_t i = 0; i < q->access.keys_count; i++) {
            bool null = (nulls >> i & 1) != 0 && !query_field_many(q->query.fields, q->access.keys[i].field);
            enum field_type type = query_field_type(q->query.fields, q->access.keys[i].field);
            q->query.after[i] = null ? (struct field_value){.state = FIELD_NULL} : value_of(type);
        }
        look(q);
    }
}

/* Filters that the walk leaves: none; of the walk's row; of a field that an index lacks; of elements; of the entity. */
static void with_residuals(struct asking *q)
{
    static const struct field_value text = {.state = FIELD_SET, .text = {"m", 1}};
    static const struct field_value number = {.state = FIELD_SET, .integer = 1};
    size_t nodes = q->query.nodes_count;
    for (int residual = 0; residual < 6; residual++) {
        q->query.nodes_count = nodes;
        if (residual == 1 || residual == 5)
            query_add(&q->query, QUERY_ID, QUERY_LIKE, &text, 1);
        if (residual == 2 || residual == 5)
            query_add(&q->query, OTHER, QUERY_IS_TRUE, NULL, 0)->negated = true;
        if (residual == 3 || residual == 5)
            query_add(&q->query, MANY, QUERY_GT, &text, 1);
        if (residual == 4 || residual == 5)
            query_add(&q->query, QUERY_VERSION, QUERY_ISDISTINCT, &number, 1);
        q->access.residual = residual > 0;
        with_cursors(q);
    }
    q->query.nodes_count = nodes;
}

static const struct query_node *serve(struct asking *q, unsigned field, enum query_operator operator,
                                      const struct field_value *values, size_t count)
{
    struct query_node *node = query_add(&q->query, field, operator, values, count);
    q->access.served[q->query.nodes_count - 1] = true;
    return node;
}

/* All that an access may say of the column after those that are fixed. */
static void with_ranges(struct asking *q, unsigned field)
{
    static struct field_value values[2];
    struct query_access before = q->access;
    size_t nodes = q->query.nodes_count;
    bool text = query_field_type(q->query.fields, field) == FIELD_STRING;
    bool many = query_field_many(q->query.fields, field);
    values[0] = values[1] = value_of(query_field_type(q->query.fields, field));
    for (int range = 0; range < 8; range++) {
        q->access = before;
        q->query.nodes_count = nodes;
        if ((range == 0 || range == 4) && many)
            continue; /* an element is always asked for, and by one test alone */
        if (range == 1 || range == 4)
            q->access.low = serve(q, field, QUERY_GTE, values, 1);
        if (range == 2 || range == 4)
            q->access.high = serve(q, field, QUERY_LT, values, 1);
        if (range == 3)
            q->access.low = serve(q, field, QUERY_GT, values, 1);
        if (range == 5)
            q->access.list = serve(q, field, QUERY_IN, values, 1);
        if (range == 6 && text)
            q->access.low = q->access.high = serve(q, field, QUERY_LIKE, values, 1);
        q->access.not_null = range == 7 && !many;
        if (range == 7 && !many)
            (void)serve(q, field, QUERY_IS_NOT_NULL, NULL, 0);
        with_residuals(q);
    }
    q->access = before;
    q->query.nodes_count = nodes;
}

static void with_equalities(struct asking *q, const struct field_index *index)
{
    static struct field_value values[FIELDS_INDEX_COLUMNS_MAX];
    bool many = query_field_many(q->query.fields, index->columns[0].field);
    for (size_t equal = 0; equal <= index->columns_count; equal++) {
        for (int null = 0; null < 2 && (null == 0 || (equal > 0 && !many)); null++) {
            q->query.nodes_count = 0;
            q->access = (struct query_access){.index = (unsigned)(index - q->query.fields->indexes)};
            for (size_t i = 0; i < equal; i++) {
                unsigned field = index->columns[i].field;
                values[i] = value_of(query_field_type(q->query.fields, field));
                q->access.equal[q->access.equal_count++] = null == 1 && i == equal - 1
                                                               ? serve(q, field, QUERY_IS_NULL, NULL, 0)
                                                               : serve(q, field, QUERY_EQ, &values[i], 1);
            }
            for (size_t i = equal; i < index->columns_count; i++) {
                const struct field_index_column *column = &index->columns[i];
                q->access.keys[q->access.keys_count++] =
                    (struct query_key){column->field, column->descending, column->nulls_last};
            }
            if (equal < index->columns_count)
                with_ranges(q, index->columns[equal].field);
            else
                with_residuals(q);
        }
    }
}

static void by_ids(struct asking *q)
{
    static const struct field_value id = {.state = FIELD_SET, .text = {"id", 2}};
    q->query.nodes_count = 0;
    q->access = (struct query_access){.index = QUERY_BY_ID, .equal_count = 1};
    q->access.equal[0] = serve(q, QUERY_ID, QUERY_EQ, &id, 1);
    with_residuals(q);
    q->query.nodes_count = 0;
    q->access = (struct query_access){.index = QUERY_BY_ID};
    with_ranges(q, QUERY_ID);
}

/* As many indexes as a collection may have, from `first` on, of all that there are; the next one. */
static size_t declare(struct world *w, size_t first, size_t columns, size_t all)
{
    static const char *const names[COLUMNS_MAX] = {"a", "b", "c"};
    static const char *const kinds[KINDS] = {".nullsfirst", ".nullslast", ".desc.nullsfirst", ".desc.nullslast"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        world_field(w, fields[i]);
    for (; first < all && w->fields.indexes_count < FIELDS_INDEXES_MAX - 1; first++) {
        char text[96] = "";
        size_t rest = first;
        for (size_t i = 0; i < columns; i++, rest /= KINDS)
            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s", i > 0 ? "," : "", names[i],
                           kinds[rest % KINDS]);
        world_index(w, text);
    }
    world_index(w, "many");
    return first;
}

static void look_at_all(struct world *w)
{
    static struct asking q;
    memset(&q, 0, sizeof q);
    q.world = w;
    q.query.fields = &w->fields;
    buffer_init(&q.text.text, QUERY_TEXT_BYTES_MAX);
    (void)world_row(w, "id", 1);
    world_store(w);
    q.serving.number = w->set;
    for (unsigned i = 0; i < FIELDS_MAX; i++)
        q.serving.places[i] = i;
    (void)fixture_begin(w->store);
    for (size_t i = 0; i < w->fields.indexes_count; i++)
        with_equalities(&q, &w->fields.indexes[i]);
    by_ids(&q);
    buffer_free(&q.text.text);
}

static void no_statement_scans_or_sorts(void **state)
{
    (void)state;
    for (size_t columns = 1, all = KINDS; columns <= COLUMNS_MAX; columns++, all *= KINDS) {
        for (size_t next = 0; next < all;) {
            struct world *w = world_create();
            next = declare(w, next, columns, all);
            look_at_all(w);
            world_destroy(w);
        }
    }
    print_message("%zu statements\n", seen_count);
    assert_true(seen_count > 5000);
}

/* A plan that scans or sorts is none that passes. */
static void bad_plans_are_found(void **state)
{
    (void)state;
    assert_false(plan_is_good("USE TEMP B-TREE FOR ORDER BY", "SELECT 1 FROM t w WHERE w.c0 IS ?"));
    assert_false(plan_is_good("SCAN w USING INDEX i", "SELECT 1 FROM t w WHERE w.c0 IS ?"));
    assert_false(plan_is_good("SCAN w", "SELECT 1 FROM t w"));
    assert_false(plan_is_good("SCAN e", "SELECT 1 FROM t w"));
    assert_false(plan_is_good("SEARCH e USING AUTOMATIC COVERING INDEX (number=?)", "SELECT 1 FROM t w"));
    assert_true(plan_is_good("SCAN w USING COVERING INDEX i", "SELECT 1 FROM t w"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_statement_scans_or_sorts),
        cmocka_unit_test(bad_plans_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
