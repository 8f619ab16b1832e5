/* The writer's page cache: large while much is applied at once, since each page is then met again soon; small at rest,
 * as the system keeps the file's pages as well. */
#include "store/write/write.h"

#define BATCH_EVENTS_LARGE 1000
/* In KiB, as SQLite takes it. The larger one holds the index of a million entities. */
#define PAGES_MANY "PRAGMA cache_size = -65536"
#define PAGES_FEW "PRAGMA cache_size = -8192"

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
