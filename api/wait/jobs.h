/* Jobs: answers that may take long, made by a few threads with snapshots of their own, so that the loops go on reading
 * meanwhile. A job waits in a bounded queue, in which clients take turns, runs, and is posted back to its loop. No thread
 * is started before the first job, so that who has none pays nothing. */
#ifndef STATEGATE_API_WAIT_JOBS_H
#define STATEGATE_API_WAIT_JOBS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/answer/snapshot.h"
#include "api/http/http.h"
#include "api/wait/turns.h"
#include "core/progress/metrics.h"

#define JOBS_THREADS_MAX 64
#define JOBS_RESTART_WAIT_MS 500 /* for the writer, which wants to begin its log anew: commit_clock_restart_wanted */

struct jobs;

/* Part of what it is about. Zeroed, then `run`, `done`, `loop`, `client` and `deadline_ns` are set before it is
 * submitted. */
struct job {
    /* In a job's thread. `snapshot` is the thread's, between iterations, and is ended afterwards; NULL = the database
     * cannot be read now. Its reads stop (SG_STOPPED) soon after the job is over (job_over); one that was
     * cancelled before it began is not run. */
    void (*run)(struct job *job, struct snapshot *snapshot);
    /* On the loop's thread, after `run`, or without it (`refused`): from here on the job is its owner's again. */
    void (*done)(struct job *job);
    struct http_loop *loop; /* borrowed */
    const struct client_address *client; /* borrowed; who takes turns with others */
    int64_t deadline_ns;    /* boot clock: who waits for it waits no longer */
    bool admitted_before;   /* its request had a job before this one, and was parked: it is not refused now */
    atomic_bool cancelled;  /* nobody waits for it any more; any thread */
    /* Of the jobs. */
    struct turns_entry entry;
    bool refused;           /* it left the queue for a job of another client, and was not run */
    struct http_post post;
};

struct jobs_options {
    /* Borrowed; outlive the jobs. */
    const struct settings *settings;
    const struct tunables_now *tunables;
    struct freshness *freshness;
    struct commit_clock *clock;
    unsigned threads; /* 1 to JOBS_THREADS_MAX: each has a read connection of its own, and takes a processor while it runs */
};

/* Why a job has no answer; the labels `reason`. */
enum jobs_refusal {
    JOBS_REFUSAL_QUEUE_FULL,
    JOBS_REFUSAL_QUEUE_TIME,  /* no thread began with it in time */
    JOBS_REFUSAL_ANSWER_TIME, /* it was not done in time */
};
#define JOBS_REFUSALS_COUNT 3

/* What /metrics shows of them. */
struct jobs_metrics {
    struct metrics_histogram seconds;       /* in a thread */
    struct metrics_histogram examined_rows; /* of those that are queries */
    atomic_uint_fast64_t refused[JOBS_REFUSALS_COUNT];
};

/* Is its result of no use any more? Any thread. */
bool job_over(const struct job *job);

SG_MUST_CHECK enum sg_status jobs_create(const struct jobs_options *options, struct jobs **out, struct sg_error *err);
/* Nothing is queued or runs any more; waits for the threads. NULL is allowed. */
void jobs_destroy(struct jobs *jobs);

/* Queue a job, where fewer than query_queued_max wait that no thread is free for. Where as many do, and another client
 * has at least two more of them than this one, its newest makes room: that one is `refused`. False: there is no room, or
 * no thread can be had, and nothing has changed. One that was admitted before finds room in any case, ahead of all
 * others, as it came before them: of those there are no more than reads may be parked. A loop's thread, which blocks all
 * signals; never waits for a job. */
bool jobs_submit(struct jobs *jobs, struct job *job);
/* Take a job back that was submitted and is not done. True: it has not begun, and is its owner's again; neither `run`
 * nor `done` is called. False: it runs, or is done already; `done` is called. The thread of its loop. */
bool jobs_withdraw(struct jobs *jobs, struct job *job);

/* Jobs that wait for a thread, and threads that were started. Any thread; for tests and metrics. */
size_t jobs_queued(struct jobs *jobs);
unsigned jobs_threads(struct jobs *jobs);
/* Of its owner's making: it counts what became of its jobs. Any thread. */
struct jobs_metrics *jobs_metrics(struct jobs *jobs);

#endif
