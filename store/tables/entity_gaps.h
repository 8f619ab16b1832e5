/* The table of the gaps of single entities: an event of one may be lost, since it was passed over and its subject is
 * gone from the stream. */
#ifndef STATEGATE_STORE_TABLES_ENTITY_GAPS_H
#define STATEGATE_STORE_TABLES_ENTITY_GAPS_H

#include "store/cache/collection_names.h"
#include "store/sqlite/connection.h"

/* Record one up to `last`, or extend the one there is. */
SG_MUST_CHECK enum sg_status store_entity_gap_add(struct store_connection *c, struct collection_name *collection,
                                                  struct slice id, uint64_t last, struct sg_error *err);
/* An event of the entity was applied: its gap ends, if it has one. */
SG_MUST_CHECK enum sg_status store_entity_gap_end(struct store_connection *c, struct collection_name *collection,
                                                  struct slice id, struct sg_error *err);

#endif
