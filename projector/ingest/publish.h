/* After a commit: what the reading side must know of it. First the rows are committed, then this is published, then
 * those who wait are woken: a reader that sees the position can see the rows. Only for the thread that writes. */
#ifndef STATEGATE_PROJECTOR_INGEST_PUBLISH_H
#define STATEGATE_PROJECTOR_INGEST_PUBLISH_H

#include "projector/ingest/ingest.h"

/* The entities of the first `count` events that changed, or of which an event was rejected. Before the position. */
void publish_entities(struct ingest *ingest, size_t count);
/* The position of the written build after a batch, with the time of the message there, and its hole. While one build is
 * both written and served, the store is not asked. */
SG_MUST_CHECK enum sg_status publish_position(struct ingest *ingest, size_t stream, uint64_t position, int64_t time_ns,
                                              struct hole hole, struct sg_error *err);
/* Where the stream's rows are now, as the store says: after anything but a batch. */
SG_MUST_CHECK enum sg_status publish_row(struct ingest *ingest, size_t stream, struct sg_error *err);
/* Wake the reads that wait for this position, or for the proof that it meets. */
void publish_wake(struct ingest *ingest, size_t stream, uint64_t position);

#endif
