/* The functions that the SQL of queries calls: among, begins, instant. */
#ifndef STATEGATE_STORE_READ_QUERY_FUNCTIONS_H
#define STATEGATE_STORE_READ_QUERY_FUNCTIONS_H

#include <sqlite3.h>

#include "store/query.h"

/* Define them, for a connection; a result code of SQLite. `running` is the query whose statement is stepped: a list is
 * found by the place of its test. */
SG_MUST_CHECK int query_functions_define(sqlite3 *db, const struct query **running);

#endif
