/* A reader, as model_reader.c and model_query.c share it. */
#ifndef STATEGATE_STORE_READ_READER_INTERNAL_H
#define STATEGATE_STORE_READ_READER_INTERNAL_H

#include "store/write/write.h"

struct model_reader {
    struct model_connection c;
    struct model_shared *shared; /* borrowed; NULL = none */
    bool in_transaction;
    sqlite3_stmt *active; /* whose row was handed out last, in `c`; NULL = none */
    struct model_cached *held; /* the same from the cache */
    /* Of the snapshot; stays good for the next one if nothing was committed between them. */
    uint64_t snapshot; /* counts them */
    uint64_t quiet;    /* what the shared clock showed from before it was taken until after; 0 = not quiet */
    bool loaded;       /* `served` is of a transaction that showed data_version */
    unsigned data_version;
    struct model_served served; /* owned */
    bool rejected_any_known;
    bool rejected_any; /* the table has a row at all */
    /* Good for as long as the generation stands still. */
    int64_t generation;
    struct model_known_table collections; /* by name alone: stream and build are 0 */
    struct model_cache_key expected; /* only a hint: its id may be gone */
    bool expecting;
};

/* A statement to step, whose row may be handed out: it is reset by the next call of this, or of model_read_release. */
sqlite3_stmt *model_read_statement(struct model_reader *r, enum model_sql which);
void model_read_release(struct model_reader *r);

#endif
