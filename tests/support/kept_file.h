/* The kept database of schema version 2 (tests/unit/store/kept), and what is in a database of any version, as a sum. */
#ifndef STATEGATE_TESTS_KEPT_FILE_H
#define STATEGATE_TESTS_KEPT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

/* Unpack it to `path`. Ends the process if that fails. */
void kept_unpack(const char *path);

/* Sum all that must outlive a migration: streams, builds, collections, entities and tombstones, rejected events; also
 * looks whether the database is sound, and whether what it counts is there. False: it is not; `why` says what. */
bool kept_sum(sqlite3 *db, int *version, uint64_t *sum, char why[256]);

#endif
