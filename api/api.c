/* The reading side put together: what the loops share, a worker for each of them, and the table of its functions. */
#include "api/api.h"

#include <stdlib.h>

#include "api/http/http.h"
#include "api/wait/jobs.h"
#include "api/worker.h"
#include "core/base/address.h"
#include "core/base/processors.h"

/* Its epoll set, its wake descriptor, and the database as its reader has it; and for each address
 * an epoll set and a listening socket. */
#define API_DESCRIPTORS_PER_LOOP 6
#define API_DESCRIPTORS_PER_ADDRESS 2
/* The database as the reader of a job's thread has it. */
#define API_DESCRIPTORS_PER_JOBS_THREAD 4
#define API_OPS_JOBS_THREADS 1 /* of the second address, which is asked for metrics and probes */

struct api {
    /* Set by api_start(), then read-only: any thread; but for what api_shared says itself. */
    struct api_shared shared;
    struct http *http;               /* owned */
    struct wait_limits *wait_limits; /* owned */
    struct jobs *jobs;               /* owned */
    struct jobs *ops_jobs;           /* owned: those of the second address wait for no others; NULL = there is none */
};

static enum sg_status worker_open(void *context, const struct loop_slot *slot, void **out, struct sg_error *err)
{
    struct api_shared *shared = context;
    struct worker *worker = NULL;
    struct route_counters **counters = realloc(shared->counters, (slot->loop + 1) * sizeof(struct route_counters *));
    if (counters == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for an HTTP loop");
    shared->counters = counters;
    counters[slot->loop] = calloc(1, sizeof *counters[slot->loop]);
    if (counters[slot->loop] == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for an HTTP loop");
    shared->counters_count = slot->loop + 1;
    enum sg_status status = worker_create(shared, counters[slot->loop], slot, &worker, err);
    if (status == SG_OK)
        *out = worker;
    return status;
}

static void worker_close(void *context, void *worker)
{
    (void)context;
    worker_destroy(worker);
}

enum sg_status api_start(const struct api_context *context, struct api **out, struct sg_error *err)
{
    struct api *api = calloc(1, sizeof *api);
    if (api == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the HTTP side");
    api->shared.settings = context->settings;
    api->shared.rows = context->rows;
    api->shared.tunables = context->tunables;
    api->shared.clock = context->shared;
    api->shared.freshness = context->freshness;
    api->shared.metrics = context->metrics;
    api->shared.progress = context->progress;
    struct http_options options = {
        .listen = context->settings->listen,
        .listen_ops = context->settings->listen_ops,
        .loops = context->settings->http_loops,
        .connections_max = context->settings->http_connections_max,
        .tunables = context->tunables,
        .position_bytes_max = snapshot_position_bytes_max(context->settings),
        .handler = {.context = &api->shared,
                    .call_bytes = sizeof(struct call),
                    .worker_open = worker_open,
                    .worker_close = worker_close,
                    .expect = worker_expect,
                    .admit = worker_admit,
                    .handle = worker_handle,
                    .answered = worker_answered,
                    .park = worker_park,
                    .forget = worker_forget,
                    .withdraw = worker_withdraw,
                    .iteration_end = worker_iteration_end,
                    .wake = worker_wake,
                    .deadline_ns = worker_deadline_ns},
    };
    enum sg_status status = wait_limits_create(&api->wait_limits, err);
    api->shared.wait_limits = api->wait_limits;
    struct jobs_options jobs = {.settings = context->settings,
                                .tunables = context->tunables,
                                .freshness = context->freshness,
                                .clock = context->shared,
                                .threads = context->settings->query_threads};
    if (status == SG_OK)
        status = jobs_create(&jobs, &api->jobs, err);
    jobs.threads = API_OPS_JOBS_THREADS;
    if (status == SG_OK && context->settings->listen_ops[0] != '\0')
        status = jobs_create(&jobs, &api->ops_jobs, err);
    api->shared.jobs = api->jobs;
    api->shared.ops_jobs = api->ops_jobs;
    if (status == SG_OK)
        status = http_start(&options, &api->http, err);
    api->shared.http = api->http;
    if (status == SG_OK)
        status = http_run(api->http, err);
    if (status != SG_OK) {
        api_stop(api, 0);
        return status;
    }
    *out = api;
    return SG_OK;
}

size_t api_descriptors(const struct settings *settings)
{
    size_t loops = settings->http_loops > 0 ? settings->http_loops : processors_usable();
    const char *rest = settings->listen;
    size_t addresses = 0;
    while (address_next(&rest).bytes > 0)
        addresses++;
    size_t jobs = API_DESCRIPTORS_PER_JOBS_THREAD * (size_t)settings->query_threads;
    size_t ops_jobs = API_DESCRIPTORS_PER_JOBS_THREAD * API_OPS_JOBS_THREADS;
    size_t ops = API_DESCRIPTORS_PER_LOOP + API_DESCRIPTORS_PER_ADDRESS + ops_jobs + HTTP_OPS_CONNECTIONS_MAX;
    return (API_DESCRIPTORS_PER_LOOP + API_DESCRIPTORS_PER_ADDRESS * addresses) * loops + jobs +
           (settings->listen_ops[0] != '\0' ? ops : 0);
}

const char *api_address(const struct api *api)
{
    return http_address(api->http);
}

const char *api_ops_address(const struct api *api)
{
    return http_ops_address(api->http);
}

void api_set_unready(struct api *api)
{
    atomic_store(&api->shared.unready, true);
}

void api_stop(struct api *api, int64_t drain_ms)
{
    if (api == NULL)
        return;
    api_set_unready(api);
    atomic_store(&api->shared.draining, true);
    http_stop(api->http, drain_ms);
    jobs_destroy(api->ops_jobs);
    jobs_destroy(api->jobs); /* their threads post to the loops until they have ended */
    http_destroy(api->http);
    wait_limits_destroy(api->wait_limits);
    for (size_t i = 0; i < api->shared.counters_count; i++)
        free(api->shared.counters[i]);
    free(api->shared.counters);
    free(api);
}
