/* Queries by an index of (city, balance): all customers live in one city, and each has another balance. */
#include "bench/instructions_queries.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "bench/counting.h"
#include "core/base/time.h"
#include "core/domain/settings.h"
#include "projector/shape/extract.h"
#include "store/integrity/vfs.h"
#include "store/reader.h"

#define CUSTOMERS SLICE_LITERAL("customers")
#define QUERIES 200
#define COUNTS 5
#define FILL_ROWS 1000

/* The same as a query of (city) gives, as one would write it by hand. */
#define BARE_SQL                                                                                                       \
    "SELECT e.version, e.id, e.occurred_at, e.state FROM fields_1 f CROSS JOIN entities e ON e.number = f.number "     \
    "WHERE f.c2 = 'London' ORDER BY f.c1, f.id LIMIT ?1"

static struct sg_error err;

static void must(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "bench_instructions: %s: %s\n", what, err.message);
    exit(1);
}

enum { EMAIL, BALANCE, CITY };

static void declare(struct field_set *fields)
{
    static const struct {
        const char *name;
        const char *at;
        enum field_type type;
    } declared[] = {
        [EMAIL] = {"email", "/email", FIELD_STRING},
        [BALANCE] = {"balance", "/balance", FIELD_NUMBER},
        [CITY] = {"city", "/address/city", FIELD_STRING},
    };
    for (size_t i = 0; i < sizeof declared / sizeof declared[0]; i++)
        must(fields_add(fields, slice_of(declared[i].name), slice_of(declared[i].at), declared[i].type, &err) == SG_OK,
             "a field");
    must(fields_add_index(fields, slice_of("city,balance"), &err) == SG_OK, "an index");
}

static void fill(struct store_writer *writer, int64_t stream, const struct settings *settings)
{
    struct extractor *extractor = NULL;
    struct store_fields_done done;
    must(store_set_fields(writer, stream, CUSTOMERS, &settings->collections[0].fields, &err) == SG_OK, "fields");
    must(extractor_create(settings, &extractor, &err) == SG_OK, "extractor");
    struct store_extract extract = extractor_callback(extractor);
    while (store_fields_wanted(writer))
        must(store_fields_step(writer, &extract, FILL_ROWS, &done, &err) == SG_OK, "fill");
    extractor_destroy(extractor);
}

/* ---- cases ---- */

struct query_case {
    const char *name;
    size_t rows; /* 0 = they are counted */
    bool residual;
};

static bool take(void *context, const struct entity *entity)
{
    size_t *bytes = context;
    *bytes += entity->state.bytes;
    return true;
}

static void run(struct store_reader *r, const struct query *query, const struct query_access *access, size_t rows)
{
    struct store_query_budget budget = {.items_max = rows > 0 ? rows : 1,
                                        .rows_max = 1000000,
                                        .bytes_max = STORE_PAGE_BYTES_MAX,
                                        .deadline_ns = time_boot_ns() + NS_PER_S * 3600};
    struct store_query_end end;
    struct store_query_count count = {.value = 0};
    size_t bytes = 0;
    must(store_read_begin(r, &err) == SG_OK, "begin");
    if (rows > 0)
        must(store_read_query(r, CUSTOMERS, query, access, &budget, take, &bytes, &end, &err) == SG_OK && end.more,
             "a query");
    else
        must(store_read_query_count(r, CUSTOMERS, query, access, &budget, &count, &err) == SG_OK && count.exact,
             "a count");
    must(rows > 0 ? bytes > 0 : count.value > 1000, "it found nothing");
    store_read_end(r);
}

static void add_test(struct query *query, unsigned field, enum query_operator operator,
                     const struct field_value *value)
{
    struct query_node *node = &query->nodes[query->nodes_count++];
    *node = (struct query_node){.kind = QUERY_TEST,
                                .end = (unsigned)query->nodes_count,
                                .field = field,
                                .operator = operator,
                                .values = value,
                                .values_count = 1};
}

static void case_query(struct store_reader *r, const struct field_set *fields, const struct query_case *c)
{
    static struct query query;
    const struct field_value city = {.state = FIELD_SET, .text = SLICE_LITERAL("London")};
    const struct field_value email = {.state = FIELD_SET, .text = SLICE_LITERAL("nobody@example.org")};
    char needed[QUERY_NEEDED_BYTES];
    struct query_access access;
    size_t times = c->rows > 0 ? QUERIES : COUNTS;
    query = (struct query){.fields = fields};
    add_test(&query, CITY, QUERY_EQ, &city);
    if (c->residual)
        add_test(&query, EMAIL, QUERY_NEQ, &email);
    must(query_access(&query, &access, needed) == QUERY_SERVED, "no index serves it");
    run(r, &query, &access, c->rows); /* its statement is there */
    count_begin();
    for (size_t i = 0; i < times; i++)
        run(r, &query, &access, c->rows);
    count_end(c->name, times);
}

static void case_bare(const char *database, const char *name, int rows)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    must(sqlite3_open_v2(database, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, store_checksum_vfs()) == SQLITE_OK,
         "open");
    must(sqlite3_prepare_v3(db, BARE_SQL, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) == SQLITE_OK, sqlite3_errmsg(db));
    for (size_t i = 0; i <= QUERIES; i++) {
        size_t bytes = 0;
        if (i == 1)
            count_begin(); /* its pages are in memory */
        must(sqlite3_bind_int(s, 1, rows) == SQLITE_OK, "bind");
        while (sqlite3_step(s) == SQLITE_ROW) {
            struct entity entity = {.version = sqlite3_column_int64(s, 0)};
            entity.state.data = sqlite3_column_blob(s, 3);
            entity.state.bytes = (size_t)sqlite3_column_bytes(s, 3);
            (void)take(&bytes, &entity);
        }
        (void)sqlite3_reset(s);
        must(bytes > 0, "it found nothing");
    }
    count_end(name, QUERIES);
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
}

void count_queries(struct store_writer *writer, int64_t stream, const char *database, struct commit_clock *clock)
{
    static const struct query_case cases[] = {
        {.name = "query, 10 rows", .rows = 10},
        {.name = "query, 10 rows, tested", .rows = 10, .residual = true},
        {.name = "query, 100 rows", .rows = 100},
        {.name = "count of 20,000", .rows = 0},
        {.name = "count of 20,000, tested", .rows = 0, .residual = true},
    };
    struct collection_settings collection = {.name = (char[]){"customers"}};
    struct settings settings = {.collections = &collection, .collections_count = 1};
    struct store_reader *r = NULL;
    declare(&collection.fields);
    fill(writer, stream, &settings);
    must(store_reader_open(database, clock, &r, &err) == SG_OK, "a reader");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        case_query(r, &collection.fields, &cases[i]);
    store_reader_close(r);
    case_bare(database, "bare statement, 10 rows", 10);
    case_bare(database, "bare statement, 100 rows", 100);
}
