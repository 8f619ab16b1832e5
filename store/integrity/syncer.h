/* Syncs the database's files in a thread of its own, so that the writer goes on meanwhile. One sync at a time; asked
 * for and looked at by the writer's thread. */
#ifndef STATEGATE_STORE_INTEGRITY_SYNCER_H
#define STATEGATE_STORE_INTEGRITY_SYNCER_H

#include "core/base/notifier.h"
#include "store/integrity/order.h"

struct syncer;
/* `checked` and `notifier` are borrowed; the latter is notified when a sync has ended. After the first commit, so that
 * there is a WAL. */
SG_MUST_CHECK enum sg_status syncer_create(struct checked_database *checked, struct notifier *notifier,
                                           struct syncer **out, struct sg_error *err);
/* End the thread; nothing is at work. The notifier is not needed any more. */
void syncer_stop(struct syncer *s);
/* After the last connection was closed: closing a file gives up all locks that the process has on it. NULL is
 * allowed. */
void syncer_destroy(struct syncer *s);
/* Begin a sync; none is at work. */
void syncer_begin(struct syncer *s, enum order_file which);
/* False while it is at work. Else whether it succeeded; no matter how often. Does not block. */
bool syncer_done(struct syncer *s, bool *good);
/* Wait for it. */
bool syncer_wait(struct syncer *s);

/* On: a syncer that is made from now on has no thread; what was begun is done when it is looked at a second time. For
 * tests that cut the power at each write. */
void store_syncer_set_stepwise(bool on);

#endif
