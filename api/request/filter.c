/* Filters, from text to a tree. What the canonical text is: filter_text.c. */
#include "api/request/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIP_BYTES 64u /* of the client's text, in a sentence */
#define IN_GROUP ",)"  /* what ends a bare value there */
#define FILTER_LAST_BYTES 80u /* of the names of built-in fields, and a number */

static int clipped(struct slice text)
{
    return (int)(text.bytes < CLIP_BYTES ? text.bytes : CLIP_BYTES);
}

static void skip(struct slice *rest, size_t bytes)
{
    rest->data += bytes;
    rest->bytes -= bytes;
}

static bool sees(struct slice rest, char c)
{
    return rest.bytes > 0 && rest.data[0] == c;
}

static bool takes(struct slice *rest, const char *text)
{
    size_t bytes = strlen(text);
    if (rest->bytes < bytes || memcmp(rest->data, text, bytes) != 0)
        return false;
    skip(rest, bytes);
    return true;
}

/* What stands before the first of `ends`, or all. */
static struct slice take_until(struct slice *rest, const char *ends)
{
    struct slice taken = {rest->data, 0};
    while (taken.bytes < rest->bytes && (taken.data[taken.bytes] == '\0' || !strchr(ends, taken.data[taken.bytes])))
        taken.bytes++;
    skip(rest, taken.bytes);
    return taken;
}

const char *filter_names(const struct field_set *fields, char out[FILTER_NAMES_BYTES])
{
    size_t used = 0;
    for (unsigned i = 0; i < QUERY_FIELDS_END; i++) {
        if (i >= fields->fields_count && i < FIELDS_MAX)
            continue;
        struct slice name = query_field_name(fields, i);
        bool room = i >= FIELDS_MAX || used + name.bytes < FILTER_NAMES_BYTES - FILTER_LAST_BYTES;
        size_t left = fields->fields_count - i;
        used += room ? (size_t)sprintf(out + used, "%s%.*s", used > 0 ? ", " : "", SLICE_ARGS(name))
                     : (size_t)sprintf(out + used, "%s%zu more", used > 0 ? ", " : "", left);
        i = room ? i : FIELDS_MAX - 1;
    }
    return out;
}

/* ---- values ---- */

static enum sg_status take_quoted(struct slice *rest, char *room, struct slice *out, struct sg_error *err)
{
    size_t used = 0;
    skip(rest, 1);
    for (;;) {
        if (rest->bytes == 0)
            return sg_fail(err, SG_INVALID, "a value in quotes is not closed");
        char c = rest->data[0];
        skip(rest, 1);
        if (c == '"')
            break;
        if (c == '\\') {
            if (!sees(*rest, '"') && !sees(*rest, '\\'))
                return sg_fail(err, SG_INVALID, "in quotes, a backslash stands before a quote or a backslash only");
            c = rest->data[0];
            skip(rest, 1);
        }
        room[used++] = c;
    }
    *out = (struct slice){room, used};
    return SG_OK;
}

enum sg_status filter_take_value(struct slice *rest, const char *bare_end, char *room, struct slice *out,
                                 struct sg_error *err)
{
    if (sees(*rest, '"'))
        return take_quoted(rest, room, out, err);
    *out = take_until(rest, bare_end);
    return SG_OK;
}

/* Text in quotes moves to the reader's memory. */
static enum sg_status take_text(struct filter_reader *r, struct slice *rest, const char *bare_end, struct slice *out,
                                struct sg_error *err)
{
    bool quoted = sees(*rest, '"');
    enum sg_status status = filter_take_value(rest, bare_end, r->text + r->text_bytes, out, err);
    if (status == SG_OK && quoted)
        r->text_bytes += out->bytes;
    return status;
}

static enum sg_status add_value(struct filter_reader *r, unsigned field, struct slice text, struct sg_error *err)
{
    struct sg_error why;
    enum field_type type = query_field_type(r->query->fields, field);
    enum sg_status status = field_value_parse(type, text, &r->values[r->values_count], &why);
    if (status != SG_OK)
        return sg_fail(err, status, "'%.*s' %s", SLICE_ARGS(query_field_name(r->query->fields, field)), why.message);
    r->values_count++;
    return SG_OK;
}

/* ---- tests ---- */

static struct query_node *add_node(struct filter_reader *r, enum query_node_kind kind, bool negated,
                                   struct sg_error *err)
{
    if (r->query->nodes_count == QUERY_NODES_MAX) {
        (void)sg_fail(err, SG_INVALID, "the filter has more than %d tests and groups", QUERY_NODES_MAX);
        return NULL;
    }
    struct query_node *node = &r->query->nodes[r->query->nodes_count++];
    *node = (struct query_node){.kind = kind, .negated = negated, .end = (unsigned)r->query->nodes_count};
    return node;
}

static int compare_texts(const void *a, const void *b)
{
    return field_value_compare(FIELD_STRING, a, b);
}

static int compare_numbers(const void *a, const void *b)
{
    return field_value_compare(FIELD_NUMBER, a, b);
}

/* Of booleans and times, too. */
static int compare_integers(const void *a, const void *b)
{
    return field_value_compare(FIELD_INTEGER, a, b);
}

/* Ascending, each once. */
static size_t sort_values(enum field_type type, struct field_value *values, size_t count)
{
    size_t kept = 0;
    qsort(values, count, sizeof *values,
          type == FIELD_STRING   ? compare_texts
          : type == FIELD_NUMBER ? compare_numbers
                                 : compare_integers);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || field_value_compare(type, &values[kept - 1], &values[i]) != 0)
            values[kept++] = values[i];
    }
    return kept;
}

/* After "in.". */
static enum sg_status read_list(struct filter_reader *r, struct query_node *node, struct slice *rest,
                                struct sg_error *err)
{
    struct slice name = query_field_name(r->query->fields, node->field);
    size_t first = r->values_count;
    if (!takes(rest, "(") || sees(*rest, ')'))
        return sg_fail(err, SG_INVALID, "'%.*s': 'in' wants values in parentheses, at least one: in.(a,b)",
                       SLICE_ARGS(name));
    do {
        struct slice text;
        if (++r->listed_count > QUERY_VALUES_MAX)
            return sg_fail(err, SG_INVALID, "the filter has more than %d values in lists", QUERY_VALUES_MAX);
        enum sg_status status = take_text(r, rest, IN_GROUP, &text, err);
        if (status == SG_OK)
            status = add_value(r, node->field, text, err);
        if (status != SG_OK)
            return status;
    } while (takes(rest, ","));
    if (!takes(rest, ")"))
        return sg_fail(err, SG_INVALID, "'%.*s': a list of 'in' has a value and then neither ',' nor ')'",
                       SLICE_ARGS(name));
    node->values = r->values + first;
    node->values_count =
        sort_values(query_field_type(r->query->fields, node->field), r->values + first, r->values_count - first);
    return SG_OK;
}

/* After "like.". */
static enum sg_status read_prefix(struct filter_reader *r, struct query_node *node, struct slice *rest,
                                  const char *bare_end, struct sg_error *err)
{
    struct slice name = query_field_name(r->query->fields, node->field);
    enum field_type type = query_field_type(r->query->fields, node->field);
    struct slice text;
    if (type != FIELD_STRING)
        return sg_fail(err, SG_INVALID, "'%.*s' is of type %s: only a string has a prefix for 'like'",
                       SLICE_ARGS(name), field_type_name(type));
    enum sg_status status = take_text(r, rest, bare_end, &text, err);
    if (status != SG_OK)
        return status;
    if (text.bytes == 0 || text.data[text.bytes - 1] != '*')
        return sg_fail(err, SG_INVALID, "'%.*s': 'like' wants a prefix that ends in '*', not '%.*s'", SLICE_ARGS(name),
                       clipped(text), text.data);
    text.bytes--;
    return add_value(r, node->field, text, err);
}

static bool is_word_of_is(enum query_operator operator)
{
    return operator >= QUERY_IS_NULL;
}

static enum sg_status fail_operator(struct slice name, struct slice word, struct sg_error *err)
{
    static const char words[] = ""
#define OPERATOR_WORD(operator, word) ", " word
        QUERY_OPERATORS(OPERATOR_WORD);
#undef OPERATOR_WORD
    return sg_fail(err, SG_INVALID, "'%.*s': '%.*s' is no operator; there are %s", SLICE_ARGS(name), clipped(word),
                   word.data, words + 2);
}

/* The operator and the "." after it; of `is` its word. */
static enum sg_status take_operator(const struct query *query, struct query_node *node, struct slice *rest,
                                    const char *bare_end, struct sg_error *err)
{
    struct slice name = query_field_name(query->fields, node->field);
    enum field_type type = query_field_type(query->fields, node->field);
    struct slice word = {rest->data, 0};
    bool is = takes(rest, "is.");
    struct slice end = is ? take_until(rest, bare_end) : take_until(rest, ".,)");
    word.bytes = (size_t)(end.data + end.bytes - word.data);
    enum query_operator operator = 0;
    while (operator < QUERY_OPERATORS_COUNT && !slice_equal(slice_of(query_operator_word(operator)), word))
        operator++;
    if (operator == QUERY_OPERATORS_COUNT)
        return is ? sg_fail(err, SG_INVALID, "'%.*s': '%.*s' is none of is.null, is.not_null, is.true, is.false",
                            SLICE_ARGS(name), clipped(word), word.data)
                  : fail_operator(name, word, err);
    if (!is && !takes(rest, "."))
        return sg_fail(err, SG_INVALID, "'%.*s': '.' and a value must stand after '%s'", SLICE_ARGS(name),
                       query_operator_word(operator));
    if ((operator == QUERY_IS_TRUE || operator == QUERY_IS_FALSE) && type != FIELD_BOOLEAN)
        return sg_fail(err, SG_INVALID, "'%.*s' is of type %s: only a boolean can be tested with '%s'",
                       SLICE_ARGS(name), field_type_name(type), query_operator_word(operator));
    node->operator = operator;
    return SG_OK;
}

static enum sg_status read_test(struct filter_reader *r, unsigned field, struct slice *rest, const char *bare_end,
                                struct sg_error *err)
{
    struct query_node *node = NULL;
    struct slice text;
    if (r->tests_count++ == QUERY_TERMS_MAX)
        return sg_fail(err, SG_INVALID, "the filter has more than %d tests", QUERY_TERMS_MAX);
    node = add_node(r, QUERY_TEST, takes(rest, "not."), err);
    if (node == NULL)
        return SG_INVALID;
    node->field = field;
    enum sg_status status = take_operator(r->query, node, rest, bare_end, err);
    if (status != SG_OK || is_word_of_is(node->operator))
        return status;
    if (node->operator == QUERY_IN)
        return read_list(r, node, rest, err);
    node->values = r->values + r->values_count;
    node->values_count = 1;
    if (node->operator == QUERY_LIKE)
        return read_prefix(r, node, rest, bare_end, err);
    status = take_text(r, rest, bare_end, &text, err);
    return status == SG_OK ? add_value(r, field, text, err) : status;
}

/* ---- groups ---- */

static bool takes_group(struct slice *rest, const char *after, bool *negated, enum query_node_kind *kind)
{
    struct slice from = *rest;
    *negated = takes(rest, "not.");
    *kind = takes(rest, "and") ? QUERY_AND : takes(rest, "or") ? QUERY_OR : QUERY_TEST;
    if (*kind != QUERY_TEST && (after[0] == '\0' ? rest->bytes == 0 : sees(*rest, after[0])))
        return true;
    *rest = from;
    return false;
}

bool filter_is_group(struct slice name)
{
    bool negated;
    enum query_node_kind kind;
    return takes_group(&name, "", &negated, &kind);
}

static enum sg_status fail_field(const struct query *query, struct slice name, struct sg_error *err)
{
    char names[FILTER_NAMES_BYTES];
    return sg_fail(err, SG_INVALID, "there is no field '%.*s'; there are %s", clipped(name), name.data,
                   filter_names(query->fields, names));
}

static enum sg_status read_group(struct filter_reader *r, enum query_node_kind kind, bool negated, unsigned depth,
                                 struct slice *rest, struct sg_error *err);

/* `depth` of the groups around it. */
static enum sg_status read_term(struct filter_reader *r, unsigned depth, struct slice *rest, struct sg_error *err)
{
    bool negated;
    enum query_node_kind kind;
    if (takes_group(rest, "(", &negated, &kind))
        return read_group(r, kind, negated, depth + 1, rest, err);
    struct slice name = take_until(rest, ".,()");
    unsigned field = query_field_find(r->query->fields, name);
    if (field == QUERY_FIELDS_END)
        return fail_field(r->query, name, err);
    if (!takes(rest, "."))
        return sg_fail(err, SG_INVALID, "'%.*s': '.' and an operator must stand after the name", SLICE_ARGS(name));
    return read_test(r, field, rest, IN_GROUP, err);
}

/* At most QUERY_DEPTH_MAX calls within each other. */
static enum sg_status read_group(struct filter_reader *r, enum query_node_kind kind, bool negated, unsigned depth,
                                 struct slice *rest, struct sg_error *err)
{
    if (depth > QUERY_DEPTH_MAX)
        return sg_fail(err, SG_INVALID, "the filter has more than %d groups within each other", QUERY_DEPTH_MAX);
    struct query_node *node = add_node(r, kind, negated, err);
    if (node == NULL)
        return SG_INVALID;
    if (!takes(rest, "(") || sees(*rest, ')'))
        return sg_fail(err, SG_INVALID, "'%s' wants terms in parentheses, at least one: %s=(a.eq.1,b.is.null)",
                       kind == QUERY_AND ? "and" : "or", kind == QUERY_AND ? "and" : "or");
    do {
        enum sg_status status = read_term(r, depth, rest, err);
        if (status != SG_OK)
            return status;
    } while (takes(rest, ","));
    if (!takes(rest, ")"))
        return sg_fail(err, SG_INVALID, "a group has a term and then neither ',' nor ')'");
    node->end = (unsigned)r->query->nodes_count;
    return SG_OK;
}

/* ---- the whole ---- */

static enum sg_status check_end(struct slice rest, struct sg_error *err)
{
    return rest.bytes == 0 ? SG_OK
                           : sg_fail(err, SG_INVALID, "the filter goes on where it should end: '%.*s'", clipped(rest),
                                     rest.data);
}

enum sg_status filter_read_param(struct filter_reader *reader, struct slice name, struct slice value,
                                 struct sg_error *err)
{
    bool negated;
    enum query_node_kind kind;
    enum sg_status status;
    if (takes_group(&name, "", &negated, &kind)) {
        status = read_group(reader, kind, negated, 1, &value, err);
    } else {
        unsigned field = query_field_find(reader->query->fields, name);
        if (field == QUERY_FIELDS_END)
            return fail_field(reader->query, name, err);
        status = read_test(reader, field, &value, "", err);
    }
    return status == SG_OK ? check_end(value, err) : status;
}

enum sg_status filter_read_terms(struct filter_reader *reader, struct slice terms, struct sg_error *err)
{
    do {
        enum sg_status status = read_term(reader, 0, &terms, err);
        if (status != SG_OK)
            return status;
    } while (takes(&terms, ","));
    return check_end(terms, err);
}
