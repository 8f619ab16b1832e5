/* The SQL of a query: one statement for each segment of its walk. Its text depends on the shape of the query alone, as
 * every value is bound, so statements can be kept by it.
 *
 *   SELECT e.number, w.id, e.version, ... FROM fields_7 w INDEXED BY fields_7_0_1d
 *     LEFT JOIN entities e ON e.number = CASE WHEN <residual> THEN w.number END
 *     WHERE w.c0 IS ? AND w.c1 < ? ORDER BY w.c1 DESC, w.id
 *
 * The walk gives each row that it examines, so that what it costs is counted and a page can end anywhere; the entity is
 * looked up only where the residual filter holds, since no row has the number NULL. */
#ifndef STATEGATE_STORE_READ_QUERY_SQL_H
#define STATEGATE_STORE_READ_QUERY_SQL_H

#include "store/read/query_walk.h"
#include "store/read/query_writing.h"

/* Columns of QUERY_SQL_ROWS. */
enum {
    QUERY_COLUMN_NUMBER, /* NULL: the row does not pass; of the others only its id and keys count then */
    QUERY_COLUMN_ID,
    QUERY_COLUMN_VERSION,
    QUERY_COLUMN_SEQUENCE,
    QUERY_COLUMN_OCCURRED_AT,
    QUERY_COLUMN_STATE,
    QUERY_COLUMN_KEYS /* those of query_access */
};

enum query_sql_kind {
    QUERY_SQL_ROWS, /* each row of the segment */
    QUERY_SQL_COUNT /* they are counted in query_functions' tally */
};

/* Make the text and what is bound. `serving` is where declared fields are read from; NULL where none is. SG_MEMORY. */
SG_MUST_CHECK enum sg_status query_sql_make(struct query_text *out, enum query_sql_kind kind, const struct query *query,
                                            const struct query_access *access, const struct store_field_set *serving,
                                            int64_t collection, const struct query_segment *segment,
                                            struct sg_error *err);

#endif
