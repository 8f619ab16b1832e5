/* From the schema that a database has to the one of this program.
 *
 * Each step from one version to the next is one transaction: a process that is killed, or a power cut, leaves the old
 * version or the new one. All that a step writes is in the WAL until it is committed and written back, and the index
 * that is made from the rows is sorted in memory. From version 2 to 3, for each entity: about 15 bytes in the file (an
 * index), as many in the WAL, and as many in memory while it lasts; and each tombstone is moved. It reads the whole
 * table. */
#ifndef STATEGATE_STORE_SQLITE_MIGRATE_H
#define STATEGATE_STORE_SQLITE_MIGRATE_H

#include "store/sqlite/connection.h"

/* Make the schema of a new file, or bring an older one to STORE_SCHEMA_VERSION. `*from` is the version that it had; 0
 * of a new file. On failure the database has the version of the last step that succeeded, and all of it.
 * SG_INVALID: it is newer, or no step leads from it. */
SG_MUST_CHECK enum sg_status store_migrate(struct store_connection *c, int *from, struct sg_error *err);

#endif
