/* Queries: a page of the rows that pass a filter, in the order of an index, and their number; within a budget. */
#include <assert.h>
#include <stdlib.h>

#include "core/base/time.h"
#include "store/read/query_sql.h"
#include "store/read/query_walk.h"
#include "store/read/reader_internal.h"
#include "store/sqlite/statement_cache.h"

#define WHAT "read the database"

/* Rows between two looks at the clock, powers of two. One takes 4 us, but a millisecond where 32 tests look at 256
 * elements each; 40 ns if it is only counted. */
#define DEADLINE_ROWS_TESTED 4
#define DEADLINE_ROWS 64
#define DEADLINE_ROWS_COUNTED 4096
#define KEPT_BYTES_MAX (64u << 10) /* of a row's id and keys */
#define SERVING_MAX 8              /* collections that are known, of those that were asked last */

/* Where the declared fields of a collection are read from. */
struct serving {
    int64_t collection;             /* 0 = this place is free */
    const struct field_set *fields; /* borrowed */
    struct buffer declaration;      /* the same as text */
    bool known;                     /* `set` is that of the commit `data_version` */
    unsigned data_version;
    struct store_field_set set;
};

/* What a reader keeps for the next query. */
struct reader_queries {
    struct statement_cache statements;
    struct query_text text;
    struct query_walk walk;
    struct serving serving[SERVING_MAX];
    size_t serving_next;         /* this one is given up for another collection */
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
    buffer_init(&r->queries->kept, KEPT_BYTES_MAX);
    for (size_t i = 0; i < SERVING_MAX; i++)
        buffer_init(&r->queries->serving[i].declaration, FIELDS_TEXT_MAX);
    return SG_OK;
}

void store_queries_close(struct store_reader *r)
{
    struct reader_queries *q = r->queries;
    if (q == NULL)
        return;
    statement_cache_clear(&q->statements);
    buffer_free(&q->text.text);
    buffer_free(&q->kept);
    for (size_t i = 0; i < SERVING_MAX; i++)
        buffer_free(&q->serving[i].declaration);
    free(q);
    r->queries = NULL;
}

/* ---- where declared fields are read from ---- */

static struct serving *serving_of(struct reader_queries *q, int64_t collection, const struct field_set *fields)
{
    for (size_t i = 0; i < SERVING_MAX; i++) {
        if (q->serving[i].collection == collection && q->serving[i].fields == fields)
            return &q->serving[i];
    }
    struct serving *serving = &q->serving[q->serving_next++ % SERVING_MAX];
    serving->collection = 0;
    return serving;
}

static enum sg_status find_serving(struct store_reader *r, int64_t collection, const struct field_set *fields,
                                   const struct store_field_set **out, struct sg_error *err)
{
    struct serving *serving = serving_of(r->queries, collection, fields);
    enum sg_status status = SG_OK;
    if (serving->collection == 0) {
        buffer_reset(&serving->declaration);
        status = fields_write(fields, &serving->declaration, err);
        if (status != SG_OK)
            return status;
        serving->collection = collection;
        serving->fields = fields;
        serving->known = false;
    }
    if (!serving->known || serving->data_version != r->data_version) {
        struct slice text = {serving->declaration.data, serving->declaration.bytes - 1}; /* without its NUL */
        struct store_declaration declared = {.fields = fields, .text = text};
        status = store_field_sets_serving(&r->c, collection, &declared, &serving->set, err);
        serving->known = status == SG_OK;
        serving->data_version = r->data_version;
    }
    *out = &serving->set;
    return status;
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
    const struct store_field_set *serving; /* NULL: no declared field is read */
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
        status = find_serving(r, run->collection, run->query->fields, &run->serving, err);
        if (status == SG_OK && !is_served(run->serving, run->query, run->access))
            status = sg_fail(err, SG_UNAVAILABLE, "the index that serves the query is being made");
    }
    run->q = r->queries;
    r->functions.running = status == SG_OK ? run->query : NULL;
    return status;
}

static void run_end(const struct run *run)
{
    run->r->functions.running = NULL;
}

static enum sg_status prepare(const struct run *run, enum query_sql_kind kind, const struct query_segment *segment,
                              sqlite3_stmt **out, int *bound, struct sg_error *err)
{
    struct reader_queries *q = run->q;
    enum sg_status status = query_sql_make(&q->text, kind, run->query, run->access, run->serving, run->collection,
                                           segment, err);
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
    struct store_query_budget *budget = run->budget;
    uint64_t between = run->access->residual ? DEADLINE_ROWS_TESTED : DEADLINE_ROWS;
    budget->examined++;
    run->examined++;
    return budget->examined >= budget->rows_max ||
           (budget->deadline_ns != 0 && (run->examined & (between - 1)) == 0 && time_boot_ns() >= budget->deadline_ns);
}

/* ---- pages ---- */

static bool visit_row(struct run *run, sqlite3_stmt *s)
{
    struct entity entity = {
        .version = sqlite3_column_int64(s, QUERY_COLUMN_VERSION),
        .sequence = (uint64_t)sqlite3_column_int64(s, QUERY_COLUMN_SEQUENCE),
        .id = store_read_text(s, QUERY_COLUMN_ID),
        .occurred_at = store_read_text(s, QUERY_COLUMN_OCCURRED_AT),
        .state = store_read_text(s, QUERY_COLUMN_STATE),
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
        value.text = store_read_text(s, column);
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

#ifdef SG_PLANT_QUERY_ROW_NUMBER
#include <stdio.h>
/* The cursor has the row's number, which is that of another row on another replica. */
static struct slice number_of(sqlite3_stmt *s, char room[24])
{
    (void)snprintf(room, 24, "%lld", (long long)sqlite3_column_int64(s, QUERY_COLUMN_NUMBER));
    return slice_of(room);
}

static void find_number(const struct store_reader *r, struct query *query, char room[EVENT_ID_BYTES_MAX + 1])
{
    sqlite3_stmt *s = NULL;
    (void)sqlite3_prepare_v2(r->c.db, "SELECT id FROM entities WHERE number = CAST(?1 AS INTEGER)", -1, &s, NULL);
    (void)store_bind_slice(s, 1, query->after_id, SIZE_MAX);
    if (sqlite3_step(s) == SQLITE_ROW) {
        (void)snprintf(room, EVENT_ID_BYTES_MAX + 1, "%s", (const char *)sqlite3_column_text(s, 0));
        query->after_id = slice_of(room);
    }
    (void)sqlite3_finalize(s);
}
#endif

/* The next page goes on after this row. */
static enum sg_status keep_row(const struct run *run, sqlite3_stmt *s, struct sg_error *err)
{
    struct reader_queries *q = run->q;
    struct store_query_end last = {.after_id = store_read_text(s, QUERY_COLUMN_ID)};
#ifdef SG_PLANT_QUERY_ROW_NUMBER
    char number[24];
    last.after_id = number_of(s, number);
#endif
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
    enum sg_status status = prepare(run, QUERY_SQL_ROWS, segment, &s, &bound, err);
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
#ifdef SG_PLANT_QUERY_ROW_NUMBER
    char id[EVENT_ID_BYTES_MAX + 1];
    struct query here = *query;
    if (here.after_id.bytes > 0)
        find_number(r, &here, id);
    query = &here;
#endif
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

/* SQLite counts; `tally` ends the statement when the budget is spent. */
static enum sg_status count_segment(struct run *run, const struct query_segment *segment, struct sg_error *err)
{
    sqlite3_stmt *s = NULL;
    int bound = SQLITE_OK;
    enum sg_status status = prepare(run, QUERY_SQL_COUNT, segment, &s, &bound, err);
    if (status == SG_OK)
        status = store_step(&run->r->c, s, bound, WHAT, err);
    (void)sqlite3_reset(s);
    run->ended = run->r->functions.tally.stopped;
    return run->ended ? SG_OK : status;
}

enum sg_status store_read_query_count(struct store_reader *r, struct slice collection, const struct query *query,
                                      const struct query_access *access, struct store_query_budget *budget,
                                      struct store_query_count *out, struct sg_error *err)
{
    struct query_segment segment;
    struct store_collection counted;
    struct query_tally *tally = &r->functions.tally;
    struct run run = {.r = r, .query = query, .access = access, .budget = budget};
    if (query->nodes_count == 0) {
        enum sg_status status = store_read_collection(r, collection, &counted, err);
        if (status == SG_OK)
            *out = (struct store_query_count){.value = counted.entities, .exact = true};
        return status;
    }
    enum sg_status status = run_begin(&run, collection, err);
    if (status != SG_OK)
        return status;
    *tally = (struct query_tally){
        .rows_max = budget->examined < budget->rows_max ? budget->rows_max - budget->examined : 0,
        .deadline_ns = budget->deadline_ns,
        .deadline_rows = access->residual ? DEADLINE_ROWS_TESTED : DEADLINE_ROWS_COUNTED,
    };
    query_walk_begin(&run.q->walk, query, access, false);
    while (status == SG_OK && !run.ended && query_walk_next(&run.q->walk, &segment))
        status = count_segment(&run, &segment, err);
    budget->examined += tally->rows;
    run_end(&run);
    if (status == SG_OK)
        *out = (struct store_query_count){.value = tally->passed, .exact = !run.ended};
    return status;
}
