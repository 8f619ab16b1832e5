/* Frames of the write-ahead log, gathered so that a commit is one write.
 *
 * SQLite writes each frame in two calls, header and page. What it appends is kept here and written when the frame that
 * ends the transaction is whole, when there is no room for more, or before anything else is done with the file. Nobody
 * but the connection that writes knows of these frames until its transaction ends: readers learn of them afterwards,
 * from the WAL's index. One connection's file; its thread only. */
#ifndef STATEGATE_STORE_INTEGRITY_GATHER_H
#define STATEGATE_STORE_INTEGRITY_GATHER_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A commit of some events, and no call for each frame of a large one. SQLite writes no more than 128 KiB at once. */
#define GATHER_FRAMES_MAX 31

struct gather { /* zeroed = nothing is gathered */
    unsigned char *bytes; /* owned; NULL = not needed yet */
    int64_t offset;       /* in the file, of the first byte */
    size_t count;         /* of bytes */
    int64_t end;          /* of the frames that were written or gathered last; 0 = unknown */
    bool commits;         /* the frame that is being gathered ends a transaction */
};

/* Write to the WAL, now or later. Results as SQLite's xWrite; an error may be that of an earlier write, which is then
 * tried again by the next call, unless it was the end of a transaction. */
int gather_write(struct gather *g, sqlite3_file *wal, const void *from, int bytes, int64_t offset);
/* Write what is gathered. */
int gather_flush(struct gather *g, sqlite3_file *wal);
/* Forget it, and free what there is. */
void gather_free(struct gather *g);

#endif
