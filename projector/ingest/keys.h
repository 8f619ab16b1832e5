/* Counting the keys of a stream at exactly the position that an answer of the broker showed as its end. Only for the
 * thread that writes. */
#ifndef STATEGATE_PROJECTOR_INGEST_KEYS_H
#define STATEGATE_PROJECTOR_INGEST_KEYS_H

#include "projector/ingest/ingest.h"

/* Count them if the position has come to its head; else later, `out->known` being false. */
SG_MUST_CHECK enum sg_status count_keys_at(struct ingest *ingest, size_t stream, const struct keys_question *question,
                                           struct keys_counted *out, struct sg_error *err);
/* Before a batch: how many of its messages may be applied before the keys are counted. Where that is none, they are
 * counted. */
size_t count_keys_before(struct ingest *ingest, size_t stream);
/* After a commit, and whatever else moved the position. */
void count_keys_due(struct ingest *ingest, size_t stream, uint64_t position);

#endif
