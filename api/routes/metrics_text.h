/* Prometheus text of histograms, and of the waiting reads. */
#ifndef STATEGATE_API_ROUTES_METRICS_TEXT_H
#define STATEGATE_API_ROUTES_METRICS_TEXT_H

#include "api/wait/limits.h"
#include "core/base/buffer.h"
#include "core/progress/metrics.h"

/* Append the _bucket, _sum and _count lines of a histogram; `labels` is e.g. `stream="ORDERS"` or "". Any thread. */
void metrics_text_histogram(const struct metrics_histogram *h, const char *name, const char *labels,
                            struct buffer *out);
/* Append stategate_waits_parked and stategate_wait_seconds, with HELP and TYPE. Any thread. */
void metrics_text_waits(const struct wait_limits *w, struct buffer *out);

#endif
