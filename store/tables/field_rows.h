/* The rows of one set of declared fields, as the writer keeps them: written with the entity, in the same transaction. */
#ifndef STATEGATE_STORE_TABLES_FIELD_ROWS_H
#define STATEGATE_STORE_TABLES_FIELD_ROWS_H

#include "store/tables/field_sets.h"

#define STORE_FIELD_UPDATES 8 /* statements that are kept, one for each set of columns that change together */

struct store_field_update {
    uint32_t columns; /* bits of the set's columns; 0 = none */
    sqlite3_stmt *statement;
};

/* A set that is written. The statements are prepared when they are first needed. */
struct store_field_rows {
    int64_t set;
    int64_t filled; /* of struct store_field_set_row */
    int64_t until;
    size_t columns_count;
    struct store_field_column columns[FIELDS_MAX];
    enum field_type types[FIELDS_MAX]; /* of the declared fields that are written */
    bool many; /* one of them is many-valued */
    struct store_connection *c; /* borrowed */
    /* All owned. */
    sqlite3_stmt *find;
    sqlite3_stmt *insert;
    sqlite3_stmt *remove;
    sqlite3_stmt *insert_incoming;
    struct store_field_update updates[STORE_FIELD_UPDATES];
    size_t updates_next; /* the one that is given up for another */
    sqlite3_stmt *many_find[FIELDS_MAX];
    sqlite3_stmt *many_insert[FIELDS_MAX];
    sqlite3_stmt *many_remove[FIELDS_MAX];
    sqlite3_stmt *many_insert_incoming[FIELDS_MAX];
};

/* Read what the set's columns are. `row` is of store_field_sets_load or just inserted. */
SG_MUST_CHECK enum sg_status store_field_rows_open(struct store_connection *c, const struct store_field_set_row *row,
                                                   const struct field_set *declared, struct store_field_rows **out,
                                                   struct sg_error *err);
/* NULL is allowed. */
void store_field_rows_close(struct store_field_rows *rows);

/* Is the entity of this number in the set? Those that are not come when it is filled. */
bool store_field_rows_hold(const struct store_field_rows *rows, int64_t number);

/* `values`: one for each declared field. Of an entity that the set does not hold nothing is written. */

/* A new entity. */
SG_MUST_CHECK enum sg_status store_field_rows_insert(struct store_field_rows *rows, int64_t number, struct slice id,
                                                     const struct field_value *values, struct sg_error *err);
/* One that is stored: what differs is written. */
SG_MUST_CHECK enum sg_status store_field_rows_update(struct store_field_rows *rows, int64_t collection,
                                                     struct slice id, const struct field_value *values,
                                                     struct sg_error *err);
/* One that is not stored any more. */
SG_MUST_CHECK enum sg_status store_field_rows_remove(struct store_field_rows *rows, int64_t number,
                                                     struct sg_error *err);

/* For who prepares a statement of its own: the columns that are written, and the values of the declared fields that
 * they take, as "c0, c2" and "c1, c4"; each with `before` in front of it. */
void store_field_rows_columns(const struct store_field_rows *rows, bool declared, struct buffer *out);
/* Prepare a statement that stays, once. */
SG_MUST_CHECK enum sg_status store_field_rows_prepare(struct store_field_rows *rows, sqlite3_stmt **s,
                                                      struct buffer *sql, struct sg_error *err);

#endif
