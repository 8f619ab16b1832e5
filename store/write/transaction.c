#include "store/write/transaction.h"

#include "store/sqlite/stream_rows.h"

#define BATCH_EVENTS_LARGE 1000
/* In KiB, as SQLite takes it. The larger one holds the index of a million entities. */
#define PAGES_MANY "PRAGMA cache_size = -65536"
#define PAGES_FEW "PRAGMA cache_size = -8192"

enum sg_status store_begin(struct store_writer *w, struct sg_error *err)
{
    w->changes = SERVED_ANYTHING;
    enum sg_status status = store_run_plain(&w->c, SQL_BEGIN_WRITE, "begin a transaction", err);
    if (status != SG_OK || !w->session_owed)
        return status;
    sqlite3_stmt *s = store_statement(&w->c, SQL_META_SET_CLEAN);
    status = store_run(&w->c, s, sqlite3_bind_int(s, 1, 0), "open the database", err);
    if (status != SG_OK)
        store_rollback(w);
    return status;
}

/* Read before the commit, so that nothing can fail after it. */
static enum sg_status served_prepare(struct store_writer *w, struct sg_error *err)
{
    if (w->shared == NULL || w->changes != SERVED_ANYTHING)
        return SG_OK;
    enum sg_status status = store_served_load(&w->c, &w->served, err);
    return status == SG_OK ? commit_clock_reserve(w->shared, w->served.count, err) : status;
}

static void served_publish(struct store_writer *w)
{
    if (w->changes == SERVED_ANYTHING)
        commit_clock_publish(w->shared, &w->served);
    else if (w->changes == SERVED_POSITION)
        commit_clock_publish_position(w->shared, w->moved_stream, w->moved_position, w->moved_settled);
}

enum sg_status store_commit(struct store_writer *w, struct sg_error *err)
{
    enum sg_status status = served_prepare(w, err);
    commit_clock_begin(w->shared);
    if (status == SG_OK)
        status = store_run_plain(&w->c, SQL_COMMIT, "commit", err);
    if (status != SG_OK) {
        store_rollback(w);
        commit_clock_end(w->shared);
        return status;
    }
    w->session_owed = false;
    served_publish(w);
    commit_clock_end(w->shared);
    if (!w->back.on)
        store_checkpoint_due(w); /* else between two batches: store_write_back */
    return SG_OK;
}

enum sg_status store_session_defer(struct store_writer *w, struct sg_error *err)
{
    w->changes = SERVED_ANYTHING;
    enum sg_status status = served_prepare(w, err);
    if (status != SG_OK)
        return status;
    commit_clock_begin(w->shared);
    served_publish(w);
    commit_clock_end(w->shared);
    w->session_deferred = w->session_owed = true;
    return SG_OK;
}

void store_streams_changed(struct store_writer *w)
{
    w->changes = SERVED_ANYTHING;
    for (size_t i = 0; i < STORE_BUILDS_KNOWN; i++)
        w->builds[i].stream = 0;
}

void store_written_changed(struct store_writer *w)
{
    w->collections_count = -1;
    w->rejected_count = -1;
    w->rejections_kept = REJECTIONS_KEPT_UNKNOWN;
}

void store_abandon(struct store_writer *w)
{
    /* Half-read statements would keep the transaction open. */
    for (size_t i = 0; i < SQL_STATEMENTS_COUNT; i++) {
        if (w->c.statements[i] != NULL)
            (void)sqlite3_reset(w->c.statements[i]);
    }
    /* After some failures SQLite has rolled back by itself. */
    if (!sqlite3_get_autocommit(w->c.db))
        (void)sqlite3_exec(w->c.db, "ROLLBACK", NULL, NULL, NULL);
}

void store_rollback(struct store_writer *w)
{
    store_abandon(w);
    /* All that is known may be of what was written. */
    w->fields.stale = w->fields.work = true;
    w->fields.settled = false;
    collection_names_clear(&w->collections);
    store_written_changed(w);
    store_streams_changed(w);
}

enum sg_status store_end(struct store_writer *w, enum sg_status status, struct sg_error *err)
{
    if (status == SG_OK)
        return store_commit(w, err);
    store_rollback(w);
    return status;
}

/* ---- the page cache: large while much is applied at once, since each page is then met again soon; small at rest, as
 * the system keeps the file's pages as well ---- */

static void pages_set(struct store_writer *w, enum store_pages pages)
{
    if (w->pages == pages)
        return;
    /* If memory is short it stays as it was, which is only slower or larger. */
    if (store_exec(&w->c, pages == STORE_PAGES_MANY ? PAGES_MANY : PAGES_FEW, "set the page cache", NULL) == SG_OK)
        w->pages = pages;
}

void store_pages_for(struct store_writer *w, size_t events_count)
{
    if (events_count >= BATCH_EVENTS_LARGE)
        pages_set(w, STORE_PAGES_MANY);
    else if (w->pages == STORE_PAGES_UNSET)
        pages_set(w, STORE_PAGES_FEW);
}

void store_trim(struct store_writer *w)
{
    pages_set(w, STORE_PAGES_FEW);
    store_checkpoint_due(w); /* of what came last, no commit may follow */
    (void)sqlite3_db_release_memory(w->c.db);
}
