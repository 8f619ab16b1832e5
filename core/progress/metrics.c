/* Counters and histograms. */
#include "core/progress/metrics.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

#define TOMBSTONE_SLOTS (2 * METRICS_TOMBSTONE_COLLECTIONS_MAX) /* a power of two, at most half full */

/* Open addressing; names are never removed. */
struct tombstone_slot {
    char *collection; /* owned; NULL = free */
    uint64_t count;
};

struct metrics {
    uint64_t seed; /* set by metrics_create(), then read-only */
    /* Guarded by mutex. */
    pthread_mutex_t mutex;
    struct tombstone_slot *tombstones; /* owned; TOMBSTONE_SLOTS */
    size_t tombstones_count;
    /* Atomics: any thread. */
    size_t streams_count;
    struct stream_metrics streams[];
};

/* A commit is seen within a millisecond when all is well, and within seconds when it is not. */
static const double visible_bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                        0.25,   0.5,   1,      2.5,   5,    10,    60};
static const double batch_bounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000};
static const double apply_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                      0.025,  0.05,    0.1,    0.25,  1,      5};

#define BOUNDS_COUNT(bounds) (sizeof(bounds) / sizeof(bounds)[0])

const char *probe_result_name(enum probe_result result)
{
    switch (result) {
    case PROBE_PROVED: return "proved";
    case PROBE_UNPROVED: return "unproved";
    case PROBE_FAILED: return "failed";
    }
    return "unknown";
}

void metrics_histogram_init(struct metrics_histogram *h, const double *bounds, size_t bounds_count)
{
    assert(bounds_count <= METRICS_BUCKETS_MAX);
    h->bounds = bounds;
    h->bounds_count = bounds_count;
    for (size_t i = 0; i <= METRICS_BUCKETS_MAX; i++)
        atomic_init(&h->counts[i], 0);
    atomic_init(&h->sum_nano, 0);
}

void metrics_histogram_add(struct metrics_histogram *h, double value)
{
    size_t bucket = 0;
    while (bucket < h->bounds_count && value > h->bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&h->counts[bucket], 1, memory_order_relaxed);
    if (value > 0)
        atomic_fetch_add_explicit(&h->sum_nano, (uint_fast64_t)(value * 1e9 + 0.5), memory_order_relaxed);
}

enum sg_status metrics_create(size_t streams_count, struct metrics **out, struct sg_error *err)
{
    struct metrics *m = calloc(1, sizeof *m + streams_count * sizeof m->streams[0]);
    struct tombstone_slot *tombstones = calloc(TOMBSTONE_SLOTS, sizeof *tombstones);
    if (m == NULL || tombstones == NULL) {
        free(tombstones);
        free(m);
        return sg_fail(err, SG_MEMORY, "out of memory for the metrics of %zu streams", streams_count);
    }
    /* A default mutex: initialising one cannot fail on Linux. */
    (void)pthread_mutex_init(&m->mutex, NULL);
    m->seed = hash_seed();
    m->tombstones = tombstones;
    m->streams_count = streams_count;
    for (size_t i = 0; i < streams_count; i++) {
        metrics_histogram_init(&m->streams[i].visible_seconds, visible_bounds, BOUNDS_COUNT(visible_bounds));
        metrics_histogram_init(&m->streams[i].batch_events, batch_bounds, BOUNDS_COUNT(batch_bounds));
        metrics_histogram_init(&m->streams[i].apply_seconds, apply_bounds, BOUNDS_COUNT(apply_bounds));
    }
    *out = m;
    return SG_OK;
}

void metrics_destroy(struct metrics *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < TOMBSTONE_SLOTS; i++)
        free(m->tombstones[i].collection);
    free(m->tombstones);
    (void)pthread_mutex_destroy(&m->mutex);
    free(m);
}

struct stream_metrics *metrics_stream(struct metrics *m, size_t stream)
{
    assert(stream < m->streams_count);
    return &m->streams[stream];
}

/* The slot of a name, a new one if there is room, else NULL. */
static struct tombstone_slot *tombstone_slot(struct metrics *m, struct slice collection)
{
    size_t at = (size_t)hash_bytes(m->seed, collection) % TOMBSTONE_SLOTS;
    while (m->tombstones[at].collection != NULL) {
        if (slice_equal(slice_of(m->tombstones[at].collection), collection))
            return &m->tombstones[at];
        at = (at + 1) % TOMBSTONE_SLOTS;
    }
    if (m->tombstones_count == METRICS_TOMBSTONE_COLLECTIONS_MAX)
        return NULL;
    m->tombstones[at].collection = strndup(collection.data != NULL ? collection.data : "", collection.bytes);
    if (m->tombstones[at].collection == NULL)
        return NULL;
    m->tombstones_count++;
    return &m->tombstones[at];
}

void metrics_tombstone(struct metrics *m, struct slice collection)
{
    (void)pthread_mutex_lock(&m->mutex);
    struct tombstone_slot *slot = tombstone_slot(m, collection);
    if (slot != NULL)
        slot->count++;
    (void)pthread_mutex_unlock(&m->mutex);
}

/* The visitor is called without the lock: names are never freed or moved before metrics_destroy. */
void metrics_tombstones(struct metrics *m, metrics_tombstone_visitor *visit, void *context)
{
    for (size_t i = 0; i < TOMBSTONE_SLOTS; i++) {
        (void)pthread_mutex_lock(&m->mutex);
        struct tombstone_slot slot = m->tombstones[i];
        (void)pthread_mutex_unlock(&m->mutex);
        if (slot.collection != NULL)
            visit(context, slot.collection, slot.count);
    }
}
