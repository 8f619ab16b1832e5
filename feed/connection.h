/* The connection to the broker, as the options say. */
#ifndef STATEGATE_FEED_CONNECTION_H
#define STATEGATE_FEED_CONNECTION_H

#include <nats/nats.h>

#include "core/base/status.h"
#include "feed/options.h"

#define CONNECTION_ATTEMPTS 5        /* a server that just starts, and nats.c before 3.8 fails 1 in 256 with nkeys */
#define CONNECTION_PAUSE_MS 300      /* between them */
#define CONNECTION_RECONNECT_WAIT_MS 500
#define CONNECTION_RECONNECTS_MAX 60 /* after that the connection is closed for good */

/* Connect, and reconnect later by itself. Blocks. SG_INVALID: a file or setting, named; SG_DENIED; SG_UNAVAILABLE. */
SG_MUST_CHECK enum sg_status connection_open(const struct feed_options *options, natsConnection **out,
                                             struct sg_error *err);
/* Close and free; NULL is allowed. */
void connection_close(natsConnection *nc);

#endif
