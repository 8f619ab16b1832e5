/* The whole program but its command line: creates every part in order, and stops them in reverse. */
#ifndef STATEGATE_SERVER_GATEWAY_H
#define STATEGATE_SERVER_GATEWAY_H

#include <stdbool.h>

#include "core/domain/settings.h"
#include "core/domain/tunables.h"
#include "core/base/status.h"

struct gateway;

/* Open the database, listen, and answer. Settings and tunables are borrowed and outlive the gateway. Main thread;
 * signals are blocked already, so that no thread of ours takes them. On failure nothing is left running. */
SG_MUST_CHECK enum sg_status gateway_start(const struct settings *settings, const struct tunables_now *tunables,
                                           struct gateway **out, struct sg_error *err);

/* Follow the streams. On failure the gateway is to be stopped. Main thread. */
SG_MUST_CHECK enum sg_status gateway_follow(struct gateway *gateway, struct sg_error *err);

/* From now on /readyz says no; all else goes on. Any thread. */
void gateway_set_unready(struct gateway *gateway);

/* Not ready, answer what is asked for (for `drain_ms` at most), finish the batch, close; blocks until it is done and
 * frees. False: a stream's source hangs in a call to its broker; rows and the database are safe, and the process must
 * end by _exit, since that thread goes on with what it uses. `*failed`: gateway_failed, at the end of it, which is
 * logged. NULL is allowed. */
bool gateway_stop(struct gateway *gateway, int64_t drain_ms, bool *failed);

/* True once a part has stopped for good, or the database is not at its path any more, so that the process must end. Any
 * thread; asks the file system. */
bool gateway_failed(const struct gateway *gateway);

#endif
