/* A build begins: for another incarnation of the stream, or instead of a gap. */
#ifndef STATEGATE_PROJECTOR_SOURCE_GAPS_H
#define STATEGATE_PROJECTOR_SOURCE_GAPS_H

#include "projector/source/session.h"

/* Begin the stream's rows again from nothing. No message of a present consumer is applied to them: whoever goes on
 * makes another from position 0. */
SG_MUST_CHECK enum sg_status session_begin_build(struct session *s, int64_t created_ns, const struct epoch *epoch,
                                                 uint64_t target, struct sg_error *err);

#endif
