/* What the waiting reads of all loops share: how many there are, in all and of one client, and how their waits
 * ended. */
#ifndef STATEGATE_API_WAIT_LIMITS_H
#define STATEGATE_API_WAIT_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/http/head.h"
#include "core/base/status.h"
#include "core/domain/tunables.h"
#include "core/progress/metrics.h"
#include "core/progress/wants.h"

/* Labels of stategate_wait_seconds, beside enum wait_kind. */
enum wait_outcome { WAIT_MET, WAIT_DEADLINE, WAIT_REFUSED, WAIT_GONE, WAIT_STOPPED };
#define WAIT_OUTCOMES_COUNT 5

struct wait_limits;

SG_MUST_CHECK enum sg_status wait_limits_create(struct wait_limits **out, struct sg_error *err);
void wait_limits_destroy(struct wait_limits *w);

/* A place among the waiting reads; zeroed = none. */
struct wait_place {
    bool taken;
    bool of_client; /* counted among its client's as well */
};

/* Take a place where fewer than parked_max reads wait, and fewer than client_max of this address. False: there is none
 * (or no memory to count it). The limits may change from one call to the next: whoever has a place keeps it, and who
 * took it while client_max was not the smaller one is not counted among its client's. Any thread; one short lock where
 * it is. */
bool wait_limits_take(struct wait_limits *w, const struct tunables *limits, const struct client_address *client,
                      struct wait_place *out);
/* Give it back: the wait has ended like this, after `waited_ns`. */
void wait_limits_give(struct wait_limits *w, const struct client_address *client, struct wait_place *place,
                      enum wait_kind kind, enum wait_outcome outcome, int64_t waited_ns);

size_t wait_limits_parked(const struct wait_limits *w);
/* How long the waits for `kind` took that ended with `outcome`; is valid as long as `w`. Any thread. */
const struct metrics_histogram *wait_limits_seconds(const struct wait_limits *w, enum wait_kind kind,
                                                    enum wait_outcome outcome);

#endif
