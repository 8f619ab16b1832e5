/* A frame's header that follows the frames before it begins a frame; one that lies elsewhere does not:
 *
 *   at or before what is gathered   a transaction was rolled back, as far as this: those frames are void
 *   before that                     frames that were written get new checksums, once their transaction has ended
 *
 * Such a header, and the page after it, go to the file directly. */
#include "store/integrity/gather.h"

#include <stdlib.h>
#include <string.h>

#include "store/integrity/wal.h"

int gather_flush(struct gather *g, sqlite3_file *wal)
{
    if (g->count == 0)
        return SQLITE_OK;
    int rc = wal->pMethods->xWrite(wal, g->bytes, (int)g->count, g->offset);
    if (rc == SQLITE_OK)
        g->count = 0;
    return rc;
}

void gather_free(struct gather *g)
{
    free(g->bytes);
    *g = (struct gather){0};
}

/* What lies at `offset` and after it is void. */
static void cut(struct gather *g, int64_t offset)
{
    if (offset <= g->offset)
        g->count = 0;
    else if (offset < g->offset + (int64_t)g->count)
        g->count = (size_t)(offset - g->offset);
}

static bool ends_transaction(const unsigned char header[WAL_FRAME_HEADER_BYTES])
{
    static const unsigned char none[4] = {0};
    return memcmp(header + 4, none, sizeof none) != 0; /* the size of the database after it */
}

/* Make room for another frame. */
static int prepare(struct gather *g, sqlite3_file *wal)
{
    if (g->bytes == NULL)
        g->bytes = malloc((size_t)GATHER_FRAMES_MAX * WAL_FRAME_BYTES);
    return g->count == (size_t)GATHER_FRAMES_MAX * WAL_FRAME_BYTES ? gather_flush(g, wal) : SQLITE_OK;
}

static void append(struct gather *g, const void *from, int bytes, int64_t offset)
{
    if (g->count == 0)
        g->offset = offset;
    memcpy(g->bytes + g->count, from, (size_t)bytes);
    g->count += (size_t)bytes;
}

static int write_now(struct gather *g, sqlite3_file *wal, const void *from, int bytes, int64_t offset)
{
    int rc = gather_flush(g, wal);
    if (rc == SQLITE_OK)
        rc = wal->pMethods->xWrite(wal, from, bytes, offset);
    g->end = rc == SQLITE_OK ? offset + bytes : 0;
    return rc;
}

/* SQLite rolls back what cannot be written: then it must not be written later, as it would be recovered after a
 * crash. */
static int commit(struct gather *g, sqlite3_file *wal)
{
    int rc = gather_flush(g, wal);
    if (rc != SQLITE_OK)
        *g = (struct gather){.bytes = g->bytes};
    return rc;
}

int gather_write(struct gather *g, sqlite3_file *wal, const void *from, int bytes, int64_t offset)
{
    if (bytes == WAL_FRAME_HEADER_BYTES) {
        if (offset != g->end) {
            cut(g, offset);
            return write_now(g, wal, from, bytes, offset);
        }
        int rc = prepare(g, wal);
        if (rc != SQLITE_OK || g->bytes == NULL)
            return rc != SQLITE_OK ? rc : write_now(g, wal, from, bytes, offset);
        append(g, from, bytes, offset);
        g->commits = ends_transaction(from);
        g->end = offset + bytes;
        return SQLITE_OK;
    }
    bool of_frame = g->count > 0 && g->count % WAL_FRAME_BYTES == WAL_FRAME_HEADER_BYTES;
    if (!of_frame || bytes != STORE_PAGE_BYTES || offset != g->end)
        return write_now(g, wal, from, bytes, offset);
    append(g, from, bytes, offset);
    g->end = offset + bytes;
    return g->commits ? commit(g, wal) : SQLITE_OK;
}
