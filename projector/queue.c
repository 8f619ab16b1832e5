/* The bounded queue between a stream's subscription and the projector. */
#include "projector/queue.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/time.h"

struct notifier {
    pthread_mutex_t mutex;
    pthread_cond_t rung_cond;
    bool rung;
};

struct queue {
    struct notifier *notifier; /* borrowed */
    queue_release *release;
    /* Guarded by mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t room_cond;
    uint64_t generation;
    uint64_t verified;      /* the generation that may be taken */
    size_t head;            /* index of the oldest item */
    size_t count;
    size_t bytes;
    size_t taken;           /* handed out, not done */
    size_t pushers_waiting;
    struct queue_item items[QUEUE_ITEMS_MAX];
};

/* Ages and deadlines are on the boot clock, but condition variables know only the monotonic one: wait in short turns
 * against it, and decide by the boot clock. The two differ only across a suspend. */
#define BELL_TURN_NS (1 * NS_PER_S)

enum sg_status notifier_create(struct notifier **out, struct sg_error *err)
{
    struct notifier *b = calloc(1, sizeof *b);
    pthread_condattr_t attributes;
    if (b == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the projector's bell");
    /* On Linux none of these four can fail with these arguments. */
    (void)pthread_mutex_init(&b->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&b->rung_cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    *out = b;
    return SG_OK;
}

void notifier_destroy(struct notifier *b)
{
    if (b == NULL)
        return;
    (void)pthread_cond_destroy(&b->rung_cond);
    (void)pthread_mutex_destroy(&b->mutex);
    free(b);
}

void notifier_notify(struct notifier *b)
{
    (void)pthread_mutex_lock(&b->mutex);
    if (!b->rung) {
        b->rung = true;
        (void)pthread_cond_signal(&b->rung_cond);
    }
    (void)pthread_mutex_unlock(&b->mutex);
}

static void notifier_wait_turn(struct notifier *b, int64_t snapshot_ns)
{
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = (int64_t)until.tv_nsec + snapshot_ns;
    until.tv_sec += (time_t)(ns / NS_PER_S);
    until.tv_nsec = (long)(ns % NS_PER_S);
    (void)pthread_cond_timedwait(&b->rung_cond, &b->mutex, &until);
}

void notifier_wait(struct notifier *b, int64_t deadline_ns)
{
    (void)pthread_mutex_lock(&b->mutex);
    while (!b->rung) {
        int64_t left_ns = deadline_ns - time_boot_ns();
        if (left_ns <= 0)
            break;
        notifier_wait_turn(b, left_ns < BELL_TURN_NS ? left_ns : BELL_TURN_NS);
    }
    b->rung = false;
    (void)pthread_mutex_unlock(&b->mutex);
}

enum sg_status queue_create(struct notifier *notifier, queue_release *release, struct queue **out, struct sg_error *err)
{
    struct queue *q = calloc(1, sizeof *q);
    if (q == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a queue of %d messages", QUEUE_ITEMS_MAX);
    q->notifier = notifier;
    q->release = release;
    (void)pthread_mutex_init(&q->mutex, NULL);
    (void)pthread_cond_init(&q->room_cond, NULL);
    *out = q;
    return SG_OK;
}

/* Called with the mutex held. */
static void queue_clear(struct queue *q)
{
    for (; q->count > 0; q->count--) {
        q->release(q->items[q->head].handle);
        q->head = (q->head + 1) % QUEUE_ITEMS_MAX;
    }
    q->bytes = 0;
}

void queue_destroy(struct queue *q)
{
    if (q == NULL)
        return;
    queue_clear(q);
    (void)pthread_cond_destroy(&q->room_cond);
    (void)pthread_mutex_destroy(&q->mutex);
    free(q);
}

uint64_t queue_next_generation(struct queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    uint64_t generation = ++q->generation;
    queue_clear(q);
    (void)pthread_cond_broadcast(&q->room_cond);
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
static bool queue_has_room(const struct queue *q, size_t bytes)
{
    return q->count == 0 || (q->count < QUEUE_ITEMS_MAX && q->bytes + bytes <= QUEUE_BYTES_MAX);
}

bool queue_push(struct queue *q, const struct queue_item *item)
{
    bool wake = false;
    (void)pthread_mutex_lock(&q->mutex);
    q->pushers_waiting++;
    while (item->generation == q->generation && !queue_has_room(q, item->message.payload.bytes))
        (void)pthread_cond_wait(&q->room_cond, &q->mutex);
    q->pushers_waiting--;
    bool current = item->generation == q->generation;
    if (current) {
        q->items[(q->head + q->count) % QUEUE_ITEMS_MAX] = *item;
        q->bytes += item->message.payload.bytes;
        wake = q->count++ == 0 && q->verified == q->generation;
    }
    (void)pthread_mutex_unlock(&q->mutex);
    if (wake)
        notifier_notify(q->notifier);
    return current;
}

bool queue_is_full(struct queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    bool full = q->pushers_waiting > 0;
    (void)pthread_mutex_unlock(&q->mutex);
    return full;
}

bool queue_is_idle(struct queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    bool idle = q->count == 0 && q->taken == 0 && q->pushers_waiting == 0;
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
        size_t item_bytes = oldest->message.payload.bytes;
        if (n > 0 && bytes + item_bytes > bytes_max)
            break;
        items[n++] = *oldest;
        bytes += item_bytes;
        q->head = (q->head + 1) % QUEUE_ITEMS_MAX;
        q->count--;
    }
    q->bytes -= bytes;
    q->taken = n;
    if (q->pushers_waiting > 0)
        (void)pthread_cond_broadcast(&q->room_cond);
    (void)pthread_mutex_unlock(&q->mutex);
    return n;
}

void queue_done(struct queue *q, struct queue_item *items, size_t items_count)
{
    for (size_t i = 0; i < items_count; i++)
        q->release(items[i].handle);
    (void)pthread_mutex_lock(&q->mutex);
    assert(items_count <= q->taken);
    q->taken -= items_count;
    (void)pthread_mutex_unlock(&q->mutex);
}
