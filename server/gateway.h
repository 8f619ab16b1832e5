/* The whole program but its command line: creates every part in order, and stops them in reverse. */
#ifndef STATEGATE_SERVER_GATEWAY_H
#define STATEGATE_SERVER_GATEWAY_H

#include <stdbool.h>

#include "core/domain/settings.h"
#include "core/domain/tunables.h"
#include "core/base/status.h"

struct gateway;

/* Open the database, connect, listen. Settings and tunables are borrowed and outlive the gateway. Main thread; SIGTERM
 * and SIGINT must be blocked already, so that no thread of ours takes them. On failure nothing is left running. */
SG_MUST_CHECK enum sg_status gateway_start(const struct settings *settings, const struct tunables_now *tunables,
                                           struct gateway **out, struct sg_error *err);

/* Not ready, drain, finish the batch, close; blocks until it is done and frees. NULL is allowed. */
void gateway_stop(struct gateway *gateway);

/* True once a part has stopped for good, or the database is not at its path any more, so that the process must end. Any
 * thread; asks the file system. */
bool gateway_failed(const struct gateway *gateway);

#endif
