/* The decision over one event: what it comes to against the stored row and the events before it in the batch. */
#ifndef STATEGATE_STORE_WRITE_FOLD_H
#define STATEGATE_STORE_WRITE_FOLD_H

#include "core/domain/event.h"
#include "store/tables/entities.h"
#include "store/writer.h"

/* One id while a batch's events are folded over what is stored of it. */
struct fold_row {
    struct entity_row stored; /* and what became of it by the events so far; `number` stays that of the row */
    bool changed;             /* `value` is to be written */
    struct entity_value value; /* valid if changed */
};

#define FOLD_UNSUPPORTED "patches are not merged on this stream"

struct fold_outcome {
    enum event_result result;
    enum event_reason reason;
    uint64_t stored_sequence; /* of a conflict: what wrote the content that stays */
    struct slice detail;      /* of a patch that was rejected; of missing-base it is made afterwards */
};

/* Decide one event (STATE, PATCH, TOMBSTONE or ERASE), and change the row if the event wins. Of a patch `row` must be
 * what is stored, not a guess; `merge` may be NULL. */
SG_MUST_CHECK enum sg_status fold_event(struct store_connection *c, struct fold_row *row, const struct event *e,
                                        const struct store_merge *merge, struct fold_outcome *o, struct sg_error *err);

#endif
