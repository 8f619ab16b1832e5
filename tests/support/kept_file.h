/* The kept database of schema version 2 (tests/unit/store/kept), as a file or in memory, and what is in a database of
 * any version, as a sum. */
#ifndef STATEGATE_TESTS_KEPT_FILE_H
#define STATEGATE_TESTS_KEPT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "store/writer.h"

/* Unpack it to `path`. Ends the process if that fails. */
void kept_unpack(const char *path);

/* Its files, in memory. */
struct kept_files {
    void *database; /* owned, as is the WAL */
    size_t database_bytes;
    void *wal;
    size_t wal_bytes; /* 0 = there is none */
};

/* `live_wal`: as a process leaves it that is killed after some commits, which are in the WAL alone. `folder` is where
 * it is unpacked meanwhile; SQLite's default VFS must be the system's own. Ends the process if that fails. */
void kept_load(const char *folder, bool live_wal, struct kept_files *out);
/* Put them at `path`, and its WAL beside it. Another WAL there goes. */
void kept_write(const struct kept_files *kept, const char *path);
void kept_free(struct kept_files *kept);

/* Look at a database by SQLite's default VFS, without the store, and leave its WAL as it is: kept_sum. */
bool kept_look(const char *path, int *version, uint64_t *sum, char why[256]);

/* Sum all that must outlive a migration: streams, builds, collections, entities and tombstones, rejected events; also
 * looks whether the database is sound, and whether what it counts is there. False: it is not; `why` says what. */
bool kept_sum(sqlite3 *db, int *version, uint64_t *sum, char why[256]);

/* Start the store on what a fault has left of it or of its migration, which must find by itself what is whole, and
 * compare with the sum from before. `*from`: the version that was found, 0 = the present one. False: `why` says what is
 * wrong. */
bool kept_migrate(const struct store_options *options, uint64_t sum_before, int *from, char why[256]);

#endif
