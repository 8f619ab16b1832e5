/* The bounded queue between a stream's subscription and the projector. */
#include "projector/queue.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct queue {
    struct notifier *notifier; /* borrowed; of the thread that takes */
    queue_release *release;
    /* Guarded by mutex. */
    pthread_mutex_t mutex;
    queue_room *room;
    void *room_context;
    queue_few *few;
    void *few_context;
    uint64_t generation;
    uint64_t verified;      /* the generation that may be taken */
    size_t head;            /* index of the oldest item */
    size_t count;
    size_t cost;            /* of what is queued, and of what was taken and is not done */
    size_t waiting;         /* bytes that the pusher has, and finds no room for */
    atomic_uint_fast64_t *counted; /* borrowed; the sum of both; NULL = nobody asks */
    size_t taken;           /* handed out, not done */
    size_t taken_cost;
    bool full;              /* a message was turned away, and was not pushed again yet */
    bool unannounced;       /* messages were pushed of which nobody knows */
    struct queue_item items[QUEUE_ITEMS_MAX];
};

enum sg_status queue_create(struct notifier *notifier, queue_release *release, struct queue **out, struct sg_error *err)
{
    struct queue *q = calloc(1, sizeof *q);
    if (q == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a queue of %d messages", QUEUE_ITEMS_MAX);
    q->notifier = notifier;
    q->release = release;
    (void)pthread_mutex_init(&q->mutex, NULL);
    *out = q;
    return SG_OK;
}

void queue_on_room(struct queue *q, queue_room *room, void *context)
{
    (void)pthread_mutex_lock(&q->mutex);
    q->room = room;
    q->room_context = context;
    (void)pthread_mutex_unlock(&q->mutex);
}

void queue_on_few(struct queue *q, queue_few *few, void *context)
{
    (void)pthread_mutex_lock(&q->mutex);
    q->few = few;
    q->few_context = context;
    (void)pthread_mutex_unlock(&q->mutex);
}

/* Called with the mutex held. */
static void count_bytes(struct queue *q)
{
    if (q->counted != NULL)
        atomic_store_explicit(q->counted, q->cost + q->waiting, memory_order_relaxed);
}

void queue_count_bytes(struct queue *q, atomic_uint_fast64_t *bytes)
{
    (void)pthread_mutex_lock(&q->mutex);
    q->counted = bytes;
    (void)pthread_mutex_unlock(&q->mutex);
}

void queue_waiting(struct queue *q, size_t bytes)
{
    (void)pthread_mutex_lock(&q->mutex);
    q->waiting = bytes;
    count_bytes(q);
    (void)pthread_mutex_unlock(&q->mutex);
}

/* Called with the mutex held. */
static void room_notify(struct queue *q)
{
    if (q->full && q->room != NULL)
        q->room(q->room_context);
}

/* Called with the mutex held. */
static void queue_clear(struct queue *q)
{
    for (; q->count > 0; q->count--) {
        q->release(q->items[q->head].handle, q->items[q->head].cost);
        q->head = (q->head + 1) % QUEUE_ITEMS_MAX;
    }
    q->cost = q->taken_cost;
    q->unannounced = false;
    count_bytes(q);
}

void queue_destroy(struct queue *q)
{
    if (q == NULL)
        return;
    queue_clear(q);
    (void)pthread_mutex_destroy(&q->mutex);
    free(q);
}

uint64_t queue_next_generation(struct queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    uint64_t generation = ++q->generation;
    queue_clear(q);
    room_notify(q);
    q->full = false;
    (void)pthread_mutex_unlock(&q->mutex);
    return generation;
}

void queue_verify(struct queue *q, uint64_t generation)
{
    (void)pthread_mutex_lock(&q->mutex);
    if (generation == q->generation)
        q->verified = generation;
    (void)pthread_mutex_unlock(&q->mutex);
    notifier_notify(q->notifier);
}

bool queue_is_current(struct queue *q, uint64_t generation)
{
    (void)pthread_mutex_lock(&q->mutex);
    bool current = generation == q->generation;
    (void)pthread_mutex_unlock(&q->mutex);
    return current;
}

/* Called with the mutex held. One message always fits, however large. */
static bool queue_has_room(const struct queue *q, size_t cost)
{
    bool empty = q->count == 0 && q->taken == 0;
    return empty || (q->count < QUEUE_ITEMS_MAX && q->cost + cost <= QUEUE_BYTES_MAX);
}

enum queue_result queue_push(struct queue *q, const struct queue_item *item)
{
    enum queue_result result = QUEUE_TAKEN;
    bool wake = false;
    (void)pthread_mutex_lock(&q->mutex);
    if (item->generation != q->generation) {
        result = QUEUE_VOID;
    } else if (!queue_has_room(q, item->cost)) {
        result = QUEUE_FULL;
        q->full = true;
    } else {
        q->full = false;
        q->items[(q->head + q->count) % QUEUE_ITEMS_MAX] = *item;
        q->cost += item->cost;
        count_bytes(q);
        q->unannounced |= q->count++ == 0;
        wake = q->unannounced && (q->few == NULL || q->count > QUEUE_FEW_ITEMS);
        if (wake)
            q->unannounced = false;
        wake = wake && q->verified == q->generation; /* else queue_verify notifies */
    }
    (void)pthread_mutex_unlock(&q->mutex);
    if (wake)
        notifier_notify(q->notifier);
    return result;
}

void queue_pushed(struct queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    bool owed = q->unannounced && q->count > 0 && q->verified == q->generation;
    q->unannounced = false;
    queue_few *few = q->few;
    void *context = q->few_context;
    (void)pthread_mutex_unlock(&q->mutex);
    if (owed && (few == NULL || !few(context)))
        notifier_notify(q->notifier);
}

bool queue_is_full(struct queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    bool full = q->full;
    (void)pthread_mutex_unlock(&q->mutex);
    return full;
}

bool queue_is_idle(struct queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    bool idle = q->count == 0 && q->taken == 0 && !q->full;
    (void)pthread_mutex_unlock(&q->mutex);
    return idle;
}

size_t queue_take(struct queue *q, struct queue_item *items, size_t items_max, size_t bytes_max)
{
    size_t n = 0;
    size_t bytes = 0;
    (void)pthread_mutex_lock(&q->mutex);
    assert(q->taken == 0);
    while (q->verified == q->generation && n < items_max && q->count > 0) {
        const struct queue_item *oldest = &q->items[q->head];
        if (n > 0 && bytes + oldest->bytes > bytes_max)
            break;
        items[n++] = *oldest;
        bytes += oldest->bytes;
        q->taken_cost += oldest->cost;
        q->head = (q->head + 1) % QUEUE_ITEMS_MAX;
        q->count--;
    }
    q->taken = n;
    if (n > 0)
        room_notify(q); /* of places; that of bytes comes when it is done */
    (void)pthread_mutex_unlock(&q->mutex);
    return n;
}

void queue_done(struct queue *q, struct queue_item *items, size_t items_count)
{
    size_t cost = 0;
    for (size_t i = 0; i < items_count; i++) {
        cost += items[i].cost;
        q->release(items[i].handle, items[i].cost);
    }
    (void)pthread_mutex_lock(&q->mutex);
    assert(items_count <= q->taken && cost <= q->taken_cost);
    q->taken -= items_count;
    q->taken_cost -= cost;
    q->cost -= cost;
    count_bytes(q);
    room_notify(q);
    (void)pthread_mutex_unlock(&q->mutex);
}
