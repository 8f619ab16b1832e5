/* The table of entities: one row found, compared, written. */
#ifndef STATEGATE_STORE_TABLES_ENTITIES_H
#define STATEGATE_STORE_TABLES_ENTITIES_H

#include "core/domain/entity.h"
#include "store/sqlite/connection.h"

/* What is stored of an entity; all zero where nothing is. */
struct entity_row {
    int64_t number;  /* of the row; 0 = not stored */
    int64_t version; /* 0 = never seen */
    bool deleted;
    uint64_t sequence;
};

SG_MUST_CHECK enum sg_status store_entities_find(struct store_connection *c, int64_t collection, struct slice id,
                                           struct entity_row *out, struct sg_error *err);
/* Is this the state that the row `number` has? */
SG_MUST_CHECK enum sg_status store_entities_same_state(struct store_connection *c, int64_t number, struct slice state,
                                                 bool *out, struct sg_error *err);

/* Each of these tells by `*written` whether a row was changed. */

/* A new row; none where the id is stored already. */
SG_MUST_CHECK enum sg_status store_entities_insert(struct store_connection *c, int64_t collection, struct slice id,
                                             const struct entity_value *v, bool *written, struct sg_error *err);
/* The row of the id, if there is one that is alive and has a lower version. */
SG_MUST_CHECK enum sg_status store_entities_replace(struct store_connection *c, int64_t collection, struct slice id,
                                              const struct entity_value *v, bool *written, struct sg_error *err);
SG_MUST_CHECK enum sg_status store_entities_update(struct store_connection *c, int64_t number, const struct entity_value *v,
                                             bool *written, struct sg_error *err);

#endif
