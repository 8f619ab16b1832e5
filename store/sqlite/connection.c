/* Connections, prepared statements and what SQLite's result codes mean here. */
#include "store/sqlite/connection.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "store/integrity/os_file.h"
#include "store/integrity/vfs.h"
#include "store/schema_version.h"

_Static_assert(STORE_FORM_VERSION_MIN <= STORE_SCHEMA_VERSION_MIN, "what is opened has checksums");

#define DISK_FULL_BYTES (1u << 20) /* less than this left: it is the disk, not our own limit */

static void sqlite_configure(void)
{
    /* Without it every allocation of every connection takes one global lock. If some other code initialised SQLite
     * already, this is refused, and only slower. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static enum sg_status connection_configure(struct store_connection *c, struct sg_error *err)
{
    int rc = sqlite3_extended_result_codes(c->db, 1);
    rc |= sqlite3_busy_timeout(c->db, STORE_BUSY_TIMEOUT_MS);
    rc |= sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    rc |= sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc != SQLITE_OK)
        return store_fail(c, rc, "configure the database connection", err);
    /* Only the writer checkpoints, at moments of its own. Mapping the file costs more than it gives beside a writer. */
    return store_exec(c, "PRAGMA wal_autocheckpoint = 0; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY",
                      "configure the database connection", err);
}

enum sg_status store_connection_open(struct store_connection *c, const char *path, int flags, struct sg_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (pthread_once(&once, sqlite_configure) != 0)
        return sg_fail(err, SG_MEMORY, "cannot initialise SQLite");
    enum sg_status status = SG_MEMORY;
    c->path = strdup(path);
    if (c->path == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    const char *vfs = store_checksum_vfs();
    int rc = vfs != NULL ? sqlite3_open_v2(path, &c->db, flags | SQLITE_OPEN_NOMUTEX, vfs) : SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        status = connection_configure(c, err);
    else
        status = store_fail(c, rc, "open the database", err);
    if (status != SG_OK)
        store_connection_close(c);
    return status;
}

void store_connection_close(struct store_connection *c)
{
    for (size_t i = 0; i < SQL_STATEMENTS_COUNT; i++) {
        (void)sqlite3_finalize(c->statements[i]);
        c->statements[i] = NULL;
    }
    (void)sqlite3_close(c->db);
    c->db = NULL;
    free(c->path);
    c->path = NULL;
}

/* SQLite says "full" both for our limit and for the disk. */
static bool disk_is_full(const char *path)
{
    struct statvfs fs;
    char *slash = NULL;
    char *directory = strdup(path);
    if (directory == NULL)
        return true;
    slash = strrchr(directory, '/');
    if (slash != NULL)
        slash[1] = '\0';
    bool full = statvfs(slash != NULL ? directory : ".", &fs) == 0 &&
                (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize < DISK_FULL_BYTES;
    free(directory);
    return full;
}

static enum sg_status fail_full(struct store_connection *c, const char *what, struct sg_error *err)
{
    if (c->bytes_max > 0 && !disk_is_full(c->path))
        return sg_fail(err, SG_FULL, "cannot %s: the database has reached its limit of %lld bytes", what,
                       (long long)c->bytes_max);
    return sg_fail(err, SG_FULL, "cannot %s: the disk is full", what);
}

static enum sg_status fail_io(struct store_connection *c, int rc, const char *what, struct sg_error *err)
{
    /* SQLite keeps no errno of a COMMIT that failed; store_step cleared ours before. */
    int reason = errno;
    if (reason == 0 && c->db != NULL)
        reason = sqlite3_system_errno(c->db);
    if (rc == SQLITE_IOERR_NOMEM)
        return sg_fail(err, SG_MEMORY, "cannot %s: out of memory", what);
    if (reason == ENOSPC)
        return sg_fail(err, SG_FULL, "cannot %s: the disk is full", what);
    if (reason == EDQUOT || reason == EFBIG)
        return sg_fail(err, SG_FULL, "cannot %s: %s", what, strerror(reason));
    return sg_fail(err, SG_STORAGE, "cannot %s: %s (code %d, errno %d)", what, sqlite3_errstr(rc), rc, reason);
}

enum sg_status store_fail(struct store_connection *c, int rc, const char *what, struct sg_error *err)
{
    if (rc == SQLITE_OK && c->db != NULL)
        rc = sqlite3_extended_errcode(c->db);
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return fail_full(c, what, err);
    case SQLITE_IOERR:
        return fail_io(c, rc, what, err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        c->damaged = true;
        store_suspect_set(c->path);
        store_checksum_note_damage(c->db);
        return sg_fail(err, SG_CORRUPT, "cannot %s: %s is damaged (%s)", what, c->path, sqlite3_errstr(rc));
    case SQLITE_NOMEM:
        return sg_fail(err, SG_MEMORY, "cannot %s: out of memory", what);
    case SQLITE_INTERRUPT:
        return sg_fail(err, SG_STOPPED, "cannot %s: it was stopped", what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
        return sg_fail(err, SG_STORAGE, "cannot %s: %s: %s", what, c->path, sqlite3_errstr(rc));
    default:
        return sg_fail(err, SG_INVALID, "cannot %s: %s (code %d)", what,
                       c->db != NULL ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc), rc);
    }
}

enum sg_status store_prepare(struct store_connection *c, enum store_sql first, enum store_sql last,
                             struct sg_error *err)
{
    for (enum store_sql i = first; i <= last; i++) {
        if (c->statements[i] != NULL)
            continue; /* of a call that failed later on */
        int rc = sqlite3_prepare_v3(c->db, store_sql_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &c->statements[i], NULL);
        if (rc != SQLITE_OK)
            return store_fail(c, rc, "prepare a statement", err);
    }
    return SG_OK;
}

sqlite3_stmt *store_statement(struct store_connection *c, enum store_sql which)
{
    sqlite3_stmt *s = c->statements[which];
    assert(s != NULL && !sqlite3_stmt_busy(s));
    return s;
}

enum sg_status store_step(struct store_connection *c, sqlite3_stmt *s, int bound, const char *what,
                          struct sg_error *err)
{
    if (bound != SQLITE_OK)
        return store_fail(c, SQLITE_OK, what, err);
    errno = 0;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        return SG_OK;
    if (rc == SQLITE_DONE)
        return SG_NOT_FOUND;
    return store_fail(c, rc, what, err);
}

enum sg_status store_run(struct store_connection *c, sqlite3_stmt *s, int bound, const char *what, struct sg_error *err)
{
    enum sg_status status = store_step(c, s, bound, what, err);
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

enum sg_status store_run_plain(struct store_connection *c, enum store_sql which, const char *what, struct sg_error *err)
{
    return store_run(c, store_statement(c, which), SQLITE_OK, what, err);
}

enum sg_status store_exec(struct store_connection *c, const char *sql, const char *what, struct sg_error *err)
{
    errno = 0;
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? SG_OK : store_fail(c, rc, what, err);
}

enum sg_status store_query_int(struct store_connection *c, const char *sql, int64_t *out, struct sg_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
    if (rc != SQLITE_OK)
        return store_fail(c, rc, "read the database", err);
    enum sg_status status = store_step(c, s, SQLITE_OK, "read the database", err);
    if (status == SG_OK)
        *out = sqlite3_column_int64(s, 0);
    else if (status == SG_NOT_FOUND)
        status = sg_fail(err, SG_CORRUPT, "the database gives no answer to %s", sql);
    (void)sqlite3_finalize(s);
    return status;
}

struct slice store_slice_cut(struct slice value, size_t bytes_max)
{
    size_t bytes = bytes_max;
    if (value.bytes <= bytes_max)
        return value;
    while (bytes > 0 && ((unsigned char)value.data[bytes] & 0xc0) == 0x80)
        bytes--;
    return (struct slice){value.data, bytes};
}

int store_bind_slice(sqlite3_stmt *s, int index, struct slice value, size_t bytes_max)
{
    if (value.bytes == 0)
        return sqlite3_bind_null(s, index);
    struct slice cut = store_slice_cut(value, bytes_max);
    return sqlite3_bind_text64(s, index, cut.data, cut.bytes, SQLITE_STATIC, SQLITE_UTF8);
}

int store_bind_uint(sqlite3_stmt *s, int index, uint64_t value)
{
    return sqlite3_bind_int64(s, index, (sqlite3_int64)value);
}

struct slice store_column_slice(sqlite3_stmt *s, int index)
{
    const void *data = sqlite3_column_blob(s, index);
    return (struct slice){data, (size_t)sqlite3_column_bytes(s, index)};
}
