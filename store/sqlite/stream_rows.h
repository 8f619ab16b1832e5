/* The rows of streams and of builds, read into values: what is served, and what is written. */
#ifndef STATEGATE_STORE_SQLITE_STREAM_ROWS_H
#define STATEGATE_STORE_SQLITE_STREAM_ROWS_H

#include "core/domain/stream.h"
#include "store/cache/commit_clock.h"
#include "store/sqlite/connection.h"

/* Read all that is served, in the transaction at hand. */
SG_MUST_CHECK enum sg_status store_served_load(struct store_connection *c, struct store_served *out,
                                               struct sg_error *err);

/* The columns of SQL_READ_STREAMS, SQL_STREAM_BY_ID and SQL_STREAM_BY_NAME:
 * id and name, then the served build, then the next one. */
enum { STREAM_COLUMN_SERVED = 2, STREAM_COLUMN_NEXT = 11, STREAM_COLUMN_ROWS_FINGERPRINT = 20,
       STREAM_COLUMN_ATTACHED = 21 };

/* Fill `out` from a row of one of them: what is served, or what is written. */
SG_MUST_CHECK enum sg_status store_stream_from_row(struct store_connection *c, sqlite3_stmt *s, struct stream *out,
                                                   struct sg_error *err);
SG_MUST_CHECK enum sg_status store_build_from_row(struct store_connection *c, sqlite3_stmt *s, struct build *out,
                                                  struct sg_error *err);

/* What is stored of a build's hole, and of what was missing when it began; "" = nothing. */
#define STORE_HOLE_TEXT_BYTES 110 /* five numbers of 20 digits and a sign, and what stands between */
void store_hole_format(const struct build *build, char out[STORE_HOLE_TEXT_BYTES]);

#define STORE_GAPS_TEXT_BYTES (STREAM_GAPS_MAX * 42 + 1) /* two numbers of 20 digits, a dash and a comma each */
void store_gaps_format(const struct gap *gaps, size_t count, char out[STORE_GAPS_TEXT_BYTES]);
/* Insert a gap into an ascending list with room for one more; what touches is joined, and what is too many. */
void store_gaps_add(struct gap gaps[STREAM_GAPS_MAX + 1], size_t *count, struct gap add);

#endif
