/* A loop's worker: made, and what it does with one request. Parking and waking: wakeups.c. */
#include "api/worker.h"

#include <stdlib.h>

#include "api/routes/router.h"

enum sg_status worker_create(struct api_shared *api, struct route_counters *counters, int wake_fd, struct worker **out,
                             struct sg_error *err)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for an HTTP loop");
    worker->api = api;
    worker->counters = counters;
    router_counters_init(counters);
    enum sg_status status =
        snapshot_create(api->settings, api->tunables, api->freshness, api->clock, &worker->snapshot, err);
    if (status == SG_OK)
        status = progress_join(api->progress, wake_fd, &worker->interest, err);
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

enum http_outcome worker_handle(void *context, const struct http_head *head, void *of_request, struct response *out)
{
    struct worker *worker = context;
    struct call *call = of_request;
    call->head = head;
    call->api = worker->api;
    return pipeline_handle(call, worker->snapshot, worker->counters, out) == OUTCOME_PARK ? HTTP_PARK : HTTP_ANSWER;
}

void worker_forget(void *context, void *of_request)
{
    struct worker *worker = context;
    struct call *call = of_request;
    parked_reads_remove(worker->parked_reads, &call->parked);
    pipeline_forget(call);
}

int64_t worker_deadline_ns(void *context)
{
    const struct worker *worker = context;
    return parked_reads_next_deadline_ns(worker->parked_reads);
}
