/* Counters and histograms. */
#include "core/progress/metrics.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/names.h"

#define TOMBSTONE_SLOTS (2 * METRICS_TOMBSTONE_COLLECTIONS_MAX) /* a power of two, at most half full */

/* Open addressing; names are never removed. */
struct tombstone_slot {
    char *collection; /* owned; NULL = free */
    uint64_t count;
};

struct metrics {
    /* Set by metrics_create(), then read-only. */
    uint64_t seed;
    struct names *declared;             /* owned: collections with fields, and where in `mismatches` theirs begin */
    atomic_uint_fast64_t *mismatches;   /* owned; of all their fields */
    size_t mismatches_count;
    /* Guarded by mutex. */
    pthread_mutex_t mutex;
    struct tombstone_slot *tombstones; /* owned; TOMBSTONE_SLOTS */
    size_t tombstones_count;
    /* Atomics: any thread. */
    atomic_uint_fast64_t checkpoint_failures;
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
    atomic_init(&h->sum_whole, 0);
    atomic_init(&h->sum_nano, 0);
}

#define NANO UINT64_C(1000000000)
#define NANO_FULL (UINT64_C(1) << 62) /* what is added is below NANO: it cannot wrap before it is seen */

/* Once in four billion additions at least. */
static __attribute__((cold)) void sum_carry(struct metrics_histogram *h)
{
    uint_fast64_t nano = atomic_load_explicit(&h->sum_nano, memory_order_relaxed);
    while (nano >= NANO_FULL) {
        if (!atomic_compare_exchange_weak_explicit(&h->sum_nano, &nano, nano % NANO, memory_order_relaxed,
                                                   memory_order_relaxed))
            continue;
        atomic_fetch_add_explicit(&h->sum_whole, nano / NANO, memory_order_relaxed);
        return;
    }
}

static inline void sum_add_nano(struct metrics_histogram *h, uint64_t nano)
{
    if (atomic_fetch_add_explicit(&h->sum_nano, nano, memory_order_relaxed) >= NANO_FULL)
        sum_carry(h);
}

static void sum_add_large(struct metrics_histogram *h, double value)
{
    uint64_t whole = value < 1e18 ? (uint64_t)value : UINT64_C(1000000000000000000);
    double rest = value - (double)whole;
    atomic_fetch_add_explicit(&h->sum_whole, whole, memory_order_relaxed);
    sum_add_nano(h, rest > 0 && rest < 1 ? (uint64_t)(rest * 1e9 + 0.5) : 0);
}

void metrics_histogram_add(struct metrics_histogram *h, double value)
{
    size_t bucket = 0;
    while (bucket < h->bounds_count && value > h->bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&h->counts[bucket], 1, memory_order_relaxed);
    if (value >= 1)
        sum_add_large(h, value);
    else if (value > 0)
        sum_add_nano(h, (uint64_t)(int64_t)(value * 1e9 + 0.5)); /* below 2^63: one instruction instead of five */
}

void metrics_histogram_merge(struct metrics_histogram *h, const struct metrics_histogram *other)
{
    uint64_t whole = 0;
    uint64_t nano = 0;
    assert(h->bounds == other->bounds);
    for (size_t i = 0; i <= h->bounds_count; i++)
        atomic_fetch_add_explicit(&h->counts[i], atomic_load_explicit(&other->counts[i], memory_order_relaxed),
                                  memory_order_relaxed);
    metrics_histogram_sum(other, &whole, &nano);
    atomic_fetch_add_explicit(&h->sum_whole, whole, memory_order_relaxed);
    sum_add_nano(h, nano);
}

void metrics_histogram_sum(const struct metrics_histogram *h, uint64_t *whole, uint64_t *nano)
{
    uint64_t parts = atomic_load_explicit(&h->sum_nano, memory_order_relaxed);
    *whole = atomic_load_explicit(&h->sum_whole, memory_order_relaxed) + parts / NANO;
    *nano = parts % NANO;
}

static enum sg_status no_memory(size_t streams_count, struct sg_error *err)
{
    return sg_fail(err, SG_MEMORY, "out of memory for the metrics of %zu streams", streams_count);
}

/* Counters for what the settings declare. */
static enum sg_status declare(struct metrics *m, const struct settings *settings, struct sg_error *err)
{
    enum sg_status status = names_create(settings->collections_count + 1, &m->declared, err);
    if (status != SG_OK)
        return status;
    for (size_t i = 0; i < settings->collections_count; i++) {
        const struct collection_settings *collection = &settings->collections[i];
        names_add(m->declared, slice_of(collection->name), (int)m->mismatches_count);
        m->mismatches_count += collection->fields.fields_count;
    }
    m->mismatches = calloc(m->mismatches_count + 1, sizeof *m->mismatches);
    return m->mismatches != NULL ? SG_OK : no_memory(settings->streams_count, err);
}

enum sg_status metrics_create(const struct settings *settings, struct metrics **out, struct sg_error *err)
{
    size_t streams_count = settings->streams_count;
    struct metrics *m = calloc(1, sizeof *m + streams_count * sizeof m->streams[0]);
    struct tombstone_slot *tombstones = calloc(TOMBSTONE_SLOTS, sizeof *tombstones);
    if (m == NULL || tombstones == NULL) {
        free(tombstones);
        free(m);
        return no_memory(streams_count, err);
    }
    /* A default mutex: initialising one cannot fail on Linux. */
    (void)pthread_mutex_init(&m->mutex, NULL);
    m->seed = hash_seed();
    m->tombstones = tombstones;
    m->streams_count = streams_count;
    enum sg_status status = declare(m, settings, err);
    if (status != SG_OK) {
        metrics_destroy(m);
        return status;
    }
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
    names_destroy(m->declared);
    free(m->mismatches);
    (void)pthread_mutex_destroy(&m->mutex);
    free(m);
}

void metrics_set_checkpoint_failures(struct metrics *m, uint64_t count)
{
    atomic_store_explicit(&m->checkpoint_failures, count, memory_order_relaxed);
}

uint64_t metrics_checkpoint_failures(const struct metrics *m)
{
    return atomic_load_explicit(&m->checkpoint_failures, memory_order_relaxed);
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

void metrics_mismatches(struct metrics *m, struct slice collection, uint32_t fields)
{
    int first = names_find(m->declared, collection);
    for (size_t i = 0; first != NAMES_NONE && i < FIELDS_MAX; i++) {
        size_t at = (size_t)first + i;
        if ((fields >> i & 1) != 0 && at < m->mismatches_count)
            atomic_fetch_add_explicit(&m->mismatches[at], 1, memory_order_relaxed);
    }
}

uint64_t metrics_mismatches_of(const struct metrics *m, struct slice collection, unsigned field)
{
    int first = names_find(m->declared, collection);
    size_t at = (size_t)first + field;
    return first != NAMES_NONE && at < m->mismatches_count
               ? atomic_load_explicit(&m->mismatches[at], memory_order_relaxed)
               : 0;
}
