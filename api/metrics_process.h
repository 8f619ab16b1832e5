/* The process_* series that every Prometheus client gives, from /proc. */
#ifndef STATEGATE_API_METRICS_PROCESS_H
#define STATEGATE_API_METRICS_PROCESS_H

#include "core/buffer.h"

/* Append them; what cannot be read is left out. Any thread; reads small files of /proc. */
void metrics_process_render(struct buffer *out);

#endif
