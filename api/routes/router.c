/* The route table, and the way from a target to a plan. */
#include "api/routes/router.h"

#include <string.h>

#include "api/http/problem.h"
#include "api/request/admission.h"
#include "core/base/time.h"

#define FAULT_BYTES_MAX (32u << 10) /* of members of a refusal: all indexes, or a request percent-encoded */

/* A path with its segments. */
#define SEGMENT(text) {text, sizeof text - 1}
#define PATH_1(a) "/" a, 1, {SEGMENT(a)}
#define PATH_2(a, b) "/" a "/" b, 2, {SEGMENT(a), SEGMENT(b)}
#define PATH_3(a, b, c) "/" a "/" b "/" c, 3, {SEGMENT(a), SEGMENT(b), SEGMENT(c)}
#define PATH_4(a, b, c, d) "/" a "/" b "/" c "/" d, 4, {SEGMENT(a), SEGMENT(b), SEGMENT(c), SEGMENT(d)}

static const struct route routes[ROUTES_COUNT] = {
    [ROUTE_COLLECTIONS] = {PATH_2("v1", "state"), .whole = true, .find = collections_find, .answer = collections_answer,
                           .rules = {.demands = DEMANDS_READ, .params = {DEMANDS_PARAMS}}},
    [ROUTE_PAGE] = {PATH_3("v1", "state", "{collection}"), .find = page_find, .answer = page_answer,
                    .rules = {.demands = DEMANDS_READ, .conditions = true, .pages = true, .query = true,
                              .more = page_plan, .params = {"limit", "cursor", QUERY_PARAMS, DEMANDS_PARAMS}}},
    [ROUTE_ENTITY] = {PATH_4("v1", "state", "{collection}", "{id}"), .find = entity_find, .answer = entity_answer,
                      .rules = {.demands = DEMANDS_READ, .min_version = true, .conditions = true,
                                .params = {DEMANDS_PARAMS}}},
    [ROUTE_REJECTED] = {PATH_2("v1", "rejected"), .find = rejected_find, .answer = rejected_answer,
                        .rules = {.demands = DEMANDS_READ, .pages = true,
                                  .more = rejected_plan,
                                  .params = {"limit", "cursor", "stream", "collection", DEMANDS_PARAMS}}},
    [ROUTE_STATUS] = {PATH_2("v1", "status"), .whole = true, .find = status_find, .answer = status_answer},
    [ROUTE_LIVEZ] = {PATH_1("livez"), .ops = true, .answer = livez_answer, .rules = {.demands = DEMANDS_IGNORED}},
    [ROUTE_READYZ] = {PATH_1("readyz"), .ops = true, .answer = readyz_answer,
                      .rules = {.demands = DEMANDS_IGNORED, .more = readyz_plan, .params = {"max_staleness"}}},
    [ROUTE_METRICS] = {PATH_1("metrics"), .ops = true, .whole = true, .answer = metrics_answer,
                       .rules = {.demands = DEMANDS_IGNORED}},
    [ROUTE_OPENAPI] = {PATH_1("openapi.yaml"), .ops = true, .answer = assets_openapi,
                       .rules = {.demands = DEMANDS_IGNORED}},
};

const struct route *router_route(enum route_id id)
{
    return id < ROUTES_COUNT ? &routes[id] : NULL;
}

enum route_id router_id(const struct route *route)
{
    uintptr_t offset = (uintptr_t)route - (uintptr_t)routes; /* of one that is not of the table: beyond its end */
    return offset < sizeof routes ? (enum route_id)(route - routes) : ROUTE_NONE;
}

/* ---- from a target to a plan ---- */

static bool route_matches(const struct route *route, const struct target *target, struct plan *plan)
{
    if (route->segments_count != target->segments_count)
        return false;
    for (size_t i = 0; i < target->segments_count; i++) {
        struct slice part = route->segments[i];
        if (part.data[0] == '{')
            *(part.data[1] == 'c' ? &plan->collection : &plan->id) = target->segments[i];
        else if (!slice_equal(part, target->segments[i]))
            return false;
    }
    return true;
}

static const struct route *find_route(const struct target *target, bool ops_only, struct plan *plan)
{
    size_t segments = target->segments_count;
    if (segments == 0 || segments > TARGET_SEGMENTS_MAX || target->segments[segments - 1].bytes == 0)
        return NULL; /* a trailing slash names nothing */
    for (unsigned id = 0; id < ROUTES_COUNT; id++) {
        if ((routes[id].ops || !ops_only) && route_matches(&routes[id], target, plan))
            return &routes[id];
    }
    return NULL;
}

static enum admission_body body_of(const struct route *route)
{
    return route->rules.query ? ADMISSION_JSON_BODY : ADMISSION_NO_BODY;
}

static void refuse(enum sg_status status, struct query_fault *fault, const struct sg_error *err,
                   struct response *out)
{
    struct slice more = {fault->members.data, fault->members.bytes};
    if (status == SG_NOT_FOUND)
        problem_answer(out, PROBLEM_UNKNOWN_STREAM, "%s.", err->message);
    else if (status == SG_INVALID && !fault->members.failed)
        problem_refuse(out, fault->problem, more, err);
    else
        out->failed = true;
    buffer_free(&fault->members);
}

/* What the parameters may name besides those of the route; NULL = nothing, or only the route is looked for. */
static const struct field_set *fields_of(const struct call *call)
{
    bool query = call->route != NULL && call->route->rules.query && call->api != NULL;
    return query ? plan_fields(call->api->settings, call->plan.collection) : NULL;
}

static __attribute__((cold, noinline)) void answer_options(const struct route *route, struct response *out)
{
    out->status = 204;
    response_header(out, "Allow", admission_allow(body_of(route)));
}

bool router_plan(struct call *call, const struct tunables *tunables, struct response *out)
{
    struct target target;
    struct query_fault fault = {.problem = PROBLEM_BAD_REQUEST};
    struct sg_error err;
    if (target_parse(call->head->target_text, call->head->target_bytes, &target, &err) != SG_OK) {
        problem_bad_request(out, &err);
        return false;
    }
    call->route = find_route(&target, call->head->ops_only, &call->plan);
    if (target.repeats && target_check_repeats(&target, fields_of(call), &err) != SG_OK) {
        problem_bad_request(out, &err);
        return false;
    }
    if (call->route == NULL) {
        problem_answer(out, PROBLEM_NOT_FOUND, "There is no such path.");
        return false;
    }
    if (call->head->method == METHOD_OPTIONS) {
        answer_options(call->route, out);
        return false;
    }
    buffer_init(&fault.members, FAULT_BYTES_MAX);
    enum sg_status status =
        plan_make(call->head, &target, &call->route->rules, call->api->settings, tunables, &call->plan, &fault, &err);
    if (status != SG_OK)
        refuse(status, &fault, &err, out);
    return status == SG_OK;
}

/* As OPTIONS would: only the route is looked for. In a copy, as the target is decoded in place. So that parsing has one
 * caller, and is a part of it. */
__attribute__((cold)) enum admission_body router_body(const struct http_head *head)
{
    char text[TARGET_BYTES_MAX + 1];
    struct http_head copy = *head;
    struct call call = {.head = &copy};
    struct response out;
    if (head->target_bytes > TARGET_BYTES_MAX)
        return ADMISSION_NO_BODY;
    memcpy(text, head->target_text, head->target_bytes + 1);
    copy.method = METHOD_OPTIONS;
    copy.target_text = text;
    response_init(&out);
    (void)router_plan(&call, NULL, &out);
    response_free(&out);
    return call.route != NULL ? body_of(call.route) : ADMISSION_NO_BODY;
}

/* As it came: of an id that is encoded nothing is fetched ahead. */
void router_prefetch(struct store_reader *reader, const struct http_head *head)
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
    store_read_prefetch(reader, (struct slice){collection, (size_t)(slash - collection)},
                        (struct slice){slash + 1, (size_t)(id_end - slash) - 1});
}

/* ---- what the metrics count ---- */

const unsigned route_codes[ROUTE_CODES_MAX] = {200, 204, 304, 400, 404, 405, 409, 410, 412, 413,
                                               414, 415, 417, 421, 422, 431, 501, 503, 504, 505};

static const double seconds_bounds[] = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001,
                                        0.0025,  0.005,    0.01,    0.025,  0.05,    0.1,    1};

const char *router_method_name(enum http_method method)
{
    static const char *const names[HTTP_METHODS_COUNT] = {"GET", "HEAD", "OPTIONS", "QUERY", "POST", "other"};
    return names[method];
}

void router_counters_init(struct route_counters *counters)
{
    for (size_t i = 0; i <= ROUTES_COUNT; i++)
        metrics_histogram_init(&counters->seconds[i], seconds_bounds, sizeof seconds_bounds / sizeof seconds_bounds[0]);
}

int64_t router_count(struct route_counters *counters, const struct route *route, enum http_method method,
                     const struct response *r, int64_t begun_ns)
{
    enum route_id id = router_id(route);
    size_t code = 0;
    int64_t ended_ns = r->made_ns != 0 ? r->made_ns : time_boot_ns();
    if (r->failed)
        return ended_ns; /* out of memory: there is no answer */
    while (code + 1 < ROUTE_CODES_MAX && route_codes[code] != 0 && route_codes[code] != r->status)
        code++;
    atomic_uint_fast64_t *counter = &counters->requests[id][method][code];
    /* Its loop is the only writer, so a load and a store do. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
    metrics_histogram_add(&counters->seconds[id], (double)(ended_ns - begun_ns) / (double)NS_PER_S);
    return ended_ns;
}
