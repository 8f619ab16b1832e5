/* A batch of one stream, the way of its events: take -> decode -> shape -> apply -> publish. */
#ifndef STATEGATE_PROJECTOR_INGEST_BATCH_H
#define STATEGATE_PROJECTOR_INGEST_BATCH_H

#include "projector/ingest/ingest.h"

/* Take a batch of the stream, if it holds none, and apply it; the number of events that were applied or failed, 0 =
 * there was nothing to do. A batch that failed stays, and is tried again no sooner than the stream's retry_at_ns.
 * Only for the thread that writes; blocks on disk. */
size_t batch_run(struct ingest *ingest, size_t stream);

#endif
