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

/* What is selected of it, in the place of its state. */
void items_append_selection(struct items *items, const struct entity *entity);

/* Each ends the one before: one piece less for each item. */
static inline void items_append_id(struct items *items, struct slice id)
{
    if (items->count++ > 0)
        buffer_append_text(items->body, "},\n{\"id\":\"");
    else
        buffer_append_text(items->body, "\n{\"id\":\"");
    buffer_append_json_text(items->body, id);
}

/* Append the next item; a failure is that of the body, which shows at its end. Inline, as it is most of what a page by
 * ids takes. */
static inline void items_append(struct items *items, const struct entity *entity)
{
    struct buffer *out = items->body;
    items_append_id(items, entity->id);
    buffer_append_text(out, "\",\"version\":");
    buffer_append_int(out, entity->version);
    if (entity->occurred_at.bytes > 0) {
        buffer_append_text(out, ",\"occurredAt\":\"");
        buffer_append_json_text(out, entity->occurred_at);
        buffer_append_text(out, "\",\"state\":");
    } else {
        buffer_append_text(out, ",\"state\":");
    }
    if (items->query != NULL && items->query->select_count > 0)
        items_append_selection(items, entity);
    else
        buffer_append_slice(out, entity->state);
}

/* The same, for an id that has no state: {"id","status": 404} or, `version` not 0, {"id","status": 410,"version"}. */
void items_append_missing(struct items *items, struct slice id, int64_t version);
/* After the last one. */
void items_end(struct items *items);

#endif
