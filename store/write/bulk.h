/* New rows of a batch, inserted by one statement. */
#ifndef STATEGATE_STORE_WRITE_BULK_H
#define STATEGATE_STORE_WRITE_BULK_H

#include "store/cache/collection_names.h"
#include "store/write/fold.h"

/* The events of one id in a batch, and what they come to. */
struct store_group {
    struct collection_name *collection;
    struct slice id;
    size_t first, end; /* of the batch's sorted events */
    bool written;      /* the row is inserted as it stands here ... */
    int64_t number;    /* ... with this number; valid if written by store_bulk_insert */
    struct fold_row row;
};

/* What store_bulk_insert keeps between its calls; starts zeroed, is valid as long as the connection. */
struct store_bulk {
    sqlite3 *db; /* borrowed; NULL until the first call */
    /* Within a call. */
    struct store_group *groups; /* borrowed */
    size_t count;
    size_t at;
    bool deleted;  /* tombstones are inserted */
    int64_t rowid; /* the last one that was inserted */
    int64_t written;
};

/* Insert what the groups have come to, and mark what was `written`: not that whose id is stored already, alive or as a
 * tombstone. Groups are sorted by collection. The open transaction must be rolled back after a failure. */
SG_MUST_CHECK enum sg_status store_bulk_insert(struct store_connection *c, struct store_bulk *b,
                                               struct store_group *groups, size_t groups_count, struct sg_error *err);

#endif
