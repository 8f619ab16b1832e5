/* store/query, query_matches: SQL's logic of three values, compared with another evaluation, and what an access leaves
 * out is what its index takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "query_generator.h"

/* ---- one test at a time, by a table ---- */

enum { STATUS, TOTAL, PLACED, ITEMS, PAID, TAG, CODE };

struct scene {
    struct query_generator g;
    struct query query;
    struct field_value values[4];
    struct field_value row_values[FIELDS_MAX];
    struct field_value elements[2];
    struct query_row row;
};

static int begin(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    query_generator_init(&s->g, 1);
    s->row = (struct query_row){.values = s->row_values, .id = SLICE_LITERAL("c-1"), .version = 3, .sequence = 9,
                                .occurred_at = SLICE_LITERAL("2026-01-31T13:00:00+01:00")};
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct scene *s = *state;
    query_generator_free(&s->g);
    free(s);
    return 0;
}

static bool holds(struct scene *s, unsigned field, enum query_operator operator, const char *values, bool negated)
{
    char text[64];
    struct sg_error err;
    struct query_node node = {.kind = QUERY_TEST, .end = 1, .field = field, .operator = operator, .negated = negated,
                              .values = s->values};
    (void)snprintf(text, sizeof text, "%s", values);
    for (char *value = strtok(text, ","); value != NULL; value = strtok(NULL, ","))
        assert_int_equal(field_value_parse(query_field_type(&s->g.fields, field), slice_of(value),
                                           &s->values[node.values_count++], &err),
                         SG_OK);
    s->query = (struct query){.fields = &s->g.fields, .nodes = {node}, .nodes_count = 1};
    return query_matches(&s->query, &s->row);
}

/* "+": the test holds, and its negation does not; "-": the other way round; "?": neither. */
static void check(struct scene *s, unsigned field, enum query_operator operator, const char *values, char expected)
{
    bool is = holds(s, field, operator, values, false);
    bool is_not = holds(s, field, operator, values, true);
    char found = is && !is_not ? '+' : !is && is_not ? '-' : !is && !is_not ? '?' : '!';
    if (found != expected)
        fail_msg("field %u %s %s is %c", field, query_operator_word(operator), values, found);
}

static void a_test_is_true_false_or_neither(void **state)
{
    struct scene *s = *state;
    static const struct {
        enum query_operator operator;
        const char *values;
        char set, null; /* of "ab", and of no value */
    } rows[] = {
        {QUERY_EQ, "ab", '+', '?'},         {QUERY_EQ, "a", '-', '?'},    {QUERY_NEQ, "ab", '-', '?'},
        {QUERY_NEQ, "a", '+', '?'},         {QUERY_GT, "ab", '-', '?'},   {QUERY_GT, "a", '+', '?'},
        {QUERY_GTE, "ab", '+', '?'},        {QUERY_GTE, "abc", '-', '?'}, {QUERY_LT, "ab", '-', '?'},
        {QUERY_LT, "b", '+', '?'},          {QUERY_LTE, "ab", '+', '?'},  {QUERY_LTE, "a", '-', '?'},
        {QUERY_ISDISTINCT, "ab", '-', '+'}, {QUERY_ISDISTINCT, "a", '+', '+'}, {QUERY_IN, "a,ab", '+', '?'},
        {QUERY_IN, "a,b", '-', '?'},        {QUERY_LIKE, "a", '+', '?'},  {QUERY_LIKE, "ab", '+', '?'},
        {QUERY_LIKE, "abc", '-', '?'},      {QUERY_IS_NULL, "", '-', '+'}, {QUERY_IS_NOT_NULL, "", '+', '-'},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        s->row_values[STATUS] = (struct field_value){.state = FIELD_SET, .text = SLICE_LITERAL("ab")};
        check(s, STATUS, rows[i].operator, rows[i].values, rows[i].set);
        s->row_values[STATUS] = (struct field_value){.state = FIELD_NULL};
        check(s, STATUS, rows[i].operator, rows[i].values, rows[i].null);
    }
    s->row_values[PAID] = (struct field_value){.state = FIELD_SET, .integer = 1};
    check(s, PAID, QUERY_IS_TRUE, "", '+');
    check(s, PAID, QUERY_IS_FALSE, "", '-');
    check(s, PAID, QUERY_EQ, "true", '+');
    check(s, PAID, QUERY_GT, "false", '+');
    s->row_values[PAID] = (struct field_value){.state = FIELD_NULL};
    check(s, PAID, QUERY_IS_TRUE, "", '-');
    check(s, PAID, QUERY_IS_FALSE, "", '-');
    check(s, PAID, QUERY_EQ, "true", '?');
    s->row_values[ITEMS] = (struct field_value){.state = FIELD_SET, .integer = 9007199254740993};
    check(s, ITEMS, QUERY_EQ, "9007199254740992", '-');
    check(s, ITEMS, QUERY_GT, "9007199254740992", '+');
}

/* True or false, never neither: an element passes, or none does. */
static void a_test_of_many_values_is_true_or_false(void **state)
{
    static const struct {
        enum query_operator operator;
        const char *values;
        char two, none; /* of "a" and "c" */
    } rows[] = {
        {QUERY_EQ, "a", '+', '-'},   {QUERY_EQ, "b", '-', '-'},    {QUERY_NEQ, "a", '+', '-'},
        {QUERY_GT, "b", '+', '-'},   {QUERY_GT, "c", '-', '-'},    {QUERY_IN, "b,c", '+', '-'},
        {QUERY_IN, "b", '-', '-'},   {QUERY_LIKE, "a", '+', '-'},  {QUERY_ISDISTINCT, "a", '+', '-'},
        {QUERY_IS_NULL, "", '-', '+'}, {QUERY_IS_NOT_NULL, "", '+', '-'},
    };
    struct scene *s = *state;
    s->elements[0] = (struct field_value){.state = FIELD_SET, .text = SLICE_LITERAL("a")};
    s->elements[1] = (struct field_value){.state = FIELD_SET, .text = SLICE_LITERAL("c")};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        s->row_values[TAG] = (struct field_value){.state = FIELD_ELEMENTS, .elements = {s->elements, 2}};
        check(s, TAG, rows[i].operator, rows[i].values, rows[i].two);
        s->row_values[TAG] = (struct field_value){.state = FIELD_NULL};
        check(s, TAG, rows[i].operator, rows[i].values, rows[i].none);
    }
}

static void built_in_fields_are_tested_like_others(void **state)
{
    struct scene *s = *state;
    check(s, QUERY_ID, QUERY_EQ, "c-1", '+');
    check(s, QUERY_ID, QUERY_LIKE, "c-", '+');
    check(s, QUERY_ID, QUERY_IS_NULL, "", '-');
    check(s, QUERY_VERSION, QUERY_GTE, "3", '+');
    check(s, QUERY_VERSION, QUERY_IN, "1,2", '-');
    check(s, QUERY_SEQUENCE, QUERY_LT, "9", '-');
    check(s, QUERY_OCCURRED_AT, QUERY_EQ, "2026-01-31T12:00:00Z", '+');
    check(s, QUERY_OCCURRED_AT, QUERY_LT, "2026-01-31T12:00:00Z", '-');
    s->row.occurred_at = (struct slice){0};
    check(s, QUERY_OCCURRED_AT, QUERY_EQ, "2026-01-31T12:00:00Z", '?');
    check(s, QUERY_OCCURRED_AT, QUERY_IS_NULL, "", '+');
    s->row.occurred_at = SLICE_LITERAL("9999-01-31T12:00:00Z"); /* beyond what nanoseconds reach */
    check(s, QUERY_OCCURRED_AT, QUERY_IS_NULL, "", '+');
}

/* ---- against another evaluation ---- */

/* 1, 0, or -1 for neither; by recursion, and without an order of truth. */
static int naive_compare(enum field_type type, const struct field_value *a, const struct field_value *b)
{
    if (type == FIELD_STRING) {
        for (size_t i = 0; i < a->text.bytes && i < b->text.bytes; i++) {
            unsigned x = (unsigned char)a->text.data[i];
            unsigned y = (unsigned char)b->text.data[i];
            if (x != y)
                return x < y ? -1 : 1;
        }
        return a->text.bytes < b->text.bytes ? -1 : a->text.bytes > b->text.bytes;
    }
    if (type == FIELD_NUMBER)
        return a->number < b->number ? -1 : a->number > b->number;
    return a->integer < b->integer ? -1 : a->integer > b->integer;
}

static bool naive_element(enum field_type type, const struct query_node *test, const struct field_value *value)
{
    int order = test->values_count > 0 ? naive_compare(type, value, &test->values[0]) : 0;
    switch (test->operator) {
    case QUERY_EQ: return order == 0;
    case QUERY_NEQ: case QUERY_ISDISTINCT: return order != 0;
    case QUERY_GT: return order > 0;
    case QUERY_GTE: return order >= 0;
    case QUERY_LT: return order < 0;
    case QUERY_LTE: return order <= 0;
    case QUERY_IN:
        for (size_t i = 0; i < test->values_count; i++) {
            if (naive_compare(type, value, &test->values[i]) == 0)
                return true;
        }
        return false;
    case QUERY_LIKE: {
        struct slice prefix = test->values[0].text;
        struct field_value begin = {.text = {value->text.data, prefix.bytes}};
        return value->text.bytes >= prefix.bytes && naive_compare(type, &begin, &test->values[0]) == 0;
    }
    case QUERY_IS_TRUE: return value->integer == 1;
    case QUERY_IS_FALSE: return value->integer == 0;
    default: return test->operator == QUERY_IS_NOT_NULL;
    }
}

static int naive_test(const struct query *query, const struct query_node *test, const struct query_row *row)
{
    enum field_type type = query_field_type(query->fields, test->field);
    struct field_value value = {.state = FIELD_SET};
    if (test->field == QUERY_ID)
        value.text = row->id;
    else if (test->field == QUERY_VERSION)
        value.integer = row->version;
    else if (test->field == QUERY_SEQUENCE)
        value.integer = (int64_t)row->sequence;
    else if (test->field == QUERY_OCCURRED_AT)
        value.state = row->occurred_at.bytes > 0 && field_time_read(row->occurred_at, &value.integer) ? FIELD_SET
                                                                                                     : FIELD_NULL;
    else
        value = row->values[test->field];
    if (query_field_many(query->fields, test->field)) {
        size_t count = value.state == FIELD_ELEMENTS ? value.elements.count : 0;
        for (size_t i = 0; i < count; i++) {
            if (naive_element(type, test, &value.elements.values[i]))
                return 1;
        }
        return test->operator == QUERY_IS_NULL && count == 0;
    }
    if (value.state == FIELD_SET)
        return naive_element(type, test, &value);
    if (test->operator == QUERY_IS_NULL || test->operator == QUERY_ISDISTINCT)
        return 1;
    return test->operator > QUERY_IS_NULL ? 0 : -1;
}

static int naive_terms(const struct query *query, bool any, size_t first, size_t last, const struct query_row *row);

static int naive_node(const struct query *query, size_t index, const struct query_row *row)
{
    const struct query_node *node = &query->nodes[index];
    int truth = node->kind == QUERY_TEST ? naive_test(query, node, row)
                                         : naive_terms(query, node->kind == QUERY_OR, index + 1, node->end, row);
    return node->negated && truth >= 0 ? !truth : truth;
}

static int naive_terms(const struct query *query, bool any, size_t first, size_t last, const struct query_row *row)
{
    bool unknown = false;
    bool decided = false;
    for (size_t i = first; i < last; i = query->nodes[i].end) {
        int truth = naive_node(query, i, row);
        unknown = unknown || truth < 0;
        decided = decided || truth == (any ? 1 : 0);
    }
    return decided ? any : unknown ? -1 : !any;
}

#define QUERIES 20000
#define ROWS 12

static void both_evaluations_say_the_same(void **state)
{
    struct query_generator g;
    size_t came = 0;
    (void)state;
    query_generator_init(&g, 20261128);
    for (unsigned n = 0; n < QUERIES; n++) {
        struct query query;
        query_generator_query(&g, &query);
        for (unsigned i = 0; i < ROWS; i++) {
            struct query_row row;
            query_generator_row(&g, i, &row);
            bool expected = naive_terms(&query, false, 0, query.nodes_count, &row) == 1;
            if (query_matches(&query, &row) != expected)
                fail_msg("query %u, row %u: %d is expected", n, i, expected);
            came += expected;
        }
    }
    assert_in_range(came, QUERIES * ROWS / 10, QUERIES * ROWS / 10 * 9); /* neither all nor none */
    query_generator_free(&g);
}

/* ---- what an access serves ---- */

static bool is_bound(const struct query_access *a, const struct query_node *node)
{
    for (size_t i = 0; i < a->equal_count; i++) {
        if (a->equal[i] == node)
            return true;
    }
    return a->list == node || a->low == node || a->high == node;
}

/* Would the walk meet the row at all? By its bounds alone. */
static bool is_met(const struct query *query, const struct query_access *a, const struct query_row *row)
{
    for (size_t i = 0; i < query->nodes_count; i++) {
        if (is_bound(a, &query->nodes[i]) && naive_test(query, &query->nodes[i], row) != 1)
            return false;
    }
    if (!a->not_null || a->index == QUERY_BY_ID)
        return true;
    return row->values[query->fields->indexes[a->index].columns[a->equal_count].field].state != FIELD_NULL;
}

/* The tests that are left; groups of which nothing is left hold. */
static int residual(const struct query *query, const struct query_access *a, size_t first, size_t last,
                    const struct query_row *row)
{
    for (size_t i = first; i < last; i = query->nodes[i].end) {
        const struct query_node *node = &query->nodes[i];
        bool inner = node->kind == QUERY_AND && !node->negated;
        int truth = a->served[i] ? 1 : inner ? residual(query, a, i + 1, node->end, row) : naive_node(query, i, row);
        if (truth != 1)
            return 0;
    }
    return 1;
}

static void what_the_walk_meets_and_the_rest_passes_is_what_matches(void **state)
{
    struct query_generator g;
    size_t served = 0;
    size_t refused = 0;
    (void)state;
    query_generator_init(&g, 7);
    for (unsigned n = 0; n < QUERIES; n++) {
        struct query query;
        struct query_access access;
        char needed[QUERY_NEEDED_BYTES];
        query_generator_query(&g, &query);
        if (query_access(&query, &access, needed) == QUERY_NOT_INDEXED) {
            refused++;
            continue;
        }
        served++;
        for (unsigned i = 0; i < ROWS; i++) {
            struct query_row row;
            query_generator_row(&g, i, &row);
            bool by_access = is_met(&query, &access, &row) &&
                             residual(&query, &access, 0, query.nodes_count, &row) == 1;
            if (by_access != query_matches(&query, &row))
                fail_msg("query %u, row %u: %d by the access", n, i, by_access);
        }
    }
    assert_true(served > QUERIES / 4 && refused > QUERIES / 4);
    query_generator_free(&g);
}

/* Each refusal that names an index is kept: with that index the query is served, and by it. */
static void an_index_that_is_needed_serves(void **state)
{
    struct query_generator g;
    size_t named = 0;
    (void)state;
    query_generator_init(&g, 9);
    for (unsigned n = 0; n < QUERIES; n++) {
        struct query query;
        struct query_access access;
        struct sg_error err;
        char needed[QUERY_NEEDED_BYTES];
        query_generator_query(&g, &query);
        if (query_access(&query, &access, needed) == QUERY_SERVED || needed[0] == '\0')
            continue;
        named++;
        assert_int_equal(fields_add_index(&g.fields, slice_of(needed), &err), SG_OK);
        unsigned added = (unsigned)g.fields.indexes_count - 1;
        assert_string_equal(g.fields.indexes[added].text, needed); /* it is canonical */
        if (query_access(&query, &access, needed) != QUERY_SERVED || access.index != added)
            fail_msg("query %u is not served by %s", n, g.fields.indexes[added].text);
        free(g.fields.indexes[added].text);
        g.fields.indexes_count--;
    }
    assert_true(named > QUERIES / 20);
    query_generator_free(&g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_test_is_true_false_or_neither),
        TEST(a_test_of_many_values_is_true_or_false),
        TEST(built_in_fields_are_tested_like_others),
        cmocka_unit_test(both_evaluations_say_the_same),
        cmocka_unit_test(what_the_walk_meets_and_the_rest_passes_is_what_matches),
        cmocka_unit_test(an_index_that_is_needed_serves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
