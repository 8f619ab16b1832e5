/* Which index serves a query, and which one would. */
#include <stdio.h>
#include <string.h>

#include "store/query.h"

/* What the choice looks at. */
struct choice {
    const struct query *query;
    /* Tests that must hold by themselves, and are not negated: what an index can take. In the order of the nodes. */
    const struct query_node *tests[QUERY_NODES_MAX];
    size_t tests_count;
    /* The order that is asked for, without keys of which all rows have the same value. */
    struct query_key order[QUERY_ORDER_MAX];
    size_t order_count;
};

static bool is_equality(const struct query_node *test)
{
    return test->operator == QUERY_EQ || test->operator == QUERY_IS_NULL || test->operator == QUERY_IS_TRUE ||
           test->operator == QUERY_IS_FALSE;
}

/* A many-valued field's index has no rows without an element. */
static bool is_element_equality(const struct query_node *test)
{
    return is_equality(test) && test->operator != QUERY_IS_NULL;
}

static bool is_low(const struct query_node *test)
{
    return test->operator == QUERY_GT || test->operator == QUERY_GTE;
}

static bool is_high(const struct query_node *test)
{
    return test->operator == QUERY_LT || test->operator == QUERY_LTE;
}

static bool is_list(const struct query_node *test)
{
    return test->operator == QUERY_IN;
}

static bool is_prefix(const struct query_node *test)
{
    return test->operator == QUERY_LIKE;
}

static bool is_not_null(const struct query_node *test)
{
    return test->operator == QUERY_IS_NOT_NULL;
}

/* The first such test of this field; NULL = none. */
static const struct query_node *find_test(const struct choice *c, unsigned field,
                                          bool (*is)(const struct query_node *test))
{
    for (size_t i = 0; i < c->tests_count; i++) {
        if (c->tests[i]->field == field && is(c->tests[i]))
            return c->tests[i];
    }
    return NULL;
}

/* Of a many-valued field equal elements do not make rows equal. */
static bool is_fixed(const struct choice *c, unsigned field)
{
    return !query_field_many(c->query->fields, field) && find_test(c, field, is_equality) != NULL;
}

static void collect_tests(struct choice *c)
{
    for (size_t i = 0; i < c->query->nodes_count;) {
        const struct query_node *node = &c->query->nodes[i];
        if (node->kind == QUERY_TEST && !node->negated)
            c->tests[c->tests_count++] = node;
        i = node->kind == QUERY_AND && !node->negated ? i + 1 : node->end;
    }
}

static void collect_order(struct choice *c)
{
    for (size_t i = 0; i < c->query->order_count; i++) {
        if (!is_fixed(c, c->query->order[i].field))
            c->order[c->order_count++] = c->query->order[i];
    }
}

/* ---- what an index takes ---- */

static void serve(struct query_access *a, const struct query *query, const struct query_node *test)
{
    a->served[test - query->nodes] = true;
}

static bool takes_range(const struct query_access *a)
{
    return a->list != NULL || a->low != NULL || a->high != NULL || a->not_null;
}

/* The column after those that are fixed. */
static void take_range(const struct choice *c, unsigned field, struct query_access *a)
{
    const struct query_node *not_null = find_test(c, field, is_not_null);
    a->list = find_test(c, field, is_list);
    if (a->list == NULL)
        a->low = a->high = find_test(c, field, is_prefix);
    if (a->list == NULL && a->low == NULL) {
        a->low = find_test(c, field, is_low);
        a->high = find_test(c, field, is_high);
    }
    a->not_null = not_null != NULL && !takes_range(a);
    const struct query_node *taken[] = {a->list, a->low, a->high, not_null}; /* no row that is met is null */
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (taken[i] != NULL)
            serve(a, c->query, taken[i]);
    }
}

static void take_equality(const struct choice *c, const struct query_node *test, struct query_access *a)
{
    a->equal[a->equal_count++] = test;
    serve(a, c->query, test);
}

/* One test, as another one may hold by another element: the most selective kind. */
static void take_element(const struct choice *c, unsigned field, struct query_access *a)
{
    static bool (*const kinds[])(const struct query_node *) = {is_list, is_prefix, is_low, is_high};
    const struct query_node *test = find_test(c, field, is_element_equality);
    if (test != NULL) {
        take_equality(c, test, a);
        return;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        test = find_test(c, field, kinds[i]);
        if (test == NULL)
            continue;
        a->list = is_list(test) ? test : NULL;
        a->low = is_prefix(test) || is_low(test) ? test : NULL;
        a->high = is_prefix(test) || is_high(test) ? test : NULL;
        serve(a, c->query, test);
        return;
    }
}

static bool is_same_key(const struct query_key *a, const struct query_key *b)
{
    return a->field == b->field && a->descending == b->descending && a->nulls_last == b->nulls_last;
}

/* Keys of which all rows that come have the same value change nothing here either, wherever they stand. */
static bool gives_order(const struct choice *c, const struct query_access *a)
{
    size_t given = 0;
    if (!c->query->ordered)
        return true;
    for (size_t i = 0; i < a->keys_count; i++) {
        if (is_fixed(c, a->keys[i].field))
            continue;
        if (given == c->order_count || !is_same_key(&a->keys[i], &c->order[given]))
            return false;
        given++;
    }
    return given == c->order_count;
}

/* False: it takes no test and gives no order that is asked for, or gives another one. */
static bool try_index(const struct choice *c, unsigned index, struct query_access *a)
{
    const struct field_index *declared = &c->query->fields->indexes[index];
    unsigned first = declared->columns[0].field;
    *a = (struct query_access){.index = index};
    if (query_field_many(c->query->fields, first)) {
        take_element(c, first, a);
        if (a->equal_count == 0 && !takes_range(a))
            return false; /* not all rows are in it */
    } else {
        const struct query_node *test;
        while (a->equal_count < declared->columns_count &&
               (test = find_test(c, declared->columns[a->equal_count].field, is_equality)) != NULL)
            take_equality(c, test, a);
        if (a->equal_count < declared->columns_count)
            take_range(c, declared->columns[a->equal_count].field, a);
    }
    for (size_t i = a->equal_count; i < declared->columns_count; i++) {
        const struct field_index_column *column = &declared->columns[i];
        a->keys[a->keys_count++] = (struct query_key){column->field, column->descending, column->nulls_last};
    }
    return gives_order(c, a) && (a->equal_count > 0 || takes_range(a) || c->order_count > 0);
}

static bool try_ids(const struct choice *c, struct query_access *a)
{
    const struct query_node *test = find_test(c, QUERY_ID, is_equality);
    *a = (struct query_access){.index = QUERY_BY_ID};
    if (test != NULL && test->operator == QUERY_EQ)
        take_equality(c, test, a);
    else
        take_range(c, QUERY_ID, a);
    return gives_order(c, a) && (a->equal_count > 0 || takes_range(a));
}

/* The greater, the better. */
static unsigned rank(const struct choice *c, const struct query_access *a)
{
    bool by_id = a->index == QUERY_BY_ID;
    if (by_id && (a->equal_count > 0 || a->list != NULL))
        return 1000;
    size_t columns = by_id ? 0 : c->query->fields->indexes[a->index].columns_count;
    return a->equal_count * 100 + takes_range(a) * 10u + (FIELDS_INDEX_COLUMNS_MAX - (unsigned)columns);
}

static bool choose(const struct choice *c, struct query_access *best)
{
    struct query_access other;
    unsigned best_rank = 0;
    bool found = try_ids(c, best);
    if (found)
        best_rank = rank(c, best);
    for (unsigned i = 0; i < c->query->fields->indexes_count; i++) {
        if (!try_index(c, i, &other) || (found && rank(c, &other) <= best_rank))
            continue;
        found = true;
        best_rank = rank(c, &other);
        *best = other;
    }
    return found;
}

/* ---- which index would serve ---- */

/* An index in the making. */
struct wanted {
    struct query_key columns[FIELDS_INDEX_COLUMNS_MAX];
    size_t count;
};

static bool can_stand_in_index(const struct choice *c, unsigned field)
{
    return field < FIELDS_MAX && !query_field_many(c->query->fields, field);
}

static void add_column(struct wanted *w, struct query_key key, size_t room)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->columns[i].field == key.field)
            return;
    }
    if (w->count < room)
        w->columns[w->count++] = key;
}

static void add_equalities(const struct choice *c, struct wanted *w)
{
    for (size_t i = 0; i < c->tests_count; i++) {
        if (is_equality(c->tests[i]) && can_stand_in_index(c, c->tests[i]->field))
            add_column(w, (struct query_key){.field = c->tests[i]->field}, FIELDS_INDEX_COLUMNS_MAX - c->order_count);
    }
}

static void add_range(const struct choice *c, struct wanted *w)
{
    for (size_t i = 0; i < c->tests_count; i++) {
        if (is_equality(c->tests[i]) || c->tests[i]->operator == QUERY_NEQ ||
            c->tests[i]->operator == QUERY_ISDISTINCT || !can_stand_in_index(c, c->tests[i]->field))
            continue;
        size_t count = w->count;
        add_column(w, (struct query_key){.field = c->tests[i]->field}, FIELDS_INDEX_COLUMNS_MAX);
        if (w->count > count)
            return;
    }
}

/* Of a many-valued field, which stands alone. */
static void add_element(const struct choice *c, struct wanted *w)
{
    for (size_t i = 0; i < c->tests_count && w->count == 0; i++) {
        struct query_access access = {0};
        unsigned field = c->tests[i]->field;
        if (!query_field_many(c->query->fields, field))
            continue;
        take_element(c, field, &access);
        if (access.equal_count > 0 || (takes_range(&access) && !c->query->ordered))
            add_column(w, (struct query_key){.field = field}, FIELDS_INDEX_COLUMNS_MAX);
    }
}

/* SQLite's own sides are not written. */
static void write_wanted(const struct choice *c, const struct wanted *w, char needed[QUERY_NEEDED_BYTES])
{
    size_t used = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct query_key *key = &w->columns[i];
        const char *side = key->nulls_last == key->descending ? "" : key->nulls_last ? ".nullslast" : ".nullsfirst";
        used += (size_t)snprintf(needed + used, QUERY_NEEDED_BYTES - used, "%s%.*s%s%s", i > 0 ? "," : "",
                                 SLICE_ARGS(query_field_name(c->query->fields, key->field)),
                                 key->descending ? ".desc" : "", side);
    }
}

static void name_needed(const struct choice *c, char needed[QUERY_NEEDED_BYTES])
{
    struct wanted w = {.count = 0};
    needed[0] = '\0';
    for (size_t i = 0; i < c->order_count; i++) {
        if (!can_stand_in_index(c, c->order[i].field))
            return;
    }
    add_equalities(c, &w);
    for (size_t i = 0; i < c->order_count; i++)
        add_column(&w, c->order[i], FIELDS_INDEX_COLUMNS_MAX);
    if (!c->query->ordered)
        add_range(c, &w);
    if (c->order_count == 0)
        add_element(c, &w);
    write_wanted(c, &w, needed);
}

/* ---- all together ---- */

/* What the walk leaves to be tested; groups of which nothing is left. Their terms come after them. */
static void find_residual(const struct query *query, struct query_access *a)
{
    for (size_t i = query->nodes_count; i-- > 0;) {
        const struct query_node *node = &query->nodes[i];
        if (node->kind == QUERY_AND && !node->negated) {
            a->served[i] = true;
            for (size_t k = i + 1; k < node->end; k = query->nodes[k].end)
                a->served[i] = a->served[i] && a->served[k];
        }
        a->residual = a->residual || !a->served[i];
    }
}

enum query_refusal query_access(const struct query *query, struct query_access *out, char needed[QUERY_NEEDED_BYTES])
{
    struct choice c = {.query = query};
    collect_tests(&c);
    collect_order(&c);
    if (!choose(&c, out)) {
        bool by_id = c.order_count == 0 && (query->nodes_count == 0 || query->fields->scan);
        if (!by_id) {
            name_needed(&c, needed);
            return QUERY_NOT_INDEXED;
        }
        *out = (struct query_access){.index = QUERY_BY_ID};
    }
    find_residual(query, out);
    return QUERY_SERVED;
}
