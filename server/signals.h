/* Signals: a thread takes them, so that the process can be asked to end whatever else it does; and none that is not
 * meant for that kills it. */
#ifndef STATEGATE_SERVER_SIGNALS_H
#define STATEGATE_SERVER_SIGNALS_H

#include <stdint.h>

#include "core/base/status.h"

/* Block what the thread takes (SIGTERM, SIGINT, SIGHUP, SIGUSR1), and ignore what would end the process without a
 * reason. Main thread, before any other. */
void signals_block(void);
/* Start the thread. Until signals_serving(), SIGTERM and SIGINT end the process at once, with exit code 0: the start
 * may hang in a file, and whatever it does may be cut off as by a kill. Main thread, after log_writer_start. */
SG_MUST_CHECK enum sg_status signals_start(struct sg_error *err);
/* From now on they are counted instead. */
void signals_serving(void);
/* Wait until the process was asked to end more than `seen` times, at most `timeout_ms`. How often it was. */
unsigned signals_wait(unsigned seen, int64_t timeout_ms);

#endif
