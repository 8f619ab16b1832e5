/* The failing VFS: each call is counted, fails if it is due, and is passed on otherwise. */
#include "io_vfs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

/* What a write has overwritten. */
struct undo {
    struct undo *before; /* owned */
    sqlite3_int64 offset;
    int bytes;
    unsigned char old[];
};

/* An open file; the system's own lies behind it. */
struct file {
    sqlite3_file base; /* first */
    sqlite3_file *real;
    bool of_database;
    /* Since the last sync, while one is to be lost. One connection writes a database's file, so its own are all there
     * are. */
    struct undo *undo; /* owned; the last one first */
    sqlite3_int64 size_synced;
};

static sqlite3_vfs *real_vfs;

static struct {
    uint64_t counts[IO_OPERATIONS_COUNT];
    bool armed;
    enum io_operation operation;
    uint64_t index;
    enum io_fault fault;
    bool until_healed;
    uint64_t struck;
} plan;

const char *io_operation_name(enum io_operation operation)
{
    static const char *const names[] = {
#define IO_OPERATION_NAME(name) #name,
        IO_OPERATIONS(IO_OPERATION_NAME)
#undef IO_OPERATION_NAME
    };
    return names[operation];
}

const char *io_fault_name(enum io_fault fault)
{
    static const char *const names[] = {"error", "full", "ENOSPC", "short", "lost", "silent", "forgotten"};
    return names[fault];
}

bool io_fault_suits(enum io_operation operation, enum io_fault fault)
{
    switch (fault) {
    case IO_FAULT_ERROR:
        return true;
    case IO_FAULT_SHORT:
        return operation == IO_READ;
    case IO_FAULT_ENOSPC:
        return operation == IO_WRITE || operation == IO_SHM_MAP;
    case IO_FAULT_LOST:
    case IO_FAULT_FORGOTTEN:
        return operation == IO_SYNC;
    default:
        return operation == IO_WRITE;
    }
}

void io_vfs_arm(enum io_operation operation, uint64_t index, enum io_fault fault, bool until_healed)
{
    memset(&plan, 0, sizeof plan);
    plan.armed = true;
    plan.operation = operation;
    plan.index = index;
    plan.fault = fault;
    plan.until_healed = until_healed;
}

void io_vfs_heal(void)
{
    plan.armed = false;
}

uint64_t io_vfs_count(enum io_operation operation)
{
    return plan.counts[operation];
}

uint64_t io_vfs_struck(void)
{
    return plan.struck;
}

static uint64_t changes;
static uint64_t kill_at = UINT64_MAX;
static unsigned kill_eighths;

void io_vfs_kill_at(uint64_t index, unsigned eighths)
{
    kill_at = index;
    kill_eighths = eighths;
}

uint64_t io_vfs_changes(void)
{
    return changes;
}

/* A file or a name is about to change. */
static void change(sqlite3_file *real, const void *data, int bytes, sqlite3_int64 offset)
{
    if (changes++ != kill_at)
        return;
    int done = (int)((int64_t)bytes * kill_eighths / 8);
    if (done > 0)
        (void)real->pMethods->xWrite(real, data, done, offset);
    (void)raise(SIGKILL);
}

/* Count, and say whether this one fails. */
static bool due(enum io_operation operation)
{
    uint64_t index = plan.counts[operation]++;
    if (!plan.armed || operation != plan.operation || index < plan.index || (index > plan.index && !plan.until_healed))
        return false;
    plan.struck++;
    errno = plan.fault == IO_FAULT_ENOSPC || plan.fault == IO_FAULT_FULL ? ENOSPC : EIO;
    return true;
}

/* ---- files ---- */

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct file *)(void *)file)->real;
}

/* ---- writes that no sync has confirmed ---- */

static bool loses(void)
{
    return plan.armed && (plan.fault == IO_FAULT_LOST || plan.fault == IO_FAULT_FORGOTTEN);
}

static void undo_note(struct file *f, int bytes, sqlite3_int64 offset)
{
    if (!f->of_database || !loses())
        return;
    struct undo *u = calloc(1, sizeof *u + (size_t)bytes);
    if (u == NULL || (f->undo == NULL && f->real->pMethods->xFileSize(f->real, &f->size_synced) != SQLITE_OK))
        abort();
    *u = (struct undo){.before = f->undo, .offset = offset, .bytes = bytes};
    f->undo = u;
    (void)f->real->pMethods->xRead(f->real, u->old, bytes, offset); /* beyond the end: zeros, and cut off again */
}

/* `lose`: put it back as it was. */
static void undo_end(struct file *f, bool lose)
{
    bool any = f->undo != NULL;
    for (struct undo *u = f->undo, *before; u != NULL; u = before) {
        before = u->before;
        if (lose && f->real->pMethods->xWrite(f->real, u->old, u->bytes, u->offset) != SQLITE_OK)
            abort();
        free(u);
    }
    f->undo = NULL;
    if (any && lose && f->real->pMethods->xTruncate(f->real, f->size_synced) != SQLITE_OK)
        abort();
}

static int on_close(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    undo_end((struct file *)(void *)file, false);
    int rc = real->pMethods != NULL ? real->pMethods->xClose(real) : SQLITE_OK;
    free(real);
    return rc;
}

static int on_read(sqlite3_file *file, void *out, int bytes, sqlite3_int64 offset)
{
    sqlite3_file *real = real_of(file);
    if (!due(IO_READ))
        return real->pMethods->xRead(real, out, bytes, offset);
    if (plan.fault != IO_FAULT_SHORT)
        return SQLITE_IOERR_READ;
    int rc = real->pMethods->xRead(real, out, bytes, offset);
    memset((char *)out + bytes / 2, 0, (size_t)(bytes - bytes / 2));
    return rc == SQLITE_OK ? SQLITE_IOERR_SHORT_READ : rc;
}

static int on_write(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 offset)
{
    sqlite3_file *real = real_of(file);
    change(real, data, bytes, offset);
    undo_note((struct file *)(void *)file, bytes, offset);
    if (!due(IO_WRITE))
        return real->pMethods->xWrite(real, data, bytes, offset);
    int reason = errno;
    if (plan.fault == IO_FAULT_SILENT)
        return SQLITE_OK;
    (void)real->pMethods->xWrite(real, data, bytes / 2, offset);
    errno = reason;
    return plan.fault == IO_FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    sqlite3_file *real = real_of(file);
    change(NULL, NULL, 0, 0);
    return due(IO_TRUNCATE) ? SQLITE_IOERR_TRUNCATE : real->pMethods->xTruncate(real, size);
}

static int on_sync(sqlite3_file *file, int flags)
{
    struct file *f = (struct file *)(void *)file;
    bool fails = false;
    change(NULL, NULL, 0, 0);
    if (f->of_database || !loses())
        fails = due(IO_SYNC);
    undo_end(f, fails && loses());
    if (fails)
        return plan.fault == IO_FAULT_FORGOTTEN ? SQLITE_OK : SQLITE_IOERR_FSYNC;
    return f->real->pMethods->xSync(f->real, flags);
}

static int on_size(sqlite3_file *file, sqlite3_int64 *out)
{
    sqlite3_file *real = real_of(file);
    return due(IO_SIZE) ? SQLITE_IOERR_FSTAT : real->pMethods->xFileSize(real, out);
}

static int on_lock(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xLock(real_of(file), lock);
}

static int on_unlock(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}

static int on_check_reserved(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int on_control(sqlite3_file *file, int op, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int on_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int on_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int on_shm_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **out)
{
    *out = NULL;
    return due(IO_SHM_MAP) ? SQLITE_IOERR_SHMMAP
                           : real_of(file)->pMethods->xShmMap(real_of(file), region, bytes, extend, out);
}

static int on_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void on_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int on_shm_unmap(sqlite3_file *file, int delete)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete);
}

/* ---- the file system ---- */

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
    static const sqlite3_io_methods methods = {
        .iVersion = 2, .xClose = on_close, .xRead = on_read, .xWrite = on_write, .xTruncate = on_truncate,
        .xSync = on_sync, .xFileSize = on_size, .xLock = on_lock, .xUnlock = on_unlock,
        .xCheckReservedLock = on_check_reserved, .xFileControl = on_control, .xSectorSize = on_sector_size,
        .xDeviceCharacteristics = on_characteristics, .xShmMap = on_shm_map, .xShmLock = on_shm_lock,
        .xShmBarrier = on_shm_barrier, .xShmUnmap = on_shm_unmap,
    };
    struct file *f = (struct file *)(void *)file;
    (void)vfs;
    f->base.pMethods = NULL;
    f->undo = NULL;
    f->of_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    if (due(IO_OPEN))
        return SQLITE_CANTOPEN;
    f->real = calloc(1, (size_t)real_vfs->szOsFile);
    if (f->real == NULL)
        return SQLITE_NOMEM;
    int rc = real_vfs->xOpen(real_vfs, name, f->real, flags, flags_out);
    if (rc != SQLITE_OK) {
        (void)on_close(file);
        return rc;
    }
    f->base.pMethods = &methods;
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
    (void)vfs;
    change(NULL, NULL, 0, 0);
    return due(IO_DELETE) ? SQLITE_IOERR_DELETE : real_vfs->xDelete(real_vfs, name, sync_directory);
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    return due(IO_ACCESS) ? SQLITE_IOERR_ACCESS : real_vfs->xAccess(real_vfs, name, flags, out);
}

/* As long as a fault lasts nobody ends a lock meanwhile: waiting would only take time. */
static int on_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

void io_vfs_register(void)
{
    static sqlite3_vfs vfs;
    real_vfs = sqlite3_vfs_find("unix-excl"); /* which the layer would take itself */
    if (real_vfs == NULL)
        abort();
    vfs = *real_vfs; /* what is not ours needs no more than its own data */
    vfs.pNext = NULL;
    vfs.zName = "failing-disk";
    vfs.szOsFile = sizeof(struct file);
    vfs.xOpen = on_open;
    vfs.xDelete = on_delete;
    vfs.xAccess = on_access;
    vfs.xSleep = on_sleep;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
        abort();
}
