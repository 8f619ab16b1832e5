/* A collection with declared fields, its rows both in a store and in memory, and queries over them. */
#ifndef STATEGATE_TESTS_WORLD_FIXTURE_H
#define STATEGATE_TESTS_WORLD_FIXTURE_H

#include "store/query.h"
#include "store_fixture.h"

#define WORLD_ROWS_MAX 300
#define WORLD_ELEMENTS_MAX 6

struct world_row {
    char id[24];
    int64_t version;
    uint64_t sequence;
    const char *occurred_at; /* "" = unknown */
    struct field_value values[FIELDS_MAX];
    struct field_value elements[FIELDS_MAX][WORLD_ELEMENTS_MAX];
};

struct world {
    struct store_fixture *store;
    struct field_set fields;
    int64_t set; /* number of the one that serves */
    struct world_row rows[WORLD_ROWS_MAX];
    size_t rows_count;
    uint64_t sequence; /* of the last event */
};

/* A store of its own, empty. */
struct world *world_create(void);
void world_destroy(struct world *w);

/* "name:/at:type"; a declared index. */
void world_field(struct world *w, const char *text);
void world_index(struct world *w, const char *text);
/* A row in memory whose fields are null: to be changed before world_store. */
struct world_row *world_row(struct world *w, const char *id, int64_t version);
/* Of a many-valued field: values in any order. */
void world_elements(struct world *w, struct world_row *row, unsigned field, const struct field_value *values,
                    size_t count);
/* Declare the fields, put all rows into the store, and make the indexes. */
void world_store(struct world *w);
/* After world_store: the row has changed, in memory; or goes, and the last one takes its place. */
void world_update(struct world *w, struct world_row *row);
void world_delete(struct world *w, size_t at);
/* The next session of the store, whose settings declare the fields as they are now. */
void world_redeclare(struct world *w);
/* A step on the way to what is declared; false: there is none. All of them. */
bool world_step(struct world *w, size_t rows);
void world_settle(struct world *w);
/* SQL by the writer's connection. */
void world_sql(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct field_value value_text(const char *text);
struct field_value value_integer(int64_t integer);
struct field_value value_number(double number);

/* A test at the end of the query; `values` are borrowed. */
struct query_node *query_add(struct query *query, unsigned field, enum query_operator operator,
                             const struct field_value *values, size_t count);

/* What a walk of pages gave. */
#define WALKED_MAX (WORLD_ROWS_MAX + 1)
struct walked {
    size_t ids_count;
    size_t pages;
    uint64_t examined;
    const struct world_row *rows[WALKED_MAX]; /* in the order in which they came */
};
/* What might be wrong, for a checker to find: planted here between two pages, but for the entry, which the test changes
 * itself. */
enum walk_fault { WALK_RIGHT, WALK_NULL_BOUNDARY, WALK_TIE_WITHOUT_ID, WALK_BY_ROW_NUMBER, WALK_STALE_ENTRY };
/* Walk all pages of a query that is served; it is as it was then. An entity that is not as it was stored fails the
 * test. */
void world_walk(struct world *w, struct query *query, const struct query_access *access, size_t items_max,
                uint64_t rows_max, enum walk_fault fault, struct walked *out);

#endif
