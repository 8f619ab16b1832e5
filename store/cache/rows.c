/* Shards, each with a lock, a table of sets in which a row is found, and memory in which rows lie one after the other.
 *
 *   | row | row | free | row | row |   free   | row | ...
 *     0                        hand                      end        bytes_max
 *
 * A hand goes round through the memory and makes room for the next row where it stands, as CLOCK does: it spares a row
 * that was found since it last came by, and takes the others. So a find only sets a mark, and a run over all ids once
 * does not drive out what is read again and again. Rows that it spares move up to those in front of them, so that
 * what is free is in one piece. A row that a reader holds stays where it is, whatever becomes of it meanwhile.
 *
 * A find costs what it waits for memory: a line of the table, and the row itself. Tags tell which row it can be, so
 * that no other is looked at. */
#include "store/cache/rows.h"

#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef SG_PLANT_LATE_FILL
#include <unistd.h>
#endif

#include "core/base/hash.h"
#include "core/domain/event.h"
#include "store/reader.h"

#define CACHE_LINE_BYTES 64

/* What memory is divided into. A chunk that is free holds its first 16 bytes only, and means nothing by the others. */
#define CHUNK_ALIGN 16
struct cached_row {
    size_t chunk_bytes;  /* guarded by the shard's mutex, and so are `linked` and `found` */
    atomic_uint holders; /* the cache itself while the row is linked, and readers; it rises only under the mutex */
    bool linked;         /* a set has it */
    bool found;          /* since the hand passed */
    bool deleted;
    uint64_t hash;
    int64_t collection;
    unsigned state_bytes;
    unsigned short id_bytes;
    unsigned short occurred_at_bytes;
    int64_t version;
    uint64_t sequence;
    char bytes[]; /* id, occurred_at, state */
};
_Static_assert(offsetof(struct cached_row, hash) == CHUNK_ALIGN, "the least chunk tells that it is free");
_Static_assert(EVENT_ID_BYTES_MAX <= USHRT_MAX, "the length of an id");
#define PREFETCHED_LINES 8 /* of a row: a usual one has not more */

/* Where the rows of some hashes are: one cache line. A set that is full gives up a row for the next. */
#define SET_ROWS 7
#define BYTES_PER_ROW 128 /* of a row with the shortest of states: of usual ones sets are seldom full */
struct set {
    _Alignas(CACHE_LINE_BYTES) struct cached_row *_Atomic rows[SET_ROWS];
    atomic_uchar tags[SET_ROWS]; /* of the rows' hashes */
};
#define SET_TAG(hash) ((unsigned char)((hash) >> 48))

struct shard {
    pthread_mutex_t mutex; /* guards all below */
    struct set *sets; /* its part of the cache's; also read without the lock, as a hint */
    char *memory;     /* its part of the cache's; chunks up to `end`, untouched after it */
    size_t hand;
    size_t end;
    size_t bytes;     /* of chunks whose row is linked */
    size_t rows;
    uint64_t offered; /* rows, while the shard was full */
    uint64_t placed;  /* rows, ever */
    uint64_t hits;
    uint64_t misses;
    char pad[CACHE_LINE_BYTES]; /* the next shard's lock is in another cache line */
};

/* A number and some bits of the hash that it was put in under; 0 = none. */
#define PLACE_TAG_BITS 24
#define PLACE_TAG_MASK ((UINT64_C(1) << PLACE_TAG_BITS) - 1)
#define PLACE_TAG(hash) ((hash) >> (64 - PLACE_TAG_BITS))
#define PLACE_NUMBER_MAX (INT64_MAX >> PLACE_TAG_BITS) /* beyond half a million million rows there is no guess */

/* All that one look fetches: with one place for a hash, a table half full would have lost a quarter of its numbers. */
#define LINE_PLACES (CACHE_LINE_BYTES / sizeof(atomic_uint_fast64_t))
struct line {
    _Alignas(CACHE_LINE_BYTES) atomic_uint_fast64_t places[LINE_PLACES];
};

struct row_cache {
    uint64_t seed;
    struct line *lines; /* owned; by hash */
    size_t lines_count; /* a power of two */
    struct set *sets; /* owned; all shards' */
    char *memory;     /* owned; all shards' */
    size_t shards_count; /* a power of two */
    size_t shard_bytes_max;
    size_t sets_count; /* of each shard */
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

/* Zeroes that take no memory before they are written. NULL = there is none. What is looked at in no order at all waits
 * at each look for the table of pages as well, unless pages are large too: then memory is taken in their steps. */
#define PAGE_LARGE_BYTES (2 << 20)
#define TABLE_LARGE_BYTES (16 * PAGE_LARGE_BYTES)
#define SHARD_LARGE_BYTES (4 * PAGE_LARGE_BYTES) /* of rows: its first one takes a page */
static void *table_create(size_t bytes, bool large)
{
    void *table =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table == MAP_FAILED)
        return NULL;
    if (large)
        (void)madvise(table, bytes, MADV_HUGEPAGE); /* a wish */
    return table;
}

static void table_destroy(void *table, size_t bytes)
{
    if (table != NULL)
        (void)munmap(table, bytes);
}

/* Of all shards' rows. */
static size_t memory_bytes(const struct row_cache *cache)
{
    size_t bytes = cache->shards_count * cache->shard_bytes_max;
    return bytes > 0 ? bytes : 1; /* no memory at all cannot be asked for */
}

enum sg_status row_cache_create(int64_t bytes, struct row_cache **out, struct sg_error *err)
{
    size_t lines = power_of_two_at_most((size_t)bytes / ROW_CACHE_HINTS_PART / sizeof(struct line));
    size_t lines_bytes = lines * sizeof(struct line);
    size_t rows_bytes = (size_t)bytes > lines_bytes ? (size_t)bytes - lines_bytes : 0;
    size_t wanted = rows_bytes / ROW_CACHE_SHARD_BYTES_MIN;
    size_t shards = power_of_two_at_most(wanted < ROW_CACHE_SHARDS_MAX ? wanted : ROW_CACHE_SHARDS_MAX);
    struct row_cache *cache = calloc(1, sizeof *cache + shards * sizeof cache->shards[0]);
    if (cache == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the row cache");
    size_t shard_bytes = rows_bytes / shards;
    cache->seed = hash_seed();
    cache->shards_count = shards;
    cache->sets_count = shard_bytes / (BYTES_PER_ROW * SET_ROWS) + 1;
    size_t sets_bytes = cache->sets_count * sizeof(struct set);
    cache->shard_bytes_max = shard_bytes > sets_bytes ? (shard_bytes - sets_bytes) / CHUNK_ALIGN * CHUNK_ALIGN : 0;
    cache->lines_count = lines;
    cache->lines = table_create(lines_bytes, lines_bytes >= TABLE_LARGE_BYTES);
    cache->sets = table_create(shards * sets_bytes, shards * sets_bytes >= TABLE_LARGE_BYTES);
    cache->memory = table_create(memory_bytes(cache), cache->shard_bytes_max >= SHARD_LARGE_BYTES);
    for (size_t i = 0; i < shards; i++)
        (void)pthread_mutex_init(&cache->shards[i].mutex, NULL);
    if (cache->lines == NULL || cache->sets == NULL || cache->memory == NULL) {
        row_cache_destroy(cache);
        return sg_fail(err, SG_MEMORY, "out of memory for a row cache of %lld bytes", (long long)bytes);
    }
    for (size_t i = 0; i < shards; i++) {
        cache->shards[i].sets = cache->sets + i * cache->sets_count;
        cache->shards[i].memory = cache->memory + i * cache->shard_bytes_max;
    }
    *out = cache;
    return SG_OK;
}

void row_cache_destroy(struct row_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < cache->shards_count; i++)
        (void)pthread_mutex_destroy(&cache->shards[i].mutex);
    table_destroy(cache->lines, cache->lines_count * sizeof(struct line));
    table_destroy(cache->sets, cache->shards_count * cache->sets_count * sizeof(struct set));
    table_destroy(cache->memory, memory_bytes(cache));
    free(cache);
}

/* ---- finding; under the shard's lock but for the hash ---- */

static uint64_t key_hash(const struct row_cache *cache, int64_t collection, struct slice id)
{
    return hash_bytes(cache->seed ^ (uint64_t)collection * UINT64_C(0x9e3779b97f4a7c15), id);
}

struct row_cache_key row_cache_key(const struct row_cache *cache, int64_t collection, struct slice id)
{
    return (struct row_cache_key){collection, id, key_hash(cache, collection, id)};
}

static size_t shard_index(const struct row_cache *cache, uint64_t hash)
{
    return hash >> 58 & (cache->shards_count - 1);
}

static struct shard *shard_of(struct row_cache *cache, uint64_t hash)
{
    return &cache->shards[shard_index(cache, hash)];
}

static struct line *line_of(const struct row_cache *cache, uint64_t hash)
{
    return &cache->lines[hash & (cache->lines_count - 1)];
}

static struct set *set_of(const struct row_cache *cache, const struct shard *s, uint64_t hash)
{
    return &s->sets[(hash & UINT32_MAX) * cache->sets_count >> 32];
}

void row_cache_prefetch(const struct row_cache *cache, const struct row_cache_key *key)
{
    const struct shard *s = &cache->shards[shard_index(cache, key->hash)];
    __builtin_prefetch(&s->mutex, 1);
    __builtin_prefetch(set_of(cache, s, key->hash));
}

static struct cached_row *set_row(struct set *set, size_t i)
{
    return atomic_load_explicit(&set->rows[i], memory_order_relaxed);
}

/* All its lines at once, not one after the other. */
static void prefetch_row(const struct cached_row *row)
{
    for (size_t i = 0; i < PREFETCHED_LINES; i++)
        __builtin_prefetch((const char *)row + i * CACHE_LINE_BYTES);
}

void row_cache_prefetch_row(const struct row_cache *cache, const struct row_cache_key *key)
{
    struct set *set = set_of(cache, &cache->shards[shard_index(cache, key->hash)], key->hash);
    for (size_t i = 0; i < SET_ROWS; i++) {
        const struct cached_row *row = set_row(set, i);
        if (row != NULL && atomic_load_explicit(&set->tags[i], memory_order_relaxed) == SET_TAG(key->hash))
            prefetch_row(row);
    }
}

/* The row, or NULL. */
static struct cached_row *row_of(const struct row_cache *cache, struct shard *s, uint64_t hash, int64_t collection,
                                 struct slice id)
{
    struct set *set = set_of(cache, s, hash);
    for (size_t i = 0; i < SET_ROWS; i++) {
        struct cached_row *row = set_row(set, i);
        if (row == NULL || atomic_load_explicit(&set->tags[i], memory_order_relaxed) != SET_TAG(hash))
            continue;
        if (row->hash == hash && row->collection == collection &&
            slice_equal((struct slice){row->bytes, row->id_bytes}, id))
            return row;
    }
    return NULL;
}

struct cached_row *row_cache_find(struct row_cache *cache, const struct row_cache_key *key, struct entity *out)
{
    struct shard *s = shard_of(cache, key->hash);
    (void)pthread_mutex_lock(&s->mutex);
    struct cached_row *row = row_of(cache, s, key->hash, key->collection, key->id);
    if (row != NULL) {
        (void)atomic_fetch_add_explicit(&row->holders, 1, memory_order_relaxed);
        row->found = true;
        s->hits++;
    } else {
        s->misses++;
    }
    (void)pthread_mutex_unlock(&s->mutex);
    if (row == NULL)
        __builtin_prefetch(line_of(cache, key->hash)); /* that is asked for next */
    else
        *out = (struct entity){
            .version = row->version,
            .deleted = row->deleted,
            .sequence = row->sequence,
            .id = key->id,
            .occurred_at = {row->bytes + row->id_bytes, row->occurred_at_bytes},
            .state = {row->bytes + row->id_bytes + row->occurred_at_bytes, row->state_bytes},
        };
    return row;
}

void cached_row_release(void *row)
{
    struct cached_row *held = row;
    if (held != NULL) /* what was read of it was read before the hand sees that it is free */
        (void)atomic_fetch_sub_explicit(&held->holders, 1, memory_order_release);
}

/* ---- changing; under the shard's lock ---- */

static void set_put(struct set *set, size_t i, struct cached_row *row, unsigned char tag)
{
    atomic_store_explicit(&set->rows[i], row, memory_order_relaxed);
    atomic_store_explicit(&set->tags[i], tag, memory_order_relaxed);
}

static void unlink_row(const struct row_cache *cache, struct shard *s, struct cached_row *row)
{
    struct set *set = set_of(cache, s, row->hash);
    for (size_t i = 0; i < SET_ROWS; i++) {
        if (set_row(set, i) == row)
            set_put(set, i, NULL, 0);
    }
    s->bytes -= row->chunk_bytes;
    s->rows--;
    row->linked = false;
    cached_row_release(row);
}

/* A place in the row's set: an empty one; that of a row which was not found lately; or, if all were, any. Looked
 * for from another one each time, or the newest row would always make room for the next. */
static size_t set_room(struct shard *s, struct set *set)
{
    size_t begin = s->placed++ % SET_ROWS;
    size_t room = SET_ROWS;
    for (size_t k = 0; k < SET_ROWS; k++) {
        size_t i = (begin + k) % SET_ROWS;
        const struct cached_row *row = set_row(set, i);
        if (row == NULL)
            return i;
        if (!row->found && room == SET_ROWS)
            room = i;
    }
    for (size_t i = 0; room == SET_ROWS && i < SET_ROWS; i++)
        set_row(set, i)->found = false;
    return room == SET_ROWS ? begin : room;
}

static void link_row(const struct row_cache *cache, struct shard *s, struct cached_row *row)
{
    struct set *set = set_of(cache, s, row->hash);
    size_t room = set_room(s, set);
    if (set_row(set, room) != NULL)
        unlink_row(cache, s, set_row(set, room));
    set_put(set, room, row, SET_TAG(row->hash));
    row->linked = true;
    s->bytes += row->chunk_bytes;
    s->rows++;
}

/* ---- memory for rows; under the shard's lock ---- */

static bool chunk_free(const struct cached_row *chunk)
{
    return !chunk->linked && atomic_load_explicit(&chunk->holders, memory_order_acquire) == 0;
}

static struct cached_row *chunk_at(const struct shard *s, size_t at)
{
    return (struct cached_row *)(void *)(s->memory + at);
}

/* One free chunk from `at` to `end`; none if that is nothing. */
static struct cached_row *chunk_join(const struct shard *s, size_t at, size_t end)
{
    struct cached_row *chunk = chunk_at(s, at);
    if (at == end)
        return NULL;
    chunk->chunk_bytes = end - at;
    chunk->linked = false;
    atomic_init(&chunk->holders, 0);
    return chunk;
}

/* The hand is at the end, and what is free in front of it begins at `free_from`. True: more is free now. Of a shard
 * that is half empty the hand goes round once more instead. */
static bool end_raise(const struct row_cache *cache, struct shard *s, size_t free_from, size_t bytes)
{
    if (s->end == cache->shard_bytes_max || s->bytes < s->end / 2)
        return false;
    s->end = cache->shard_bytes_max - free_from < bytes ? cache->shard_bytes_max : free_from + bytes;
    s->hand = s->end;
    return true;
}

/* The chunk at the hand makes room, if it may. Rows go only once all memory is taken. */
static void evict(const struct row_cache *cache, struct shard *s, struct cached_row *chunk)
{
    if (!chunk->linked || s->end < cache->shard_bytes_max)
        return;
    if (chunk->found)
        chunk->found = false;
    else
        unlink_row(cache, s, chunk);
}

/* Nobody but the cache knows where this row is, and nobody can get to know: its mutex is held. */
static bool movable(const struct cached_row *chunk)
{
    return chunk->linked && atomic_load_explicit(&chunk->holders, memory_order_acquire) == 1;
}

static void row_move(const struct row_cache *cache, struct shard *s, struct cached_row *row, size_t to)
{
    struct cached_row *moved = chunk_at(s, to);
    struct set *set = set_of(cache, s, row->hash);
    for (size_t i = 0; i < SET_ROWS; i++) {
        if (set_row(set, i) == row)
            set_put(set, i, moved, SET_TAG(row->hash));
    }
    memmove((void *)moved, (const void *)row, row->chunk_bytes);
}

/* For so long the shard is locked: the next row's steps go on where these end. */
#define HAND_STEPS_MAX 64
#define HAND_BYTES_MAX (64 << 10) /* that are moved; a row that is larger stays where it is */

/* The hand passes one chunk; what is free in front of it begins at `*free_from`. False: it may not move so much. */
static bool hand_pass(const struct row_cache *cache, struct shard *s, size_t *free_from, size_t *moved)
{
    struct cached_row *chunk = chunk_at(s, s->hand);
    size_t bytes = chunk->chunk_bytes;
    bool may_move = *free_from < s->hand && bytes <= HAND_BYTES_MAX;
    if (may_move && *moved + bytes > HAND_BYTES_MAX)
        return false;
    evict(cache, s, chunk);
    if (!chunk_free(chunk) && may_move && movable(chunk)) {
        row_move(cache, s, chunk, *free_from);
        *free_from += bytes;
        *moved += bytes;
    } else if (!chunk_free(chunk)) {
        chunk_join(s, *free_from, s->hand);
        *free_from = s->hand + bytes;
    }
    s->hand += bytes;
    return true;
}

/* A chunk for a row, its first fields set; NULL = there is no room, or none was found so soon. */
static struct cached_row *chunk_take(const struct row_cache *cache, struct shard *s, size_t bytes)
{
    size_t free_from = s->hand;
    size_t moved = 0;
    for (unsigned step = 0; step < HAND_STEPS_MAX && s->hand - free_from < bytes; step++) {
        if (s->hand < s->end) {
            if (!hand_pass(cache, s, &free_from, &moved))
                break;
        } else if (!end_raise(cache, s, free_from, bytes)) {
            chunk_join(s, free_from, s->hand);
            s->hand = free_from = 0;
        }
    }
    if (s->hand - free_from >= bytes) {
        chunk_join(s, free_from + bytes, s->hand);
        s->hand = free_from + bytes;
        return chunk_join(s, free_from, s->hand);
    }
    chunk_join(s, free_from, s->hand);
    s->hand = free_from;
    if (cache->shard_bytes_max - s->end < bytes)
        return NULL;
    s->end += bytes;
    return chunk_join(s, s->end - bytes, s->end);
}

/* Rows come in as they are read while there is room; then only some, so that reads of ever other ids do not pay for
 * rows that nobody asks for again. */
static bool admitted(const struct row_cache *cache, struct shard *s)
{
    bool full = s->end == cache->shard_bytes_max && s->bytes >= s->end - s->end / ROW_CACHE_FREE_PARTS;
    return !full || s->offered++ % ROW_CACHE_ADMIT_ONE_OF == 0;
}

/* A copy of the row, if there is room. */
static void row_add(const struct row_cache *cache, struct shard *s, const struct row_cache_key *key,
                    const struct entity *entity)
{
    size_t bytes = sizeof(struct cached_row) + key->id.bytes + entity->occurred_at.bytes + entity->state.bytes;
    if (bytes > cache->shard_bytes_max / ROW_CACHE_ROW_PARTS || entity->state.bytes > UINT_MAX ||
        key->id.bytes > USHRT_MAX || entity->occurred_at.bytes > USHRT_MAX || !admitted(cache, s))
        return;
    struct cached_row *row = chunk_take(cache, s, (bytes + CHUNK_ALIGN - 1) / CHUNK_ALIGN * CHUNK_ALIGN);
    if (row == NULL)
        return;
    atomic_store_explicit(&row->holders, 1, memory_order_relaxed);
    row->found = false;
    row->deleted = entity->deleted;
    row->hash = key->hash;
    row->collection = key->collection;
    row->state_bytes = (unsigned)entity->state.bytes;
    row->id_bytes = (unsigned short)key->id.bytes;
    row->occurred_at_bytes = (unsigned short)entity->occurred_at.bytes;
    row->version = entity->version;
    row->sequence = entity->sequence;
    char *at = row->bytes;
    memcpy(at, key->id.data, key->id.bytes);
    at += key->id.bytes;
    if (entity->occurred_at.bytes > 0)
        memcpy(at, entity->occurred_at.data, entity->occurred_at.bytes);
    at += entity->occurred_at.bytes;
    if (entity->state.bytes > 0)
        memcpy(at, entity->state.data, entity->state.bytes);
    link_row(cache, s, row);
}

void row_cache_fill(struct row_cache *cache, const struct row_cache_key *key, const struct entity *entity,
                    const atomic_uint_fast64_t *clock, uint64_t then)
{
    struct shard *s = shard_of(cache, key->hash);
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
        if (row_of(cache, s, key->hash, key->collection, key->id) == NULL) /* or another loop read it too */
            row_add(cache, s, key, entity);
    }
    (void)pthread_mutex_unlock(&s->mutex);
}

int64_t row_cache_hint(const struct row_cache *cache, const struct row_cache_key *key)
{
    const struct line *line = line_of(cache, key->hash);
    for (size_t i = 0; i < LINE_PLACES; i++) {
        uint64_t place = atomic_load_explicit(&line->places[i], memory_order_relaxed);
        if (place != 0 && (place & PLACE_TAG_MASK) == PLACE_TAG(key->hash))
            return (int64_t)(place >> PLACE_TAG_BITS);
    }
    return 0;
}

/* In the place of an older number of the same row, or in an empty one, or of any row. Two loops that set at once
 * may take two places, or each other's: a number is a guess, and the first of a row's counts in both functions. */
void row_cache_hint_set(struct row_cache *cache, const struct row_cache_key *key, int64_t number)
{
    struct line *line = line_of(cache, key->hash);
    if (number <= 0 || number > PLACE_NUMBER_MAX)
        return;
    size_t taken = LINE_PLACES;
    for (size_t i = 0; i < LINE_PLACES; i++) {
        uint64_t place = atomic_load_explicit(&line->places[i], memory_order_relaxed);
        bool ours = place != 0 && (place & PLACE_TAG_MASK) == PLACE_TAG(key->hash);
        if (ours || (place == 0 && taken == LINE_PLACES))
            taken = i;
        if (ours)
            break;
    }
    if (taken == LINE_PLACES)
        taken = (size_t)number % LINE_PLACES;
    atomic_store_explicit(&line->places[taken], (uint64_t)number << PLACE_TAG_BITS | PLACE_TAG(key->hash),
                          memory_order_relaxed);
}

void row_cache_forget(struct row_cache *cache, int64_t collection, struct slice id)
{
    if (!atomic_load(&cache->used))
        return;
    uint64_t hash = key_hash(cache, collection, id);
    struct shard *s = shard_of(cache, hash);
    (void)pthread_mutex_lock(&s->mutex);
    struct cached_row *row = row_of(cache, s, hash, collection, id);
    if (row != NULL)
        unlink_row(cache, s, row);
    (void)pthread_mutex_unlock(&s->mutex);
}

void row_cache_facts(struct row_cache *cache, struct row_cache_facts *out)
{
    *out = (struct row_cache_facts){.bytes = cache->lines_count * sizeof cache->lines[0]};
    for (size_t i = 0; i < cache->shards_count; i++) {
        struct shard *s = &cache->shards[i];
        (void)pthread_mutex_lock(&s->mutex);
        out->bytes += s->end + cache->sets_count * sizeof s->sets[0];
        out->rows += s->rows;
        out->hits += s->hits;
        out->misses += s->misses;
        (void)pthread_mutex_unlock(&s->mutex);
    }
}
