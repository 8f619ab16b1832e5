/* The writing side's thread, beside which a connection's loop applies a few messages itself: serve what the sources
 * ask, then a batch of each stream, again and again; sweep rows of old builds, and give memory back when there is
 * nothing else to do. */
#ifndef STATEGATE_PROJECTOR_PROJECTOR_H
#define STATEGATE_PROJECTOR_PROJECTOR_H

#include "projector/ingest/ingest.h"

#define PROJECTOR_TRIM_EVENTS 1000 /* after a batch of so many, memory is given back ... */
#define PROJECTOR_TRIM_MS 1000     /* ... when no other came for so long */
#define PROJECTOR_SWEEP_ROWS 1000  /* of old builds, deleted at once: a few ms, so that no commit stalls */

struct projector;

/* Attach the settings' streams to the store and start the thread. `release` frees a queued message. */
SG_MUST_CHECK enum sg_status projector_start(const struct ingest_context *context, queue_release *release,
                                             struct projector **out, struct sg_error *err);
/* Finish the batch at hand, stop the thread: the store is not used any more, and what a source still asks for is
 * SG_STOPPED. NULL is allowed. */
void projector_stop(struct projector *p);
/* Free, after projector_stop, in the same thread. The sources have ended. NULL is allowed. */
void projector_destroy(struct projector *p);

/* True once the database was found damaged: nothing can be applied, and only a restart can begin again. Any thread. */
bool projector_failed(const struct projector *p);

/* What names the settings that shape a stream's rows: once the projector was started the store serves no others. Pure;
 * any thread. SG_MEMORY. */
SG_MUST_CHECK enum sg_status projector_rows_hash(const struct settings *settings, size_t stream, struct rows_hash *out,
                                                 struct sg_error *err);

/* What the sources ask, see ingest/commands.h. Valid as long as the projector. Any thread. */
struct ingest *projector_ingest(struct projector *p);

#endif
