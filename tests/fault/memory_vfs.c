/* The VFS in memory: files, locks, shared memory, and the log of what happened. */
#include "memory_vfs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "pool_malloc.h"

#define SHM_REGIONS_MAX 64
#define SECTOR_BYTES 4096 /* as SQLite's own VFS says */
#define HEAD_BYTES 4096   /* of a file that is opened beside SQLite: only its header is looked at there */

struct handle;

struct memory_file {
    struct memory_file *next;
    char *name;           /* owned; NULL = deleted, or temporary */
    unsigned char *data;  /* owned; of the pool */
    size_t bytes;
    size_t number;        /* in the log */
    bool name_unsynced;   /* its first sync is to sync the folder */
    struct handle *handles;
    void *regions[SHM_REGIONS_MAX]; /* owned; of the pool */
};

struct memory_disk {
    struct memory_file *files; /* owned */
    struct disk_log *log;      /* borrowed; NULL = not recorded */
};

/* An open file of SQLite's. */
struct handle {
    sqlite3_file base; /* first */
    struct handle *next;
    struct memory_disk *disk;
    struct memory_file *file;
    int lock;          /* SQLITE_LOCK_* */
    unsigned shm_shared;
    unsigned shm_exclusive;
};

static struct memory_disk *disk_used;
static uint64_t chance_state;

static void *checked(void *memory)
{
    if (memory == NULL) {
        (void)fprintf(stderr, "out of memory\n");
        abort();
    }
    return memory;
}

/* ---- the log ---- */

static void log_op(struct disk_log *log, struct disk_op op)
{
    if (log == NULL)
        return;
    if (log->ops_count == log->ops_capacity) {
        log->ops_capacity = log->ops_capacity == 0 ? 4096 : log->ops_capacity * 2;
        log->ops = checked(reallocarray(log->ops, log->ops_capacity, sizeof log->ops[0]));
    }
    op.acknowledged = log->acknowledged;
    log->ops[log->ops_count++] = op;
}

static size_t log_data(struct disk_log *log, const void *data, size_t bytes)
{
    size_t at = log->data_bytes;
    while (log->data_bytes + bytes > log->data_capacity) {
        log->data_capacity = log->data_capacity == 0 ? 1 << 20 : log->data_capacity * 2;
        log->data = checked(realloc(log->data, log->data_capacity));
    }
    memcpy(log->data + at, data, bytes);
    log->data_bytes += bytes;
    return at;
}

static size_t log_file(struct disk_log *log, const char *name)
{
    log->names = checked(reallocarray(log->names, log->files_count + 1, sizeof log->names[0]));
    log->names[log->files_count] = checked(strdup(name));
    return log->files_count++;
}

void disk_log_free(struct disk_log *log)
{
    for (size_t i = 0; i < log->files_count; i++)
        free(log->names[i]);
    free(log->names);
    free(log->ops);
    free(log->data);
    *log = (struct disk_log){0};
}

/* ---- files ---- */

static struct memory_file *file_find(const struct memory_disk *disk, const char *name)
{
    if (disk == NULL || name == NULL)
        return NULL;
    for (struct memory_file *f = disk->files; f != NULL; f = f->next) {
        if (f->name != NULL && strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}

static struct memory_file *file_add(struct memory_disk *disk, const char *name)
{
    struct memory_file *f = checked(calloc(1, sizeof *f));
    f->name = name != NULL ? checked(strdup(name)) : NULL;
    f->next = disk->files;
    disk->files = f;
    return f;
}

/* New bytes are zeros. */
static void file_resize(struct memory_file *f, size_t bytes)
{
    f->data = pool_grow(f->data, bytes);
    if (bytes > f->bytes)
        memset(f->data + f->bytes, 0, bytes - f->bytes);
    f->bytes = bytes;
}

static void regions_free(struct memory_file *f)
{
    for (size_t i = 0; i < SHM_REGIONS_MAX; i++) {
        pool_give(f->regions[i]);
        f->regions[i] = NULL;
    }
}

static void file_free(struct memory_disk *disk, struct memory_file *f)
{
    struct memory_file **at = &disk->files;
    assert(f->handles == NULL);
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    regions_free(f);
    free(f->name);
    pool_give(f->data);
    free(f);
}

struct memory_disk *memory_disk_create(void)
{
    return checked(calloc(1, sizeof(struct memory_disk)));
}

void memory_disk_destroy(struct memory_disk *disk)
{
    if (disk == NULL)
        return;
    while (disk->files != NULL)
        file_free(disk, disk->files);
    if (disk_used == disk)
        disk_used = NULL;
    free(disk);
}

void memory_disk_give(struct memory_disk *disk, const char *name, void *data, size_t bytes)
{
    struct memory_file *f = file_add(disk, name);
    f->data = data;
    f->bytes = bytes;
}

void memory_disk_record(struct memory_disk *disk, struct disk_log *log)
{
    disk->log = log;
    for (struct memory_file *f = disk->files; log != NULL && f != NULL; f = f->next) {
        if (f->name != NULL)
            f->number = log_file(log, f->name);
    }
}

void memory_disk_each(const struct memory_disk *disk,
                      void (*visit)(void *context, const char *name, const unsigned char *data, size_t bytes),
                      void *context)
{
    for (const struct memory_file *f = disk->files; f != NULL; f = f->next) {
        if (f->name != NULL)
            visit(context, f->name, f->data, f->bytes);
    }
}

/* ---- an open file ---- */

static struct handle *handle_of(sqlite3_file *file)
{
    return (struct handle *)(void *)file;
}

static int on_close(sqlite3_file *file)
{
    struct handle *h = handle_of(file);
    struct handle **at = &h->file->handles;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    if (h->file->handles == NULL && h->file->name == NULL)
        file_free(h->disk, h->file);
    return SQLITE_OK;
}

static int on_read(sqlite3_file *file, void *out, int bytes, sqlite3_int64 offset)
{
    const struct memory_file *f = handle_of(file)->file;
    size_t wanted = (size_t)bytes;
    size_t there = (size_t)offset < f->bytes ? f->bytes - (size_t)offset : 0;
    if (there > wanted)
        there = wanted;
    if (there > 0)
        memcpy(out, f->data + offset, there);
    memset((char *)out + there, 0, wanted - there);
    return there == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static struct disk_log *log_of(const struct handle *h)
{
    return h->file->name != NULL ? h->disk->log : NULL;
}

static int on_write(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 offset)
{
    struct handle *h = handle_of(file);
    struct disk_log *log = log_of(h);
    size_t end = (size_t)offset + (size_t)bytes;
    if (end > h->file->bytes)
        file_resize(h->file, end);
    memcpy(h->file->data + offset, data, (size_t)bytes);
    if (log != NULL)
        log_op(log, (struct disk_op){.kind = DISK_WRITE, .file = h->file->number, .offset = offset,
                                     .bytes = (size_t)bytes, .data = log_data(log, data, (size_t)bytes)});
    return SQLITE_OK;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct handle *h = handle_of(file);
    file_resize(h->file, (size_t)size);
    log_op(log_of(h), (struct disk_op){.kind = DISK_TRUNCATE, .file = h->file->number, .offset = size});
    return SQLITE_OK;
}

static int on_sync(sqlite3_file *file, int flags)
{
    struct handle *h = handle_of(file);
    struct disk_log *log = log_of(h);
    (void)flags;
    if (log != NULL && !log->lying)
        log_op(log, (struct disk_op){.kind = DISK_SYNC, .file = h->file->number,
                                     .directory = h->file->name_unsynced});
    h->file->name_unsynced = false;
    return SQLITE_OK;
}

static int on_size(sqlite3_file *file, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)handle_of(file)->file->bytes;
    return SQLITE_OK;
}

/* The highest lock that another has. */
static int lock_of_others(const struct handle *h)
{
    int highest = SQLITE_LOCK_NONE;
    for (const struct handle *other = h->file->handles; other != NULL; other = other->next) {
        if (other != h && other->lock > highest)
            highest = other->lock;
    }
    return highest;
}

static int on_lock(sqlite3_file *file, int lock)
{
    struct handle *h = handle_of(file);
    int others = lock_of_others(h);
    if (h->lock >= lock)
        return SQLITE_OK;
    if (lock == SQLITE_LOCK_SHARED ? others >= SQLITE_LOCK_PENDING : others >= SQLITE_LOCK_RESERVED)
        return SQLITE_BUSY;
    if (lock == SQLITE_LOCK_EXCLUSIVE && others >= SQLITE_LOCK_SHARED) {
        h->lock = SQLITE_LOCK_PENDING;
        return SQLITE_BUSY;
    }
    h->lock = lock;
    return SQLITE_OK;
}

static int on_unlock(sqlite3_file *file, int lock)
{
    struct handle *h = handle_of(file);
    if (h->lock > lock)
        h->lock = lock;
    return SQLITE_OK;
}

static int on_check_reserved(sqlite3_file *file, int *out)
{
    const struct handle *h = handle_of(file);
    *out = h->lock >= SQLITE_LOCK_RESERVED || lock_of_others(h) >= SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *file, int op, void *argument)
{
    (void)file;
    (void)op;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int on_sector_size(sqlite3_file *file)
{
    (void)file;
    return SECTOR_BYTES;
}

static int on_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- shared memory ---- */

static int on_shm_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **out)
{
    struct memory_file *f = handle_of(file)->file;
    *out = NULL;
    if (region >= SHM_REGIONS_MAX)
        return SQLITE_IOERR_SHMSIZE;
    if (f->regions[region] == NULL && extend) {
        f->regions[region] = pool_take((size_t)bytes);
        memset(f->regions[region], 0, (size_t)bytes);
    }
    *out = f->regions[region];
    return SQLITE_OK;
}

static int on_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    struct handle *h = handle_of(file);
    unsigned mask = ((1u << count) - 1u) << offset;
    if (flags & SQLITE_SHM_UNLOCK) {
        h->shm_shared &= ~mask;
        h->shm_exclusive &= ~mask;
        return SQLITE_OK;
    }
    for (const struct handle *other = h->file->handles; other != NULL; other = other->next) {
        unsigned held = other->shm_exclusive | (flags & SQLITE_SHM_EXCLUSIVE ? other->shm_shared : 0u);
        if (other != h && (held & mask) != 0)
            return SQLITE_BUSY;
    }
    if (flags & SQLITE_SHM_EXCLUSIVE)
        h->shm_exclusive |= mask;
    else
        h->shm_shared |= mask;
    return SQLITE_OK;
}

static void on_shm_barrier(sqlite3_file *file)
{
    (void)file;
}

static int on_shm_unmap(sqlite3_file *file, int delete)
{
    struct handle *h = handle_of(file);
    h->shm_shared = 0;
    h->shm_exclusive = 0;
    if (delete)
        regions_free(h->file);
    return SQLITE_OK;
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
    struct handle *h = handle_of(file);
    struct memory_file *f = file_find(disk_used, name);
    (void)vfs;
    memset(h, 0, sizeof *h);
    if (f == NULL && !(flags & SQLITE_OPEN_CREATE))
        return SQLITE_CANTOPEN;
    if (f == NULL) {
        f = file_add(disk_used, name);
        /* SQLite's own VFS syncs the folder with the first sync of such a file, not for the database itself. */
        f->name_unsynced = (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
        if (name != NULL && disk_used->log != NULL) {
            f->number = log_file(disk_used->log, name);
            log_op(disk_used->log, (struct disk_op){.kind = DISK_CREATE, .file = f->number});
        }
    }
    h->disk = disk_used;
    h->file = f;
    h->next = f->handles;
    f->handles = h;
    h->base.pMethods = &methods;
    if (flags_out != NULL)
        *flags_out = flags;
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
    struct memory_file *f = file_find(disk_used, name);
    (void)vfs;
    if (f == NULL)
        return SQLITE_IOERR_DELETE_NOENT;
    struct disk_log *log = disk_used->log;
    if (log != NULL)
        log_op(log, (struct disk_op){.kind = DISK_DELETE, .file = f->number,
                                     .directory = sync_directory != 0 && !log->lying});
    free(f->name);
    f->name = NULL;
    if (f->handles == NULL)
        file_free(disk_used, f);
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    const struct memory_file *f = file_find(disk_used, name);
    (void)vfs;
    *out = f != NULL && (flags != SQLITE_ACCESS_EXISTS || f->bytes > 0); /* as SQLite's own: an empty one is none */
    return SQLITE_OK;
}

static int on_full_name(sqlite3_vfs *vfs, const char *name, int bytes, char *out)
{
    (void)vfs;
    return snprintf(out, (size_t)bytes, "%s", name) < bytes ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int on_randomness(sqlite3_vfs *vfs, int bytes, char *out)
{
    (void)vfs;
    for (int i = 0; i < bytes; i++) {
        chance_state = chance_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (char)(chance_state >> 56);
    }
    return bytes;
}

/* Whoever is in the way is in the same thread: waiting would not help. */
static int on_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int on_time(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    *out = INT64_C(212000000000000);
    return SQLITE_OK;
}

static int on_time_days(sqlite3_vfs *vfs, double *out)
{
    (void)vfs;
    *out = 2453736.5;
    return SQLITE_OK;
}

static int on_last_error(sqlite3_vfs *vfs, int bytes, char *out)
{
    (void)vfs;
    (void)bytes;
    (void)out;
    return 0;
}

void memory_vfs_register(uint64_t seed)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2, .szOsFile = sizeof(struct handle), .mxPathname = 512, .zName = "memory-disk", .xOpen = on_open,
        .xDelete = on_delete, .xAccess = on_access, .xFullPathname = on_full_name, .xRandomness = on_randomness,
        .xSleep = on_sleep, .xCurrentTime = on_time_days, .xGetLastError = on_last_error, .xCurrentTimeInt64 = on_time,
    };
    chance_state = seed;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
        abort();
}

void memory_vfs_use(struct memory_disk *disk)
{
    disk_used = disk;
}

/* ---- looking at files beside SQLite ---- */

int __wrap_open(const char *name, int flags, ...);
int __wrap_stat(const char *name, struct stat *out);
int __wrap_access(const char *name, int mode);
int __wrap_rename(const char *from, const char *to);

/* A copy of its head, as long as the file is: SQLite's writes are not seen through it. */
int __wrap_open(const char *name, int flags, ...)
{
    const struct memory_file *f = file_find(disk_used, name);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? (mode_t)va_arg(arguments, int) : 0;
    va_end(arguments);
    if (f == NULL)
        return openat(AT_FDCWD, name, flags, mode);
    int fd = memfd_create("memory-disk", MFD_CLOEXEC);
    size_t head = f->bytes < HEAD_BYTES ? f->bytes : HEAD_BYTES;
    if (fd < 0 || ftruncate(fd, (off_t)f->bytes) != 0 || (head > 0 && pwrite(fd, f->data, head, 0) != (ssize_t)head))
        abort();
    return fd;
}

int __wrap_stat(const char *name, struct stat *out)
{
    const struct memory_file *f = file_find(disk_used, name);
    if (f == NULL)
        return fstatat(AT_FDCWD, name, out, 0);
    memset(out, 0, sizeof *out);
    out->st_mode = S_IFREG | 0644;
    out->st_nlink = 1;
    out->st_size = (off_t)f->bytes;
    return 0;
}

int __wrap_access(const char *name, int mode)
{
    return file_find(disk_used, name) != NULL ? 0 : faccessat(AT_FDCWD, name, mode, 0);
}

int __wrap_rename(const char *from, const char *to)
{
    struct memory_file *f = file_find(disk_used, from);
    if (f == NULL)
        return renameat(AT_FDCWD, from, AT_FDCWD, to);
    /* What has gone aside is of no interest to the log: to it the name leads nowhere, once the folder is synced. */
    log_op(disk_used->log, (struct disk_op){.kind = DISK_DELETE, .file = f->number});
    free(f->name);
    f->name = checked(strdup(to));
    return 0;
}
