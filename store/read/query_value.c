/* A query in memory: the names of its parts, and which rows it means. */
#include <assert.h>
#include <string.h>

#include "store/query.h"

static const char *const operator_words[QUERY_OPERATORS_COUNT] = {
#define OPERATOR_WORD(name, word) word,
    QUERY_OPERATORS(OPERATOR_WORD)
#undef OPERATOR_WORD
};

static const struct {
    struct slice name;
    enum field_type type;
} built_in[] = {
#define BUILT_IN_ROW(name, word, type) {{word, sizeof word - 1}, type},
    QUERY_BUILTINS(BUILT_IN_ROW)
#undef BUILT_IN_ROW
};

const char *query_operator_word(enum query_operator operator)
{
    return operator_words[operator];
}

unsigned query_field_find(const struct field_set *fields, struct slice name)
{
    for (unsigned i = 0; i < sizeof built_in / sizeof built_in[0]; i++) {
        if (slice_equal(built_in[i].name, name))
            return FIELDS_MAX + i;
    }
    unsigned field = fields_find(fields, name);
    return field != FIELDS_NONE ? field : QUERY_FIELDS_END;
}

enum field_type query_field_type(const struct field_set *fields, unsigned field)
{
    return field < FIELDS_MAX ? fields->fields[field].type : built_in[field - FIELDS_MAX].type;
}

bool query_field_many(const struct field_set *fields, unsigned field)
{
    return field < FIELDS_MAX && fields->fields[field].many;
}

struct slice query_field_name(const struct field_set *fields, unsigned field)
{
    return field < FIELDS_MAX ? slice_of(fields->fields[field].name) : built_in[field - FIELDS_MAX].name;
}

/* ---- which rows come ---- */

/* In this order `and` is the least of its terms, and `or` the greatest. */
enum truth { IS_FALSE, IS_UNKNOWN, IS_TRUE };

static enum truth truth_of(bool holds)
{
    return holds ? IS_TRUE : IS_FALSE;
}

static bool is_among(enum field_type type, const struct query_node *test, const struct field_value *value)
{
    size_t first = 0;
    size_t end = test->values_count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = field_value_compare(type, value, &test->values[middle]);
        if (order == 0)
            return true;
        if (order < 0)
            end = middle;
        else
            first = middle + 1;
    }
    return false;
}

static bool begins_with(struct slice text, struct slice prefix)
{
    return text.bytes >= prefix.bytes && (prefix.bytes == 0 || memcmp(text.data, prefix.data, prefix.bytes) == 0);
}

/* Of a value that is set. */
static bool passes(enum field_type type, const struct query_node *test, const struct field_value *value)
{
    switch (test->operator) {
    case QUERY_EQ: return field_value_compare(type, value, test->values) == 0;
    case QUERY_NEQ:
    case QUERY_ISDISTINCT: return field_value_compare(type, value, test->values) != 0;
    case QUERY_GT: return field_value_compare(type, value, test->values) > 0;
    case QUERY_GTE: return field_value_compare(type, value, test->values) >= 0;
    case QUERY_LT: return field_value_compare(type, value, test->values) < 0;
    case QUERY_LTE: return field_value_compare(type, value, test->values) <= 0;
    case QUERY_IN: return is_among(type, test, value);
    case QUERY_LIKE: return begins_with(value->text, test->values->text);
    case QUERY_IS_NULL: return false;
    case QUERY_IS_NOT_NULL: return true;
    case QUERY_IS_TRUE: return value->integer != 0;
    case QUERY_IS_FALSE: return value->integer == 0;
    default: assert(false); return false;
    }
}

static enum truth test_null(enum query_operator operator)
{
    switch (operator) {
    case QUERY_ISDISTINCT:
    case QUERY_IS_NULL: return IS_TRUE;
    case QUERY_IS_NOT_NULL:
    case QUERY_IS_TRUE:
    case QUERY_IS_FALSE: return IS_FALSE;
    default: return IS_UNKNOWN;
    }
}

/* It holds if any element passes. */
static bool test_many(enum field_type type, const struct query_node *test, const struct field_value *value)
{
    size_t count = value->state == FIELD_ELEMENTS ? value->elements.count : 0;
    if (test->operator == QUERY_IS_NULL)
        return count == 0;
    for (size_t i = 0; i < count; i++) {
        if (passes(type, test, &value->elements.values[i]))
            return true;
    }
    return false;
}

static struct field_value value_of(const struct query_row *row, unsigned field)
{
    struct field_value value = {.state = FIELD_SET};
    switch (field) {
    case QUERY_ID: value.text = row->id; return value;
    case QUERY_VERSION: value.integer = row->version; return value;
    case QUERY_SEQUENCE: value.integer = (int64_t)row->sequence; return value;
    case QUERY_OCCURRED_AT:
        if (row->occurred_at.bytes == 0 || field_value_parse(FIELD_TIME, row->occurred_at, &value, NULL) != SG_OK)
            value = (struct field_value){.state = FIELD_NULL};
        return value;
    default: return row->values[field];
    }
}

static enum truth test_row(const struct query *query, const struct query_node *test, const struct query_row *row)
{
    enum field_type type = query_field_type(query->fields, test->field);
    struct field_value value = value_of(row, test->field);
    enum truth truth;
    if (query_field_many(query->fields, test->field))
        truth = truth_of(test_many(type, test, &value));
    else if (value.state == FIELD_NULL)
        truth = test_null(test->operator);
    else
        truth = truth_of(passes(type, test, &value));
    return test->negated ? IS_TRUE - truth : truth;
}

/* A group whose terms are being looked at. */
struct level {
    bool any; /* `or` */
    bool negated;
    size_t end;
    enum truth truth; /* of the terms so far */
};

static bool is_decided(const struct level *level)
{
    return level->truth == (level->any ? IS_TRUE : IS_FALSE);
}

static void add_term(struct level *level, enum truth term)
{
    if (level->any ? term > level->truth : term < level->truth)
        level->truth = term;
}

bool query_matches(const struct query *query, const struct query_row *row)
{
    struct level levels[QUERY_DEPTH_MAX + 1] = {{.end = query->nodes_count, .truth = IS_TRUE}};
    struct level *level = levels;
    for (size_t i = 0;;) {
        if (i == level->end || is_decided(level)) {
            enum truth truth = level->negated ? IS_TRUE - level->truth : level->truth;
            if (level == levels)
                return truth == IS_TRUE;
            i = level->end;
            level--;
            add_term(level, truth);
            continue;
        }
        const struct query_node *node = &query->nodes[i++];
        if (node->kind == QUERY_TEST) {
            add_term(level, test_row(query, node, row));
            continue;
        }
        level++;
        assert(level <= levels + QUERY_DEPTH_MAX);
        *level = (struct level){.any = node->kind == QUERY_OR, .negated = node->negated, .end = node->end,
                                .truth = node->kind == QUERY_OR ? IS_FALSE : IS_TRUE};
    }
}
