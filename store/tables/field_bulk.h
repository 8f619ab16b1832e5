/* Declared fields of many new entities, inserted by one statement for each table. */
#ifndef STATEGATE_STORE_TABLES_FIELD_BULK_H
#define STATEGATE_STORE_TABLES_FIELD_BULK_H

#include "store/tables/field_rows.h"

#define STORE_FIELD_BULK_MIN 8 /* for fewer entities a statement each costs less */

/* A new entity; borrowed. */
struct store_field_incoming {
    int64_t number;
    struct slice id;
    const struct field_value *values; /* one for each declared field */
};

/* What is kept between calls; starts zeroed, is valid as long as the connection. */
struct store_field_bulk {
    sqlite3 *db; /* borrowed; NULL until the first call */
    /* Within a call. */
    const struct store_field_rows *rows;
    const struct store_field_incoming *incoming;
    size_t count;
    size_t at;
    size_t element; /* of a many-valued field */
    unsigned many;  /* the column that it is; FIELDS_NONE: the single-valued ones are inserted */
};

/* Insert what the set holds of them. The open transaction must be rolled back after a failure. */
SG_MUST_CHECK enum sg_status store_field_bulk_insert(struct store_field_bulk *b, struct store_field_rows *rows,
                                                     const struct store_field_incoming *incoming, size_t count,
                                                     struct sg_error *err);

#endif
