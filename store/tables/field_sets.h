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

#endif
