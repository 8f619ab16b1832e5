/* Any text as the parameters of a list: they are read or refused with a sentence; what is read keeps its promises; it is
 * the same when it is written and read again, whatever the order of its terms; rows can be tested by it; and no text is
 * a cursor that is not spelled as one is.
 *
 * Input: the parameters as in a URL. A first byte of "!" stands for a declaration with `scan`; "#" makes what follows
 * the bytes of a cursor. */
#include <stdint.h>
#include <string.h>

#include "api/request/query.h"
#include "core/base/utf8.h"
#include "require.h"

static struct field fields[] = {
    {.name = (char[]){"status"}, .type = FIELD_STRING}, {.name = (char[]){"total"}, .type = FIELD_NUMBER},
    {.name = (char[]){"placed"}, .type = FIELD_TIME},   {.name = (char[]){"items"}, .type = FIELD_INTEGER},
    {.name = (char[]){"paid"}, .type = FIELD_BOOLEAN},  {.name = (char[]){"tag"}, .type = FIELD_STRING, .many = true},
};
#define FIELDS_COUNT (sizeof fields / sizeof fields[0])
static struct field_index indexes[] = {
    {(char[]){"status,placed.desc"}, {{.field = 0}, {.field = 2, .descending = true, .nulls_last = true}}, 2},
    {(char[]){"total"}, {{.field = 1}}, 1},
    {(char[]){"tag"}, {{.field = 5}}, 1},
    {(char[]){"paid,items,total"}, {{.field = 4}, {.field = 3}, {.field = 1}}, 3},
};
static struct field_set declared = {.fields = fields, .fields_count = FIELDS_COUNT, .indexes = indexes,
                                    .indexes_count = sizeof indexes / sizeof indexes[0]};
static const struct fields_hash hash = {"f01234567"};
static const struct epoch epoch = {"k3fq1z"};

static char *copy_of(const char *data, size_t bytes)
{
    char *copy = malloc(bytes > 0 ? bytes : 1); /* of exactly this size: reading beyond it is noticed */
    REQUIRE(copy != NULL);
    if (bytes > 0)
        memcpy(copy, data, bytes);
    return copy;
}

/* ---- reading ---- */

/* A list's parameters, which live as long as `text`. */
static struct list_query *read_list(const struct target *target, struct query_fault *fault, bool *refused)
{
    struct list_query *q = NULL;
    struct sg_error err = {0};
    const struct query_source source = {.fields = &declared, .hash = &hash, .collection = SLICE_LITERAL("orders"),
                                        .params = target->params, .params_count = target->params_count, .limit = 100};
    enum sg_status status = query_make(&source, &q, fault, &err);
    *refused = status != SG_OK;
    if (status == SG_OK)
        return q;
    REQUIRE(q == NULL && status == SG_INVALID && err.status == SG_INVALID && err.message[0] != '\0');
    REQUIRE(!fault->members.failed);
    REQUIRE((fault->members.bytes > 0) ==
            (fault->problem == PROBLEM_NOT_INDEXED || fault->problem == PROBLEM_CURSOR_EXPIRED));
    return NULL;
}

static struct list_query *read_text(char *text, size_t bytes, enum problem *problem)
{
    struct target target;
    struct query_fault fault = {.problem = PROBLEM_BAD_REQUEST};
    bool refused = true;
    struct list_query *q = NULL;
    buffer_init(&fault.members, 1u << 20);
    *problem = PROBLEM_BAD_REQUEST;
    if (target_parse_params(text, bytes, &target, NULL) == SG_OK) {
        q = read_list(&target, &fault, &refused);
        *problem = fault.problem;
    }
    buffer_free(&fault.members);
    return q;
}

/* ---- what is promised of a query ---- */

static void require_values(const struct query *query, const struct query_node *node)
{
    enum field_type type = query_field_type(query->fields, node->field);
    REQUIRE((node->values_count == 0) == (node->operator >= QUERY_IS_NULL));
    REQUIRE(node->values_count <= (node->operator == QUERY_IN ? QUERY_VALUES_MAX : 1));
    REQUIRE(node->operator != QUERY_LIKE || type == FIELD_STRING);
    REQUIRE((node->operator != QUERY_IS_TRUE && node->operator != QUERY_IS_FALSE) || type == FIELD_BOOLEAN);
    for (size_t i = 0; i < node->values_count; i++) {
        REQUIRE(node->values[i].state == FIELD_SET);
        if (type == FIELD_STRING)
            REQUIRE(node->values[i].text.bytes <= FIELDS_TEXT_BYTES_MAX && utf8_valid(node->values[i].text));
        if (i > 0)
            REQUIRE(field_value_compare(type, &node->values[i - 1], &node->values[i]) < 0);
    }
}

/* A group has terms, which end where it does. Gives how deep it is. */
static unsigned require_tree(const struct query *query, size_t first, size_t end)
{
    unsigned deepest = 0;
    size_t at = first;
    while (at < end) {
        const struct query_node *node = &query->nodes[at];
        unsigned depth = 0;
        REQUIRE(node->end > at && node->end <= end);
        if (node->kind == QUERY_TEST) {
            REQUIRE(node->end == at + 1 && (node->field < FIELDS_COUNT ||
                                            (node->field >= FIELDS_MAX && node->field < QUERY_FIELDS_END)));
            require_values(query, node);
        } else {
            REQUIRE(node->end > at + 1);
            depth = 1 + require_tree(query, at + 1, node->end);
        }
        deepest = depth > deepest ? depth : deepest;
        at = node->end;
    }
    REQUIRE(at == end);
    return deepest;
}

static bool is_fixed(const struct query *query, unsigned field)
{
    for (size_t i = 0; i < query->nodes_count; i++) {
        const struct query_node *node = &query->nodes[i];
        if (node->kind == QUERY_TEST && node->field == field && !node->negated &&
            (node->operator == QUERY_EQ || node->operator >= QUERY_IS_NULL))
            return true;
    }
    return false;
}

/* The keys that are asked for are given, one after the other, but those of one value. */
static void require_order(const struct query *query, const struct query_access *a)
{
    size_t at = 0;
    for (size_t i = 0; i < query->order_count; i++) {
        size_t found = at;
        while (found < a->keys_count && a->keys[found].field != query->order[i].field)
            found++;
        REQUIRE(found < a->keys_count || is_fixed(query, query->order[i].field));
        at = found < a->keys_count ? found + 1 : at;
    }
}

static void require_access(const struct list_query *q)
{
    const struct query_access *a = &q->access;
    REQUIRE(a->index == QUERY_BY_ID || a->index < declared.indexes_count);
    REQUIRE(a->keys_count <= QUERY_ORDER_MAX);
    bool rest = false;
    for (size_t i = 0; i < q->query.nodes_count; i++)
        rest = rest || !a->served[i];
    REQUIRE(rest == a->residual);
    require_order(&q->query, a);
}

static void require_promises(const struct list_query *q)
{
    size_t tests = 0;
    for (size_t i = 0; i < q->query.nodes_count; i++)
        tests += q->query.nodes[i].kind == QUERY_TEST;
    REQUIRE(q->query.nodes_count <= QUERY_NODES_MAX && tests <= QUERY_TERMS_MAX);
    REQUIRE(require_tree(&q->query, 0, q->query.nodes_count) <= QUERY_DEPTH_MAX);
    REQUIRE(q->filter_bytes <= FILTER_BYTES_MAX && q->order_bytes <= CURSOR_ORDER_BYTES_MAX);
    REQUIRE(q->select_count <= QUERY_SELECT_MAX && q->query.order_count <= QUERY_ORDER_MAX);
    REQUIRE(q->batch == (q->ids != NULL) && (!q->batch || (q->ids_count >= 1 && q->ids_count <= QUERY_IDS_MAX)));
    for (size_t i = 0; i < q->select_count; i++)
        REQUIRE(q->select[i].name.bytes > 0 &&
                (q->select[i].field != QUERY_FIELDS_END || q->select[i].pointer.bytes > 0));
    if (!q->batch)
        require_access(q);
}

/* Rows with every kind of value: none breaks, and a test and its negation are never both true. */
static void require_rows(const struct list_query *q)
{
    static const struct field_value elements[] = {{.state = FIELD_SET, .text = {"a", 1}},
                                                  {.state = FIELD_SET, .text = {"open", 4}}};
    static const struct field_value rows[][FIELDS_COUNT] = {
        {{.state = FIELD_NULL}},
        {{.state = FIELD_SET, .text = {"open", 4}}, {.state = FIELD_SET, .number = 1}, {.state = FIELD_SET},
         {.state = FIELD_SET, .integer = 1}, {.state = FIELD_SET, .integer = 1},
         {.state = FIELD_ELEMENTS, .elements = {elements, 2}}},
    };
    for (size_t i = 0; i < 2; i++) {
        const struct query_row row = {.values = rows[i], .id = SLICE_LITERAL("a"), .version = 1, .sequence = 2,
                                      .occurred_at = i == 0 ? (struct slice){0} : SLICE_LITERAL("2026-01-31T12:00:00Z")};
        bool whole = query_matches(&q->query, &row);
        if (q->query.nodes_count == 0 || q->query.nodes[0].end != q->query.nodes_count)
            continue;
        struct query negated = q->query;
        negated.nodes[0].negated = !negated.nodes[0].negated;
        REQUIRE(!whole || !query_matches(&negated, &row));
    }
}

/* ---- the same again ---- */

static void require_same(const struct list_query *a, const struct list_query *b)
{
    REQUIRE(a->filter_bytes == b->filter_bytes && memcmp(a->filter, b->filter, a->filter_bytes) == 0);
    REQUIRE(a->order_bytes == b->order_bytes && memcmp(a->order, b->order, a->order_bytes) == 0);
    REQUIRE(a->query.nodes_count == b->query.nodes_count && a->query.order_count == b->query.order_count);
    REQUIRE(a->access.index == b->access.index && a->access.keys_count == b->access.keys_count);
    for (size_t i = 0; i < a->query.nodes_count; i++) {
        const struct query_node *x = &a->query.nodes[i];
        const struct query_node *y = &b->query.nodes[i];
        REQUIRE(x->kind == y->kind && x->negated == y->negated && x->end == y->end && x->field == y->field);
        REQUIRE(x->operator == y->operator && x->values_count == y->values_count);
        for (size_t k = 0; k < x->values_count; k++)
            REQUIRE(field_value_compare(query_field_type(&declared, x->field), &x->values[k], &y->values[k]) == 0);
    }
}

static void require_written_again(const struct list_query *q)
{
    struct buffer text;
    enum problem problem;
    buffer_init(&text, 1u << 20);
    query_append_params(q, QUERY_PART_FILTER | QUERY_PART_ORDER | QUERY_PART_SELECT | QUERY_PART_COUNT, &text);
    REQUIRE(!text.failed);
    if (text.bytes > 0) {
        struct list_query *again = read_text(text.data + 1, text.bytes - 1, &problem);
        REQUIRE(again != NULL && again->select_count == q->select_count && again->count == q->count);
        require_same(q, again);
        REQUIRE(q->continued || query_tag(again, 7) == query_tag(q, 7));
        free(again);
    }
    buffer_free(&text);
}

/* Its cursor goes on with the same, alone and beside it. */
static void require_cursor(const struct list_query *q)
{
    struct field_value keys[QUERY_ORDER_MAX] = {0};
    struct buffer text;
    enum problem problem;
    for (size_t i = 0; i < q->access.keys_count; i++) {
        keys[i].state = i % 2 == 0 ? FIELD_SET : FIELD_NULL;
        if (query_field_type(&declared, q->access.keys[i].field) == FIELD_STRING)
            keys[i].text = SLICE_LITERAL("open");
        else
            keys[i].integer = 0;
    }
    const struct query_end end = {.keys = keys, .id = SLICE_LITERAL("a"), .collection = SLICE_LITERAL("orders"),
                                  .epoch = &epoch, .hash = &hash, .first = {.sequence = 9}};
    buffer_init(&text, 1u << 20);
    buffer_append_text(&text, "cursor=");
    query_append_cursor(q, &end, &text);
    REQUIRE(!text.failed && text.bytes <= CURSOR_LIST_TEXT_BYTES + strlen("cursor="));
    query_append_params(q, QUERY_PART_SELECT | QUERY_PART_COUNT, &text);
    struct list_query *again = read_text(text.data, text.bytes, &problem);
    REQUIRE(again != NULL && again->continued && again->first.sequence == 9);
    REQUIRE(slice_equal(again->query.after_id, end.id));
    require_same(q, again);
    free(again);
    buffer_free(&text);
}

/* ---- cursors of any bytes ---- */

/* They may be one; then it is spelled so and not otherwise. */
static void check_cursor(const char *data, size_t bytes)
{
    struct cursor_list cursor;
    struct buffer text;
    char *room = copy_of(data, bytes);
    if (cursor_list_read((struct slice){data, bytes}, room, &cursor)) {
        buffer_init(&text, CURSOR_LIST_TEXT_BYTES);
        cursor_list_append(&cursor, &text);
        REQUIRE(!text.failed && slice_equal((struct slice){text.data, text.bytes}, (struct slice){data, bytes}));
        buffer_free(&text);
    }
    free(room);
}

/* As if it were one's own: what it holds is read as a query. */
static void check_bytes(const char *data, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct buffer text;
    enum problem problem;
    buffer_init(&text, 1u << 22);
    buffer_append_text(&text, "cursor=");
    for (size_t at = 0; at < bytes; at += 3) {
        size_t count = bytes - at < 3 ? bytes - at : 3;
        uint32_t bits = 0;
        for (size_t i = 0; i < 3; i++)
            bits = bits << 8 | (i < count ? (unsigned char)data[at + i] : 0);
        for (size_t i = 0; i <= count; i++)
            buffer_append(&text, &digits[bits >> (18 - 6 * i) & 63], 1);
    }
    REQUIRE(!text.failed);
    check_cursor(text.data + strlen("cursor="), text.bytes - strlen("cursor="));
    free(read_text(text.data, text.bytes, &problem));
    buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    enum problem problem;
    if (size > 0 && text[0] == '#') {
        check_bytes(text + 1, size - 1);
        return 0;
    }
    declared.scan = size > 0 && text[0] == '!';
    size_t skipped = declared.scan ? 1 : 0;
    char *copy = copy_of(text + skipped, size - skipped);
    check_cursor(text + skipped, size - skipped);
    struct list_query *q = read_text(copy, size - skipped, &problem);
    if (q != NULL) {
        require_promises(q);
        require_rows(q);
        if (!q->batch) {
            require_written_again(q);
            require_cursor(q);
        }
    }
    free(q);
    free(copy);
    return 0;
}
