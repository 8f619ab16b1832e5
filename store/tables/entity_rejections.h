/* The table of rejections that are kept with their entity when the table of rejected events drops them: at most one row
 * for each entity or tombstone. */
#ifndef STATEGATE_STORE_TABLES_ENTITY_REJECTIONS_H
#define STATEGATE_STORE_TABLES_ENTITY_REJECTIONS_H

#include "core/base/slice.h"
#include "store/sqlite/connection.h"

/* The oldest `count` rejected events of written builds are about to be dropped: keep those that are above what is
 * stored of their id. `*kept` becomes true where there is such a one. */
SG_MUST_CHECK enum sg_status store_entity_rejections_keep(struct store_connection *c, int64_t count, bool *kept,
                                                          struct sg_error *err);
/* Is there a row at all? */
SG_MUST_CHECK enum sg_status store_entity_rejections_any(struct store_connection *c, bool *any, struct sg_error *err);
/* This version of the entity was applied: what is kept ends, unless it is above that. `*ended`: a row went. */
SG_MUST_CHECK enum sg_status store_entity_rejections_end(struct store_connection *c, int64_t collection,
                                                         struct slice id, int64_t version, bool *ended,
                                                         struct sg_error *err);

#endif
