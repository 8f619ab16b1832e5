/* Shards, each with a lock, a table of chains, and one queue in the order in which rows came.
 *
 *   newest ── ... ── hand ── ... ── oldest
 *
 * What goes is found as SIEVE does it (https://cachemon.github.io/SIEVE-website/): the hand moves from the oldest to the
 * newest, spares a row that was found since it last passed, and takes the first that was not. A find only sets a mark, and
 * a run over all ids once does not drive out what is read again and again. */
#include "core/model_cache.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#ifdef SG_PLANT_LATE_FILL
#include <unistd.h>
#endif

#include "core/hash.h"

#define CACHE_LINE_BYTES 64
#define BYTES_PER_CHAIN 512 /* a usual row with its overhead: about one row a chain */

/* In the order in which a find needs it, so that it takes as few cache lines as can be. */
struct model_cached {
    uint64_t hash;
    struct model_cached *chain;
    int64_t collection;
    int64_t generation;
    atomic_uint holders; /* the cache itself, and readers */
    bool found;          /* since the hand passed; guarded by the shard's mutex, like the links */
    bool deleted;
    unsigned short occurred_at_bytes;
    unsigned id_bytes;
    unsigned state_bytes;
    int64_t version;
    uint64_t sequence;
    struct model_cached *newer;
    struct model_cached *older;
    size_t cost;
    char bytes[]; /* id, occurred_at, state */
};
#define PREFETCHED_LINES 6 /* of a row: an usual one has not more */

struct shard {
    pthread_mutex_t mutex; /* guards all below */
    struct model_cached **chains; /* owned */
    struct model_cached *newest;
    struct model_cached *oldest;
    struct model_cached *hand; /* NULL = begin with the oldest */
    size_t bytes;
    size_t rows;
    uint64_t offered; /* rows, since the shard was full */
    uint64_t hits;
    uint64_t misses;
    char pad[CACHE_LINE_BYTES]; /* the next shard's lock is in another cache line */
};

/* A number and some bits of the hash that it was put in under. */
#define PLACE_TAG_BITS 24
#define PLACE_TAG(hash) ((hash) >> (64 - PLACE_TAG_BITS))
#define PLACE_NUMBER_MAX (INT64_MAX >> PLACE_TAG_BITS) /* beyond a million million rows there is no guess */

struct model_cache {
    uint64_t seed;
    atomic_uint_fast64_t *places; /* owned; by hash, the later one stays */
    size_t places_count;          /* a power of two */
    size_t shards_count; /* a power of two */
    size_t shard_bytes_max;
    size_t chains_count; /* of each shard; a power of two */
    atomic_bool used;    /* a fill was tried: before that there is nothing to forget */
    struct shard shards[];
};

static size_t power_of_two_at_most(size_t n)
{
    size_t power = 1;
    while (power * 2 <= n)
        power *= 2;
    return power;
}

enum sg_status model_cache_create(int64_t bytes, struct model_cache **out, struct sg_error *err)
{
    size_t places = power_of_two_at_most((size_t)bytes / MODEL_CACHE_PLACES_PART / sizeof(atomic_uint_fast64_t));
    size_t places_bytes = places * sizeof(atomic_uint_fast64_t);
    size_t rows_bytes = (size_t)bytes > places_bytes ? (size_t)bytes - places_bytes : 0;
    size_t wanted = rows_bytes / MODEL_CACHE_SHARD_BYTES_MIN;
    size_t shards = power_of_two_at_most(wanted < MODEL_CACHE_SHARDS_MAX ? wanted : MODEL_CACHE_SHARDS_MAX);
    struct model_cache *cache = calloc(1, sizeof *cache + shards * sizeof cache->shards[0]);
    if (cache == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the row cache");
    size_t shard_bytes = rows_bytes / shards;
    cache->seed = hash_seed();
    cache->shards_count = shards;
    cache->chains_count = power_of_two_at_most(shard_bytes / BYTES_PER_CHAIN);
    size_t table_bytes = cache->chains_count * sizeof(struct model_cached *);
    cache->shard_bytes_max = shard_bytes > table_bytes ? shard_bytes - table_bytes : 0;
    cache->places_count = places;
    cache->places = calloc(places, sizeof cache->places[0]);
    bool whole = cache->places != NULL;
    for (size_t i = 0; i < shards; i++) {
        (void)pthread_mutex_init(&cache->shards[i].mutex, NULL);
        cache->shards[i].chains = calloc(cache->chains_count, sizeof(struct model_cached *));
        whole = whole && cache->shards[i].chains != NULL;
    }
    if (!whole) {
        model_cache_destroy(cache);
        return sg_fail(err, SG_MEMORY, "out of memory for a row cache of %lld bytes", (long long)bytes);
    }
    *out = cache;
    return SG_OK;
}

void model_cache_destroy(struct model_cache *cache)
{
    for (size_t i = 0; cache != NULL && i < cache->shards_count; i++) {
        struct shard *s = &cache->shards[i];
        while (s->oldest != NULL) {
            struct model_cached *row = s->oldest;
            s->oldest = row->newer;
            free(row);
        }
        free(s->chains);
        (void)pthread_mutex_destroy(&s->mutex);
    }
    if (cache != NULL)
        free(cache->places);
    free(cache);
}

/* ---- finding; under the shard's lock but for the hash ---- */

static uint64_t key_hash(const struct model_cache *cache, int64_t collection, struct slice id)
{
    return hash_bytes(cache->seed ^ (uint64_t)collection * UINT64_C(0x9e3779b97f4a7c15), id);
}

struct model_cache_key model_cache_key(const struct model_cache *cache, int64_t collection, int64_t generation,
                                       struct slice id)
{
    return (struct model_cache_key){collection, generation, id, key_hash(cache, collection, id)};
}

static size_t shard_index(const struct model_cache *cache, uint64_t hash)
{
    return hash >> 58 & (cache->shards_count - 1);
}

static struct shard *shard_of(struct model_cache *cache, uint64_t hash)
{
    return &cache->shards[shard_index(cache, hash)];
}

void model_cache_expect(const struct model_cache *cache, const struct model_cache_key *key)
{
    const struct shard *s = &cache->shards[shard_index(cache, key->hash)];
    __builtin_prefetch(&s->mutex, 1);
    __builtin_prefetch(&s->chains[key->hash & (cache->chains_count - 1)]);
}

/* Where the link to the row is, or to NULL at the end of its chain. */
static struct model_cached **link_of(const struct model_cache *cache, struct shard *s, uint64_t hash,
                                     int64_t collection, struct slice id)
{
    struct model_cached **link = &s->chains[hash & (cache->chains_count - 1)];
    for (size_t i = 0; *link != NULL && i < PREFETCHED_LINES; i++)
        __builtin_prefetch((const char *)*link + i * CACHE_LINE_BYTES); /* all at once, not one after the other */
    while (*link != NULL && !((*link)->hash == hash && (*link)->collection == collection &&
                              slice_equal((struct slice){(*link)->bytes, (*link)->id_bytes}, id)))
        link = &(*link)->chain;
    return link;
}

struct model_cached *model_cache_find(struct model_cache *cache, const struct model_cache_key *key,
                                      struct model_entity *out)
{
    struct shard *s = shard_of(cache, key->hash);
    (void)pthread_mutex_lock(&s->mutex);
    struct model_cached *row = *link_of(cache, s, key->hash, key->collection, key->id);
    if (row != NULL && row->generation == key->generation) {
        atomic_fetch_add_explicit(&row->holders, 1, memory_order_relaxed);
        row->found = true;
        s->hits++;
    } else {
        row = NULL;
        s->misses++;
    }
    (void)pthread_mutex_unlock(&s->mutex);
    if (row == NULL)
        __builtin_prefetch(&cache->places[key->hash & (cache->places_count - 1)]); /* that is asked for next */
    else
        *out = (struct model_entity){
            .version = row->version,
            .deleted = row->deleted,
            .sequence = row->sequence,
            .id = key->id,
            .occurred_at = {row->bytes + row->id_bytes, row->occurred_at_bytes},
            .state = {row->bytes + row->id_bytes + row->occurred_at_bytes, row->state_bytes},
        };
    return row;
}

void model_cached_release(void *row)
{
    struct model_cached *held = row;
    if (held != NULL && atomic_fetch_sub(&held->holders, 1) == 1)
        free(held);
}

/* ---- changing; under the shard's lock ---- */

static void unlink_row(struct shard *s, struct model_cached **link)
{
    struct model_cached *row = *link;
    *link = row->chain;
    *(row->newer != NULL ? &row->newer->older : &s->newest) = row->older;
    *(row->older != NULL ? &row->older->newer : &s->oldest) = row->newer;
    if (s->hand == row)
        s->hand = row->newer;
    s->bytes -= row->cost;
    s->rows--;
    model_cached_release(row);
}

static void link_row(struct shard *s, struct model_cached **link, struct model_cached *row)
{
    row->chain = *link;
    *link = row;
    row->newer = NULL;
    row->older = s->newest;
    *(s->newest != NULL ? &s->newest->newer : &s->oldest) = row;
    s->newest = row;
    s->bytes += row->cost;
    s->rows++;
}

static void evict_one(const struct model_cache *cache, struct shard *s)
{
    struct model_cached *row = s->hand != NULL ? s->hand : s->oldest;
    while (row->found) {
        row->found = false;
        row = row->newer != NULL ? row->newer : s->oldest;
    }
    s->hand = row->newer;
    struct model_cached **link = &s->chains[row->hash & (cache->chains_count - 1)];
    while (*link != row)
        link = &(*link)->chain;
    unlink_row(s, link);
}

static struct model_cached *row_make(const struct model_cache *cache, const struct model_cache_key *key,
                                     const struct model_entity *entity)
{
    size_t bytes = key->id.bytes + entity->occurred_at.bytes + entity->state.bytes;
    if (sizeof(struct model_cached) + bytes > cache->shard_bytes_max / MODEL_CACHE_ROW_PARTS || bytes > UINT32_MAX ||
        entity->occurred_at.bytes > USHRT_MAX)
        return NULL;
    struct model_cached *row = malloc(sizeof *row + bytes);
    if (row == NULL)
        return NULL;
    *row = (struct model_cached){.hash = key->hash,
                                 .collection = key->collection,
                                 .generation = key->generation,
                                 .version = entity->version,
                                 .deleted = entity->deleted,
                                 .sequence = entity->sequence,
                                 .id_bytes = (unsigned)key->id.bytes,
                                 .occurred_at_bytes = (unsigned short)entity->occurred_at.bytes,
                                 .state_bytes = (unsigned)entity->state.bytes};
    atomic_init(&row->holders, 1);
    row->cost = malloc_usable_size(row) + sizeof(size_t); /* the allocator's own word */
    char *at = row->bytes;
    memcpy(at, key->id.data, key->id.bytes);
    at += key->id.bytes;
    if (entity->occurred_at.bytes > 0)
        memcpy(at, entity->occurred_at.data, entity->occurred_at.bytes);
    at += entity->occurred_at.bytes;
    if (entity->state.bytes > 0)
        memcpy(at, entity->state.data, entity->state.bytes);
    return row;
}

/* Rows come in as they are read while there is room; then only some, so that reads of ever other ids do not pay for rows
 * that nobody asks for again. */
static bool admitted(const struct model_cache *cache, struct shard *s)
{
    (void)pthread_mutex_lock(&s->mutex);
    bool full = s->bytes > cache->shard_bytes_max - cache->shard_bytes_max / MODEL_CACHE_ROW_PARTS;
    bool yes = !full || s->offered++ % MODEL_CACHE_ADMIT_ONE_OF == 0;
    (void)pthread_mutex_unlock(&s->mutex);
    return yes;
}

void model_cache_fill(struct model_cache *cache, const struct model_cache_key *key, const struct model_entity *entity,
                      const atomic_uint_fast64_t *clock, uint64_t then)
{
    struct shard *s = shard_of(cache, key->hash);
    struct model_cached *row = admitted(cache, s) ? row_make(cache, key, entity) : NULL;
    if (row == NULL)
        return;
    if (!atomic_load(&cache->used))
        atomic_store(&cache->used, true);
#ifdef SG_PLANT_LATE_FILL
    (void)usleep(2000); /* or the window is too short to be met by chance */
#endif
    (void)pthread_mutex_lock(&s->mutex);
    /* Whoever writes moves the clock before it forgets under this lock: either it sees our row, or we see its move. */
#ifdef SG_PLANT_LATE_FILL
    then = atomic_load(clock);
#endif
    if (atomic_load(clock) == then) {
        struct model_cached **link = link_of(cache, s, row->hash, key->collection, key->id);
        if (*link != NULL)
            unlink_row(s, link); /* of a former generation, or another loop read it too */
        link_row(s, link_of(cache, s, row->hash, key->collection, key->id), row);
        while (s->bytes > cache->shard_bytes_max)
            evict_one(cache, s);
        row = NULL;
    }
    (void)pthread_mutex_unlock(&s->mutex);
    free(row);
}

int64_t model_cache_place(const struct model_cache *cache, const struct model_cache_key *key)
{
    uint64_t place = atomic_load_explicit(&cache->places[key->hash & (cache->places_count - 1)], memory_order_relaxed);
    bool ours = (place & ((1u << PLACE_TAG_BITS) - 1)) == PLACE_TAG(key->hash);
    return ours ? (int64_t)(place >> PLACE_TAG_BITS) : 0;
}

void model_cache_place_set(struct model_cache *cache, const struct model_cache_key *key, int64_t number)
{
    if (number > 0 && number <= PLACE_NUMBER_MAX)
        atomic_store_explicit(&cache->places[key->hash & (cache->places_count - 1)],
                              (uint64_t)number << PLACE_TAG_BITS | PLACE_TAG(key->hash), memory_order_relaxed);
}

void model_cache_forget(struct model_cache *cache, int64_t collection, struct slice id)
{
    if (!atomic_load(&cache->used))
        return;
    uint64_t hash = key_hash(cache, collection, id);
    struct shard *s = shard_of(cache, hash);
    (void)pthread_mutex_lock(&s->mutex);
    struct model_cached **link = link_of(cache, s, hash, collection, id);
    if (*link != NULL)
        unlink_row(s, link);
    (void)pthread_mutex_unlock(&s->mutex);
}

void model_cache_facts(struct model_cache *cache, struct model_cache_facts *out)
{
    *out = (struct model_cache_facts){.bytes = cache->places_count * sizeof cache->places[0]};
    for (size_t i = 0; i < cache->shards_count; i++) {
        struct shard *s = &cache->shards[i];
        (void)pthread_mutex_lock(&s->mutex);
        out->bytes += s->bytes + cache->chains_count * sizeof s->chains[0];
        out->rows += s->rows;
        out->hits += s->hits;
        out->misses += s->misses;
        (void)pthread_mutex_unlock(&s->mutex);
    }
}
