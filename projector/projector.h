/* The writing side's one thread: drain the queues, decode, apply, publish the position. It alone writes to the read
 * model; the sources ask it to change a stream's life by calls that it serves between two batches. */
#ifndef STATEGATE_PROJECTOR_PROJECTOR_H
#define STATEGATE_PROJECTOR_PROJECTOR_H

#include <stdatomic.h>

#include "core/progress/freshness.h"
#include "core/progress/metrics.h"
#include "store/model.h"
#include "core/progress/progress.h"
#include "core/domain/settings.h"
#include "projector/queue.h"

/* As many as a queue holds: random ids meet in the index's pages, and each page is written once a batch; while 1 M
 * entities are built that saves three of five bytes written. It takes 0.1 s; who is up to date has small batches. */
#define PROJECTOR_BATCH_EVENTS_MAX 16384
#define PROJECTOR_BATCH_BYTES_MAX (8u << 20)   /* of payloads */
#define PROJECTOR_RETRY_MIN_MS 100             /* a failed batch is tried again, with backoff up to ... */
#define PROJECTOR_RETRY_MAX_MS 2000
#define PROJECTOR_REST_EVENTS 1000             /* after a batch of so many, memory is given back ... */
#define PROJECTOR_REST_MS 1000                 /* ... when no other came for so long */
#define PROJECTOR_SWEEP_ROWS 1000              /* of old builds, deleted at once: a few ms, so that no commit stalls */

struct projector;

/* All borrowed, and outlive the projector. */
struct projector_context {
    const struct settings *settings;
    struct store_writer *model;
    struct freshness *freshness;
    struct metrics *metrics;
    struct progress *progress;
};

/* Attach the settings' streams to the model and start the thread. `release` frees a queued message. */
SG_MUST_CHECK enum sg_status projector_start(const struct projector_context *context, queue_release *release,
                                             struct projector **out, struct sg_error *err);
/* Finish the batch at hand, stop the thread. The sources are stopped before. NULL is allowed. */
void projector_stop(struct projector *p);

/* True once the database was found damaged: nothing can be applied, and only a restart can begin again. Any thread. */
bool projector_failed(const struct projector *p);

struct queue *projector_queue(struct projector *p, size_t stream);

/* ---- asked by the sources' threads; each blocks until the projector has done it, between two batches ---- */

/* The build that is written. Afterwards no message of an older generation is applied. */
SG_MUST_CHECK enum sg_status projector_load(struct projector *p, size_t stream, struct build *out,
                                            struct sg_error *err);
/* Store creation time and epoch of a stream that has none. */
SG_MUST_CHECK enum sg_status projector_identify(struct projector *p, size_t stream, int64_t created_ns,
                                                const struct epoch *epoch, struct sg_error *err);
/* The position of that build, of this process's last commit to it. Any thread, does not block. */
uint64_t projector_position(const struct projector *p, size_t stream);
/* Begin again from nothing: another life of the stream, or the same after a gap. The rows that are served stay until
 * the new ones have reached `target`; a replica that is not ready yet becomes ready then. */
SG_MUST_CHECK enum sg_status projector_begin_build(struct projector *p, size_t stream, int64_t created_ns,
                                                   const struct epoch *epoch, uint64_t target, struct sg_error *err);
/* A build whose end was not known (its settings changed) ends at `target`. */
SG_MUST_CHECK enum sg_status projector_set_target(struct projector *p, size_t stream, uint64_t target,
                                                  struct sg_error *err);
SG_MUST_CHECK enum sg_status projector_add_gap(struct projector *p, size_t stream, uint64_t first, uint64_t last,
                                               struct sg_error *err);
/* Nothing that matches lies between the position and `position`. Does nothing if `generation` is void by now, or if
 * something is queued: it will move the position itself. */
SG_MUST_CHECK enum sg_status projector_advance(struct projector *p, size_t stream, uint64_t generation,
                                               uint64_t position, struct sg_error *err);

#endif
