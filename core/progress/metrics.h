/* Counters and histograms that both sides count into, and /metrics shows. Counters count since the process started.
 * All functions may be called by any thread; relaxed atomics, no locks but the one named. */
#ifndef STATEGATE_CORE_PROGRESS_METRICS_H
#define STATEGATE_CORE_PROGRESS_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/domain/event.h"
#include "core/domain/settings.h"

#define METRICS_BUCKETS_MAX 16
#define METRICS_TOMBSTONE_COLLECTIONS_MAX 4096 /* four times the default collections_max; beyond, none is counted */

/* A Prometheus histogram with fixed bounds, in base units. */
struct metrics_histogram {
    const double *bounds; /* ascending, static */
    size_t bounds_count;
    atomic_uint_fast64_t counts[METRICS_BUCKETS_MAX + 1]; /* the last is +Inf; not cumulative */
    /* The sum is sum_whole + sum_nano * 1e-9, see metrics_histogram_sum. A build adds the age of each event that it
     * reads: in 1e-9 of the unit alone, 64 bits would be full after 600 events of a year ago. */
    atomic_uint_fast64_t sum_whole;
    atomic_uint_fast64_t sum_nano;
};
void metrics_histogram_init(struct metrics_histogram *h, const double *bounds, size_t bounds_count);
void metrics_histogram_add(struct metrics_histogram *h, double value); /* below 0 it adds nothing to the sum */
/* Add all of another one with the same bounds. */
void metrics_histogram_merge(struct metrics_histogram *h, const struct metrics_histogram *other);
/* The sum: units, and 1e-9 of one (below 1e9). */
void metrics_histogram_sum(const struct metrics_histogram *h, uint64_t *whole, uint64_t *nano);

enum probe_result { PROBE_PROVED, PROBE_UNPROVED, PROBE_FAILED };
#define PROBE_RESULTS_COUNT 3
const char *probe_result_name(enum probe_result result); /* "proved", "unproved", "failed" */

struct stream_metrics {
    atomic_uint_fast64_t events[EVENT_RESULTS_COUNT];
    atomic_uint_fast64_t rejected[EVENT_REASONS_COUNT];
    atomic_uint_fast64_t epoch_changes;
    atomic_uint_fast64_t gaps;
    atomic_uint_fast64_t clock_skew;  /* events whose stream timestamp lay after our wall clock */
    atomic_uint_fast64_t probes[PROBE_RESULTS_COUNT];
    atomic_uint_fast64_t resyncs;
    atomic_uint_fast64_t queue_bytes; /* a gauge: of messages that are here and not applied */
    struct metrics_histogram visible_seconds; /* stream timestamp to commit */
    struct metrics_histogram batch_events;
    struct metrics_histogram apply_seconds;
};

struct metrics;
/* Times that the write-ahead log could not be written back, in all: set by the projector. */
void metrics_set_checkpoint_failures(struct metrics *m, uint64_t count);
uint64_t metrics_checkpoint_failures(const struct metrics *m);
/* Counters for the streams and declared fields of the settings, which outlive them. SG_MEMORY. */
SG_MUST_CHECK enum sg_status metrics_create(const struct settings *settings, struct metrics **out,
                                            struct sg_error *err);
void metrics_destroy(struct metrics *m);
struct stream_metrics *metrics_stream(struct metrics *m, size_t stream);

/* Count a tombstone of a collection. Takes the one lock. */
void metrics_tombstone(struct metrics *m, struct slice collection);
typedef void metrics_tombstone_visitor(void *context, const char *collection, uint64_t count);
void metrics_tombstones(struct metrics *m, metrics_tombstone_visitor *visit, void *context);

/* Count an applied event of a collection where these fields, a bit each, had values of another type. */
void metrics_mismatches(struct metrics *m, struct slice collection, uint32_t fields);
/* How many there were of a field, in the order of the declaration; 0 of what is not declared. */
uint64_t metrics_mismatches_of(const struct metrics *m, struct slice collection, unsigned field);

#endif
