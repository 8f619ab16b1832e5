/* The writer's page cache: large while much is applied at once, since each page is then met again soon; small at rest,
 * as the system keeps the file's pages as well. */
#include "store/write/write.h"

#define BATCH_EVENTS_LARGE 1000
/* In KiB, as SQLite takes it. The larger one holds the index of a million entities. */
#define PAGES_MANY "PRAGMA cache_size = -65536"
#define PAGES_FEW "PRAGMA cache_size = -8192"

static void pages_set(struct model_writer *w, enum model_pages pages)
{
    if (w->pages == pages)
        return;
    /* If memory is short it stays as it was, which is only slower or larger. */
    if (model_exec(&w->c, pages == MODEL_PAGES_MANY ? PAGES_MANY : PAGES_FEW, "set the page cache", NULL) == SG_OK)
        w->pages = pages;
}

void model_pages_for(struct model_writer *w, size_t events_count)
{
    if (events_count >= BATCH_EVENTS_LARGE)
        pages_set(w, MODEL_PAGES_MANY);
    else if (w->pages == MODEL_PAGES_UNSET)
        pages_set(w, MODEL_PAGES_FEW);
}

void model_rest(struct model_writer *w)
{
    pages_set(w, MODEL_PAGES_FEW);
    model_checkpoint_due(w); /* of what came last, no commit may follow */
    (void)sqlite3_db_release_memory(w->c.db);
}
