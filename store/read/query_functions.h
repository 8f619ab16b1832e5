/* The functions that the SQL of queries calls.
 *
 *   among(value, place)    is it in the list of the test at this place of the query?
 *   begins(text, prefix)
 *   instant(text)          nanoseconds since 1970; NULL of what is no time
 *   tally(), tally(value)  counts rows, and those whose value is not NULL; ends the statement when it may count no more
 *
 * Each is NULL where its first argument is, but for tally. */
#ifndef STATEGATE_STORE_READ_QUERY_FUNCTIONS_H
#define STATEGATE_STORE_READ_QUERY_FUNCTIONS_H

#include <sqlite3.h>

#include "store/query.h"

struct query_tally {
    uint64_t rows_max;      /* it may count these ... */
    int64_t deadline_ns;    /* ... until this moment of time_boot_ns; 0 = any */
    uint64_t deadline_rows; /* looked at after so many: a power of two */
    uint64_t rows;
    uint64_t passed;
    bool stopped; /* the statement ended before the rows did, or may have */
};

/* What they look at: of a connection and its thread. */
struct query_functions {
    const struct query *running; /* the query whose statement is prepared or stepped; NULL = none */
    struct query_tally tally;
};

/* Define them; a result code of SQLite. */
SG_MUST_CHECK int query_functions_define(sqlite3 *db, struct query_functions *functions);

#endif
