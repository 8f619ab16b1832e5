/* Queries by SQL against the evaluator in memory: over random declarations, rows and filters, walking the pages gives
 * what filtering and sorting gives. No statement that was run scans or sorts.
 * ctest-timeout: 600 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan_fixture.h"
#include "world_fixture.h"
#include "store/read/reader_internal.h"

#define WORLDS 24
#define ROWS 60
#define QUERIES 150 /* of each world */
#define FIELDS 6
#define ROWS_ALL 1000000 /* a budget for all */

static uint64_t seed = 88172645463325252u;

static size_t below(size_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % limit;
}

static bool chance(size_t percent)
{
    return below(100) < percent;
}

/* ---- random declarations and rows ---- */

static struct field_value random_value(enum field_type type)
{
    /* Some differ in their last byte, hold a zero byte, or end a prefix. */
    static const struct slice texts[] = {
        {"", 0},        {"a", 1},          {"a\0", 2},    {"a\0b", 3},       {"aa", 2},          {"ab", 2},
        {"b", 1},       {"B", 1},          {"a\x7f", 2},  {"a\xc2\x80", 3},  {"\xc3\xa9", 2},    {"\xef\xbf\xbf", 3},
        {"a*", 2},      {"\xf0\x9f\x98\x80", 4},          {"\xf4\x8f\xbf\xbf", 4},               {"a,b)\"", 5}};
    static const int64_t integers[] = {0, 1, -1, INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, 9007199254740991,
                                       9007199254740992, 9007199254740993, -9007199254740993};
    static const double numbers[] = {0, 1, -1, 0.5, 5e-324, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308,
                                     9007199254740991.0, 9007199254740992.0, 9007199254740994.0,
                                     9223372036854775808.0, 9223372036854774784.0};
    switch (type) {
    case FIELD_STRING:
        return (struct field_value){.state = FIELD_SET, .text = texts[below(sizeof texts / sizeof texts[0])]};
    case FIELD_NUMBER:
        return value_number(numbers[below(sizeof numbers / sizeof numbers[0])]);
    case FIELD_BOOLEAN:
        return value_integer((int64_t)below(2));
    default:
        return value_integer(integers[below(sizeof integers / sizeof integers[0])]);
    }
}

static void random_fields(struct world *w)
{
    for (size_t i = 0; i < FIELDS; i++) {
        char text[64];
        enum field_type type = (enum field_type)below(FIELD_TYPES_COUNT);
        (void)snprintf(text, sizeof text, "f%zu:/f%zu%s:%s", i, i, i == FIELDS - 1 ? "/*" : "", field_type_name(type));
        world_field(w, text);
    }
    w->fields.scan = chance(50);
}

static void random_index(struct world *w)
{
    char text[128] = "";
    bool used[FIELDS] = {false};
    size_t columns = 1 + below(FIELDS_INDEX_COLUMNS_MAX);
    for (size_t i = 0; i < columns; i++) {
        size_t field = below(FIELDS - 1);
        if (used[field])
            continue;
        used[field] = true;
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%sf%zu%s%s", text[0] != '\0' ? "," : "", field,
                       chance(50) ? ".desc" : "", chance(40) ? "" : chance(50) ? ".nullsfirst" : ".nullslast");
    }
    if (fields_add_index(&w->fields, slice_of(text), NULL) != SG_OK)
        assert_true(w->fields.indexes_count > 0); /* it is there */
}

static void random_state(struct world *w, struct world_row *row)
{
    static const char *const times[] = {"", "2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", "nonsense",
                                        "2026-01-31T12:00:00.000000001Z", "2026-01-31T12:00:00.1234567891Z",
                                        "1677-09-21T00:12:44Z"};
    struct field_value elements[WORLD_ELEMENTS_MAX];
    size_t count = below(WORLD_ELEMENTS_MAX + 1);
    row->occurred_at = times[below(sizeof times / sizeof times[0])];
    for (unsigned k = 0; k < FIELDS - 1; k++) {
        if (chance(70))
            row->values[k] = random_value(w->fields.fields[k].type);
        else if (chance(50))
            row->values[k] = (struct field_value){.state = FIELD_NULL};
    }
    for (size_t k = 0; k < count; k++)
        elements[k] = random_value(w->fields.fields[FIELDS - 1].type);
    world_elements(w, row, FIELDS - 1, elements, count);
}

static void random_rows(struct world *w)
{
    for (size_t i = 0; i < ROWS; i++) {
        char id[24];
        (void)snprintf(id, sizeof id, "%s%zu", chance(20) ? "\xc3\xa9" : chance(50) ? "x" : "", below(1000) * ROWS + i);
        random_state(w, world_row(w, id, 1 + (int64_t)below(3)));
    }
}

static void random_changes(struct world *w)
{
    for (size_t i = 0; i < ROWS / 2; i++) {
        struct world_row *row = &w->rows[below(w->rows_count)];
        random_state(w, row);
        world_update(w, row);
    }
    for (size_t i = 0; i < ROWS / 10; i++)
        world_delete(w, below(w->rows_count));
}

static struct world *random_world(void)
{
    struct world *w = world_create();
    random_fields(w);
    for (size_t i = 2 + below(5); i > 0; i--)
        random_index(w);
    if (chance(70))
        world_index(w, "f5");
    random_rows(w);
    world_store(w);
    random_changes(w);
    return w;
}

/* ---- random queries ---- */

struct random_query {
    struct query query;
    struct field_value values[QUERY_VALUES_MAX];
    size_t values_count;
    size_t terms;
};

static struct field_value random_operand(const struct world *w, unsigned field)
{
    switch (field) {
    case QUERY_ID:
        return value_text(w->rows[below(w->rows_count)].id);
    case QUERY_VERSION:
        return value_integer((int64_t)below(5));
    case QUERY_SEQUENCE:
        return value_integer((int64_t)below(2 * ROWS));
    case QUERY_OCCURRED_AT:
        return value_integer(1769860800000000000 + (int64_t)below(3) - 1);
    default:
        return random_value(w->fields.fields[field].type);
    }
}

static enum field_type compared_type;

static int compare_values(const void *a, const void *b)
{
    return field_value_compare(compared_type, a, b);
}

static size_t random_list(const struct world *w, unsigned field, struct field_value *values, size_t count)
{
    size_t kept = 0;
    compared_type = query_field_type(&w->fields, field);
    for (size_t i = 0; i < count; i++)
        values[i] = random_operand(w, field);
    qsort(values, count, sizeof *values, compare_values);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || compare_values(&values[kept - 1], &values[i]) != 0)
            values[kept++] = values[i];
    }
    return kept;
}

static bool fits(enum query_operator operator, enum field_type type)
{
    if (operator == QUERY_LIKE)
        return type == FIELD_STRING;
    return (operator != QUERY_IS_TRUE && operator != QUERY_IS_FALSE) || type == FIELD_BOOLEAN;
}

static enum query_operator random_operator(enum field_type type)
{
    enum query_operator operator;
    if (type == FIELD_STRING && chance(25))
        return QUERY_LIKE;
    do {
        operator = chance(35) ? QUERY_EQ : (enum query_operator)below(QUERY_OPERATORS_COUNT);
    } while (!fits(operator, type));
    return operator;
}

static void random_test(const struct world *w, struct random_query *q, unsigned field)
{
    enum query_operator operator = random_operator(query_field_type(&w->fields, field));
    struct field_value *values = &q->values[q->values_count];
    size_t count = operator >= QUERY_IS_NULL ? 0 : 1;
    if (operator == QUERY_IN)
        count = random_list(w, field, values, 1 + below(5));
    else if (count == 1)
        *values = random_operand(w, field);
    if (operator == QUERY_LIKE && chance(60))
        *values = value_text(chance(80) ? "a" : "");
    q->values_count += count;
    q->terms++;
    query_add(&q->query, field, operator, values, count)->negated = chance(15);
}

static unsigned random_field(void)
{
    return chance(80) ? (unsigned)below(FIELDS) : QUERY_ID + (unsigned)below(4);
}

static void random_group(const struct world *w, struct random_query *q, size_t depth)
{
    struct query_node *group = &q->query.nodes[q->query.nodes_count++];
    *group = (struct query_node){.kind = chance(60) ? QUERY_OR : QUERY_AND, .negated = chance(20)};
    for (size_t i = 1 + below(3); i > 0; i--) {
        if (depth < QUERY_DEPTH_MAX && chance(25))
            random_group(w, q, depth + 1);
        else
            random_test(w, q, random_field());
    }
    group->end = (unsigned)q->query.nodes_count;
}

/* Often one that an index may serve: its first columns, and its order. */
static void random_query(const struct world *w, struct random_query *q)
{
    memset(q, 0, sizeof *q);
    q->query.fields = &w->fields;
    const struct field_index *index = &w->fields.indexes[below(w->fields.indexes_count)];
    size_t equal = below(index->columns_count + 1);
    for (size_t i = 0; i < equal; i++) {
        unsigned field = index->columns[i].field;
        struct field_value *value = &q->values[q->values_count++];
        *value = random_operand(w, field);
        query_add(&q->query, field, chance(20) ? QUERY_IS_NULL : QUERY_EQ, value, 1);
        if (q->query.nodes[q->query.nodes_count - 1].operator == QUERY_IS_NULL)
            q->query.nodes[q->query.nodes_count - 1].values_count = 0;
    }
    if (equal < index->columns_count && chance(50))
        random_test(w, q, index->columns[equal].field);
    q->query.ordered = chance(50);
    for (size_t i = equal; q->query.ordered && i < index->columns_count; i++) {
        const struct field_index_column *column = &index->columns[i];
        q->query.order[q->query.order_count++] =
            (struct query_key){column->field, column->descending, column->nulls_last};
    }
    for (size_t i = below(3); i > 0; i--)
        random_test(w, q, random_field());
    if (chance(25))
        random_group(w, q, 1);
}

/* ---- what is right ---- */

struct expected_row {
    const struct world_row *row;
    struct field_value keys[QUERY_ORDER_MAX];
};

static const struct query_access *compared_access;
static const struct field_set *compared_fields;

static int compare_rows(const void *left, const void *right)
{
    const struct expected_row *a = left;
    const struct expected_row *b = right;
    for (size_t i = 0; i < compared_access->keys_count; i++) {
        const struct query_key *key = &compared_access->keys[i];
        bool a_null = a->keys[i].state == FIELD_NULL;
        bool b_null = b->keys[i].state == FIELD_NULL;
        if (a_null != b_null)
            return a_null == key->nulls_last ? 1 : -1;
        int order = a_null ? 0 : field_value_compare(query_field_type(compared_fields, key->field), &a->keys[i],
                                                     &b->keys[i]);
        if (order != 0)
            return key->descending ? -order : order;
    }
    return strcmp(a->row->id, b->row->id);
}

static struct query_row row_of(const struct world_row *row)
{
    return (struct query_row){.values = row->values,
                              .id = slice_of(row->id),
                              .version = row->version,
                              .sequence = row->sequence,
                              .occurred_at = slice_of(row->occurred_at)};
}

/* Of a many-valued field: the least element that passes the test that the walk serves. */
static struct field_value key_of(const struct query *query, const struct query_access *access,
                                 const struct world_row *row, unsigned field)
{
    const struct query_node *bound = access->low != NULL ? access->low : access->high;
    const struct query_node *test = access->list != NULL ? access->list : bound;
    if (!query_field_many(query->fields, field))
        return row->values[field];
    for (size_t i = 0; i < row->values[field].elements.count; i++) {
        struct field_value values[FIELDS_MAX] = {0};
        struct query one = {.fields = query->fields, .nodes_count = 1, .nodes = {*test}};
        one.nodes[0].end = 1;
        values[field] = (struct field_value){.state = FIELD_ELEMENTS};
        values[field].elements.values = &row->values[field].elements.values[i];
        values[field].elements.count = 1;
        struct query_row element = {.values = values, .id = slice_of(row->id)};
        if (query_matches(&one, &element))
            return row->values[field].elements.values[i];
    }
    fail_msg("no element passes");
    return (struct field_value){0};
}

static size_t expect(const struct world *w, const struct query *query, const struct query_access *access,
                     struct expected_row *out)
{
    size_t count = 0;
    for (size_t i = 0; i < w->rows_count; i++) {
        struct query_row row = row_of(&w->rows[i]);
        if (!query_matches(query, &row))
            continue;
        out[count] = (struct expected_row){.row = &w->rows[i]};
        for (size_t k = 0; k < access->keys_count; k++)
            out[count].keys[k] = key_of(query, access, &w->rows[i], access->keys[k].field);
        count++;
    }
    compared_access = access;
    compared_fields = query->fields;
    qsort(out, count, sizeof *out, compare_rows);
    return count;
}

static bool is_as_expected(const struct walked *walked, const struct expected_row *expected, size_t count)
{
    bool same = walked->ids_count == count;
    for (size_t i = 0; i < count && same; i++)
        same = walked->rows[i] == expected[i].row;
    return same;
}

static void explain_difference(const struct query *query, const struct query_access *access,
                               const struct walked *walked, const struct expected_row *expected, size_t count)
{
    for (size_t i = 0; i < query->fields->indexes_count; i++)
        print_message("index %zu: %s\n", i, query->fields->indexes[i].text);
    for (size_t i = 0; i < query->nodes_count; i++)
        print_message("node %zu: kind %u%s end %u field %u %s%s\n", i, query->nodes[i].kind,
                      query->nodes[i].negated ? " not" : "", query->nodes[i].end, query->nodes[i].field,
                      query_operator_word(query->nodes[i].operator), access->served[i] ? " (served)" : "");
    print_message("by %u, %u equal, %zu keys\n", access->index, access->equal_count, access->keys_count);
    for (size_t i = 0; i < count || i < walked->ids_count; i++)
        print_message("%zu: %s, expected %s\n", i, i < walked->ids_count ? walked->rows[i]->id : "-",
                      i < count ? expected[i].row->id : "-");
}

static void check_count(struct world *w, const struct query *query, const struct query_access *access, size_t count)
{
    struct store_query_count counted;
    for (uint64_t rows_max = 0; rows_max < 3; rows_max++) {
        struct store_query_budget budget = {.items_max = 1, .rows_max = rows_max == 0 ? ROWS_ALL : 1 + below(ROWS)};
        assert_int_equal(store_read_query_count(fixture_begin(w->store), SLICE_LITERAL("customers"), query, access,
                                                &budget, &counted, NULL),
                         SG_OK);
        if (counted.exact)
            assert_int_equal(counted.value, count);
        assert_true(counted.exact || (rows_max > 0 && counted.value <= count));
        assert_true(budget.examined <= budget.rows_max);
    }
}

struct tally {
    size_t asked;
    size_t served;
    size_t rows;
    size_t differences;
};

static void check_query(struct world *w, struct query *query, enum walk_fault fault, struct tally *tally)
{
    static struct expected_row expected[WORLD_ROWS_MAX];
    static struct walked walked;
    struct query_access access;
    char needed[QUERY_NEEDED_BYTES];
    tally->asked++;
    if (query_access(query, &access, needed) != QUERY_SERVED)
        return;
    tally->served++;
    size_t count = expect(w, query, &access, expected);
    tally->rows += count;
    size_t sizes = chance(5) ? count + 2 : 3; /* now and then every size */
    for (size_t size = 1; size <= sizes; size++) {
        size_t items_max = sizes > 3 ? size : size == 1 ? 1000 : 1 + below(8);
        uint64_t rows_max = (size == 1 && sizes == 3) || chance(50) ? ROWS_ALL : 1 + below(12);
        world_walk(w, query, &access, items_max, rows_max, fault, &walked);
        if (is_as_expected(&walked, expected, count))
            continue;
        tally->differences++;
        if (fault == WALK_RIGHT)
            explain_difference(query, &access, &walked, expected, count);
        return;
    }
    if (fault == WALK_RIGHT)
        check_count(w, query, &access, count);
}

/* ---- what SQLite does ---- */

/* Of what the reader has run, as far as it is kept; returns how many. */
static size_t check_plans(struct world *w)
{
    size_t count = 0;
    sqlite3 *db = fixture_begin(w->store)->c.db;
    for (sqlite3_stmt *s = sqlite3_next_stmt(db, NULL); s != NULL; s = sqlite3_next_stmt(db, s)) {
        if (strstr(sqlite3_sql(s), " w INDEXED BY ") == NULL || strncmp(sqlite3_sql(s), "EXPLAIN", 7) == 0)
            continue;
        plan_check(db, sqlite3_sql(s));
        count++;
    }
    return count;
}

/* ---- tests ---- */

static void pages_are_what_filtering_and_sorting_gives(void **state)
{
    static struct random_query q;
    struct tally tally = {0};
    size_t plans = 0;
    (void)state;
    for (size_t i = 0; i < WORLDS; i++) {
        struct world *w = random_world();
        for (size_t k = 0; k < QUERIES; k++) {
            random_query(w, &q);
            check_query(w, &q.query, WALK_RIGHT, &tally);
            if (k % 10 == 9)
                plans += check_plans(w);
        }
        world_destroy(w);
    }
    print_message("%zu queries, %zu served, %zu rows, %zu plans\n", tally.asked, tally.served, tally.rows, plans);
    assert_int_equal(tally.differences, 0);
    assert_true(tally.served > WORLDS * QUERIES / 2);
    assert_true(tally.rows > WORLDS * QUERIES);
    assert_true(plans > WORLDS * QUERIES / 2);
}

static size_t differences_with(enum walk_fault fault)
{
    static struct random_query q;
    struct tally tally = {0};
    struct world *w = random_world();
    for (size_t k = 0; k < QUERIES; k++) {
        random_query(w, &q);
        check_query(w, &q.query, fault, &tally);
    }
    world_destroy(w);
    return tally.differences;
}

static void faults_of_cursors_are_found(void **state)
{
    (void)state;
    assert_true(differences_with(WALK_NULL_BOUNDARY) > 0);
    assert_true(differences_with(WALK_TIE_WITHOUT_ID) > 0);
    assert_true(differences_with(WALK_BY_ROW_NUMBER) > 0);
}

/* An entry that says what the entity was before. */
static void stale_entry_is_found(void **state)
{
    static struct random_query q;
    struct tally tally = {0};
    struct world *w = random_world();
    (void)state;
    world_sql(w, "UPDATE fields_%lld SET c0 = (SELECT c0 FROM fields_%lld WHERE number = 1), c1 = NULL "
                 "WHERE number < 9",
              (long long)w->set, (long long)w->set);
    for (size_t k = 0; k < QUERIES; k++) {
        random_query(w, &q);
        check_query(w, &q.query, WALK_STALE_ENTRY, &tally);
    }
    world_destroy(w);
    assert_true(tally.differences > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_what_filtering_and_sorting_gives),
        cmocka_unit_test(faults_of_cursors_are_found),
        cmocka_unit_test(stale_entry_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
