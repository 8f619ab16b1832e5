/* Who waits for what, and whom a commit or a proof must wake. */
#include "core/progress/progress.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/hash.h"

/* What a loop wants of one stream; written by the loop, read by the writing side. */
struct stream_wants {
    atomic_uint_fast64_t position;
    atomic_int_fast64_t proof_ns;
    atomic_int_fast64_t probe_ns;
    atomic_int_fast64_t probe_newest_ns;
    atomic_bool probe_patient;
};

struct progress_loop {
    struct progress *progress; /* borrowed */
    int wake_fd;               /* borrowed */
    /* Any thread. */
    atomic_size_t entities_wanted;
    atomic_bool woken; /* the eventfd was written, and the loop has not looked since */
    struct stream_wants *streams; /* owned */
    /* Guarded by mutex. */
    pthread_mutex_t mutex;
    size_t changed_count;
    bool changed_all;
    uint64_t changed_entities[PROGRESS_CHANGED_ENTITIES_MAX];
};

struct probe_listener {
    progress_probe_wanted_fn *notify;
    void *context;
    int64_t looks_at_ns;
};

struct progress {
    /* Set by progress_create(), then read-only. */
    size_t streams_count;
    uint64_t seed;
    /* Any thread. */
    atomic_size_t entities_wanted; /* over all loops */
    atomic_uint *filter;           /* owned; how many parked reads want an entity with this slot */
    /* Guarded by mutex: loops and sources come and go while the other side runs. */
    pthread_mutex_t mutex;
    struct probe_listener *listeners; /* owned; one per stream */
    size_t loops_count;
    struct progress_loop *loops[PROGRESS_LOOPS_MAX]; /* owned */
};

enum sg_status progress_create(size_t streams_count, struct progress **out, struct sg_error *err)
{
    struct progress *p = calloc(1, sizeof *p);
    if (p != NULL) {
        p->streams_count = streams_count;
        p->filter = calloc(PROGRESS_ENTITY_SLOTS, sizeof p->filter[0]);
        p->listeners = calloc(streams_count, sizeof p->listeners[0]);
    }
    if (p == NULL || p->filter == NULL || p->listeners == NULL) {
        if (p != NULL) {
            free(p->listeners);
            free(p->filter);
        }
        free(p);
        return sg_fail(err, SG_MEMORY, "out of memory for waiting reads");
    }
    p->seed = hash_seed();
    (void)pthread_mutex_init(&p->mutex, NULL);
    *out = p;
    return SG_OK;
}

void progress_destroy(struct progress *p)
{
    if (p == NULL)
        return;
    assert(p->loops_count == 0);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p->listeners);
    free(p->filter);
    free(p);
}

uint64_t progress_entity(const struct progress *p, struct slice collection, struct slice id)
{
    return hash_bytes(hash_bytes(p->seed, collection), id);
}

/* ---- the reading side ---- */

static void wants_store(struct stream_wants *s, const struct progress_wants *wants)
{
    atomic_store(&s->position, wants->position);
    atomic_store(&s->proof_ns, wants->proof_ns);
    atomic_store(&s->probe_ns, wants->probe_ns);
    atomic_store(&s->probe_newest_ns, wants->probe_newest_ns);
    atomic_store(&s->probe_patient, wants->probe_patient);
}

/* When these want a probe that is sent after `sent_ns`. */
static int64_t probe_at(const struct stream_wants *s, int64_t sent_ns)
{
    int64_t newest_ns = atomic_load(&s->probe_newest_ns);
    int64_t first_ns = atomic_load(&s->probe_ns);
    if (newest_ns <= sent_ns)
        return INT64_MAX;
    if (!atomic_load(&s->probe_patient))
        return INT64_MIN;
    /* The first may be one that the last answer has helped, and that has not left yet. */
    return (first_ns > sent_ns && first_ns < newest_ns ? first_ns : newest_ns) + PROGRESS_PATIENCE_NS;
}

enum sg_status progress_join(struct progress *p, int wake_fd, struct progress_loop **out, struct sg_error *err)
{
    struct progress_loop *l = calloc(1, sizeof *l);
    if (l != NULL)
        l->streams = calloc(p->streams_count, sizeof l->streams[0]);
    if (l == NULL || l->streams == NULL) {
        free(l != NULL ? l->streams : NULL);
        free(l);
        return sg_fail(err, SG_MEMORY, "out of memory for the waiting reads of a loop");
    }
    l->progress = p;
    l->wake_fd = wake_fd;
    (void)pthread_mutex_init(&l->mutex, NULL);
    for (size_t i = 0; i < p->streams_count; i++)
        wants_store(&l->streams[i], &PROGRESS_WANTS_NONE);
    (void)pthread_mutex_lock(&p->mutex);
    assert(p->loops_count < PROGRESS_LOOPS_MAX); /* as many as there may be loops */
    p->loops[p->loops_count++] = l;
    (void)pthread_mutex_unlock(&p->mutex);
    *out = l;
    return SG_OK;
}

void progress_leave(struct progress_loop *l)
{
    if (l == NULL)
        return;
    struct progress *p = l->progress;
    size_t i = 0;
    (void)pthread_mutex_lock(&p->mutex);
    while (i < p->loops_count && p->loops[i] != l)
        i++;
    assert(i < p->loops_count);
    p->loops[i] = p->loops[--p->loops_count];
    (void)pthread_mutex_unlock(&p->mutex);
    (void)pthread_mutex_destroy(&l->mutex);
    free(l->streams);
    free(l);
}

void progress_want_entity(struct progress_loop *l, uint64_t entity)
{
    atomic_fetch_add(&l->progress->filter[entity % PROGRESS_ENTITY_SLOTS], 1);
    atomic_fetch_add(&l->entities_wanted, 1);
    atomic_fetch_add(&l->progress->entities_wanted, 1);
    atomic_thread_fence(memory_order_seq_cst); /* the interest first, then the store is read */
}

void progress_unwant_entity(struct progress_loop *l, uint64_t entity)
{
    atomic_fetch_sub(&l->progress->entities_wanted, 1);
    atomic_fetch_sub(&l->entities_wanted, 1);
    atomic_fetch_sub(&l->progress->filter[entity % PROGRESS_ENTITY_SLOTS], 1);
}

void progress_want(struct progress_loop *l, size_t stream, const struct progress_wants *wants)
{
    struct progress *p = l->progress;
    assert(stream < p->streams_count);
    wants_store(&l->streams[stream], wants);
    atomic_thread_fence(memory_order_seq_cst);
    if (wants->probe_newest_ns == INT64_MIN)
        return;
    (void)pthread_mutex_lock(&p->mutex);
    const struct probe_listener *listener = &p->listeners[stream];
    if (listener->notify != NULL && probe_at(&l->streams[stream], INT64_MIN) < listener->looks_at_ns)
        listener->notify(listener->context);
    (void)pthread_mutex_unlock(&p->mutex);
}

size_t progress_take(struct progress_loop *l, uint64_t entities[PROGRESS_CHANGED_ENTITIES_MAX], bool *all)
{
    /* First this: what comes after it wakes again. */
    atomic_store(&l->woken, false);
    (void)pthread_mutex_lock(&l->mutex);
    size_t count = l->changed_count;
    memcpy(entities, l->changed_entities, count * sizeof entities[0]);
    *all = l->changed_all;
    l->changed_count = 0;
    l->changed_all = false;
    (void)pthread_mutex_unlock(&l->mutex);
    return count;
}

/* ---- the writing side ---- */

static void loop_wake(struct progress_loop *l)
{
    const uint64_t one = 1;
    if (!atomic_exchange(&l->woken, true))
        (void)!write(l->wake_fd, &one, sizeof one); /* an eventfd's counter cannot be full here */
}

bool progress_entities_wanted(const struct progress *p)
{
    atomic_thread_fence(memory_order_seq_cst); /* the commit first, then interests are read */
    return atomic_load(&p->entities_wanted) > 0;
}

static void changed_add(struct progress_loop *l, uint64_t entity)
{
    (void)pthread_mutex_lock(&l->mutex);
    if (l->changed_count < PROGRESS_CHANGED_ENTITIES_MAX)
        l->changed_entities[l->changed_count++] = entity;
    else
        l->changed_all = true;
    (void)pthread_mutex_unlock(&l->mutex);
}

static bool changed_waiting(struct progress_loop *l)
{
    (void)pthread_mutex_lock(&l->mutex);
    bool waiting = l->changed_count > 0 || l->changed_all;
    (void)pthread_mutex_unlock(&l->mutex);
    return waiting;
}

void progress_entity_changed(struct progress *p, uint64_t entity)
{
    if (atomic_load_explicit(&p->filter[entity % PROGRESS_ENTITY_SLOTS], memory_order_relaxed) == 0)
        return;
    (void)pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < p->loops_count; i++) {
        if (atomic_load(&p->loops[i]->entities_wanted) > 0)
            changed_add(p->loops[i], entity);
    }
    (void)pthread_mutex_unlock(&p->mutex);
}

void progress_committed(struct progress *p, size_t stream, uint64_t position)
{
    atomic_thread_fence(memory_order_seq_cst);
    (void)pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < p->loops_count; i++) {
        struct progress_loop *l = p->loops[i];
        bool changed = atomic_load(&l->entities_wanted) > 0 && changed_waiting(l);
        if (changed || atomic_load(&l->streams[stream].position) <= position)
            loop_wake(l);
    }
    (void)pthread_mutex_unlock(&p->mutex);
}

void progress_proved(struct progress *p, size_t stream, int64_t proof_ns, int64_t probe_ns)
{
    atomic_thread_fence(memory_order_seq_cst);
    (void)pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < p->loops_count; i++) {
        const struct stream_wants *wants = &p->loops[i]->streams[stream];
        if (atomic_load(&wants->proof_ns) <= proof_ns || atomic_load(&wants->probe_ns) <= probe_ns)
            loop_wake(p->loops[i]);
    }
    (void)pthread_mutex_unlock(&p->mutex);
}

void progress_changed(struct progress *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < p->loops_count; i++) {
        struct progress_loop *l = p->loops[i];
        (void)pthread_mutex_lock(&l->mutex);
        l->changed_all = true;
        (void)pthread_mutex_unlock(&l->mutex);
        loop_wake(l);
    }
    (void)pthread_mutex_unlock(&p->mutex);
}

int64_t progress_probe_at(struct progress *p, size_t stream, int64_t sent_ns)
{
    int64_t at_ns = INT64_MAX;
    (void)pthread_mutex_lock(&p->mutex);
    p->listeners[stream].looks_at_ns = INT64_MAX;
    for (size_t i = 0; i < p->loops_count; i++) {
        int64_t loop_at_ns = probe_at(&p->loops[i]->streams[stream], sent_ns);
        if (loop_at_ns < at_ns)
            at_ns = loop_at_ns;
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return at_ns;
}

void progress_probe_looks(struct progress *p, size_t stream, int64_t at_ns)
{
    (void)pthread_mutex_lock(&p->mutex);
    p->listeners[stream].looks_at_ns = at_ns;
    (void)pthread_mutex_unlock(&p->mutex);
}

bool progress_waited(struct progress *p, size_t stream)
{
    bool waited = false;
    (void)pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < p->loops_count && !waited; i++) {
        struct stream_wants *wants = &p->loops[i]->streams[stream];
        waited = atomic_load(&wants->position) != UINT64_MAX || atomic_load(&wants->proof_ns) != INT64_MAX;
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return waited;
}

void progress_want_probe(struct progress *p, size_t stream)
{
    (void)pthread_mutex_lock(&p->mutex);
    const struct probe_listener *listener = &p->listeners[stream];
    if (listener->notify != NULL)
        listener->notify(listener->context);
    (void)pthread_mutex_unlock(&p->mutex);
}

void progress_on_probe_wanted(struct progress *p, size_t stream, progress_probe_wanted_fn *notify, void *context)
{
    assert(stream < p->streams_count);
    (void)pthread_mutex_lock(&p->mutex);
    p->listeners[stream] = (struct probe_listener){notify, context, INT64_MAX};
    (void)pthread_mutex_unlock(&p->mutex);
}
