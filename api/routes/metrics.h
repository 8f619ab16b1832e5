/* What of /metrics needs no store, and is tested by itself. The rest of the route: router.h. */
#ifndef STATEGATE_API_ROUTES_METRICS_H
#define STATEGATE_API_ROUTES_METRICS_H

#include "api/wait/jobs.h"
#include "api/wait/limits.h"
#include "core/base/buffer.h"

/* Append stategate_waits_parked and stategate_wait_seconds, with HELP and TYPE. Any thread. */
void metrics_append_waits(struct buffer *out, const struct wait_limits *w);

/* Append the stategate_query_ families, of the jobs of the main addresses. Any thread. */
void metrics_append_queries(struct buffer *out, struct jobs *jobs);

#endif
