/* The thread that writes the log: the only one that may block on standard error. */
#ifndef STATEGATE_SERVER_LOG_WRITER_H
#define STATEGATE_SERVER_LOG_WRITER_H

#include "core/base/status.h"

/* How long the end of the process waits for who reads standard error. */
#define LOG_WRITER_END_MS 1000

/* Start it: from now on no other thread waits for standard error. A process that dies by a fault of its own (SIGABRT,
 * SIGSEGV and their like) writes what it can before it does. Main thread, before other threads start; signals must be
 * blocked already, so that this thread takes none. Once in a process. */
SG_MUST_CHECK enum sg_status log_writer_start(struct sg_error *err);
/* Write what is left, for LOG_WRITER_END_MS at most. Nothing that is logged later is written. Any thread;
 * after log_writer_start alone. */
void log_writer_stop(void);

#endif
