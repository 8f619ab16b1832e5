/* The bounded queue between a stream's subscription and the projector: messages of one consumer, in order.
 *
 * Each consumer is a generation. Raising it voids at once what an older consumer still has queued or in flight, and
 * nothing of a generation is handed out before it is verified (the stream was shown to be the one that the stored
 * position belongs to). A full queue blocks the pusher: that is the back-pressure, since flow control is answered by
 * the same thread. */
#ifndef STATEGATE_PROJECTOR_QUEUE_H
#define STATEGATE_PROJECTOR_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"
#include "projector/message.h"

#define QUEUE_ITEMS_MAX 16384       /* a power of two: a few batches, so that the projector never starves */
#define QUEUE_BYTES_MAX (32u << 20) /* of payloads; as much as the server's flow control lets be in flight */

struct queue_item {
    uint64_t generation;
    struct message message; /* points into `handle` */
    void *handle;           /* owned by the item; freed by the queue's release function */
};

typedef void queue_release(void *handle);

/* Wakes the one thread that serves several queues. */
struct notifier;
SG_MUST_CHECK enum sg_status notifier_create(struct notifier **out, struct sg_error *err);
void notifier_destroy(struct notifier *b);
void notifier_notify(struct notifier *b);
/* Wait until rung since the last wait, at most until `deadline_ns` (boot clock; INT64_MAX = for ever). */
void notifier_wait(struct notifier *b, int64_t deadline_ns);

struct queue;
SG_MUST_CHECK enum sg_status queue_create(struct notifier *notifier, queue_release *release, struct queue **out,
                                          struct sg_error *err);
/* No pusher may be left. Releases what is queued. */
void queue_destroy(struct queue *q);

/* Void everything older and return the new generation. The stream's source thread. */
uint64_t queue_next_generation(struct queue *q);
/* Allow the messages of `generation` to be taken, if it is still the present one. */
void queue_verify(struct queue *q, uint64_t generation);
/* True if `generation` is still the present one. Any thread. */
bool queue_is_current(struct queue *q, uint64_t generation);

/* Add a message; blocks while full. False: its generation is void; the caller keeps the handle. */
bool queue_push(struct queue *q, const struct queue_item *item);
/* True while a pusher waits for room: it is alive although nothing is heard from it. Any thread. */
bool queue_is_full(struct queue *q);
/* True if nothing is queued and everything taken was done. Any thread. */
bool queue_is_idle(struct queue *q);

/* Take up to items_max messages of at most about bytes_max (always one, if any). Projector thread. */
size_t queue_take(struct queue *q, struct queue_item *items, size_t items_max, size_t bytes_max);
/* The first `items_count` of what was taken last and is not done yet are applied or dropped. Releases the handles.
 * Projector thread. */
void queue_done(struct queue *q, struct queue_item *items, size_t items_count);

#endif
