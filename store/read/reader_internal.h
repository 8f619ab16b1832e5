/* A reader, as store_reader.c and store_query.c share it. */
#ifndef STATEGATE_STORE_READ_READER_INTERNAL_H
#define STATEGATE_STORE_READ_READER_INTERNAL_H

#include "store/write/write.h"

struct store_reader {
    struct store_connection c;
    struct commit_clock *shared; /* borrowed; NULL = none */
    bool in_transaction;
    sqlite3_stmt *active; /* whose row was handed out last, in `c`; NULL = none */
    struct cached_row *held; /* the same from the cache */
    /* Of the snapshot; stays good for the next one if nothing was committed between them. */
    uint64_t snapshot; /* counts them */
    uint64_t quiet;    /* what the shared clock showed from before it was taken until after; 0 = not quiet */
    bool loaded;       /* `served` is of a transaction that showed data_version */
    unsigned data_version;
    struct store_served served; /* owned */
    bool rejected_any_known;
    bool rejected_any; /* the table has a row at all */
    /* Good for as long as the generation stands still. */
    int64_t generation;
    struct collection_names collections; /* by name alone: stream and build are 0 */
    struct row_cache_key expected;       /* only a hint: its id may be gone */
    bool expecting;
};

/* A statement to step, whose row may be handed out: it is reset by the next call of this, or of store_read_release. */
sqlite3_stmt *store_read_statement(struct store_reader *r, enum store_sql which);
void store_read_release(struct store_reader *r);

#endif
