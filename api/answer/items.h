/* Entities as items of a list: {"id","version","occurredAt","state"}, where `state` is the whole document, or what is
 * selected of it. One thread. */
#ifndef STATEGATE_API_ANSWER_ITEMS_H
#define STATEGATE_API_ANSWER_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "api/request/query.h"
#include "core/base/buffer.h"
#include "core/domain/entity.h"
#include "core/json/arena.h"
#include "core/json/pointer.h"

#define ITEMS_ITEM_BYTES 256 /* what an item takes besides its id and state, which a selection seldom is larger than */

struct items {
    struct buffer *body;             /* borrowed */
    const struct list_query *query;  /* borrowed; NULL = nothing is selected */
    const struct field_set *fields;  /* that its collection declares; used with a selection alone */
    size_t count;
    struct pointer *pointers[QUERY_SELECT_MAX]; /* owned; what is selected of a state; NULL = no part of it */
    struct region memory;            /* owned; to read states in */
};

/* Where that fails, so has the body. */
void items_begin(struct items *items, const struct list_query *query, const struct field_set *fields,
                 struct buffer *body);
void items_free(struct items *items);

/* Append the next item; a failure is that of the body, which shows at its end. */
void items_append(struct items *items, const struct entity *entity);
/* Likewise, for an id that has no state: {"id","status": 404} or, `version` not 0, {"id","status": 410,"version"}. */
void items_append_missing(struct items *items, struct slice id, int64_t version);

#endif
