/* What must be on the disk before what else:
 *
 *   frames of the WAL  ->  the seal `torn`  ->  pages of the file  ->  the seal `whole`  ->  the WAL begins anew
 *
 * An ordinary checkpoint waits for each of these syncs. The writer can leave the first three to another thread instead,
 * and commit meanwhile, as long as a read transaction of its own keeps the checkpoint from going beyond the frames that
 * were synced (write/checkpoint.c). Where a sync is still owed, what depends on it is preceded by one here.
 * For the connection that writes, in its thread. Results are SQLite's. */
#ifndef STATEGATE_STORE_INTEGRITY_ORDER_H
#define STATEGATE_STORE_INTEGRITY_ORDER_H

#include "store/integrity/checked.h"

/* ---- for the layer; `database` and `file` are files of it ---- */

/* Write a record of the seal and sync it, after the pages that are owed. */
int order_seal(sqlite3_file *database, const struct store_seal *seal);
/* Pages of the WAL are about to be written to the file. */
int order_tear(sqlite3_file *database);
/* The WAL is about to be emptied or deleted. */
int order_mend(sqlite3_file *database);
/* In a checkpoint in parts: is this page still to be written? And when it was. SQLite asks in ascending order. */
bool order_part_wants(sqlite3_file *database, int64_t page);
void order_part_written(struct checked_database *d, int64_t page);
/* SQLite asks for a sync of the file or of its WAL. */
int order_sync(sqlite3_file *file, int flags);

/* Is this the lock under which the WAL begins anew, and should it not? SQLite goes on as if a reader were in the
 * way. */
bool order_keeps_wal(sqlite3_file *file, int offset, int count, int flags);

/* ---- for the writer: the steps of a checkpoint whose syncs are made elsewhere ---- */

enum order_file { ORDER_WAL, ORDER_DATABASE };
/* Sync it here and now. */
int order_sync_now(struct checked_database *d, enum order_file which);
/* 1. The first `frames` frames of the present WAL were synced. Writes the seal that announces them; not synced yet. */
int order_announce(struct checked_database *d, uint32_t frames);
/* 2. The database's file was synced. */
void order_announced(struct checked_database *d);
/* 3. Around the checkpoint: it finds its frames synced and its seal written, and leaves the sync of its pages. It ends
 * with SQLITE_INTERRUPT after so many pages; then the next one goes on where it ended. */
void order_defer_begin(struct checked_database *d, sqlite3 *db, int pages_max);
void order_defer_end(struct checked_database *d);
/* On: the WAL does not begin anew, although all of it may be written back: that commit would wait for two syncs. */
void order_keep_wal(struct checked_database *d, bool on);
/* True if it has left any. */
bool order_is_owed(const struct checked_database *d);
/* 4. The database's file was synced; or could not be: then all pages are written back again by the next checkpoint. */
void order_paid(struct checked_database *d);
void order_lost(struct checked_database *d);

#endif
