#include "store/integrity/order.h"

#include <stdatomic.h>
#include <string.h>

#include "store/integrity/checked_file.h"

/* Where the WAL's index has it: https://sqlite.org/walformat.html */
#define INDEX_SALTS 32
#define INDEX_BACKFILLED 96
#define INDEX_ATTEMPTED 128

static uint64_t index_salts(const struct checked_file *f)
{
    uint64_t salts;
    memcpy(&salts, f->index + INDEX_SALTS, sizeof salts);
    return salts;
}

/* Up to which frame the checkpoint at hand writes pages back. */
static uint32_t index_attempted(const struct checked_file *f)
{
    uint32_t frames;
    memcpy(&frames, f->index + INDEX_ATTEMPTED, sizeof frames);
    return frames;
}

static int sync_real(sqlite3_file *file, int flags)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xSync(real, flags);
}

/* `seal` gets its number; it is not synced. */
static int seal_put(sqlite3_file *database, struct store_seal *seal)
{
    unsigned char record[STORE_SEAL_BYTES];
    sqlite3_file *real = real_of(database);
    seal->number = file_of(database)->database->seal.number + 1;
    int64_t offset = store_seal_format(seal, record);
    return real->pMethods->xWrite(real, record, sizeof record, offset);
}

int order_seal(sqlite3_file *database, const struct store_seal *seal)
{
    struct checked_database *d = file_of(database)->database;
    struct store_seal next = *seal;
    int rc = d->deferral.dirty ? sync_real(database, SQLITE_SYNC_NORMAL) : SQLITE_OK;
    if (rc == SQLITE_OK) {
        d->deferral.dirty = false;
        rc = seal_put(database, &next);
    }
    if (rc == SQLITE_OK)
        rc = sync_real(database, SQLITE_SYNC_NORMAL);
    if (rc == SQLITE_OK)
        d->seal = next;
    return rc;
}

int order_tear(sqlite3_file *database)
{
    const struct checked_file *f = file_of(database);
    const struct store_seal seal = {.torn = true, .salts = index_salts(f), .frames = index_attempted(f)};
    const struct store_seal *now = &f->database->seal;
    if (now->torn && now->salts == seal.salts && now->frames >= seal.frames)
        return SQLITE_OK;
    return order_seal(database, &seal);
}

int order_mend(sqlite3_file *database)
{
    struct store_seal seal = file_of(database)->database->seal;
    if (!seal.torn)
        return SQLITE_OK;
    seal.torn = false;
    return order_seal(database, &seal);
}

int order_sync(sqlite3_file *file, int flags)
{
    const struct checked_file *f = file_of(file);
    struct checked_database *d = f->database;
    bool of_wal = f->owner != NULL;
    if (d != NULL && d->deferral.on) {
        const struct checked_file *database = of_wal ? f->owner : f;
        bool synced = d->deferral.salts == index_salts(database) && d->deferral.frames >= index_attempted(database);
        if (!of_wal || synced)
            return SQLITE_OK;
    }
    int rc = sync_real(file, flags);
    if (rc == SQLITE_OK && d != NULL && !of_wal)
        d->deferral.dirty = false;
    return rc;
}

/* Of all readers' marks but the first, which stands for the file alone. */
#define LOCK_READERS 4
#define LOCK_READERS_COUNT 4

bool order_keeps_wal(sqlite3_file *file, int offset, int count, int flags)
{
    const struct checked_database *d = file_of(file)->database;
    return d != NULL && d->writer == file && d->deferral.keep && offset == LOCK_READERS &&
           count == LOCK_READERS_COUNT && flags == (SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
}

int order_sync_now(struct checked_database *d, enum order_file which)
{
    sqlite3_file *file = which == ORDER_WAL ? d->writer_wal : d->writer;
    return file != NULL ? sync_real(file, SQLITE_SYNC_NORMAL) : SQLITE_OK;
}

int order_announce(struct checked_database *d, uint32_t frames)
{
    uint64_t salts = index_salts(file_of(d->writer));
    d->deferral.salts = salts;
    d->deferral.frames = frames;
    d->deferral.attempted = 0;
    d->deferral.through = 0;
    d->deferral.announced = d->seal;
    if (d->seal.torn && d->seal.salts == salts && d->seal.frames >= frames)
        return SQLITE_OK;
    d->deferral.announced = (struct store_seal){.torn = true, .salts = salts, .frames = frames};
    return seal_put(d->writer, &d->deferral.announced);
}

void order_announced(struct checked_database *d)
{
    d->seal = d->deferral.announced;
}

void order_defer_begin(struct checked_database *d, sqlite3 *db, int pages_max)
{
    d->deferral.on = true;
    d->deferral.db = db;
    d->deferral.pages_left = pages_max;
}

void order_defer_end(struct checked_database *d)
{
    d->deferral.on = false;
    d->deferral.db = NULL;
}

/* SQLite visits the pages again, in ascending order, each with its last frame, and passes over those whose last frame
 * lies beyond the one up to which it checkpoints. Those of commits since the first part are beyond it, so what it
 * visits only gets fewer; unless it goes further than that part did, since a reader was in its way. */
bool order_part_wants(sqlite3_file *database, int64_t page)
{
    struct deferral *deferral = &file_of(database)->database->deferral;
    uint32_t attempted = index_attempted(file_of(database));
    if (attempted != deferral->attempted) {
        deferral->attempted = attempted;
        deferral->through = 0;
    }
    return page > deferral->through;
}

void order_part_written(struct checked_database *d, int64_t page)
{
    d->deferral.through = page;
    if (--d->deferral.pages_left == 0)
        sqlite3_interrupt(d->deferral.db); /* before the next page; SQLite forgets it when the checkpoint has ended */
}

void order_keep_wal(struct checked_database *d, bool on)
{
    d->deferral.keep = on;
}

bool order_is_owed(const struct checked_database *d)
{
    return d->deferral.dirty;
}

void order_paid(struct checked_database *d)
{
    d->deferral.dirty = false;
}

/* The system takes the pages for written, whatever became of them: they must be written again before the WAL may begin
 * anew. Readers find all that was not written back in the WAL, which has it still. */
void order_lost(struct checked_database *d)
{
    _Atomic uint32_t *backfilled = (_Atomic uint32_t *)(void *)(file_of(d->writer)->index + INDEX_BACKFILLED);
    atomic_store(backfilled, 0);
}
