/* The bounded queue between a stream's subscription and the projector: messages of one consumer, in order. What was
 * taken counts until it is done.
 *
 * Each consumer is a generation. Raising it voids at once what an older consumer still has queued or in flight, and
 * nothing of a generation is handed out before it is verified (the stream was shown to be the one that the stored
 * position belongs to). A full queue takes nothing more until there is room: that is the back-pressure, since flow
 * control is answered in order with the messages. */
#ifndef STATEGATE_PROJECTOR_QUEUE_H
#define STATEGATE_PROJECTOR_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/notifier.h"
#include "core/base/status.h"
#include "projector/message.h"

#define QUEUE_ITEMS_MAX 16384       /* a power of two: a few batches, so that the projector never starves */
/* What queued messages and those of a batch cost. With the 32 MiB that the server's flow control lets wait in the
 * connection, and a large message that waits for room, a stream stays within 64 MiB. */
#define QUEUE_BYTES_MAX (28u << 20)
#define QUEUE_FEW_ITEMS 64          /* so many at most the pusher's own thread applies: a millisecond or two */

struct queue_item {
    uint64_t generation;
    struct message message; /* points into `handle` */
    void *handle;           /* owned by the item; freed by the queue's release function */
    size_t bytes;           /* what the message holds: headers and payload */
    size_t cost;            /* of memory, at most */
};

/* Frees a message of so many bytes. Any thread. */
typedef void queue_release(void *handle, size_t bytes);
/* Called when a queue that was found full has room again, or its generation is void; must not block, nor call the
 * queue. Any thread. */
typedef void queue_room(void *context);
/* A few messages were pushed, and nobody was notified of them yet: apply them in this thread, the pusher's. False: it
 * cannot be done here and now. May take from the queue. */
typedef bool queue_few(void *context);

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

/* What to call when there is room; NULL = nothing. The stream's source thread, while nothing is pushed. */
void queue_on_room(struct queue *q, queue_room *room, void *context);

/* Where to keep how many bytes it holds and knows to wait before it; NULL = nowhere. Before anything is pushed. */
void queue_count_bytes(struct queue *q, atomic_uint_fast64_t *bytes);
/* So many bytes wait for room. The thread that pushes, or the source's while nothing is pushed. */
void queue_waiting(struct queue *q, size_t bytes);

/* Who applies a few messages at once; NULL = nobody. Then, and when there are more, the notifier's thread takes them.
 * Before anything is pushed. */
void queue_on_few(struct queue *q, queue_few *few, void *context);

enum queue_result {
    QUEUE_TAKEN, /* it owns the handle now */
    QUEUE_FULL,  /* the caller keeps the handle, and pushes the same message again when there is room */
    QUEUE_VOID   /* its generation is void; the caller keeps the handle */
};
/* Add a message. One thread for each generation; does not block. */
SG_MUST_CHECK enum queue_result queue_push(struct queue *q, const struct queue_item *item);
/* The thread that pushed has read all that had arrived: what it pushed is applied, or the thread that writes is
 * notified. In the thread that pushed; blocks as long as applying a few messages takes. */
void queue_pushed(struct queue *q);
/* True while a message waits for room: the pusher is alive although nothing is heard from it. Any thread. */
bool queue_is_full(struct queue *q);
/* True if nothing is queued and everything taken was done. Any thread. */
bool queue_is_idle(struct queue *q);

/* Take up to items_max messages of at most about bytes_max (always one, if any). The thread that writes. */
size_t queue_take(struct queue *q, struct queue_item *items, size_t items_max, size_t bytes_max);
/* The first `items_count` of what was taken last and is not done yet are applied or dropped. Releases the handles.
 * The same thread. */
void queue_done(struct queue *q, struct queue_item *items, size_t items_count);

#endif
