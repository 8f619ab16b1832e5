/* Rows in memory, for reads by id: what was read lately, as far as a number of bytes goes; and for far more of them
 * where they are in the database. Not what makes rows right: that is the clock of store/cache/commit_clock.h, by which a find
 * counts and a fill is taken or dropped. */
#ifndef STATEGATE_STORE_CACHE_ROWS_H
#define STATEGATE_STORE_CACHE_ROWS_H

#include <stdatomic.h>

#include "store/model.h"

/* A row larger than this part of its shard is not kept: it would drive out hundreds of others. */
#define MODEL_CACHE_ROW_PARTS 8
#define MODEL_CACHE_SHARD_BYTES_MIN (1 << 20) /* fewer shards in a small cache, so that rows of usual size fit */
#define MODEL_CACHE_SHARDS_MAX 64             /* a lock each: far more than loops that meet */
#define MODEL_CACHE_PLACES_PART 4             /* of the bytes go to places, 8 bytes each: 20 or so for a usual row */
#define MODEL_CACHE_ADMIT_ONE_OF 4            /* rows read, once a shard is full: what is read again soon gets in */
#define MODEL_CACHE_FREE_PARTS 4              /* with one such part free a shard is not full: some gaps stay */

struct model_cache;

/* Which row: of a collection's row and an id, while the generation (schema.sql) stands still. */
struct model_cache_key {
    int64_t collection;
    int64_t generation;
    struct slice id;
    uint64_t hash;
};
struct model_cache_key model_cache_key(const struct model_cache *cache, int64_t collection, int64_t generation,
                                       struct slice id);

/* Up to `bytes` with all that belongs to it, taken as it is needed. All below: any thread. */
SG_MUST_CHECK enum sg_status model_cache_create(int64_t bytes, struct model_cache **out, struct sg_error *err);
/* No row is held any more. NULL is allowed. */
void model_cache_destroy(struct model_cache *cache);

/* Hints: the calls below will look at memory, which is fetched; first where the row is, and a little later the row. */
void model_cache_expect(const struct model_cache *cache, const struct model_cache_key *key);
void model_cache_expect_soon(const struct model_cache *cache, const struct model_cache_key *key);

/* The row, until model_cached_release; NULL = not here. The slices of `out` live as long. */
struct model_cached *model_cache_find(struct model_cache *cache, const struct model_cache_key *key,
                                      struct model_entity *out);

/* Keep a copy of a row that was read when the clock showed `then`, unless it shows anything else by now. Of a full
 * cache only some are kept, and only where room is found soon. */
void model_cache_fill(struct model_cache *cache, const struct model_cache_key *key, const struct model_entity *entity,
                      const atomic_uint_fast64_t *clock, uint64_t then);

/* The number of the row in the database, as a guess that is to be checked there; 0 = none.
 * And what to guess from now on. */
int64_t model_cache_place(const struct model_cache *cache, const struct model_cache_key *key);
void model_cache_place_set(struct model_cache *cache, const struct model_cache_key *key, int64_t number);

/* The row is about to change. The clock must show that already: no fill can follow then. */
void model_cache_forget(struct model_cache *cache, int64_t collection, struct slice id);

void model_cache_facts(struct model_cache *cache, struct model_cache_facts *out);

#endif
