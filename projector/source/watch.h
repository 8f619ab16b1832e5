/* Watch a stream that is identified, until the session must end. */
#ifndef STATEGATE_PROJECTOR_SOURCE_WATCH_H
#define STATEGATE_PROJECTOR_SOURCE_WATCH_H

#include "projector/source/session.h"

/* Where the rows know of no message of a stream whose subjects its settings do not say: is there one? If there
 * is none the watch says so. `info` is what the stream showed once its consumer existed. */
SG_MUST_CHECK enum sg_status session_look_for_matches(struct session *s, const struct stream_info *info,
                                                      struct sg_error *err);

/* Probe and watch; says in `err` why the session must end. Never SG_OK. */
SG_MUST_CHECK enum sg_status session_watch(struct session *s, struct sg_error *err);

#endif
