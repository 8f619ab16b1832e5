/* A loop's worker: made, and what it does with one request, on the loop or in the thread of a job. Parking and waking:
 * wakeups.c. */
#include "api/worker.h"

#include <stdlib.h>

#include "api/http/problem.h"
#include "api/routes/router.h"
#include "api/wait/jobs.h"
#include "core/base/time.h"

enum sg_status worker_create(struct api_shared *api, struct route_counters *counters, const struct loop_slot *slot,
                             struct worker **out, struct sg_error *err)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for an HTTP loop");
    worker->api = api;
    worker->counters = counters;
    worker->loop = slot->posts;
    router_counters_init(counters);
    enum sg_status status =
        snapshot_create(api->settings, api->tunables, api->freshness, api->clock, &worker->snapshot, err);
    if (status == SG_OK)
        status = progress_join(api->progress, slot->wake_fd, &worker->interest, err);
    if (status == SG_OK)
        status = parked_reads_create(worker->interest, api->settings->streams_count, &worker->parked_reads, err);
    if (status != SG_OK) {
        worker_destroy(worker);
        return status;
    }
    *out = worker;
    return SG_OK;
}

void worker_destroy(struct worker *worker)
{
    if (worker == NULL)
        return;
    parked_reads_destroy(worker->parked_reads);
    progress_leave(worker->interest);
    snapshot_destroy(worker->snapshot);
    free(worker);
}

void worker_expect(void *context, const struct http_head *head)
{
    struct worker *worker = context;
    router_prefetch(snapshot_reader(worker->snapshot), head);
}

bool worker_admit(void *context, const struct http_head *head, struct response *out)
{
    struct worker *worker = context;
    store_read_prefetch_row(snapshot_reader(worker->snapshot));
    return pipeline_admit(worker->counters, head, out);
}

/* ---- jobs ---- */

/* An attempt in the thread of a job; lives from its submission until its request is answered, parked or forgotten. */
struct worker_job {
    struct job job; /* first: a job is its worker_job */
    struct call *call;
    bool late;      /* it was withdrawn, since no thread had begun with it in time */
    enum outcome outcome;
    struct response response;
};

/* A job's thread: nothing of the loop's is touched, and the call is not the loop's until it is done. */
static void job_run(struct job *job, struct snapshot *snapshot)
{
    struct worker_job *work = (struct worker_job *)(void *)job;
    work->call->begun_ns = time_boot_ns();
    if (snapshot != NULL)
        work->outcome = pipeline_attempt(work->call, snapshot, &work->response);
    else
        problem_answer(&work->response, PROBLEM_STORAGE, "The database cannot be opened now.");
    response_keep(&work->response);
}

static void job_done(struct job *job)
{
    const struct worker_job *work = (struct worker_job *)(void *)job;
    http_connection_resume(work->call->head->connection);
}

static void job_free(struct call *call)
{
    if (call->job != NULL)
        response_free(&call->job->response);
    free(call->job);
    call->job = NULL;
}

static enum http_outcome answer_too_many(struct response *out)
{
    problem_answer(out, PROBLEM_TOO_MANY_QUERIES, "Too many queries are waiting, or this one has waited too long.");
    return HTTP_ANSWER;
}

static enum http_outcome begin_job(struct worker *worker, struct call *call, struct response *out)
{
    struct worker_job *work = calloc(1, sizeof *work);
    if (work == NULL) {
        out->failed = true;
        call->outcome = WAIT_REFUSED;
        return HTTP_ANSWER;
    }
    work->job.run = job_run;
    work->job.done = job_done;
    work->job.loop = worker->loop;
    work->job.deadline_ns =
        call->begun_ns + snapshot_tunables(worker->snapshot)->http_answer_timeout_ms * NS_PER_MS;
    work->job.admitted_before = call->parked_once;
    work->call = call;
    work->outcome = OUTCOME_ANSWER;
    response_init(&work->response);
    call->job = work;
    if (jobs_submit(worker->api->jobs, &work->job))
        return HTTP_WORK;
    job_free(call);
    return answer_too_many(out);
}

/* What came of the job: its answer, or it came out short, and is parked like any other. */
static enum http_outcome end_job(struct call *call, struct response *out)
{
    struct worker_job *work = call->job;
    enum http_outcome outcome = HTTP_PARK;
    if (work->late) {
        outcome = answer_too_many(out);
    } else if (work->outcome == OUTCOME_ANSWER) {
        *out = work->response;
        response_init(&work->response); /* it is `out`'s now */
        outcome = HTTP_ANSWER;
    }
    job_free(call);
    return outcome;
}

bool worker_withdraw(void *context, void *of_request, bool gone)
{
    const struct worker *worker = context;
    struct call *call = of_request;
    bool withdrawn = jobs_withdraw(worker->api->jobs, &call->job->job);
    if (withdrawn)
        call->job->late = !gone;
    else if (gone)
        atomic_store(&call->job->job.cancelled, true);
    return withdrawn;
}

/* ---- one request ---- */

enum http_outcome worker_handle(void *context, const struct http_head *head, void *of_request, struct response *out)
{
    struct worker *worker = context;
    struct call *call = of_request;
    if (call->job != NULL)
        return end_job(call, out);
    call->head = head;
    call->api = worker->api;
    switch (pipeline_handle(call, worker->snapshot, out)) {
    case OUTCOME_ANSWER: break;
    case OUTCOME_PARK: return HTTP_PARK;
    case OUTCOME_JOB: return begin_job(worker, call, out);
    }
    return HTTP_ANSWER;
}

void worker_answered(void *context, void *of_request, const struct response *answer)
{
    struct worker *worker = context;
    pipeline_end(of_request, worker->counters, answer);
}

void worker_forget(void *context, void *of_request)
{
    struct worker *worker = context;
    struct call *call = of_request;
    parked_reads_remove(worker->parked_reads, &call->parked);
    job_free(call);
    pipeline_forget(call);
}

int64_t worker_deadline_ns(void *context)
{
    const struct worker *worker = context;
    return parked_reads_next_deadline_ns(worker->parked_reads);
}
