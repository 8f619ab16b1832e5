/* The queue of the jobs, and their threads. */
#include "api/wait/jobs.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/base/time.h"

struct jobs {
    /* Set by jobs_create(), then read-only: any thread. */
    struct jobs_options options;
    /* Any thread. */
    struct jobs_metrics metrics;
    /* Guarded by mutex, which is held for a few instructions. */
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct turns *queue; /* owned; what was admitted before is first */
    unsigned idle;     /* threads that wait for a job */
    unsigned running;  /* those that have one */
    unsigned started;
    bool stopping;
    pthread_t threads[JOBS_THREADS_MAX];
};

static const double seconds_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                        0.05,   0.1,     0.25,   0.5,   1,      5};
static const double rows_bounds[] = {1, 10, 100, 1000, 10000, 100000, 1000000};

enum sg_status jobs_create(const struct jobs_options *options, struct jobs **out, struct sg_error *err)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for jobs");
    assert(options->threads >= 1 && options->threads <= JOBS_THREADS_MAX);
    enum sg_status status = turns_create(&jobs->queue, err);
    if (status != SG_OK) {
        free(jobs);
        return status;
    }
    jobs->options = *options;
    metrics_histogram_init(&jobs->metrics.seconds, seconds_bounds, sizeof seconds_bounds / sizeof seconds_bounds[0]);
    metrics_histogram_init(&jobs->metrics.examined_rows, rows_bounds, sizeof rows_bounds / sizeof rows_bounds[0]);
    (void)pthread_mutex_init(&jobs->mutex, NULL);
    (void)pthread_cond_init(&jobs->filled, NULL);
    *out = jobs;
    return SG_OK;
}

/* ---- the threads ---- */

static struct job *job_of(struct turns_entry *entry)
{
    return entry != NULL ? (struct job *)(void *)((char *)entry - offsetof(struct job, entry)) : NULL;
}

/* The next job; NULL = there will be none. */
static struct job *take(struct jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->mutex);
    while (turns_count(jobs->queue) == 0 && !jobs->stopping) {
        jobs->idle++;
        (void)pthread_cond_wait(&jobs->filled, &jobs->mutex);
        jobs->idle--;
    }
    struct job *job = job_of(turns_take(jobs->queue));
    jobs->running += job != NULL;
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

static void give_back(struct job *job)
{
    job->post.run = job_done;
    http_loop_post(job->loop, &job->post);
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
        (void)pthread_mutex_lock(&jobs->mutex);
        jobs->running--;
        (void)pthread_mutex_unlock(&jobs->mutex);
        give_back(job);
    }
    snapshot_destroy(snapshot);
    return NULL;
}

/* Under the mutex. False: there is none at all. */
static bool threads_suffice(struct jobs *jobs)
{
    /* Whoever is idle may be on its way to a job that was queued before. */
    if (jobs->idle > turns_count(jobs->queue) || jobs->started == jobs->options.threads)
        return true;
    if (pthread_create(&jobs->threads[jobs->started], NULL, jobs_main, jobs) == 0)
        jobs->started++;
    return jobs->started > 0;
}

/* Under the mutex. What a thread is free for, or about to be started for, does not wait. */
static bool has_room(const struct jobs *jobs, size_t queued_max)
{
    size_t first = turns_count(jobs->queue) - turns_count_clients(jobs->queue);
    size_t free_threads = jobs->options.threads - jobs->running;
    return turns_count_clients(jobs->queue) < queued_max + (free_threads > first ? free_threads - first : 0);
}

/* Under the mutex. `*instead`: leaves the queue for it. */
static bool put(struct jobs *jobs, struct job *job, struct job **instead)
{
    size_t queued_max = tunables_take(jobs->options.tunables)->query_queued_max;
    bool room = job->admitted_before || has_room(jobs, queued_max);
    struct turns_entry *unfair = room ? NULL : turns_unfair(jobs->queue, job->client);
    if ((!room && unfair == NULL) || !threads_suffice(jobs))
        return false;
    if (job->admitted_before) {
        turns_put_first(jobs->queue, &job->entry);
        return true;
    }
    if (!turns_put(jobs->queue, &job->entry, job->client))
        return false;
    if (unfair != NULL)
        turns_remove(jobs->queue, unfair);
    *instead = job_of(unfair);
    return true;
}

bool jobs_submit(struct jobs *jobs, struct job *job)
{
    struct job *instead = NULL;
    (void)pthread_mutex_lock(&jobs->mutex);
    assert(!jobs->stopping);
    bool taken = put(jobs, job, &instead);
    if (taken)
        (void)pthread_cond_signal(&jobs->filled);
    (void)pthread_mutex_unlock(&jobs->mutex);
    if (instead != NULL) {
        instead->refused = true;
        give_back(instead);
    }
    return taken;
}

bool jobs_withdraw(struct jobs *jobs, struct job *job)
{
    (void)pthread_mutex_lock(&jobs->mutex);
    bool queued = job->entry.list != NULL;
    if (queued)
        turns_remove(jobs->queue, &job->entry);
    (void)pthread_mutex_unlock(&jobs->mutex);
    return queued;
}

size_t jobs_queued(struct jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->mutex);
    size_t queued = turns_count(jobs->queue);
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

struct jobs_metrics *jobs_metrics(struct jobs *jobs)
{
    return &jobs->metrics;
}

void jobs_destroy(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    (void)pthread_mutex_lock(&jobs->mutex);
    assert(turns_count(jobs->queue) == 0);
    jobs->stopping = true;
    (void)pthread_cond_broadcast(&jobs->filled);
    (void)pthread_mutex_unlock(&jobs->mutex);
    for (unsigned i = 0; i < jobs->started; i++)
        (void)pthread_join(jobs->threads[i], NULL);
    turns_destroy(jobs->queue);
    (void)pthread_cond_destroy(&jobs->filled);
    (void)pthread_mutex_destroy(&jobs->mutex);
    free(jobs);
}
