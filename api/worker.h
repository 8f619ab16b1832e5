/* What the handlers of one loop work with; each loop has its own. */
#ifndef STATEGATE_API_WORKER_H
#define STATEGATE_API_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "api/api.h"
#include "api/request/request.h"
#include "api/http/response.h"
#include "api/routes/router.h"
#include "api/answer/snapshot.h"

struct http;
struct worker;

/* What all loops share. */
struct api {
    /* Set by api_start(), then read-only: any thread. */
    struct api_context context; /* borrowed */
    struct http *http;          /* owned */
    unsigned workers_count;
    struct worker **workers;    /* owned; an entry is NULL until its loop has opened it */
    struct wait_limits *wait_limits; /* owned */
    atomic_bool draining;
};

struct worker {
    struct api *api;               /* borrowed */
    struct snapshot *snapshot;     /* owned; the loop's thread only */
    struct progress_loop *interest;                           /* owned; the loop's thread only, but for creation */
    struct parked_reads *parked_reads;                        /* owned; likewise */
    uint64_t changed_entities[PROGRESS_CHANGED_ENTITIES_MAX]; /* scratch of a wake-up */
    struct route_counters *counters; /* owned; written by the loop's thread only, read by any */
};

/* One request on its way through a handler. */
struct call {
    struct worker *worker;
    struct request *request;
    const struct route *route;
    struct slice collection; /* where the route has them */
    struct slice id;
};

#endif
