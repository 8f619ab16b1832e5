/* Queries: what a page costs and where it ends, counts, which set of fields serves, and what a statement may do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/time.h"
#include "store/read/reader_internal.h"
#include "store/sqlite/statement_cache.h"
#include "world_fixture.h"

#define CUSTOMERS SLICE_LITERAL("customers")
#define ROWS 200

enum { STATUS, TOTAL, TAG };

static const struct field_value open_value = {.state = FIELD_SET, .text = {"open", 4}};
static const struct field_value shut_value = {.state = FIELD_SET, .text = {"shut", 4}};

/* Rows r000 to r199: every second one is open, totals fall, three ids have each; tags a and b. */
static int setup(void **state)
{
    struct world *w = world_create();
    const struct field_value tags[] = {value_text("a"), value_text("b")};
    world_field(w, "status:/status:string");
    world_field(w, "total:/total:integer");
    world_field(w, "tag:/tags/*:string");
    world_index(w, "status,total.desc");
    world_index(w, "total");
    world_index(w, "tag");
    for (size_t i = 0; i < ROWS; i++) {
        char id[24];
        (void)snprintf(id, sizeof id, "r%03zu", i);
        struct world_row *row = world_row(w, id, 1);
        row->values[STATUS] = i % 2 == 0 ? open_value : shut_value;
        row->values[TOTAL] = value_integer((int64_t)(ROWS - i) / 3);
        world_elements(w, row, TAG, tags, 2);
    }
    world_store(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_destroy(*state);
    return 0;
}

/* What a page gave. */
struct page {
    enum sg_status status;
    size_t items;
    size_t take; /* 0 = all */
    char first[24];
    char last[24];
    struct store_query_end end;
    struct sg_error err;
};

static bool see(void *context, const struct entity *entity)
{
    struct page *page = context;
    if (page->items == 0)
        (void)snprintf(page->first, sizeof page->first, "%.*s", SLICE_ARGS(entity->id));
    (void)snprintf(page->last, sizeof page->last, "%.*s", SLICE_ARGS(entity->id));
    return ++page->items != page->take;
}

static struct store_query_budget budget_of(size_t items_max, uint64_t rows_max)
{
    return (struct store_query_budget){.items_max = items_max, .rows_max = rows_max, .bytes_max = SIZE_MAX};
}

static struct query_access access_of(const struct query *query)
{
    char needed[QUERY_NEEDED_BYTES];
    struct query_access access;
    assert_int_equal(query_access(query, &access, needed), QUERY_SERVED);
    return access;
}

static struct page read_page_taking(struct world *w, const struct query *query, struct store_query_budget *budget,
                                    size_t take)
{
    struct page page = {.take = take};
    struct query_access access = access_of(query);
    page.status = store_read_query(fixture_begin(w->store), CUSTOMERS, query, &access, budget, see, &page, &page.end,
                                   &page.err);
    return page;
}

static struct page read_page(struct world *w, const struct query *query, struct store_query_budget *budget)
{
    return read_page_taking(w, query, budget, 0);
}

static void go_on(struct query *query, const struct page *page)
{
    assert_true(page->end.more);
    memcpy(query->after, page->end.after, sizeof query->after);
    query->after_id = page->end.after_id;
}

static struct store_query_count count_of(struct world *w, const struct query *query, struct store_query_budget *budget)
{
    struct store_query_count count = {0};
    struct query_access access = access_of(query);
    assert_int_equal(
        store_read_query_count(fixture_begin(w->store), CUSTOMERS, query, &access, budget, &count, NULL), SG_OK);
    return count;
}

/* ---- what a page costs, and where it ends ---- */

static void page_ends_with_its_items(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = budget_of(60, ROWS);
    query_add(&query, STATUS, QUERY_EQ, &open_value, 1);
    struct page page = read_page(w, &query, &budget);
    assert_int_equal(page.items, 60);
    assert_string_equal(page.first, "r000");
    assert_int_equal(budget.examined, 60);
    assert_int_equal(page.end.after[0].integer, (ROWS - 118) / 3);
    go_on(&query, &page);
    budget = budget_of(40, ROWS); /* as many as there are */
    page = read_page(w, &query, &budget);
    assert_int_equal(page.items, 40);
    assert_false(page.end.more);
}

static void rows_that_do_not_pass_are_paid_for(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields, .ordered = true, .order_count = 1, .order = {{.field = TOTAL}}};
    const struct field_value last = value_text("r000"); /* in the order of totals */
    query_add(&query, QUERY_ID, QUERY_EQ, &last, 1);
    struct query_access access = {.index = 1, .residual = true, .keys_count = 1, .keys = {{.field = TOTAL}}};
    struct store_query_budget budget = budget_of(10, 30);
    struct page page = {0};
    size_t pages = 0;
    do {
        budget.examined = 0;
        page = (struct page){0};
        assert_int_equal(store_read_query(fixture_begin(w->store), CUSTOMERS, &query, &access, &budget, see, &page,
                                          &page.end, NULL),
                         SG_OK);
        pages++;
        assert_true(budget.examined <= 30);
        assert_int_equal(page.items, pages == 7);
        if (page.end.more)
            go_on(&query, &page);
    } while (page.end.more);
    assert_int_equal(pages, 7); /* 6 times 30 rows without an item, and the rest with the last one */
    assert_string_equal(page.first, "r000");
}

static void row_is_examined_whatever_the_budget_says(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = {.items_max = 10, .deadline_ns = 1, .bytes_max = 0, .rows_max = 0};
    query_add(&query, STATUS, QUERY_EQ, &open_value, 1);
    struct page page = read_page(w, &query, &budget);
    assert_int_equal(page.items, 1);
    assert_true(page.end.more);
    assert_int_equal(budget.examined, 1);
}

static void time_that_is_up_ends_a_page(void **state)
{
    const struct field_value tag = value_text("b");
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = budget_of(1000, 1000);
    query_add(&query, STATUS, QUERY_EQ, &open_value, 1);
    budget.deadline_ns = time_boot_ns() + 3600 * NS_PER_S;
    struct page page = read_page(w, &query, &budget);
    assert_int_equal(page.items, ROWS / 2);
    budget.deadline_ns = time_boot_ns();
    page = read_page(w, &query, &budget);
    assert_true(page.end.more);
    assert_int_equal(page.items, 64); /* then the clock is looked at */
    query_add(&query, TAG, QUERY_EQ, &tag, 1);
    budget.examined = 0;
    page = read_page(w, &query, &budget);
    assert_true(page.end.more);
    assert_int_equal(budget.examined, 4); /* sooner where rows are tested */
}

static void bytes_of_states_end_a_page(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = budget_of(1000, 1000);
    query_add(&query, TOTAL, QUERY_GTE, &(struct field_value){.state = FIELD_SET}, 1);
    budget.bytes_max = 9; /* "{"n":200}" */
    struct page page = read_page(w, &query, &budget);
    assert_int_equal(page.items, 1);
    budget.bytes_max = 10;
    page = read_page(w, &query, &budget);
    assert_int_equal(page.items, 2);
    assert_true(page.end.more);
}

static void visitor_ends_a_page_after_its_row(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = budget_of(1000, 1000);
    query_add(&query, STATUS, QUERY_EQ, &open_value, 1);
    struct page page = read_page_taking(w, &query, &budget, 3);
    assert_int_equal(page.items, 3);
    assert_string_equal(page.last, "r004");
    go_on(&query, &page);
    page = read_page_taking(w, &query, &budget, 1);
    assert_string_equal(page.first, "r006");
}

/* Who makes a cursor up does not see what the filter leaves out. */
static void cursor_outside_of_the_filter_widens_nothing(void **state)
{
    struct world *w = *state;
    const struct field_value values[] = {value_integer(20), value_integer(30)};
    struct query query = {.fields = &w->fields};
    query_add(&query, TOTAL, QUERY_GTE, &values[0], 1);
    query_add(&query, TOTAL, QUERY_LT, &values[1], 1);
    struct store_query_budget budget = budget_of(1000, 1000);
    query.after_id = SLICE_LITERAL("r000");
    query.after[0] = value_integer(-5);
    struct page page = read_page(w, &query, &budget);
    assert_int_equal(page.items, 30);
    query.after[0] = value_integer(50);
    page = read_page(w, &query, &budget);
    assert_int_equal(page.items, 0);
    query.after[0] = (struct field_value){.state = FIELD_NULL};
    page = read_page(w, &query, &budget);
    assert_int_equal(page.items, 30);
    query = (struct query){.fields = &w->fields, .after_id = SLICE_LITERAL("r000"), .after = {value_integer(-5)}};
    query_add(&query, TOTAL, QUERY_IN, values, 2);
    page = read_page(w, &query, &budget);
    assert_int_equal(page.items, 6);
    query.after[0] = value_integer(25);
    page = read_page(w, &query, &budget);
    assert_int_equal(page.items, 3);
}

static void element_that_is_met_again_is_no_second_item(void **state)
{
    struct world *w = *state;
    const struct field_value tags[] = {value_text("a"), value_text("b")};
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = budget_of(1000, 1000);
    query_add(&query, TAG, QUERY_IN, tags, 2);
    struct page page = read_page(w, &query, &budget);
    assert_int_equal(page.items, ROWS);
    assert_int_equal(budget.examined, 2 * ROWS);
    budget = budget_of(1, 1000);
    assert_int_equal(count_of(w, &query, &budget).value, ROWS);
}

/* ---- counts ---- */

static void count_is_exact_within_the_budget(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    query_add(&query, STATUS, QUERY_EQ, &open_value, 1);
    struct store_query_budget budget = budget_of(1, ROWS / 2);
    struct store_query_count count = count_of(w, &query, &budget);
    assert_true(count.exact);
    assert_int_equal(count.value, ROWS / 2);
    assert_int_equal(budget.examined, ROWS / 2);
    budget = budget_of(1, ROWS / 2 - 1);
    count = count_of(w, &query, &budget);
    assert_false(count.exact);
    assert_int_equal(count.value, ROWS / 2 - 1);
    assert_int_equal(budget.examined, ROWS / 2 - 1);
    query.after_id = SLICE_LITERAL("r100"); /* of the whole filter, on every page */
    query.after[0] = value_integer(3);
    budget = budget_of(1, ROWS);
    assert_int_equal(count_of(w, &query, &budget).value, ROWS / 2);
}

static void count_of_a_residual_filter_is_exact_within_the_budget(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    const struct field_value total = value_integer(10);
    query_add(&query, STATUS, QUERY_EQ, &open_value, 1);
    query_add(&query, TOTAL, QUERY_NEQ, &total, 1);
    struct store_query_budget budget = budget_of(1, ROWS / 2);
    struct store_query_count count = count_of(w, &query, &budget);
    assert_true(count.exact);
    assert_int_equal(budget.examined, ROWS / 2);
    uint64_t all = count.value;
    assert_true(all == ROWS / 2 - 1 || all == ROWS / 2 - 2);
    budget = budget_of(1, ROWS / 2 - 1);
    count = count_of(w, &query, &budget);
    assert_false(count.exact);
    assert_true(count.value == all || count.value == all - 1);
    budget = (struct store_query_budget){.items_max = 1, .rows_max = ROWS, .deadline_ns = time_boot_ns()};
    count = count_of(w, &query, &budget);
    assert_false(count.exact);
    assert_int_equal(budget.examined, 4);
}

static void count_of_all_is_the_stored_one(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = budget_of(1, 0);
    struct store_query_count count = count_of(w, &query, &budget);
    assert_true(count.exact);
    assert_int_equal(count.value, ROWS);
    assert_int_equal(budget.examined, 0);
}

/* Time is up while SQLite counts. */
static void count_that_time_ends_is_a_lower_bound(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    query_add(&query, STATUS, QUERY_EQ, &open_value, 1);
    world_sql(w, "WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) "
                 "INSERT INTO fields_%lld (number, id, c0) SELECT i, 'x' || i, 'open' FROM n",
              (long long)w->set);
    struct store_query_budget budget = budget_of(1, 1000000);
    budget.deadline_ns = time_boot_ns() - 1;
    struct store_query_count count = count_of(w, &query, &budget);
    assert_false(count.exact);
    assert_int_equal(count.value, 4096); /* then the clock is looked at */
    assert_int_equal(budget.examined, 4096);
    budget = budget_of(1, 1000000);
    budget.deadline_ns = time_boot_ns() + 3600 * NS_PER_S;
    count = count_of(w, &query, &budget);
    assert_true(count.exact);
    assert_int_equal(count.value, ROWS / 2 + 39001);
    assert_int_equal(budget.examined, ROWS / 2 + 39001);
}

/* ---- which set of fields serves ---- */

static void fields_that_are_not_there_yet_are_unavailable(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = budget_of(1000, 1000);
    const struct field_value name = value_text("x");
    query_add(&query, STATUS, QUERY_EQ, &open_value, 1);
    assert_int_equal(read_page(w, &query, &budget).items, ROWS / 2);
    /* A new declaration: while its set is being filled the old one serves what means the same in both. */
    world_field(w, "name:/name:string");
    world_index(w, "name");
    world_redeclare(w);
    assert_true(world_step(w, 10));
    assert_int_equal(read_page(w, &query, &budget).items, ROWS / 2);
    query_add(&query, 3, QUERY_IS_NULL, &name, 0);
    assert_int_equal(read_page(w, &query, &budget).status, SG_UNAVAILABLE);
    query.nodes_count = 0;
    query_add(&query, 3, QUERY_EQ, &name, 1);
    struct page page = read_page(w, &query, &budget);
    assert_int_equal(page.status, SG_UNAVAILABLE);
    assert_string_equal(page.err.message, "the index that serves the query is being made");
    world_settle(w);
    page = read_page(w, &query, &budget);
    assert_int_equal(page.status, SG_OK);
    assert_int_equal(page.items, 0);
}

/* The same fields stand at other places in the old set, and have other names there. */
static void older_set_serves_by_its_own_places(void **state)
{
    enum { LABEL, NOTE, AMOUNT, PHASE };
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = budget_of(1000, 1000);
    const struct field_value values[] = {value_text("b"), value_integer(30)};
    fields_free(&w->fields);
    world_field(w, "label:/tags/*:string");
    world_field(w, "note:/note:string");
    world_field(w, "amount:/total:integer");
    world_field(w, "phase:/status:string");
    world_index(w, "amount,phase");
    world_index(w, "phase,amount.desc");
    world_index(w, "label");
    for (size_t i = 0; i < w->rows_count; i++) {
        struct world_row *row = &w->rows[i];
        row->values[AMOUNT] = row->values[TOTAL];
        row->values[PHASE] = row->values[STATUS];
        row->values[TOTAL] = (struct field_value){.state = FIELD_NULL};
        memcpy(row->elements[LABEL], row->elements[TAG], sizeof row->elements[LABEL]);
        row->values[LABEL] = (struct field_value){.state = FIELD_ELEMENTS};
        row->values[LABEL].elements.values = row->elements[LABEL];
        row->values[LABEL].elements.count = 2;
    }
    world_redeclare(w);
    query_add(&query, PHASE, QUERY_EQ, &open_value, 1);
    query_add(&query, AMOUNT, QUERY_GT, &values[1], 1);
    query_add(&query, LABEL, QUERY_EQ, &values[0], 1);
    struct page page = read_page(w, &query, &budget);
    assert_int_equal(page.status, SG_OK);
    assert_int_equal(page.items, 54);
    query_add(&query, NOTE, QUERY_IS_NULL, NULL, 0);
    assert_int_equal(read_page(w, &query, &budget).status, SG_UNAVAILABLE);
    query.nodes_count = 0;
    query_add(&query, AMOUNT, QUERY_EQ, &values[1], 1); /* its index is not there */
    assert_int_equal(read_page(w, &query, &budget).status, SG_UNAVAILABLE);
    world_settle(w);
    page = read_page(w, &query, &budget);
    assert_int_equal(page.status, SG_OK);
    assert_int_equal(page.items, 3);
}

/* Statements of tables that are gone stay in the cache, and are not asked. */
static void set_that_was_dropped_gives_a_clean_answer(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = budget_of(1000, 1000);
    query_add(&query, STATUS, QUERY_EQ, &open_value, 1);
    assert_int_equal(read_page(w, &query, &budget).items, ROWS / 2);
    world_sql(w, "BEGIN; DELETE FROM field_sets; DROP TABLE fields_%lld; DROP TABLE field_%lld_%d; COMMIT",
              (long long)w->set, (long long)w->set, TAG);
    assert_int_equal(read_page(w, &query, &budget).status, SG_UNAVAILABLE);
    world_redeclare(w);
    world_settle(w);
    assert_int_equal(read_page(w, &query, &budget).items, ROWS / 2);
    world_sql(w, "CREATE INDEX another ON fields_%lld (c1)", (long long)w->set); /* it is prepared anew */
    assert_int_equal(read_page(w, &query, &budget).items, ROWS / 2);
}

static void ids_need_no_set(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = budget_of(1000, 1000);
    const struct field_value values[] = {value_text("r100"), value_integer(150)};
    world_sql(w, "UPDATE field_sets SET filled = 0");
    query_add(&query, QUERY_ID, QUERY_GTE, &values[0], 1);
    query_add(&query, QUERY_SEQUENCE, QUERY_LT, &values[1], 1);
    struct page page = read_page(w, &query, &budget);
    assert_int_equal(page.status, SG_OK);
    assert_int_equal(page.items, 49);
    assert_int_equal(page.end.more, false);
}

static void collection_without_events_is_not_found(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct query_access access = access_of(&query);
    struct store_query_budget budget = budget_of(1, 1);
    struct store_query_count count;
    struct page page = {0};
    struct store_reader *r = fixture_begin(w->store);
    assert_int_equal(
        store_read_query(r, SLICE_LITERAL("none"), &query, &access, &budget, see, &page, &page.end, NULL),
        SG_NOT_FOUND);
    assert_int_equal(store_read_query_count(r, SLICE_LITERAL("none"), &query, &access, &budget, &count, NULL),
                     SG_NOT_FOUND);
}

static bool stop_at_once(void *context)
{
    (void)context;
    return true;
}

static void query_that_nobody_waits_for_ends(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = budget_of(1000, 1000);
    query_add(&query, STATUS, QUERY_EQ, &open_value, 1);
    store_read_stop_when(fixture_begin(w->store), stop_at_once, NULL);
    struct page page = read_page(w, &query, &budget);
    store_read_stop_when(w->store->reader, NULL, NULL);
    assert_int_equal(page.status, SG_STOPPED);
    assert_int_equal(read_page(w, &query, &budget).items, ROWS / 2);
}

/* ---- what a statement may do, and how many are kept ---- */

static int prepare_as_query(struct store_reader *r, const struct query *query, const char *sql)
{
    sqlite3_stmt *s = NULL;
    r->functions.running = query;
    int rc = sqlite3_prepare_v2(r->c.db, sql, -1, &s, NULL);
    r->functions.running = NULL;
    (void)sqlite3_finalize(s);
    return rc;
}

static void query_may_only_read_what_it_needs(void **state)
{
    static const char *const forbidden[] = {
        "SELECT clean FROM meta",
        "SELECT * FROM streams",
        "SELECT payload FROM rejected",
        "SELECT sql FROM sqlite_schema",
        "SELECT declaration FROM field_sets_copy",
        "DELETE FROM entities",
        "UPDATE entities SET version = 1",
        "CREATE TABLE t (a)",
        "PRAGMA query_only = OFF",
        "ATTACH 'x' AS y",
        "SELECT load_extension('x')",
        "SELECT randomblob(1000000000)",
        "SELECT sum(version) FROM entities",
        "SELECT count(*) FROM entities",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    };
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_reader *r = fixture_begin(w->store);
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        if (prepare_as_query(r, &query, forbidden[i]) == SQLITE_OK)
            fail_msg("%s may be prepared", forbidden[i]);
    }
    assert_int_equal(prepare_as_query(r, &query, "SELECT clean FROM meta"), SQLITE_AUTH);
    assert_int_equal(prepare_as_query(r, &query, "SELECT tally() FROM entities"), SQLITE_OK);
    assert_int_equal(prepare_as_query(r, &query, "SELECT c0, instant('x') FROM fields_1"), SQLITE_OK);
    assert_int_equal(prepare_as_query(r, NULL, "SELECT clean FROM meta"), SQLITE_OK);
}

static void statements_are_kept_within_a_bound(void **state)
{
    struct world *w = *state;
    struct statement_cache cache = {0};
    struct store_reader *r = fixture_begin(w->store);
    sqlite3_stmt *first = NULL;
    sqlite3_stmt *s = NULL;
    char text[64];
    for (int i = 0; i < STATEMENT_CACHE_MAX + 10; i++) {
        int bytes = snprintf(text, sizeof text, "SELECT %d", i);
        assert_int_equal(statement_cache_get(&cache, &r->c, (struct slice){text, (size_t)bytes}, &s, NULL), SG_OK);
        assert_int_equal(statement_cache_get(&cache, &r->c, SLICE_LITERAL("SELECT 0"), &first, NULL), SG_OK);
        assert_true(i > 0 || s == first);
    }
    assert_int_equal(cache.count, STATEMENT_CACHE_MAX);
    assert_int_equal(cache.prepared, STATEMENT_CACHE_MAX + 10); /* the one that is used most was never dropped */
    assert_int_equal(statement_cache_get(&cache, &r->c, SLICE_LITERAL("SELECT 1"), &s, NULL), SG_OK);
    assert_int_equal(cache.prepared, STATEMENT_CACHE_MAX + 11);
    assert_int_equal(statement_cache_get(&cache, &r->c, SLICE_LITERAL("SELECT"), &s, NULL), SG_INVALID);
    assert_int_equal(cache.count, STATEMENT_CACHE_MAX);
    statement_cache_clear(&cache);
    assert_int_equal(cache.bytes, 0);
}

static void memory_of_statements_is_bounded(void **state)
{
    struct world *w = *state;
    struct statement_cache cache = {0};
    struct store_reader *r = fixture_begin(w->store);
    struct buffer text;
    sqlite3_stmt *s = NULL;
    buffer_init(&text, 1 << 20);
    for (int i = 0; i < STATEMENT_CACHE_MAX; i++) {
        buffer_reset(&text);
        buffer_append_format(&text, "SELECT %d", i);
        for (int k = 0; k < 90; k++)
            buffer_append_format(&text, ", (SELECT %d FROM entities WHERE id = '%d')", k, k);
        assert_int_equal(statement_cache_get(&cache, &r->c, (struct slice){text.data, text.bytes}, &s, NULL), SG_OK);
        assert_true(cache.bytes <= STATEMENT_CACHE_BYTES_MAX);
    }
    assert_true(cache.count > 1 && cache.count < STATEMENT_CACHE_MAX);
    statement_cache_clear(&cache);
    buffer_free(&text);
}

/* The largest query there may be: its text and what it binds have room. */
static void largest_query_has_room(void **state)
{
    struct world *w = *state;
    struct query query = {.fields = &w->fields};
    struct store_query_budget budget = budget_of(1000, 1000);
    static struct field_value values[QUERY_VALUES_MAX];
    const struct field_value tag = value_text("a");
    for (size_t i = 0; i < QUERY_VALUES_MAX; i++)
        values[i] = value_integer((int64_t)i);
    query_add(&query, STATUS, QUERY_EQ, &open_value, 1);
    query_add(&query, TOTAL, QUERY_IN, values, QUERY_VALUES_MAX);
    for (size_t i = 2; i < QUERY_TERMS_MAX; i++)
        query_add(&query, TAG, i % 2 == 0 ? QUERY_LIKE : QUERY_GTE, &tag, 1);
    struct page page = read_page(w, &query, &budget);
    assert_int_equal(page.status, SG_OK);
    assert_int_equal(page.items, ROWS / 2);
    assert_int_equal(budget.examined, ROWS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(page_ends_with_its_items, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_that_do_not_pass_are_paid_for, setup, teardown),
        cmocka_unit_test_setup_teardown(row_is_examined_whatever_the_budget_says, setup, teardown),
        cmocka_unit_test_setup_teardown(time_that_is_up_ends_a_page, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_of_states_end_a_page, setup, teardown),
        cmocka_unit_test_setup_teardown(visitor_ends_a_page_after_its_row, setup, teardown),
        cmocka_unit_test_setup_teardown(cursor_outside_of_the_filter_widens_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(element_that_is_met_again_is_no_second_item, setup, teardown),
        cmocka_unit_test_setup_teardown(count_is_exact_within_the_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(count_of_a_residual_filter_is_exact_within_the_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(count_of_all_is_the_stored_one, setup, teardown),
        cmocka_unit_test_setup_teardown(count_that_time_ends_is_a_lower_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(fields_that_are_not_there_yet_are_unavailable, setup, teardown),
        cmocka_unit_test_setup_teardown(older_set_serves_by_its_own_places, setup, teardown),
        cmocka_unit_test_setup_teardown(set_that_was_dropped_gives_a_clean_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_need_no_set, setup, teardown),
        cmocka_unit_test_setup_teardown(collection_without_events_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(query_that_nobody_waits_for_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(query_may_only_read_what_it_needs, setup, teardown),
        cmocka_unit_test_setup_teardown(statements_are_kept_within_a_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_of_statements_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(largest_query_has_room, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
