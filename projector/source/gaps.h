/* Events that are lost: recorded as gaps, or a reason to build again. */
#ifndef STATEGATE_PROJECTOR_SOURCE_GAPS_H
#define STATEGATE_PROJECTOR_SOURCE_GAPS_H

#include "projector/source/session.h"

/* May the stream have dropped events that no later one of the same entity superseded? */
bool gaps_possible(const struct session *s, const struct stream_info *info);

/* Begin the stream's rows again from nothing. No message of a present consumer is applied to them: whoever goes on
 * makes another from position 0. */
SG_MUST_CHECK enum sg_status session_begin_build(struct session *s, int64_t created_ns, const struct epoch *epoch,
                                                 uint64_t target, struct sg_error *err);

/* The events first..last are lost, but for those that are explained: record a gap, or begin again, as the settings say.
 * SG_UNAVAILABLE when it began again: the session must end. */
SG_MUST_CHECK enum sg_status session_add_gap(struct session *s, uint64_t first, uint64_t last,
                                             const struct stream_info *info, struct sg_error *err);

/* Of the sequences that the consumer passed over, those before the stream's first are gone: lost, as far as anybody can
 * tell. The others were superseded or filtered out. `info` was asked for after they were passed over. */
SG_MUST_CHECK enum sg_status session_judge_skipped(struct session *s, const struct skipped_range *skipped,
                                                   size_t count, const struct stream_info *info,
                                                   struct sg_error *err);

#endif
