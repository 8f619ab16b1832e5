/* Watch a stream that is identified, until the session must end. */
#ifndef STATEGATE_PROJECTOR_SOURCE_WATCH_H
#define STATEGATE_PROJECTOR_SOURCE_WATCH_H

#include "projector/source/session.h"

/* Probe and watch; says in `err` why the session must end. Never SG_OK. */
SG_MUST_CHECK enum sg_status session_watch(struct session *s, struct sg_error *err);

#endif
