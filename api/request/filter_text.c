/* Filters as canonical text: what two requests have in common that ask for the same. */
#include <stdlib.h>
#include <string.h>

#include "api/request/filter.h"

/* ---- a value ---- */

/* The rest of ASCII means something somewhere: in lists, in quotes, in URLs. */
static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80 ||
           (c != '\0' && strchr("-._~:", c) != NULL);
}

static bool all_plain(struct slice text)
{
    size_t i = 0;
    while (i < text.bytes && is_plain((unsigned char)text.data[i]))
        i++;
    return i == text.bytes && i > 0;
}

static void append_quoted(struct slice text, struct buffer *out)
{
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            buffer_append_text(out, "\\");
        buffer_append(out, text.data + i, 1);
    }
}

/* `last` stands after the text, and is a part of the value. */
static void append_value(struct slice text, const char *last, struct buffer *out)
{
    if (all_plain(text)) {
        buffer_append_slice(out, text);
        buffer_append_text(out, last);
        return;
    }
    buffer_append_text(out, "\"");
    append_quoted(text, out);
    buffer_append_text(out, last);
    buffer_append_text(out, "\"");
}

void filter_append_value(struct slice text, struct buffer *out)
{
    append_value(text, "", out);
}

/* ---- a tree ---- */

/* The text of each node, written from the last to the first: a group's terms come after it, and are written before. */
struct writer {
    const struct query *query;
    struct buffer text;
    size_t begins[QUERY_NODES_MAX];
    size_t ends[QUERY_NODES_MAX];
    /* The terms of one group in their order. */
    size_t terms[QUERY_NODES_MAX];
    size_t terms_count;
    /* The nodes in the new order, as indexes of the old one: those of each node's subtree, from its own index on. */
    unsigned order[QUERY_NODES_MAX];
};

static void write_field_value(struct writer *w, const struct query_node *test, const struct field_value *value)
{
    struct buffer plain;
    buffer_init(&plain, FIELDS_TEXT_BYTES_MAX);
    field_value_append(query_field_type(w->query->fields, test->field), value, &plain);
    w->text.failed |= plain.failed;
    append_value((struct slice){plain.data, plain.bytes}, test->operator == QUERY_LIKE ? "*" : "", &w->text);
    buffer_free(&plain);
}

static void write_test(struct writer *w, const struct query_node *test)
{
    buffer_append_slice(&w->text, query_field_name(w->query->fields, test->field));
    buffer_append_text(&w->text, test->negated ? ".not." : ".");
    buffer_append_text(&w->text, query_operator_word(test->operator));
    if (test->values_count == 0)
        return;
    buffer_append_text(&w->text, test->operator == QUERY_IN ? ".(" : ".");
    for (size_t i = 0; i < test->values_count; i++) {
        if (i > 0)
            buffer_append_text(&w->text, ",");
        write_field_value(w, test, &test->values[i]);
    }
    if (test->operator == QUERY_IN)
        buffer_append_text(&w->text, ")");
}

static int compare_terms(const struct writer *w, size_t a, size_t b)
{
    size_t a_bytes = w->ends[a] - w->begins[a];
    size_t b_bytes = w->ends[b] - w->begins[b];
    size_t bytes = a_bytes < b_bytes ? a_bytes : b_bytes;
    int order = memcmp(w->text.data + w->begins[a], w->text.data + w->begins[b], bytes);
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

/* The terms from `first` up to `end`, whose text is there. */
static void sort_terms(struct writer *w, size_t first, size_t end)
{
    w->terms_count = 0;
    for (size_t term = first; term < end; term = w->query->nodes[term].end) {
        size_t i = w->terms_count++;
        for (; i > 0 && compare_terms(w, w->terms[i - 1], term) > 0; i--)
            w->terms[i] = w->terms[i - 1];
        w->terms[i] = term;
    }
}

/* With commas between; and their nodes in that order. */
static void write_terms(struct writer *w, size_t first, size_t end)
{
    unsigned order[QUERY_NODES_MAX];
    size_t used = 0;
    sort_terms(w, first, end);
    for (size_t i = 0; i < w->terms_count; i++) {
        size_t term = w->terms[i];
        size_t nodes = w->query->nodes[term].end - term;
        if (i > 0)
            buffer_append_text(&w->text, ",");
        buffer_reserve(&w->text, w->ends[term] - w->begins[term]); /* so that it does not move while it is copied */
        if (!w->text.failed)
            buffer_append(&w->text, w->text.data + w->begins[term], w->ends[term] - w->begins[term]);
        memcpy(order + used, w->order + term, nodes * sizeof order[0]);
        used += nodes;
    }
    memcpy(w->order + first, order, used * sizeof order[0]);
}

static void write_node(struct writer *w, size_t index)
{
    const struct query_node *node = &w->query->nodes[index];
    w->begins[index] = w->text.bytes;
    w->order[index] = (unsigned)index;
    if (node->kind == QUERY_TEST) {
        write_test(w, node);
    } else {
        buffer_append_text(&w->text, node->negated ? "not." : "");
        buffer_append_text(&w->text, node->kind == QUERY_AND ? "and(" : "or(");
        write_terms(w, index + 1, node->end);
        buffer_append_text(&w->text, ")");
    }
    w->ends[index] = w->text.bytes;
}

static void put_in_order(struct query *query, const unsigned *order)
{
    struct query_node nodes[QUERY_NODES_MAX];
    for (size_t i = 0; i < query->nodes_count; i++) {
        nodes[i] = query->nodes[order[i]];
        nodes[i].end = (unsigned)(i + query->nodes[order[i]].end - order[i]); /* a subtree stays as large */
    }
    memcpy(query->nodes, nodes, query->nodes_count * sizeof nodes[0]);
}

/* Of all nodes: the first one whose text is too long is the last that is written. */
#define TEXT_BYTES_MAX (QUERY_NODES_MAX * FILTER_BYTES_MAX + TEST_BYTES_MAX)
#define TEST_BYTES_MAX (QUERY_VALUES_MAX * (2 * FIELDS_TEXT_BYTES_MAX + 3) + 256) /* each byte of a value escaped */

enum sg_status filter_write(struct query *query, char out[FILTER_BYTES_MAX], size_t *bytes, struct sg_error *err)
{
    struct writer w = {.query = query};
    enum sg_status status = SG_OK;
    *bytes = 0;
    if (query->nodes_count == 0)
        return SG_OK;
    buffer_init(&w.text, TEXT_BYTES_MAX);
    for (size_t i = query->nodes_count; i-- > 0 && !w.text.failed && *bytes <= FILTER_BYTES_MAX;) {
        write_node(&w, i);
        *bytes = w.ends[i] - w.begins[i];
    }
    size_t begin = w.text.bytes;
    if (!w.text.failed && *bytes <= FILTER_BYTES_MAX) {
        write_terms(&w, 0, query->nodes_count);
        *bytes = w.text.bytes - begin;
    }
    if (w.text.failed)
        status = sg_fail(err, SG_MEMORY, "out of memory for a filter");
    else if (*bytes > FILTER_BYTES_MAX)
        status = sg_fail(err, SG_INVALID, "the filter is longer than %d bytes", FILTER_BYTES_MAX);
    if (status == SG_OK) {
        memcpy(out, w.text.data + begin, *bytes);
        put_in_order(query, w.order);
    }
    buffer_free(&w.text);
    return status;
}

/* ---- taken apart ---- */

struct slice filter_take_term(struct slice *terms)
{
    struct slice term = {terms->data, 0};
    unsigned groups = 0;
    bool quoted = false;
    for (; term.bytes < terms->bytes; term.bytes++) {
        char c = terms->data[term.bytes];
        if (quoted && c == '\\')
            term.bytes += term.bytes + 1 < terms->bytes;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == '(')
            groups++;
        else if (!quoted && c == ')')
            groups--;
        else if (!quoted && c == ',' && groups == 0)
            break;
    }
    size_t taken = term.bytes < terms->bytes ? term.bytes + 1 : term.bytes;
    *terms = (struct slice){terms->data + taken, terms->bytes - taken};
    return term;
}
