/* The reading side put together: the route table as the handler of the loops. */
#include "api/api.h"

#include <stdlib.h>

#include "api/http/http.h"
#include "api/wakeups.h"
#include "api/worker.h"
#include "core/base/processors.h"

/* Its epoll sets, its wake descriptor, its listening sockets, and the database as its reader has it. */
#define API_DESCRIPTORS_PER_LOOP 8

static void worker_destroy(struct worker *worker)
{
    if (worker == NULL)
        return;
    parked_reads_destroy(worker->parked_reads);
    progress_leave(worker->interest);
    snapshot_destroy(worker->snapshot);
    free(worker->counters);
    free(worker);
}

static enum sg_status worker_make(struct api *api, const struct loop_slot *slot, struct worker *worker,
                                  struct sg_error *err)
{
    const struct settings *settings = api->context.settings;
    worker->api = api;
    worker->counters = calloc(1, sizeof *worker->counters);
    if (worker->counters == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for an HTTP loop");
    router_counters_init(worker->counters);
    enum sg_status status =
        snapshot_create(settings, api->context.freshness, api->context.shared, &worker->snapshot, err);
    if (status == SG_OK)
        status = progress_join(api->context.progress, slot->wake_fd, &worker->interest, err);
    if (status == SG_OK)
        status = parked_reads_create(worker->interest, settings->streams_count, &worker->parked_reads, err);
    return status;
}

static enum sg_status worker_open(void *context, const struct loop_slot *slot, void **out, struct sg_error *err)
{
    struct api *api = context;
    struct worker **workers = realloc(api->workers, (slot->loop + 1) * sizeof(struct worker *));
    if (workers != NULL)
        api->workers = workers;
    struct worker *worker = workers != NULL ? calloc(1, sizeof *worker) : NULL;
    if (worker == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for an HTTP loop");
    enum sg_status status = worker_make(api, slot, worker, err);
    if (status != SG_OK) {
        worker_destroy(worker);
        return status;
    }
    api->workers[slot->loop] = worker;
    api->workers_count = slot->loop + 1;
    *out = worker;
    return SG_OK;
}

static void worker_close(void *context, void *worker)
{
    (void)context;
    worker_destroy(worker);
}

static void worker_expect(void *worker, const struct http_head *head)
{
    router_expect(worker, head);
}

static bool worker_admit(void *worker, const struct http_head *head, struct response *out)
{
    return router_admit(worker, head, out);
}

static enum http_outcome worker_handle(void *worker, const struct http_head *head, void *call, struct response *out)
{
    router_handle(worker, head, call, out);
    return out->park ? HTTP_PARK : HTTP_ANSWER;
}

static bool worker_park(void *worker, void *call)
{
    return wakeups_park(worker, call);
}

static void worker_forget(void *worker, void *call)
{
    wakeups_forget(worker, call);
}

static void worker_iteration_end(void *worker, http_resume *resume)
{
    wakeups_iteration_end(worker, resume);
}

static void worker_wake(void *worker, bool woken, bool all, http_resume *resume)
{
    wakeups_wake(worker, woken, all, resume);
}

static int64_t worker_deadline_ns(void *context)
{
    const struct worker *worker = context;
    return parked_reads_next_deadline_ns(worker->parked_reads);
}

enum sg_status api_start(const struct api_context *context, struct api **out, struct sg_error *err)
{
    struct api *api = calloc(1, sizeof *api);
    if (api == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the HTTP side");
    api->context = *context;
    struct http_options options = {
        .listen = context->settings->listen,
        .listen_ops = context->settings->listen_ops,
        .loops = context->settings->http_loops,
        .connections_max = context->settings->http_connections_max,
        .head_timeout_ms = context->settings->http_head_timeout_ms,
        .answer_timeout_ms = context->settings->http_answer_timeout_ms,
        .position_bytes_max = snapshot_position_bytes_max(context->settings),
        .handler = {.context = api,
                    .call_bytes = sizeof(struct request),
                    .call_zeroed_bytes = offsetof(struct request, target),
                    .worker_open = worker_open,
                    .worker_close = worker_close,
                    .expect = worker_expect,
                    .admit = worker_admit,
                    .handle = worker_handle,
                    .park = worker_park,
                    .forget = worker_forget,
                    .iteration_end = worker_iteration_end,
                    .wake = worker_wake,
                    .deadline_ns = worker_deadline_ns},
    };
    enum sg_status status = wait_limits_create(context->settings->parked_max, context->settings->parked_max_per_client,
                                               &api->wait_limits, err);
    if (status == SG_OK)
        status = http_start(&options, &api->http, err);
    if (status == SG_OK)
        status = http_run(api->http, err);
    if (status != SG_OK) {
        api_stop(api);
        return status;
    }
    *out = api;
    return SG_OK;
}

size_t api_descriptors(const struct settings *settings)
{
    size_t loops = settings->http_loops > 0 ? settings->http_loops : processors_usable();
    return API_DESCRIPTORS_PER_LOOP * loops + (settings->listen_ops[0] != '\0' ? HTTP_OPS_CONNECTIONS_MAX : 0);
}

const char *api_address(const struct api *api)
{
    return http_address(api->http);
}

const char *api_ops_address(const struct api *api)
{
    return http_ops_address(api->http);
}

void api_set_draining(struct api *api)
{
    atomic_store(&api->draining, true);
}

void api_stop(struct api *api)
{
    if (api == NULL)
        return;
    atomic_store(&api->draining, true);
    http_stop(api->http, API_DRAIN_MS);
    wait_limits_destroy(api->wait_limits);
    free(api->workers);
    free(api);
}
