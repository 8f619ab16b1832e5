/* The text format of Prometheus: families, labels, histograms. Which series there are is metrics.c's. */
#ifndef STATEGATE_API_ROUTES_PROMETHEUS_H
#define STATEGATE_API_ROUTES_PROMETHEUS_H

#include "core/base/buffer.h"
#include "core/progress/metrics.h"

/* Append the HELP and TYPE lines, which come before a family's series. All below: any thread. */
void prometheus_family(struct buffer *out, const char *name, const char *type, const char *help);

/* `name="value"`, escaped; cut off where it does not fit. */
#define PROMETHEUS_LABEL_BYTES (4 * 256 + 64) /* the longest stream or collection name, escaped, and its label's name */
void prometheus_label(char out[PROMETHEUS_LABEL_BYTES], const char *name, const char *value);

/* Append the _bucket, _sum and _count lines of a histogram; `labels` is e.g. `stream="ORDERS"` or "". */
void prometheus_histogram(struct buffer *out, const struct metrics_histogram *h, const char *name, const char *labels);

#endif
