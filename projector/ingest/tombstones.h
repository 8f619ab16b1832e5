/* Tombstones that are kept for a time, or up to a number: when those beyond it are removed.
 *
 * In passes over all collections that have a bound, each in small transactions: a second after a deletion, at the
 * soonest, and as long as any may grow old a few times in the time that they are kept. */
#ifndef STATEGATE_PROJECTOR_INGEST_TOMBSTONES_H
#define STATEGATE_PROJECTOR_INGEST_TOMBSTONES_H

#include "core/base/time.h"
#include "projector/ingest/ingest.h"

#define TOMBSTONES_PASS_NS NS_PER_S            /* from the beginning of one to the next, while entities are deleted */
#define TOMBSTONES_PASS_NS_MAX (60 * NS_PER_S) /* while none is: so much longer one may be kept */
#define TOMBSTONES_PASSES 32                   /* in the shortest time that any are kept */
#define TOMBSTONES_ROWS_MAX 1000               /* removed in one transaction, which its time cuts as well */

/* Only for the thread that holds `writing`; all take NULL and do nothing then. */

/* `*out` is NULL where no collection has a bound. A pass begins at once. */
SG_MUST_CHECK enum sg_status tombstones_create(const struct settings *settings, struct tombstones **out,
                                               struct sg_error *err);
void tombstones_destroy(struct tombstones *tombstones);

/* Entities were deleted. */
void tombstones_came(struct tombstones *tombstones);
/* When the next step is due, on the boot clock; INT64_MAX = never. */
int64_t tombstones_at(const struct tombstones *tombstones);
/* A step of a pass, if one is due: STORE_SWEEP_NS or a transaction. `*worked`: there is more to do at once. On failure
 * it is tried again later. */
SG_MUST_CHECK enum sg_status tombstones_run(struct ingest *ingest, bool *worked, struct sg_error *err);

#endif
