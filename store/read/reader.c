/* A reader's connection and its read transaction: what an answer shows, all from one snapshot. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/integrity/vfs.h"
#include "store/read/reader_internal.h"
#include "store/schema_version.h"
#include "store/sqlite/stream_rows.h"

#define WHAT "read the database"

static enum sg_status check_schema(struct store_reader *r, struct sg_error *err)
{
    int64_t application = 0;
    int64_t version = 0;
    enum sg_status status = store_query_int(&r->c, "PRAGMA application_id", &application, err);
    if (status == SG_OK)
        status = store_query_int(&r->c, "PRAGMA user_version", &version, err);
    if (status != SG_OK)
        return status;
    if (application != STORE_APPLICATION_ID || version != STORE_SCHEMA_VERSION)
        return sg_fail(err, SG_INVALID, "%s is no database of schema version %d", r->c.path, STORE_SCHEMA_VERSION);
    if (store_checksum_database(r->c.db) == NULL) /* what it says of its pages is not what was written */
        return store_fail(&r->c, SQLITE_CORRUPT, "read the database", err);
    return SG_OK;
}

static enum sg_status configure(struct store_connection *c, struct sg_error *err)
{
    char pragmas[96];
    /* A negative size is in KiB. */
    (void)snprintf(pragmas, sizeof pragmas, "PRAGMA query_only = ON; PRAGMA cache_size = -%d",
                   STORE_READER_PAGES_BYTES / 1024);
    return store_exec(c, pragmas, "configure the database connection", err);
}

enum sg_status store_reader_open(const char *path, struct commit_clock *shared, struct store_reader **out,
                                 struct sg_error *err)
{
    struct store_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    r->shared = shared;
    enum sg_status status = store_connection_open(&r->c, path, SQLITE_OPEN_READONLY, err);
    if (status == SG_OK) {
        /* Or the last reader to close would checkpoint. */
        int rc = sqlite3_db_config(r->c.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        if (rc != SQLITE_OK)
            status = store_fail(&r->c, rc, "configure the database connection", err);
    }
    if (status == SG_OK)
        status = configure(&r->c, err);
    if (status == SG_OK)
        status = check_schema(r, err);
    if (status == SG_OK) {
        int rc = store_reader_guard(r);
        if (rc != SQLITE_OK)
            status = store_fail(&r->c, rc, "configure the database connection", err);
    }
    if (status == SG_OK)
        status = store_prepare(&r->c, SQL_READER_FIRST, SQL_READER_LAST, err);
    if (status != SG_OK) {
        store_reader_close(r);
        return status;
    }
    *out = r;
    return SG_OK;
}

void store_reader_close(struct store_reader *r)
{
    if (r == NULL)
        return;
    store_read_end(r);
    store_queries_close(r);
    store_connection_close(&r->c);
    served_names_free(&r->names);
    free(r->served.streams);
    free(r);
}

/* `known_at`: the streams are known already, as of the moment that the clock showed then. */
static enum sg_status snapshot_load(struct store_reader *r, uint64_t known_at, struct sg_error *err)
{
    unsigned data_version = 0;
    sqlite3_stmt *first = store_statement(&r->c, SQL_READ_META);
    enum sg_status status = store_run(&r->c, first, SQLITE_OK, WHAT, err); /* takes the snapshot: BEGIN does not */
    if (status != SG_OK)
        return status;
    /* Counts the snapshots of this connection that differed from the one before: SQLite dropped its cache for it. */
    int rc = sqlite3_file_control(r->c.db, NULL, SQLITE_FCNTL_DATA_VERSION, &data_version);
    if (rc != SQLITE_OK)
        return store_fail(&r->c, rc, WHAT, err);
    bool same = known_at != 0 && commit_clock_stable(r->shared) == known_at;
    if (!same)
        r->snapshot++;
    if (r->data_version != data_version)
        r->rejected_any_known = r->tombstones_any_known = r->entity_gaps_any_known = false;
    if (!same && !(r->loaded && r->data_version == data_version)) {
        r->loaded = false;
        status = store_served_load(&r->c, &r->served, err);
    }
    if (status != SG_OK)
        return status;
    r->data_version = data_version;
    r->loaded = true;
    return SG_OK;
}

enum sg_status store_read_begin(struct store_reader *r, struct sg_error *err)
{
    uint64_t stable = commit_clock_stable(r->shared);
    if (r->in_transaction && (r->shared == NULL || (stable != 0 && stable == r->stable)))
        return SG_OK;
    store_read_end(r);
    uint64_t known_at = stable == r->stable ? stable : 0;
    r->stable = 0;
    enum sg_status status = store_run_plain(&r->c, SQL_BEGIN_READ, WHAT, err);
    if (status != SG_OK)
        return status;
    r->in_transaction = true;
    status = snapshot_load(r, known_at, err);
    if (status != SG_OK)
        store_read_end(r);
    else if (stable != 0 && commit_clock_stable(r->shared) == stable)
        r->stable = stable;
    return status;
}

bool store_read_peek(struct store_reader *r)
{
    uint64_t stable = commit_clock_stable(r->shared);
    if (stable == 0 || r->shared->cache == NULL)
        return false;
    if (stable == r->stable)
        return true;
    store_read_end(r); /* of an older snapshot, if there is one */
    r->stable = 0;
    r->snapshot++;
    r->loaded = false; /* the streams are not those of a transaction */
    if (!commit_clock_copy(r->shared, stable, &r->served))
        return false;
    r->stable = stable;
    return true;
}

static int ask_to_stop(void *context)
{
    const struct store_reader *r = context;
    return r->stop(r->stop_context);
}

void store_read_stop_when(struct store_reader *r, store_read_stop *stop, void *context)
{
    r->stop = stop;
    r->stop_context = context;
    sqlite3_progress_handler(r->c.db, stop != NULL ? STORE_STOP_STEPS : 0, stop != NULL ? ask_to_stop : NULL, r);
    store_checksum_stop_when(r->c.db, stop != NULL ? ask_to_stop : NULL, r);
}

uint64_t store_read_snapshot(const struct store_reader *r)
{
    return r->snapshot;
}

bool store_read_cached(struct store_reader *r, struct slice collection, struct slice id, struct entity *out)
{
    int64_t known = store_read_known(r, collection);
    assert(r->stable != 0);
    store_read_release(r);
    if (known == 0)
        return false;
    struct row_cache_key key = row_cache_key(r->shared->cache, known, id);
    struct entity found; /* `*out` is written only once it is known that no commit came in between */
    r->held = row_cache_find(r->shared->cache, &key, &found);
    if (r->held == NULL || commit_clock_stable(r->shared) != r->stable)
        return false;
    *out = found;
    return true;
}

void store_read_prefetch(struct store_reader *r, struct slice collection, struct slice id)
{
    const struct served_name *known = served_names_find(&r->names, collection);
    r->expecting = known != NULL && r->shared != NULL && r->shared->cache != NULL;
    if (!r->expecting)
        return;
    r->expected = row_cache_key(r->shared->cache, known->id, id);
    row_cache_prefetch(r->shared->cache, &r->expected);
}

void store_read_prefetch_row(const struct store_reader *r)
{
    if (r->expecting)
        row_cache_prefetch_row(r->shared->cache, &r->expected);
}

struct cached_row *store_read_retain(struct store_reader *r)
{
    struct cached_row *row = r->held;
    r->held = NULL;
    return row;
}

sqlite3_stmt *store_read_statement(struct store_reader *r, enum store_sql which)
{
    assert(r->in_transaction);
    store_read_release(r);
    r->active = store_statement(&r->c, which);
    return r->active;
}

void store_read_release(struct store_reader *r)
{
    if (r->active != NULL)
        (void)sqlite3_reset(r->active);
    r->active = NULL;
    cached_row_release(r->held);
    r->held = NULL;
}

void store_read_end(struct store_reader *r)
{
    store_read_release(r);
    if (!r->in_transaction)
        return;
    /* A read transaction has nothing to lose: if COMMIT fails, ROLLBACK ends it as well. */
    if (store_run_plain(&r->c, SQL_COMMIT, WHAT, NULL) != SG_OK && !sqlite3_get_autocommit(r->c.db))
        (void)sqlite3_exec(r->c.db, "ROLLBACK", NULL, NULL, NULL);
    r->in_transaction = false;
}

const struct stream *store_read_stream(struct store_reader *r, const char *name)
{
    assert(r->in_transaction || r->stable != 0);
    for (size_t i = 0; i < r->served.count; i++) {
        if (strcmp(r->served.streams[i].name, name) == 0)
            return &r->served.streams[i];
    }
    return NULL;
}
