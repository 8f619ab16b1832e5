/* The route table and the way through it. */
#include "api/routes/router.h"

#include <string.h>

#include "api/request/admission.h"
#include "api/request/conditions.h"
#include "api/http/problem.h"
#include "api/worker.h"
#include "core/base/time.h"

/* Parameters that demand; min_version is refused by name where no entity is meant. */
#define DEMAND_PARAMS "min_version", "min_position", "max_staleness", "wait"

/* A path with its segments. */
#define SEGMENT(text) {text, sizeof text - 1}
#define PATH_1(a) "/" a, 1, {SEGMENT(a)}
#define PATH_2(a, b) "/" a "/" b, 2, {SEGMENT(a), SEGMENT(b)}
#define PATH_3(a, b, c) "/" a "/" b "/" c, 3, {SEGMENT(a), SEGMENT(b), SEGMENT(c)}
#define PATH_4(a, b, c, d) "/" a "/" b "/" c "/" d, 4, {SEGMENT(a), SEGMENT(b), SEGMENT(c), SEGMENT(d)}

static const struct route routes[ROUTES_COUNT] = {
    [ROUTE_COLLECTIONS] = {PATH_2("v1", "state"), collections_show, .demands = true, .params = {DEMAND_PARAMS}},
    [ROUTE_PAGE] = {PATH_3("v1", "state", "{collection}"), page_entities, .demands = true, .check = page_check,
                    .params = {"limit", "cursor", DEMAND_PARAMS}},
    [ROUTE_ENTITY] = {PATH_4("v1", "state", "{collection}", "{id}"), entity_show, .demands = true,
                      .params = {DEMAND_PARAMS}},
    [ROUTE_REJECTED] = {PATH_2("v1", "rejected"), rejected_page, .demands = true, .check = rejected_check,
                        .params = {"limit", "cursor", "stream", "collection", DEMAND_PARAMS}},
    [ROUTE_STATUS] = {PATH_2("v1", "status"), status_show, .ops = false},
    [ROUTE_LIVEZ] = {PATH_1("livez"), probes_livez, .ops = true},
    [ROUTE_READYZ] = {PATH_1("readyz"), probes_readyz, .ops = true, .params = {"max_staleness"}},
    [ROUTE_METRICS] = {PATH_1("metrics"), metrics_page, .ops = true},
    [ROUTE_OPENAPI] = {PATH_1("openapi.yaml"), assets_openapi, .ops = true},
};

const unsigned route_codes[ROUTE_CODES_MAX] = {200, 204, 304, 400, 404, 405, 409, 410, 413,
                                               414, 417, 422, 431, 503, 504, 505};

static const double seconds_bounds[] = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001,
                                        0.0025,  0.005,    0.01,    0.025,  0.05,    0.1,    1};

const struct route *router_route(enum route_id id)
{
    return id < ROUTES_COUNT ? &routes[id] : NULL;
}

const char *router_method_name(enum http_method method)
{
    static const char *const names[HTTP_METHODS_COUNT] = {"GET", "HEAD", "OPTIONS", "other"};
    return names[method];
}

void router_counters_init(struct route_counters *counters)
{
    for (size_t i = 0; i <= ROUTES_COUNT; i++)
        metrics_histogram_init(&counters->seconds[i], seconds_bounds, sizeof seconds_bounds / sizeof seconds_bounds[0]);
}

static void count(struct worker *worker, enum route_id route, enum http_method method, const struct response *r,
                  int64_t begun_ns)
{
    size_t code = 0;
    if (r->failed)
        return; /* out of memory: there is no answer */
    while (code + 1 < ROUTE_CODES_MAX && route_codes[code] != 0 && route_codes[code] != r->status)
        code++;
    atomic_uint_fast64_t *counter = &worker->counters->requests[route][method][code];
    /* This loop is the only writer, so a load and a store do. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
    int64_t ended_ns = r->made_ns != 0 ? r->made_ns : time_boot_ns();
    metrics_histogram_add(&worker->counters->seconds[route], (double)(ended_ns - begun_ns) / (double)NS_PER_S);
}

static bool route_matches(const struct route *route, const struct target *target, struct call *call)
{
    if (route->segments_count != target->segments_count)
        return false;
    for (size_t i = 0; i < target->segments_count; i++) {
        struct slice part = route->segments[i];
        if (part.data[0] == '{')
            *(part.data[1] == 'c' ? &call->collection : &call->id) = target->segments[i];
        else if (!slice_equal(part, target->segments[i]))
            return false;
    }
    return true;
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

/* What is malformed besides the demands. */
static enum sg_status check_rest(const struct call *call, struct sg_error *err)
{
    const struct request *r = call->request;
    bool ignored = false;
    enum sg_status status = call->route->check != NULL ? call->route->check(call, err) : SG_OK;
    if (status == SG_OK && (r->route == (int)ROUTE_ENTITY || r->route == (int)ROUTE_PAGE))
        status = conditions_unchanged(&r->head->fields.if_none_match, NULL, &ignored, err);
    return status;
}

/* Read the demands; where they mean nothing they are refused, and none is ever ignored. */
static bool read_demands(struct call *call, struct response *out)
{
    struct request *r = call->request;
    struct sg_error err;
    if (!call->route->demands) {
        const struct http_fields *f = &r->head->fields;
        const char *header = f->min_version.count > 0     ? "Min-Version"
                             : f->min_position.count > 0  ? "Min-Position"
                             : f->max_staleness.count > 0 ? "Max-Staleness"
                                                          : NULL;
        if (header == NULL || call->route->ops)
            return true; /* a Prefer alone demands nothing, and probes have no demands */
        problem_answer(out, PROBLEM_BAD_REQUEST, "The demand '%s' has no meaning here.", header);
        return false;
    }
    enum sg_status status = demands_parse(&r->head->fields, &r->target, r->route == (int)ROUTE_ENTITY,
                                          call->worker->api->context.settings, &r->demands, &err);
    /* What is malformed is said first, before a stream that is not known and before anything is waited for. */
    if (status == SG_OK || status == SG_NOT_FOUND) {
        struct sg_error malformed;
        if (check_rest(call, &malformed) != SG_OK) {
            problem_bad_request(out, &malformed);
            demands_free(&r->demands);
            return false;
        }
    }
    if (status == SG_OK)
        return true;
    if (status == SG_NOT_FOUND)
        problem_answer(out, PROBLEM_UNKNOWN_STREAM, "%s.", err.message);
    else if (status == SG_INVALID)
        problem_bad_request(out, &err);
    else
        out->failed = true;
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

/* As it came: of an id that is encoded nothing is fetched ahead. */
void router_expect(struct worker *worker, const struct http_head *head)
{
    static const char before[] = "/v1/state/";
    const size_t before_bytes = sizeof before - 1;
    const char *text = head->target_text;
    const char *end = text + head->target_bytes;
    if (head->target_bytes <= before_bytes || memcmp(text, before, before_bytes) != 0)
        return;
    const char *collection = text + before_bytes;
    const char *slash = memchr(collection, '/', (size_t)(end - collection));
    if (slash == NULL)
        return;
    const char *mark = memchr(slash, '?', (size_t)(end - slash));
    const char *id_end = mark != NULL ? mark : end;
    store_read_prefetch(snapshot_reader(worker->snapshot), (struct slice){collection, (size_t)(slash - collection)},
                        (struct slice){slash + 1, (size_t)(id_end - slash) - 1});
}

bool router_admit(struct worker *worker, const struct http_head *head, struct response *out)
{
    store_read_prefetch_row(snapshot_reader(worker->snapshot));
    if (admission_check(head, out))
        return true;
    count(worker, ROUTE_NONE, head->method, out, time_boot_ns());
    return false;
}

/* Once per request: what it asks for. False: answered. */
static bool parse(struct call *call, int64_t now_ns, struct response *out)
{
    struct request *r = call->request;
    struct sg_error err;
    r->route = (int)ROUTE_NONE;
    if (target_parse(r->head->target_text, r->head->target_bytes, &r->target, &err) != SG_OK) {
        problem_bad_request(out, &err);
        return false;
    }
    r->route = (int)find_route(&r->target, r->head->ops_only, call);
    call->route = router_route((enum route_id)r->route);
    if (call->route == NULL) {
        problem_answer(out, PROBLEM_NOT_FOUND, "There is no such path.");
        return false;
    }
    if (r->head->method == METHOD_OPTIONS) {
        out->status = 204;
        response_header(out, "Allow", ADMISSION_ALLOW);
        return false;
    }
    r->collection = call->collection;
    r->id = call->id;
    r->arrived_ns = now_ns;
    if (!check_segments(call, out) || !check_params(call, out) || !read_demands(call, out))
        return false;
    r->parsed = true;
    return true;
}

static void answer(struct worker *worker, struct request *request, int64_t now_ns, struct response *out)
{
    struct call call = {.worker = worker, .request = request};
    if (request->parsed) {
        call.route = router_route((enum route_id)request->route);
        call.collection = request->collection;
        call.id = request->id;
    } else if (!parse(&call, now_ns, out)) {
        return;
    }
    call.route->handle(&call, out);
}

/* A wait is over, however its request was answered. */
static void end_wait(struct worker *worker, struct request *request, enum wait_outcome outcome)
{
    if (!request->waiting)
        return;
    request->waiting = false;
    wait_limits_give(worker->api->wait_limits, request->head->client, request->kind, outcome,
                     time_boot_ns() - request->arrived_ns);
}

void router_handle(struct worker *worker, const struct http_head *head, struct request *request, struct response *out)
{
    int64_t begun_ns = time_boot_ns();
    request->head = head;
    answer(worker, request, begun_ns, out);
    if (out->park)
        return;
    if (out->status >= 500 && request->outcome == WAIT_MET)
        request->outcome = WAIT_REFUSED; /* the rows could not be read */
    end_wait(worker, request, request->outcome);
    count(worker, (enum route_id)request->route, head->method, out, begun_ns);
}

bool router_still_waits(struct worker *worker, struct request *request)
{
    struct response ignored;
    response_init(&ignored);
    request->outcome = WAIT_MET;
    answer(worker, request, request->arrived_ns, &ignored);
    bool waits = ignored.park;
    response_free(&ignored);
    request->outcome = WAIT_MET; /* it is answered anew */
    return waits;
}

void router_forget(struct worker *worker, struct request *request)
{
    end_wait(worker, request, WAIT_GONE);
    demands_free(&request->demands);
}
