/* Rows in memory, for reads by id: what was read lately, as far as a number of bytes goes; and for far more of them
 * where they are in the database. Correctness does not come from here but from store/cache/commit_clock.h, which
 * decides whether a find counts and whether a fill is kept. */
#ifndef STATEGATE_STORE_CACHE_ROWS_H
#define STATEGATE_STORE_CACHE_ROWS_H

#include <stdatomic.h>

#include "core/base/status.h"
#include "core/domain/entity.h"

/* A row larger than this part of its shard is not kept: it would drive out hundreds of others. */
#define ROW_CACHE_ROW_PARTS 8
#define ROW_CACHE_SHARD_BYTES_MIN (1 << 20) /* fewer shards in a small cache, so that rows of usual size fit */
#define ROW_CACHE_SHARDS_MAX 64             /* a lock each: far more than loops that meet */
#define ROW_CACHE_HINTS_PART 4              /* of the bytes go to places, 8 bytes each: 20 or so for a usual row */
#define ROW_CACHE_ADMIT_ONE_OF 4            /* rows read, once a shard is full: what is read again soon gets in */
#define ROW_CACHE_FREE_PARTS 4              /* with one such part free a shard is not full: some gaps stay */

struct row_cache;

/* Which row: the number of its collection's row (schema.sql: of one build of one stream), and its id. */
struct row_cache_key {
    int64_t collection;
    struct slice id;
    uint64_t hash;
};
struct row_cache_key row_cache_key(const struct row_cache *cache, int64_t collection, struct slice id);

/* Up to `bytes` with all that belongs to it, taken as it is needed. All below: any thread. */
SG_MUST_CHECK enum sg_status row_cache_create(int64_t bytes, struct row_cache **out, struct sg_error *err);
/* No row is held any more. NULL is allowed. */
void row_cache_destroy(struct row_cache *cache);

/* Hints: the calls below will look at memory, which is fetched; first where the row is, and a little later the row. */
void row_cache_prefetch(const struct row_cache *cache, const struct row_cache_key *key);
void row_cache_prefetch_row(const struct row_cache *cache, const struct row_cache_key *key);

/* The row, until cached_row_release; NULL = not here. The slices of `out` live as long. */
struct cached_row *row_cache_find(struct row_cache *cache, const struct row_cache_key *key, struct entity *out);

/* Keep a copy of a row that was read when the clock showed `then`, unless it shows anything else by now. Of a full
 * cache only some are kept, and only where room is found soon. */
void row_cache_fill(struct row_cache *cache, const struct row_cache_key *key, const struct entity *entity,
                    const atomic_uint_fast64_t *clock, uint64_t then);

/* The number of the row in the database, as a guess that is to be checked there; 0 = none.
 * And what to guess from now on. */
int64_t row_cache_hint(const struct row_cache *cache, const struct row_cache_key *key);
void row_cache_hint_set(struct row_cache *cache, const struct row_cache_key *key, int64_t number);

/* The row is about to change. The clock must show that already: no fill can follow then. */
void row_cache_forget(struct row_cache *cache, int64_t collection, struct slice id);

struct row_cache_facts {
    uint64_t bytes; /* that were taken, with all overhead; they stay taken */
    uint64_t rows;
    uint64_t hits;
    uint64_t misses;
};
void row_cache_facts(struct row_cache *cache, struct row_cache_facts *out);

#endif
