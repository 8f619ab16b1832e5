/* The handlers of the route table, one file per resource. Each fills `out`; none blocks but on the read model. */
#ifndef STATEGATE_API_ROUTES_HANDLERS_H
#define STATEGATE_API_ROUTES_HANDLERS_H

#include "core/base/status.h"

struct call;
struct response;

void state_collections(struct call *call, struct response *out); /* state.c */
void state_entity(struct call *call, struct response *out);      /* state.c */
void page_entities(struct call *call, struct response *out);     /* page.c */
void rejected_page(struct call *call, struct response *out);     /* rejected.c */
void status_show(struct call *call, struct response *out);       /* status.c */
void probes_livez(struct call *call, struct response *out);      /* ops.c */
void probes_readyz(struct call *call, struct response *out);     /* ops.c */
void probes_openapi(struct call *call, struct response *out);    /* ops.c */
void metrics_page(struct call *call, struct response *out);      /* metrics_page.c */

/* Are the parameters of this route's own well-formed? SG_INVALID names the one that is not. */
SG_MUST_CHECK enum sg_status page_check(const struct call *call, struct sg_error *err);     /* page.c */
SG_MUST_CHECK enum sg_status rejected_check(const struct call *call, struct sg_error *err); /* rejected.c */

#endif
