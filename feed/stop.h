/* SIGINT and SIGTERM as something to ask and to wait for: the first one asks to stop, a second one kills as usual. */
#ifndef STATEGATE_FEED_STOP_H
#define STATEGATE_FEED_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/status.h"

struct stop {
    int fd; /* owned; a signalfd, -1 = none */
    bool asked;
};

/* Before other threads start: they inherit that the signals are blocked. */
SG_MUST_CHECK enum sg_status stop_open(struct stop *stop, struct sg_error *err);
void stop_close(struct stop *stop);

/* True from the first signal on. Does not block. Main thread, like all of this. */
bool stop_asked(struct stop *stop);

/* Wait until `fd` (may be -1) can be read, a signal came, or the time is over. True if `fd` can be read. */
bool stop_wait(struct stop *stop, int fd, int64_t timeout_ns);

#endif
