/* What JetStream answers to a published message: a PubAck, an error, or nobody there. Pure. */
#ifndef STATEGATE_FEED_ACK_H
#define STATEGATE_FEED_ACK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

#define ACK_STREAM_BYTES_MAX 255
#define ACK_ERROR_BYTES_MAX 191

struct ack {
    bool stored;
    bool duplicate;   /* the stream had this Nats-Msg-Id already; sequence is that one's */
    bool retry;       /* not stored, and another attempt may succeed */
    uint64_t sequence;
    char stream[ACK_STREAM_BYTES_MAX + 1];
    char error[ACK_ERROR_BYTES_MAX + 1]; /* unless stored */
};

/* Read the answer's bytes. `no_responders`: the server says that no stream listens on the subject. */
void ack_parse(struct slice answer, bool no_responders, struct ack *out);

#endif
