/* When the WAL is written back, and room on the disk.
 *
 * bytes_max bounds the database file, by SQLite's own max_page_count. Beside it the WAL takes up to a quarter of
 * bytes_max (but 64 to 10,000 pages) before it is written back, and STORE_WAL_FACTOR times that while readers hold it;
 * beyond twice the latter, under a bytes_max, batches are refused until readers let go.
 *
 * A checkpoint waits for the disk: 60 ms were seen, in which nothing is committed. So, with a syncer and while little
 * is applied, the WAL is written back in steps between batches, and the disk is waited for in another thread. If so
 * much comes that the steps are too slow, an ordinary checkpoint costs less, and nobody waits for a single commit.
 *
 *   rest ──so many new frames──> pin, sync the WAL ──> write the seal, sync the file ──> checkpoint up to the pin, in
 *    ^                                                                            parts; unpin, sync the file
 *    └──────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * The pin is a read transaction of a second connection: it keeps the checkpoint from going beyond the frames that were
 * synced. A WAL that is all written back would begin anew with the next commit, which would wait for two syncs: it is
 * kept from it until a quiet moment, or the bound. There steps follow one another until few frames are new; then an
 * ordinary checkpoint has little left to write and to sync. */
#include "core/base/time.h"
#include "store/write/transaction.h"

/* When it is written back: so many new frames. */
static int due_pages(const struct store_writer *w)
{
    bool few = w->pages != STORE_PAGES_MANY && w->checkpoint_pages > STORE_CHECKPOINT_PAGES_FEW;
    return few ? STORE_CHECKPOINT_PAGES_FEW : w->checkpoint_pages;
}

/* Is it at least `more` beyond that? In steps, what was written back counts no more, until the WAL itself is too
 * long. */
static bool is_due(const struct store_writer *w, int more)
{
    int fresh = w->back.on ? w->wal_pages - w->back.written : w->wal_pages;
    return w->wal_pages >= w->checkpoint_next &&
           (fresh >= due_pages(w) + more || w->wal_pages >= w->checkpoint_pages + more);
}

static int on_wal_commit(void *context, sqlite3 *db, const char *schema, int wal_pages)
{
    struct store_writer *w = context;
    (void)db;
    (void)schema;
    if (wal_pages < w->wal_pages) { /* the WAL was begun again */
        w->checkpoint_next = 0;
        w->swept_next = STORE_SWEEP_WAL_PAGES;
        w->back.written = w->back.pinned = 0;
        w->back.restart_next = STORE_BACK_RESTART_PAGES;
        commit_clock_want_restart(w->shared, false);
        order_keep_wal(w->checked, w->back.on);
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
    w->back.restart_next = STORE_BACK_RESTART_PAGES;
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

/* ---- failures ---- */

/* That a reader is in the way is none. */
static void note(struct store_writer *w, int rc)
{
    bool in_the_way = (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED;
    if (in_the_way)
        return;
    w->back.failing = rc != SQLITE_OK;
    w->back.failures += w->back.failing;
}

uint64_t store_write_back_failures(const struct store_writer *w, bool *failing)
{
    *failing = w->back.failing;
    return w->back.failures;
}

/* ---- in steps ---- */

static bool pin(struct store_writer *w)
{
    /* Its first read takes the snapshot. */
    return sqlite3_exec(w->back.pin.db, "BEGIN; SELECT clean FROM meta", NULL, NULL, NULL) == SQLITE_OK;
}

static void unpin(struct store_writer *w)
{
    if (!sqlite3_get_autocommit(w->back.pin.db))
        (void)sqlite3_exec(w->back.pin.db, "ROLLBACK", NULL, NULL, NULL);
}

static void back_rest(struct store_writer *w)
{
    unpin(w);
    w->back.step = BACK_RESTS;
}

/* A part of the checkpoint up to the pin. It waits for nothing. */
static void back_pages(struct store_writer *w)
{
    int written = 0;
    order_defer_begin(w->checked, w->c.db, w->back.part);
    int rc = sqlite3_wal_checkpoint_v2(w->c.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, &written);
    order_defer_end(w->checked);
    if ((rc & 0xff) == SQLITE_INTERRUPT) {
        w->back.step = BACK_WRITES;
        return;
    }
    unpin(w);
    w->back.unwritten = rc != SQLITE_OK;
    if (w->back.unwritten || !order_is_owed(w->checked)) /* else the sync decides */
        note(w, rc);
    if ((rc & 0xff) == SQLITE_CORRUPT)
        (void)!store_fail(&w->c, rc, "write the log back", NULL);
    if (rc == SQLITE_OK && written >= 0)
        w->back.written = written;
    if (!order_is_owed(w->checked)) {
        w->back.step = BACK_RESTS;
        return;
    }
    w->back.step = BACK_PAGES;
    syncer_begin(w->syncer, ORDER_DATABASE);
}

/* A sync has ended. What could not be synced is tried again with the next frames, and the bound holds in any case. */
static void back_step(struct store_writer *w, bool good)
{
    if (!good || (w->back.step == BACK_PAGES && !w->back.unwritten))
        note(w, good ? SQLITE_OK : SQLITE_IOERR_FSYNC);
    switch (w->back.step) {
    case BACK_RESTS:
    case BACK_WRITES:
        return;
    case BACK_LOG:
        if (!good || order_announce(w->checked, (uint32_t)w->back.pinned) != SQLITE_OK) {
            back_rest(w);
            return;
        }
        w->back.step = BACK_SEAL;
        syncer_begin(w->syncer, ORDER_DATABASE);
        return;
    case BACK_SEAL:
        if (good)
            order_announced(w->checked);
        if (good)
            back_pages(w);
        else
            back_rest(w);
        return;
    case BACK_PAGES:
        if (good) {
            order_paid(w->checked);
        } else {
            order_lost(w->checked);
            w->back.written = 0;
        }
        back_rest(w);
        return;
    }
}

static void back_begin(struct store_writer *w)
{
    w->back.next = w->wal_pages + w->back.slice; /* should this fail */
    w->back.begun_ns = w->back.seen_ns = time_boot_ns(); /* whatever comes of it, no moment is quiet for a while */
    if (!pin(w))
        return;
    w->back.pinned = w->wal_pages;
    w->back.step = BACK_LOG;
    syncer_begin(w->syncer, ORDER_WAL);
}

/* Before an ordinary checkpoint. */
static void back_cancel(struct store_writer *w)
{
    if (w->back.step == BACK_RESTS)
        return;
    bool good = w->back.step == BACK_WRITES || syncer_wait(w->syncer);
    if (w->back.step == BACK_SEAL && good)
        order_announced(w->checked);
    if (w->back.step == BACK_PAGES)
        back_step(w, good);
    back_rest(w);
}

/* Write the WAL back into the database. Waits for readers only when the WAL has grown far. */
static void checkpoint(struct store_writer *w)
{
    int written = 0;
    bool restart_it = w->wal_pages > STORE_WAL_FACTOR * w->checkpoint_pages;
    back_cancel(w);
    w->back.begun_ns = time_boot_ns(); /* in a flood there is one after another of these, and nothing in steps */
    order_keep_wal(w->checked, false); /* the next commit may begin it anew */
    if (restart_it)
        (void)sqlite3_busy_timeout(w->c.db, STORE_RESTART_TIMEOUT_MS);
    int rc = sqlite3_wal_checkpoint_v2(w->c.db, NULL,
                                       restart_it ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, NULL,
                                       &written);
    if (restart_it)
        (void)sqlite3_busy_timeout(w->c.db, STORE_BUSY_TIMEOUT_MS);
    note(w, rc);
    if (restart_it)
        commit_clock_want_restart(w->shared, (rc & 0xff) == SQLITE_BUSY);
    if ((rc & 0xff) == SQLITE_CORRUPT)
        (void)!store_fail(&w->c, rc, "write the log back", NULL);
    if (rc == SQLITE_OK && written >= 0)
        w->back.written = written;
    if (restart_it && rc == SQLITE_OK) {
        w->wal_pages = 0;
        w->checkpoint_next = 0;
        w->swept_next = STORE_SWEEP_WAL_PAGES;
        w->back.written = w->back.pinned = 0;
    } else {
        /* The commit before it holds, whatever came of this. If a reader is in the way, not at once again. */
        w->checkpoint_next = w->wal_pages + due_pages(w) / 8 + 1;
    }
}

static bool is_quiet(struct store_writer *w)
{
    int64_t now_ns = time_boot_ns();
    if (w->wal_pages != w->back.seen) {
        w->back.seen = w->wal_pages;
        w->back.seen_ns = now_ns;
    }
    return now_ns - w->back.seen_ns >= STORE_BACK_QUIET_NS;
}

static enum sg_status set_clean(struct store_writer *w, int clean)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_META_SET_CLEAN);
    return store_run(&w->c, s, sqlite3_bind_int(s, 1, clean), "begin the log anew", NULL);
}

/* A commit that changes nothing: the WAL begins with it anew, as all of it is written back. SQLite does not write what
 * is as it was, so it is changed and changed back. */
static void restart(struct store_writer *w)
{
    w->back.restart_next = w->wal_pages + STORE_BACK_PAGES; /* should a reader be in the way */
    w->back.seen_ns = time_boot_ns();
    enum sg_status status = store_begin(w, NULL);
    if (status != SG_OK)
        return;
    w->changes = SERVED_NOTHING;
    order_keep_wal(w->checked, false);
    status = set_clean(w, 1);
    if (status == SG_OK)
        status = set_clean(w, 0);
    (void)!store_end(w, status, NULL);
    order_keep_wal(w->checked, true);
}

/* Is there enough that was not written back? */
static bool is_much(const struct store_writer *w)
{
    return w->wal_pages - w->back.written >= w->back.slice && w->wal_pages >= w->back.next &&
           time_boot_ns() - w->back.begun_ns >= w->back.pause_ns;
}

/* Begin, if it is worth it or a good moment. */
static void back_look(struct store_writer *w, bool quiet)
{
    int fresh = w->wal_pages - w->back.written;
    bool soon = quiet && w->wal_pages >= w->back.restart_next;
    if (is_much(w) || (soon && fresh > 0))
        back_begin(w);
    else if (soon)
        restart(w);
}

/* The WAL has come to its bound. Where the last step did not get as far as it wanted, another one would not either. */
static void back_bound(struct store_writer *w)
{
    bool few = w->wal_pages - w->back.written <= STORE_BACK_LAST_PAGES;
    bool stuck = w->back.written < w->back.pinned;
    if (few || stuck || w->pages == STORE_PAGES_MANY || is_due(w, w->back.slice))
        checkpoint(w);
    else
        back_begin(w);
}

void store_write_back(struct store_writer *w)
{
    bool good = false;
    if (!w->back.on)
        return;
    bool quiet = is_quiet(w);
    if (w->back.step != BACK_RESTS && !is_due(w, w->back.slice)) {
        if (w->back.step == BACK_WRITES)
            back_pages(w);
        else if (syncer_done(w->syncer, &good))
            back_step(w, good);
        if (w->back.step == BACK_RESTS && is_due(w, 0))
            back_bound(w);
    } else if (is_due(w, 0)) {
        back_bound(w);
    } else if (w->pages != STORE_PAGES_MANY) {
        back_look(w, quiet);
    }
}

bool store_write_back_wanted(const struct store_writer *w)
{
    bool rests = w->back.step == BACK_RESTS;
    return w->back.on && (is_due(w, rests ? 0 : w->back.slice) || (rests && is_much(w)));
}

int64_t store_write_back_at(const struct store_writer *w)
{
    if (w->back.on && w->back.step == BACK_WRITES)
        return 0; /* the next part, at once */
    bool waits = w->back.on && w->pages != STORE_PAGES_MANY && w->back.step == BACK_RESTS &&
                 w->wal_pages >= w->back.restart_next;
    return waits ? w->back.seen_ns + STORE_BACK_QUIET_NS : INT64_MAX;
}

enum sg_status store_write_back_start(struct store_writer *w, struct notifier *notifier, struct sg_error *err)
{
    enum sg_status status = store_connection_open(&w->back.pin, w->c.path, SQLITE_OPEN_READONLY, err);
    if (status != SG_OK)
        return status;
    /* Only the writer checkpoints, also when it is closed. */
    int rc = sqlite3_db_config(w->back.pin.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    status = rc == SQLITE_OK ? syncer_create(w->checked, notifier, &w->syncer, err)
                             : store_fail(&w->back.pin, rc, "configure the database connection", err);
    w->back.slice = w->checkpoint_pages / 4 < STORE_BACK_PAGES ? w->checkpoint_pages / 4 : STORE_BACK_PAGES;
    w->back.part = STORE_BACK_PART_PAGES;
    w->back.pause_ns = STORE_BACK_PAUSE_NS;
    w->back.on = status == SG_OK;
    order_keep_wal(w->checked, w->back.on);
    return status;
}

void store_write_back_stop(struct store_writer *w)
{
    if (w->back.on) {
        back_cancel(w);
        syncer_stop(w->syncer);
        order_keep_wal(w->checked, false);
    }
    w->back.on = false;
    store_connection_close(&w->back.pin);
}

/* ---- at once ---- */

void store_checkpoint_due(struct store_writer *w)
{
    if (is_due(w, 0))
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
