/* Creates the streams and buckets that the options name. */
#ifndef STATEGATE_FEED_CREATE_H
#define STATEGATE_FEED_CREATE_H

#include <nats/nats.h>

#include "core/base/status.h"
#include "feed/options.h"

/* Create what is not there. One that exists with the same settings is fine, with other settings SG_INVALID. Blocks. */
SG_MUST_CHECK enum sg_status create_all(natsConnection *nc, const struct feed_options *options, struct sg_error *err);

#endif
