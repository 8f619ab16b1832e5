/* Queries: a page of the rows that pass a filter, in the order of an index, and their number; within a budget. */
#include <assert.h>
#include <stdlib.h>

#include "core/base/time.h"
#include "store/read/query_filter.h"
#include "store/read/query_sql.h"
#include "store/read/query_walk.h"
#include "store/read/reader_internal.h"
#include "store/sqlite/statement_cache.h"

#define WHAT "read the database"

/* Between two looks at the clock: a row with a residual filter takes some 4 us. */
#define DEADLINE_ROWS 64
/* A count is asked for in parts that grow, each from the start of its segment, so that something is known when time
 * runs out. Few counts need a second one: a row takes 40 ns. */
#define COUNT_FIRST 16384
#define COUNT_GROWTH 8
#define KEPT_BYTES_MAX (64u << 10) /* of a row's id and keys */

/* What a reader keeps for the next query. */
struct reader_queries {
    struct statement_cache statements;
    struct query_text text;
    struct query_walk walk;
    /* Where the fields of a collection are read from, for this declaration; of the snapshot (r->serving_known). */
    int64_t collection;
    struct buffer declaration;
    struct store_field_set serving;
    struct buffer wanted; /* the declaration of the query at hand */
    struct store_query_end last; /* the row that was kept last; what it points to is in `kept` */
    struct buffer kept;
};

static enum sg_status queries_of(struct store_reader *r, struct sg_error *err)
{
    if (r->queries != NULL)
        return SG_OK;
    r->queries = calloc(1, sizeof *r->queries);
    if (r->queries == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a query");
    buffer_init(&r->queries->text.text, QUERY_TEXT_BYTES_MAX);
    buffer_init(&r->queries->declaration, FIELDS_TEXT_MAX);
    buffer_init(&r->queries->wanted, FIELDS_TEXT_MAX);
    buffer_init(&r->queries->kept, KEPT_BYTES_MAX);
    return SG_OK;
}

void store_queries_close(struct store_reader *r)
{
    struct reader_queries *q = r->queries;
    if (q == NULL)
        return;
    statement_cache_clear(&q->statements);
    buffer_free(&q->text.text);
    buffer_free(&q->declaration);
    buffer_free(&q->wanted);
    buffer_free(&q->kept);
    free(q);
    r->queries = NULL;
}

/* ---- where declared fields are read from ---- */

static struct slice text_of(const struct buffer *b)
{
    return (struct slice){b->data, b->bytes > 0 ? b->bytes - 1 : 0}; /* without its NUL */
}

static enum sg_status find_serving(struct store_reader *r, int64_t collection, const struct field_set *fields,
                                   struct sg_error *err)
{
    struct reader_queries *q = r->queries;
    buffer_reset(&q->wanted);
    enum sg_status status = fields_write(fields, &q->wanted, err);
    if (status != SG_OK)
        return status;
    if (r->serving_known && q->collection == collection && slice_equal(text_of(&q->declaration), text_of(&q->wanted)))
        return SG_OK;
    struct store_declaration declared = {.fields = fields, .text = text_of(&q->wanted)};
    status = store_field_sets_serving(&r->c, collection, &declared, &q->serving, err);
    if (status != SG_OK)
        return status;
    struct buffer other = q->declaration;
    q->declaration = q->wanted;
    q->wanted = other;
    q->collection = collection;
    r->serving_known = true;
    return SG_OK;
}

static bool is_served(const struct store_field_set *serving, const struct query *query,
                      const struct query_access *access)
{
    for (size_t i = 0; i < query->nodes_count; i++) {
        const struct query_node *node = &query->nodes[i];
        if (node->kind == QUERY_TEST && node->field < FIELDS_MAX &&
            (serving->number == 0 || serving->places[node->field] == FIELDS_NONE))
            return false;
    }
    return access->index == QUERY_BY_ID || (serving->number != 0 && serving->indexes[access->index]);
}

static bool reads_fields(const struct query *query, const struct query_access *access)
{
    bool reads = access->index != QUERY_BY_ID;
    for (size_t i = 0; i < query->nodes_count && !reads; i++)
        reads = query->nodes[i].kind == QUERY_TEST && query->nodes[i].field < FIELDS_MAX;
    return reads;
}

/* ---- a run of one query ---- */

struct run {
    struct store_reader *r;
    struct reader_queries *q;
    const struct query *query;
    const struct query_access *access;
    int64_t collection;
    struct store_query_budget *budget;
    uint64_t examined; /* of this run */
    bool ended;        /* before the walk did */
    /* Of a page. */
    store_entity_visitor *visit;
    void *context;
    size_t items;
    size_t bytes;
};

static enum sg_status run_begin(struct run *run, struct slice collection, struct sg_error *err)
{
    struct store_reader *r = run->r;
    enum sg_status status = queries_of(r, err);
    if (status == SG_OK)
        status = store_read_resolve(r, collection, &run->collection, err);
    store_read_release(r);
    if (status == SG_OK && reads_fields(run->query, run->access)) {
        status = find_serving(r, run->collection, run->query->fields, err);
        if (status == SG_OK && !is_served(&r->queries->serving, run->query, run->access))
            status = sg_fail(err, SG_UNAVAILABLE, "the index that serves the query is being made");
    }
    run->q = r->queries;
    r->running = status == SG_OK ? run->query : NULL;
    return status;
}

static void run_end(const struct run *run)
{
    run->r->running = NULL;
}

static enum sg_status prepare(const struct run *run, enum query_sql_kind kind, const struct query_segment *segment,
                              uint64_t limit, sqlite3_stmt **out, int *bound, struct sg_error *err)
{
    struct reader_queries *q = run->q;
    enum sg_status status = query_sql_make(&q->text, kind, run->query, run->access, &q->serving, run->collection,
                                           segment, limit, err);
    if (status == SG_OK)
        status = statement_cache_get(&q->statements, &run->r->c, (struct slice){q->text.text.data, q->text.text.bytes},
                                     out, err);
    if (status == SG_OK)
        *bound = query_text_bind(&q->text, *out);
    return status;
}

/* The row counts as examined; true: the budget allows no more. */
static bool spend_row(struct run *run)
{
    const struct store_query_budget *budget = run->budget;
    run->budget->examined++;
    run->examined++;
    return budget->examined >= budget->rows_max ||
           (budget->deadline_ns != 0 && run->examined % DEADLINE_ROWS == 0 && time_boot_ns() >= budget->deadline_ns);
}

/* ---- pages ---- */

static bool visit_row(struct run *run, sqlite3_stmt *s)
{
    struct entity entity = {
        .version = sqlite3_column_int64(s, QUERY_COLUMN_VERSION),
        .sequence = (uint64_t)sqlite3_column_int64(s, QUERY_COLUMN_SEQUENCE),
        .id = store_column_slice(s, QUERY_COLUMN_ID),
        .occurred_at = store_column_slice(s, QUERY_COLUMN_OCCURRED_AT),
        .state = store_column_slice(s, QUERY_COLUMN_STATE),
    };
    run->items++;
    run->bytes += entity.state.bytes;
    return run->visit(run->context, &entity) && run->bytes < run->budget->bytes_max;
}

static struct field_value key_of(enum field_type type, sqlite3_stmt *s, int column)
{
    struct field_value value = {.state = FIELD_SET};
    if (sqlite3_column_type(s, column) == SQLITE_NULL)
        value.state = FIELD_NULL;
    else if (type == FIELD_STRING)
        value.text = store_column_slice(s, column);
    else if (type == FIELD_NUMBER)
        value.number = sqlite3_column_double(s, column);
    else
        value.integer = sqlite3_column_int64(s, column);
    return value;
}

/* The bytes were reserved, so that those before them stay where they are. */
static void keep_text(struct buffer *kept, struct slice *text)
{
    char *at = kept->data + kept->bytes;
    buffer_append_slice(kept, *text);
    text->data = at;
}

/* The next page goes on after this row. */
static enum sg_status keep_row(const struct run *run, sqlite3_stmt *s, struct sg_error *err)
{
    struct reader_queries *q = run->q;
    struct store_query_end last = {.after_id = store_column_slice(s, QUERY_COLUMN_ID)};
    size_t bytes = last.after_id.bytes + 1;
    for (size_t i = 0; i < run->access->keys_count; i++) {
        enum field_type type = query_field_type(run->query->fields, run->access->keys[i].field);
        last.after[i] = key_of(type, s, QUERY_COLUMN_KEYS + (int)i);
        bytes += type == FIELD_STRING && last.after[i].state == FIELD_SET ? last.after[i].text.bytes : 0;
    }
    buffer_reset(&q->kept);
    buffer_reserve(&q->kept, bytes);
    if (q->kept.failed)
        return sg_fail(err, SG_MEMORY, "out of memory for a query");
    keep_text(&q->kept, &last.after_id);
    for (size_t i = 0; i < run->access->keys_count; i++) {
        if (last.after[i].state == FIELD_SET &&
            query_field_type(run->query->fields, run->access->keys[i].field) == FIELD_STRING)
            keep_text(&q->kept, &last.after[i].text);
    }
    q->last = last;
    return SG_OK;
}

/* One row of the walk. Once the page is full the walk goes on to the row that would be the next item: so a page without
 * a cursor is the last one, and no page begins with rows that were examined already. */
static enum sg_status take_row(struct run *run, sqlite3_stmt *s, struct sg_error *err)
{
    bool passes = sqlite3_column_type(s, QUERY_COLUMN_NUMBER) != SQLITE_NULL;
    if (passes && run->items == run->budget->items_max) {
        run->ended = true;
        return SG_OK;
    }
    run->ended = passes && !visit_row(run, s);
    if (spend_row(run))
        run->ended = true;
    return run->ended || run->items == run->budget->items_max ? keep_row(run, s, err) : SG_OK;
}

static enum sg_status segment_rows(struct run *run, const struct query_segment *segment, struct sg_error *err)
{
    sqlite3_stmt *s = NULL;
    int bound = SQLITE_OK;
    enum sg_status status = prepare(run, QUERY_SQL_ROWS, segment, 0, &s, &bound, err);
    while (status == SG_OK && !run->ended) {
        status = store_step(&run->r->c, s, bound, WHAT, err);
        if (status == SG_OK)
            status = take_row(run, s, err);
    }
    (void)sqlite3_reset(s);
    return list_end(status);
}

enum sg_status store_read_query(struct store_reader *r, struct slice collection, const struct query *query,
                                const struct query_access *access, struct store_query_budget *budget,
                                store_entity_visitor *visit, void *context, struct store_query_end *out,
                                struct sg_error *err)
{
    struct query_segment segment;
    struct run run = {.r = r, .query = query, .access = access, .budget = budget, .visit = visit, .context = context};
    assert(budget->items_max > 0);
    enum sg_status status = run_begin(&run, collection, err);
    if (status != SG_OK)
        return status;
    query_walk_begin(&run.q->walk, query, access, true);
    while (status == SG_OK && !run.ended && query_walk_next(&run.q->walk, &segment))
        status = segment_rows(&run, &segment, err);
    run_end(&run);
    if (status != SG_OK)
        return status;
    *out = run.ended ? run.q->last : (struct store_query_end){.more = false};
    out->more = run.ended;
    return SG_OK;
}

/* ---- counts ---- */

static uint64_t rows_left(const struct run *run)
{
    const struct store_query_budget *budget = run->budget;
    return budget->examined < budget->rows_max ? budget->rows_max - budget->examined : 0;
}

/* Row by row, those that pass. */
static enum sg_status count_passing(struct run *run, const struct query_segment *segment, uint64_t *count,
                                    struct sg_error *err)
{
    sqlite3_stmt *s = NULL;
    int bound = SQLITE_OK;
    bool spent = rows_left(run) == 0;
    enum sg_status status = prepare(run, QUERY_SQL_PASSES, segment, 0, &s, &bound, err);
    while (status == SG_OK && (status = store_step(&run->r->c, s, bound, WHAT, err)) == SG_OK && !run->ended) {
        run->ended = spent;
        if (run->ended)
            break;
        *count += sqlite3_column_type(s, QUERY_COLUMN_NUMBER) != SQLITE_NULL;
        spent = spend_row(run);
    }
    (void)sqlite3_reset(s);
    return list_end(status);
}

static enum sg_status count_up_to(const struct run *run, const struct query_segment *segment, uint64_t limit,
                                  uint64_t *count, struct sg_error *err)
{
    sqlite3_stmt *s = NULL;
    int bound = SQLITE_OK;
    enum sg_status status = prepare(run, QUERY_SQL_COUNT, segment, limit, &s, &bound, err);
    if (status == SG_OK)
        status = store_step(&run->r->c, s, bound, WHAT, err);
    if (status == SG_OK)
        *count = (uint64_t)sqlite3_column_int64(s, 0);
    (void)sqlite3_reset(s);
    return status;
}

/* All rows of a segment pass: SQLite counts them. */
static enum sg_status count_all(struct run *run, const struct query_segment *segment, uint64_t *count,
                                struct sg_error *err)
{
    uint64_t left = rows_left(run);
    uint64_t found = 0;
    enum sg_status status = SG_OK;
    for (uint64_t limit = COUNT_FIRST; status == SG_OK; limit *= COUNT_GROWTH) {
        limit = limit <= left ? limit : left + 1; /* one more shows that there are more */
        status = count_up_to(run, segment, limit, &found, err);
        if (found < limit || limit > left)
            break;
    }
    run->ended = found > left;
    if (status == SG_STOPPED && run->r->late) {
        run->ended = true;
        status = SG_OK;
    }
    found = found > left ? left : found;
    run->budget->examined += found;
    *count += found;
    return status;
}

enum sg_status store_read_query_count(struct store_reader *r, struct slice collection, const struct query *query,
                                      const struct query_access *access, struct store_query_budget *budget,
                                      struct store_query_count *out, struct sg_error *err)
{
    struct query_segment segment;
    struct store_collection counted;
    uint64_t count = 0;
    struct run run = {.r = r, .query = query, .access = access, .budget = budget};
    bool filters = access->residual || query_filter_repeats(query, access);
    if (query->nodes_count == 0) {
        enum sg_status status = store_read_collection(r, collection, &counted, err);
        if (status == SG_OK)
            *out = (struct store_query_count){.value = counted.entities, .exact = true};
        return status;
    }
    enum sg_status status = run_begin(&run, collection, err);
    if (status != SG_OK)
        return status;
    store_read_deadline(r, filters ? 0 : budget->deadline_ns);
    query_walk_begin(&run.q->walk, query, access, false);
    while (status == SG_OK && !run.ended && query_walk_next(&run.q->walk, &segment))
        status = filters ? count_passing(&run, &segment, &count, err) : count_all(&run, &segment, &count, err);
    store_read_deadline(r, 0);
    run_end(&run);
    if (status == SG_OK)
        *out = (struct store_query_count){.value = count, .exact = !run.ended};
    return status;
}
