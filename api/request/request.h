/* What is known of one request while it is handled: its head, and what was read of it. */
#ifndef STATEGATE_API_REQUEST_REQUEST_H
#define STATEGATE_API_REQUEST_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "api/http/head.h"
#include "api/request/demands.h"
#include "api/request/target.h"
#include "api/wait/parked_reads.h"
#include "api/wait/limits.h"
#include "core/base/slice.h"

/* Filled in when it is handled first; a request that waits is handled several times. Up to `target` it begins as
 * zeroes. All slices live as long as the request. */
struct request {
    const struct http_head *head; /* borrowed */
    bool parsed;          /* target, route, collection, id, demands are read */
    int route;            /* enum route_id */
    struct slice collection;
    struct slice id;
    struct demands demands; /* its positions are owned: demands_free() */
    int64_t arrived_ns;   /* boot clock; not before the head was complete */
    bool waiting;         /* holds a place among the waiting reads */
    bool parked_once;
    enum wait_kind kind;  /* what it waited for first */
    enum wait_outcome outcome; /* of its wait; WAIT_MET unless an answer says otherwise */
    struct parked_read parked;
    struct target target; /* valid once the target is parsed */
};

#endif
