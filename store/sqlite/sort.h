/* Sorting much without holding it in memory: while indexes are made. */
#ifndef STATEGATE_STORE_SQLITE_SORT_H
#define STATEGATE_STORE_SQLITE_SORT_H

#include "store/sqlite/connection.h"

/* From here to store_sort_end what is sorted beyond the page cache goes to a file beside the database, which has no
 * name and ends with the process. Outside a transaction. Names the folder by a global variable of SQLite, which only
 * this connection reads: all others keep in memory what they sort. */
SG_MUST_CHECK enum sg_status store_sort_begin(struct store_connection *c, const char *what, struct sg_error *err);
SG_MUST_CHECK enum sg_status store_sort_end(struct store_connection *c, const char *what, struct sg_error *err);

#endif
