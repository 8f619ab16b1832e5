/* What the waiting reads of all loops share: how many there may be, in all and of one client,
 * and how their waits ended. */
#ifndef STATEGATE_API_WAIT_LIMITS_H
#define STATEGATE_API_WAIT_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/http/head.h"
#include "core/base/status.h"
#include "core/progress/metrics.h"
#include "core/progress/wants.h"

/* Labels of stategate_wait_seconds, beside enum wait_kind. */
enum wait_outcome { WAIT_MET, WAIT_DEADLINE, WAIT_REFUSED, WAIT_GONE, WAIT_STOPPED };
#define WAIT_OUTCOMES_COUNT 5

struct wait_limits;

/* At most parked_max reads wait at once, and at most client_max of one address. */
SG_MUST_CHECK enum sg_status wait_limits_create(size_t parked_max, size_t client_max, struct wait_limits **out,
                                                struct sg_error *err);
void wait_limits_destroy(struct wait_limits *w);

/* Take a place; false: there is none (or no memory to count it).
 * Any thread; one short lock where client_max is smaller. */
bool wait_limits_take(struct wait_limits *w, const struct client_address *client);
/* Give it back: the wait has ended like this, after `waited_ns`. */
void wait_limits_give(struct wait_limits *w, const struct client_address *client, enum wait_kind kind,
                      enum wait_outcome outcome, int64_t waited_ns);

size_t wait_limits_parked(const struct wait_limits *w);
/* How long the waits for `kind` took that ended with `outcome`; lives as long as `w`. Any thread. */
const struct metrics_histogram *wait_limits_seconds(const struct wait_limits *w, enum wait_kind kind,
                                                    enum wait_outcome outcome);

#endif
