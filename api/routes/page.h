/* What the routes of a list share: pages (page.c) and batches of ids (batch.c). */
#ifndef STATEGATE_API_ROUTES_PAGE_H
#define STATEGATE_API_ROUTES_PAGE_H

#include "api/answer/items.h"
#include "api/routes/route.h"
#include "store/reader.h"

/* A page that is nearly full, and one more entity of the largest size. */
#define PAGE_BODY_BYTES_MAX (STORE_PAGE_BYTES_MAX + EVENT_PAYLOAD_BYTES_MAX + (64u << 10))

/* May it take long, so that it is made in a job? */
bool batch_is_long(const struct list_query *q);
/* Before it is looked at first, the plan's demand is that of an id that has one. */
void batch_demand(struct plan *plan);
/* Look for an id of the batch whose minimum version is not there: the call's plan is about that one entity then, and
 * so is the basis. */
SG_MUST_CHECK enum sg_status batch_find_short(struct call *call, struct basis *out, struct sg_error *err);
/* Append the items, in the order asked for. `*gap` is extended by what their gaps span. */
SG_MUST_CHECK enum sg_status batch_append(const struct call *call, struct items *items, struct gap *gap,
                                          struct sg_error *err);

#endif
