/* A loop's worker: made, what it does with one request, on the loop or in the thread of a job, and how reads wait. */
#include "api/worker.h"

#include <stddef.h>
#include <stdlib.h>

#include "api/http/problem.h"
#include "api/routes/router.h"
#include "api/wait/jobs.h"
#include "core/base/time.h"

/* ---- processor time ---- */

/* Asked while an attempt reads. Before the first time little was read. */
static bool attempt_over(void *context)
{
    struct worker *worker = context;
    int64_t now_ns = time_thread_ns();
    if (worker->attempt_ns == 0)
        worker->attempt_ns = now_ns;
    return now_ns - worker->attempt_ns > WORKER_ATTEMPT_MS * NS_PER_MS;
}

static void attempt_begin(struct worker *worker)
{
    worker->attempt_ns = 0;
}

/* What the thread has spent since it was looked at last is of one request, but for what came before it within
 * WORKER_LOOK_NS. To look costs a system call, and so is not done for each. */
static void look_at_time(struct worker *worker, int64_t now_ns)
{
    if (now_ns - worker->looked_ns < WORKER_LOOK_NS)
        return;
    int64_t thread_ns = time_thread_ns();
    uint64_t spent_ns = (uint64_t)(thread_ns - worker->looked_thread_ns);
    atomic_uint_fast64_t *longest_ns = &worker->counters->longest_ns;
    if (worker->looked_thread_ns != 0 && spent_ns > atomic_load_explicit(longest_ns, memory_order_relaxed))
        atomic_store_explicit(longest_ns, spent_ns, memory_order_relaxed);
    worker->looked_ns = now_ns;
    worker->looked_thread_ns = thread_ns;
}

/* ---- made and destroyed ---- */

enum sg_status worker_create(struct api_shared *api, struct route_counters *counters, const struct loop_slot *slot,
                             struct worker **out, struct sg_error *err)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for an HTTP loop");
    worker->api = api;
    worker->counters = counters;
    worker->loop = slot->posts;
    worker->jobs = slot->ops ? api->ops_jobs : api->jobs;
    router_counters_init(counters);
    enum sg_status status =
        snapshot_create(api->settings, api->tunables, api->freshness, api->clock, &worker->snapshot, err);
    if (status == SG_OK && worker->jobs != NULL)
        snapshot_stop_when(worker->snapshot, attempt_over, worker);
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

/* The loops call it by its address: what it calls is to be part of it, and not it of a caller. */
__attribute__((noinline)) bool worker_admit(void *context, const struct http_head *head, struct response *out)
{
    struct worker *worker = context;
    store_read_prefetch_row(snapshot_reader(worker->snapshot));
    return pipeline_admit(worker->counters, worker->api->settings, &worker->last_host, head, out);
}

/* ---- jobs ---- */

/* An attempt in the thread of a job; is there from its submission until its request is answered, parked or
 * forgotten. */
struct worker_job {
    struct job job; /* first: a job is its worker_job */
    struct call *call;
    int64_t spent_ns; /* processor time */
    int64_t took_ns;
    bool stopped;   /* its time was over */
    bool late;      /* it was withdrawn, since no thread had begun with it in time */
    enum outcome outcome;
    struct response response;
};

/* A job's thread: nothing of the loop's is touched, and the call is not the loop's until it is done. */
static void job_run(struct job *job, struct snapshot *snapshot)
{
    struct worker_job *work = (struct worker_job *)(void *)job;
    work->call->begun_ns = time_boot_ns();
    work->spent_ns = time_thread_ns();
    if (snapshot != NULL)
        work->outcome = pipeline_attempt(work->call, snapshot, &work->response);
    else
        problem_answer(&work->response, PROBLEM_STORAGE, "The database cannot be opened now.");
    work->stopped = work->response.status == 503 && job_over(job);
    work->took_ns = time_boot_ns() - work->call->begun_ns;
    response_keep(&work->response);
    work->spent_ns = time_thread_ns() - work->spent_ns;
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

static enum http_outcome answer_too_many(struct jobs *jobs, enum jobs_refusal reason, struct response *out)
{
    atomic_fetch_add_explicit(&jobs_metrics(jobs)->refused[reason], 1, memory_order_relaxed);
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
    work->job.client = call->head->client;
    work->job.deadline_ns =
        call->begun_ns + snapshot_tunables(worker->snapshot)->http_answer_timeout_ms * NS_PER_MS;
    work->job.admitted_before = call->parked_once;
    work->call = call;
    work->outcome = OUTCOME_ANSWER;
    response_init(&work->response);
    call->job = work;
    if (jobs_submit(worker->jobs, &work->job))
        return HTTP_WORK;
    job_free(call);
    return answer_too_many(worker->jobs, JOBS_REFUSAL_QUEUE_FULL, out);
}

/* One that was parked is counted once it is answered. */
static void count_job(struct jobs *jobs, const struct worker_job *work)
{
    struct jobs_metrics *metrics = jobs_metrics(jobs);
    if (work->stopped && !atomic_load(&work->job.cancelled))
        atomic_fetch_add_explicit(&metrics->refused[JOBS_REFUSAL_ANSWER_TIME], 1, memory_order_relaxed);
    metrics_histogram_add(&metrics->seconds, (double)work->took_ns / (double)NS_PER_S);
    if (work->call->plan.query != NULL)
        metrics_histogram_add(&metrics->examined_rows, (double)work->call->examined_rows);
}

/* What came of the job: its answer, or it came out short, and is parked like any other. */
static enum http_outcome end_job(struct jobs *jobs, struct call *call, struct response *out)
{
    struct worker_job *work = call->job;
    enum http_outcome outcome = HTTP_PARK;
    if (work->late || work->job.refused) {
        outcome = answer_too_many(jobs, work->late ? JOBS_REFUSAL_QUEUE_TIME : JOBS_REFUSAL_QUEUE_FULL, out);
    } else if (work->outcome == OUTCOME_ANSWER) {
        count_job(jobs, work);
        *out = work->response;
        response_init(&work->response); /* it is `out`'s now */
        outcome = HTTP_ANSWER;
    }
    /* One that was stopped was long, whatever it took. */
    bool short_now = work->spent_ns < WORKER_ATTEMPT_MS * NS_PER_MS / 2 && out->status < 500;
    if (call->route->whole && outcome == HTTP_ANSWER && short_now)
        atomic_store_explicit(&call->api->long_lately[router_id(call->route)], false, memory_order_relaxed);
    job_free(call);
    return outcome;
}

bool worker_withdraw(void *context, void *of_request, bool gone)
{
    const struct worker *worker = context;
    struct call *call = of_request;
    bool withdrawn = jobs_withdraw(worker->jobs, &call->job->job);
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
        return end_job(worker->jobs, call, out);
    call->head = head;
    call->api = worker->api;
    attempt_begin(worker);
    enum outcome outcome = pipeline_handle(call, worker->snapshot, out);
    if (outcome == OUTCOME_ANSWER)
        return HTTP_ANSWER;
    look_at_time(worker, time_boot_ns());
    return outcome == OUTCOME_PARK ? HTTP_PARK : begin_job(worker, call, out);
}

void worker_answered(void *context, void *of_request, const struct response *answer)
{
    struct worker *worker = context;
    look_at_time(worker, pipeline_end(of_request, worker->counters, answer));
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

/* ---- parking, the second look, waking ----
 *
 *   suspended -> in parked_reads -> interest is registered -> a new snapshot -> looked at once more -> waits
 *   commit or proof -> interest is found -> the loop is woken -> a new snapshot -> those it helps -> handled again
 *
 * Whichever of "interest is registered" and "commit" comes second sees the other, so nothing that helps is missed. */

static struct call *call_of(struct parked_read *read)
{
    return (struct call *)(void *)((char *)read - offsetof(struct call, parked));
}

static void resume_one(struct worker *worker, struct parked_read *read, http_resume *resume)
{
    parked_reads_remove(worker->parked_reads, read);
    resume(read->connection);
}

bool worker_park(void *context, void *of_request)
{
    struct worker *worker = context;
    struct call *call = of_request;
    struct sg_error err;
    call->parked.connection = call->head->connection;
    return parked_reads_add(worker->parked_reads, &call->parked, &err) == SG_OK;
}

/* Look at one read in a snapshot that began after it was visible. */
static void look_again(struct worker *worker, struct parked_read *read, http_resume *resume)
{
    struct wants before = read->wants;
    attempt_begin(worker);
    /* One that outlasts an attempt is looked at to its end: a job would find it as short, and come back here at once. */
    bool is_long = call_of(read)->plan.place == PLAN_IN_JOB;
    if (is_long)
        snapshot_stop_when(worker->snapshot, NULL, NULL);
    bool waits = pipeline_still_short(call_of(read), worker->snapshot);
    if (is_long)
        snapshot_stop_when(worker->snapshot, attempt_over, worker);
    struct wants now = read->wants;
    struct sg_error err;
    read->wants = before; /* by which it is found in parked_reads */
    if (waits && wants_equal(&before, &now))
        return;
    parked_reads_remove(worker->parked_reads, read);
    read->wants = now;
    if (!waits || parked_reads_add(worker->parked_reads, read, &err) != SG_OK)
        resume(read->connection);
}

void worker_iteration_end(void *context, http_resume *resume)
{
    struct worker *worker = context;
    snapshot_end(worker->snapshot);
    for (;;) {
        attempt_begin(worker);
        parked_reads_publish(worker->parked_reads);
        struct parked_read *read = parked_reads_take_unchecked(worker->parked_reads);
        if (read == NULL)
            break;
        for (struct parked_read *next = NULL; read != NULL; read = next) {
            next = read->next_unchecked;
            look_again(worker, read, resume);
        }
        snapshot_end(worker->snapshot);
    }
    look_at_time(worker, time_boot_ns());
}

struct waking {
    struct worker *worker;
    http_resume *resume;
};

static void wake_found(void *context, struct parked_read *read)
{
    const struct waking *waking = context;
    resume_one(waking->worker, read, waking->resume);
}

/* Those whose entity changed. */
static void wake_entities(struct worker *worker, http_resume *resume)
{
    struct waking waking = {worker, resume};
    struct parked_read *read = NULL;
    bool all = false;
    size_t count = progress_take(worker->interest, worker->changed_entities, &all);
    while (all && (read = parked_reads_any(worker->parked_reads)) != NULL)
        resume_one(worker, read, resume);
    for (size_t i = 0; i < count; i++)
        parked_reads_each_entity(worker->parked_reads, worker->changed_entities[i], wake_found, &waking);
}

/* Those whose position or proof has arrived in the snapshot that they are going to be answered from. */
static void wake_streams(struct worker *worker, http_resume *resume)
{
    size_t streams_count = worker->api->settings->streams_count;
    struct sg_error err;
    for (size_t i = 0; i < streams_count; i++) {
        struct parked_read *read = NULL;
        if (!parked_reads_wants_stream(worker->parked_reads, i))
            continue;
        if (snapshot_begin(worker->snapshot, &err) != SG_OK)
            return; /* logged; their deadlines remain */
        const struct snapshot_stream *s = snapshot_stream(worker->snapshot, i);
        struct parked_reads_facts facts = {
            .position = s->view.met,
            .proof_ns = s->view.staleness_known ? s->view.proof_ns : INT64_MIN,
            .probe_ns = s->view.probe_known ? s->view.probe_ns : INT64_MIN,
        };
        while ((read = parked_reads_helped(worker->parked_reads, i, &facts)) != NULL)
            resume_one(worker, read, resume);
    }
}

void worker_wake(void *context, bool woken, bool all, http_resume *resume)
{
    struct worker *worker = context;
    struct parked_read *read = NULL;
    snapshot_take_tunables(worker->snapshot);
    attempt_begin(worker);
    while (all && (read = parked_reads_any(worker->parked_reads)) != NULL)
        resume_one(worker, read, resume);
    if (woken) {
        wake_entities(worker, resume);
        wake_streams(worker, resume);
    }
    if (parked_reads_count(worker->parked_reads) == 0)
        return;
    int64_t now_ns = time_boot_ns();
    while ((read = parked_reads_overdue(worker->parked_reads, now_ns)) != NULL)
        resume_one(worker, read, resume);
}
