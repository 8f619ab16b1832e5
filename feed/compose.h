/* From one line of the input to the message that is published for it: pure, no network.
 *
 * Each kind of line has a file: compose_event.c, compose_raw.c, compose_kv.c; what they share is in compose_parts.c. */
#ifndef STATEGATE_FEED_COMPOSE_H
#define STATEGATE_FEED_COMPOSE_H

#include "feed/compose_parts.h"

void composer_init(struct composer *composer, const struct feed_options *options);
void composer_free(struct composer *composer);

/* SG_INVALID: this line cannot be published, and why. SG_MEMORY: out of memory. */
SG_MUST_CHECK enum sg_status compose(struct composer *composer, struct slice line, struct outgoing *out,
                                     struct sg_error *err);

#endif
