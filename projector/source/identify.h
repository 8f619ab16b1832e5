/* Which incarnation of the stream is this? */
#ifndef STATEGATE_PROJECTOR_SOURCE_IDENTIFY_H
#define STATEGATE_PROJECTOR_SOURCE_IDENTIFY_H

#include "projector/source/session.h"

/* Find out whether the stream is the one that the stored row belongs to; begin a new build where it is not. On success
 * s->row is up to date, and a consumer may be made from its position. */
SG_MUST_CHECK enum sg_status session_identify(struct session *s, struct sg_error *err);
/* While it is watched: an answer shows the stream's end where the position is. Is the last message there the one that
 * was applied? SG_UNAVAILABLE: it is not, and a new build has begun; the session must end. */
SG_MUST_CHECK enum sg_status session_identify_head(struct session *s, const struct stream_info *info,
                                                   struct sg_error *err);

#endif
