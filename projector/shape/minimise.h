/* The state's text: as it came, or without the members that the rules of its collection drop. Both are written without
 * white space, numbers and order as they came. */
#ifndef STATEGATE_PROJECTOR_SHAPE_MINIMISE_H
#define STATEGATE_PROJECTOR_SHAPE_MINIMISE_H

#include "core/base/status.h"
#include "core/domain/event.h"
#include "core/domain/settings.h"
#include "core/json/arena.h"

/* Write the event's state without the members that `rules`, a struct collection_settings, names. The state stays empty
 * where none of them is there. SG_MEMORY. */
SG_MUST_CHECK enum sg_status minimise_drop(const void *rules, struct event *event, struct arena *arena,
                                           struct sg_error *err);
/* Write all of it. Where the text as it came is what writing it would give, the state points there. SG_MEMORY. */
SG_MUST_CHECK enum sg_status minimise_whole(struct event *event, struct arena *arena, struct sg_error *err);

#endif
