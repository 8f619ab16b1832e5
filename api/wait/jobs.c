/* The queue of the jobs, and their threads. */
#include "api/wait/jobs.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/base/time.h"

struct job_queue {
    struct job *first; /* runs next */
    struct job *last;
    size_t count;
};

struct jobs {
    /* Set by jobs_create(), then read-only: any thread. */
    struct jobs_options options;
    /* Guarded by mutex, which is held for a few instructions. */
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct job_queue again; /* admitted before: run first */
    struct job_queue fresh;
    unsigned idle;     /* threads that wait for a job */
    unsigned started;
    bool stopping;
    pthread_t threads[JOBS_THREADS_MAX];
};

enum sg_status jobs_create(const struct jobs_options *options, struct jobs **out, struct sg_error *err)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for jobs");
    jobs->options = *options;
    if (jobs->options.threads == 0)
        jobs->options.threads = JOBS_THREADS;
    if (jobs->options.threads > JOBS_THREADS_MAX)
        jobs->options.threads = JOBS_THREADS_MAX;
    if (jobs->options.queued_max == 0)
        jobs->options.queued_max = JOBS_QUEUED_MAX;
    (void)pthread_mutex_init(&jobs->mutex, NULL);
    (void)pthread_cond_init(&jobs->filled, NULL);
    *out = jobs;
    return SG_OK;
}

/* ---- the queue; under the mutex ---- */

static void queue_put(struct job_queue *queue, struct job *job)
{
    job->queue = queue;
    job->next = NULL;
    job->previous = queue->last;
    if (queue->last != NULL)
        queue->last->next = job;
    else
        queue->first = job;
    queue->last = job;
    queue->count++;
}

static void queue_remove(struct job *job)
{
    struct job_queue *queue = job->queue;
    job->queue = NULL;
    if (job->previous != NULL)
        job->previous->next = job->next;
    else
        queue->first = job->next;
    if (job->next != NULL)
        job->next->previous = job->previous;
    else
        queue->last = job->previous;
    queue->count--;
}

static struct job *queue_first(const struct jobs *jobs)
{
    return jobs->again.first != NULL ? jobs->again.first : jobs->fresh.first;
}

static size_t queue_count(const struct jobs *jobs)
{
    return jobs->again.count + jobs->fresh.count;
}

/* ---- the threads ---- */

/* The next job; NULL = there will be none. */
static struct job *take(struct jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->mutex);
    while (queue_first(jobs) == NULL && !jobs->stopping) {
        jobs->idle++;
        (void)pthread_cond_wait(&jobs->filled, &jobs->mutex);
        jobs->idle--;
    }
    struct job *job = queue_first(jobs);
    if (job != NULL)
        queue_remove(job);
    (void)pthread_mutex_unlock(&jobs->mutex);
    return job;
}

/* The thread's snapshot, opened for its first job; NULL = not now, and the next job tries again. */
static struct snapshot *snapshot_of(const struct jobs *jobs, struct snapshot **snapshot, bool *failing)
{
    const struct jobs_options *o = &jobs->options;
    struct sg_error err;
    if (*snapshot != NULL) {
        snapshot_take_tunables(*snapshot);
        return *snapshot;
    }
    if (snapshot_create(o->settings, o->tunables, o->freshness, o->clock, snapshot, &err) == SG_OK) {
        if (*failing)
            log_event(LOG_INFO, "jobs_recovered", LOG_STR("database", o->settings->database));
        *failing = false;
        return *snapshot;
    }
    if (!*failing)
        log_event(LOG_ERROR, "jobs_failing", LOG_STR("status", sg_status_name(err.status)),
                  LOG_STR("error", err.message));
    *failing = true;
    return NULL;
}

bool job_over(const struct job *job)
{
    return atomic_load(&job->cancelled) || time_boot_ns() >= job->deadline_ns;
}

static bool stop_reading(void *context)
{
    return job_over(context);
}

static void run(struct job *job, struct snapshot *snapshot)
{
    if (snapshot != NULL)
        snapshot_stop_when(snapshot, stop_reading, job);
    job->run(job, snapshot);
    if (snapshot == NULL)
        return;
    snapshot_end(snapshot);
    snapshot_stop_when(snapshot, NULL, NULL);
}

/* Between two jobs no thread of theirs reads: one after the other would keep the log from being begun anew for ever. */
static void let_log_begin(const struct jobs *jobs, const struct job *job)
{
    const struct timespec step = {.tv_nsec = 2 * NS_PER_MS};
    int64_t until_ns = time_boot_ns() + JOBS_RESTART_WAIT_MS * NS_PER_MS;
    while (commit_clock_restart_wanted(jobs->options.clock) && !job_over(job) && time_boot_ns() < until_ns)
        (void)nanosleep(&step, NULL);
}

static void job_done(struct http_post *post)
{
    struct job *job = (struct job *)(void *)((char *)post - offsetof(struct job, post));
    job->done(job);
}

static void *jobs_main(void *context)
{
    struct jobs *jobs = context;
    struct snapshot *snapshot = NULL;
    bool failing = false;
    struct job *job = NULL;
    thread_name_set("job", NULL);
    while ((job = take(jobs)) != NULL) {
        let_log_begin(jobs, job);
        if (!atomic_load(&job->cancelled))
            run(job, snapshot_of(jobs, &snapshot, &failing));
        job->post.run = job_done;
        http_loop_post(job->loop, &job->post);
    }
    snapshot_destroy(snapshot);
    return NULL;
}

/* Under the mutex. False: there is none at all. */
static bool threads_suffice(struct jobs *jobs)
{
    /* Whoever is idle may be on its way to a job that was queued before. */
    if (jobs->idle > queue_count(jobs) || jobs->started == jobs->options.threads)
        return true;
    if (pthread_create(&jobs->threads[jobs->started], NULL, jobs_main, jobs) == 0)
        jobs->started++;
    return jobs->started > 0;
}

bool jobs_submit(struct jobs *jobs, struct job *job)
{
    (void)pthread_mutex_lock(&jobs->mutex);
    assert(!jobs->stopping);
    struct job_queue *queue = job->admitted_before ? &jobs->again : &jobs->fresh;
    bool room = job->admitted_before || queue->count < jobs->options.queued_max;
    bool taken = room && threads_suffice(jobs);
    if (taken) {
        queue_put(queue, job);
        (void)pthread_cond_signal(&jobs->filled);
    }
    (void)pthread_mutex_unlock(&jobs->mutex);
    return taken;
}

bool jobs_withdraw(struct jobs *jobs, struct job *job)
{
    (void)pthread_mutex_lock(&jobs->mutex);
    bool queued = job->queue != NULL;
    if (queued)
        queue_remove(job);
    (void)pthread_mutex_unlock(&jobs->mutex);
    return queued;
}

size_t jobs_queued(struct jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->mutex);
    size_t queued = queue_count(jobs);
    (void)pthread_mutex_unlock(&jobs->mutex);
    return queued;
}

unsigned jobs_threads(struct jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->mutex);
    unsigned started = jobs->started;
    (void)pthread_mutex_unlock(&jobs->mutex);
    return started;
}

void jobs_destroy(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    (void)pthread_mutex_lock(&jobs->mutex);
    assert(queue_first(jobs) == NULL);
    jobs->stopping = true;
    (void)pthread_cond_broadcast(&jobs->filled);
    (void)pthread_mutex_unlock(&jobs->mutex);
    for (unsigned i = 0; i < jobs->started; i++)
        (void)pthread_join(jobs->threads[i], NULL);
    (void)pthread_cond_destroy(&jobs->filled);
    (void)pthread_mutex_destroy(&jobs->mutex);
    free(jobs);
}
