/* Wakes one thread: any thread notifies, one waits. A notification that nobody waits for is kept until the next wait,
 * and several before it count as one. Notifying a thread that is not asleep costs no system call. */
#ifndef STATEGATE_CORE_BASE_NOTIFIER_H
#define STATEGATE_CORE_BASE_NOTIFIER_H

#include <stdint.h>

#include "core/base/status.h"

struct notifier;
SG_MUST_CHECK enum sg_status notifier_create(struct notifier **out, struct sg_error *err);
/* Nobody notifies or waits any more. NULL is allowed. */
void notifier_destroy(struct notifier *n);
/* Any thread; does not block. */
void notifier_notify(struct notifier *n);
/* Wait until notified since the last wait, at most until `deadline_ns` (boot clock; INT64_MAX = for ever). What the
 * notifying threads did before is visible. One thread only. */
void notifier_wait(struct notifier *n, int64_t deadline_ns);

#endif
