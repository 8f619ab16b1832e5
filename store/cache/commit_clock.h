/* What the writer and the readers of one process share beside the database: a clock that tells when something is
 * committed, what is served as of the last commit, and a cache of rows. With it a read of a cached row needs no
 * transaction, and a reader notices at once that its snapshot is no longer the newest. No SQLite here.
 *
 *   clock   even: stable ── odd: a commit is under way, or what it changed is not published yet ── even: published
 *
 * The writer makes it odd before COMMIT and even once rows that changed are out of the cache and what is served is
 * published here. So whoever sees the same even number before and after looking has seen what one commit left, all of
 * it, and nothing of the next. A row is put into the cache under the number of the snapshot that it was read from,
 * or not at all. */
#ifndef STATEGATE_STORE_CACHE_COMMIT_CLOCK_H
#define STATEGATE_STORE_CACHE_COMMIT_CLOCK_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/domain/stream.h"
#include "store/cache/rows.h"

/* ---- for all: server, api ---- */

struct commit_clock;

/* `cache_bytes` of rows in memory; 0 = none. For one store_open, and outlives that writer and its readers. */
SG_MUST_CHECK enum sg_status commit_clock_create(int64_t cache_bytes, struct commit_clock **out, struct sg_error *err);
/* NULL is allowed. */
void commit_clock_destroy(struct commit_clock *shared);

/* Any thread. */
void commit_clock_cache_facts(struct commit_clock *shared, struct row_cache_facts *out);

/* Did the writer lately (COMMIT_CLOCK_RESTART_MS) wait for a moment without a transaction that is older than its last commit, to begin the write-ahead
 * log anew? One that is going to read for long then waits a little, or the log might grow without an end: loops end
 * theirs within an iteration. Any thread. */
bool commit_clock_restart_wanted(const struct commit_clock *shared);

/* ---- for store alone ---- */

/* What is served, in the order of the rows, with room that grows. */
struct store_served {
    struct stream *streams; /* owned */
    size_t count;
    size_t capacity;
};

struct commit_clock {
    atomic_uint_fast64_t clock;
    _Atomic int64_t restart_wanted_ns; /* when, on the boot clock; 0 = it is not */
    struct row_cache *cache; /* owned; NULL = none; set at creation */
    pthread_mutex_t mutex;
    struct store_served served; /* guarded by mutex */
};

/* Those of the writer's that can be called without one take NULL and do nothing then. */

/* The number, or 0 while it is odd. */
uint64_t commit_clock_stable(const struct commit_clock *shared);

/* ---- the writer: one thread at a time ---- */

/* Something is about to be committed. May be called again before the end. */
void commit_clock_begin(struct commit_clock *shared);
/* It is committed and published, or nothing was. */
void commit_clock_end(struct commit_clock *shared);
/* Who wants it says so again at each attempt: one that rests meanwhile needs nothing. */
#define COMMIT_CLOCK_RESTART_MS 1000
void commit_clock_want_restart(struct commit_clock *shared, bool wanted);
/* Make room for that many streams, so that publishing them cannot fail. */
SG_MUST_CHECK enum sg_status commit_clock_reserve(struct commit_clock *shared, size_t count, struct sg_error *err);
/* Between begin and end: what is served, all of it, or only where one stream is. */
void commit_clock_publish(struct commit_clock *shared, const struct store_served *served);
void commit_clock_publish_position(struct commit_clock *shared, int64_t stream_id, uint64_t position, uint64_t settled);

/* ---- readers ---- */

/* What is served when the clock shows `stable`. False: out of memory, or it does not any more. */
SG_MUST_CHECK bool commit_clock_copy(struct commit_clock *shared, uint64_t stable, struct store_served *out);

#endif
