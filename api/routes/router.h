/* Which handler answers which path: one flat table for dispatch, for the parameters that a route knows, and for the
 * labels of the metrics. */
#ifndef STATEGATE_API_ROUTES_ROUTER_H
#define STATEGATE_API_ROUTES_ROUTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/http/head.h"
#include "api/request/request.h"
#include "api/http/response.h"
#include "core/progress/metrics.h"

struct call;
struct worker;

/* ---- the handlers: each fills `out`, and none blocks but on the store ---- */

void collections_show(struct call *call, struct response *out);
void page_entities(struct call *call, struct response *out);
void entity_show(struct call *call, struct response *out);
void rejected_page(struct call *call, struct response *out);
void status_show(struct call *call, struct response *out);
void probes_livez(struct call *call, struct response *out);
void probes_readyz(struct call *call, struct response *out);
void metrics_page(struct call *call, struct response *out);
void assets_openapi(struct call *call, struct response *out);

/* Are the parameters of this route's own well-formed? SG_INVALID names the one that is not. */
SG_MUST_CHECK enum sg_status page_check(const struct call *call, struct sg_error *err);
SG_MUST_CHECK enum sg_status rejected_check(const struct call *call, struct sg_error *err);

/* ---- the table ---- */

/* The order of the table; ROUTE_NONE counts what no route answers. */
enum route_id {
    ROUTE_COLLECTIONS,
    ROUTE_PAGE,
    ROUTE_ENTITY,
    ROUTE_REJECTED,
    ROUTE_STATUS,
    ROUTE_LIVEZ,
    ROUTE_READYZ,
    ROUTE_METRICS,
    ROUTE_OPENAPI,
    ROUTE_NONE
};
#define ROUTES_COUNT ROUTE_NONE
#define ROUTE_PARAMS_MAX 8

struct route {
    const char *path; /* also the label `route` */
    size_t segments_count;
    struct slice segments[TARGET_SEGMENTS_MAX]; /* of the path; `{collection}` and `{id}` stand for any */
    void (*handle)(struct call *call, struct response *out);
    bool ops;         /* served on the second address too */
    bool demands;     /* a read of state: the ways to demand freshness mean something here */
    /* Are its own parameters well-formed? NULL = it has none, or looks for itself. */
    enum sg_status (*check)(const struct call *call, struct sg_error *err);
    const char *params[ROUTE_PARAMS_MAX + 1]; /* the parameters it knows; NULL-terminated */
};

/* For the tests that compare the table with the documents. */
const struct route *router_route(enum route_id id);

/* Counts of one loop: written by it alone, read by any thread. */
#define ROUTE_CODES_MAX 24
struct route_counters {
    atomic_uint_fast64_t requests[ROUTES_COUNT + 1][HTTP_METHODS_COUNT][ROUTE_CODES_MAX];
    struct metrics_histogram seconds[ROUTES_COUNT + 1]; /* to make the answer */
};
void router_counters_init(struct route_counters *counters);
/* The status codes behind the third index; 0 ends the list. */
extern const unsigned route_codes[ROUTE_CODES_MAX];
/* "GET", ..., "other". */
const char *router_method_name(enum http_method method);

/* If the target reads like that of an entity, memory that the read will look at is on its way from now on. */
void router_expect(struct worker *worker, const struct http_head *head);

/* Admission, and the count of what it refuses. True: go on with router_handle. */
bool router_admit(struct worker *worker, const struct http_head *head, struct response *out);

/* Answer an admitted request, which begins as zeroes; its target is decoded in place. The second address serves probes
 * and metrics alone. With `out->park` set there is no answer yet: park the request and call again when it is woken. */
void router_handle(struct worker *worker, const struct http_head *head, struct request *request, struct response *out);
/* The second check of a request that was just parked, in a snapshot that began after it was visible: false = it is to
 * be woken at once. Its wants may have changed. */
bool router_still_waits(struct worker *worker, struct request *request);
/* The request is over, answered or not: give back what it holds. */
void router_forget(struct worker *worker, struct request *request);

#endif
