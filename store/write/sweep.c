/* Sweeping away what builds of the past have left: a row at a time, until the sweep's budget is used up. */
#include "core/base/time.h"
#include "store/tables/collections.h"
#include "store/tables/entities.h"
#include "store/write/fields.h"

/* What one sweep may still do. A row may have one page or thousands, so the time is looked at after each. */
struct budget {
    size_t rows;
    int64_t until_ns;
};

static void budget_take(struct budget *budget)
{
    budget->rows = time_boot_ns() < budget->until_ns ? budget->rows - 1 : 0;
}

/* Run a statement that deletes one row, until none is left or the budget is used up. */
static enum sg_status delete_rows(struct store_writer *w, sqlite3_stmt *s, int bound, struct budget *budget,
                                  struct sg_error *err)
{
    enum sg_status status = SG_OK;
    while (status == SG_OK && budget->rows > 0) {
        status = store_run(&w->c, s, bound, "sweep", err);
        if (status != SG_OK || sqlite3_changes(w->c.db) == 0)
            return status;
        budget_take(budget);
    }
    return status;
}

/* Tables of declared fields that were given up. */
static enum sg_status sweep_fields(struct store_writer *w, struct budget *budget, struct sg_error *err)
{
    struct store_field_sweep sweep;
    enum sg_status status = SG_OK;
    while (status == SG_OK && budget->rows > 0) {
        status = store_field_sweep_begin(&w->c, &sweep, err);
        if (status == SG_OK)
            status = delete_rows(w, sweep.delete_row, SQLITE_OK, budget, err);
        enum sg_status end = store_field_sweep_end(&w->c, &sweep, status == SG_OK && budget->rows > 0, err);
        status = status == SG_OK ? end : status;
    }
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* Entities and tombstones of one stale collection, then its row. Its fields are given up, and swept afterwards. */
static enum sg_status sweep_collection(struct store_writer *w, int64_t id, struct budget *budget, struct sg_error *err)
{
    bool done = false;
    store_fields_close(w, id);
    enum sg_status status = store_field_sets_give_up(&w->c, id, err);
    while (status == SG_OK && budget->rows > 0 && !done) {
        status = store_entities_sweep(&w->c, id, &done, err);
        if (!done)
            budget_take(budget);
    }
    if (status != SG_OK || !done)
        return status;
    status = store_collections_delete(&w->c, id, err);
    budget_take(budget);
    return status;
}

enum sg_status store_sweep(struct store_writer *w, size_t rows_max, bool *more, struct sg_error *err)
{
    struct budget budget = {.rows = rows_max, .until_ns = time_boot_ns() + STORE_SWEEP_NS};
    int64_t id = 0;
    if (rows_max == 0)
        return sg_fail(err, SG_INVALID, "a sweep takes at least one row");
    if (store_checkpoint_swept(w)) {
        *more = true; /* that was enough for one call */
        return SG_OK;
    }
    enum sg_status status = store_begin(w, err);
    if (status != SG_OK)
        return status;
    w->changes = SERVED_NOTHING;
    status = delete_rows(w, store_statement(&w->c, SQL_REJECTED_STALE_DELETE), SQLITE_OK, &budget, err);
    while (status == SG_OK && budget.rows > 0) {
        status = store_collections_stale(&w->c, &w->collections, &id, err);
        if (status == SG_OK)
            status = sweep_collection(w, id, &budget, err);
    }
    if (status == SG_NOT_FOUND)
        status = sweep_fields(w, &budget, err);
    status = store_end(w, status, err);
    if (status == SG_OK)
        *more = budget.rows == 0; /* else nothing was left */
    return status;
}
