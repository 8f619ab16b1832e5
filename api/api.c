/* The reading side put together: the route table as the handler of the loops. */
#include "api/api.h"

#include <stdlib.h>

#include "api/http.h"
#include "api/worker.h"

static void worker_destroy(struct worker *worker)
{
    if (worker == NULL)
        return;
    turn_destroy(worker->turn);
    free(worker->counters);
    free(worker);
}

static enum sg_status worker_open(void *context, unsigned loop, unsigned loops_count, void **out, struct sg_error *err)
{
    struct api *api = context;
    struct worker *worker = calloc(1, sizeof *worker);
    struct worker **workers = realloc(api->workers, (loop + 1) * sizeof(struct worker *));
    if (workers != NULL)
        api->workers = workers;
    if (worker != NULL)
        worker->counters = calloc(1, sizeof *worker->counters);
    if (workers == NULL || worker == NULL || worker->counters == NULL) {
        worker_destroy(worker);
        return sg_fail(err, SG_MEMORY, "out of memory for an HTTP loop");
    }
    worker->api = api;
    router_counters_init(worker->counters);
    const struct settings *settings = api->context.settings;
    enum sg_status status =
        turn_create(settings, api->context.freshness, settings->cache_bytes / loops_count, &worker->turn, err);
    if (status != SG_OK) {
        worker_destroy(worker);
        return status;
    }
    api->workers[loop] = worker;
    api->workers_count = loop + 1;
    *out = worker;
    return SG_OK;
}

static void worker_close(void *context, void *worker)
{
    (void)context;
    worker_destroy(worker);
}

static bool worker_admit(void *worker, const struct request *request, struct response *out)
{
    return router_admit(worker, request, out);
}

static void worker_handle(void *worker, bool ops_only, struct request *request, struct response *out)
{
    router_handle(worker, ops_only, request, out);
}

static void worker_turn_end(void *context)
{
    struct worker *worker = context;
    turn_end(worker->turn);
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
        .position_bytes_max = turn_position_bytes_max(context->settings),
        .handler = {api, worker_open, worker_close, worker_admit, worker_handle, worker_turn_end},
    };
    enum sg_status status = http_start(&options, &api->http, err);
    if (status == SG_OK)
        status = http_run(api->http, err);
    if (status != SG_OK) {
        api_stop(api);
        return status;
    }
    *out = api;
    return SG_OK;
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
    free(api->workers);
    free(api);
}
