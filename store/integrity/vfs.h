/* What SQLite does not see: a byte that changed in the database file or in its WAL, and a WAL that is not the file's
 * own.
 *
 * A layer between SQLite and the VFS that is the default when a connection is opened. Of SQLite's own it takes the form
 * that keeps locks and the WAL's index in this process: no other process can open the database meanwhile.
 *
 * Every page of the file ends in 8 bytes that SQLite leaves to others: a checksum of the page, its number and the
 * database's own random number. It is made when the page is written to the file (by a checkpoint) and checked at
 * every read from there. A page that lies in the WAL is checked against what was noted when this process wrote it, or
 * else against the WAL's own checksums, which SQLite looks at when it recovers and never again. What does not fit is
 * SQLITE_CORRUPT. */
#ifndef STATEGATE_STORE_INTEGRITY_VFS_H
#define STATEGATE_STORE_INTEGRITY_VFS_H

#include <sqlite3.h>
#include <stdbool.h>

#include "store/integrity/checked.h"

/* The name of the layer over the present default VFS, for sqlite3_open_v2; NULL when out of memory. Any thread. */
const char *store_checksum_vfs(void);
/* On: other processes may open the database as well. For a test that looks into it while another process writes. */
void store_checksum_set_sharing(bool on);

/* What the connections of a database share; NULL: nothing checks its pages. Any thread. */
struct checked_database *store_checksum_database(sqlite3 *db);
/* A read of a page by this connection fails with SQLITE_INTERRUPT once `stop(context)` is not 0; it is asked at every
 * STORE_STOP_READS pages that are read from the files, by the connection's thread. NULL = none. A row that lies on many
 * pages is read in one step of SQLite's machine, which asks nobody. */
#define STORE_STOP_READS 64
void store_checksum_stop_when(sqlite3 *db, int (*stop)(void *context), void *context);
/* SQLite itself has met damage. */
void store_checksum_note_damage(sqlite3 *db);

#endif
