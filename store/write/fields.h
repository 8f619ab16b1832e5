/* Declared fields of the collections that are written: which sets they have, and what an entity writes to them.
 *
 * The sets of a collection are looked at once in each session, before anything is written to it:
 *
 *   newest set has the fields and indexes that are declared ── it stays; its declaration is written as it is now
 *   it has not ── a new one, empty where there are entities; of the others one that is whole goes on serving, and forgets
 *                 the fields that are not declared any more, and the rest are given up
 *   nothing is declared ── all are given up
 *
 * In a build that has not come to its target a new set has no indexes: they are made when it has (fill.c). */
#ifndef STATEGATE_STORE_WRITE_FIELDS_H
#define STATEGATE_STORE_WRITE_FIELDS_H

#include "store/write/bulk.h"
#include "store/write/transaction.h"

/* The columns of SQL_FIELD_SET_NEXT and SQL_FIELD_SET_OWNER. */
enum {
    FIELD_SET_NUMBER,
    FIELD_SET_COLLECTION,
    FIELD_SET_STREAM,
    FIELD_SET_BUILD,
    FIELD_SET_NAME,
    FIELD_SET_FILLED,
    FIELD_SET_UNTIL,
    FIELD_SET_INDEXED
};

/* A collection with what is written of its fields. */
struct store_collection_fields {
    struct store_collection_fields *next;
    int64_t collection;
    const struct store_declaration *declared; /* borrowed */
    struct store_field_rows *sets[STORE_FIELD_SETS_MAX]; /* owned; the newest first */
    size_t sets_count;
};

/* ---- in an open transaction; after a failure it must be rolled back ---- */

/* Find a collection of the build that is written; `*out` is NULL where there is none. */
SG_MUST_CHECK enum sg_status store_fields_find(struct store_writer *w, const struct build *build, struct slice name,
                                               struct collection_name **out, struct sg_error *err);
/* One that was just found or created gets its sets. */
SG_MUST_CHECK enum sg_status store_fields_open(struct store_writer *w, const struct build *build,
                                               struct collection_name *collection, struct sg_error *err);
/* The sets of a collection have changed: what is open of it is opened again. */
SG_MUST_CHECK enum sg_status store_fields_reopen(struct store_writer *w, struct store_collection_fields *fields,
                                                 struct sg_error *err);

/* An entity was inserted, updated or deleted; the collection declares fields. */
SG_MUST_CHECK enum sg_status store_fields_insert(const struct collection_name *collection, int64_t number,
                                                 struct slice id, const struct field_value *values,
                                                 struct sg_error *err);
SG_MUST_CHECK enum sg_status store_fields_update(const struct collection_name *collection, struct slice id,
                                                 const struct field_value *values, struct sg_error *err);
SG_MUST_CHECK enum sg_status store_fields_remove(const struct collection_name *collection, int64_t number,
                                                 struct sg_error *err);
/* The groups that store_bulk_insert has written; of those whose collection declares none nothing is. */
SG_MUST_CHECK enum sg_status store_fields_insert_groups(struct store_writer *w, const struct store_group *groups,
                                                        size_t count, struct sg_error *err);

/* Look at all collections that are served or written, once in a session. */
SG_MUST_CHECK enum sg_status store_fields_settle(struct store_writer *w, struct sg_error *err);
/* Has the build all that its collections declare? Else a step follows. */
SG_MUST_CHECK enum sg_status store_fields_ready(struct store_writer *w, const struct build *build, bool *out,
                                                struct sg_error *err);
/* Has the build come to where the indexes are made? */
bool store_fields_at_target(const struct build *build);

/* What is declared, NULL = nothing. */
const struct store_declaration *store_fields_declared(const struct store_writer *w, int64_t stream, struct slice name);

/* ---- what is kept ---- */

/* Close what is open of a collection that is swept. Free all that is owned, before the connection is closed. */
void store_fields_close(struct store_writer *w, int64_t collection);
void store_fields_free(struct store_writer *w);

#endif
