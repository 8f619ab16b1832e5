/* It has descriptors of its own: SQLite's files are for one thread. */
#include "store/integrity/syncer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/thread.h"

struct syncer {
    struct checked_database *checked; /* borrowed */
    struct notifier *notifier;        /* borrowed */
    bool stepwise;
    /* The thread's. */
    struct notifier *wake; /* owned */
    pthread_t thread;
    bool started;
    atomic_bool stopping;
    int fds[2]; /* owned; by order_file; -1 = none */
    enum order_file which;
    /* Guarded by mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t done_cond;
    enum { SYNCER_RESTS, SYNCER_BEGUN, SYNCER_LOOKED_AT, SYNCER_DONE } state;
    bool good;
};

static atomic_bool stepwise;

void store_syncer_set_stepwise(bool on)
{
    atomic_store(&stepwise, on);
}

static void finish(struct syncer *s, bool good)
{
    (void)pthread_mutex_lock(&s->mutex);
    s->good = good;
    s->state = SYNCER_DONE;
    (void)pthread_cond_signal(&s->done_cond);
    (void)pthread_mutex_unlock(&s->mutex);
    notifier_notify(s->notifier);
}

static bool is_begun(struct syncer *s)
{
    (void)pthread_mutex_lock(&s->mutex);
    bool begun = s->state == SYNCER_BEGUN;
    (void)pthread_mutex_unlock(&s->mutex);
    return begun;
}

static void *syncer_run(void *argument)
{
    struct syncer *s = argument;
    thread_name_set("disk", NULL);
    while (!atomic_load(&s->stopping)) {
        notifier_wait(s->wake, INT64_MAX);
        if (is_begun(s))
            finish(s, fdatasync(s->fds[s->which]) == 0);
    }
    return NULL;
}

static bool start(struct syncer *s)
{
    char wal[4096];
    if (s->stepwise)
        return true;
    if ((size_t)snprintf(wal, sizeof wal, "%s-wal", s->checked->path) >= sizeof wal)
        return false;
    s->fds[ORDER_WAL] = open(wal, O_RDONLY | O_CLOEXEC);
    s->fds[ORDER_DATABASE] = open(s->checked->path, O_RDONLY | O_CLOEXEC);
    s->started = s->fds[ORDER_WAL] >= 0 && s->fds[ORDER_DATABASE] >= 0 &&
                 pthread_create(&s->thread, NULL, syncer_run, s) == 0;
    return s->started;
}

enum sg_status syncer_create(struct checked_database *checked, struct notifier *notifier, struct syncer **out,
                             struct sg_error *err)
{
    struct syncer *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    s->checked = checked;
    s->notifier = notifier;
    s->stepwise = atomic_load(&stepwise);
    s->fds[0] = s->fds[1] = -1;
    (void)pthread_mutex_init(&s->mutex, NULL);
    (void)pthread_cond_init(&s->done_cond, NULL);
    enum sg_status status = notifier_create(&s->wake, err);
    if (status == SG_OK && !start(s))
        status = sg_fail(err, SG_STORAGE, "cannot sync %s in a thread of its own: %s", checked->path, strerror(errno));
    if (status != SG_OK) {
        syncer_destroy(s);
        return status;
    }
    *out = s;
    return SG_OK;
}

void syncer_stop(struct syncer *s)
{
    if (!s->started)
        return;
    atomic_store(&s->stopping, true);
    notifier_notify(s->wake);
    (void)pthread_join(s->thread, NULL);
    s->started = false;
}

void syncer_destroy(struct syncer *s)
{
    if (s == NULL)
        return;
    syncer_stop(s);
    for (size_t i = 0; i < 2; i++) {
        if (s->fds[i] >= 0)
            (void)close(s->fds[i]);
    }
    notifier_destroy(s->wake);
    (void)pthread_cond_destroy(&s->done_cond);
    (void)pthread_mutex_destroy(&s->mutex);
    free(s);
}

void syncer_begin(struct syncer *s, enum order_file which)
{
    (void)pthread_mutex_lock(&s->mutex);
    s->which = which;
    s->state = SYNCER_BEGUN;
    (void)pthread_mutex_unlock(&s->mutex);
    if (!s->stepwise)
        notifier_notify(s->wake);
}

static bool step(struct syncer *s, bool *good)
{
    if (s->state == SYNCER_BEGUN) {
        s->state = SYNCER_LOOKED_AT;
        return false;
    }
    if (s->state == SYNCER_LOOKED_AT) {
        s->good = order_sync_now(s->checked, s->which) == SQLITE_OK;
        s->state = SYNCER_DONE;
    }
    *good = s->good;
    return true;
}

bool syncer_done(struct syncer *s, bool *good)
{
    if (s->stepwise)
        return step(s, good);
    (void)pthread_mutex_lock(&s->mutex);
    bool done = s->state == SYNCER_DONE;
    *good = s->good;
    (void)pthread_mutex_unlock(&s->mutex);
    return done;
}

bool syncer_wait(struct syncer *s)
{
    bool good = false;
    if (s->stepwise) {
        while (!step(s, &good))
            continue;
        return good;
    }
    (void)pthread_mutex_lock(&s->mutex);
    while (s->state != SYNCER_DONE)
        (void)pthread_cond_wait(&s->done_cond, &s->mutex);
    good = s->good;
    (void)pthread_mutex_unlock(&s->mutex);
    return good;
}
