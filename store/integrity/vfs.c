/* The layer between SQLite and its VFS: checksums made and checked, frames gathered, order kept (order.h). */
#include "store/integrity/vfs.h"

#include <endian.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/integrity/checked_file.h"
#include "store/integrity/checksum.h"
#include "store/integrity/order.h"
#include "store/integrity/wal.h"

/* ---- the database file ---- */

static bool is_page(int bytes, sqlite3_int64 offset)
{
    return bytes == STORE_PAGE_BYTES && offset % STORE_PAGE_BYTES == 0;
}

static uint64_t checksum_at_end(const unsigned char *page)
{
    uint64_t checksum;
    memcpy(&checksum, page + STORE_PAGE_BYTES - STORE_PAGE_RESERVED, sizeof checksum);
    return le64toh(checksum);
}

/* Asked before a page is read. */
static bool is_stopped(struct checked_file *database)
{
    if (database->stop == NULL || ++database->reads < STORE_STOP_READS)
        return false;
    database->reads = 0;
    return database->stop(database->stop_context) != 0;
}

static int database_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 offset)
{
    struct checked_file *f = file_of(file);
    sqlite3_file *real = real_of(file);
    int64_t number = offset / STORE_PAGE_BYTES + 1;
    uint64_t version = 0;
    if (f->database == NULL || !is_page(bytes, offset) || offset == STORE_SEAL_OFFSET || !store_checksum_checking())
        return real->pMethods->xRead(real, to, bytes, offset);
    if (interior_pages_get(f->database->interior_pages, number, to, &version))
        return SQLITE_OK;
    if (is_stopped(f))
        return SQLITE_INTERRUPT;
    int rc = real->pMethods->xRead(real, to, bytes, offset);
    if (rc == SQLITE_IOERR_SHORT_READ) {
        store_checked_damage(f->database, "page %lld is not there", (long long)number);
        return SQLITE_CORRUPT;
    }
    if (rc == SQLITE_OK && store_page_checksum(f->database, number, to) != checksum_at_end(to)) {
        store_checked_damage(f->database, "page %lld does not have its checksum", (long long)number);
        return SQLITE_CORRUPT;
    }
    if (rc == SQLITE_OK)
        interior_pages_put(f->database->interior_pages, number, version, to);
    return rc;
}

static int wal_read_checked(struct checked_file *f, void *to, int bytes, sqlite3_int64 offset);

/* The page that is written, as SQLite gives it, or from the frame that it believes to have read. */
static int database_take(struct checked_file *f, const void *from, bool in_parts)
{
    const struct checked_database *d = f->database;
    if (in_parts)
        return wal_read_checked(file_of(d->writer_wal), f->page, STORE_PAGE_BYTES, d->deferral.frame_at);
    memcpy(f->page, from, STORE_PAGE_BYTES);
    return SQLITE_OK;
}

static int database_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset)
{
    struct checked_file *f = file_of(file);
    sqlite3_file *real = real_of(file);
    if (f->database == NULL || !is_page(bytes, offset))
        return real->pMethods->xWrite(real, from, bytes, offset);
    int rc = f->index != NULL ? order_tear(file) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    bool in_parts = f->database->deferral.on;
    int64_t number = offset / STORE_PAGE_BYTES + 1;
    if (in_parts && !order_part_wants(file, number))
        return SQLITE_OK;
    rc = database_take(f, from, in_parts);
    if (rc != SQLITE_OK)
        return rc;
    if (offset == STORE_SEAL_OFFSET) {
        store_seal_page_init(f->page, f->database->id);
        f->database->seal = (struct store_seal){.number = 1};
    }
    uint64_t checksum = htole64(store_page_checksum(f->database, number, f->page));
    memcpy(f->page + STORE_PAGE_BYTES - STORE_PAGE_RESERVED, &checksum, sizeof checksum);
    f->database->deferral.dirty = true;
    interior_pages_write_begin(f->database->interior_pages, number);
    rc = real->pMethods->xWrite(real, f->page, bytes, offset);
    interior_pages_write_end(f->database->interior_pages, number);
    if (rc == SQLITE_OK && in_parts)
        order_part_written(f->database, number);
    return rc;
}

static int database_shm_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **out)
{
    sqlite3_file *real = real_of(file);
    int rc = real->pMethods->xShmMap(real, region, bytes, extend, out);
    if (rc == SQLITE_OK && region == 0)
        file_of(file)->index = (unsigned char *)(uintptr_t)*out;
    return rc;
}

static int database_shm_unmap(sqlite3_file *file, int delete)
{
    sqlite3_file *real = real_of(file);
    file_of(file)->index = NULL;
    return real->pMethods->xShmUnmap(real, delete);
}

/* ---- the WAL ---- */

/* The frame whose page lies at `offset`, counted from 0, or -1. */
static int64_t frame_of_page(int bytes, sqlite3_int64 offset)
{
    int64_t from = offset - WAL_HEADER_BYTES - WAL_FRAME_HEADER_BYTES;
    return bytes == STORE_PAGE_BYTES && from >= 0 && from % WAL_FRAME_BYTES == 0 ? from / WAL_FRAME_BYTES : -1;
}

/* What is cut short there is damage; an error of the disk stays one. */
static int wal_part_read(sqlite3_file *real, unsigned char *to, int bytes, sqlite3_int64 offset)
{
    int rc = real->pMethods->xRead(real, to, bytes, offset);
    return rc == SQLITE_IOERR_SHORT_READ ? SQLITE_CORRUPT : rc;
}

/* A frame that this process has not written: by the WAL's own checksums. SQLITE_CORRUPT where they do not fit. */
static int frame_check(sqlite3_file *real, int64_t frame, const unsigned char *page)
{
    unsigned char head[WAL_HEADER_BYTES];
    unsigned char before[WAL_FRAME_HEADER_BYTES];
    unsigned char header[WAL_FRAME_HEADER_BYTES];
    struct wal_header h;
    int64_t at = WAL_HEADER_BYTES + frame * WAL_FRAME_BYTES;
    int rc = wal_part_read(real, head, sizeof head, 0);
    if (rc == SQLITE_OK)
        rc = wal_part_read(real, header, sizeof header, at);
    if (rc == SQLITE_OK && frame > 0)
        rc = wal_part_read(real, before, sizeof before, at - WAL_FRAME_BYTES);
    if (rc != SQLITE_OK)
        return rc;
    if (!store_wal_header_read(head, &h))
        return SQLITE_CORRUPT;
    uint32_t sum[2] = {h.sum[0], h.sum[1]};
    for (int i = 0; frame > 0 && i < 2; i++) {
        memcpy(&sum[i], before + 16 + 4 * i, sizeof sum[i]);
        sum[i] = be32toh(sum[i]);
    }
    return store_wal_frame_check(&h, header, page, sum) ? SQLITE_OK : SQLITE_CORRUPT;
}

/* Checked by what was noted when it was written, or else by the WAL's own checksums. */
static int wal_read_checked(struct checked_file *f, void *to, int bytes, sqlite3_int64 offset)
{
    sqlite3_file *real = real_of(&f->base);
    int64_t frame = frame_of_page(bytes, offset);
    int rc = gather_flush(&f->gather, real);
    if (rc != SQLITE_OK)
        return rc;
    rc = real->pMethods->xRead(real, to, bytes, offset);
    if (f->database == NULL || frame < 0 || (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ) ||
        !store_checksum_checking())
        return rc;
    uint64_t checksum = store_frame_checksum(f->database, frame, to);
    frame_sum *sum = store_frame_sum(f->database, frame, true);
    if (rc == SQLITE_OK && sum != NULL && atomic_load_explicit(sum, memory_order_acquire) == checksum)
        return rc;
    /* Not written by this process, or by another in its place. */
    rc = rc == SQLITE_OK ? frame_check(real, frame, to) : SQLITE_CORRUPT;
    if (rc == SQLITE_OK && sum != NULL)
        atomic_store_explicit(sum, checksum, memory_order_release);
    if (rc != SQLITE_CORRUPT)
        return rc;
    store_checked_damage(f->database, "frame %lld of the write-ahead log is not what was written",
                         (long long)frame + 1);
    return SQLITE_CORRUPT;
}

static int wal_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 offset)
{
    struct checked_file *f = file_of(file);
    if (f->database != NULL && frame_of_page(bytes, offset) >= 0 && is_stopped(f->owner))
        return SQLITE_INTERRUPT;
    if (f->database == NULL || f->database->writer_wal != file || !f->database->deferral.on ||
        frame_of_page(bytes, offset) < 0)
        return wal_read_checked(f, to, bytes, offset);
    f->database->deferral.frame_at = offset; /* database_write reads it, if the page is still to be written */
    return SQLITE_OK;
}

static int wal_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset)
{
    struct checked_file *f = file_of(file);
    sqlite3_file *real = real_of(file);
    int64_t frame = frame_of_page(bytes, offset);
    if (f->database != NULL && offset == 0 && bytes == WAL_HEADER_BYTES) {
        /* It begins anew, so all that was in it is in the file, and synced. */
        struct store_seal seal = {0};
        memcpy(&seal.salts, (const unsigned char *)from + WAL_SALTS_OFFSET, sizeof seal.salts);
        int rc = order_seal(&f->owner->base, &seal);
        if (rc != SQLITE_OK)
            return rc;
    } else if (f->database != NULL && frame >= 0) {
        frame_sum *sum = store_frame_sum(f->database, frame, true);
        if (sum != NULL)
            atomic_store_explicit(sum, store_frame_checksum(f->database, frame, from), memory_order_release);
    }
    return gather_write(&f->gather, real, from, bytes, offset);
}

static int wal_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    struct checked_file *f = file_of(file);
    sqlite3_file *real = real_of(file);
    int rc = gather_flush(&f->gather, real);
    if (rc == SQLITE_OK && f->database != NULL && bytes == 0)
        rc = order_mend(&f->owner->base);
    return rc == SQLITE_OK ? real->pMethods->xTruncate(real, bytes) : rc;
}

/* ---- what is passed on ---- */

static int on_close(sqlite3_file *file)
{
    struct checked_file *f = file_of(file);
    sqlite3_file *real = real_of(file);
    gather_free(&f->gather); /* of a transaction that did not end */
    int rc = real->pMethods->xClose(real);
    if (f->counted && f->database->writer == file)
        f->database->writer = NULL;
    if (f->owner != NULL && f->database != NULL && f->database->writer_wal == file)
        f->database->writer_wal = NULL;
    if (f->counted)
        store_checked_release(f->database);
    return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    sqlite3_file *real = real_of(file);
    if (file_of(file)->database != NULL)
        interior_pages_forget(file_of(file)->database->interior_pages);
    return real->pMethods->xTruncate(real, bytes);
}

static int on_sync(sqlite3_file *file, int flags)
{
    sqlite3_file *real = real_of(file);
    int rc = gather_flush(&file_of(file)->gather, real);
    return rc == SQLITE_OK ? order_sync(file, flags) : rc;
}

static int on_size(sqlite3_file *file, sqlite3_int64 *out)
{
    sqlite3_file *real = real_of(file);
    int rc = gather_flush(&file_of(file)->gather, real);
    return rc == SQLITE_OK ? real->pMethods->xFileSize(real, out) : rc;
}

static int on_lock(sqlite3_file *file, int lock)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xLock(real, lock);
}

static int on_unlock(sqlite3_file *file, int lock)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xUnlock(real, lock);
}

static int on_check_reserved(sqlite3_file *file, int *out)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xCheckReservedLock(real, out);
}

static int on_control(sqlite3_file *file, int op, void *argument)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xFileControl(real, op, argument);
}

static int on_sector_size(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xSectorSize(real);
}

static int on_characteristics(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xDeviceCharacteristics(real);
}

static int on_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    sqlite3_file *real = real_of(file);
    if (order_keeps_wal(file, offset, count, flags))
        return SQLITE_BUSY;
    return real->pMethods->xShmLock(real, offset, count, flags);
}

static void on_shm_barrier(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    real->pMethods->xShmBarrier(real);
}

/* Version 2: no mapping of the file, whose pages nothing would check. */
#define PASSED_ON                                                                                                      \
    .iVersion = 2, .xClose = on_close, .xSync = on_sync, .xFileSize = on_size, .xLock = on_lock,                       \
    .xUnlock = on_unlock, .xCheckReservedLock = on_check_reserved, .xFileControl = on_control,                         \
    .xSectorSize = on_sector_size, .xDeviceCharacteristics = on_characteristics, .xShmMap = database_shm_map,          \
    .xShmLock = on_shm_lock, .xShmBarrier = on_shm_barrier, .xShmUnmap = database_shm_unmap
static const sqlite3_io_methods database_methods = {
    PASSED_ON, .xRead = database_read, .xWrite = database_write, .xTruncate = on_truncate};
static const sqlite3_io_methods wal_methods = {
    PASSED_ON, .xRead = wal_read, .xWrite = wal_write, .xTruncate = wal_truncate};

/* ---- opening ---- */

/* Is the file one of ours, or going to be? Then with its number and its seal, as far as they can be read. */
static int look(sqlite3_file *real, int flags, bool *ours, uint64_t *id, struct store_seal *seal)
{
    unsigned char page[STORE_PAGE_BYTES];
    struct store_seal_page found;
    sqlite3_int64 bytes = 0;
    int rc = real->pMethods->xFileSize(real, &bytes);
    if (rc != SQLITE_OK)
        return rc;
    if (bytes == 0) {
        *ours = (flags & SQLITE_OPEN_CREATE) != 0;
        sqlite3_randomness(sizeof *id, id);
        return SQLITE_OK;
    }
    rc = real->pMethods->xRead(real, page, STORE_HEADER_BYTES, 0);
    *ours = rc == SQLITE_OK && store_header_is_checked(page);
    if (!*ours)
        return rc == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : rc;
    rc = real->pMethods->xRead(real, page, sizeof page, STORE_SEAL_OFFSET);
    if (rc == SQLITE_IOERR_SHORT_READ)
        return SQLITE_OK; /* no page will have its checksum */
    store_seal_page_read(page, &found);
    const struct store_seal *newer = store_seal_newer(&found);
    *id = found.id;
    if (newer != NULL)
        *seal = *newer;
    return rc;
}

static int open_database(struct checked_file *f, const char *name, int flags)
{
    bool ours = false;
    uint64_t id = 0;
    struct store_seal seal = {0};
    int rc = look(real_of(&f->base), flags, &ours, &id, &seal);
    if (rc == SQLITE_OK && ours) {
        f->database = store_checked_take(name, id, &seal);
        f->counted = f->database != NULL;
        rc = f->counted ? SQLITE_OK : SQLITE_NOMEM;
        if (f->counted && (flags & SQLITE_OPEN_READWRITE) != 0 && f->database->writer == NULL)
            f->database->writer = &f->base;
    }
    return rc;
}

/* `pAppData` is the VFS beneath. */
static sqlite3_vfs *beneath(const sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
    sqlite3_vfs *real_vfs = beneath(vfs);
    struct checked_file *f = file_of(file);
    sqlite3_file *real = real_of(file);
    if (name == NULL || (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0)
        return real_vfs->xOpen(real_vfs, name, file, flags, flags_out);
    memset(file, 0, (size_t)vfs->szOsFile);
    int rc = real_vfs->xOpen(real_vfs, name, real, flags, flags_out);
    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB) != 0) {
        rc = open_database(f, name, flags);
    } else if (rc == SQLITE_OK) {
        f->owner = file_of(sqlite3_database_file_object(name));
        f->database = f->owner->database;
        if (f->database != NULL && f->database->writer == &f->owner->base)
            f->database->writer_wal = file;
    }
    if (rc == SQLITE_OK)
        f->base.pMethods = (flags & SQLITE_OPEN_MAIN_DB) != 0 ? &database_methods : &wal_methods;
    else if (real->pMethods != NULL)
        (void)real->pMethods->xClose(real);
    return rc;
}

/* The connection that closes last writes the whole WAL back and deletes it. */
static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
    const struct checked_database *d = store_checked_of_wal(name);
    int rc = d != NULL && d->writer != NULL ? order_mend(d->writer) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    return beneath(vfs)->xDelete(beneath(vfs), name, sync_directory);
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    return beneath(vfs)->xAccess(beneath(vfs), name, flags, out);
}

static int on_full_name(sqlite3_vfs *vfs, const char *name, int bytes, char *out)
{
    return beneath(vfs)->xFullPathname(beneath(vfs), name, bytes, out);
}

static int on_randomness(sqlite3_vfs *vfs, int bytes, char *out)
{
    return beneath(vfs)->xRandomness(beneath(vfs), bytes, out);
}

static int on_sleep(sqlite3_vfs *vfs, int us)
{
    return beneath(vfs)->xSleep(beneath(vfs), us);
}

static int on_time(sqlite3_vfs *vfs, double *out)
{
    return beneath(vfs)->xCurrentTime(beneath(vfs), out);
}

static int on_last_error(sqlite3_vfs *vfs, int bytes, char *out)
{
    return beneath(vfs)->xGetLastError(beneath(vfs), bytes, out);
}

static int on_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    return beneath(vfs)->xCurrentTimeInt64(beneath(vfs), out);
}

/* One layer for each default VFS that was met; they stay until the process ends. */
#define LAYERS_MAX 4
static pthread_mutex_t layers_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct layer {
    sqlite3_vfs vfs;
    char name[48];
} layers[LAYERS_MAX];

static bool layer_make(struct layer *l, size_t number, sqlite3_vfs *real)
{
    (void)snprintf(l->name, sizeof l->name, "stategate-%zu", number);
    l->vfs = (sqlite3_vfs){.iVersion = real->iVersion < 2 ? real->iVersion : 2,
                           .szOsFile = (int)REAL_OFFSET + real->szOsFile,
                           .mxPathname = real->mxPathname,
                           .zName = l->name,
                           .pAppData = real,
                           .xOpen = on_open,
                           .xDelete = on_delete,
                           .xAccess = on_access,
                           .xFullPathname = on_full_name,
                           .xRandomness = on_randomness,
                           .xSleep = on_sleep,
                           .xCurrentTime = on_time,
                           .xGetLastError = on_last_error,
                           .xCurrentTimeInt64 = on_time_ms};
    return sqlite3_vfs_register(&l->vfs, 0) == SQLITE_OK;
}

/* The default one; of SQLite's own the form that keeps the locks and the WAL's index in this process's memory. The
 * other form asks the system for a lock six times a commit. No other process can open the database meanwhile. */
static atomic_bool sharing;

void store_checksum_set_sharing(bool on)
{
    atomic_store(&sharing, on);
}

static sqlite3_vfs *real_vfs_find(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    bool own = vfs != NULL && strcmp(vfs->zName, "unix") == 0 && !atomic_load(&sharing);
    sqlite3_vfs *exclusive = own ? sqlite3_vfs_find("unix-excl") : NULL;
    return exclusive != NULL ? exclusive : vfs;
}

const char *store_checksum_vfs(void)
{
    const char *name = NULL;
    sqlite3_vfs *real = real_vfs_find();
    (void)pthread_mutex_lock(&layers_mutex);
    for (size_t i = 0; real != NULL && name == NULL && i < LAYERS_MAX; i++) {
        struct layer *l = &layers[i];
        if (l->vfs.pAppData == real || (l->vfs.pAppData == NULL && layer_make(l, i, real)))
            name = l->name;
    }
    (void)pthread_mutex_unlock(&layers_mutex);
    return name;
}

struct checked_database *store_checksum_database(sqlite3 *db)
{
    sqlite3_file *file = NULL;
    if (db == NULL || sqlite3_file_control(db, NULL, SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || file == NULL)
        return NULL;
    return file->pMethods == &database_methods ? file_of(file)->database : NULL;
}

void store_checksum_stop_when(sqlite3 *db, int (*stop)(void *context), void *context)
{
    sqlite3_file *file = NULL;
    if (sqlite3_file_control(db, NULL, SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || file == NULL ||
        file->pMethods != &database_methods)
        return;
    file_of(file)->stop = stop;
    file_of(file)->stop_context = context;
}

void store_checksum_note_damage(sqlite3 *db)
{
    struct checked_database *d = store_checksum_database(db);
    if (d != NULL)
        store_checked_damage(d, "SQLite found it malformed");
}
