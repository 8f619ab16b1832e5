/* The route table and the way through it. */
#include "api/router.h"

#include "api/admission.h"
#include "api/handlers.h"
#include "api/problem.h"
#include "api/worker.h"
#include "core/clock.h"

static const struct route routes[ROUTES_COUNT] = {
    [ROUTE_COLLECTIONS] = {"/v1/state", state_collections, .demands = true},
    [ROUTE_PAGE] = {"/v1/state/{collection}", page_entities, .demands = true, .params = {"limit", "cursor"}},
    [ROUTE_ENTITY] = {"/v1/state/{collection}/{id}", state_entity, .demands = true},
    [ROUTE_REJECTED] = {"/v1/rejected", rejected_page, .demands = true,
                        .params = {"limit", "cursor", "stream", "collection"}},
    [ROUTE_STATUS] = {"/v1/status", status_show, .demands = true},
    [ROUTE_LIVEZ] = {"/livez", ops_livez, .ops = true},
    [ROUTE_READYZ] = {"/readyz", ops_readyz, .ops = true, .params = {"max_staleness"}},
    [ROUTE_METRICS] = {"/metrics", metrics_page, .ops = true},
    [ROUTE_OPENAPI] = {"/openapi.yaml", ops_openapi, .ops = true},
};

const unsigned route_codes[ROUTE_CODES_MAX] = {200, 204, 304, 400, 404, 405, 410, 413, 414, 417, 431, 501, 503, 505};

static const double seconds_bounds[] = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001,
                                        0.0025,  0.005,    0.01,    0.025,  0.05,    0.1,    1};

/* Parameters that demand freshness: refused where a demand would mean something, so that none is ever ignored. */
static const char *const demand_params[] = {"min_version", "min_position", "max_staleness", "wait"};

const struct route *router_route(enum route_id id)
{
    return id < ROUTES_COUNT ? &routes[id] : NULL;
}

const char *router_method_name(enum request_method method)
{
    static const char *const names[REQUEST_METHODS_COUNT] = {"GET", "HEAD", "OPTIONS", "other"};
    return names[method];
}

void router_counters_init(struct route_counters *counters)
{
    for (size_t i = 0; i <= ROUTES_COUNT; i++)
        metrics_histogram_init(&counters->seconds[i], seconds_bounds, sizeof seconds_bounds / sizeof seconds_bounds[0]);
}

static void count(struct worker *worker, enum route_id route, const struct request *request, const struct response *r,
                  int64_t begun_ns)
{
    size_t code = 0;
    while (code + 1 < ROUTE_CODES_MAX && route_codes[code] != 0 && route_codes[code] != r->status)
        code++;
    atomic_uint_fast64_t *counter = &worker->counters->requests[route][request->method][code];
    /* This loop is the only writer, so a load and a store do. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
    metrics_histogram_add(&worker->counters->seconds[route], (double)(clock_boot_ns() - begun_ns) / (double)NS_PER_S);
}

/* Compare the request's segments with a route's path; `{collection}` and `{id}` take one segment each. */
static bool route_matches(const struct route *route, const struct target *target, struct call *call)
{
    const char *part = route->path;
    for (size_t i = 0; i < target->segments_count; i++) {
        if (*part != '/')
            return false;
        part++;
        size_t bytes = strcspn(part, "/");
        struct slice wanted = {part, bytes};
        if (slice_equal(wanted, SLICE_LITERAL("{collection}")))
            call->collection = target->segments[i];
        else if (slice_equal(wanted, SLICE_LITERAL("{id}")))
            call->id = target->segments[i];
        else if (!slice_equal(wanted, target->segments[i]))
            return false;
        part += bytes;
    }
    return *part == '\0';
}

static enum route_id find_route(const struct target *target, bool ops_only, struct call *call)
{
    size_t segments = target->segments_count;
    if (segments == 0 || segments > TARGET_SEGMENTS_MAX || target->segments[segments - 1].bytes == 0)
        return ROUTE_NONE; /* a trailing slash names nothing */
    for (unsigned id = 0; id < ROUTES_COUNT; id++) {
        if ((routes[id].ops || !ops_only) && route_matches(&routes[id], target, call))
            return (enum route_id)id;
    }
    return ROUTE_NONE;
}

static bool check_demands(const struct call *call, struct response *out)
{
    struct slice ignored;
    if (!call->route->demands)
        return true;
    const char *demand = call->request->demand;
    for (size_t i = 0; demand == NULL && i < sizeof demand_params / sizeof demand_params[0]; i++) {
        if (target_param(&call->request->target, demand_params[i], &ignored))
            demand = demand_params[i];
    }
    if (demand == NULL)
        return true;
    problem_answer(out, PROBLEM_NOT_IMPLEMENTED, "The demand '%s' is not implemented in this release.", demand);
    return false;
}

static bool check_params(const struct call *call, struct response *out)
{
    for (size_t i = 0; i < call->request->target.params_count; i++) {
        struct slice name = call->request->target.params[i].name;
        size_t k = 0;
        while (call->route->params[k] != NULL && !slice_equal(slice_of(call->route->params[k]), name))
            k++;
        if (call->route->params[k] == NULL) {
            problem_answer(out, PROBLEM_BAD_REQUEST, "The parameter '%.*s' is not known here.",
                           (int)(name.bytes < 64 ? name.bytes : 64), name.data);
            return false;
        }
    }
    return true;
}

static bool check_segments(const struct call *call, struct response *out)
{
    struct sg_error err;
    enum sg_status status = SG_OK;
    if (call->collection.data != NULL)
        status = segment_check(call->collection, EVENT_COLLECTION_BYTES_MAX, "collection", &err);
    if (status == SG_OK && call->id.data != NULL)
        status = segment_check(call->id, EVENT_ID_BYTES_MAX, "id", &err);
    if (status != SG_OK)
        problem_bad_request(out, &err);
    return status == SG_OK;
}

bool router_admit(struct worker *worker, const struct request *request, struct response *out)
{
    if (admission_check(request, out))
        return true;
    count(worker, ROUTE_NONE, request, out, clock_boot_ns());
    return false;
}

static void answer(struct call *call, struct response *out)
{
    if (call->route == NULL) {
        problem_answer(out, PROBLEM_NOT_FOUND, "There is no such path.");
    } else if (call->request->method == METHOD_OPTIONS) {
        out->status = 204;
        response_header(out, "Allow", ADMISSION_ALLOW);
    } else if (check_segments(call, out) && check_demands(call, out) && check_params(call, out)) {
        call->route->handle(call, out);
    }
}

void router_handle(struct worker *worker, bool ops_only, struct request *request, struct response *out)
{
    int64_t begun_ns = clock_boot_ns();
    struct call call = {.worker = worker, .request = request};
    enum route_id id = ROUTE_NONE;
    struct sg_error err;
    if (target_parse(request->target_text, request->target_bytes, &request->target, &err) != SG_OK) {
        problem_bad_request(out, &err);
    } else {
        id = find_route(&request->target, ops_only, &call);
        call.route = router_route(id);
        answer(&call, out);
    }
    count(worker, id, request, out, begun_ns);
}
