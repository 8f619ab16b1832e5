/* A reader, as the rooms of this folder share it. */
#ifndef STATEGATE_STORE_READ_READER_INTERNAL_H
#define STATEGATE_STORE_READ_READER_INTERNAL_H

#include "store/cache/commit_clock.h"
#include "store/cache/served_names.h"
#include "store/read/query_functions.h"
#include "store/sqlite/connection.h"
#include "store/reader.h"

struct store_reader {
    struct store_connection c;
    struct commit_clock *shared; /* borrowed; NULL = none */
    bool in_transaction;
    sqlite3_stmt *active; /* whose row was handed out last, in `c`; NULL = none */
    struct cached_row *held; /* the same from the cache */
    store_read_stop *stop;   /* NULL = none */
    void *stop_context;
    /* Of the snapshot; stays good for the next one if nothing was committed between them. */
    uint64_t snapshot; /* counts them */
    uint64_t stable;    /* what the shared clock showed from before it was taken until after; 0 = not stable */
    bool loaded;       /* `served` is of a transaction that showed data_version */
    unsigned data_version;
    struct store_served served; /* owned */
    bool rejected_any_known;
    bool rejected_any; /* an event is recorded, or kept with its entity */
    bool tombstones_any_known;
    bool tombstones_any; /* likewise */
    bool entity_gaps_any_known;
    bool entity_gaps_any; /* likewise */
    struct served_names names; /* counts where the build is served: store_read_known */
    struct row_cache_key expected;       /* only a hint: its id may be gone */
    bool expecting;
    struct reader_queries *queries; /* owned; NULL until the first one */
    struct query_functions functions;
};

/* Define the functions of queries, and see to it that they only read what they should; a result code of SQLite. Before
 * anything is prepared that is used later on. */
SG_MUST_CHECK int store_reader_guard(struct store_reader *r);
/* Free what queries keep. */
void store_queries_close(struct store_reader *r);

/* A statement to step, whose row may be handed out: it is reset by the next call of this, or of store_read_release. */
sqlite3_stmt *store_read_statement(struct store_reader *r, enum store_sql which);
void store_read_release(struct store_reader *r);

/* The row of a collection in the snapshot, if it is known; 0 = not. */
int64_t store_read_known(const struct store_reader *r, struct slice name);
/* The row of a collection; SG_NOT_FOUND: no served collection has this name. */
SG_MUST_CHECK enum sg_status store_read_resolve(struct store_reader *r, struct slice name, int64_t *id,
                                                struct sg_error *err);
/* Like store_step, for the end of the rows of a list. */
static inline enum sg_status list_end(enum sg_status status)
{
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* As store_column_slice, with one access to the column instead of two. A reader has one thread, so the value needs no
 * lock. */
static inline struct slice store_read_text(sqlite3_stmt *s, int index)
{
    sqlite3_value *value = sqlite3_column_value(s, index);
    const void *data = sqlite3_value_blob(value);
    return (struct slice){data, (size_t)sqlite3_value_bytes(value)};
}

/* The columns that STORE_ENTITY_VALUES marks READ, then one more: the number of the entity. */
#define READ_INDEX_READ(name) READ_##name,
#define READ_INDEX_KEPT(name)
#define READ_INDEX(parameter, name, kind, reading) READ_INDEX_##reading(name)
enum { STORE_ENTITY_VALUES(READ_INDEX, ) READ_EXTRA };
void store_read_entity_row(sqlite3_stmt *s, struct entity *out);

#endif
