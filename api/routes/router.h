/* Which route answers which path: one flat table for dispatch, for what a request may ask, and for the labels of the
 * metrics. */
#ifndef STATEGATE_API_ROUTES_ROUTER_H
#define STATEGATE_API_ROUTES_ROUTER_H

#include "api/request/admission.h"
#include "api/routes/route.h"

/* ---- the routes, as struct route says of `find` and `answer` ---- */

enum sg_status collections_find(struct call *call, struct basis *out, struct sg_error *err);
enum sg_status collections_answer(struct call *call, const struct basis *basis, struct response *out,
                                  struct sg_error *err);
enum sg_status page_plan(const struct target *target, const struct settings *settings, struct plan *plan,
                         struct sg_error *err);
enum sg_status page_find(struct call *call, struct basis *out, struct sg_error *err);
enum sg_status page_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err);
enum sg_status entity_find(struct call *call, struct basis *out, struct sg_error *err);
enum sg_status entity_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err);
enum sg_status rejected_plan(const struct target *target, const struct settings *settings, struct plan *plan,
                             struct sg_error *err);
enum sg_status rejected_find(struct call *call, struct basis *out, struct sg_error *err);
enum sg_status rejected_answer(struct call *call, const struct basis *basis, struct response *out,
                               struct sg_error *err);
enum sg_status status_find(struct call *call, struct basis *out, struct sg_error *err);
enum sg_status status_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err);
enum sg_status livez_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err);
enum sg_status readyz_plan(const struct target *target, const struct settings *settings, struct plan *plan,
                           struct sg_error *err);
enum sg_status readyz_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err);
enum sg_status metrics_answer(struct call *call, const struct basis *basis, struct response *out,
                              struct sg_error *err);
enum sg_status assets_openapi(struct call *call, const struct basis *basis, struct response *out,
                              struct sg_error *err);

/* ---- the table ---- */

/* For the metrics, and for the tests that compare the table with the documents. NULL for ROUTE_NONE. */
const struct route *router_route(enum route_id id);
enum route_id router_id(const struct route *route);

/* What the route of a request takes, which the table alone knows; the head is only read. It costs what planning does:
 * of GET, HEAD and OPTIONS, which have no body anywhere, nobody needs to ask. */
enum admission_body router_body(const struct http_head *head);

/* Find the route of a call, and plan the request. False: `out` is the answer: there is no such path, what is asked is
 * malformed, or only the methods are asked for. The target is decoded in place. */
bool router_plan(struct call *call, const struct tunables *tunables, struct response *out);

/* If the target reads like that of an entity, memory that its read will look at is on its way from now on. */
void router_prefetch(struct store_reader *reader, const struct http_head *head);

/* ---- what the metrics count ---- */

/* The status codes in the order of the third index; 0 ends the list. */
extern const unsigned route_codes[ROUTE_CODES_MAX];
/* "GET", ..., "other". */
const char *router_method_name(enum http_method method);

void router_counters_init(struct route_counters *counters);
/* An answer was made; `begun_ns`: since when. Gives when it was. The loop's thread. */
int64_t router_count(struct route_counters *counters, const struct route *route, enum http_method method,
                     const struct response *r, int64_t begun_ns);

#endif
