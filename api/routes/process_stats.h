/* The process_* series that every Prometheus client gives, from /proc. */
#ifndef STATEGATE_API_ROUTES_PROCESS_STATS_H
#define STATEGATE_API_ROUTES_PROCESS_STATS_H

#include "core/base/buffer.h"

/* Append them; what cannot be read is left out. Any thread; reads small files of /proc. */
void process_stats_append(struct buffer *out);

#endif
