/* The tables of entities: those that are alive, and the tombstones of deleted ones. An id is in one of them. */
#ifndef STATEGATE_STORE_TABLES_ENTITIES_H
#define STATEGATE_STORE_TABLES_ENTITIES_H

#include "core/domain/entity.h"
#include "store/sqlite/connection.h"

/* What is stored of an entity; all zero where nothing is. */
struct entity_row {
    int64_t number;  /* of the row, in the table that `deleted` names; 0 = not stored */
    int64_t version; /* 0 = never seen */
    bool deleted;
    bool gone;       /* a tombstone of which the stream has no message any more */
    uint64_t sequence;
};

/* Find it; among tombstones only if the collection has any. */
SG_MUST_CHECK enum sg_status store_entities_find(struct store_connection *c, int64_t collection, bool has_tombstones,
                                           struct slice id, struct entity_row *out, struct sg_error *err);
/* Is this the state that the entity `number` has? */
SG_MUST_CHECK enum sg_status store_entities_same_state(struct store_connection *c, int64_t number, struct slice state,
                                                 bool *out, struct sg_error *err);

/* The state that the entity `number` has, until store_entities_state_end, which is called after a failure as well. */
SG_MUST_CHECK enum sg_status store_entities_state(struct store_connection *c, int64_t number, struct slice *out,
                                                  struct sg_error *err);
void store_entities_state_end(struct store_connection *c);

/* Guesses of what is stored, which take one statement. `*written` is false where the guess was wrong: no change. */

/* Nothing is, and there is no tombstone of it: the value is alive. */
SG_MUST_CHECK enum sg_status store_entities_insert(struct store_connection *c, int64_t collection, struct slice id,
                                             const struct entity_value *v, bool *written, struct sg_error *err);
/* It is alive, and has a lower version; so is the value alive. */
SG_MUST_CHECK enum sg_status store_entities_replace(struct store_connection *c, int64_t collection, struct slice id,
                                              const struct entity_value *v, bool *written, struct sg_error *err);

/* Write a value in the place of what entities_find has found: the row changes its table with what it is. */
SG_MUST_CHECK enum sg_status store_entities_write(struct store_connection *c, int64_t collection, struct slice id,
                                            const struct entity_row *found, const struct entity_value *v,
                                            struct sg_error *err);

/* Has the collection any that are alive? */
SG_MUST_CHECK enum sg_status store_entities_any(struct store_connection *c, int64_t collection, bool *out,
                                                struct sg_error *err);
/* The highest number of a row in either table, 0 = there is none. */
SG_MUST_CHECK enum sg_status store_entities_number_max(struct store_connection *c, bool tombstones, int64_t *out,
                                                       struct sg_error *err);

/* Delete one row of a collection from either table; `*done` is true when there is none left. */
SG_MUST_CHECK enum sg_status store_entities_sweep(struct store_connection *c, int64_t collection, bool *done,
                                            struct sg_error *err);

#endif
