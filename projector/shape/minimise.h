/* The state's text: as it came, or without the members that the rules of its collection drop. Both are written without
 * white space, numbers and order as they came. */
#ifndef STATEGATE_PROJECTOR_SHAPE_MINIMISE_H
#define STATEGATE_PROJECTOR_SHAPE_MINIMISE_H

#include "core/base/status.h"
#include "core/domain/event.h"
#include "core/domain/settings.h"
#include "core/json/arena.h"

/* The members that a collection drops, compiled. Read-only once made: any thread. */
struct drop_rules;

/* `*out` is NULL where the collection drops none. SG_INVALID (what is no pointer), SG_MEMORY. */
SG_MUST_CHECK enum sg_status drop_rules_create(const struct collection_settings *collection, struct drop_rules **out,
                                               struct sg_error *err);
/* NULL is allowed. */
void drop_rules_destroy(struct drop_rules *rules);

/* Write the event's state without the members that `rules`, a struct drop_rules, names. The state stays empty where
 * none of them is there. SG_MEMORY. */
SG_MUST_CHECK enum sg_status minimise_drop(const void *rules, struct event *event, struct arena *arena,
                                           struct sg_error *err);
/* Write all of it. Where the text as it came is what writing it would give, the state points there. SG_MEMORY. */
SG_MUST_CHECK enum sg_status minimise_whole(struct event *event, struct arena *arena, struct sg_error *err);

#endif
