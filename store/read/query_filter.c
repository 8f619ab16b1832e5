/* A query's SQL: the tests that its walk leaves, which every row is examined by. */
#include "store/read/query_filter.h"

#include "store/tables/fields.h"

#define put writing_put

static const struct operand element = {"d.value", FIELDS_NONE};

/* ---- a test ---- */

static struct operand single_operand(const struct writing *w, unsigned field)
{
    switch (field) {
    case QUERY_ID:
        return (struct operand){"w.id", FIELDS_NONE};
    case QUERY_VERSION:
        return (struct operand){"e.version", FIELDS_NONE};
    case QUERY_SEQUENCE:
        return (struct operand){"e.sequence", FIELDS_NONE};
    case QUERY_OCCURRED_AT:
        return (struct operand){"instant(e.occurred_at)", FIELDS_NONE};
    default:
        return (struct operand){w->has_fields ? "w.c" : "f.c", w->serving->places[field]};
    }
}

/* `among` and `begins` are functions of ours: a list of any length has one shape. */
static void put_comparison(struct writing *w, const struct query_node *test, struct operand operand)
{
    static const char *const words[QUERY_OPERATORS_COUNT] = {
        [QUERY_EQ] = " = ",
        [QUERY_NEQ] = " <> ",
        [QUERY_GT] = " > ",
        [QUERY_GTE] = " >= ",
        [QUERY_LT] = " < ",
        [QUERY_LTE] = " <= ",
        [QUERY_ISDISTINCT] = " IS NOT ",
        [QUERY_IN] = ", ",
        [QUERY_LIKE] = ", ",
        [QUERY_IS_NULL] = " IS NULL",
        [QUERY_IS_NOT_NULL] = " IS NOT NULL",
        [QUERY_IS_TRUE] = " IS 1",
        [QUERY_IS_FALSE] = " IS 0",
    };
    bool is_list = test->operator == QUERY_IN;
    bool is_prefix = test->operator == QUERY_LIKE;
    put(w, is_list ? "among(" : is_prefix ? "begins(" : "");
    writing_put_operand(w, operand);
    put(w, words[test->operator]);
    if (is_list)
        writing_put_integer(w, test - w->query->nodes);
    else if (test->values_count > 0)
        writing_put_value(w, query_field_type(w->query->fields, test->field), test->values[0]);
    put(w, is_list || is_prefix ? ")" : "");
}

/* The elements of the row that the walk is at; the parenthesis stays open. */
static void put_elements(struct writing *w, unsigned field)
{
    put(w, "EXISTS (SELECT 1 FROM ");
    put(w, store_fields_many_table(w->serving->number, w->serving->places[field]).text);
    put(w, " d WHERE d.number = w.number");
}

static void put_many_test(struct writing *w, const struct query_node *test)
{
    if (test->operator == QUERY_IS_NULL)
        put(w, "NOT ");
    put_elements(w, test->field);
    if (test->operator != QUERY_IS_NULL && test->operator != QUERY_IS_NOT_NULL) {
        put(w, " AND ");
        put_comparison(w, test, element);
    }
    put(w, ")");
}

/* A subtree: at most QUERY_DEPTH_MAX deep. */
static void put_tree(struct writing *w, size_t at)
{
    const struct query_node *node = &w->query->nodes[at];
    put(w, node->negated ? "NOT (" : "(");
    if (node->kind == QUERY_TEST && query_field_many(w->query->fields, node->field))
        put_many_test(w, node);
    else if (node->kind == QUERY_TEST)
        put_comparison(w, node, single_operand(w, node->field));
    for (size_t i = at + 1; i < node->end; i = w->query->nodes[i].end) {
        if (i > at + 1)
            put(w, node->kind == QUERY_AND ? " AND " : " OR ");
        put_tree(w, i);
    }
    put(w, ")");
}

/* ---- what must hold ---- */

/* Does the subtree need the entity's own row? */
static bool is_late(const struct query *query, size_t at)
{
    for (size_t i = at; i < query->nodes[at].end; i++) {
        if (query->nodes[i].kind == QUERY_TEST && query->nodes[i].field > QUERY_ID)
            return true;
    }
    return false;
}

/* The next subtree at or after `at` that must hold by itself and is left to be tested, early or late; the end of the
 * nodes = there is none. */
static size_t next_conjunct(const struct writing *w, size_t at, bool late)
{
    const struct query *query = w->query;
    while (at < query->nodes_count) {
        const struct query_node *node = &query->nodes[at];
        if (node->kind == QUERY_AND && !node->negated)
            at++;
        else if (w->access->served[at] || is_late(query, at) != late)
            at = node->end;
        else
            break;
    }
    return at;
}

static bool has_conjuncts(const struct writing *w, bool late)
{
    return next_conjunct(w, 0, late) < w->query->nodes_count;
}

static void put_conjuncts(struct writing *w, bool late, const char *separator)
{
    for (size_t at = 0; (at = next_conjunct(w, at, late)) < w->query->nodes_count; at = w->query->nodes[at].end) {
        put(w, separator);
        put_tree(w, at);
        separator = " AND ";
    }
}

/* Of a row that has several elements that pass only the least counts. What is below an element that the walk meets is
 * below its upper bound too. */
static void put_least(struct writing *w)
{
    const struct query_node *test = w->access->list != NULL ? w->access->list : w->access->low;
    put(w, "NOT ");
    put_elements(w, w->index->columns[0].field);
    put(w, " AND d.value < w.value");
    if (test != NULL && test->operator == QUERY_LIKE) {
        put(w, " AND d.value >= ");
        writing_put_value(w, FIELD_STRING, test->values[0]);
    } else if (test != NULL) {
        put(w, " AND ");
        put_comparison(w, test, element);
    }
    put(w, ")");
}

/* The walk meets a row once for each of several elements that pass. */
static bool repeats(const struct query *query, const struct query_access *access)
{
    return access->index != QUERY_BY_ID && access->equal_count == 0 &&
           query_field_many(query->fields, query->fields->indexes[access->index].columns[0].field);
}

bool query_filter_has_early(const struct writing *w)
{
    return has_conjuncts(w, false) || repeats(w->query, w->access);
}

void query_filter_early(struct writing *w)
{
    bool least = repeats(w->query, w->access);
    if (!query_filter_has_early(w)) {
        put(w, "w.number");
        return;
    }
    put(w, "CASE WHEN ");
    if (least)
        put_least(w);
    put_conjuncts(w, false, least ? " AND " : "");
    put(w, " THEN w.number END");
}

bool query_filter_has_late(const struct writing *w)
{
    return has_conjuncts(w, true);
}

void query_filter_late(struct writing *w)
{
    if (!query_filter_has_late(w)) {
        put(w, "e.number");
        return;
    }
    put_conjuncts(w, true, "CASE WHEN ");
    put(w, " THEN e.number END");
}
