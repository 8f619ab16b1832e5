/* Do the tables of declared fields hold what the entities say? Counted again by plain SQL, with SQLite's own JSON. */
#ifndef STATEGATE_TESTS_FIELDS_RECOUNT_H
#define STATEGATE_TESTS_FIELDS_RECOUNT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#define RECOUNT_WHY_BYTES 512

struct recount {
    size_t sets;    /* that belong to a collection */
    size_t rows;    /* of them, compared */
    size_t indexes; /* that are there as declared */
};

/* True where everything agrees: PRAGMA integrity_check; each set has exactly the entities that it holds, with the values
 * that their states have; its indexes are there; no table is left of a set that is not listed. False: `why` names the
 * first that does not. Of fields of type string, integer, number and boolean; a time is compared for being there or
 * not. */
bool fields_recount(sqlite3 *db, struct recount *out, char why[RECOUNT_WHY_BYTES]);

#endif
