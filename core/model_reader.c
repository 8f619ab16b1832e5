/* A reader's connection and its read transaction: what an answer shows, all from one snapshot. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/model_reader.h"

#define WHAT "read the database"

static enum sg_status check_schema(struct model_reader *r, struct sg_error *err)
{
    int64_t application = 0;
    int64_t version = 0;
    enum sg_status status = model_query_int(&r->c, "PRAGMA application_id", &application, err);
    if (status == SG_OK)
        status = model_query_int(&r->c, "PRAGMA user_version", &version, err);
    if (status != SG_OK)
        return status;
    if (application != MODEL_APPLICATION_ID || version != MODEL_SCHEMA_VERSION)
        return sg_fail(err, SG_INVALID, "%s is no database of schema version %d", r->c.path, MODEL_SCHEMA_VERSION);
    return SG_OK;
}

static enum sg_status configure(struct model_connection *c, int64_t cache_bytes, struct sg_error *err)
{
    char pragmas[96];
    if (cache_bytes < MODEL_READER_CACHE_BYTES_MIN)
        cache_bytes = MODEL_READER_CACHE_BYTES_MIN;
    if (cache_bytes / 1024 > INT32_MAX)
        cache_bytes = INT64_C(1024) * INT32_MAX;
    /* A negative size is in KiB. */
    (void)snprintf(pragmas, sizeof pragmas, "PRAGMA query_only = ON; PRAGMA cache_size = -%lld",
                   (long long)(cache_bytes / 1024));
    return model_exec(c, pragmas, "configure the database connection", err);
}

enum sg_status model_reader_open(const char *path, int64_t cache_bytes, struct model_reader **out, struct sg_error *err)
{
    struct model_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    enum sg_status status = model_connection_open(&r->c, path, SQLITE_OPEN_READONLY, err);
    if (status == SG_OK) {
        /* Or the last reader to close would checkpoint. */
        int rc = sqlite3_db_config(r->c.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        if (rc != SQLITE_OK)
            status = model_fail(&r->c, rc, "configure the database connection", err);
    }
    if (status == SG_OK)
        status = configure(&r->c, cache_bytes, err);
    if (status == SG_OK)
        status = check_schema(r, err);
    if (status == SG_OK)
        status = model_prepare(&r->c, SQL_READER_FIRST, SQL_READER_LAST, err);
    if (status != SG_OK) {
        model_reader_close(r);
        return status;
    }
    *out = r;
    return SG_OK;
}

void model_reader_close(struct model_reader *r)
{
    if (r == NULL)
        return;
    model_read_end(r);
    model_connection_close(&r->c);
    model_known_free(&r->collections);
    free(r->streams);
    free(r);
}

static enum sg_status streams_reserve(struct model_reader *r, struct sg_error *err)
{
    if (r->streams_count < r->streams_capacity)
        return SG_OK;
    size_t capacity = r->streams_capacity == 0 ? 4 : r->streams_capacity * 2;
    struct model_stream *grown = reallocarray(r->streams, capacity, sizeof *grown);
    if (grown == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    r->streams = grown;
    r->streams_capacity = capacity;
    return SG_OK;
}

static enum sg_status streams_load(struct model_reader *r, struct sg_error *err)
{
    sqlite3_stmt *s = model_statement(&r->c, SQL_READ_STREAMS);
    enum sg_status status = model_step(&r->c, s, SQLITE_OK, WHAT, err);
    r->streams_count = 0;
    while (status == SG_OK) {
        status = streams_reserve(r, err);
        if (status == SG_OK)
            status = model_stream_from_row(&r->c, s, &r->streams[r->streams_count], err);
        if (status != SG_OK)
            break;
        r->streams_count++;
        status = model_step(&r->c, s, SQLITE_OK, WHAT, err);
    }
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* This statement is what takes the snapshot: BEGIN alone does not. */
static enum sg_status generation_load(struct model_reader *r, int64_t *generation, struct sg_error *err)
{
    sqlite3_stmt *s = model_statement(&r->c, SQL_READ_GENERATION);
    enum sg_status status = model_step(&r->c, s, SQLITE_OK, WHAT, err);
    if (status == SG_OK)
        *generation = sqlite3_column_int64(s, 0);
    else if (status == SG_NOT_FOUND)
        status = model_fail(&r->c, SQLITE_CORRUPT, WHAT, err);
    (void)sqlite3_reset(s);
    return status;
}

static enum sg_status snapshot_load(struct model_reader *r, struct sg_error *err)
{
    unsigned data_version = 0;
    int64_t generation = 0;
    enum sg_status status = generation_load(r, &generation, err);
    if (status != SG_OK)
        return status;
    /* Counts the snapshots of this connection that differed from the one before: SQLite dropped its cache for it. */
    int rc = sqlite3_file_control(r->c.db, NULL, SQLITE_FCNTL_DATA_VERSION, &data_version);
    if (rc != SQLITE_OK)
        return model_fail(&r->c, rc, WHAT, err);
    if (r->loaded && r->data_version == data_version)
        return SG_OK;
    r->loaded = false;
    status = streams_load(r, err);
    if (status != SG_OK)
        return status;
    if (r->generation != generation)
        model_known_clear(&r->collections);
    r->generation = generation;
    r->data_version = data_version;
    r->rejected_any_known = false;
    r->loaded = true;
    return SG_OK;
}

enum sg_status model_read_begin(struct model_reader *r, struct sg_error *err)
{
    if (r->in_transaction)
        return SG_OK;
    enum sg_status status = model_run_plain(&r->c, SQL_BEGIN_READ, WHAT, err);
    if (status != SG_OK)
        return status;
    r->in_transaction = true;
    status = snapshot_load(r, err);
    if (status != SG_OK)
        model_read_end(r);
    return status;
}

sqlite3_stmt *model_read_statement(struct model_reader *r, enum model_sql which)
{
    assert(r->in_transaction);
    model_read_release(r);
    r->active = model_statement(&r->c, which);
    return r->active;
}

void model_read_release(struct model_reader *r)
{
    if (r->active != NULL)
        (void)sqlite3_reset(r->active);
    r->active = NULL;
}

void model_read_end(struct model_reader *r)
{
    if (!r->in_transaction)
        return;
    model_read_release(r);
    /* A read transaction has nothing to lose: if COMMIT fails, ROLLBACK ends it as well. */
    if (model_run_plain(&r->c, SQL_COMMIT, WHAT, NULL) != SG_OK && !sqlite3_get_autocommit(r->c.db))
        (void)sqlite3_exec(r->c.db, "ROLLBACK", NULL, NULL, NULL);
    r->in_transaction = false;
}

const struct model_stream *model_read_streams(struct model_reader *r, size_t *count)
{
    assert(r->in_transaction);
    *count = r->streams_count;
    return r->streams;
}

const struct model_stream *model_read_stream(struct model_reader *r, const char *name)
{
    assert(r->in_transaction);
    for (size_t i = 0; i < r->streams_count; i++) {
        if (strcmp(r->streams[i].name, name) == 0)
            return &r->streams[i];
    }
    return NULL;
}
