/* The messages of a second consumer, for a moment: what a stream has of each subject, read by the source's own thread
 * beside the messages that go to the queue. */
#ifndef STATEGATE_PROJECTOR_NATS_LISTING_H
#define STATEGATE_PROJECTOR_NATS_LISTING_H

#include "projector/nats/connection.h"

struct nats_listing;

/* Listen at an inbox of its own, before the consumer `consumer` is created. `consumer` is borrowed. */
SG_MUST_CHECK enum sg_status nats_listing_open(struct nats_connection *c, const char *consumer,
                                               char inbox[NATS_INBOX_BYTES], struct nats_listing **out,
                                               struct sg_error *err);
/* NULL is allowed. The server deletes the consumer by itself. */
void nats_listing_close(struct nats_listing *listing);

enum nats_listed {
    NATS_LISTED,       /* a message: its subject (good until the next call) and its sequence */
    NATS_LISTED_ALL,   /* the consumer is idle: it has sent all that there was for it */
    NATS_LISTED_HEARD, /* no message, but the consumer is alive */
    NATS_LISTED_NOTHING /* within the time */
};
/* SG_UNAVAILABLE: messages were lost, or the connection. */
SG_MUST_CHECK enum sg_status nats_listing_next(struct nats_listing *listing, int64_t timeout_ms, enum nats_listed *out,
                                               struct slice *subject, uint64_t *sequence, struct sg_error *err);

#endif
