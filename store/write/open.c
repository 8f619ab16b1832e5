/* Opening and closing the store for its writer: lock, migrations, damage, and the marker of an orderly stop. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/time.h"
#include "store/integrity/file.h"
#include "store/integrity/location.h"
#include "store/integrity/os_file.h"
#include "store/integrity/seal.h"
#include "store/schema_version.h"
#include "store/sqlite/migrate.h"
#include "store/write/apply.h"
#include "store/write/check.h"
#include "store/write/fields.h"
#include "store/write/transaction.h"

static enum sg_status fail_locked(int fd, const char *path, struct sg_error *err)
{
    char holder[24] = "";
    ssize_t bytes = pread(fd, holder, sizeof holder - 1, 0);
    if (bytes > 0)
        holder[strcspn(holder, "\n")] = '\0';
    return sg_fail(err, SG_LOCKED, "another process%s%s%s has the database %s open", bytes > 0 ? " (pid " : "", holder,
                   bytes > 0 ? ")" : "", path);
}

/* The file stays when the lock is released: removing it would let two processes lock different files. */
static enum sg_status lock_take(struct store_writer *w, const char *path, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    char pid[24];
    char *name = store_path_join(path, ".lock");
    if (name == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    w->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (w->lock_fd < 0) {
        status = sg_fail(err, errno == ENOSPC ? SG_FULL : SG_STORAGE, "cannot open %s: %s", name, strerror(errno));
    } else if (flock(w->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        status = errno == EWOULDBLOCK ? fail_locked(w->lock_fd, path, err)
                                      : sg_fail(err, SG_STORAGE, "cannot lock %s: %s", name, strerror(errno));
    } else {
        int bytes = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
        /* Only for the other's message: on a full disk the lock is as good without it. */
        if (ftruncate(w->lock_fd, 0) == 0)
            (void)!pwrite(w->lock_fd, pid, (size_t)bytes, 0);
    }
    free(name);
    return status;
}

/* After the migration: a new file's header then names its owner before any of it can be in a WAL. */
static enum sg_status journal_set(struct store_connection *c, bool synchronous_full, struct sg_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA journal_mode = WAL", -1, &s, NULL);
    if (rc != SQLITE_OK)
        return store_fail(c, rc, "switch to a WAL", err);
    enum sg_status status = store_step(c, s, SQLITE_OK, "switch to a WAL", err);
    if (status == SG_NOT_FOUND ||
        (status == SG_OK && sqlite3_stricmp((const char *)sqlite3_column_text(s, 0), "wal") != 0))
        status = sg_fail(err, SG_INVALID, "%s cannot have a WAL: it must be a file on a local disk", c->path);
    (void)sqlite3_finalize(s);
    if (status != SG_OK)
        return status;
    return store_exec(c, synchronous_full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                      "configure the database connection", err);
}

/* Before the first page is written: its size, and room for its checksum. */
static enum sg_status form_set(struct store_connection *c, struct sg_error *err)
{
    char pragma[48];
    int reserved = STORE_PAGE_RESERVED;
    (void)snprintf(pragma, sizeof pragma, "PRAGMA page_size = %d", STORE_PAGE_BYTES);
    enum sg_status status = store_exec(c, pragma, "create the database", err);
    if (status != SG_OK)
        return status;
    int rc = sqlite3_file_control(c->db, NULL, SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    return rc == SQLITE_OK ? SG_OK : store_fail(c, rc, "create the database", err);
}

/* What checks the pages must be at work, and find the seal where it looks for it. */
static enum sg_status form_check(struct store_connection *c, struct sg_error *err)
{
    int64_t seal = 0;
    enum sg_status status = store_query_int(c, "SELECT rootpage FROM sqlite_schema WHERE name = 'seal'", &seal, err);
    if (status == SG_OK && (seal != STORE_SEAL_PAGE || store_checksum_database(c->db) == NULL))
        status = store_fail(c, SQLITE_CORRUPT, "open the database", err);
    return status;
}

static int64_t database_bytes(struct store_connection *c)
{
    int64_t bytes = 0;
    const char *sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    return store_query_int(c, sql, &bytes, NULL) == SG_OK ? bytes : -1;
}

static enum sg_status migrate(struct store_connection *c, const struct store_options *options,
                              struct store_open_report *report, struct sg_error *err)
{
    int from = 0;
    enum sg_status status = store_schema_version(c, &from, err);
    bool older = status == SG_OK && from != 0 && from != STORE_SCHEMA_VERSION;
    int64_t began_ns = time_boot_ns();
    if (older && options->migrating != NULL)
        options->migrating(options->migrating_context, from, STORE_SCHEMA_VERSION, database_bytes(c));
    if (status == SG_OK)
        status = store_migrate(c, from, err);
    if (status != SG_OK || !older)
        return status;
    report->migrated_from = from;
    report->migrated_bytes = database_bytes(c);
    report->migrated_ms = (time_boot_ns() - began_ns) / NS_PER_MS;
    return SG_OK;
}

static enum sg_status connect_and_check(struct store_writer *w, const struct store_options *options,
                                        struct store_open_report *report, struct sg_error *err)
{
    struct store_connection *c = &w->c;
    int64_t clean = 0;
    report->migrated_from = 0;
    enum sg_status status = store_connection_open(c, options->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
    if (status == SG_OK && report->created)
        status = form_set(c, err);
    if (status == SG_OK)
        status = migrate(c, options, report, err);
    if (status == SG_OK)
        status = form_check(c, err);
    if (status == SG_OK)
        status = journal_set(c, options->synchronous_full, err);
    if (status == SG_OK)
        status = store_query_int(c, "SELECT clean FROM meta", &clean, err);
    if (status == SG_OK)
        status = store_check(c, clean != 0, err);
    if (status == SG_OK)
        status = store_prepare(c, SQL_WRITER_FIRST, SQL_WRITER_LAST, err);
    if (status != SG_OK)
        store_connection_close(c);
    return status;
}

/* What is served is what this run attaches; and from here on a stop is not orderly until store_close. */
static enum sg_status session_begin(struct store_writer *w, struct sg_error *err)
{
    enum sg_status status = store_begin(w, err);
    if (status != SG_OK)
        return status;
    sqlite3_stmt *s = store_statement(&w->c, SQL_META_SET_CLEAN);
    status = store_run(&w->c, s, sqlite3_bind_int(s, 1, 0), "open the database", err);
    if (status == SG_OK)
        status = store_run_plain(&w->c, SQL_STREAMS_DETACH, "open the database", err);
    return store_end(w, status, err);
}

/* A process that was killed while it created the database has left half of it: SQLite rolls it back when it is read. */
static void creation_undo(const char *path)
{
    struct store_connection c = {0};
    int64_t ignored = 0;
    if (store_connection_open(&c, path, SQLITE_OPEN_READWRITE, NULL) != SG_OK)
        return; /* what is wrong is found afterwards */
    (void)!store_query_int(&c, "SELECT count(*) FROM sqlite_schema", &ignored, NULL);
    store_connection_close(&c);
}

static void file_unlock(struct store_writer *w)
{
    if (w->file_fd >= 0)
        (void)close(w->file_fd);
    w->file_fd = -1;
}

static enum sg_status open_sound(struct store_writer *w, const struct store_options *options,
                                 struct store_open_report *report, struct sg_error *err)
{
    enum store_file file = STORE_FILE_ABSENT;
    struct sg_error found = {0};
    /* Before it is looked at: one that another process writes to looks damaged. */
    enum sg_status status = location_lock(options->path, &w->file_fd, err);
    if (status != SG_OK)
        return status;
    if (store_file_journal(options->path))
        creation_undo(options->path);
    status = store_file_inspect(options->path, STORE_SCHEMA_VERSION_MIN, STORE_SCHEMA_VERSION, &file, &found);
    report->created = file == STORE_FILE_ABSENT;
    if (status == SG_OK)
        status = connect_and_check(w, options, report, &found);
    if (status == SG_CORRUPT) {
        (void)snprintf(report->reason, sizeof report->reason, "%s", found.message);
        status = store_file_move_aside(options->path, report->moved_aside, sizeof report->moved_aside, &found);
        report->created = true;
        file_unlock(w);
        if (status == SG_OK)
            status = connect_and_check(w, options, report, &found);
    }
    if (status == SG_OK && w->file_fd < 0)
        status = location_lock(options->path, &w->file_fd, &found); /* it was created just now */
    if (status != SG_OK && err != NULL)
        *err = found;
    return status;
}

enum sg_status store_open(const struct store_options *options, struct store_writer **out,
                          struct store_open_report *report, struct sg_error *err)
{
    struct store_open_report found = {0};
    struct store_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    w->lock_fd = w->file_fd = -1;
    w->shared = options->shared;
    w->collections_max = options->collections_max;
    w->rejected_max = options->rejected_max;
    w->rejected_payload = options->rejected_payload;
    w->rebuild_empty_swap = options->rebuild_empty_swap;
    w->fields.work = true; /* what the last session left */
    store_streams_changed(w);
    store_written_changed(w);
    enum sg_status status = lock_take(w, options->path, err);
    if (status == SG_OK)
        status = open_sound(w, options, &found, err);
    if (status == SG_OK) {
        w->c.bytes_max = options->bytes_max;
        w->checked = store_checksum_database(w->c.db);
        status = store_checkpoint_setup(w, err);
    }
    if (status == SG_OK)
        status = store_query_int(&w->c, "SELECT coalesce(max(id), 0) FROM collections", &w->collections_last, err);
    if (status == SG_OK)
        status = session_begin(w, err);
    if (status == SG_FULL && !found.created) {
        /* No answer breaks where there is no room: what is there is served. */
        status = store_session_defer(w, err);
        found.full = true;
    }
    if (status != SG_OK) {
        w->c.damaged = true; /* do not claim that all was well */
        store_close(w);
        return status;
    }
    location_note(&w->files[0], options->path, "");
    location_note(&w->files[1], options->path, "-wal");
    *out = w;
    if (report != NULL)
        *report = found;
    return SG_OK;
}

const char *store_damage(const struct store_writer *w)
{
    return w != NULL ? store_checksum_damage(w->checked) : NULL;
}

const char *store_lost(const struct store_writer *w)
{
    for (size_t i = 0; w != NULL && i < STORE_FILES_COUNT; i++) {
        if (location_lost(&w->files[i]))
            return w->files[i].path;
    }
    return NULL;
}

void store_close(struct store_writer *w)
{
    if (w == NULL)
        return;
    store_write_back_stop(w);
    if (w->c.db != NULL) {
        store_rollback(w);
        if (!w->c.damaged) {
            /* Without room for the marker the next start only looks more closely. */
            sqlite3_stmt *s = store_statement(&w->c, SQL_META_SET_CLEAN);
            (void)!store_run(&w->c, s, sqlite3_bind_int(s, 1, 1), "close the database", NULL);
            (void)sqlite3_wal_checkpoint_v2(w->c.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        }
    }
    store_fields_free(w);
    store_connection_close(&w->c);
    syncer_destroy(w->syncer);
    collection_names_free(&w->collections);
    store_scratch_free(w->scratch);
    free(w->served.streams);
    for (size_t i = 0; i < STORE_FILES_COUNT; i++)
        location_free(&w->files[i]);
    file_unlock(w); /* when no connection is left: see location_lock */
    if (w->lock_fd >= 0)
        (void)close(w->lock_fd);
    free(w);
}
