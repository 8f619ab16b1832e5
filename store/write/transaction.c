/* The writer's transactions, checkpoints and room on the disk.
 *
 * bytes_max bounds the database file, by SQLite's own max_page_count. Beside it the WAL takes up to a quarter of
 * bytes_max (but 64 to 10,000 pages) before it is written back, and STORE_WAL_FACTOR times that while readers hold it;
 * beyond twice the latter, under a bytes_max, batches are refused until readers let go. */
#include "store/write/transaction.h"

#include "store/sqlite/stream_rows.h"

#define BATCH_EVENTS_LARGE 1000
/* In KiB, as SQLite takes it. The larger one holds the index of a million entities. */
#define PAGES_MANY "PRAGMA cache_size = -65536"
#define PAGES_FEW "PRAGMA cache_size = -8192"

/* When it is written back. */
static int due_pages(const struct store_writer *w)
{
    bool few = w->pages != STORE_PAGES_MANY && w->checkpoint_pages > STORE_CHECKPOINT_PAGES_FEW;
    return few ? STORE_CHECKPOINT_PAGES_FEW : w->checkpoint_pages;
}

static int on_wal_commit(void *context, sqlite3 *db, const char *schema, int wal_pages)
{
    struct store_writer *w = context;
    (void)db;
    (void)schema;
    if (wal_pages < w->wal_pages) { /* the WAL was begun again */
        w->checkpoint_next = 0;
        w->swept_next = STORE_SWEEP_WAL_PAGES;
    }
    w->wal_pages = wal_pages;
    return SQLITE_OK;
}

enum sg_status store_checkpoint_setup(struct store_writer *w, struct sg_error *err)
{
    int64_t page_bytes = 0;
    char pragma[160];
    int64_t threshold = STORE_CHECKPOINT_PAGES;
    enum sg_status status = store_query_int(&w->c, "PRAGMA page_size", &page_bytes, err);
    if (status != SG_OK)
        return status;
    int64_t pages_max = w->c.bytes_max > 0 ? w->c.bytes_max / page_bytes : 0;
    if (pages_max > 0 && pages_max / 4 < threshold)
        threshold = pages_max / 4 < STORE_CHECKPOINT_PAGES_MIN ? STORE_CHECKPOINT_PAGES_MIN : pages_max / 4;
    w->checkpoint_pages = (int)threshold;
    w->swept_next = STORE_SWEEP_WAL_PAGES;
    (void)sqlite3_wal_hook(w->c.db, on_wal_commit, w);
    /* A WAL that readers made large shrinks again when it is begun anew. */
    (void)sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA journal_size_limit = %lld",
                           (sqlite3_int64)(2 * threshold * page_bytes));
    status = store_exec(&w->c, pragma, "configure the database connection", err);
    if (status == SG_OK && w->c.bytes_max > 0) {
        /* Never below what the file has: then only free pages are used, and everything else is refused. */
        (void)sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA max_page_count = %lld",
                               (sqlite3_int64)(pages_max > 0 ? pages_max : 1));
        status = store_exec(&w->c, pragma, "configure the database connection", err);
    }
    return status;
}

/* Write the WAL back into the database. Waits for readers only when the WAL has grown far. */
static void checkpoint(struct store_writer *w)
{
    bool restart = w->wal_pages > STORE_WAL_FACTOR * w->checkpoint_pages;
    if (restart)
        (void)sqlite3_busy_timeout(w->c.db, STORE_RESTART_TIMEOUT_MS);
    int rc = sqlite3_wal_checkpoint_v2(w->c.db, NULL,
                                       restart ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (restart)
        (void)sqlite3_busy_timeout(w->c.db, STORE_BUSY_TIMEOUT_MS);
    if ((rc & 0xff) == SQLITE_CORRUPT)
        (void)!store_fail(&w->c, rc, "write the log back", NULL);
    if (restart && rc == SQLITE_OK) {
        w->wal_pages = 0;
        w->checkpoint_next = 0;
        w->swept_next = STORE_SWEEP_WAL_PAGES;
    } else {
        /* The commit before it holds, whatever came of this. If a reader is in the way, not at once again. */
        w->checkpoint_next = w->wal_pages + due_pages(w) / 8 + 1;
    }
}

void store_checkpoint_due(struct store_writer *w)
{
    if (w->wal_pages >= due_pages(w) && w->wal_pages >= w->checkpoint_next)
        checkpoint(w);
}

bool store_checkpoint_swept(struct store_writer *w)
{
    if (w->wal_pages < w->swept_next)
        return false;
    checkpoint(w);
    w->swept_next = w->wal_pages + STORE_SWEEP_WAL_PAGES;
    return true;
}

enum sg_status store_room(struct store_writer *w, struct sg_error *err)
{
    int limit = 2 * STORE_WAL_FACTOR * w->checkpoint_pages;
    if (w->c.bytes_max == 0 || w->wal_pages <= limit)
        return SG_OK;
    checkpoint(w);
    if (w->wal_pages <= limit)
        return SG_OK;
    return sg_fail(err, SG_FULL, "the write-ahead log has grown to %d pages beside a database limited to %lld bytes, "
                   "and readers keep it from being written back", w->wal_pages, (long long)w->c.bytes_max);
}

enum sg_status store_begin(struct store_writer *w, struct sg_error *err)
{
    w->changes = SERVED_ANYTHING;
    return store_run_plain(&w->c, SQL_BEGIN_WRITE, "begin a transaction", err);
}

/* Read before the commit, so that nothing can fail after it. */
static enum sg_status served_prepare(struct store_writer *w, struct sg_error *err)
{
    if (w->shared == NULL || w->changes != SERVED_ANYTHING)
        return SG_OK;
    enum sg_status status = store_generation_load(&w->c, &w->served.generation, err);
    if (status == SG_OK)
        status = store_served_load(&w->c, &w->served, err);
    return status == SG_OK ? commit_clock_reserve(w->shared, w->served.count, err) : status;
}

static void served_publish(struct store_writer *w)
{
    if (w->changes == SERVED_ANYTHING)
        commit_clock_publish(w->shared, &w->served);
    else if (w->changes == SERVED_POSITION)
        commit_clock_publish_position(w->shared, w->moved_stream, w->moved_position);
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
    served_publish(w);
    commit_clock_end(w->shared);
    store_checkpoint_due(w);
    return SG_OK;
}

void store_forget(struct store_writer *w)
{
    collection_names_clear(&w->collections);
    w->collections_count = -1;
    w->rejected_count = -1;
}

void store_rollback(struct store_writer *w)
{
    /* Half-read statements would keep the transaction open. */
    for (size_t i = 0; i < SQL_STATEMENTS_COUNT; i++) {
        if (w->c.statements[i] != NULL)
            (void)sqlite3_reset(w->c.statements[i]);
    }
    /* After some failures SQLite has rolled back by itself. */
    if (!sqlite3_get_autocommit(w->c.db))
        (void)sqlite3_exec(w->c.db, "ROLLBACK", NULL, NULL, NULL);
    store_forget(w);
}

enum sg_status store_end(struct store_writer *w, enum sg_status status, struct sg_error *err)
{
    if (status == SG_OK)
        return store_commit(w, err);
    store_rollback(w);
    return status;
}

enum sg_status store_bump_generation(struct store_writer *w, struct sg_error *err)
{
    w->changes = SERVED_ANYTHING;
    return store_run_plain(&w->c, SQL_META_BUMP, "write the database", err);
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
