/* One loop's share of the reading side: its snapshot, its parked reads, its counters. Its functions are what the loop
 * calls (struct http_handler); all of it is of the loop's own thread, but for open and close. */
#ifndef STATEGATE_API_WORKER_H
#define STATEGATE_API_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "api/answer/snapshot.h"
#include "api/http/http.h"
#include "api/pipeline.h"
#include "api/wait/parked_reads.h"
#include "core/base/time.h"
#include "core/progress/progress.h"

/* Processor time that an attempt may take on a loop while it reads rows; one that takes longer begins anew in a job.
 * With what it may take before and after that, no request holds a loop for more than 5 ms. */
#define WORKER_ATTEMPT_MS 2
/* How often the loop's processor time is looked at, at most: what is said of one request may be too high by so much. */
#define WORKER_LOOK_NS (NS_PER_MS / 4)

struct worker {
    struct api_shared *api;          /* borrowed */
    struct jobs *jobs;               /* borrowed; NULL = none */
    struct route_counters *counters; /* borrowed; written by this thread only, read by any */
    struct admission_host last_host;
    struct snapshot *snapshot;         /* owned */
    int64_t attempt_ns;                /* processor time when the attempt at hand was first looked at; 0 = not yet */
    int64_t looked_ns;                 /* boot clock: when processor time was looked at last ... */
    int64_t looked_thread_ns;          /* ... and what it was; 0 = never */
    struct http_loop *loop;            /* borrowed: where its jobs are posted back to */
    struct progress_loop *interest;    /* owned */
    struct parked_reads *parked_reads; /* owned */
    uint64_t changed_entities[PROGRESS_CHANGED_ENTITIES_MAX]; /* scratch of a wake-up */
};

/* The counters are initialised here. Errors: the store's, SG_MEMORY. */
SG_MUST_CHECK enum sg_status worker_create(struct api_shared *api, struct route_counters *counters,
                                           const struct loop_slot *slot, struct worker **out, struct sg_error *err);
void worker_destroy(struct worker *worker);

/* The members of struct http_handler of the same names, where `call` is a struct call. */
void worker_expect(void *worker, const struct http_head *head);
bool worker_admit(void *worker, const struct http_head *head, struct response *out);
enum http_outcome worker_handle(void *worker, const struct http_head *head, void *call, struct response *out);
void worker_answered(void *worker, void *call, const struct response *answer);
bool worker_park(void *worker, void *call);
void worker_forget(void *worker, void *call);
bool worker_withdraw(void *worker, void *call, bool gone);
void worker_iteration_end(void *worker, http_resume *resume);
void worker_wake(void *worker, bool woken, bool all, http_resume *resume);
int64_t worker_deadline_ns(void *worker);

#endif
