/* The table of sets of declared fields: which of them a collection has, and what is in their tables.
 *
 *   collection has none ── first entity, or a declaration ──> a set, made by the writer
 *   declaration changed ──> a second, higher one beside it, filled from the entities; until it holds all of them the
 *                           first serves what means the same in both; then it is given up, and swept
 *
 * A declaration is compared as its canonical text, fields_write(). */
#ifndef STATEGATE_STORE_TABLES_FIELD_SETS_H
#define STATEGATE_STORE_TABLES_FIELD_SETS_H

#include "core/domain/fields.h"
#include "store/sqlite/connection.h"
#include "store/tables/fields.h"

#define STORE_FIELDS_FILLED (-1) /* all entities are in it */

/* What a collection declares, and the same as text. Borrowed. */
struct store_declaration {
    const struct field_set *fields;
    struct slice text;
};

/* Where the declared fields of a collection are read from, in the transaction at hand. */
struct store_field_set {
    int64_t number;                   /* of the set; 0 = there is none yet: no field has a column, no index is there */
    unsigned places[FIELDS_MAX];      /* of each declared field: c<k> of it; FIELDS_NONE: its values are not there yet */
    bool indexes[FIELDS_INDEXES_MAX]; /* each declared one is there, by the name that store_fields_index gives it */
};

/* Find it: the newest set of the collection that holds all entities. */
SG_MUST_CHECK enum sg_status store_field_sets_serving(struct store_connection *c, int64_t collection,
                                                      const struct store_declaration *declared,
                                                      struct store_field_set *out, struct sg_error *err);

SG_MUST_CHECK enum sg_status store_index_exists(struct store_connection *c, const char *name, bool *out,
                                                struct sg_error *err);

/* ---- the writer's ---- */

#define STORE_FIELD_SETS_MAX 2 /* of a collection: one that serves, and one that is to follow it */

struct store_field_set_row {
    int64_t number;
    int64_t filled; /* entities up to this number are in it, and those above `until`; STORE_FIELDS_FILLED */
    int64_t until;
    bool indexed;
    bool declared;  /* its declaration is the very text */
    bool fits;      /* it has the same fields, and all indexes that are declared */
};

/* The sets of a collection, the newest first; `declared` NULL = nothing is. */
SG_MUST_CHECK enum sg_status store_field_sets_load(struct store_connection *c, int64_t collection,
                                                   const struct store_declaration *declared,
                                                   struct store_field_set_row out[STORE_FIELD_SETS_MAX], size_t *count,
                                                   struct sg_error *err);

/* A field of a set, and where the declaration of today has it; FIELDS_NONE: nowhere, and nobody reads it. */
struct store_field_column {
    enum field_type type;
    bool many;
    unsigned declared;
};
SG_MUST_CHECK enum sg_status store_field_set_columns(struct store_connection *c, int64_t set,
                                                     const struct field_set *declared,
                                                     struct store_field_column out[FIELDS_MAX], size_t *count,
                                                     struct sg_error *err);

/* The row of a new set; `*number` is its own for ever. */
SG_MUST_CHECK enum sg_status store_field_set_insert(struct store_connection *c, int64_t collection,
                                                    const struct store_declaration *declared,
                                                    const struct store_field_set_row *row, int64_t *number,
                                                    struct sg_error *err);
SG_MUST_CHECK enum sg_status store_field_set_filled(struct store_connection *c, int64_t set, int64_t filled,
                                                    struct sg_error *err);
SG_MUST_CHECK enum sg_status store_field_set_indexed(struct store_connection *c, int64_t set, struct sg_error *err);
/* One that fits gets the declaration as it is now. */
SG_MUST_CHECK enum sg_status store_field_set_declare(struct store_connection *c, int64_t set,
                                                     const struct store_declaration *declared, struct sg_error *err);
/* Fields that are not declared any more are not written any more: from now on nobody takes them for what they were. */
SG_MUST_CHECK enum sg_status store_field_set_forget(struct store_connection *c, int64_t set,
                                                    const struct field_set *declared, struct sg_error *err);
/* It belongs to no collection any more, and waits to be swept. */
SG_MUST_CHECK enum sg_status store_field_set_give_up(struct store_connection *c, int64_t set, struct sg_error *err);
/* All sets of a collection. */
SG_MUST_CHECK enum sg_status store_field_sets_give_up(struct store_connection *c, int64_t collection,
                                                      struct sg_error *err);

/* Has a collection of the build a set that is not filled or not indexed? */
SG_MUST_CHECK enum sg_status store_field_sets_unready(struct store_connection *c, int64_t stream, int64_t build,
                                                      bool *out, struct sg_error *err);

/* A table of a set that was given up, and the statement that deletes one of its rows. */
struct store_field_sweep {
    int64_t set;
    struct store_fields_name table;
    sqlite3_stmt *delete_row; /* owned: finalized by store_field_sweep_end */
};
/* The next one; the rows of sets without tables are deleted. SG_NOT_FOUND (err not filled): no set is left that was
 * given up. */
SG_MUST_CHECK enum sg_status store_field_sweep_begin(struct store_connection *c, struct store_field_sweep *out,
                                                     struct sg_error *err);
/* `empty`: drop the table, which has no rows any more. */
SG_MUST_CHECK enum sg_status store_field_sweep_end(struct store_connection *c, struct store_field_sweep *sweep,
                                                   bool empty, struct sg_error *err);

#endif
