/* What a request asks for, as values: its target, parameters and header fields, read once. Whoever answers it, and
 * whoever looks whether it has to wait on, reads no text again. Pure functions. */
#ifndef STATEGATE_API_REQUEST_PLAN_H
#define STATEGATE_API_REQUEST_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/http/head.h"
#include "api/request/batch.h"
#include "api/request/conditions.h"
#include "api/request/cursor.h"
#include "api/request/demands.h"
#include "api/request/query.h"
#include "api/request/target.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/domain/settings.h"
#include "core/domain/tunables.h"

#define PLAN_PARAMS_MAX 16

/* Where a request is answered: on its loop, or, where that may take long, in the thread of a job. */
enum plan_place { PLAN_ON_LOOP, PLAN_IN_JOB };

/* Slices point into the request's target or are static; they live as long as the request. Zeroed = nothing asked. */
struct plan {
    struct slice collection; /* of the path, or of a parameter; empty = none */
    struct slice id;
    struct slice stream;     /* a stream that a parameter names; empty = none */
    int owner;               /* the stream that the answer rests on, OWNER_ALL, or OWNER_NONE: no stream can hold it */
    struct demands demands;  /* owned: plan_free() */
    const struct collection_settings *declared; /* of a list: its collection's, perhaps nothing */
    struct list_query *query; /* owned, of a list; NULL = all rows by their ids, and their whole states */
    struct batch *batch;      /* owned; what a body asks for; NULL = there is none */
    struct conditions conditions;
    size_t limit;            /* of a page */
    int64_t before;          /* of rejected events: the number that the page before ended with; 0 = the first page */
    enum plan_place place;
};

/* What demands mean to a route. */
enum plan_demands {
    DEMANDS_REFUSED, /* there is nothing that could be fresh: named and refused, never ignored */
    DEMANDS_IGNORED, /* a probe: no read, so that header fields for reads mean nothing */
    DEMANDS_READ,
};

/* What a route accepts; a part of its row in the table. */
struct plan_rules {
    enum plan_demands demands;
    bool min_version; /* one entity is meant, so it has a version */
    bool conditions;  /* If-None-Match and its like */
    bool query;       /* a list: fields of the collection and QUERY_PARAMS, a cursor of lists, or a body */
    bool pages;       /* `limit` and `cursor`; of a list with queries, or of rejected events */
    /* Reads the parameters that no other route has; owner, collection and place may be changed. NULL = there are none.
     * SG_INVALID names the one that is malformed; SG_NOT_FOUND, after that, a stream that is not configured. */
    enum sg_status (*more)(const struct target *target, const struct settings *settings, struct plan *plan,
                           struct sg_error *err);
    const char *params[PLAN_PARAMS_MAX]; /* that it knows; NULL after the last one, if there is room */
};

/* What this collection declares; never NULL. */
const struct field_set *plan_fields(const struct settings *settings, struct slice collection);

/* Read a request to a route with these rules, whose parameters are not repeated (target_check_repeats); `out` comes
 * zeroed, with the collection and the id of the path. A cursor is decoded in place, in the target's text. Called
 * once for each request, however often that is woken and looked at again: counts of this function's calls show it.
 * Errors, and then `out` owns nothing: SG_INVALID names what is malformed, and `fault`, which comes zeroed but for
 * its buffer, says what kind of problem it is (400, or 410); SG_NOT_FOUND (409), after all that is malformed, names
 * a stream that is not configured; SG_MEMORY. */
SG_MUST_CHECK enum sg_status plan_make(const struct http_head *head, const struct target *target,
                                       const struct plan_rules *rules, const struct settings *settings,
                                       const struct tunables *tunables, struct plan *out, struct query_fault *fault,
                                       struct sg_error *err);
void plan_free_owned(struct plan *plan);
/* Free what is owned, of which most have nothing; a zeroed plan is allowed. */
static inline void plan_free(struct plan *plan)
{
    if (plan->demands.positions != NULL || plan->query != NULL || plan->batch != NULL)
        plan_free_owned(plan);
}

#endif
