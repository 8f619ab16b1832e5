/* From the schema that a database has to the one of this program.
 *
 * Each step from one version to the next is one transaction: a process that is killed, or a power cut, leaves the old
 * version or the new one. From version 2 to 3 all rows are read once. The index that is made of them takes about 13
 * bytes an entity in the file, and as many in a file without a name beside the database while it is sorted. A page that
 * holds a tombstone is written again, so the WAL may grow to the size of the file where many entities were deleted, and
 * the file by up to 15 %. Pages and what is sorted take up to 64 MiB each of memory; beyond that it does not grow with
 * the rows. The limit of the database's size is set afterwards, and may then be exceeded: ingest halts at the next new
 * page until it is raised. From version 3 to 4 no row is read. */
#ifndef STATEGATE_STORE_SQLITE_MIGRATE_H
#define STATEGATE_STORE_SQLITE_MIGRATE_H

#include "store/sqlite/connection.h"

/* The version of the schema that the database has; 0 of a new file. SG_INVALID: it is newer than this program's, or no
 * step leads from it. */
SG_MUST_CHECK enum sg_status store_schema_version(struct store_connection *c, int *out, struct sg_error *err);

/* Make the schema of a new file, or bring one of version `from` to STORE_SCHEMA_VERSION. On failure the database has
 * the version of the last step that succeeded, and all of it. SG_CORRUPT: it is damaged, or not what its version
 * says. */
SG_MUST_CHECK enum sg_status store_migrate(struct store_connection *c, int from, struct sg_error *err);

/* The page cache of later migrations, as PRAGMA cache_size takes it. For tests: with 10 pages, most of what a migration
 * changes is written before its commit. */
void store_migrate_set_cache(int size);

#endif
