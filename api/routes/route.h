/* What a route is, and one request on its way to it. */
#ifndef STATEGATE_API_ROUTES_ROUTE_H
#define STATEGATE_API_ROUTES_ROUTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/access/principal.h"
#include "api/answer/check.h"
#include "api/http/encode.h"
#include "api/request/plan.h"
#include "api/wait/limits.h"
#include "api/wait/parked_reads.h"
#include "core/progress/metrics.h"
#include "core/progress/progress.h"

struct call;
struct http;
struct jobs;
struct worker_job;

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

/* Demands and conditions are checked between `find` and `answer`, and nowhere else. Neither blocks but on the store,
 * and both use only what their call has, so that any thread with a snapshot of its own may run them. A failure is
 * answered for them, as `storage`. In a job, reads stop when nobody waits any more (SG_STOPPED). */
struct route {
    const char *path; /* also the label `route` */
    size_t segments_count;
    struct slice segments[TARGET_SEGMENTS_MAX]; /* of the path; `{collection}` and `{id}` stand for any */
    bool ops;         /* served on the second address too */
    bool whole;       /* it reads of all collections or streams: how long that takes does not depend on the request */
    struct plan_rules rules;
    /* What the answer will rest on; begins the snapshot. Cheap: a read that waits calls it again and again. `out` comes
     * zeroed. NULL = the answer rests on nothing in the store, or looks itself. */
    enum sg_status (*find)(struct call *call, struct basis *out, struct sg_error *err);
    /* Fill `out`; called once, in the snapshot in which all that is demanded was found to hold. */
    enum sg_status (*answer)(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err);
};

/* Counts of one loop: written by it alone, read by any thread. */
#define ROUTE_CODES_MAX 24
struct route_counters {
    atomic_uint_fast64_t longest_ns; /* the most processor time that the loop's thread spent at one go: worker.c */
    atomic_uint_fast64_t requests[ROUTES_COUNT + 1][HTTP_METHODS_COUNT][ROUTE_CODES_MAX];
    struct metrics_histogram seconds[ROUTES_COUNT + 1]; /* to make the answer */
};

/* What all loops share. */
struct api_shared {
    /* Set before the loops run, then read-only: any thread. Borrowed. */
    const struct settings *settings;
    const struct rows_hash *rows; /* of each stream */
    const struct tunables_now *tunables;
    struct commit_clock *clock;
    struct freshness *freshness;
    struct metrics *metrics;
    struct progress *progress;
    struct wait_limits *wait_limits;
    const struct http *http;
    struct jobs *jobs;     /* NULL = none, as in a test: all is answered on the loop, however long it takes */
    struct jobs *ops_jobs; /* of the second address; NULL = none */
    struct route_counters **counters; /* one of each loop */
    size_t counters_count;
    /* Any thread. */
    atomic_bool unready;  /* the process was asked to end: /readyz says so */
    atomic_bool draining; /* it ends: nothing waits any more */
    atomic_bool long_lately[ROUTES_COUNT]; /* of those that read the whole: the next one begins in a job */
};

/* One request on its way; stands beside its head until it is answered. Zeroed = it has just come. One thread at a time:
 * its loop's, or its job's. */
struct call {
    const struct http_head *head;   /* borrowed; NULL = not handled yet, and then nothing else is set */
    struct api_shared *api;         /* borrowed */
    const struct route *route;      /* of the table; NULL = no route answers this path */
    bool planned;                   /* route and plan are known */
    struct wait_place place;        /* among the waiting reads, while it is parked or may be again */
    bool parked_once;
    enum wait_kind kind;            /* what it waited for first */
    enum wait_outcome outcome;      /* of its wait; WAIT_MET unless an answer says otherwise */
    struct principal principal;
    struct plan plan;               /* owned */
    int64_t arrived_ns;             /* boot clock; not before the head was complete */
    int64_t begun_ns;               /* boot clock: when making the answer began, last */
    struct snapshot *snapshot;      /* borrowed, during an attempt: its loop's, or its job's */
    struct parked_read parked;
    size_t examined_rows;           /* that a query looked at, for the metrics */
    struct worker_job *job;         /* owned by the worker; NULL = no thread of a job has it in hand or had it last */
};

/* Of an answer that is not one entity, when its body is made: in the coding that is asked for. SG_STOPPED: in a job. */
static inline enum sg_status call_encode(const struct call *call, struct response *out)
{
    return encode_answer(out, &call->head->fields.accept_encoding, call->job == NULL && call->api->jobs != NULL);
}

/* So much of a body may be made on a loop; what is larger is made in a job. Reads of rows stop by themselves
 * (worker.c). */
#define CALL_LOOP_BYTES_MAX (512u << 10)
static inline bool call_outgrows_loop(const struct call *call, size_t bytes)
{
    return bytes > CALL_LOOP_BYTES_MAX && call->job == NULL && call->api->jobs != NULL;
}

#endif
