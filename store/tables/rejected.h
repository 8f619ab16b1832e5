/* The table of rejected events (and conflicts): recorded, counted, bounded. */
#ifndef STATEGATE_STORE_TABLES_REJECTED_H
#define STATEGATE_STORE_TABLES_REJECTED_H

#include "core/domain/event.h"
#include "core/domain/stream.h"
#include "store/sqlite/connection.h"

/* Record one of a build; with its payload where that is wanted and not private. */
SG_MUST_CHECK enum sg_status store_rejected_insert(struct store_connection *c, const struct build *build,
                                             const struct event *event, enum event_reason reason, struct slice detail,
                                             bool keep_payload, struct sg_error *err);
/* How many there are of written builds. */
SG_MUST_CHECK enum sg_status store_rejected_count(struct store_connection *c, int64_t *out, struct sg_error *err);
/* Delete the oldest `count` of written builds. */
SG_MUST_CHECK enum sg_status store_rejected_trim(struct store_connection *c, int64_t count, struct sg_error *err);

#endif
