/* Publishes messages to JetStream without waiting for each answer, and knows of every one what became of it.
 *
 * The answers come to one inbox of our own rather than through js_PublishMsgAsync(): that one cannot say which line an
 * answer belongs to, stalls when its own limit is reached, and spends an allocation and a made-up message on each
 * event's time-out. A slot per event on its way bounds how many there are; its number stands in the reply subject.
 *
 * An event without an answer, or with one that says "not now", is sent again, a bounded number of times; it then comes
 * after later ones. If the first sending was stored and only its answer was lost, the stream has the event twice,
 * unless it has a Nats-Msg-Id and its second arrival is within the stream's duplicate window. */
#ifndef STATEGATE_FEED_PUBLISHER_H
#define STATEGATE_FEED_PUBLISHER_H

#include <nats/nats.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"
#include "feed/ack.h"
#include "feed/compose.h"
#include "feed/stop.h"

/* Payload bytes on their way, one message more: the other bound of memory beside the number of slots. */
#define PUBLISHER_INFLIGHT_BYTES_MAX (64u << 20)
/* Wait before the next attempt after "not now": this, doubled each time, up to the ack timeout. */
#define PUBLISHER_RETRY_MS 200

/* Called on the main thread for each event that was given up. */
typedef void (*publisher_failed)(void *closure, uint64_t line, const char *reason);

struct publisher_settings {
    size_t inflight;
    uint32_t attempts;
    int64_t ack_timeout_ms;
    struct stop *stop;       /* borrowed */
    publisher_failed failed;
    void *closure;           /* borrowed */
};

struct publisher_totals {
    uint64_t acknowledged;  /* duplicates included */
    uint64_t duplicates;    /* of them, those that the stream had already */
    uint64_t failed;
    uint64_t uncertain;     /* events without Nats-Msg-Id that were sent again after no answer: perhaps stored twice */
    uint64_t last_sequence; /* the highest in `stream` */
    char stream[ACK_STREAM_BYTES_MAX + 1]; /* of the latest line that was acknowledged; "" = none */
};

struct publisher;

/* `nc` is borrowed and outlives the publisher. Main thread, like everything here. */
SG_MUST_CHECK enum sg_status publisher_create(natsConnection *nc, const struct publisher_settings *settings,
                                              struct publisher **out, struct sg_error *err);
/* Forgets what is on its way. NULL is allowed. */
void publisher_destroy(struct publisher *p);

/* Send one message; waits for a free slot. Only reads `message`.
 * SG_STOPPED: the user asked to stop while it waited: not sent. SG_INVALID: the client library refuses this message
 * (too large for the server): not sent, not counted. SG_UNAVAILABLE: the connection is closed for good. SG_MEMORY. */
SG_MUST_CHECK enum sg_status publisher_send(struct publisher *p, const struct outgoing *message, uint64_t line,
                                            struct sg_error *err);

/* Do what has become due: send again, give up, report. Call it at least every 100 ms or so; it is cheap. */
void publisher_tend(struct publisher *p);

/* Wait until nothing is on its way any more: at most attempts x ack timeout, and the pauses between. */
void publisher_finish(struct publisher *p);

void publisher_read_totals(struct publisher *p, struct publisher_totals *out);

#endif
